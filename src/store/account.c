/* SPDX-License-Identifier: ISC */
#include "store/account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "policy/canon.h"
#include "store/mailbox.h"

const char *
account_text(int r)
{
	switch (r) {
	case ACCOUNT_E_ADDRESS:
		return "that is not an address or domain";
	case ACCOUNT_E_NO_DOMAIN:
		return "that domain is not served here; add it first";
	case ACCOUNT_E_EXISTS:
		return "there is one already";
	case ACCOUNT_E_ABSENT:
		return "there is no such thing here";
	case ACCOUNT_E_IN_USE:
		return "it still has accounts or aliases; remove them first";
	case ACCOUNT_E_LIMIT:
		return "that is more than is allowed";
	default:
		return "the store is in trouble; nothing was changed";
	}
}

/* -- addresses
 * ----------------------------------------------------------------- */

static int
read_domain(struct slice typed, char text[LIMIT_ADDRESS + 1], size_t *ret_len)
{
	struct buf out;
	int r;

	buf_init(&out, LIMIT_DOMAIN);
	r = canon_domain(typed, &out);
	if (r == CANON_OK) {
		memcpy(text, buf_slice(&out).at, out.len);
		*ret_len = out.len;
	}
	buf_deinit(&out);
	return r > 0 ? ACCOUNT_E_ADDRESS : ERR_TRACE(r);
}

int
address_read(struct db *db, struct slice typed, struct address *ret)
{
	struct slice local, domain;
	struct q_domain_get row;
	struct address a = { .typed = typed };
	struct buf out;
	size_t len = 0;
	int r;

	if (typed.len > LIMIT_ADDRESS || !canon_split(typed, &local, &domain))
		return ACCOUNT_E_ADDRESS;
	r = read_domain(domain, a.text, &len);
	if (r != 0)
		return r;
	r = DB_ONE(domain_get, db, &row, .canonical = slice_of(a.text, len));
	if (r < 0)
		return ERR_TRACE(r);
	a.is_ours = r == 0;
	if (a.is_ours) {
		a.domain_number = row.domain;
		a.tenant = row.tenant;
	}
	buf_init(&out, LIMIT_ADDRESS);
	r = canon_address(typed, a.is_ours, &out);
	if (r == CANON_OK) {
		memcpy(a.text, buf_slice(&out).at, out.len);
		len = out.len;
		*ret = a;
		ret->canonical = slice_of(ret->text, len);
		(void)canon_split(ret->canonical, &local, &ret->domain);
	}
	buf_deinit(&out);
	return r > 0 ? ACCOUNT_E_ADDRESS : ERR_TRACE(r);
}

int
account_find(struct db *db, struct slice canonical, uint64_t *ret_account)
{
	struct q_account_by_address row;
	int r = DB_ONE(account_by_address, db, &row, .canonical = canonical);

	if (r == 0)
		*ret_account = row.account;
	return r;
}

static int
find_account(struct db *db, struct slice typed, struct address *a,
    uint64_t *ret)
{
	int r = address_read(db, typed, a);

	if (r == 0)
		r = account_find(db, a->canonical, ret);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r < 0 ? ERR_TRACE(r) : r;
}

static int
next_number(struct db *db, struct slice name, uint64_t *ret)
{
	struct q_counter_next row;
	int r = DB_ONE(counter_next, db, &row, .name = name, .n = 1);

	if (r == 0)
		*ret = row.last;
	return r == 0 ? 0 : ERR_ORIGIN(r < 0 ? r : -EBADMSG);
}

/* -- domains
 * ------------------------------------------------------------------- */

int
domain_add(struct db *db, struct slice name, int64_t now)
{
	char text[LIMIT_ADDRESS + 1];
	uint64_t number = 0;
	size_t len = 0;
	int r = read_domain(name, text, &len);

	/* A literal is nobody's name; one label, such as "localhost", is. */
	if (r == 0 && text[0] == '[')
		r = ACCOUNT_E_ADDRESS;
	if (r == 0)
		r = next_number(db, SLICE("domain"), &number);
	if (r == 0)
		r = DB_EXEC(domain_insert, db, .domain = number, .tenant = 1,
		    .name = name, .canonical = slice_of(text, len),
		    .created = now);
	return r == DB_E_EXISTS ? ACCOUNT_E_EXISTS : r < 0 ? ERR_TRACE(r) : r;
}

int
domain_remove(struct db *db, struct slice name)
{
	char text[LIMIT_ADDRESS + 1];
	struct q_domain_get row;
	struct q_domain_is_used used;
	size_t len = 0;
	int r = read_domain(name, text, &len);

	if (r == 0)
		r = DB_ONE(domain_get, db, &row,
		    .canonical = slice_of(text, len));
	if (r == DB_NONE)
		return ACCOUNT_E_ABSENT;
	if (r == 0)
		r = DB_ONE(domain_is_used, db, &used, .domain = row.domain);
	if (r == 0 && used.n > 0)
		return ACCOUNT_E_IN_USE;
	if (r == 0)
		r = DB_EXEC(domain_delete, db, .domain = row.domain);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- accounts
 * ------------------------------------------------------------------ */

static bool
is_alias(struct db *db, struct slice canonical)
{
	struct q_alias_targets row;
	struct db_rows rows;
	bool found = false;

	if (DB_MANY(alias_targets, db, &rows, .canonical = canonical) == 0) {
		found = q_alias_targets_next(&rows, &row) == 0;
		db_rows_close(&rows);
	}
	return found;
}

int
account_add(struct db *db, struct slice address, struct slice name,
    struct slice verifier, uint64_t quota, int64_t now, uint64_t *ret_account)
{
	struct address a;
	uint64_t number = 0;
	int r = address_read(db, address, &a);

	if (r == 0 && !a.is_ours)
		return ACCOUNT_E_NO_DOMAIN;
	if (r == 0 && is_alias(db, a.canonical))
		return ACCOUNT_E_EXISTS;
	if (r == 0)
		r = next_number(db, SLICE("account"), &number);
	if (r == 0)
		r = DB_EXEC(account_insert, db, .account = number,
		    .tenant = a.tenant, .domain = a.domain_number,
		    .address = address, .canonical = a.canonical, .name = name,
		    .created = now, .quota = quota);
	if (r == DB_E_EXISTS)
		return ACCOUNT_E_EXISTS;
	if (r == 0 && verifier.len > 0)
		r = DB_EXEC(credential_set, db, .account = number,
		    .verifier = verifier, .created = now);
	if (r == 0)
		r = mailbox_make_defaults(db, number, now);
	if (r == 0)
		*ret_account = number;
	return r < 0 ? ERR_TRACE(r) : r;
}

/* Mailbox by mailbox, each in slices. The address stops working at once. */
int
account_remove(struct db *db, struct slice address)
{
	struct q_mailbox_any any;
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r != 0)
		return r;
	r = DB_EXEC(account_disable, db, .account = account, .disabled = true);
	if (r == 0)
		r = DB_ONE(mailbox_any, db, &any, .account = account);
	if (r == 0) {
		r = mailbox_clear(db, account, any.mailbox);
		return r == 0 ? STORE_AGAIN : r;
	}
	if (r == DB_NONE)
		r = DB_EXEC(credential_delete_all, db, .account = account);
	if (r == 0)
		r = DB_EXEC(thread_delete_account, db, .account = account);
	if (r == 0)
		r = DB_EXEC(subscription_delete_account, db,
		    .account = account);
	if (r == 0)
		r = DB_EXEC(alias_delete_to, db,
		    .target_canonical = a.canonical);
	if (r == 0)
		r = DB_EXEC(account_delete, db, .account = account);
	return ERR_TRACE(r);
}

int
account_set_password(struct db *db, struct slice address, struct slice verifier,
    int64_t now)
{
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r == 0)
		r = DB_EXEC(credential_set, db, .account = account,
		    .verifier = verifier, .created = now);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
account_set_quota(struct db *db, struct slice address, uint64_t quota)
{
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r == 0)
		r = DB_EXEC(account_quota, db, .account = account,
		    .quota = quota);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
account_set_disabled(struct db *db, struct slice address, bool disabled)
{
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r == 0)
		r = DB_EXEC(account_disable, db, .account = account,
		    .disabled = disabled);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- aliases
 * --------------------------------------------------------------------- */

int
alias_add(struct db *db, struct slice address, struct slice target, int64_t now)
{
	struct address a, t;
	uint64_t account;
	int r = address_read(db, address, &a);

	if (r == 0)
		r = address_read(db, target, &t);
	if (r != 0)
		return r;
	if (!a.is_ours)
		return ACCOUNT_E_NO_DOMAIN;
	r = account_find(db, a.canonical, &account);
	if (r == 0)
		return ACCOUNT_E_EXISTS;
	if (r == DB_NONE)
		r = DB_EXEC(alias_insert, db, .canonical = a.canonical,
		    .target_canonical = t.canonical, .tenant = a.tenant,
		    .domain = a.domain_number, .address = address,
		    .target = target, .created = now);
	return r == DB_E_EXISTS ? ACCOUNT_E_EXISTS : ERR_TRACE(r);
}

int
alias_remove(struct db *db, struct slice address, struct slice target)
{
	struct address a, t = { .canonical = SLICE("") };
	int r = address_read(db, address, &a);

	if (r == 0 && target.len > 0)
		r = address_read(db, target, &t);
	if (r == 0)
		r = DB_EXEC(alias_delete, db, .canonical = a.canonical,
		    .target_canonical = t.canonical);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
	return r < 0 ? ERR_TRACE(r) : r;
}

int
tls_key_add(struct db *db, struct slice names, struct slice sealed,
    struct slice chain, bool is_default, int64_t now, uint64_t *ret_key)
{
	uint64_t number = 0;
	int r = next_number(db, SLICE("tls_key"), &number);

	if (r == 0 && is_default)
		r = DB_EXEC(tls_key_undefault, db, 0);
	if (r == 0)
		r = DB_EXEC(tls_key_insert, db, .tls_key = number,
		    .names = names, .sealed = sealed, .chain = chain,
		    .is_default = is_default, .created = now);
	if (r == 0)
		*ret_key = number;
	return ERR_TRACE(r);
}

/* -- recipients
 * -------------------------------------------------------------------- */

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
		if (read_domain(name, text, &len) == 0)
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

/* -- offline
 * ---------------------------------------------------------------------------
 */

struct offline {
	struct store_write write;
	struct slice a, b, c;
	bool flag;
	int64_t now;
	uint64_t account;
};

static void
never(struct store_write *w, int r)
{
	(void)w;
	(void)r;
}

static int
run_offline(struct store *s, struct offline *o,
    int (*apply)(struct db *, struct store_write *))
{
	o->write = (struct store_write){ .apply = apply, .done = never };
	o->now = env_wall(store_env(s));
	return committer_run(store_writer(s), &o->write);
}

static int
apply_domain(struct db *db, struct store_write *w)
{
	struct offline *o = LIST_ENTRY(w, struct offline, write);

	return domain_add(db, o->a, o->now);
}

static int
apply_account(struct db *db, struct store_write *w)
{
	struct offline *o = LIST_ENTRY(w, struct offline, write);

	return account_add(db, o->a, o->b, o->c, 0, o->now, &o->account);
}

static int
apply_alias(struct db *db, struct store_write *w)
{
	struct offline *o = LIST_ENTRY(w, struct offline, write);

	return alias_add(db, o->a, o->b, o->now);
}

static int
apply_key(struct db *db, struct store_write *w)
{
	struct offline *o = LIST_ENTRY(w, struct offline, write);

	return tls_key_add(db, o->a, o->b, o->c, o->flag, o->now, &o->account);
}

int
store_domain_add(struct store *s, struct slice domain)
{
	struct offline o = { .a = domain };

	return run_offline(s, &o, apply_domain);
}

int
store_account_add(struct store *s, struct slice address, struct slice name,
    struct slice verifier, uint64_t *ret_account)
{
	struct offline o = { .a = address, .b = name, .c = verifier };
	int r = run_offline(s, &o, apply_account);

	if (r == 0 && ret_account != NULL)
		*ret_account = o.account;
	return r;
}

int
store_alias_add(struct store *s, struct slice address, struct slice target)
{
	struct offline o = { .a = address, .b = target };

	return run_offline(s, &o, apply_alias);
}

int
store_key_add(struct store *s, struct slice names, struct slice sealed,
    struct slice chain, bool is_default)
{
	struct offline o = {
		.a = names, .b = sealed, .c = chain, .flag = is_default
	};

	return run_offline(s, &o, apply_key);
}
