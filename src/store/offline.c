/* SPDX-License-Identifier: ISC */
/*
 * store/offline - what init and tests change without a running role
 *
 * One write at a time, in the caller's thread, under the directory's lock.
 * Declared in store.h.
 */
#include "store/account.h"

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
