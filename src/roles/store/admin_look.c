/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_look - the admin's commands that look
 *
 * Lists are read in slices of 64 by their key, so that no statement is open
 * longer than that. Verify reads everything, beside the running store.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"
#include "sasl/sasl.h"
#include "store/domain.h"

bool
is_in_domain(const struct admin_job *j, struct slice canonical)
{
	struct slice domain = arg(j, "domain");
	size_t at = slice_find_last_byte(canonical, '@');

	return domain.len == 0 ||
	    (at != SIZE_MAX &&
		slice_equal_nocase(slice_from(canonical, at + 1), domain));
}

int
list_domains(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE("");
	struct q_domain_list row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(domain_list, db, &rows, .after = after);
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_domain_list_next(&rows, &row)) == 0) {
			r = put_text(j, "domain", row.name);
			r |= put_text(j, "canonical", row.canonical);
			r |= put_number(j, "accounts", row.accounts);
			r |= put_number(j, "aliases", row.aliases);
			r |= put_text(j, "kind",
			    slice_cstr(domain_kind_text(row.kind)));
			r |= put_number(j, "groups", row.groups);
			r |= put_number(j, "recipients", row.rcpts);
			r |= put_number(j, "created", (uint64_t)row.created);
			r |= keep(j, row.canonical, &after);
			end_row(j);
			n++;
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (n > 0 && r == DB_NONE);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

int
list_accounts(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE("");
	struct q_account_list row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(account_list, db, &rows, .after = after);
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_account_list_next(&rows, &row)) == 0) {
			n++;
			r = keep(j, row.canonical, &after);
			if (!is_in_domain(j, row.canonical))
				continue;
			r |= put_text(j, "address", row.address);
			r |= put_text(j, "name", row.name);
			r |= put_number(j, "disabled", row.disabled);
			r |= put_number(j, "quota", row.quota_bytes);
			r |= put_number(j, "used", row.used_bytes);
			r |= put_number(j, "messages", row.used_messages);
			r |= put_number(j, "created", (uint64_t)row.created);
			end_row(j);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (n > 0 && r == DB_NONE);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

int
list_aliases(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE(""), after_target = SLICE("");
	struct q_alias_list row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(alias_list, db, &rows, .after = after,
		    .after_target = after_target);
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_alias_list_next(&rows, &row)) == 0) {
			n++;
			r = keep(j, row.canonical, &after);
			r |= keep(j, row.target_canonical, &after_target);
			if (!is_in_domain(j, row.canonical))
				continue;
			r |= put_text(j, "address", row.address);
			r |= put_text(j, "target", row.target);
			r |= put_number(j, "created", (uint64_t)row.created);
			end_row(j);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (n > 0 && r == DB_NONE);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

static int
put_scope(struct admin_job *j, uint32_t scope)
{
	static const char *const names[] = { "smtp", "imap", "pop3" };
	char text[32] = "";
	size_t n = 0;

	if (scope == SASL_FOR_ALL)
		return put_text(j, "scope", SLICE("all"));
	for (unsigned i = 0; i < 3; i++)
		if ((scope & 1u << i) != 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s%s", n > 0 ? "," : "", names[i]);
	return put_text(j, "scope", slice_cstr(text));
}

int
list_app_passwords(struct db *db, struct admin_job *j)
{
	struct q_credential_list row;
	struct db_rows rows;
	struct address a;
	uint64_t account = 0;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &account);
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_ABSENT
		    : r < 0         ? ERR_TRACE(r)
				    : r;
	r = DB_MANY(credential_list, db, &rows, .account = account);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_credential_list_next(&rows, &row)) == 0) {
		r = put_number(j, "n", row.n);
		r |= put_text(j, "name", row.name);
		r |= put_scope(j, row.scope);
		r |= put_number(j, "created", (uint64_t)row.created);
		r |= put_number(j, "used", (uint64_t)row.used);
		r |= put_number(j, "expires", (uint64_t)row.expires);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
list_certificates(struct db *db, struct admin_job *j)
{
	struct q_certificate_list row;
	struct db_rows rows;
	struct address a;
	uint64_t account = 0;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &account);
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_ABSENT
		    : r < 0         ? ERR_TRACE(r)
				    : r;
	r = DB_MANY(certificate_list, db, &rows, .account = account);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_certificate_list_next(&rows, &row)) == 0) {
		r = put_text(j, "fingerprint", row.fingerprint);
		r |= put_text(j, "name", row.name);
		r |= put_number(j, "created", (uint64_t)row.created);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
list_keys(struct db *db, struct admin_job *j)
{
	struct q_tls_key_list row;
	struct db_rows rows;
	int r = DB_MANY(tls_key_list, db, &rows, 0);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_tls_key_list_next(&rows, &row)) == 0) {
		r = put_number(j, "key", row.tls_key);
		r |= put_text(j, "names", row.names);
		r |= put_number(j, "default", row.is_default);
		r |= put_number(j, "created", (uint64_t)row.created);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

typedef unsigned long long ull;

/* In a READ thread: of the role it reads only what does not change, and two
 * flags whose being a moment old does no harm; those were copied before. */
int
tell_status(struct db *db, struct admin_job *j)
{
	const struct store_role *s = j->asker.role;
	struct q_count_accounts accounts;
	struct q_count_queue queue;
	uint64_t unused = 0, size = 0;
	int r = DB_ONE(count_accounts, db, &accounts, 0);

	if (r == 0)
		r = DB_ONE(count_queue, db, &queue, 0);
	if (r != 0)
		return ERR_TRACE(r);
	(void)env_dir_free_space(s->dir, &unused, &size);
	r |= put_named(j, "version", "%s", ULAK_VERSION);
	r |= put_named(j, "schema", "%u", store_schema());
	r |= put_named(j, "hostname", "%s", s->settings->hostname);
	r |= put_named(j, "accepting", "%s",
	    (j->number & 1) != 0       ? "yes"
		: (j->number & 2) != 0 ? "only from own users: disk is filling"
				       : "no: disk is full");
	r |= put_named(j, "accounts", "%llu", (ull)accounts.n);
	r |= put_named(j, "messages", "%llu", (ull)accounts.messages);
	r |= put_named(j, "bytes", "%llu", (ull)accounts.bytes);
	r |= put_named(j, "queue", "%llu", (ull)queue.n);
	r |= put_named(j, "queue failed", "%llu", (ull)queue.failed);
	r |= put_named(j, "queue held", "%llu", (ull)queue.held);
	r |= put_named(j, "free", "%llu", (ull)unused);
	r |= put_named(j, "started", "%lld", (long long)s->started);
	r |=
	    put_named(j, "store landlock", "%d", s->role->sandbox.landlock_abi);
	r |= put_named(j, "store seccomp", "%s",
	    s->role->sandbox.seccomp ? "yes" : "no");
	return ERR_TRACE(r);
}

static void
on_problem(void *ctx, const char *what)
{
	struct admin_job *j = ctx;

	(void)put_text(j, "problem", slice_cstr(what));
	end_row(j);
}

void
tell_verify(struct env_job *job)
{
	struct admin_job *j = LIST_ENTRY(job, struct admin_job, job);
	struct verify_report report = { .problem = on_problem, .ctx = j };
	int n = store_verify(j->asker.role->store, &report);

	j->result = n < 0 ? n : 0;
	if (n < 0)
		return;
	j->result |= put_number(j, "messages", report.messages);
	j->result |= put_number(j, "bytes", report.bytes);
	j->result |= put_number(j, "entries", report.entries);
	j->result |= put_number(j, "accounts", report.accounts);
	j->result |= put_number(j, "queue", report.queue_rows);
	j->result |= put_number(j, "orphans", report.orphans);
	j->result |= put_number(j, "problems", (uint64_t)n);
	end_row(j);
}
