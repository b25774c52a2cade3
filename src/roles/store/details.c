/* SPDX-License-Identifier: ISC */
/*
 * roles/store/details - what a front wants of many messages at one time
 *
 * DETAIL_READ: a row each, with the beginning of the summary, for SEARCH,
 * SORT and THREAD. BODIES_READ: the bytes of one message after the other. Both
 * go in jobs of a READ thread, each of which reads what fits into JOB_BYTES;
 * the next is begun when the channel has room. The ranges are the front's, the
 * account is its handle's. A message that cannot be read is said to be so, and
 * the next one follows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/pages.h"
#include "roles/store/store_role.h"

enum {
	PAGE_ROWS = 48,         /* of one DETAIL_ROWS, by messages.def */
	JOB_ROWS = 1024,        /* read in one transaction */
	JOB_BYTES = 512 * 1024, /* and so much of them */
	JOB_MESSAGES = 128      /* of which bytes are read in one transaction */
};

struct ranges {        /* those still to be read */
	uint32_t next; /* uids below were had */
	size_t at, n;
	struct uid_range *of;
};

/* False: no memory. */
static bool
ranges_init(struct ranges *r, struct wire_list uids)
{
	struct wire_range range;

	r->of = calloc(uids.n + (size_t)1, sizeof(*r->of));
	if (r->of == NULL)
		return false;
	while (wire_range_next(&uids, &range))
		r->of[r->n++] = (struct uid_range){ range.lo, range.hi };
	return true;
}

/* The rest of the present range; false when all were had. */
static bool
ranges_get(const struct ranges *r, struct uid_range *ret)
{
	if (r->at >= r->n)
		return false;
	*ret = r->of[r->at];
	if (ret->lo < r->next)
		ret->lo = r->next;
	return true;
}

static void
ranges_next(struct ranges *r)
{
	r->at++;
	r->next = 0;
}

/* The row of that uid is done with. */
static void
ranges_had(struct ranges *r, uint32_t uid)
{
	if (uid == UINT32_MAX)
		ranges_next(r);
	else
		r->next = uid + 1;
}

/* -- details
 * ------------------------------------------------------------------------- */

struct details {
	struct store_read read;
	struct waiting waiting;
	struct asker asker;
	uint64_t account, mailbox;
	uint32_t head;
	struct ranges ranges;
	struct pages pages;
	size_t n_rows, n_bytes, n_sent;
	int result;
};

static void
details_free(struct details *d)
{
	pages_deinit(&d->pages);
	free(d->ranges.of);
	free(d);
}

static int
add_detail(struct details *d, const struct q_detail_scan *row)
{
	struct page *p = pages_next(&d->pages, PAGE_ROWS);
	struct wire_detail e = { .uid = row->uid,
		.message = row->message,
		.thread = row->thread,
		.saved_at = row->saved_at,
		.size = row->stored_len,
		.summary = slice_upto(row->summary, d->head) };

	if (p == NULL || wire_detail_add(&p->rows, &e) != 0)
		return ERR_ORIGIN(-ENOMEM);
	p->n++;
	d->n_rows++;
	d->n_bytes += e.summary.len;
	return 0;
}

static bool
is_job_full(const struct details *d)
{
	return d->n_rows >= JOB_ROWS || d->n_bytes >= JOB_BYTES;
}

/* Sets *ret_end when the range has no more. */
static int
add_details(struct db *db, struct details *d, struct uid_range range,
    bool *ret_end)
{
	struct q_detail_scan row;
	struct db_rows rows;
	int r = DB_MANY(detail_scan, db, &rows, .account = d->account,
	    .mailbox = d->mailbox, .lo = range.lo, .hi = range.hi,
	    .limit = (uint32_t)(JOB_ROWS - d->n_rows));

	*ret_end = false;
	if (r != 0)
		return ERR_TRACE(r);
	while (!is_job_full(d) && (r = q_detail_scan_next(&rows, &row)) == 0) {
		r = add_detail(d, &row);
		if (r != 0)
			break;
		ranges_had(&d->ranges, row.uid);
		if (row.uid == range.hi) {
			*ret_end = row.uid != UINT32_MAX;
			break;
		}
	}
	db_rows_close(&rows);
	*ret_end |= r == DB_NONE;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
run_details(struct db *db, struct store_read *read)
{
	struct details *d = LIST_ENTRY(read, struct details, read);
	struct uid_range range;

	while (!is_job_full(d) && ranges_get(&d->ranges, &range)) {
		bool is_end = true;
		int r = range.lo > range.hi
		    ? 0
		    : add_details(db, d, range, &is_end);

		if (r != 0)
			return ERR_TRACE(r);
		if (is_end)
			ranges_next(&d->ranges);
	}
	return 0;
}

static void
details_read(struct waiting *w)
{
	struct details *d = LIST_ENTRY(w, struct details, waiting);

	store_read(d->asker.role->store, &d->read);
}

static void
details_gone(struct waiting *w)
{
	details_free(LIST_ENTRY(w, struct details, waiting));
}

/* One message; true: further ones follow. */
static bool
send_rows(struct details *d, struct channel *c)
{
	struct wire_detail_rows m = { .verdict = wire_verdict_box(d->result) };
	bool is_done = d->result != 0 || d->ranges.at >= d->ranges.n;

	if (d->result == 0 && d->n_sent < d->pages.n)
		m.rows = page_list(&d->pages.at[d->n_sent++]);
	m.more = !is_done || (d->result == 0 && d->n_sent < d->pages.n);
	(void)wire_send_detail_rows(c, d->asker.session, d->asker.ticket, &m);
	return m.more;
}

static void
details_send(struct waiting *w)
{
	struct details *d = LIST_ENTRY(w, struct details, waiting);
	struct channel *c = asker_channel(&d->asker);

	do {
		if (!send_rows(d, c)) {
			details_free(d);
			return;
		}
	} while (d->n_sent < d->pages.n && !channel_is_full(c));
	if (d->n_sent == d->pages.n) {
		pages_deinit(&d->pages);
		d->n_sent = d->n_rows = d->n_bytes = 0;
		d->waiting.go = details_read;
	}
	peer_when_room(&d->asker, &d->waiting);
}

static void
done_details(struct store_read *read, int r)
{
	struct details *d = LIST_ENTRY(read, struct details, read);

	d->result = r;
	d->waiting.go = details_send;
	peer_when_room(&d->asker, &d->waiting);
}

int
on_detail_read(struct channel *c, const struct wire_head *h,
    const struct wire_detail_read *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct details *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	d->asker = asker_of(c, h);
	d->mailbox = m->mailbox;
	d->head = m->head;
	d->waiting.gone = details_gone;
	list_init(&d->waiting.link);
	d->read.run = run_details;
	d->read.done = done_details;
	if (!ranges_init(&d->ranges, m->uids)) {
		free(d);
		return ERR_ORIGIN(-ENOMEM);
	}
	if (of == NULL) {
		done_details(&d->read, -ENOENT);
		return 0;
	}
	d->account = of->account;
	store_read(peer_of(c)->role->store, &d->read);
	return 0;
}

/* -- bytes
 * ------------------------------------------------------------------------- */

struct piece {
	uint32_t uid;
	int result;
	size_t at, n; /* in the job's data */
	bool ends;
};

struct bodies {
	struct list link; /* of the peer, while it lives */
	struct store_read read;
	struct waiting waiting;
	struct asker asker;
	uint64_t account, mailbox;
	bool headers, is_dropped, is_busy;
	struct ranges ranges;
	uint32_t current; /* the message that was begun, and */
	uint64_t offset;  /* where it goes on */
	size_t n_pieces, n_data, n_sent;
	int result;
	struct piece pieces[JOB_MESSAGES];
	uint8_t data[JOB_BYTES];
};

static void
bodies_free(struct bodies *b)
{
	list_remove(&b->link);
	free(b->ranges.of);
	free(b);
}

/* How much is wanted of a message. */
static uint64_t
wanted(const struct bodies *b, const struct q_place_scan *row)
{
	uint64_t n = row->stored_len;

	if (b->headers && row->header_len > 0 && row->header_len < n)
		n = row->header_len;
	return b->headers && n > LIMIT_HEADER ? LIMIT_HEADER : n;
}

static int
read_bytes(struct bodies *b, const struct q_place_scan *row, uint8_t *at,
    size_t n)
{
	uint8_t is[SEGMENT_CHECKSUM];
	int r;

	if (n == 0)
		return 0;
	r = segment_read(b->asker.role->store, row->segment,
	    row->body + b->offset, at, n);
	if (r != 0 || b->offset != 0 || n != row->stored_len)
		return ERR_TRACE(r);
	segment_checksum(slice_of(at, n), is);
	return slice_equal(row->checksum, slice_of(is, sizeof(is)))
	    ? 0
	    : ERR_ORIGIN(-EBADMSG);
}

/* One piece of the message; false when the job has no room for it. */
static bool
add_piece(struct bodies *b, const struct q_place_scan *row)
{
	uint64_t total = wanted(b, row), left;
	struct piece *p = &b->pieces[b->n_pieces];
	size_t n;

	if (b->n_pieces == JOB_MESSAGES)
		return false;
	left = total > b->offset ? total - b->offset : 0;
	n = left < LIMIT_CHUNK ? (size_t)left : LIMIT_CHUNK;
	if (n > sizeof(b->data) - b->n_data)
		return false;
	*p = (struct piece){ .uid = row->uid, .at = b->n_data, .n = n };
	p->result = read_bytes(b, row, b->data + b->n_data, n);
	if (p->result != 0)
		p->n = 0;
	p->ends = p->result != 0 || n == left;
	b->n_data += p->n;
	b->n_pieces++;
	b->offset += n;
	return true;
}

/* All of the message that the job has room for; true: to its end. */
static bool
add_message(struct bodies *b, const struct q_place_scan *row)
{
	do {
		if (!add_piece(b, row))
			return false;
	} while (!b->pieces[b->n_pieces - 1].ends);
	b->offset = 0;
	return true;
}

static int
add_bodies(struct db *db, struct bodies *b, struct uid_range range,
    bool *ret_end)
{
	struct q_place_scan row;
	struct db_rows rows;
	int r = DB_MANY(place_scan, db, &rows, .account = b->account,
	    .mailbox = b->mailbox, .lo = range.lo, .hi = range.hi,
	    .limit = JOB_MESSAGES);

	*ret_end = false;
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_place_scan_next(&rows, &row)) == 0) {
		/* The one that was begun may be gone by now: the front sees
		 * that its end never came. */
		if (row.uid != b->current)
			b->offset = 0;
		b->current = row.uid;
		if (!add_message(b, &row))
			break;
		ranges_had(&b->ranges, row.uid);
		if (row.uid == range.hi)
			break;
	}
	db_rows_close(&rows);
	*ret_end = r == DB_NONE && b->n_pieces < JOB_MESSAGES;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
run_bodies(struct db *db, struct store_read *read)
{
	struct bodies *b = LIST_ENTRY(read, struct bodies, read);
	struct uid_range range;

	while (b->n_pieces < JOB_MESSAGES &&
	    b->n_data < JOB_BYTES - LIMIT_CHUNK &&
	    ranges_get(&b->ranges, &range)) {
		bool is_end = true;
		int r =
		    range.lo > range.hi ? 0 : add_bodies(db, b, range, &is_end);

		if (r != 0)
			return ERR_TRACE(r);
		if (is_end)
			ranges_next(&b->ranges);
	}
	return 0;
}

static void
bodies_read(struct waiting *w)
{
	struct bodies *b = LIST_ENTRY(w, struct bodies, waiting);

	b->is_busy = true;
	store_read(b->asker.role->store, &b->read);
}

static void
bodies_gone(struct waiting *w)
{
	bodies_free(LIST_ENTRY(w, struct bodies, waiting));
}

static bool
is_over(const struct bodies *b)
{
	return b->result != 0 ||
	    (b->n_sent == b->n_pieces && b->ranges.at >= b->ranges.n);
}

/* One message; true: further ones follow. */
static bool
send_piece(struct bodies *b, struct channel *c)
{
	struct wire_bodies_data m = { .verdict = wire_verdict_box(b->result),
		.data = SLICE("") };

	if (b->result == 0 && b->n_sent < b->n_pieces) {
		struct piece *p = &b->pieces[b->n_sent++];

		m.verdict = wire_verdict_box(p->result);
		m.uid = p->uid;
		m.data = slice_of(b->data + p->at, p->n);
		m.ends = p->ends;
	}
	m.more = !is_over(b);
	(void)wire_send_bodies_data(c, b->asker.session, b->asker.ticket, &m);
	return m.more;
}

static void
bodies_send(struct waiting *w)
{
	struct bodies *b = LIST_ENTRY(w, struct bodies, waiting);
	struct channel *c = asker_channel(&b->asker);

	do {
		if (!send_piece(b, c)) {
			bodies_free(b);
			return;
		}
	} while (b->n_sent < b->n_pieces && !channel_is_full(c));
	if (b->n_sent == b->n_pieces) {
		b->n_sent = b->n_pieces = b->n_data = 0;
		b->waiting.go = bodies_read;
	}
	peer_when_room(&b->asker, &b->waiting);
}

static void
done_bodies(struct store_read *read, int r)
{
	struct bodies *b = LIST_ENTRY(read, struct bodies, read);

	b->is_busy = false;
	b->result = r;
	b->waiting.go = bodies_send;
	if (b->is_dropped)
		bodies_free(b);
	else
		peer_when_room(&b->asker, &b->waiting);
}

int
on_bodies_read(struct channel *c, const struct wire_head *h,
    const struct wire_bodies_read *m)
{
	struct peer *p = peer_of(c);
	struct handle *of = handle_find(p, m->handle, GRANT_READ);
	struct bodies *b = malloc(sizeof(*b));

	if (b == NULL)
		return ERR_ORIGIN(-ENOMEM);
	memset(b, 0, offsetof(struct bodies, data));
	b->asker = asker_of(c, h);
	b->mailbox = m->mailbox;
	b->headers = m->headers;
	b->waiting.gone = bodies_gone;
	list_init(&b->waiting.link);
	b->read.run = run_bodies;
	b->read.done = done_bodies;
	if (!ranges_init(&b->ranges, m->uids)) {
		free(b);
		return ERR_ORIGIN(-ENOMEM);
	}
	list_add_last(&p->bodies_reads, &b->link);
	if (of == NULL) {
		done_bodies(&b->read, -ENOENT);
		return 0;
	}
	b->account = of->account;
	bodies_read(&b->waiting);
	return 0;
}

/* One at work in a thread is freed when that comes back. */
static void
bodies_end(struct bodies *b)
{
	b->is_dropped = true;
	if (b->is_busy)
		return;
	list_remove(&b->waiting.link);
	bodies_free(b);
}

void
details_drop(struct channel *c, const struct wire_head *h)
{
	LIST_FOREACH_SAFE (it, tmp, &peer_of(c)->bodies_reads) {
		struct bodies *b = LIST_ENTRY(it, struct bodies, link);

		if (b->asker.session == h->session &&
		    b->asker.ticket == h->ticket && !b->is_dropped) {
			bodies_end(b);
			return;
		}
	}
}

/* Those that wait for room are told by `gone`. */
void
details_peer_lost(struct peer *p)
{
	struct list *link;

	while ((link = list_take_first(&p->bodies_reads)) != NULL)
		bodies_end(LIST_ENTRY(link, struct bodies, link));
}
