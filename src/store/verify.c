/* SPDX-License-Identifier: ISC */
/*
 * store/verify - is everything as it says it is?
 *
 * Reads every record that a row names (header MAC, lengths, checksum), every
 * reference both ways, and recomputes every counter. Changes nothing. Each
 * query has a read transaction of its own, so that a running store's log is
 * not held back; a message that leaves meanwhile is not a problem.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/store_impl.h"

enum {
	PIECE = 256 * 1024
};

struct verify {
	struct store *s;
	struct db *db;
	struct verify_report *report;
	int n_problems;
	uint8_t *piece;
};

static void problem(struct verify *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
problem(struct verify *v, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	v->n_problems++;
	if (v->report->problem != NULL)
		v->report->problem(v->report->ctx, text);
}

static const char *
id_text(const struct id *id, char text[ID_TEXT + 1])
{
	id_print(id, text);
	return text;
}

/* -- records
 * ---------------------------------------------------------------------- */

static int
checksum_of(struct verify *v, uint64_t segment, uint64_t offset, uint64_t len,
    uint8_t checksum[SEGMENT_CHECKSUM])
{
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, NULL, 0, SEGMENT_CHECKSUM);
	while (len > 0) {
		size_t n = len < PIECE ? (size_t)len : PIECE;
		int r = segment_read(v->s, segment, offset, v->piece, n);

		if (r != 0)
			return ERR_TRACE(r);
		(void)crypto_generichash_update(&s, v->piece, n);
		offset += n;
		len -= n;
	}
	(void)crypto_generichash_final(&s, checksum, SEGMENT_CHECKSUM);
	return 0;
}

static const char *
check_header(struct verify *v, const struct q_verify_messages *m)
{
	uint8_t head[SEGMENT_HEADER];
	struct segment_header h;

	if (segment_read(v->s, m->segment, m->offset, head, sizeof(head)) != 0)
		return "its record cannot be read";
	if (segment_header_peek(head, &h) != SEGMENT_OK)
		return "no record stands where its row says";
	if (segment_read(v->s, m->segment, m->offset + SEGMENT_HEADER, v->piece,
		h.envelope_len) != 0)
		return "its envelope cannot be read";
	if (segment_header_decode(head, slice_of(v->piece, h.envelope_len),
		v->s->key, &h) != SEGMENT_OK)
		return "the MAC of its record is wrong";
	if (!id_equal(&h.id, &m->id) || h.stored_len != m->stored_len ||
	    m->body != m->offset + SEGMENT_HEADER + h.envelope_len ||
	    m->record_len != segment_record_len(&h))
		return "its row and its record do not agree";
	return NULL;
}

static const char *
check_body(struct verify *v, const struct q_verify_messages *m)
{
	uint8_t tail[SEGMENT_TRAILER], want[SEGMENT_CHECKSUM],
	    is[SEGMENT_CHECKSUM];

	if (segment_read(v->s, m->segment, m->body + m->stored_len, tail,
		sizeof(tail)) != 0 ||
	    checksum_of(v, m->segment, m->body, m->stored_len, is) != 0)
		return "its body cannot be read";
	if (!segment_trailer_decode(tail, m->stored_len, want))
		return "the end of its record is wrong";
	if (memcmp(want, is, sizeof(is)) != 0 ||
	    !slice_equal(m->checksum, slice_of(is, sizeof(is))))
		return "the checksum of its body is wrong";
	if (m->relay_from > m->stored_len || m->header_len > m->stored_len)
		return "its row points beyond its body";
	return NULL;
}

static bool
is_still_there(struct verify *v, const struct id *id)
{
	bool is_there;

	if (db_begin_read(v->db) != 0)
		return true;
	is_there = message_exists(v->db, id) == 0;
	db_rollback(v->db);
	return is_there;
}

static void
check_message(struct verify *v, const struct q_verify_messages *m)
{
	char text[ID_TEXT + 1];
	const char *why = check_header(v, m);

	if (why == NULL)
		why = check_body(v, m);
	v->report->messages++;
	v->report->bytes += m->stored_len;
	if (why != NULL && is_still_there(v, &m->id))
		problem(v, "message %s: %s (segment %llu, offset %llu)",
		    id_text(&m->id, text), why, (unsigned long long)m->segment,
		    (unsigned long long)m->offset);
}

struct page {
	size_t n;
	struct q_verify_messages rows[500];
	uint8_t checksums[500][SEGMENT_CHECKSUM];
};

static int
read_page(struct verify *v, const struct id *after, struct page *p)
{
	struct q_verify_messages row;
	struct db_rows rows;
	int r = db_begin_read(v->db);

	p->n = 0;
	if (r == 0)
		r = DB_MANY(verify_messages, v->db, &rows, .after = *after);
	if (r != 0)
		return ERR_TRACE(r);
	while (p->n < 500 && (r = q_verify_messages_next(&rows, &row)) == 0) {
		uint8_t *c = p->checksums[p->n];

		memset(c, 0, SEGMENT_CHECKSUM);
		memcpy(c, row.checksum.at,
		    row.checksum.len < SEGMENT_CHECKSUM ? row.checksum.len
							: SEGMENT_CHECKSUM);
		row.checksum = slice_of(c, SEGMENT_CHECKSUM);
		p->rows[p->n++] = row;
	}
	db_rows_close(&rows);
	db_rollback(v->db);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
check_messages(struct verify *v)
{
	struct page *p = malloc(sizeof(*p));
	struct id after = { 0 };
	int r;

	if (p == NULL)
		return ERR_ORIGIN(-ENOMEM);
	while ((r = read_page(v, &after, p)) == 0 && p->n > 0) {
		for (size_t i = 0; i < p->n; i++)
			check_message(v, &p->rows[i]);
		after = p->rows[p->n - 1].id;
	}
	free(p);
	return ERR_TRACE(r);
}

/* -- references and counters
 * --------------------------------------------------------- */

/* One function a query; each row it gives is a problem, or is compared. */
#define EACH_ROW(name, v, body)                                                \
	do {                                                                   \
		struct q_##name row;                                           \
		struct db_rows rows;                                           \
		int r = db_begin_read((v)->db);                                \
                                                                               \
		if (r == 0)                                                    \
			r = DB_MANY(name, (v)->db, &rows, 0);                  \
		if (r != 0)                                                    \
			return ERR_TRACE(r);                                   \
		while ((r = q_##name##_next(&rows, &row)) == 0)                \
			body;                                                  \
		db_rows_close(&rows);                                          \
		db_rollback((v)->db);                                          \
		return r == DB_NONE ? 0 : ERR_TRACE(r);                        \
	} while (0)

typedef unsigned long long ull;
typedef long long ll;

static int
check_refs(struct verify *v)
{
	char text[ID_TEXT + 1];

	EACH_ROW(verify_refs, v,
	    problem(v, "message %s: counts %lld references, has %lld",
		id_text(&row.id, text), (ll)row.refs, (ll)row.found));
}

static int
check_expunged(struct verify *v)
{
	char text[ID_TEXT + 1];

	EACH_ROW(verify_expunged_orphans, v,
	    problem(v, "account %llu: expunged mail %s is nowhere, or nobody's",
		(ull)row.account, id_text(&row.message, text)));
}

static int
check_emails(struct verify *v)
{
	char text[ID_TEXT + 1];

	EACH_ROW(verify_email_orphans, v,
	    problem(v, "email %s of account %llu: without message or entry",
		id_text(&row.message, text), (ull)row.account));
}

static int
check_entries(struct verify *v)
{
	EACH_ROW(verify_entry_orphans, v,
	    problem(v, "entry %u of mailbox %llu: without email or mailbox",
		row.uid, (ull)row.mailbox));
}

static void
check_mailbox(struct verify *v, const struct q_verify_mailboxes *row)
{
	v->report->entries += (uint64_t)row->real_messages;
	if (row->messages == row->real_messages &&
	    row->unseen == row->real_unseen &&
	    row->deleted == row->real_deleted && row->size == row->real_size)
		return;
	problem(v,
	    "mailbox %llu (%.*s): counts messages=%lld unseen=%lld "
	    "deleted=%lld size=%lld, has %lld %lld %lld %lld",
	    (ull)row->mailbox, SLICE_FMT(row->name), (ll)row->messages,
	    (ll)row->unseen, (ll)row->deleted, (ll)row->size,
	    (ll)row->real_messages, (ll)row->real_unseen, (ll)row->real_deleted,
	    (ll)row->real_size);
}

static int
check_mailboxes(struct verify *v)
{
	EACH_ROW(verify_mailboxes, v, check_mailbox(v, &row));
}

static void
check_account(struct verify *v, const struct q_verify_accounts *row)
{
	v->report->accounts++;
	if (row->used_bytes != row->real_bytes ||
	    row->used_messages != row->real_messages)
		problem(v,
		    "account %.*s: counts %lld bytes in %lld emails, has "
		    "%lld in %lld",
		    SLICE_FMT(row->address), (ll)row->used_bytes,
		    (ll)row->used_messages, (ll)row->real_bytes,
		    (ll)row->real_messages);
	if (row->highest > row->modseq)
		problem(v, "account %.*s: modseq %lld is below an entry's %lld",
		    SLICE_FMT(row->address), (ll)row->modseq, (ll)row->highest);
}

static int
check_accounts(struct verify *v)
{
	EACH_ROW(verify_accounts, v, check_account(v, &row));
}

static void
check_segment(struct verify *v, const struct q_verify_segments *row)
{
	if (row->live_bytes != row->real_bytes ||
	    row->live_messages != row->real_messages ||
	    row->committed < row->highest)
		problem(v,
		    "segment %llu: counts %lld bytes in %lld records up to "
		    "%lld, has %lld in %lld up to %lld",
		    (ull)row->segment, (ll)row->live_bytes,
		    (ll)row->live_messages, (ll)row->committed,
		    (ll)row->real_bytes, (ll)row->real_messages,
		    (ll)row->highest);
}

static int
check_segments(struct verify *v)
{
	EACH_ROW(verify_segments, v, check_segment(v, &row));
}

static int
check_queue(struct verify *v)
{
	char text[ID_TEXT + 1];

	EACH_ROW(verify_queue_orphans, v,
	    problem(v, "queue row %s/%u: without its message",
		id_text(&row.message, text), row.n));
}

static void
check_destination(struct verify *v, const struct q_verify_destinations *row)
{
	v->report->queue_rows += (uint64_t)row->real_rows;
	if (row->n_rows != row->real_rows)
		problem(v, "destination %.*s: counts %lld rows, has %lld",
		    SLICE_FMT(row->route), (ll)row->n_rows, (ll)row->real_rows);
}

static int
check_destinations(struct verify *v)
{
	EACH_ROW(verify_destinations, v, check_destination(v, &row));
}

static int
check_absent(struct verify *v)
{
	EACH_ROW(verify_destination_absent, v,
	    problem(v, "destination %.*s: has rows and does not exist",
		SLICE_FMT(row.route)));
}

static int
check_expansions(struct verify *v)
{
	char text[ID_TEXT + 1];

	EACH_ROW(verify_expansion_orphans, v,
	    problem(v, "expansion of %s: without its message",
		id_text(&row.message, text)));
}

static void
check_list(struct verify *v, const struct q_verify_lists *row)
{
	if (row->members != row->real_members)
		problem(v, "group %.*s: counts %lld members, has %lld",
		    SLICE_FMT(row->address), (ll)row->members,
		    (ll)row->real_members);
}

static int
check_lists(struct verify *v)
{
	EACH_ROW(verify_lists, v, check_list(v, &row));
}

/* A file that no row knows: an unfinished one, or garbage of a crash. */
static int
on_segment_name(void *ctx, const char *name)
{
	struct verify *v = ctx;
	struct q_segment_get row;
	uint64_t number;

	if (!store_segment_number(name, &number))
		return 0;
	if (DB_ONE(segment_get, v->db, &row, .segment = number) == DB_NONE)
		v->report->orphans++;
	return 0;
}

static int
count_orphans(struct verify *v)
{
	int r = env_dir_list(v->s->dir, "segments", on_segment_name, v);

	return r == 0 ? 0 : ERR_TRACE(r);
}

static int (*const checks[])(struct verify *) = { check_messages, check_refs,
	check_emails, check_expunged, check_entries, check_mailboxes, check_accounts,
	check_segments, check_queue, check_destinations, check_absent,
	check_expansions, check_lists, count_orphans };

int
store_verify(struct store *s, struct verify_report *report)
{
	struct verify v = { .s = s, .report = report };
	int r = 0;

	v.piece = malloc(PIECE);
	if (v.piece == NULL)
		return ERR_ORIGIN(-ENOMEM);
	v.db = store_reader_take(s, &r);
	for (size_t i = 0;
	     v.db != NULL && r == 0 && i < sizeof(checks) / sizeof(checks[0]);
	     i++)
		r = checks[i](&v);
	if (v.db != NULL) {
		db_rollback(v.db);
		store_reader_give(s, v.db);
	}
	free(v.piece);
	return r != 0 ? ERR_TRACE(r) : v.n_problems;
}
