/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_options - domains, groups and accounts with what is set
 *
 * Options come as arguments of their own names (docs/admin.md), all of them
 * are kept or none; a refusal names the one that is not understood.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "roles/store/accept_impl.h"
#include "roles/store/admin_impl.h"
#include "store/domain.h"
#include "store/group.h"

/* What stands in the arguments beside the name of the thing itself. */
static size_t
take_options(const struct admin_job *j, const char *name,
    struct option options[ADMIN_ARGS])
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_args; i++)
		if (!slice_equal(j->args[i].name, slice_cstr(name)))
			options[n++] = (struct option){ j->args[i].name,
				j->args[i].value };
	return n;
}

static int
say_bad(struct admin_job *j, int r, const struct option *bad)
{
	if (r == ACCOUNT_E_VALUE && bad != NULL)
		say(j, "%.*s cannot be \"%.*s\"", SLICE_FMT(bad->key),
		    SLICE_FMT(bad->value));
	return r;
}

/* -- limits of sending
 * ----------------------------------------------------------------- */

/* The defaults of the configuration are those of accounts. */
static int
put_limit(struct admin_job *j, const char *name, enum sending_kind kind,
    int64_t limit)
{
	if (limit == SENDING_DEFAULT && kind == SENDING_ACCOUNT)
		return put_text(j, name, SLICE("default"));
	return limit <= 0 ? put_text(j, name, SLICE("none"))
			  : put_number(j, name, (uint64_t)limit);
}

static int
put_limits(struct db *db, struct admin_job *j, enum sending_kind kind,
    uint64_t who)
{
	struct sending_limits l;
	int r = sending_limit_read(db, kind, who, &l);

	if (r != 0)
		return ERR_TRACE(r);
	r = put_limit(j, "messages_per_hour", kind, l.messages_hour);
	r |= put_limit(j, "messages_per_day", kind, l.messages_day);
	r |= put_limit(j, "recipients_per_hour", kind, l.rcpts_hour);
	r |= put_limit(j, "recipients_per_day", kind, l.rcpts_day);
	return ERR_TRACE(r);
}

/* What was counted; where no limit is, nothing is. */
static int
put_usage(struct db *db, struct admin_job *j, enum sending_kind kind,
    uint64_t who)
{
	struct sending_used used;
	int r = sending_usage(db, kind, who, j->now, &used);

	if (r != 0)
		return ERR_TRACE(r);
	r = put_number(j, "messages_last_hour", used.messages_hour);
	r |= put_number(j, "messages_last_day", used.messages_day);
	r |= put_number(j, "recipients_last_hour", used.rcpts_hour);
	r |= put_number(j, "recipients_last_day", used.rcpts_day);
	return ERR_TRACE(r);
}

/* -- domains
 * ---------------------------------------------------------------------------
 */

static int
set_domain_options(struct db *db, struct admin_job *j)
{
	struct option options[ADMIN_ARGS];
	const struct option *bad = NULL;
	size_t n = take_options(j, "domain", options);
	int r = 0;

	if (n > 0)
		r = domain_set(db, arg(j, "domain"), options, n, &bad);
	if (r == ACCOUNT_E_NO_DOMAIN)
		say(j,
		    "the domain, or the one it shall stand for, is not "
		    "served here");
	if (r == ACCOUNT_E_LOOP)
		say(j,
		    "that would lead in a circle: a domain stands for one "
		    "that is no alias itself, a catch-all for an address "
		    "that is there");
	return say_bad(j, r, bad);
}

int
add_domain(struct db *db, struct admin_job *j)
{
	int r = domain_add(db, arg(j, "domain"), j->now);

	return r != 0 ? r : set_domain_options(db, j);
}

int
set_domain(struct db *db, struct admin_job *j)
{
	if (j->n_args < 2) {
		say(j, "what shall be set? KEY=VALUE");
		return ACCOUNT_E_VALUE;
	}
	return set_domain_options(db, j);
}

static struct slice
or_none(struct slice value)
{
	return value.len > 0 ? value : SLICE("none");
}

static int
put_domain(struct db *db, struct admin_job *j, const struct domain_options *d)
{
	int r = put_text(j, "domain", d->name);

	r |= put_text(j, "canonical", d->canonical);
	r |= put_text(j, "kind", slice_cstr(domain_kind_text(d->kind)));
	r |= put_text(j, "target", or_none(d->target));
	r |= put_text(j, "subaddress", or_none(d->separators));
	r |= put_text(j, "catch_all", or_none(d->catch_all));
	r |= put_text(j, "case", d->keeps_case ? SLICE("keep") : SLICE("fold"));
	r |= put_number(j, "quota", d->quota);
	r |= put_text(j, "greylist",
	    slice_cstr(domain_greylist_text(d->greylist)));
	r |= put_text(j, "srs", d->srs_is_off ? SLICE("off") : SLICE("on"));
	r |= put_number(j, "created", (uint64_t)d->created);
	if (r == 0)
		r = put_limits(db, j, SENDING_DOMAIN, d->domain);
	if (r == 0)
		r = put_usage(db, j, SENDING_DOMAIN, d->domain);
	end_row(j);
	return ERR_TRACE(r);
}

int
show_domain(struct db *db, struct admin_job *j)
{
	struct domain_options d;
	int r = domain_read(db, arg(j, "domain"), &j->arena, &d);

	return r == ACCOUNT_E_NO_DOMAIN ? ACCOUNT_E_ABSENT
	    : r != 0                    ? r
					: put_domain(db, j, &d);
}

/* -- groups
 * ----------------------------------------------------------------------------
 */

/* NULL: not given. */
static const struct slice *
given(const struct admin_job *j, const char *name)
{
	for (size_t i = 0; i < j->n_args; i++)
		if (slice_equal(j->args[i].name, slice_cstr(name)))
			return &j->args[i].value;
	return NULL;
}

static int
say_wrong(struct admin_job *j, int r)
{
	struct slice owner = arg(j, "owner");

	if (r == ACCOUNT_E_VALUE)
		say(j,
		    "post can be anyone, members, domain or owner, not "
		    "\"%.*s\"",
		    SLICE_FMT(arg(j, "post")));
	if (r == ACCOUNT_E_NO_DOMAIN && owner.len > 0)
		say(j,
		    "%.*s or the owner %.*s is not in a domain that is served "
		    "here",
		    SLICE_FMT(arg(j, "address")), SLICE_FMT(owner));
	return r;
}

int
add_group(struct db *db, struct admin_job *j)
{
	return say_wrong(j,
	    group_add(db, arg(j, "address"), arg(j, "name"), arg(j, "owner"),
		arg(j, "post"), j->now));
}

int
set_group(struct db *db, struct admin_job *j)
{
	if (j->n_args < 2) {
		say(j, "what shall be set? KEY=VALUE");
		return ACCOUNT_E_VALUE;
	}
	return say_wrong(j,
	    group_set(db, arg(j, "address"), given(j, "name"),
		given(j, "owner"), given(j, "post")));
}

int
remove_group(struct db *db, struct admin_job *j)
{
	return group_remove(db, arg(j, "address"));
}

int
show_group(struct db *db, struct admin_job *j)
{
	struct q_list_by_address row;
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = DB_ONE(list_by_address, db, &row, .canonical = a.canonical);
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_ABSENT
		    : r < 0         ? ERR_TRACE(r)
				    : r;
	r = put_text(j, "address", row.address);
	r |= put_text(j, "name", row.name);
	r |= put_text(j, "owner", or_none(row.owner));
	r |= put_text(j, "post",
	    slice_cstr(row.post < GROUP_N_POSTS ? group_post_texts[row.post]
						: "?"));
	r |= put_number(j, "members", row.members);
	end_row(j);
	return ERR_TRACE(r);
}

int
list_groups(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE("");
	struct q_list_list row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(list_list, db, &rows, .after = after);
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_list_list_next(&rows, &row)) == 0) {
			n++;
			r = keep(j, row.canonical, &after);
			if (!is_in_domain(j, row.canonical))
				continue;
			r |= put_text(j, "address", row.address);
			r |= put_text(j, "name", row.name);
			r |= put_text(j, "owner", or_none(row.owner));
			r |= put_text(j, "post",
			    slice_cstr(row.post < GROUP_N_POSTS
				    ? group_post_texts[row.post]
				    : "?"));
			r |= put_number(j, "members", row.members);
			r |= put_number(j, "created", (uint64_t)row.created);
			end_row(j);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (n > 0 && r == DB_NONE);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

/* -- accounts
 * -------------------------------------------------------------------------- */

int
set_account(struct db *db, struct admin_job *j)
{
	struct option options[ADMIN_ARGS];
	const struct option *bad = NULL;
	size_t n = take_options(j, "address", options);
	int r;

	if (n == 0) {
		say(j, "what shall be set? KEY=VALUE");
		return ACCOUNT_E_VALUE;
	}
	r = account_set(db, arg(j, "address"), options, n, &bad);
	return say_bad(j, r, bad);
}

/* The addresses that it was granted, with a space between. */
static int
put_send_as(struct db *db, struct admin_job *j, uint64_t account)
{
	struct q_send_as_list row;
	struct db_rows rows;
	struct buf names;
	int r = DB_MANY(send_as_list, db, &rows, .account = account);

	if (r != 0)
		return ERR_TRACE(r);
	buf_init(&names, ADMIN_TEXT_MAX);
	while ((r = q_send_as_list_next(&rows, &row)) == 0) {
		if (names.len > 0)
			r = buf_add_byte(&names, ' ');
		if (r == 0)
			r = buf_add(&names, row.address);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	/* what does not fit is told by `account send-as list` */
	if (r == DB_NONE || r == BUF_E_FULL)
		r = put_text(j, "send_as", buf_slice(&names));
	buf_deinit(&names);
	return ERR_TRACE(r);
}

int
show_account(struct db *db, struct admin_job *j)
{
	struct q_account_by_address found;
	struct q_account_get row;
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = DB_ONE(account_by_address, db, &found,
		    .canonical = a.canonical);
	if (r == 0) {
		uint64_t account = found.account;
		int64_t created = found.created;

		r = DB_ONE(account_get, db, &row, .account = account);
		if (r == 0) {
			r = put_text(j, "address", row.address);
			r |= put_text(j, "canonical", row.canonical);
			r |= put_text(j, "name", row.name);
			r |= put_number(j, "disabled", row.disabled);
			r |= put_number(j, "quota", row.quota_bytes);
			r |=
			    put_number(j, "quota_messages", row.quota_messages);
			r |= put_number(j, "used", row.used_bytes);
			r |= put_number(j, "messages", row.used_messages);
			r |= put_number(j, "created", (uint64_t)created);
		}
		if (r == 0)
			r = put_limits(db, j, SENDING_ACCOUNT, account);
		if (r == 0)
			r = put_usage(db, j, SENDING_ACCOUNT, account);
		if (r == 0)
			r = put_send_as(db, j, account);
		end_row(j);
	}
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r < 0 ? ERR_TRACE(r) : r;
}
