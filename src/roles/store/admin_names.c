/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_names - lists of addresses: members of groups, known
 * recipients of domains that are passed on, senders of accounts
 *
 * Several addresses come in one argument, a line each, and are one write: all
 * of them are kept or none, and a refusal names the first that is not taken.
 * With `may_exist` one that is there already is no error, so that a file can
 * be given again.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"
#include "store/domain.h"
#include "store/group.h"
#include "store/sending.h"

typedef int change_one(struct db *db, struct admin_job *j, struct slice name);

static int
count_names(struct admin_job *j, uint64_t done, uint64_t present)
{
	int r = put_number(j, "done", done);

	r |= put_number(j, "present", present);
	end_row(j);
	if (present > 0)
		say(j, "%llu done, %llu were so already",
		    (unsigned long long)done, (unsigned long long)present);
	else if (done > 1)
		say(j, "%llu done", (unsigned long long)done);
	return ERR_TRACE(r);
}

static int
each_name(struct db *db, struct admin_job *j, const char *which,
    change_one *change)
{
	bool may_exist = slice_equal(arg(j, "may_exist"), SLICE("1"));
	struct slice names = arg(j, which), name;
	uint64_t done = 0, present = 0;
	unsigned n = 0;
	int r;

	while (names.len > 0) {
		if (!slice_take_until(&names, '\n', &name)) {
			name = names;
			names.len = 0;
		}
		if (++n > LIMIT_ADMIN_NAMES) {
			say(j, "no more than %d addresses at once",
			    LIMIT_ADMIN_NAMES);
			return ACCOUNT_E_LIMIT;
		}
		r = change(db, j, name);
		if (r == ACCOUNT_E_EXISTS && may_exist) {
			present++;
			continue;
		}
		if (r > 0)
			say(j, "%.*s: %s", SLICE_FMT(name), account_text(r));
		if (r != 0)
			return r < 0 ? ERR_TRACE(r) : r;
		done++;
	}
	if (n == 0) {
		say(j, "no address was given");
		return ACCOUNT_E_ADDRESS;
	}
	return count_names(j, done, present);
}

/* -- members of a group
 * ------------------------------------------------------------------- */

static int
add_member(struct db *db, struct admin_job *j, struct slice name)
{
	return group_member_add(db, arg(j, "address"), name, j->now);
}

static int
take_member(struct db *db, struct admin_job *j, struct slice name)
{
	return group_member_remove(db, arg(j, "address"), name);
}

/* Told once, and not for each member. */
static int
find_group(struct db *db, struct admin_job *j, uint64_t *ret_list)
{
	struct q_list_by_address row;
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = DB_ONE(list_by_address, db, &row, .canonical = a.canonical);
	if (r == 0)
		*ret_list = row.list;
	if (r == DB_NONE)
		say(j, "there is no group %.*s", SLICE_FMT(arg(j, "address")));
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r < 0 ? ERR_TRACE(r) : r;
}

int
add_members(struct db *db, struct admin_job *j)
{
	uint64_t list;
	int r = find_group(db, j, &list);

	return r != 0 ? r : each_name(db, j, "members", add_member);
}

int
remove_members(struct db *db, struct admin_job *j)
{
	uint64_t list;
	int r = find_group(db, j, &list);

	return r != 0 ? r : each_name(db, j, "members", take_member);
}

int
list_members(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE("");
	struct q_member_after row;
	struct db_rows rows;
	uint64_t list = 0;
	size_t n;
	int r = find_group(db, j, &list);

	if (r != 0)
		return r;
	do {
		n = 0;
		r = DB_MANY(member_after, db, &rows, .list = list,
		    .after = after, .limit = 64);
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_member_after_next(&rows, &row)) == 0) {
			n++;
			r = put_text(j, "member", row.address);
			r |= put_number(j, "created", (uint64_t)row.created);
			r |= keep(j, row.canonical, &after);
			end_row(j);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (n > 0 && r == DB_NONE);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

/* -- recipients of a domain that is passed on
 * --------------------------------------------- */

static int
add_rcpt(struct db *db, struct admin_job *j, struct slice name)
{
	int r = relay_rcpt_add(db, arg(j, "domain"), name, j->now);

	return r == 0 && db_changed(db) == 0 ? ACCOUNT_E_EXISTS : r;
}

static int
take_rcpt(struct db *db, struct admin_job *j, struct slice name)
{
	return relay_rcpt_remove(db, arg(j, "domain"), name);
}

static int
find_domain(struct db *db, struct admin_job *j, struct domain_options *ret)
{
	int r = domain_read(db, arg(j, "domain"), &j->arena, ret);

	if (r == 0 && ret->kind != DOMAIN_RELAY) {
		say(j,
		    "%.*s is of kind %s: its accounts, aliases and groups are "
		    "its recipients (ulak domain set %.*s kind=relay)",
		    SLICE_FMT(arg(j, "domain")), domain_kind_text(ret->kind),
		    SLICE_FMT(arg(j, "domain")));
		return ACCOUNT_E_KIND;
	}
	return r;
}

int
add_rcpts(struct db *db, struct admin_job *j)
{
	struct domain_options d;
	int r = find_domain(db, j, &d);

	return r != 0 ? r : each_name(db, j, "addresses", add_rcpt);
}

int
remove_rcpts(struct db *db, struct admin_job *j)
{
	struct domain_options d;
	int r = find_domain(db, j, &d);

	return r != 0 ? r : each_name(db, j, "addresses", take_rcpt);
}

int
list_rcpts(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE("");
	struct q_relay_rcpt_list row;
	struct domain_options d;
	struct db_rows rows;
	size_t n;
	int r = find_domain(db, j, &d);

	if (r != 0)
		return r;
	do {
		n = 0;
		r = DB_MANY(relay_rcpt_list, db, &rows, .domain = d.domain,
		    .after = after);
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_relay_rcpt_list_next(&rows, &row)) == 0) {
			n++;
			r = put_text(j, "address",
			    row.canonical.at[0] == '@' ? SLICE("*")
						       : row.canonical);
			r |= put_number(j, "created", (uint64_t)row.created);
			r |= keep(j, row.canonical, &after);
			end_row(j);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (n > 0 && r == DB_NONE);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

/* -- senders of an account
 * ---------------------------------------------------------------- */

int
add_send_as(struct db *db, struct admin_job *j)
{
	return send_as_add(db, arg(j, "address"), arg(j, "sender"), j->now);
}

int
remove_send_as(struct db *db, struct admin_job *j)
{
	return send_as_remove(db, arg(j, "address"), arg(j, "sender"));
}

int
list_send_as(struct db *db, struct admin_job *j)
{
	struct q_send_as_list row;
	struct db_rows rows;
	struct address a;
	uint64_t account = 0;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &account);
	if (r == 0)
		r = DB_MANY(send_as_list, db, &rows, .account = account);
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_ABSENT
		    : r < 0         ? ERR_TRACE(r)
				    : r;
	while ((r = q_send_as_list_next(&rows, &row)) == 0) {
		r = put_text(j, "sender", row.address);
		r |= put_number(j, "created", (uint64_t)row.created);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}
