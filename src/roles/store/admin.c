/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin - the admin's commands: one table (docs/admin.md)
 *
 * Commands that look run in the READ lane, those that change in the writer's.
 * A row of the answer is one ADMIN_ROWS with its columns. Arguments that are
 * not in the table are refused. The queue's commands are outbound's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"
#include "roles/store/indexer.h"

enum {
	ADMIN_ARENA = 64 * 1024 * 1024
};

#define UNDELETE_OPTIONS "address mailbox? since? subject? from?"
#define SENDING_OPTIONS                                                        \
	"messages_per_hour? messages_per_day? recipients_per_hour? "           \
	"recipients_per_day?"
#define DOMAIN_OPTIONS                                                         \
	"kind? target? subaddress? catch_all? case? quota? "                   \
	"greylist? srs? " SENDING_OPTIONS

#define TERMS_OPTIONS                                                          \
	"retry_first? retry_max? retry_growth? lifetime? delay_warning? "      \
	"concurrency? mails? recipients? rate? burst? tls?"
#define ROUTE_OPTIONS                                                          \
	"kind? hosts? port? tls? implicit? user? secret? auth? source? "       \
	"helo? reply? to? from?"

static const struct admin_command commands[] = {
	{ SLICE("domain add"), "domain " DOMAIN_OPTIONS, .change = add_domain,
	    .changes_routes = true },
	{ SLICE("domain list"), "", .look = list_domains },
	{ SLICE("domain remove"), "domain", .change = remove_domain,
	    .changes_routes = true },
	{ SLICE("domain set"), "domain " DOMAIN_OPTIONS, .change = set_domain,
	    .changes_routes = true },
	{ SLICE("domain show"), "domain", .look = show_domain },
	{ SLICE("domain rcpt add"), "domain addresses may_exist?",
	    .change = add_rcpts },
	{ SLICE("domain rcpt remove"), "domain addresses",
	    .change = remove_rcpts },
	{ SLICE("domain rcpt list"), "domain", .look = list_rcpts },
	{ SLICE("group add"), "address name? owner? post?",
	    .change = add_group },
	{ SLICE("group list"), "domain?", .look = list_groups },
	{ SLICE("group remove"), "address", .change = remove_group },
	{ SLICE("group set"), "address name? owner? post?",
	    .change = set_group },
	{ SLICE("group show"), "address", .look = show_group },
	{ SLICE("group member add"), "address members may_exist?",
	    .change = add_members },
	{ SLICE("group member remove"), "address members",
	    .change = remove_members },
	{ SLICE("group member list"), "address", .look = list_members },
	{ SLICE("address"), "address sender? login? size?",
	    .look = tell_address },
	{ SLICE("account add"), "address verifier name? quota?",
	    .change = add_account },
	{ SLICE("account list"), "domain?", .look = list_accounts },
	{ SLICE("account remove"), "address", .change = remove_account,
	    .ends_logins = true },
	{ SLICE("account password"), "address verifier", .change = set_password,
	    .ends_logins = true },
	{ SLICE("account import-hash"), "address verifier",
	    .change = set_password, .ends_logins = true },
	{ SLICE("app-password add"), "address verifier name scope? expires?",
	    .change = add_app_password },
	{ SLICE("app-password list"), "address", .look = list_app_passwords },
	{ SLICE("app-password remove"), "address which",
	    .change = remove_app_password, .ends_logins = true },
	{ SLICE("certificate add"), "address fingerprint name?",
	    .change = add_certificate },
	{ SLICE("certificate list"), "address", .look = list_certificates },
	{ SLICE("certificate remove"), "address fingerprint",
	    .change = remove_certificate, .ends_logins = true },
	{ SLICE("account quota"), "address quota", .change = set_quota },
	{ SLICE("account set"),
	    "address name? quota? quota_messages? " SENDING_OPTIONS,
	    .change = set_account },
	{ SLICE("account show"), "address", .look = show_account },
	{ SLICE("account send-as add"), "address sender",
	    .change = add_send_as },
	{ SLICE("account send-as remove"), "address sender",
	    .change = remove_send_as },
	{ SLICE("account send-as list"), "address", .look = list_send_as },
	{ SLICE("account disable"), "address", .change = disable_account,
	    .ends_logins = true },
	{ SLICE("account enable"), "address", .change = enable_account },
	{ SLICE("alias add"), "address target", .change = add_alias },
	{ SLICE("alias list"), "domain?", .look = list_aliases },
	{ SLICE("alias remove"), "address target?", .change = remove_alias },
	{ SLICE("greylist list"), "client? sender? recipient? state? limit?",
	    .at_once = list_greylist },
	{ SLICE("greylist remove"), "client? sender? recipient? all?",
	    .at_once = remove_greylist },
	{ SLICE("greylist allow"), "client note?", .change = allow_greylist,
	    .changes_greylist = true },
	{ SLICE("greylist disallow"), "client", .change = disallow_greylist,
	    .changes_greylist = true },
	{ SLICE("greylist allowed"), "", .look = list_greylist_allowed },
	{ SLICE("reports tls list"), "", .look = list_reports },
	{ SLICE("reports tls show"), "domain", .look = show_reports },
	{ SLICE("reports tls send"), "", .at_once = send_reports },
	{ SLICE("reports tls received"), "below?", .look = tell_received },
	{ SLICE("suppress list"), "sender? limit?", .look = list_suppressed },
	{ SLICE("suppress show"), "recipient", .look = show_suppressed },
	{ SLICE("suppress add"), "sender recipient note?",
	    .change = add_suppressed },
	{ SLICE("suppress remove"), "sender recipient",
	    .change = remove_suppressed },
	{ SLICE("sts list"), "limit?", .look = list_sts },
	{ SLICE("sts show"), "domain", .look = show_sts },
	{ SLICE("sts refresh"), "domain", .at_once = refresh_sts },
	{ SLICE("destination set"), "destination " TERMS_OPTIONS,
	    .change = set_destination, .changes_terms = true },
	{ SLICE("destination unset"), "destination terms?",
	    .change = unset_destination, .changes_terms = true },
	{ SLICE("destination list"), "", .look = list_destinations },
	{ SLICE("destination show"), "destination",
	    .at_once = show_destination },
	{ SLICE("throttle set"), "subject mails? period? burst?",
	    .change = set_throttle, .changes_throttles = true },
	{ SLICE("throttle unset"), "subject", .change = unset_throttle,
	    .changes_throttles = true },
	{ SLICE("throttle list"), "", .look = list_throttles },
	{ SLICE("throttle show"), "subject", .look = show_throttle },
	{ SLICE("warmup add"), "address first? until? growth? day?",
	    .change = add_warmup, .changes_warmups = true },
	{ SLICE("warmup remove"), "address", .change = remove_warmup,
	    .changes_warmups = true },
	{ SLICE("warmup list"), "", .look = list_warmups },
	{ SLICE("warmup show"), "address", .look = show_warmup },
	{ SLICE("route add"), "name " ROUTE_OPTIONS, .change = add_route,
	    .changes_routes = true },
	{ SLICE("route delete"), "name", .change = remove_route,
	    .changes_routes = true },
	{ SLICE("route list"), "", .look = list_routes },
	{ SLICE("route set"), "name " ROUTE_OPTIONS, .change = set_route,
	    .changes_routes = true },
	{ SLICE("route show"), "name", .look = show_route },
	{ SLICE("route test"), "address sender?", .look = test_route },
	{ SLICE("undelete list"), UNDELETE_OPTIONS " limit?",
	    .look = list_expunged },
	{ SLICE("undelete restore"), UNDELETE_OPTIONS " to?",
	    .change = restore_expunged },
	{ SLICE("undelete forget"), UNDELETE_OPTIONS,
	    .change = forget_expunged },
	{ SLICE("export mailboxes"), "address after?",
	    .look = list_export_mailboxes },
	{ SLICE("export entries"), "address number after?",
	    .look = list_export_entries },
	{ SLICE("import known"), "address source? uid?",
	    .look = list_import_known },
	{ SLICE("import notes"), "address source validity uid?",
	    .look = list_import_notes },
	{ SLICE("import forget"), "address", .change = forget_imports },
	{ SLICE("import flags"), "address source validity uid flags? keywords?",
	    .change = sync_import_flags },
	{ SLICE("import gone"), "address source validity uid",
	    .change = sync_import_gone },
	{ SLICE("import mailbox"), "address mailbox subscribe?",
	    .change = make_import_mailbox },
	{ SLICE("trace"), "id? address? limit?", .look = tell_trace,
	    .reads_events = true },
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
verdict_of(const struct admin_job *j, int r)
{
	const char *text = j->why[0] != '\0' && r >= 0 ? j->why
	    : r == 0                                   ? "done"
						       : account_text(r);

	switch (r) {
	case 0:
		return wire_verdict_make(250, 2, 0, 0, text);
	case ACCOUNT_E_ADDRESS:
	case ACCOUNT_E_VALUE:
		return wire_verdict_make(501, 5, 5, 4, text);
	case ACCOUNT_E_EXISTS:
		return wire_verdict_make(550, 5, 1, 0, text);
	case ACCOUNT_E_NO_DOMAIN:
	case ACCOUNT_E_ABSENT:
		return wire_verdict_make(550, 5, 1, 1, text);
	case ACCOUNT_E_LOOP:
		return wire_verdict_make(550, 5, 4, 6, text);
	case ACCOUNT_E_DEEP:
		return wire_verdict_make(550, 5, 2, 4, text);
	case ACCOUNT_E_IN_USE:
	case ACCOUNT_E_LIMIT:
	case ACCOUNT_E_KIND:
		return wire_verdict_make(550, 5, 7, 0, text);
	default:
		return wire_verdict_make(451, 4, 3, 0, text);
	}
}

static void
answer(struct admin_job *j, struct channel *c, int r)
{
	struct wire_admin_rows m = { .verdict = verdict_of(j, r),
		.more = true };

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
		if (slice_equal(j->command->name, SLICE("account remove")))
			indexer_want(s, j->account);
		if (j->command->changes_greylist)
			greylist_allowed_changed(s);
		if (j->command->changes_terms)
			outbound_terms_changed(s->outbound);
		if (j->command->changes_warmups)
			outbound_warmups_changed(s->outbound);
		if (j->command->changes_throttles)
			outbound_throttles_changed(s->outbound);
		if (j->command->changes_routes)
			outbound_routes_changed(s->outbound);
		if (j->command->changes_keys)
			(void)store_role_load_keys(s);
		if (j->next.modseq != 0)
			scan_changed(s, j->next.filter.account, j->next.modseq);
	}
	if (r == 0 && slice_equal(j->command->name, SLICE("key add")) &&
	    put_number(j, "key", j->number) != 0)
		r = -ENOMEM;
	if (r == 0 &&
	    slice_equal(j->command->name, SLICE("app-password add")) &&
	    put_number(j, "n", j->number) != 0)
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

	/* once more, after a group that failed */
	pages_deinit(&j->rows);
	j->rows = (struct pages){ 0 };
	j->row_is_open = false;
	j->why[0] = '\0';
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
		if (j->n_args == ADMIN_ARGS ||
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
start_look(struct events_wait *w)
{
	struct admin_job *j = LIST_ENTRY(w, struct admin_job, events);

	store_read(j->asker.role->store, &j->read);
}

static void
start(struct admin_job *j)
{
	struct store_role *s = j->asker.role;

	if (j->command->at_once != NULL) {
		finish(j, j->command->at_once(j));
	} else if (j->command->look != NULL) {
		j->number =
		    (s->strangers ? 1u : 0u) | (s->submission ? 2u : 0u);
		j->read.run = run_look;
		j->read.done = done_look;
		j->events.then = start_look;
		if (j->command->reads_events)
			events_wait(store_events(s->store), &j->events);
		else
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

static const struct admin_command *
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
	const struct admin_command *command = command_find(m->command);
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
