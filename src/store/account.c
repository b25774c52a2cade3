/* SPDX-License-Identifier: ISC */
#include "store/account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "policy/canon.h"
#include "store/group.h"
#include "store/mailbox.h"
#include "store/sending.h"
#include "store/undelete.h"

enum {
	REMOVE_SLICE = 500 /* rows in one write: about 5 ms */
};

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
		return "it still has accounts, aliases or groups; remove them "
		       "first";
	case ACCOUNT_E_VALUE:
		return "an argument is not of its form, or there is no such "
		       "option";
	case ACCOUNT_E_LOOP:
		return "that would lead back to itself";
	case ACCOUNT_E_DEEP:
		return "that would stand behind too many others";
	case ACCOUNT_E_KIND:
		return "the domain is not of that kind (see ulak domain set)";
	case ACCOUNT_E_LIMIT:
		return "that is more than is allowed";
	default:
		return "the store is in trouble; nothing was changed";
	}
}

/* -- addresses
 * ----------------------------------------------------------------- */

int
account_read_domain(struct slice typed, char text[LIMIT_ADDRESS + 1],
    size_t *ret_len)
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
	r = account_read_domain(domain, a.text, &len);
	if (r != 0)
		return r;
	r = DB_ONE(domain_get, db, &row, .canonical = slice_of(a.text, len));
	if (r < 0)
		return ERR_TRACE(r);
	a.is_ours = r == 0;
	if (a.is_ours) {
		a.domain_number = row.domain;
		a.tenant = row.tenant;
		a.kind = row.kind;
	}
	buf_init(&out, LIMIT_ADDRESS);
	r = canon_address(typed,
	    !a.is_ours           ? CANON_FOREIGN
		: row.keeps_case ? CANON_KEPT
				 : CANON_FOLDED,
	    &out);
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

void
address_copy(const struct address *from, struct address *ret)
{
	*ret = *from;
	ret->canonical = slice_of(ret->text, from->canonical.len);
	ret->domain =
	    slice_from(ret->canonical, from->canonical.len - from->domain.len);
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
	int r = account_read_domain(name, text, &len);

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
	struct q_domain_others others;
	size_t len = 0;
	int r = account_read_domain(name, text, &len);

	if (r == 0)
		r = DB_ONE(domain_get, db, &row,
		    .canonical = slice_of(text, len));
	if (r == DB_NONE)
		return ACCOUNT_E_ABSENT;
	if (r == 0)
		r = DB_ONE(domain_is_used, db, &used, .domain = row.domain);
	if (r == 0)
		r = DB_ONE(domain_others, db, &others,
		    .canonical = slice_of(text, len));
	if (r == 0 && used.n + others.n > 0)
		return ACCOUNT_E_IN_USE;
	if (r == 0)
		r = DB_EXEC(relay_rcpt_delete_some, db, .domain = row.domain,
		    .limit = REMOVE_SLICE);
	if (r == 0 && db_changed(db) == REMOVE_SLICE)
		return STORE_AGAIN;
	if (r == 0)
		r = sending_forget(db, SENDING_DOMAIN, row.domain);
	if (r == 0)
		r = DB_EXEC(domain_delete, db, .domain = row.domain);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- accounts
 * ------------------------------------------------------------------ */

int
address_is_free(struct db *db, struct slice canonical, bool of_aliases)
{
	struct q_alias_targets alias;
	struct q_list_by_address list;
	struct db_rows rows;
	uint64_t account;
	int r = account_find(db, canonical, &account);

	if (r == DB_NONE)
		r = DB_ONE(list_by_address, db, &list, .canonical = canonical);
	if (r == DB_NONE && of_aliases) {
		r = DB_MANY(alias_targets, db, &rows, .canonical = canonical);
		if (r == 0) {
			r = q_alias_targets_next(&rows, &alias);
			db_rows_close(&rows);
		}
	}
	return r == DB_NONE ? 0 : r == 0 ? ACCOUNT_E_EXISTS : ERR_TRACE(r);
}

static int
default_quota(struct db *db, const struct address *a, uint64_t *quota)
{
	struct q_domain_get row;
	int r = 0;

	if (*quota == ACCOUNT_QUOTA_DEFAULT) {
		r = DB_ONE(domain_get, db, &row, .canonical = a->domain);
		*quota = r == 0 ? row.quota_bytes : 0;
	}
	return r < 0 ? ERR_TRACE(r) : 0;
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
	if (r == 0)
		r = address_is_free(db, a.canonical, true);
	if (r == 0)
		r = default_quota(db, &a, &quota);
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
	struct undelete gone = { 0 };
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r != 0)
		return r;
	gone.filter.account = account;
	r = DB_EXEC(account_disable, db, .account = account, .disabled = true);
	if (r == 0)
		r = DB_ONE(mailbox_any, db, &any, .account = account);
	if (r == 0) {
		r = mailbox_clear(db, account, any.mailbox);
		return r == 0 ? STORE_AGAIN : r;
	}
	if (r == DB_NONE)
		r = undelete_forget(db, &gone);
	if (r == STORE_AGAIN)
		return r;
	if (r == 0)
		r = DB_EXEC(import_note_forget, db, .account = account,
		    .limit = REMOVE_SLICE);
	if (r == 0 && db_changed(db) == REMOVE_SLICE)
		return STORE_AGAIN;
	if (r == 0)
		r = DB_EXEC(credential_delete_all, db, .account = account);
	if (r == 0)
		r = DB_EXEC(certificate_delete_all, db, .account = account);
	if (r == 0)
		r = DB_EXEC(thread_delete_account, db, .account = account);
	if (r == 0)
		r = DB_EXEC(subscription_delete_account, db,
		    .account = account);
	if (r == 0)
		r = DB_EXEC(annotation_delete_account, db, .account = account);
	if (r == 0)
		r = DB_EXEC(alias_delete_to, db,
		    .target_canonical = a.canonical);
	if (r == 0)
		r = group_forget(db, a.canonical);
	if (r == 0)
		r = DB_EXEC(send_as_delete_account, db, .account = account);
	if (r == 0)
		r = DB_EXEC(send_as_delete_address, db,
		    .canonical = a.canonical);
	if (r == 0)
		r = sending_forget(db, SENDING_ACCOUNT, account);
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
account_add_app(struct db *db, struct slice address, struct slice name,
    struct slice verifier, uint32_t services, int64_t expires, int64_t now,
    uint32_t *ret_n)
{
	struct q_credential_count count;
	struct q_credential_named named;
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r == 0)
		r = DB_ONE(credential_named, db, &named, .account = account,
		    .name = name);
	if (r == 0)
		return ACCOUNT_E_EXISTS;
	if (r == DB_NONE)
		r = DB_ONE(credential_count, db, &count, .account = account);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	if (count.n >= LIMIT_APP_PASSWORDS || count.last >= INT32_MAX)
		return ACCOUNT_E_LIMIT;
	r = DB_EXEC(credential_add, db, .account = account, .n = count.last + 1,
	    .scope = services, .name = name, .verifier = verifier,
	    .created = now, .expires = expires);
	if (r == 0)
		*ret_n = count.last + 1;
	return r < 0 ? ERR_TRACE(r) : r;
}

int
account_remove_app(struct db *db, struct slice address, struct slice which)
{
	struct q_credential_named named;
	struct address a;
	uint64_t account, n = 0;
	int r = find_account(db, address, &a, &account);

	if (r == 0 && !slice_to_u64(which, UINT32_MAX, &n)) {
		r = DB_ONE(credential_named, db, &named, .account = account,
		    .name = which);
		n = r == 0 ? named.n : 0;
	}
	if (r == DB_NONE)
		return ACCOUNT_E_ABSENT;
	if (r == 0)
		r = DB_EXEC(credential_delete, db, .account = account,
		    .n = (uint32_t)n);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
	return r < 0 ? ERR_TRACE(r) : r;
}

/* One certificate is one account's. */
int
account_add_certificate(struct db *db, struct slice address,
    struct slice fingerprint, struct slice name, int64_t now)
{
	struct q_certificate_count count;
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r == 0)
		r = DB_ONE(certificate_count, db, &count, .account = account);
	if (r == 0 && count.n >= LIMIT_CERTIFICATES)
		return ACCOUNT_E_LIMIT;
	if (r == 0)
		r = DB_EXEC(certificate_add, db, .fingerprint = fingerprint,
		    .account = account, .name = name, .created = now);
	if (r == DB_E_EXISTS)
		return ACCOUNT_E_EXISTS;
	return r < 0 ? ERR_TRACE(r) : r;
}

int
account_remove_certificate(struct db *db, struct slice address,
    struct slice fingerprint)
{
	struct address a;
	uint64_t account;
	int r = find_account(db, address, &a, &account);

	if (r == 0)
		r = DB_EXEC(certificate_delete, db, .account = account,
		    .fingerprint = fingerprint);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
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

/* With the new target in: whoever mails there would be told of the circle. */
static int
check_loop(struct db *db, struct slice address)
{
	struct rcpt_request ask = { .typed = address };
	struct rcpt_result result;
	struct arena arena;
	int r;

	arena_init(&arena, LIMIT_LOOKUP);
	r = rcpt_lookup(db, &ask, &arena, &result);
	if (r == 0 && result.outcome == RCPT_LOOP)
		r = ACCOUNT_E_LOOP;
	else if (r == 0 && result.outcome == RCPT_DEEP)
		r = ACCOUNT_E_DEEP;
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
alias_add(struct db *db, struct slice address, struct slice target, int64_t now)
{
	struct address a, t;
	int r = address_read(db, address, &a);

	if (r == 0)
		r = address_read(db, target, &t);
	if (r != 0)
		return r;
	if (!a.is_ours)
		return ACCOUNT_E_NO_DOMAIN;
	r = address_is_free(db, a.canonical, false);
	if (r == 0)
		r = DB_EXEC(alias_insert, db, .canonical = a.canonical,
		    .target_canonical = t.canonical, .tenant = a.tenant,
		    .domain = a.domain_number, .address = address,
		    .target = target, .created = now);
	if (r == 0)
		r = check_loop(db, address);
	return r == DB_E_EXISTS ? ACCOUNT_E_EXISTS : r < 0 ? ERR_TRACE(r) : r;
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
