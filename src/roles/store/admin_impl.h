/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_impl - what the files of the admin's commands share
 *
 *   admin.c         the table, arguments in, answers out
 *   admin_rows.c    the rows of an answer
 *   admin_look.c    commands that look
 *   admin_trace.c   the life of a mail, from the events
 *   admin_change.c  commands that change
 *   admin_options.c domains, groups and accounts with what is set
 *   admin_names.c   members, known recipients, granted senders
 *   admin_address.c where a mail to an address would go
 *   admin_greylist.c  the greylist's
 *   sts.c           MTA-STS policies
 *   reports_received.c  mails in which others report about TLS
 *   admin_throttle.c how much may leave in a time
 *   admin_warmup.c  source addresses that are warming up
 *   admin_terms.c   on what terms destinations are served
 *   admin_route.c   the operator's routes
 *   admin_route_test.c  where a mail would go by them
 *   undelete.c      mail that was expunged
 *   import_admin.c  what import and export ask
 *
 * A look runs in a READ thread, a change in the writer's: both use the
 * database they are given and the job, and of the role only what never
 * changes.
 */
#ifndef ROLES_STORE_ADMIN_IMPL_H
#define ROLES_STORE_ADMIN_IMPL_H

#include "policy/route_table.h"
#include "roles/store/pages.h"
#include "roles/store/store_role.h"
#include "store/events.h"
#include "store/undelete.h"

enum {
	ADMIN_ARGS = 16,
	ADMIN_FIELD = 1024,
	ADMIN_WHY = 512,
	ADMIN_TEXT_MAX = 16 * 1024
};

struct admin_job;

struct admin_command {
	struct slice name;
	const char *args; /* names, one space between; '?': may be missing */
	int (*look)(struct db *db, struct admin_job *j);
	int (*change)(struct db *db, struct admin_job *j);
	void (*job)(struct env_job *job);    /* looks in its own way */
	int (*at_once)(struct admin_job *j); /* on the loop, in memory */
	bool changes_keys, ends_logins, changes_greylist, changes_throttles,
	    changes_warmups, changes_terms, changes_routes;
	bool reads_events; /* all that happened before it was asked */
};

struct admin_job {
	struct store_read read;
	struct store_write write;
	struct env_job job;
	struct events_wait events;
	struct asker asker;
	const struct admin_command *command;
	struct arena arena;
	struct wire_field args[ADMIN_ARGS];
	size_t n_args;
	/* results */
	struct pages rows; /* a page is a row */
	bool row_is_open;
	uint64_t account, number;
	struct undelete undelete, next; /* undelete.c; next: when it is kept */
	int result;
	int64_t now;
	char why[ADMIN_WHY]; /* instead of the general text; may be empty */
};

/* The argument of that name, or empty. */
struct slice arg(const struct admin_job *j, const char *name);
/* The text of the answer, in place of the general one. */
void say(struct admin_job *j, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A copy in the job's arena. 0 or -ENOMEM. */
int keep(struct admin_job *j, struct slice s, struct slice *ret);

/* -- admin_rows.c: one column after the other, then end_row. 0 or -errno. -- */

int put_text(struct admin_job *j, const char *name, struct slice value);
int put_number(struct admin_job *j, const char *name, uint64_t value);
/* A whole row: `name` and `value`. */
int put_named(struct admin_job *j, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void end_row(struct admin_job *j);

/* -- admin_look.c -- */

/* Whether it is of the argument "domain", if there is one. */
bool is_in_domain(const struct admin_job *j, struct slice canonical);
int list_domains(struct db *db, struct admin_job *j);
int list_accounts(struct db *db, struct admin_job *j);
int list_app_passwords(struct db *db, struct admin_job *j);
int list_certificates(struct db *db, struct admin_job *j);
int list_aliases(struct db *db, struct admin_job *j);
int list_keys(struct db *db, struct admin_job *j);
int tell_status(struct db *db, struct admin_job *j);
void tell_verify(struct env_job *job);

/* -- admin_trace.c -- */

int tell_trace(struct db *db, struct admin_job *j);

/* -- admin_options.c -- */

int add_domain(struct db *db, struct admin_job *j);
int set_domain(struct db *db, struct admin_job *j);
int show_domain(struct db *db, struct admin_job *j);
int add_group(struct db *db, struct admin_job *j);
int set_group(struct db *db, struct admin_job *j);
int remove_group(struct db *db, struct admin_job *j);
int show_group(struct db *db, struct admin_job *j);
int list_groups(struct db *db, struct admin_job *j);
int set_account(struct db *db, struct admin_job *j);
int show_account(struct db *db, struct admin_job *j);

/* -- admin_names.c -- */

int add_members(struct db *db, struct admin_job *j);
int remove_members(struct db *db, struct admin_job *j);
int list_members(struct db *db, struct admin_job *j);
int add_rcpts(struct db *db, struct admin_job *j);
int remove_rcpts(struct db *db, struct admin_job *j);
int list_rcpts(struct db *db, struct admin_job *j);
int add_send_as(struct db *db, struct admin_job *j);
int remove_send_as(struct db *db, struct admin_job *j);
int list_send_as(struct db *db, struct admin_job *j);

/* -- admin_address.c -- */

int tell_address(struct db *db, struct admin_job *j);
struct rcpt_result;
int put_address_steps(struct db *db, struct admin_job *j,
    const struct rcpt_result *result);

/* -- admin_change.c -- */

int remove_domain(struct db *db, struct admin_job *j);
int add_account(struct db *db, struct admin_job *j);
int remove_account(struct db *db, struct admin_job *j);
int set_password(struct db *db, struct admin_job *j);
int add_app_password(struct db *db, struct admin_job *j);
int remove_app_password(struct db *db, struct admin_job *j);
int add_certificate(struct db *db, struct admin_job *j);
int remove_certificate(struct db *db, struct admin_job *j);
int set_quota(struct db *db, struct admin_job *j);
int disable_account(struct db *db, struct admin_job *j);
int enable_account(struct db *db, struct admin_job *j);
int add_alias(struct db *db, struct admin_job *j);
int remove_alias(struct db *db, struct admin_job *j);
int add_key(struct db *db, struct admin_job *j);
int remove_key(struct db *db, struct admin_job *j);

/* -- admin_route.c -- */

int add_route(struct db *db, struct admin_job *j);
int set_route(struct db *db, struct admin_job *j);
int remove_route(struct db *db, struct admin_job *j);
int list_routes(struct db *db, struct admin_job *j);
int show_route(struct db *db, struct admin_job *j);

/* -- admin_route_test.c -- */

int test_route(struct db *db, struct admin_job *j);
/* A whole row of its answer. */
int admin_put_step(struct admin_job *j, const char *kind, struct slice what,
    struct slice address, struct slice text);

/* -- admin_route_limits.c -- */

/* What keeps a mail back that takes this way, and how it leaves. */
int put_route_limits(struct db *db, struct admin_job *j,
    const struct route_choice *c, struct slice sender);

/* -- admin_greylist.c -- */

int list_greylist(struct admin_job *j);
int remove_greylist(struct admin_job *j);
int allow_greylist(struct db *db, struct admin_job *j);
int disallow_greylist(struct db *db, struct admin_job *j);
int list_greylist_allowed(struct db *db, struct admin_job *j);

/* -- reports_daily.c -- */

int list_reports(struct db *db, struct admin_job *j);
int show_reports(struct db *db, struct admin_job *j);
int send_reports(struct admin_job *j);

/* -- reports_received.c -- */

int tell_received(struct db *db, struct admin_job *j);

/* -- admin_suppress.c -- */

int list_suppressed(struct db *db, struct admin_job *j);
int show_suppressed(struct db *db, struct admin_job *j);
int add_suppressed(struct db *db, struct admin_job *j);
int remove_suppressed(struct db *db, struct admin_job *j);

/* -- sts.c -- */

int list_sts(struct db *db, struct admin_job *j);
int show_sts(struct db *db, struct admin_job *j);
int refresh_sts(struct admin_job *j);

/* -- admin_throttle.c -- */

int set_throttle(struct db *db, struct admin_job *j);
int unset_throttle(struct db *db, struct admin_job *j);
int list_throttles(struct db *db, struct admin_job *j);
int show_throttle(struct db *db, struct admin_job *j);

/* -- admin_warmup.c -- */

int add_warmup(struct db *db, struct admin_job *j);
int remove_warmup(struct db *db, struct admin_job *j);
int list_warmups(struct db *db, struct admin_job *j);
int show_warmup(struct db *db, struct admin_job *j);

/* -- undelete.c -- */

int list_expunged(struct db *db, struct admin_job *j);
int restore_expunged(struct db *db, struct admin_job *j);
int forget_expunged(struct db *db, struct admin_job *j);

/* -- import_admin.c -- */

int list_export_mailboxes(struct db *db, struct admin_job *j);
int list_export_entries(struct db *db, struct admin_job *j);
int list_import_known(struct db *db, struct admin_job *j);
int list_import_notes(struct db *db, struct admin_job *j);
int forget_imports(struct db *db, struct admin_job *j);
int sync_import_flags(struct db *db, struct admin_job *j);
int sync_import_gone(struct db *db, struct admin_job *j);
int make_import_mailbox(struct db *db, struct admin_job *j);

/* -- admin_terms.c -- */

int set_destination(struct db *db, struct admin_job *j);
int unset_destination(struct db *db, struct admin_job *j);
int list_destinations(struct db *db, struct admin_job *j);
int show_destination(struct admin_job *j);

#endif
