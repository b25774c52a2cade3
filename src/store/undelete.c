/* SPDX-License-Identifier: ISC */
#include "store/undelete.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/mailbox_impl.h"

int
undelete_keep(struct db *db, uint64_t account, uint64_t mailbox,
    const struct id *message, int64_t now)
{
	int r = DB_EXEC(expunged_insert, db, .account = account,
	    .message = *message, .mailbox = mailbox, .now = now);

	/* It came back another way (a list that was worked off again): the
	 * older row has its reference. */
	if (r == 0 && db_changed(db) == 0)
		r = message_ref(db, message, -1);
	return ERR_TRACE(r);
}

/* -- a slice of them
 * ----------------------------------------------------------------- */

struct expunged {
	struct id message;
	struct mailbox_name mailbox;
	uint64_t size;
	int64_t thread, date, zone;
	uint8_t flags;
	char keywords[LIMIT_KEYWORDS];
	size_t keywords_len;
};

struct slice_of_them {
	size_t n;
	struct expunged *at; /* UNDELETE_BATCH of them; the caller frees it */
};

static void
copy_row(const struct q_expunged_find *row, struct expunged *e)
{
	*e = (struct expunged){ .message = row->message,
		.size = row->size,
		.thread = row->thread,
		.date = row->date,
		.zone = row->zone,
		.flags = row->flags };
	e->mailbox.len = slice_upto(row->mailbox, LIMIT_MAILBOX_NAME).len;
	if (e->mailbox.len > 0)
		memcpy(e->mailbox.text, row->mailbox.at, e->mailbox.len);
	e->keywords_len = slice_upto(row->keywords, LIMIT_KEYWORDS).len;
	if (e->keywords_len > 0)
		memcpy(e->keywords, row->keywords.at, e->keywords_len);
}

/* Read before anything is changed: the cursor is closed then. */
static int
read_slice(struct db *db, const struct undelete *u, struct slice_of_them *s)
{
	const struct undelete_filter *f = &u->filter;
	struct q_expunged_find row;
	struct db_rows rows;
	int r;

	s->n = 0;
	s->at = calloc(UNDELETE_BATCH, sizeof(*s->at));
	if (s->at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r = DB_MANY(expunged_find, db, &rows, .account = f->account,
	    .after = u->after, .mailbox = f->mailbox, .since = f->since,
	    .subject = f->subject, .from = f->from, .limit = UNDELETE_BATCH);
	if (r != 0)
		return ERR_TRACE(r);
	while (s->n < UNDELETE_BATCH &&
	    (r = q_expunged_find_next(&rows, &row)) == 0)
		copy_row(&row, &s->at[s->n++]);
	db_rows_close(&rows);
	return r == DB_NONE || r == 0 ? 0 : ERR_TRACE(r);
}

/* -- back again
 * ---------------------------------------------------------------------- */

static int
find_mailbox(struct db *db, const struct undelete *u, struct slice name,
    uint64_t *ret)
{
	struct q_mailbox_by_name box;
	int r = DB_ONE(mailbox_by_name, db, &box, .account = u->filter.account,
	    .name = name);

	if (r == DB_NONE) {
		r = mailbox_create(db, u->filter.account, name, u->now);
		if (r == 0)
			r = DB_ONE(mailbox_by_name, db, &box,
			    .account = u->filter.account, .name = name);
	}
	if (r == 0)
		*ret = box.mailbox;
	return r == DB_NONE ? ERR_ORIGIN(-EBADMSG) : r < 0 ? ERR_TRACE(r) : r;
}

static int
forget_row(struct db *db, uint64_t account, const struct id *message)
{
	return ERR_TRACE(DB_EXEC(expunged_delete, db, .account = account,
	    .message = *message));
}

/* The email came back another way: one more entry of it. */
static int
add_entry(struct db *db, struct undelete *u, const struct expunged *e,
    uint64_t mailbox, const struct q_email_get *email)
{
	struct q_mailbox_deliver row;
	uint64_t modseq = 0;
	int r = mailbox_touch(db, u->filter.account, &modseq);

	if (r == 0)
		r = DB_ONE(mailbox_deliver, db, &row,
		    .account = u->filter.account, .mailbox = mailbox,
		    .size = email->size,
		    .unseen = (email->flags & FLAG_SEEN) == 0, .deleted = 0,
		    .modseq = modseq);
	if (r == 0)
		r = DB_EXEC(entry_insert, db, .mailbox = mailbox,
		    .uid = row.uid, .account = u->filter.account,
		    .message = e->message, .deleted = false, .modseq = modseq);
	if (r == 0)
		r = message_ref(db, &e->message, -1);
	u->modseq = modseq;
	return r == DB_NONE ? ERR_ORIGIN(-EBADMSG) : ERR_TRACE(r);
}

/* STORE_E_QUOTA: nothing was changed, but perhaps a mailbox made. */
static int
put_back(struct db *db, struct undelete *u, const struct expunged *e)
{
	struct slice to =
	    u->to.len > 0 ? u->to : mailbox_name_slice(&e->mailbox);
	struct delivery d = { .account = u->filter.account,
		.message = e->message,
		.size = e->size,
		.flags = e->flags,
		.keywords = slice_of(e->keywords, e->keywords_len),
		.date = e->date,
		.zone = e->zone,
		.saved_at = u->now,
		.thread = e->thread };
	struct q_email_get email;
	int r = find_mailbox(db, u, to, &d.mailbox);

	if (r != 0)
		return r;
	r = DB_ONE(email_get, db, &email, .account = u->filter.account,
	    .message = e->message);
	if (r == 0)
		return add_entry(db, u, e, d.mailbox, &email);
	if (r == DB_NONE)
		r = mailbox_deliver(db, &d);
	if (r == 0)
		u->modseq = d.modseq;
	return r < 0 ? ERR_TRACE(r) : r;
}

int
undelete_restore(struct db *db, struct undelete *u)
{
	struct slice_of_them s;
	int r = read_slice(db, u, &s);

	for (size_t i = 0; i < s.n && r == 0; i++) {
		const struct expunged *e = &s.at[i];

		u->after = e->message;
		r = put_back(db, u, e);
		if (r == STORE_E_QUOTA) { /* a smaller one may fit */
			u->n_over_quota++;
			r = 0;
		} else if (r == 0) {
			u->n_done++;
			r = forget_row(db, u->filter.account, &e->message);
		}
	}
	free(s.at);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	return s.n == UNDELETE_BATCH ? STORE_AGAIN : 0;
}

/* -- gone for good
 * ------------------------------------------------------------------- */

int
undelete_forget(struct db *db, struct undelete *u)
{
	struct slice_of_them s;
	int r = read_slice(db, u, &s);

	for (size_t i = 0; i < s.n && r == 0; i++) {
		u->after = s.at[i].message;
		r = forget_row(db, u->filter.account, &s.at[i].message);
		if (r == 0)
			r = message_ref(db, &s.at[i].message, -1);
		u->n_done++;
	}
	free(s.at);
	if (r != 0)
		return ERR_TRACE(r);
	return s.n == UNDELETE_BATCH ? STORE_AGAIN : 0;
}

int
undelete_sweep(struct db *db, int64_t before, uint64_t *ret_n)
{
	struct q_expunged_old row;
	struct q_expunged_old all[UNDELETE_BATCH];
	struct db_rows rows;
	size_t n = 0;
	int r = DB_MANY(expunged_old, db, &rows, .before = before,
	    .limit = UNDELETE_BATCH);

	if (r != 0)
		return ERR_TRACE(r);
	while (n < UNDELETE_BATCH &&
	    (r = q_expunged_old_next(&rows, &row)) == 0)
		all[n++] = row;
	db_rows_close(&rows);
	r = r == DB_NONE ? 0 : r;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = forget_row(db, all[i].account, &all[i].message);
		if (r == 0)
			r = message_ref(db, &all[i].message, -1);
	}
	*ret_n += n;
	if (r != 0)
		return ERR_TRACE(r);
	return n == UNDELETE_BATCH ? STORE_AGAIN : 0;
}
