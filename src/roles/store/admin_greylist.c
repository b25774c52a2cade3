/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_greylist - `ulak greylist`
 *
 * Rows are shown and forgotten in memory, at once, on the loop: there are at
 * most LIMIT_GREYLIST. Who never waits stands in the database, like all that an
 * admin decides.
 */
#include <errno.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"

enum {
	LIST_LIMIT = 1000, /* rows, when nothing else is said */
	NOTE_MAX = 200
};

struct listing {
	struct admin_job *j;
	struct greylist *g;
	struct slice client, sender, rcpt, state;
	uint64_t n, limit;
	int r;
};

static const char *
state_of(const struct greylist_entry *e)
{
	return greylist_is_client(e) ? "client"
	    : e->row.passes > 0      ? "known"
				     : "waiting";
}

static bool
fits(struct slice wanted, const char *text)
{
	return wanted.len == 0 || slice_equal_nocase(wanted, slice_cstr(text));
}

static bool
list_one(struct greylist_entry *e, void *ctx)
{
	struct listing *l = ctx;
	struct admin_job *j = l->j;
	const struct greylist_limits *limits = greylist_limits(l->g);

	if (!fits(l->client, greylist_client(e)) ||
	    !fits(l->sender, greylist_sender(e)) ||
	    !fits(l->rcpt, greylist_rcpt(e)) || !fits(l->state, state_of(e)))
		return true;
	if (l->n++ == l->limit)
		return false;
	l->r = put_text(j, "client", slice_cstr(greylist_client(e)));
	l->r |= put_text(j, "sender", slice_cstr(greylist_sender(e)));
	l->r |= put_text(j, "recipient", slice_cstr(greylist_rcpt(e)));
	l->r |= put_text(j, "state", slice_cstr(state_of(e)));
	l->r |= put_number(j, "passes", e->row.passes);
	l->r |= put_number(j, "first", (uint64_t)e->row.first);
	l->r |= put_number(j, "last", (uint64_t)e->row.last);
	l->r |= put_number(j, "opens",
	    e->row.passes > 0 ? 0 : (uint64_t)(e->row.first + limits->delay));
	l->r |=
	    put_number(j, "expires", (uint64_t)greylist_expires(l->g, &e->row));
	end_row(j);
	return l->r == 0;
}

int
list_greylist(struct admin_job *j)
{
	struct listing l = { .j = j,
		.g = j->asker.role->greylist,
		.client = arg(j, "client"),
		.sender = arg(j, "sender"),
		.rcpt = arg(j, "recipient"),
		.state = arg(j, "state"),
		.limit = LIST_LIMIT };

	if (arg(j, "limit").len > 0 &&
	    !slice_to_u64(arg(j, "limit"), INT32_MAX, &l.limit))
		return ACCOUNT_E_VALUE;
	if (l.state.len > 0 && !fits(l.state, "waiting") &&
	    !fits(l.state, "known") && !fits(l.state, "client"))
		return ACCOUNT_E_VALUE;
	greylist_walk(l.g, list_one, &l);
	return l.r != 0 ? ERR_ORIGIN(-ENOMEM) : 0;
}

int
remove_greylist(struct admin_job *j)
{
	struct store_role *s = j->asker.role;
	bool all = arg(j, "all").len > 0;
	size_t n;

	/* Nobody empties it by forgetting an argument. */
	if (all != (j->n_args == 1 && arg(j, "all").len > 0) || j->n_args == 0)
		return ACCOUNT_E_VALUE;
	n = greylist_remove(s->greylist, arg(j, "client"), arg(j, "sender"),
	    arg(j, "recipient"));
	greylist_written_behind(s);
	return put_number(j, "affected", n);
}

int
allow_greylist(struct db *db, struct admin_job *j)
{
	struct q_greylist_allowed_count count;
	char client[GREYLIST_TEXT];
	int r;

	if (!greylist_client_parse(arg(j, "client"), client) ||
	    arg(j, "note").len > NOTE_MAX)
		return ACCOUNT_E_VALUE;
	r = DB_ONE(greylist_allowed_count, db, &count, 0);
	if (r == 0 && count.n >= LIMIT_GREYLIST_ALLOWED)
		return ACCOUNT_E_LIMIT;
	if (r == 0)
		r = DB_EXEC(greylist_allowed_put, db,
		    .client = slice_cstr(client), .note = arg(j, "note"),
		    .created = j->now);
	return ERR_TRACE(r);
}

int
disallow_greylist(struct db *db, struct admin_job *j)
{
	char client[GREYLIST_TEXT];
	int r;

	if (!greylist_client_parse(arg(j, "client"), client))
		return ACCOUNT_E_VALUE;
	r = DB_EXEC(greylist_allowed_delete, db, .client = slice_cstr(client));
	return r == 0 && db_changed(db) == 0 ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
}

int
list_greylist_allowed(struct db *db, struct admin_job *j)
{
	struct q_greylist_allowed_list row;
	struct db_rows rows;
	int r = DB_MANY(greylist_allowed_list, db, &rows, 0);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_greylist_allowed_list_next(&rows, &row)) == 0) {
		r = put_text(j, "client", row.client);
		r |= put_text(j, "note", row.note);
		r |= put_number(j, "created", (uint64_t)row.created);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}
