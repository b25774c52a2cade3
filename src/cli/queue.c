/* SPDX-License-Identifier: ISC */
/*
 * cli/queue - mail on its way out, and what to do with it
 */
#include "cli/queue_change.h"

#include <string.h>

const struct table_column queue_columns[] = {
	{ "row", NULL, TABLE_NUMBER },
	{ "id", "id", TABLE_TEXT },
	{ "sender", "sender", TABLE_TEXT },
	{ "recipient", "recipient", TABLE_TEXT },
	{ "route", NULL, TABLE_TEXT },
	{ "lane", NULL, TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "attempts", "attempts", TABLE_NUMBER },
	{ "due", "due", TABLE_TIME },
	{ "expires", "expires", TABLE_TIME },
	{ "created", NULL, TABLE_TIME },
	{ "last", NULL, TABLE_TIME },
	{ "notify", NULL, TABLE_NUMBER },
	{ "size", NULL, TABLE_NUMBER },
	{ "remote", NULL, TABLE_TEXT },
	{ "orcpt", NULL, TABLE_TEXT },
	{ "released", NULL, TABLE_TIME },
	{ "deliver_by", NULL, TABLE_TIME },
	{ "by_mode", NULL, TABLE_TEXT },
	{ "priority", NULL, TABLE_NUMBER },
	{ "envid", NULL, TABLE_TEXT },
	{ "ret", NULL, TABLE_TEXT },
	{ "body", NULL, TABLE_TEXT },
	{ "smtputf8", NULL, TABLE_BOOL },
	{ "requires_tls", NULL, TABLE_BOOL },
	{ "rrvs", NULL, TABLE_TIME },
	{ "code", "code", TABLE_NUMBER },
	{ "status", "status", TABLE_TEXT },
	{ "class", "class", TABLE_TEXT },
	{ "backoff", NULL, TABLE_TIME },
	{ "throttled", NULL, TABLE_TEXT },
	{ "text", "last reply", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* queue show: a row's columns below each other. */
static int
show_rows(struct cli *cli, const json_t *rows)
{
	char cell[TABLE_CELL];
	json_t *row, *typed;
	size_t i;
	int r = CLI_OK;

	if (cli->json) {
		typed = table_json(rows, queue_columns);
		r = admin_print_json(typed);
		json_decref(typed);
		return r;
	}
	json_array_foreach(rows, i, row)
	{
		if (i > 0)
			(void)putchar('\n');
		for (const struct table_column *c = queue_columns;
		     c->name != NULL; c++) {
			const char *value =
			    json_string_value(json_object_get(row, c->name));

			if (value == NULL || value[0] == '\0')
				continue;
			table_cell(c->kind, value, cell);
			(void)printf("%-10s %s\n", c->name, cell);
		}
	}
	return CLI_OK;
}

static const struct cli_option list_options[] = {
	{ "recipient", 0, CLI_TEXT, "ADDRESS", "rows to this recipient",
	    false },
	{ "sender", 0, CLI_TEXT, "ADDRESS", "rows from this sender", false },
	{ "route", 0, CLI_TEXT, "DOMAIN", "rows that go there", false },
	{ "domain", 0, CLI_TEXT, "DOMAIN", "the same as --route", true },
	{ "older", 0, CLI_TEXT, "TIME", "that came longer ago (2h, 3d)",
	    false },
	{ "newer", 0, CLI_TEXT, "TIME", "that came since then", false },
	{ "reason", 0, CLI_TEXT, "TEXT", "with this in the last reply", false },
	{ "lane", 0, CLI_TEXT, "LANE", "interactive, bulk or bounce", false },
	{ "row", 0, CLI_NUMBER, "NUMBER", "this row", false },
	{ "state", 0, CLI_TEXT, "STATE", "waiting, sending, held or failed",
	    false },
	{ "limit", 0, CLI_NUMBER, "NUMBER", "at most so many (1000)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

/* --domain is what people call a route. */
static int
prepare_list(struct cli *cli, json_t *args)
{
	const struct cli_option *o = cli->action->options;

	for (size_t i = 0; o[i].name != NULL; i++)
		if (strcmp(o[i].name, "domain") == 0 &&
		    cli->values[i] != NULL &&
		    json_object_set_new(args, "route",
			json_string(cli->values[i])) != 0)
			return cli_fail(CLI_USAGE, "--domain is not UTF-8");
	return CLI_OK;
}

static const struct cli_option summary_options[] = {
	{ "by", 0, CLI_TEXT, "WHAT", "domain (as it is) or sender", false },
	{ "limit", 0, CLI_NUMBER, "NUMBER", "at most so many (1000)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct table_column summary_columns[] = {
	{ "what", "domain or sender", TABLE_TEXT },
	{ "waiting", "waiting", TABLE_NUMBER },
	{ "held", "held", TABLE_NUMBER },
	{ "failed", "failed", TABLE_NUMBER },
	{ "oldest", "oldest", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action list = { .command = "queue list",
	.operands = { { "id", CLI_ID } },
	.columns = queue_columns,
	.prepare = prepare_list };
static const struct admin_action show = { .command = "queue show",
	.operands = { { "id", CLI_ID } },
	.columns = queue_columns,
	.show = show_rows };
static const struct admin_action summary = { .command = "queue summary",
	.columns = summary_columns };
static const struct admin_action retry = { .command = "queue retry" };
static const struct admin_action hold = { .command = "queue hold" };
static const struct admin_action release = { .command = "queue release" };
static const struct admin_action take = { .command = "queue delete" };
static const struct admin_action bounce = { .command = "queue bounce" };
static const struct admin_action redirect = { .command = "queue redirect",
	.operands = { { "to", CLI_TEXT } } };
static const struct admin_action priority = { .command = "queue priority",
	.operands = { { "priority", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "list", "[ID]", 0, 1, "what is on its way out, soonest first",
	    list_options, admin_run, &list },
	{ "show", "ID", 1, 1, "everything about a message's rows", NULL,
	    admin_run, &show },
	{ "summary", NULL, 0, 0, "how much there is, the most first",
	    summary_options, admin_run, &summary },
	{ "retry", "[ID]", 0, 1, "tries it now", queue_which_options,
	    queue_change_run, &retry },
	{ "hold", "[ID]", 0, 1, "keeps it back until it is released",
	    queue_which_options, queue_change_run, &hold },
	{ "release", "[ID]", 0, 1, "undoes hold", queue_which_options,
	    queue_change_run, &release },
	{ "delete", "[ID]", 0, 1, "takes it away; nobody is told",
	    queue_which_options, queue_change_run, &take },
	{ "bounce", "[ID]", 0, 1, "gives it up; its sender is told",
	    queue_which_options, queue_change_run, &bounce },
	{ "redirect", "WHERE [ID]", 1, 2,
	    "to the servers of another domain, or to another address",
	    queue_which_options, queue_change_run, &redirect },
	{ "priority", "NUMBER [ID]", 1, 2,
	    "from -9 to 9; the highest goes first, below 0 is bulk",
	    queue_which_options, queue_change_run, &priority },
};

const struct cli_command cli_queue = {
	"queue", "mail on its way out", CLI_ACTIONS(actions),
	"A change that means more than one ID or row says how many they are\n"
	"and asks, unless --yes. All options that are given must agree. "
	"Ctrl-C\n"
	"ends it between two slices; asked again, it goes on with the rest.\n"
};
