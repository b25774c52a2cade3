/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_suppress - `ulak suppress`
 *
 * Recipients elsewhere to whom senders of a domain send in vain
 * (store/suppress): looked at, named by hand, and allowed again.
 */
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/admin_impl.h"

enum {
	LIST_LIMIT = 1000,
	NOTE_MAX = 200
};

/* "*": whoever sends. */
static int
read_sender(struct admin_job *j, char text[LIMIT_ADDRESS + 1],
    struct slice *ret)
{
	struct slice sender = arg(j, "sender");
	size_t len = 0;

	*ret = sender;
	if (sender.len == 0 || slice_equal(sender, SLICE("*")))
		return 0;
	if (account_read_domain(sender, text, &len) != 0)
		return ACCOUNT_E_ADDRESS;
	*ret = slice_of(text, len);
	return 0;
}

/* Canonical, in the job's arena; empty when it was not given. */
static int
read_rcpt(struct db *db, struct admin_job *j, struct slice *ret)
{
	struct address a;
	int r;

	*ret = SLICE("");
	if (arg(j, "recipient").len == 0)
		return 0;
	r = address_read(db, arg(j, "recipient"), &a);
	if (r > 0) /* not of the first operand, which is the sender */
		say(j, "%.*s is no address", SLICE_FMT(arg(j, "recipient")));
	return r != 0 ? r : keep(j, a.canonical, ret);
}

static int
put_row(struct admin_job *j, const struct q_suppress_list *row)
{
	uint32_t after = j->asker.role->settings->suppress_after;
	bool is_refused = row->n == 0 || (after > 0 && row->n >= after);
	int r = put_text(j, "sender", row->sender_domain);

	r |= put_text(j, "recipient", row->rcpt);
	r |= put_number(j, "refused", is_refused);
	r |= put_number(j, "times", row->n);
	r |= put_number(j, "created", (uint64_t)row->created);
	r |= put_number(j, "last", (uint64_t)row->last);
	r |= put_number(j, "expires", (uint64_t)row->expires);
	r |= put_number(j, "code", row->code);
	r |= put_text(j, "text", row->text);
	end_row(j);
	return r;
}

int
list_suppressed(struct db *db, struct admin_job *j)
{
	char text[LIMIT_ADDRESS + 1];
	struct q_suppress_list row;
	struct slice sender, rcpt;
	uint64_t limit = LIST_LIMIT;
	struct db_rows rows;
	int r = read_sender(j, text, &sender);

	if (r == 0)
		r = read_rcpt(db, j, &rcpt);
	if (r == 0 && arg(j, "limit").len > 0 &&
	    !slice_to_u64(arg(j, "limit"), INT32_MAX, &limit))
		r = ACCOUNT_E_VALUE;
	if (r == 0)
		r = DB_MANY(suppress_list, db, &rows, .sender_domain = sender,
		    .rcpt = rcpt, .now = j->now, .limit = (uint32_t)limit);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	while ((r = q_suppress_list_next(&rows, &row)) == 0) {
		r = put_row(j, &row);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
show_suppressed(struct db *db, struct admin_job *j)
{
	int r = list_suppressed(db, j);

	return r == 0 && j->rows.n == 0 ? ACCOUNT_E_ABSENT : r;
}

int
add_suppressed(struct db *db, struct admin_job *j)
{
	char text[LIMIT_ADDRESS + 1];
	struct slice sender, rcpt;
	int r = read_sender(j, text, &sender);

	if (r == 0)
		r = read_rcpt(db, j, &rcpt);
	if (r == 0 && arg(j, "note").len > NOTE_MAX)
		r = ACCOUNT_E_VALUE;
	if (r != 0)
		return r;
	return ERR_TRACE(DB_EXEC(suppress_add, db, .sender_domain = sender,
	    .rcpt = rcpt, .now = j->now, .text = arg(j, "note")));
}

int
remove_suppressed(struct db *db, struct admin_job *j)
{
	char text[LIMIT_ADDRESS + 1];
	struct slice sender, rcpt;
	int r = read_sender(j, text, &sender);

	if (r == 0)
		r = read_rcpt(db, j, &rcpt);
	if (r == 0)
		r = DB_EXEC(suppress_remove, db, .sender_domain = sender,
		    .rcpt = rcpt);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	if (db_changed(db) > 0)
		return 0;
	say(j, "%.*s is not in the list for these senders", SLICE_FMT(rcpt));
	return ACCOUNT_E_ABSENT;
}
