/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin - the admin's commands: one table (docs/admin.md)
 *
 * Commands that look run in the READ lane, those that change in the writer's.
 * A row of the answer is one ADMIN_ROWS with its columns. Arguments that are
 * not in the table are refused. The queue's commands are outbound's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/pages.h"
#include "roles/store/store_role.h"

enum {
	ARGS_MAX = 8,
	FIELD_MAX = 1024,
	ADMIN_ARENA = 64 * 1024 * 1024,
	TRACE_LIMIT = 1000,
	TRACE_IDS = 20
};

struct admin_job;

struct command {
	struct slice name;
	const char *args; /* names, one space between; '?': may be missing */
	int (*look)(struct db *db, struct admin_job *j);
	int (*change)(struct db *db, struct admin_job *j);
	void (*job)(struct env_job *job); /* looks in its own way */
	bool changes_keys, ends_logins;
};

struct admin_job {
	struct store_read read;
	struct store_write write;
	struct env_job job;
	struct asker asker;
	const struct command *command;
	struct arena arena;
	struct wire_field args[ARGS_MAX];
	size_t n_args;
	/* results */
	struct pages rows; /* a page is a row */
	bool row_is_open;
	uint64_t account, number;
	int result;
	int64_t now;
};

/* -- rows
 * -----------------------------------------------------------------------------
 */

/* The page of the row that is being made. */
static struct page *
row_page(struct admin_job *j)
{
	if (!j->row_is_open)
		j->row_is_open = true;
	else
		return &j->rows.at[j->rows.n - 1];
	return pages_next(&j->rows, 0);
}

static int
put_text(struct admin_job *j, const char *name, struct slice value)
{
	struct page *p = row_page(j);

	if (p == NULL)
		return ERR_ORIGIN(-ENOMEM);
	do {
		struct wire_field f = { slice_cstr(name),
			slice_upto(value, FIELD_MAX) };

		if (wire_field_add(&p->rows, &f) != 0)
			return ERR_ORIGIN(-ENOMEM);
		p->n++;
		value = slice_from(value, FIELD_MAX);
	} while (value.len > 0);
	return 0;
}

static int
put_number(struct admin_job *j, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return put_text(j, name, slice_cstr(text));
}

static void
end_row(struct admin_job *j)
{
	j->row_is_open = false;
}

static struct slice
arg(const struct admin_job *j, const char *name)
{
	for (size_t i = 0; i < j->n_args; i++)
		if (slice_equal(j->args[i].name, slice_cstr(name)))
			return j->args[i].value;
	return SLICE("");
}

/* -- looking
 * -----------------------------------------------------------------------------
 */

static bool
is_in_domain(const struct admin_job *j, struct slice canonical)
{
	struct slice domain = arg(j, "domain");
	size_t at = slice_find_last_byte(canonical, '@');

	return domain.len == 0 ||
	    (at != SIZE_MAX &&
		slice_equal_nocase(slice_from(canonical, at + 1), domain));
}

static int
keep(struct admin_job *j, struct slice s, struct slice *ret)
{
	return arena_copy(&j->arena, s, ret) ? 0 : ERR_ORIGIN(-ENOMEM);
}

static int
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

static int
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

static int
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

static int put_named(struct admin_job *j, const char *name, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

static int
put_named(struct admin_job *j, const char *name, const char *format, ...)
{
	char text[FIELD_MAX];
	va_list ap;
	int r;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	r = put_text(j, "name", slice_cstr(name));
	r |= put_text(j, "value", slice_cstr(text));
	end_row(j);
	return r;
}

typedef unsigned long long ull;

/* In a READ thread: of the role it reads only what does not change, and two
 * flags whose being a moment old does no harm; those were copied before. */
static int
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
	r |= put_named(j, "schema", "%d", 1);
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

/* -- trace
 * -----------------------------------------------------------------------------------
 */

struct line {
	struct id message;
	int64_t at;
	size_t order;
	struct slice kind, address, text, detail;
};
struct trace {
	struct admin_job *j;
	struct line *lines;
	size_t n, size;
	struct id ids[TRACE_IDS];
	size_t n_ids;
};

static int
add_line(struct trace *t, const struct id *id,
    const struct q_event_by_message *row)
{
	struct line *l;

	if (t->n == t->size) {
		size_t size = t->size == 0 ? 64 : t->size * 2;

		l = realloc(t->lines, size * sizeof(*l));
		if (l == NULL)
			return ERR_ORIGIN(-ENOMEM);
		t->lines = l;
		t->size = size;
	}
	l = &t->lines[t->n];
	*l = (struct line){ .message = *id, .at = row->at, .order = t->n };
	if (keep(t->j, row->kind, &l->kind) != 0 ||
	    keep(t->j, row->address, &l->address) != 0 ||
	    keep(t->j, row->text, &l->text) != 0 ||
	    keep(t->j, row->detail, &l->detail) != 0)
		return ERR_ORIGIN(-ENOMEM);
	t->n++;
	return 0;
}

static int
trace_id(struct trace *t, struct db *day, const struct id *id)
{
	struct q_event_by_message row;
	struct db_rows rows;
	int r = DB_MANY(event_by_message, day, &rows, .message = *id);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_event_by_message_next(&rows, &row)) == 0) {
		r = add_line(t, id, &row);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
find_ids(struct trace *t, struct db *day, struct slice address)
{
	struct q_event_ids_by_address row;
	struct db_rows rows;
	int r = DB_MANY(event_ids_by_address, day, &rows, .address = address);

	if (r != 0)
		return ERR_TRACE(r);
	while (t->n_ids < TRACE_IDS &&
	    (r = q_event_ids_by_address_next(&rows, &row)) == 0) {
		bool is_known = false;

		for (size_t i = 0; i < t->n_ids && !is_known; i++)
			is_known = id_equal(&t->ids[i], &row.message);
		if (!is_known)
			t->ids[t->n_ids++] = row.message;
	}
	db_rows_close(&rows);
	return r == DB_NONE || r == 0 ? 0 : ERR_TRACE(r);
}

/* Calls on every day's database, newest first. A day that cannot be read is
 * passed over: its events are lost, the others are not. */
static int
each_day(struct trace *t, const struct events_days *days, struct slice address)
{
	struct store *store = t->j->asker.role->store;
	int r = 0;

	for (size_t d = 0; d < days->n && r == 0; d++) {
		struct db *day;

		if (events_open_day(store, days->names[d], &day) != 0)
			continue;
		if (address.len > 0)
			r = find_ids(t, day, address);
		else
			for (size_t i = 0; i < t->n_ids && r == 0; i++)
				r = trace_id(t, day, &t->ids[i]);
		db_close(day);
		if (address.len > 0 && t->n_ids == TRACE_IDS)
			break;
	}
	return ERR_TRACE(r);
}

static int
by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int
put_lines(struct trace *t, uint64_t limit)
{
	char text[ID_TEXT + 1];
	size_t from = t->n > limit ? t->n - (size_t)limit : 0;
	int r = 0;

	if (t->n > 0)
		qsort(t->lines, t->n, sizeof(t->lines[0]), by_time);
	for (size_t i = from; i < t->n && r == 0; i++) {
		const struct line *l = &t->lines[i];

		id_print(&l->message, text);
		r = put_number(t->j, "time", (uint64_t)l->at);
		r |= put_text(t->j, "id", slice_cstr(text));
		r |= put_text(t->j, "event", l->kind);
		r |= put_text(t->j, "address", l->address);
		r |= put_text(t->j, "text", l->text);
		r |= put_text(t->j, "detail", l->detail);
		end_row(t->j);
	}
	return ERR_TRACE(r);
}

static int
find_subjects(struct db *db, struct trace *t, const struct events_days *days)
{
	struct slice address = arg(t->j, "address"), id = arg(t->j, "id");
	struct address a;
	int r;

	if (id.len > 0) {
		t->n_ids = 1;
		return id_parse(id, &t->ids[0]) ? 0 : ACCOUNT_E_ADDRESS;
	}
	r = address_read(db, address, &a);
	if (r != 0)
		return r;
	r = each_day(t, days, a.canonical);
	if (r == 0 && !slice_equal(a.canonical, address))
		r = each_day(t, days, address);
	return r;
}

static int
tell_trace(struct db *db, struct admin_job *j)
{
	struct trace t = { .j = j };
	struct events_days *days = malloc(sizeof(*days));
	struct slice limit = arg(j, "limit");
	uint64_t most = TRACE_LIMIT;
	int r;

	if (days == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r = limit.len == 0 || slice_to_u64(limit, 100000, &most)
	    ? events_days(j->asker.role->store, days)
	    : ACCOUNT_E_ADDRESS;
	if (r == 0)
		r = find_subjects(db, &t, days);
	if (r == 0)
		r = each_day(&t, days, SLICE(""));
	if (r == 0)
		r = t.n == 0 ? ACCOUNT_E_ABSENT : put_lines(&t, most);
	free(t.lines);
	free(days);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- verify
 * ------------------------------------------------------------------------------------
 */

static void
on_problem(void *ctx, const char *what)
{
	struct admin_job *j = ctx;

	(void)put_text(j, "problem", slice_cstr(what));
	end_row(j);
}

static void
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

/* -- changing
 * --------------------------------------------------------------------------------------
 */

static int
add_domain(struct db *db, struct admin_job *j)
{
	return domain_add(db, arg(j, "domain"), j->now);
}

static int
remove_domain(struct db *db, struct admin_job *j)
{
	return domain_remove(db, arg(j, "domain"));
}

static int
read_quota(const struct admin_job *j, uint64_t *ret)
{
	struct slice text = arg(j, "quota");

	*ret = 0;
	return text.len == 0 || slice_to_u64(text, INT64_MAX, ret)
	    ? 0
	    : ACCOUNT_E_ADDRESS;
}

static int
add_account(struct db *db, struct admin_job *j)
{
	uint64_t quota;
	int r = read_quota(j, &quota);

	return r != 0 ? r
		      : account_add(db, arg(j, "address"), arg(j, "name"),
			    arg(j, "verifier"), quota, j->now, &j->number);
}

/* For whoever must be logged out afterwards. */
static int
note_account(struct db *db, struct admin_job *j)
{
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &j->account);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r;
}

static int
remove_account(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0 ? r : account_remove(db, arg(j, "address"));
}

static int
set_password(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0 ? r
		      : account_set_password(db, arg(j, "address"),
			    arg(j, "verifier"), j->now);
}

static int
set_quota(struct db *db, struct admin_job *j)
{
	uint64_t quota;
	int r = read_quota(j, &quota);

	return r != 0 ? r : account_set_quota(db, arg(j, "address"), quota);
}

static int
disable_account(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0 ? r : account_set_disabled(db, arg(j, "address"), true);
}

static int
enable_account(struct db *db, struct admin_job *j)
{
	return account_set_disabled(db, arg(j, "address"), false);
}

static int
add_alias(struct db *db, struct admin_job *j)
{
	return alias_add(db, arg(j, "address"), arg(j, "target"), j->now);
}

static int
remove_alias(struct db *db, struct admin_job *j)
{
	return alias_remove(db, arg(j, "address"), arg(j, "target"));
}

static int
add_key(struct db *db, struct admin_job *j)
{
	return tls_key_add(db, arg(j, "names"), arg(j, "sealed"),
	    arg(j, "chain"), slice_equal(arg(j, "default"), SLICE("1")), j->now,
	    &j->number);
}

static int
remove_key(struct db *db, struct admin_job *j)
{
	uint64_t key;
	int r;

	if (!slice_to_u64(arg(j, "key"), INT64_MAX, &key))
		return ACCOUNT_E_ADDRESS;
	r = DB_EXEC(tls_key_delete, db, .tls_key = key);
	return r == 0 && db_changed(db) == 0 ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
}

static const struct command commands[] = {
	{ SLICE("domain add"), "domain", .change = add_domain },
	{ SLICE("domain list"), "", .look = list_domains },
	{ SLICE("domain remove"), "domain", .change = remove_domain },
	{ SLICE("account add"), "address verifier name? quota?",
	    .change = add_account },
	{ SLICE("account list"), "domain?", .look = list_accounts },
	{ SLICE("account remove"), "address", .change = remove_account,
	    .ends_logins = true },
	{ SLICE("account password"), "address verifier", .change = set_password,
	    .ends_logins = true },
	{ SLICE("account quota"), "address quota", .change = set_quota },
	{ SLICE("account disable"), "address", .change = disable_account,
	    .ends_logins = true },
	{ SLICE("account enable"), "address", .change = enable_account },
	{ SLICE("alias add"), "address target", .change = add_alias },
	{ SLICE("alias list"), "domain?", .look = list_aliases },
	{ SLICE("alias remove"), "address target?", .change = remove_alias },
	{ SLICE("trace"), "id? address? limit?", .look = tell_trace },
	{ SLICE("status"), "", .look = tell_status },
	{ SLICE("verify"), "", .job = tell_verify },
	{ SLICE("key list"), "", .look = list_keys },
	{ SLICE("key add"), "names sealed chain default?", .change = add_key,
	    .changes_keys = true },
	{ SLICE("key remove"), "key", .change = remove_key,
	    .changes_keys = true },
};

/* -- answering
 * ---------------------------------------------------------------------------------------
 */

static struct wire_verdict
verdict_of(int r)
{
	switch (r) {
	case 0:
		return wire_verdict_make(250, 2, 0, 0, "done");
	case ACCOUNT_E_ADDRESS:
		return wire_verdict_make(501, 5, 5, 4, account_text(r));
	case ACCOUNT_E_EXISTS:
		return wire_verdict_make(550, 5, 1, 0, account_text(r));
	case ACCOUNT_E_NO_DOMAIN:
	case ACCOUNT_E_ABSENT:
		return wire_verdict_make(550, 5, 1, 1, account_text(r));
	case ACCOUNT_E_IN_USE:
	case ACCOUNT_E_LIMIT:
		return wire_verdict_make(550, 5, 7, 0, account_text(r));
	default:
		return wire_verdict_make(451, 4, 3, 0, account_text(r));
	}
}

static void
answer(struct admin_job *j, struct channel *c, int r)
{
	struct wire_admin_rows m = { .verdict = verdict_of(r), .more = true };

	for (size_t i = 0; r == 0 && i < j->rows.n; i++) {
		m.rows = page_list(&j->rows.at[i]);
		(void)wire_send_admin_rows(c, j->asker.session, j->asker.ticket,
		    &m);
	}
	m.rows = (struct wire_list){ 0 };
	m.more = false;
	(void)wire_send_admin_rows(c, j->asker.session, j->asker.ticket, &m);
}

static void
finish(struct admin_job *j, int r)
{
	struct store_role *s = j->asker.role;
	struct channel *c = asker_channel(&j->asker);

	if (j->command->change != NULL && r == 0) {
		accept_forget_addresses(s);
		if (j->command->ends_logins)
			handles_drop_account(s, j->account);
		if (j->command->changes_keys)
			(void)store_role_load_keys(s);
	}
	if (r == 0 && slice_equal(j->command->name, SLICE("key add")) &&
	    put_number(j, "key", j->number) != 0)
		r = -ENOMEM;
	store_role_no_room(s, r);
	if (c != NULL)
		answer(j, c, r);
	pages_deinit(&j->rows);
	arena_reset(&j->arena);
	free(j);
}

static int
run_look(struct db *db, struct store_read *r)
{
	struct admin_job *j = LIST_ENTRY(r, struct admin_job, read);

	return j->command->look(db, j);
}

static void
done_look(struct store_read *r, int result)
{
	finish(LIST_ENTRY(r, struct admin_job, read), result);
}

static int
apply(struct db *db, struct store_write *w)
{
	struct admin_job *j = LIST_ENTRY(w, struct admin_job, write);

	return j->command->change(db, j);
}

static void
done_write(struct store_write *w, int r)
{
	finish(LIST_ENTRY(w, struct admin_job, write), r);
}

static void
done_job(struct env_job *job)
{
	struct admin_job *j = LIST_ENTRY(job, struct admin_job, job);

	j->asker.role->is_verifying = false;
	finish(j, j->result);
}

/* Several fields of one name, one after the other, are one value. */
static bool
take_args(struct admin_job *j, struct wire_list in)
{
	struct wire_field f;

	while (wire_field_next(&in, &f)) {
		struct wire_field *last =
		    j->n_args == 0 ? NULL : &j->args[j->n_args - 1];

		if (last != NULL && slice_equal(last->name, f.name)) {
			uint8_t *at = arena_alloc(&j->arena,
			    last->value.len + f.value.len + 1);

			if (at == NULL)
				return false;
			memcpy(at, last->value.at, last->value.len);
			memcpy(at + last->value.len, f.value.at, f.value.len);
			last->value =
			    slice_of(at, last->value.len + f.value.len);
			continue;
		}
		if (j->n_args == ARGS_MAX ||
		    !arena_copy(&j->arena, f.name, &j->args[j->n_args].name) ||
		    !arena_copy(&j->arena, f.value, &j->args[j->n_args].value))
			return false;
		j->n_args++;
	}
	return true;
}

/* All that must be there is, and nothing else. */
static bool
args_fit(const struct admin_job *j)
{
	struct slice names = slice_cstr(j->command->args), name;
	size_t n = 0;

	while (names.len > 0) {
		bool may_miss, found = false;

		if (!slice_take_until(&names, ' ', &name)) {
			name = names;
			names.len = 0;
		}
		may_miss = name.at[name.len - 1] == '?';
		name.len -= may_miss;
		for (size_t i = 0; i < j->n_args; i++)
			found |= slice_equal(j->args[i].name, name);
		if (!found && !may_miss)
			return false;
		n += found;
	}
	return n == j->n_args &&
	    (!slice_equal(j->command->name, SLICE("trace")) ||
		(arg(j, "id").len > 0) != (arg(j, "address").len > 0));
}

static void
start(struct admin_job *j)
{
	struct store_role *s = j->asker.role;

	if (j->command->look != NULL) {
		j->number =
		    (s->strangers ? 1u : 0u) | (s->submission ? 2u : 0u);
		j->read.run = run_look;
		j->read.done = done_look;
		store_read(s->store, &j->read);
	} else if (j->command->change != NULL) {
		j->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
			.apply = apply,
			.done = done_write };
		store_submit(s->store, &j->write);
	} else if (s->is_verifying) {
		finish(j, -EBUSY); /* one at a time: it reads everything */
	} else {
		s->is_verifying = true;
		j->job = (struct env_job){ .run = j->command->job,
			.done = done_job };
		if (env_work(s->env, ENV_LANE_READ, &j->job) != 0) {
			j->result = -ENOMEM;
			done_job(&j->job);
		}
	}
}

static const struct command *
command_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_equal(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void
refuse(struct channel *c, const struct wire_head *h,
    const struct wire_verdict *v)
{
	struct wire_admin_rows m = { .verdict = *v };

	(void)wire_send_admin_rows(c, h->session, h->ticket, &m);
}

int
on_admin_ask(struct channel *c, const struct wire_head *h,
    const struct wire_admin_ask *m)
{
	struct store_role *s = peer_of(c)->role;
	const struct command *command = command_find(m->command);
	struct wire_verdict v =
	    wire_verdict_make(500, 5, 5, 1, "there is no such command");
	struct admin_job *j;

	if (outbound_admin(s->outbound, c, h, m))
		return 0;
	if (command == NULL) {
		refuse(c, h, &v);
		return 0;
	}
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return ERR_ORIGIN(-ENOMEM);
	j->asker = asker_of(c, h);
	j->command = command;
	j->now = env_wall(s->env);
	arena_init(&j->arena, ADMIN_ARENA);
	if (!take_args(j, m->args) || !args_fit(j)) {
		v = wire_verdict_make(501, 5, 5, 4,
		    "the arguments do not fit the command");
		refuse(c, h, &v);
		arena_reset(&j->arena);
		free(j);
		return 0;
	}
	start(j);
	return 0;
}
