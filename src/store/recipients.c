/* SPDX-License-Identifier: ISC */
/*
 * store/recipients - policy/rcpt with its questions answered from the database
 *
 * Runs inside run() of a read or apply() of a write. What it returns lies in
 * the caller's arena. Declared in account.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "store/account.h"

struct lookup {
	struct db *db;
	struct arena *arena;
	struct rcpt_answer *answers;
	size_t n, size;
};

static int
copy_targets(struct lookup *l, struct slice canonical, struct rcpt_answer *a)
{
	struct rcpt_name *targets = NULL;
	struct q_alias_targets row;
	struct db_rows rows;
	size_t n = 0;
	int r = DB_MANY(alias_targets, l->db, &rows, .canonical = canonical);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_alias_targets_next(&rows, &row)) == 0) {
		if (targets == NULL)
			targets = arena_array(l->arena, RCPT_TARGETS + 1,
			    sizeof(*targets));
		if (targets == NULL || n > RCPT_TARGETS ||
		    !arena_copy(l->arena, row.target, &targets[n].typed) ||
		    !arena_copy(l->arena, row.target_canonical,
			&targets[n].canonical)) {
			r = ERR_ORIGIN(-ENOMEM);
			break;
		}
		n++;
	}
	db_rows_close(&rows);
	if (r != DB_NONE)
		return ERR_TRACE(r);
	a->is = n > 0 ? RCPT_IS_ALIAS : RCPT_IS_NOBODY;
	a->targets = targets;
	a->n_targets = n;
	return 0;
}

static int
answer_address(struct lookup *l, struct slice what, struct rcpt_answer *a)
{
	struct q_account_by_address account;
	struct q_domain_get domain;
	struct slice local, name;
	int r;

	a->is = RCPT_IS_FOREIGN;
	if (!canon_split(what, &local, &name))
		return 0;
	r = DB_ONE(domain_get, l->db, &domain, .canonical = name);
	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	r = DB_ONE(account_by_address, l->db, &account, .canonical = what);
	if (r == DB_NONE)
		return ERR_TRACE(copy_targets(l, what, a));
	if (r != 0)
		return ERR_TRACE(r);
	a->is = RCPT_IS_ACCOUNT;
	a->account = account.account;
	a->disabled = account.disabled;
	a->is_full = account.quota_bytes > 0 &&
	    account.used_bytes >= account.quota_bytes;
	return 0;
}

static int
answer_first(struct lookup *l, struct slice what, struct rcpt_answer *a)
{
	struct q_domain_first_account row;
	struct q_domain_get domain;
	int r = DB_ONE(domain_get, l->db, &domain, .canonical = what);

	a->is = RCPT_IS_NOBODY;
	if (r == 0)
		r = DB_ONE(domain_first_account, l->db, &row,
		    .domain = domain.domain);
	if (r == 0) {
		a->is = RCPT_IS_ACCOUNT;
		a->account = row.account;
	}
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
answer(struct lookup *l, const struct rcpt_question *q)
{
	struct rcpt_answer *a;
	int r;

	if (l->n == l->size) {
		size_t size = l->size == 0 ? 8 : l->size * 2;

		a = arena_array(l->arena, size, sizeof(*a));
		if (a == NULL)
			return ERR_ORIGIN(-ENOMEM);
		if (l->n > 0)
			memcpy(a, l->answers, l->n * sizeof(*a));
		l->answers = a;
		l->size = size;
	}
	a = &l->answers[l->n];
	*a = (struct rcpt_answer){ .ask = q->ask };
	if (!arena_copy(l->arena, q->what, &a->what))
		return ERR_ORIGIN(-ENOMEM);
	r = q->ask == RCPT_ASK_ADDRESS ? answer_address(l, a->what, a)
				       : answer_first(l, a->what, a);
	l->n += r == 0;
	return ERR_TRACE(r);
}

int
rcpt_lookup(struct db *db, struct slice typed, struct arena *arena,
    struct rcpt_result *ret)
{
	struct lookup l = { .db = db, .arena = arena };
	struct rcpt_question ask;
	struct rcpt_name name;
	struct address a;
	int r = address_read(db, typed, &a);

	if (r != 0)
		return r;
	if (!arena_copy(arena, typed, &name.typed) ||
	    !arena_copy(arena, a.canonical, &name.canonical))
		return ERR_ORIGIN(-ENOMEM);
	for (;;) {
		switch (rcpt_resolve(&name, l.answers, l.n, arena, &ask, ret)) {
		case RCPT_DECIDED:
			return 0;
		case RCPT_NO_MEMORY:
			return ERR_ORIGIN(-ENOMEM);
		case RCPT_NEED_ANSWER:
			break;
		}
		r = answer(&l, &ask);
		if (r != 0)
			return ERR_TRACE(r);
	}
}

int
postmaster_find(struct db *db, const char *hostname,
    char ret[LIMIT_ADDRESS + 1])
{
	struct slice name = slice_cstr(hostname), label;
	struct q_domain_get domain;
	struct q_domain_first first;
	char text[LIMIT_ADDRESS + 1];
	size_t len = 0;
	int r = DB_NONE;

	while (r == DB_NONE && name.len > 0) {
		if (account_read_domain(name, text, &len) == 0)
			r = DB_ONE(domain_get, db, &domain,
			    .canonical = slice_of(text, len));
		if (r == DB_NONE && !slice_take_until(&name, '.', &label))
			break;
	}
	if (r == DB_NONE) {
		r = DB_ONE(domain_first, db, &first, 0);
		if (r != 0)
			return r;
		name = first.canonical;
	}
	if (r == 0)
		(void)snprintf(ret, LIMIT_ADDRESS + 1, "postmaster@%.*s",
		    SLICE_FMT(name));
	return ERR_TRACE(r);
}

int
sender_check(struct db *db, uint64_t account, struct slice sender)
{
	struct q_account_get own;
	struct q_alias_points_to points;
	struct address a;
	int r = address_read(db, sender, &a);

	if (r != 0)
		return r > 0 ? DB_NONE : ERR_TRACE(r);
	r = DB_ONE(account_get, db, &own, .account = account);
	if (r != 0)
		return ERR_TRACE(r);
	if (slice_equal(own.canonical, a.canonical))
		return 0;
	r = DB_ONE(alias_points_to, db, &points, .canonical = a.canonical,
	    .target_canonical = own.canonical);
	return r != 0 ? ERR_TRACE(r) : points.n > 0 ? 0 : DB_NONE;
}
