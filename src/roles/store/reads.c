/* SPDX-License-Identifier: ISC */
/*
 * roles/store/reads - summaries and bodies on their way to a front
 *
 * Pieces, each read in a READ thread: a body's as the front's credit allows, a
 * page of summaries when the channel has room. The place of a body is looked
 * up anew for each piece, so that a segment may be compacted in between.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/store_role.h"

enum {
	SUMMARIES = 32,       /* of one job: 512 KiB */
	FIRST_CREDIT = 65536, /* of a BODY_READ */
	CREDIT_MAX = 16 * 1024 * 1024
};

/* -- summaries
 * ------------------------------------------------------------------------- */

struct summary_item {
	uint32_t uid, header_len;
	struct slice summary; /* in the arena */
};

struct summary_read {
	struct store_read read;
	struct waiting waiting;
	struct asker asker;
	struct arena arena;
	uint64_t account, mailbox;
	size_t at, n_ranges, n;
	uint32_t next;
	bool is_done;
	struct summary_item items[SUMMARIES];
	struct uid_range ranges[];
};

static int
read_range(struct db *db, struct summary_read *s, struct uid_range range)
{
	struct q_summary_scan row;
	struct db_rows rows;
	int r = DB_MANY(summary_scan, db, &rows, .account = s->account,
	    .mailbox = s->mailbox, .lo = range.lo, .hi = range.hi,
	    .limit = (uint32_t)(SUMMARIES - s->n));

	if (r != 0)
		return ERR_TRACE(r);
	while (s->n < SUMMARIES &&
	    (r = q_summary_scan_next(&rows, &row)) == 0) {
		struct summary_item *it = &s->items[s->n];

		it->uid = row.uid;
		it->header_len = row.header_len;
		if (!arena_copy(&s->arena, row.summary, &it->summary)) {
			r = ERR_ORIGIN(-ENOMEM);
			break;
		}
		s->n++;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
run_summaries(struct db *db, struct store_read *read)
{
	struct summary_read *s = LIST_ENTRY(read, struct summary_read, read);

	s->n = 0;
	while (s->at < s->n_ranges && s->n < SUMMARIES) {
		struct uid_range range = s->ranges[s->at];
		int r;

		if (range.lo < s->next)
			range.lo = s->next;
		r = range.lo > range.hi ? 0 : read_range(db, s, range);
		if (r != 0)
			return ERR_TRACE(r);
		if (s->n == SUMMARIES) {
			s->next = s->items[s->n - 1].uid + 1;
			if (s->next != 0 && s->next <= range.hi)
				return 0;
		}
		s->at++;
		s->next = 0;
	}
	s->is_done = s->at >= s->n_ranges;
	return 0;
}

static void
summary_free(struct summary_read *s)
{
	arena_reset(&s->arena);
	free(s);
}

static void
send_end(struct summary_read *s, struct channel *c, int r)
{
	struct wire_summary_row m = { .verdict = wire_verdict_box(r),
		.last = true,
		.summary = SLICE("") };

	(void)wire_send_summary_row(c, s->asker.session, s->asker.ticket, &m);
}

static void
send_summaries(struct summary_read *s, struct channel *c)
{
	for (size_t i = 0; i < s->n; i++) {
		struct wire_summary_row m = { .verdict = wire_verdict_box(0),
			.uid = s->items[i].uid,
			.last = s->is_done && i + 1 == s->n,
			.header_len = s->items[i].header_len,
			.summary = s->items[i].summary };

		(void)wire_send_summary_row(c, s->asker.session,
		    s->asker.ticket, &m);
	}
	if (s->is_done && s->n == 0)
		send_end(s, c, 0);
}

static void
summary_next(struct waiting *w)
{
	struct summary_read *s = LIST_ENTRY(w, struct summary_read, waiting);

	store_read(s->asker.role->store, &s->read);
}

static void
summary_gone(struct waiting *w)
{
	summary_free(LIST_ENTRY(w, struct summary_read, waiting));
}

static void
done_summaries(struct store_read *read, int r)
{
	struct summary_read *s = LIST_ENTRY(read, struct summary_read, read);
	struct channel *c = asker_channel(&s->asker);

	if (c != NULL && r != 0)
		send_end(s, c, r);
	else if (c != NULL)
		send_summaries(s, c);
	arena_reset(&s->arena);
	if (c == NULL || r != 0 || s->is_done)
		summary_free(s);
	else
		peer_when_room(&s->asker, &s->waiting);
}

int
on_summary_read(struct channel *c, const struct wire_head *h,
    const struct wire_summary_read *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct wire_list uids = m->uids;
	struct wire_range range;
	struct summary_read *s =
	    calloc(1, sizeof(*s) + uids.n * sizeof(s->ranges[0]));

	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	s->asker = asker_of(c, h);
	arena_init(&s->arena, SUMMARIES * (LIMIT_SUMMARY + 4096));
	s->mailbox = m->mailbox;
	while (wire_range_next(&uids, &range))
		s->ranges[s->n_ranges++] =
		    (struct uid_range){ range.lo, range.hi };
	s->waiting.go = summary_next;
	s->waiting.gone = summary_gone;
	list_init(&s->waiting.link);
	s->read.run = run_summaries;
	s->read.done = done_summaries;
	if (of == NULL) {
		done_summaries(&s->read, -ENOENT);
		return 0;
	}
	s->account = of->account;
	store_read(peer_of(c)->role->store, &s->read);
	return 0;
}

/* -- bodies
 * --------------------------------------------------------------------------------
 */

struct body_read {
	struct list link; /* of the peer, while it lives */
	struct store_read read;
	struct asker asker;
	uint64_t account, mailbox, offset, end; /* end: where it stops */
	uint64_t credit;
	uint32_t uid;
	struct id message; /* of MESSAGE_READ; then mailbox and uid are 0 */
	char address[LIMIT_ADDRESS + 1]; /* the same */
	bool is_busy, is_dead, is_last;
	size_t want, n;
	uint8_t data[LIMIT_CHUNK];
};

/* What comes in one piece, as most mail does, is not given out when the disk
 * has changed it; of what comes in several the first are gone by then, and
 * `ulak verify` tells. */
static bool
is_whole(struct slice body, struct slice checksum)
{
	uint8_t is[SEGMENT_CHECKSUM];

	segment_checksum(body, is);
	return slice_equal(checksum, slice_of(is, sizeof(is)));
}

/* Of an account that control names. */
static int
find_message(struct db *db, struct body_read *b, struct q_entry_place *ret)
{
	struct q_email_place row;
	struct address a;
	int r = address_read(db, slice_cstr(b->address), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &b->account);
	if (r == 0)
		r = DB_ONE(email_place, db, &row, .account = b->account,
		    .message = b->message);
	if (r == 0)
		*ret = (struct q_entry_place){ .segment = row.segment,
			.body = row.body,
			.stored_len = row.stored_len,
			.checksum = row.checksum };
	return r > 0 ? DB_NONE : ERR_TRACE(r);
}

static int
run_body(struct db *db, struct store_read *read)
{
	struct body_read *b = LIST_ENTRY(read, struct body_read, read);
	struct q_entry_place row;
	int r = b->address[0] != '\0'
	    ? find_message(db, b, &row)
	    : DB_ONE(entry_place, db, &row, .account = b->account,
		  .mailbox = b->mailbox, .uid = b->uid);

	if (r != 0)
		return r == DB_NONE ? DB_NONE : ERR_TRACE(r);
	if (b->end > row.stored_len)
		b->end = row.stored_len;
	b->n = 0;
	if (b->offset < b->end)
		b->n = b->end - b->offset < b->want
		    ? (size_t)(b->end - b->offset)
		    : b->want;
	b->is_last = b->offset + b->n >= b->end;
	if (b->n == 0)
		return 0;
	r = segment_read(b->asker.role->store, row.segment,
	    row.body + b->offset, b->data, b->n);
	if (r == 0 && b->offset == 0 && b->n == row.stored_len)
		r = is_whole(slice_of(b->data, b->n), row.checksum) ? 0
								    : -EBADMSG;
	return ERR_TRACE(r);
}

static void body_next(struct body_read *b);

static void
body_read_free(struct body_read *b)
{
	list_remove(&b->link);
	free(b);
}

static void
done_body(struct store_read *read, int r)
{
	struct body_read *b = LIST_ENTRY(read, struct body_read, read);
	struct channel *c = asker_channel(&b->asker);
	struct wire_body_data m = { .verdict = wire_verdict_box(r),
		.data = slice_of(b->data, r == 0 ? b->n : 0),
		.last = r != 0 || b->is_last };

	b->is_busy = false;
	if (c == NULL || b->is_dead) {
		body_read_free(b);
		return;
	}
	if (r < 0)
		env_log(b->asker.role->env, ENV_ERROR, "body-unreadable",
		    "errno=%d mailbox=%llu uid=%u", -r,
		    (unsigned long long)b->mailbox, b->uid);
	(void)wire_send_body_data(c, b->asker.session, b->asker.ticket, &m);
	if (m.last) {
		body_read_free(b);
		return;
	}
	b->offset += b->n;
	b->credit -= b->n;
	body_next(b);
}

static void
body_next(struct body_read *b)
{
	if (b->is_busy || b->credit == 0)
		return;
	b->is_busy = true;
	b->want =
	    b->credit < sizeof(b->data) ? (size_t)b->credit : sizeof(b->data);
	store_read(b->asker.role->store, &b->read);
}

static struct body_read *
body_read_find(struct channel *c, const struct wire_head *h)
{
	struct peer *p = peer_of(c);

	LIST_FOREACH (it, &p->reads) {
		struct body_read *b = LIST_ENTRY(it, struct body_read, link);

		if (b->asker.session == h->session &&
		    b->asker.ticket == h->ticket && !b->is_dead)
			return b;
	}
	return NULL;
}

int
on_body_read(struct channel *c, const struct wire_head *h,
    const struct wire_body_read *m)
{
	struct peer *p = peer_of(c);
	struct handle *of = handle_find(p, m->handle, GRANT_READ);
	struct body_read *b = malloc(sizeof(*b));

	if (b == NULL)
		return ERR_ORIGIN(-ENOMEM);
	memset(b, 0, offsetof(struct body_read, data));
	b->asker = asker_of(c, h);
	b->mailbox = m->mailbox;
	b->uid = m->uid;
	b->offset = m->offset;
	b->end = m->length > UINT64_MAX - m->offset ? UINT64_MAX
						    : m->offset + m->length;
	b->credit = FIRST_CREDIT;
	b->read.run = run_body;
	b->read.done = done_body;
	list_add_last(&p->reads, &b->link);
	if (of == NULL) {
		done_body(&b->read, -ENOENT);
		return 0;
	}
	b->account = of->account;
	body_next(b);
	return 0;
}

int
on_message_read(struct channel *c, const struct wire_head *h,
    const struct wire_message_read *m)
{
	struct body_read *b = malloc(sizeof(*b));

	if (b == NULL)
		return ERR_ORIGIN(-ENOMEM);
	memset(b, 0, offsetof(struct body_read, data));
	b->asker = asker_of(c, h);
	b->message = m->message;
	b->end = UINT64_MAX;
	b->credit = FIRST_CREDIT;
	b->read.run = run_body;
	b->read.done = done_body;
	list_add_last(&peer_of(c)->reads, &b->link);
	if (!slice_to_cstr(m->address, b->address, sizeof(b->address)) ||
	    m->address.len == 0) {
		done_body(&b->read, -ENOENT);
		return 0;
	}
	body_next(b);
	return 0;
}

int
on_read_credit(struct channel *c, const struct wire_head *h,
    const struct wire_read_credit *m)
{
	struct body_read *b = body_read_find(c, h);

	if (b == NULL)
		return 0; /* it has ended meanwhile */
	b->credit += m->bytes;
	if (b->credit > CREDIT_MAX)
		b->credit = CREDIT_MAX;
	body_next(b);
	return 0;
}

static void
body_read_end(struct body_read *b)
{
	b->is_dead = true;
	if (!b->is_busy)
		body_read_free(b);
}

int
on_read_drop(struct channel *c, const struct wire_head *h,
    const struct wire_read_drop *m)
{
	struct body_read *b = body_read_find(c, h);

	(void)m;
	if (b != NULL)
		body_read_end(b);
	else
		details_drop(c, h);
	return 0;
}

/* Those at work in a thread are freed when that comes back. */
void
reads_peer_lost(struct peer *p)
{
	struct list *link;

	while ((link = list_take_first(&p->reads)) != NULL)
		body_read_end(LIST_ENTRY(link, struct body_read, link));
}
