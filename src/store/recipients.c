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
#include "store/domain.h"
#include "store/forward.h"
#include "store/group.h"

struct lookup {
	struct db *db;
	const struct rcpt_request *ask;
	struct arena *arena;
	struct rcpt_answer *answers;
	size_t n, size;
};

/* -- lists
 * ------------------------------------------------------------------- */

struct names {
	struct lookup *l;
	struct rcpt_name *at;
	size_t n;
};

/* One more than are followed says that there are too many. */
static int
add_name(struct names *to, struct slice typed, struct slice canonical)
{
	if (to->at == NULL)
		to->at = arena_array(to->l->arena, RCPT_TARGETS + 1,
		    sizeof(*to->at));
	if (to->at == NULL || to->n > RCPT_TARGETS ||
	    !arena_copy(to->l->arena, typed, &to->at[to->n].typed) ||
	    !arena_copy(to->l->arena, canonical, &to->at[to->n].canonical))
		return ERR_ORIGIN(-ENOMEM);
	to->n++;
	return 0;
}

static int
answer_alias(struct lookup *l, struct slice canonical, struct rcpt_answer *a)
{
	struct names names = { .l = l };
	struct q_alias_targets row;
	struct db_rows rows;
	int r = DB_MANY(alias_targets, l->db, &rows, .canonical = canonical);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_alias_targets_next(&rows, &row)) == 0) {
		r = add_name(&names, row.target, row.target_canonical);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	if (r != DB_NONE)
		return ERR_TRACE(r);
	if (names.n == 0)
		return DB_NONE;
	a->is = RCPT_IS_ALIAS;
	a->targets = names.at;
	a->n_targets = names.n;
	return 0;
}

static int
read_members(struct lookup *l, uint64_t list, struct rcpt_answer *a)
{
	struct names names = { .l = l };
	struct q_member_after row;
	struct db_rows rows;
	int r = DB_MANY(member_after, l->db, &rows, .list = list,
	    .after = SLICE(""), .limit = RCPT_TARGETS + 1);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_member_after_next(&rows, &row)) == 0) {
		r = add_name(&names, row.address, row.canonical);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	a->targets = names.at;
	a->n_targets = names.n;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

/* The sender that a group's owner hears by; nobody's for a mail that has no
 * sender, for it must not be answered (RFC 5321, 4.5.5). */
static int
set_owner(struct lookup *l, const struct q_list_by_address *row,
    struct rcpt_answer *a)
{
	char text[LIMIT_ADDRESS + 16];

	if (row->owner_canonical.len == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "owner-%.*s",
	    SLICE_FMT(row->address));
	if (!arena_copy(l->arena, row->owner, &a->owner.typed) ||
	    !arena_copy(l->arena, row->owner_canonical, &a->owner.canonical) ||
	    (l->ask->sender.len > 0 &&
		!arena_copy(l->arena, slice_cstr(text), &a->sender)))
		return ERR_ORIGIN(-ENOMEM);
	if (a->sender.len > LIMIT_ADDRESS)
		a->sender = (struct slice){ 0 };
	return 0;
}

static int
answer_group(struct lookup *l, struct slice canonical, struct rcpt_answer *a)
{
	struct address sender = { .canonical = SLICE("") };
	struct q_list_by_address row;
	bool may = false;
	int r = DB_ONE(list_by_address, l->db, &row, .canonical = canonical);

	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	a->is = RCPT_IS_GROUP;
	if (l->ask->sender.len > 0)
		r = address_read(l->db, l->ask->sender, &sender);
	if (r >= 0)
		r = group_may_post(l->db, &row, &sender, l->ask->account, &may);
	a->may_not_post = !may;
	if (r == 0)
		r = set_owner(l, &row, a);
	if (r == 0 && !l->ask->stops_at_lists)
		r = read_members(l, row.list, a);
	return ERR_TRACE(r);
}

/* -- questions
 * ------------------------------------------------------------------------ */

static int
answer_account(struct lookup *l, struct slice canonical, struct rcpt_answer *a)
{
	struct q_account_by_address row;
	int r = DB_ONE(account_by_address, l->db, &row, .canonical = canonical);

	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	a->is = RCPT_IS_ACCOUNT;
	a->account = row.account;
	a->disabled = row.disabled;
	a->created = row.created;
	a->room = row.quota_bytes == 0 ? UINT64_MAX
	    : row.quota_bytes <= row.used_bytes
	    ? 0
	    : row.quota_bytes - row.used_bytes;
	if (row.quota_messages > 0 && row.used_messages >= row.quota_messages)
		a->room = 0;
	return 0;
}

/* Somebody who is known in a domain that we pass on for, or anybody there. */
static int
answer_relay(struct lookup *l, struct slice canonical, struct rcpt_answer *a)
{
	struct q_relay_rcpt_get row;
	size_t at = slice_find_last_byte(canonical, '@');
	int r = DB_ONE(relay_rcpt_get, l->db, &row, .canonical = canonical);

	if (r == DB_NONE && at != SIZE_MAX)
		r = DB_ONE(relay_rcpt_get, l->db, &row,
		    .canonical = slice_from(canonical, at));
	if (r == 0)
		a->is = RCPT_IS_RELAY;
	return r == DB_NONE ? r : ERR_TRACE(r);
}

static int
answer_address(struct lookup *l, struct slice what, struct rcpt_answer *a)
{
	static int (*const kinds[])(struct lookup *, struct slice,
	    struct rcpt_answer *) = { answer_account, answer_alias,
		answer_group, answer_relay };
	int r = DB_NONE;

	a->is = RCPT_IS_NOBODY;
	for (size_t i = 0; r == DB_NONE && i < sizeof(kinds) / sizeof(kinds[0]);
	     i++)
		r = kinds[i](l, what, a);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
answer_domain(struct lookup *l, struct slice what, struct rcpt_answer *a)
{
	static const enum rcpt_is is[] = {
		[DOMAIN_LOCAL] = RCPT_IS_LOCAL,
		[DOMAIN_RELAY] = RCPT_IS_RELAY,
		[DOMAIN_ALIAS] = RCPT_IS_OTHER,
	};
	struct q_domain_get row;
	int r = DB_ONE(domain_get, l->db, &row, .canonical = what);

	a->is = RCPT_IS_FOREIGN;
	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	if (row.kind >= sizeof(is) / sizeof(is[0]))
		return ERR_ORIGIN(-EBADMSG);
	a->is = is[row.kind];
	a->greylist = row.greylist;
	return arena_copy(l->arena, row.separators, &a->separators) &&
		arena_copy(l->arena, row.target, &a->target) &&
		arena_copy(l->arena, row.catch_all, &a->catch_all.typed) &&
		arena_copy(l->arena, row.catch_all_canonical,
		    &a->catch_all.canonical)
	    ? 0
	    : ERR_ORIGIN(-ENOMEM);
}

static int
answer_first(struct lookup *l, struct slice what, struct rcpt_answer *a)
{
	struct q_domain_first_account row;
	struct q_account_first any;
	struct q_domain_get domain;
	int r = DB_ONE(domain_get, l->db, &domain, .canonical = what);

	a->is = RCPT_IS_NOBODY;
	a->room = UINT64_MAX;
	if (r == 0)
		r = DB_ONE(domain_first_account, l->db, &row,
		    .domain = domain.domain);
	if (r == 0) {
		a->is = RCPT_IS_ACCOUNT;
		a->is_in_domain = true;
		a->account = row.account;
		a->created = row.created;
		return 0;
	}
	if (r == DB_NONE)
		r = DB_ONE(account_first, l->db, &any, 0);
	if (r == 0) {
		a->is = RCPT_IS_ACCOUNT;
		a->account = any.account;
		a->created = any.created;
	}
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static bool
is_answered(const struct lookup *l, enum rcpt_ask ask, struct slice what)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->answers[i].ask == ask &&
		    slice_equal(l->answers[i].what, what))
			return true;
	return false;
}

static int answer_one(struct lookup *l, const struct rcpt_question *q);

/* What will be asked of each member is answered at once: otherwise the walk
 * would begin anew for every one of them. */
static int
answer_members(struct lookup *l, struct rcpt_answer list)
{
	for (size_t i = 0; i < list.n_targets && i < RCPT_TARGETS; i++) {
		struct rcpt_question q = { RCPT_ASK_DOMAIN,
			list.targets[i].canonical };
		struct slice local;
		int r = 0;

		if (!canon_split(list.targets[i].canonical, &local, &q.what))
			continue;
		if (!is_answered(l, q.ask, q.what))
			r = answer_one(l, &q);
		q = (struct rcpt_question){ RCPT_ASK_ADDRESS,
			list.targets[i].canonical };
		if (r == 0 && !is_answered(l, q.ask, q.what))
			r = answer_one(l, &q);
		if (r != 0)
			return ERR_TRACE(r);
	}
	return 0;
}

static int
answer(struct lookup *l, const struct rcpt_question *q)
{
	int r = answer_one(l, q);

	if (r == 0 && !l->ask->stops_at_lists)
		r = answer_members(l, l->answers[l->n - 1]);
	return ERR_TRACE(r);
}

static int
answer_one(struct lookup *l, const struct rcpt_question *q)
{
	static int (*const asks[])(struct lookup *, struct slice,
	    struct rcpt_answer *) = {
		[RCPT_ASK_DOMAIN] = answer_domain,
		[RCPT_ASK_ADDRESS] = answer_address,
		[RCPT_ASK_FIRST_ACCOUNT] = answer_first,
	};
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
	r = asks[q->ask](l, a->what, a);
	l->n += r == 0;
	return ERR_TRACE(r);
}

static int
look_up(struct db *db, const struct rcpt_request *request, struct arena *arena,
    struct rcpt_result *ret)
{
	struct lookup l = { .db = db, .ask = request, .arena = arena };
	struct rcpt_input in = { .via = request->is_member ? RCPT_VIA_GROUP : 0,
		.stops_at_lists = request->stops_at_lists,
		.wants_steps = request->wants_steps };
	struct rcpt_question ask;
	struct address a;
	int r = address_read(db, request->typed, &a);

	if (r != 0)
		return r;
	if (!arena_copy(arena, request->typed, &in.rcpt.typed) ||
	    !arena_copy(arena, a.canonical, &in.rcpt.canonical))
		return ERR_ORIGIN(-ENOMEM);
	for (;;) {
		switch (rcpt_resolve(&in, l.answers, l.n, arena, &ask, ret)) {
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

/* A sender whose mail we forwarded hears of its failure (policy/srs). What was
 * not made here is nobody. */
static int
look_up_rewritten(struct db *db, const struct rcpt_request *request,
    struct slice sender, struct arena *arena, struct rcpt_result *ret)
{
	struct rcpt_request ask = *request;
	int r;

	ask.typed = sender;
	r = look_up(db, &ask, arena, ret);
	if (r != 0 || ret->outcome != RCPT_FOREIGN)
		return r < 0 ? ERR_TRACE(r) : r;
	ret->outcome = RCPT_FOUND;
	for (size_t i = 0; i < ret->n_targets; i++)
		ret->targets[i].via |= RCPT_VIA_ROLE;
	return 0;
}

int
rcpt_lookup(struct db *db, const struct rcpt_request *request,
    struct arena *arena, struct rcpt_result *ret)
{
	int r = look_up(db, request, arena, ret);
	struct buf sender;

	if (r != 0 || ret->outcome != RCPT_NOBODY || request->now == 0)
		return r;
	buf_init(&sender, LIMIT_ADDRESS);
	r = forward_undo(db, request->typed, request->now, &sender);
	if (r == 0)
		r = look_up_rewritten(db, request, buf_slice(&sender), arena,
		    ret);
	else if (r > 0)
		r = 0; /* nobody */
	buf_deinit(&sender);
	return ERR_TRACE(r);
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
