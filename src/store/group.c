/* SPDX-License-Identifier: ISC */
#include "store/group.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"

enum {
	REMOVE_SLICE = 500 /* members in one write: about 5 ms */
};

const char *const group_post_texts[GROUP_N_POSTS] = {
	[GROUP_ANYONE] = "anyone",
	[GROUP_MEMBERS] = "members",
	[GROUP_DOMAIN] = "domain",
	[GROUP_OWNER] = "owner",
};

static int
post_parse(struct slice text, uint8_t *ret)
{
	if (text.len == 0) {
		*ret = GROUP_ANYONE;
		return 0;
	}
	for (uint8_t i = 0; i < GROUP_N_POSTS; i++)
		if (slice_equal(text, slice_cstr(group_post_texts[i]))) {
			*ret = i;
			return 0;
		}
	return ACCOUNT_E_VALUE;
}

/* "" and "none": nobody. The group is not its own owner. */
static int
owner_parse(struct db *db, const struct address *group, struct slice *text,
    struct address *ret)
{
	int r;

	*ret = (struct address){ .canonical = SLICE("") };
	if (text->len == 0 || slice_equal(*text, SLICE("none"))) {
		*text = SLICE("");
		return 0;
	}
	r = address_read(db, *text, ret);
	if (r == 0 && !ret->is_ours)
		return ACCOUNT_E_NO_DOMAIN; /* notices for it stay here */
	if (r == 0 && slice_equal(ret->canonical, group->canonical))
		return ACCOUNT_E_LOOP;
	return r;
}

static int
find_group(struct db *db, struct slice typed, struct address *a,
    struct q_list_by_address *ret)
{
	int r = address_read(db, typed, a);

	if (r == 0)
		r = DB_ONE(list_by_address, db, ret, .canonical = a->canonical);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r < 0 ? ERR_TRACE(r) : r;
}

int
group_add(struct db *db, struct slice address, struct slice name,
    struct slice owner, struct slice post, int64_t now)
{
	struct address a, o;
	struct q_counter_next number;
	uint8_t rule = GROUP_ANYONE;
	int r = address_read(db, address, &a);

	if (r == 0 && !a.is_ours)
		return ACCOUNT_E_NO_DOMAIN;
	if (r == 0)
		r = address_is_free(db, a.canonical, true);
	if (r == 0)
		r = post_parse(post, &rule);
	if (r == 0)
		r = owner_parse(db, &a, &owner, &o);
	if (r == 0)
		r = DB_ONE(counter_next, db, &number, .name = SLICE("list"),
		    .n = 1);
	if (r == 0)
		r = DB_EXEC(list_insert, db, .list = number.last,
		    .tenant = a.tenant, .domain = a.domain_number,
		    .address = address, .canonical = a.canonical, .name = name,
		    .owner = owner, .owner_canonical = o.canonical,
		    .post = rule, .created = now);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
group_set(struct db *db, struct slice address, const struct slice *name,
    const struct slice *owner, const struct slice *post)
{
	struct q_list_by_address row;
	struct address a, o = { .canonical = SLICE("") };
	struct slice owner_text;
	int r = find_group(db, address, &a, &row);

	if (r != 0)
		return r;
	owner_text = row.owner;
	o.canonical = row.owner_canonical;
	if (owner != NULL) {
		owner_text = *owner;
		r = owner_parse(db, &a, &owner_text, &o);
	}
	if (r == 0 && post != NULL)
		r = post_parse(*post, &row.post);
	if (r == 0)
		r = DB_EXEC(list_update, db, .list = row.list,
		    .name = name != NULL ? *name : row.name,
		    .owner = owner_text, .owner_canonical = o.canonical,
		    .post = row.post);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
group_remove(struct db *db, struct slice address)
{
	struct q_list_by_address row;
	struct address a;
	int r = find_group(db, address, &a, &row);

	if (r == 0)
		r = DB_EXEC(member_delete_some, db, .list = row.list,
		    .limit = REMOVE_SLICE);
	if (r == 0 && db_changed(db) == REMOVE_SLICE)
		return STORE_AGAIN;
	if (r == 0)
		r = DB_EXEC(list_delete, db, .list = row.list);
	if (r == 0)
		r = group_forget(db, a.canonical);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- members
 * ------------------------------------------------------------------------ */

/* A member that leads back to the group: told now, not to every sender. */
static int
check_loop(struct db *db, const struct address *group, struct slice member)
{
	struct rcpt_request ask = { .typed = member, .wants_steps = true };
	struct rcpt_result result;
	struct arena arena;
	int r;

	arena_init(&arena, LIMIT_LOOKUP);
	r = rcpt_lookup(db, &ask, &arena, &result);
	for (size_t i = 0; r == 0 && i < result.n_steps; i++)
		if (slice_equal(result.steps[i].name, group->canonical))
			r = ACCOUNT_E_LOOP;
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
group_member_add(struct db *db, struct slice address, struct slice member,
    int64_t now)
{
	struct q_list_by_address row;
	struct address a, m;
	uint64_t list = 0;
	int r = find_group(db, address, &a, &row);

	if (r == 0) {
		list = row.list;
		r = address_read(db, member, &m);
	}
	if (r == 0 && m.is_ours)
		r = check_loop(db, &a, member);
	if (r == 0)
		r = DB_EXEC(member_insert, db, .list = list,
		    .canonical = m.canonical, .address = member,
		    .created = now);
	if (r == DB_E_EXISTS)
		return ACCOUNT_E_EXISTS;
	if (r == 0)
		r = DB_EXEC(member_count, db, .list = list, .n = 1);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
group_member_remove(struct db *db, struct slice address, struct slice member)
{
	struct q_list_by_address row;
	struct address a, m;
	int r = find_group(db, address, &a, &row);

	if (r == 0)
		r = address_read(db, member, &m);
	if (r == 0)
		r = DB_EXEC(member_delete, db, .list = row.list,
		    .canonical = m.canonical);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
	if (r == 0)
		r = DB_EXEC(member_count, db, .list = row.list, .n = -1);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
group_forget(struct db *db, struct slice canonical)
{
	int r = DB_EXEC(member_counts_less, db, .canonical = canonical);

	if (r == 0)
		r = DB_EXEC(member_delete_everywhere, db,
		    .canonical = canonical);
	if (r == 0)
		r = DB_EXEC(list_owner_forget, db,
		    .owner_canonical = canonical);
	return ERR_TRACE(r);
}

/* -- who may send to it
 * --------------------------------------------------------------- */

static int
is_member(struct db *db, uint64_t list, struct slice canonical, bool *ret)
{
	struct q_member_has row;
	int r;

	if (canonical.len == 0)
		return 0;
	r = DB_ONE(member_has, db, &row, .list = list, .canonical = canonical);
	if (r == 0)
		*ret |= row.n > 0;
	return ERR_TRACE(r);
}

/*
 * A login is who it is. A stranger is a member only by the sender he says he
 * has, and never by an address of ours: that one would have logged in.
 */
int
group_may_post(struct db *db, const struct q_list_by_address *list,
    const struct address *sender, uint64_t account, bool *ret_may)
{
	struct q_account_get own = { .canonical = SLICE("") };
	bool may = list->post == GROUP_ANYONE;
	int r = 0;

	if (account != 0)
		r = DB_ONE(account_get, db, &own, .account = account);
	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	if (list->post == GROUP_MEMBERS) {
		if (account != 0)
			r = is_member(db, list->list, own.canonical, &may);
		if (r == 0 && (account != 0 || !sender->is_ours))
			r = is_member(db, list->list, sender->canonical, &may);
	} else if (list->post == GROUP_DOMAIN) {
		may = account != 0 && own.domain == list->domain;
	} else if (list->post == GROUP_OWNER) {
		may = account != 0 && list->owner_canonical.len > 0 &&
		    (slice_equal(own.canonical, list->owner_canonical) ||
			slice_equal(sender->canonical, list->owner_canonical));
	}
	if (r == 0)
		*ret_may = may;
	return ERR_TRACE(r);
}
