/* SPDX-License-Identifier: ISC */
/*
 * cli/undelete - brings expunged mail back, lists it, or forgets it for good
 *
 * One command, three questions to the store: which of them, is said by
 * --list and --forget. Times become microseconds and subjects the folded form
 * in which they are kept (mail/subject) here; the store only compares.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/admin.h"
#include "config/settings_table.h"
#include "mail/subject.h"

static const struct table_column columns[] = {
	{ "id", NULL, TABLE_TEXT },
	{ "expunged", "expunged", TABLE_TIME },
	{ "mailbox", "mailbox", TABLE_TEXT },
	{ "date", "date", TABLE_TIME },
	{ "size", "size", TABLE_NUMBER },
	{ "from", "from", TABLE_TEXT },
	{ "subject", "subject", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* "2026-11-30", "2026-11-30T08:15" (UTC), or as long ago: "3d". */
static bool
read_time(const char *text, int64_t *ret)
{
	struct timespec now;
	struct tm tm = { 0 };
	int64_t ago;
	const char *end;

	if (settings_duration_parse(slice_cstr(text), &ago)) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		*ret = (int64_t)now.tv_sec * TIME_SECOND - ago;
		return *ret >= 0;
	}
	end = strptime(text, "%Y-%m-%dT%H:%M", &tm);
	if (end == NULL) {
		tm = (struct tm){ 0 };
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	if (end == NULL || *end != '\0')
		return false;
	*ret = (int64_t)timegm(&tm) * TIME_SECOND;
	return *ret >= 0;
}

static int
add_text(json_t *args, const char *name, struct slice text)
{
	json_t *value = json_stringn((const char *)text.at, text.len);

	if (value == NULL)
		return cli_fail(CLI_USAGE, "%s is not UTF-8", name);
	return json_object_set_new(args, name, value) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

static int
add_since(struct cli *cli, json_t *args)
{
	const char *since = cli_option(cli, "since");
	char number[24];
	int64_t at = 0;

	if (since == NULL)
		return CLI_OK;
	if (!read_time(since, &at))
		return cli_fail(CLI_USAGE,
		    "--since: %s is not a day (2026-11-30), a day and a time "
		    "(2026-11-30T08:15, UTC) or so long ago (2h, 3d)",
		    since);
	(void)snprintf(number, sizeof(number), "%" PRId64, at);
	return add_text(args, "since", slice_cstr(number));
}

/* As it is kept: decoded, folded, without "Re:" and the like. */
static int
add_folded(struct cli *cli, const char *name, json_t *args)
{
	const char *text = cli_option(cli, name);
	bool is_reply;
	struct buf out;
	int r;

	if (text == NULL)
		return CLI_OK;
	buf_init(&out, SUBJECT_MAX);
	r = subject_base(slice_cstr(text), &out, &is_reply);
	if (r == 0 && out.len > 0)
		r = add_text(args, name, buf_slice(&out));
	else
		r = cli_fail(CLI_USAGE, "--%s: nothing is left of %s", name,
		    text);
	buf_deinit(&out);
	return r;
}

static int
prepare(struct cli *cli, json_t *args)
{
	int r = add_since(cli, args);

	if (r == CLI_OK)
		r = add_folded(cli, "subject", args);
	return r == CLI_OK ? add_folded(cli, "from", args) : r;
}

static const struct cli_option options[] = {
	{ "list", 0, CLI_FLAG, NULL, "only shows them", true },
	{ "forget", 0, CLI_FLAG, NULL, "removes them for good instead", true },
	{ "mailbox", 0, CLI_TEXT, "NAME", "that were in this mailbox", false },
	{ "since", 0, CLI_TEXT, "TIME",
	    "expunged since then: 2026-11-30, 2026-11-30T08:15, 2h, 3d", true },
	{ "subject", 0, CLI_TEXT, "TEXT", "with this in the subject", true },
	{ "from", 0, CLI_TEXT, "TEXT", "with this in the sender's address",
	    true },
	{ "to", 0, CLI_TEXT, "NAME",
	    "into this mailbox, not where each of them was", true },
	{ "limit", 0, CLI_NUMBER, "NUMBER",
	    "with --list: at most so many (1000)", true },
	{ "yes", 0, CLI_FLAG, NULL, "with --forget: does not ask", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static int
prepare_list(struct cli *cli, json_t *args)
{
	const char *limit = cli_option(cli, "limit");
	int r = prepare(cli, args);

	if (r == CLI_OK && limit != NULL)
		r = add_text(args, "limit", slice_cstr(limit));
	return r;
}

static int
prepare_restore(struct cli *cli, json_t *args)
{
	const char *to = cli_option(cli, "to");
	int r = prepare(cli, args);

	if (r == CLI_OK && to != NULL)
		r = add_text(args, "to", slice_cstr(to));
	return r;
}

/* Who forgets must mean it. */
static int
prepare_forget(struct cli *cli, json_t *args)
{
	char answer[8] = "";

	if (cli_option(cli, "yes") == NULL) {
		if (isatty(STDIN_FILENO) == 0)
			return cli_fail(CLI_USAGE,
			    "--forget cannot be undone: say --yes, too");
		(void)fprintf(stderr,
		    "Forget expunged mail of %s for good? [y/N] ",
		    cli->operands[0]);
		if (fgets(answer, sizeof(answer), stdin) == NULL ||
		    (answer[0] != 'y' && answer[0] != 'Y'))
			return cli_fail(CLI_REFUSED, "nothing was changed");
	}
	return prepare(cli, args);
}

static const struct admin_action list = { .command = "undelete list",
	.operands = { { "address", CLI_TEXT } },
	.prepare = prepare_list,
	.columns = columns };
static const struct admin_action restore = { .command = "undelete restore",
	.operands = { { "address", CLI_TEXT } },
	.prepare = prepare_restore };
static const struct admin_action forget = { .command = "undelete forget",
	.operands = { { "address", CLI_TEXT } },
	.prepare = prepare_forget };

static int
run(struct cli *cli)
{
	bool lists = cli_option(cli, "list") != NULL;
	bool forgets = cli_option(cli, "forget") != NULL;
	struct cli_action action = *cli->action;

	if (lists + forgets + (cli_option(cli, "to") != NULL) > 1)
		return cli_fail(CLI_USAGE,
		    "--list, --forget and --to are three things");
	action.admin = lists ? &list : forgets ? &forget : &restore;
	cli->action = &action;
	return admin_run(cli);
}

static const struct cli_action actions[] = {
	{ NULL, "ADDRESS", 1, 1, NULL, options, run, NULL },
};

const struct cli_command cli_undelete = { "undelete",
	"brings back mail that its owner has expunged", CLI_ACTIONS(actions),
	"Mail is kept for mailbox.keep_expunged after it has left the last "
	"mailbox it was in, outside the quota. Brought back, it has a new uid, "
	"and its flags, date and thread as before. Without options all of it "
	"is brought back, each mail to where it was." };
