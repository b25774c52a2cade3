/* SPDX-License-Identifier: ISC */
/*
 * roles/store/undelete - mail that was expunged: swept, listed, brought back
 *
 * store/undelete does it; here are the admin's commands, in slices, and the
 * sweeper, one slice after the other in the bulk lane. mailbox.keep_expunged
 * says how long; a shorter one counts for what was expunged before it, too.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/admin_impl.h"

enum {
	LIST_LIMIT = 1000,
	LIST_MOST = 100000
};

/* -- the sweeper
 * -------------------------------------------------------------------- */

struct sweep {
	struct store_write write;
	struct store_role *role;
	int64_t before;
	uint64_t n, n_kept; /* kept: of slices that are durable */
};

static int
apply_sweep(struct db *db, struct store_write *w)
{
	struct sweep *s = LIST_ENTRY(w, struct sweep, write);

	if (w->was_kept)
		s->n_kept = s->n;
	w->was_kept = false;
	s->n = s->n_kept;
	return undelete_sweep(db, s->before, &s->n);
}

static void
done_sweep(struct store_write *w, int r)
{
	struct sweep *s = LIST_ENTRY(w, struct sweep, write);

	s->role->is_sweeping = false;
	if (r == 0 && s->n > 0)
		env_log(s->role->env, ENV_INFO, "expunged-swept", "mails=%llu",
		    (unsigned long long)s->n);
	free(s);
}

void
undelete_look(struct store_role *role)
{
	struct sweep *s;

	if (role->is_sweeping || role->is_stopping)
		return;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return;
	role->is_sweeping = true;
	s->role = role;
	s->before = env_wall(role->env) - role->settings->keep_expunged;
	s->write = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_sweep,
		.done = done_sweep };
	store_submit(role->store, &s->write);
}

/* -- the admin's
 * -------------------------------------------------------------------- */

static int
read_filter(struct db *db, struct admin_job *j, struct undelete_filter *f)
{
	uint64_t since = 0;
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &f->account);
	if (r == DB_NONE)
		return ACCOUNT_E_ABSENT;
	if (r != 0)
		return r;
	if (arg(j, "since").len > 0 &&
	    !slice_to_u64(arg(j, "since"), INT64_MAX, &since))
		return ACCOUNT_E_VALUE;
	f->since = (int64_t)since;
	f->mailbox = arg(j, "mailbox");
	f->subject = arg(j, "subject");
	f->from = arg(j, "from");
	return 0;
}

static int
put_row(struct admin_job *j, const struct q_expunged_find *row)
{
	char id[ID_TEXT + 1];
	int r;

	id_print(&row->message, id);
	r = put_text(j, "id", slice_of(id, ID_TEXT));

	r |= put_number(j, "expunged", (uint64_t)row->expunged_at);
	r |= put_text(j, "mailbox", row->mailbox);
	r |= put_number(j, "date", (uint64_t)row->date);
	r |= put_number(j, "size", row->size);
	r |= put_text(j, "from", row->first_from);
	r |= put_text(j, "subject", row->base_subject);
	end_row(j);
	return r != 0 ? ERR_ORIGIN(-ENOMEM) : 0;
}

int
list_expunged(struct db *db, struct admin_job *j)
{
	struct undelete_filter f = { 0 };
	struct q_expunged_find row;
	struct db_rows rows;
	uint64_t limit = LIST_LIMIT;
	int r = read_filter(db, j, &f);

	if (r == 0 && arg(j, "limit").len > 0 &&
	    !slice_to_u64(arg(j, "limit"), LIST_MOST, &limit))
		r = ACCOUNT_E_VALUE;
	if (r != 0)
		return r;
	r = DB_MANY(expunged_find, db, &rows, .account = f.account,
	    .mailbox = f.mailbox, .since = f.since, .subject = f.subject,
	    .from = f.from, .limit = (uint32_t)limit);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_expunged_find_next(&rows, &row)) == 0)
		if ((r = put_row(j, &row)) != 0)
			break;
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

/* A slice: goes on from where the last kept one ended. */
static int
work(struct db *db, struct admin_job *j,
    int (*slice)(struct db *, struct undelete *))
{
	int r = 0;

	if (j->undelete.filter.account == 0) {
		r = read_filter(db, j, &j->undelete.filter);
		j->undelete.to = arg(j, "to");
		j->undelete.now = j->now;
		j->next = j->undelete;
	}
	if (j->write.was_kept)
		j->undelete = j->next;
	j->write.was_kept = false;
	j->next = j->undelete;
	return r == 0 ? slice(db, &j->next) : r;
}

int
restore_expunged(struct db *db, struct admin_job *j)
{
	const struct undelete *u = &j->next;
	struct mailbox_name name;
	int r;

	if (arg(j, "to").len > 0 &&
	    mailbox_name_read(arg(j, "to"), &name) != 0) {
		say(j, "that is no name for a mailbox");
		return ACCOUNT_E_VALUE;
	}
	r = work(db, j, undelete_restore);
	if (r != 0)
		return r;
	if (u->n_over_quota > 0)
		say(j,
		    "%llu mails are back; %llu are not, the quota has no room "
		    "for them",
		    (unsigned long long)u->n_done,
		    (unsigned long long)u->n_over_quota);
	else
		say(j, "%llu mails are back", (unsigned long long)u->n_done);
	if (put_number(j, "done", u->n_done) != 0 ||
	    put_number(j, "over_quota", u->n_over_quota) != 0)
		return ERR_ORIGIN(-ENOMEM);
	end_row(j);
	return 0;
}

int
forget_expunged(struct db *db, struct admin_job *j)
{
	int r = work(db, j, undelete_forget);

	if (r != 0)
		return r;
	say(j, "%llu mails are gone for good",
	    (unsigned long long)j->next.n_done);
	if (put_number(j, "done", j->next.n_done) != 0)
		return ERR_ORIGIN(-ENOMEM);
	end_row(j);
	return 0;
}
