/* SPDX-License-Identifier: ISC */
/*
 * store/mailbox_copy - COPY, MOVE and RENAME of INBOX, each in one transaction
 *
 * All or nothing, for readers and over a power cut: so there are no slices,
 * but a statement for each range instead of several for each email. A copy is
 * another entry of the same email: flags, keywords and id are shared, bytes
 * and quota are not touched (RFC 8474, 5.1). A move leaves tombstones; no
 * email is dropped by it. Measured: docs/decisions/0060.
 */
#include "store/mailbox_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"

/* What a run adds to a mailbox, or takes from it. */
struct tally {
	int64_t messages, unseen, deleted, size;
};

static int
add_pair(struct mailbox_copy *c, uint32_t from)
{
	if (c->n_pairs == c->size) {
		size_t size = c->size == 0 ? 64 : c->size * 2;
		struct uid_pair *at =
		    reallocarray(c->pairs, size, sizeof(*c->pairs));

		if (at == NULL)
			return ERR_ORIGIN(-ENOMEM);
		c->pairs = at;
		c->size = size;
	}
	c->pairs[c->n_pairs++] = (struct uid_pair){ from, 0 };
	return 0;
}

/* Into itself: what is added must not be found again. */
static struct uid_range
limited(const struct mailbox_copy *c, size_t i, uint32_t uidnext)
{
	struct uid_range range = c->ranges[i];

	if (range.hi >= uidnext)
		range.hi = uidnext - 1;
	return range;
}

/* The emails of one range: which, and what they weigh. */
static int
look_at(struct db *db, struct mailbox_copy *c, struct uid_range range,
    struct tally *t)
{
	struct q_copy_scan row;
	struct db_rows rows;
	int r = DB_MANY(copy_scan, db, &rows, .account = c->account,
	    .mailbox = c->mailbox, .lo = range.lo, .hi = range.hi);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_copy_scan_next(&rows, &row)) == 0) {
		/* Ranges may overlap: an email is copied once. */
		if (c->n_pairs > 0 &&
		    row.uid <= c->pairs[c->n_pairs - 1].from) {
			r = STORE_E_FORBIDDEN;
			break;
		}
		r = add_pair(c, row.uid);
		if (r != 0)
			break;
		t->messages++;
		t->unseen += (row.flags & FLAG_SEEN) == 0;
		t->deleted += row.deleted;
		t->size += (int64_t)row.size;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : r < 0 ? ERR_TRACE(r) : r;
}

/* Its new UIDs, one run of them: pairs are filled from `first` on. */
static int
take_uids(struct db *db, struct mailbox_copy *c, uint64_t to,
    const struct tally *t, uint32_t *ret_first)
{
	struct q_mailbox_take_uids row;
	int r = DB_ONE(mailbox_take_uids, db, &row, .account = c->account,
	    .mailbox = to, .messages = t->messages, .unseen = t->unseen,
	    .deleted = t->deleted, .size = t->size, .modseq = c->modseq);

	if (r != 0) /* there is no room for so many UIDs */
		return r == DB_NONE ? STORE_E_FORBIDDEN : ERR_TRACE(r);
	for (size_t i = 0; i < c->n_pairs; i++)
		c->pairs[i].to = row.first + (uint32_t)i;
	*ret_first = row.first;
	return 0;
}

static int
add_range(struct db *db, const struct mailbox_copy *c, uint64_t to,
    struct uid_range range, uint32_t *first)
{
	int r = DB_EXEC(copy_insert, db, .account = c->account,
	    .mailbox = c->mailbox, .lo = range.lo, .hi = range.hi, .to = to,
	    .first = *first, .modseq = c->modseq, .now = c->now);

	*first += (uint32_t)db_changed(db);
	return ERR_TRACE(r);
}

static int
remove_range(struct db *db, const struct mailbox_copy *c,
    struct uid_range range)
{
	int r = DB_EXEC(move_tombstones, db, .account = c->account,
	    .mailbox = c->mailbox, .lo = range.lo, .hi = range.hi,
	    .modseq = c->modseq);

	if (r == 0)
		r = DB_EXEC(move_changes, db, .account = c->account,
		    .mailbox = c->mailbox, .lo = range.lo, .hi = range.hi);
	if (r == 0)
		r = DB_EXEC(move_delete, db, .account = c->account,
		    .mailbox = c->mailbox, .lo = range.lo, .hi = range.hi);
	return ERR_TRACE(r);
}

static int
copy_ranges(struct db *db, struct mailbox_copy *c, uint64_t to,
    uint32_t uidnext, const struct tally *t)
{
	uint32_t first = 0, next;
	int r = take_uids(db, c, to, t, &first);

	next = first;
	for (size_t i = 0; i < c->n_ranges && r == 0; i++) {
		struct uid_range range = limited(c, i, uidnext);

		if (range.lo <= range.hi)
			r = add_range(db, c, to, range, &next);
		if (r == 0 && c->is_move && range.lo <= range.hi)
			r = remove_range(db, c, range);
	}
	if (r == 0 && next - first != c->n_pairs)
		r = ERR_ORIGIN(-EBADMSG);
	if (r == 0 && c->is_move)
		r = DB_EXEC(mailbox_count, db, .mailbox = c->mailbox,
		    .messages = -t->messages, .unseen = -t->unseen,
		    .deleted = -t->deleted, .size = -t->size,
		    .modseq = c->modseq);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
mailbox_copy(struct db *db, struct mailbox_copy *c)
{
	struct tally t = { 0 };
	struct mailbox_name n;
	struct q_mailbox_by_name box;
	struct q_mailbox_get from;
	int r;

	c->n_pairs = 0;
	c->modseq = 0;
	if (mailbox_name_read(c->to, &n) != 0)
		return STORE_E_NO_MAILBOX;
	r = DB_ONE(mailbox_by_name, db, &box, .account = c->account,
	    .name = mailbox_name_slice(&n));
	if (r == 0)
		r = DB_ONE(mailbox_get, db, &from, .account = c->account,
		    .mailbox = c->mailbox);
	if (r != 0)
		return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
	c->uidvalidity = box.uidvalidity;
	for (size_t i = 0; i < c->n_ranges && r == 0; i++) {
		struct uid_range range = limited(c, i, from.uidnext);

		if (range.lo <= range.hi)
			r = look_at(db, c, range, &t);
	}
	if (r != 0 || c->n_pairs == 0)
		return r < 0 ? ERR_TRACE(r) : r;
	r = mailbox_touch(db, c->account, &c->modseq);
	if (r == 0)
		r = copy_ranges(db, c, box.mailbox, from.uidnext, &t);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
mailbox_rename_inbox(struct db *db, struct mailbox_copy *c)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct q_mailbox_by_name inbox;
	uint64_t made;
	int r = mailbox_create_special(db, c->account, c->to, SLICE(""), c->now,
	    &made);

	if (r == 0)
		r = DB_ONE(mailbox_by_name, db, &inbox, .account = c->account,
		    .name = SLICE("INBOX"));
	if (r != 0)
		return r == DB_NONE ? STORE_E_NO_MAILBOX
		    : r < 0         ? ERR_TRACE(r)
				    : r;
	r = DB_EXEC(annotation_copy, db, .account = c->account,
	    .mailbox = inbox.mailbox, .target = made);
	if (r != 0)
		return ERR_TRACE(r);
	c->mailbox = inbox.mailbox;
	c->ranges = &all;
	c->n_ranges = 1;
	c->is_move = true;
	return mailbox_copy(db, c);
}
