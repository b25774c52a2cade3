/* SPDX-License-Identifier: ISC */
/*
 * cli/queue - mail on its way out, and what to do with it
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
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
	{ "class", "class", TABLE_TEXT },
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
		typed = table_json(rows, columns);
		r = admin_print_json(typed);
		json_decref(typed);
		return r;
	}
	json_array_foreach(rows, i, row)
	{
		if (i > 0)
			(void)putchar('\n');
		for (const struct table_column *c = columns; c->name != NULL;
		     c++) {
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

/* Nobody empties a queue by forgetting an argument. */
static int
check_which(struct cli *cli, json_t *args)
{
	(void)cli;
	if (json_object_size(args) == 0)
		return cli_fail(CLI_USAGE,
		    "which rows? give an ID, --recipient, --sender, --route, "
		    "--row or --all");
	if (json_object_get(args, "all") != NULL && json_object_size(args) > 1)
		return cli_fail(CLI_USAGE, "--all stands alone");
	return CLI_OK;
}

static const struct cli_option which_options[] = {
	{ "recipient", 0, CLI_TEXT, "ADDRESS", "rows to this recipient",
	    false },
	{ "sender", 0, CLI_TEXT, "ADDRESS", "rows from this sender", false },
	{ "route", 0, CLI_TEXT, "DOMAIN", "rows that go there", false },
	{ "row", 0, CLI_NUMBER, "NUMBER", "this row", false },
	{ "all", 0, CLI_FLAG, NULL, "every row", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct cli_option list_options[] = {
	{ "recipient", 0, CLI_TEXT, "ADDRESS", "rows to this recipient",
	    false },
	{ "sender", 0, CLI_TEXT, "ADDRESS", "rows from this sender", false },
	{ "route", 0, CLI_TEXT, "DOMAIN", "rows that go there", false },
	{ "state", 0, CLI_TEXT, "STATE", "waiting, sending, held or failed",
	    false },
	{ "limit", 0, CLI_NUMBER, "NUMBER", "at most so many (1000)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action list = { .command = "queue list",
	.operands = { { "id", CLI_ID } },
	.columns = columns };
static const struct admin_action show = { .command = "queue show",
	.operands = { { "id", CLI_ID } },
	.columns = columns,
	.show = show_rows };
static const struct admin_action retry = { .command = "queue retry",
	.operands = { { "id", CLI_ID } },
	.prepare = check_which };
static const struct admin_action hold = { .command = "queue hold",
	.operands = { { "id", CLI_ID } },
	.prepare = check_which };
static const struct admin_action release = { .command = "queue release",
	.operands = { { "id", CLI_ID } },
	.prepare = check_which };
static const struct admin_action take = { .command = "queue delete",
	.operands = { { "id", CLI_ID } },
	.prepare = check_which };
static const struct admin_action bounce = { .command = "queue bounce",
	.operands = { { "id", CLI_ID } },
	.prepare = check_which };

static const struct cli_action actions[] = {
	{ "list", "[ID]", 0, 1, "what is on its way out, soonest first",
	    list_options, admin_run, &list },
	{ "show", "ID", 1, 1, "everything about a message's rows", NULL,
	    admin_run, &show },
	{ "retry", "[ID]", 0, 1, "tries it now", which_options, admin_run,
	    &retry },
	{ "hold", "[ID]", 0, 1, "keeps it back until it is released",
	    which_options, admin_run, &hold },
	{ "release", "[ID]", 0, 1, "undoes hold", which_options, admin_run,
	    &release },
	{ "delete", "[ID]", 0, 1, "takes it away; nobody is told",
	    which_options, admin_run, &take },
	{ "bounce", "[ID]", 0, 1, "gives it up; its sender is told",
	    which_options, admin_run, &bounce },
};

const struct cli_command cli_queue = { "queue", "mail on its way out",
	CLI_ACTIONS(actions), NULL };
