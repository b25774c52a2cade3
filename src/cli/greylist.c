/* SPDX-License-Identifier: ISC */
/*
 * cli/greylist - who is put off until he comes again, and who never is
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "client", "client", TABLE_TEXT },
	{ "sender", "sender", TABLE_TEXT },
	{ "recipient", "recipient", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "passes", "passes", TABLE_NUMBER },
	{ "first", NULL, TABLE_TIME },
	{ "last", "last", TABLE_TIME },
	{ "opens", "opens", TABLE_TIME },
	{ "expires", NULL, TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column allowed_columns[] = {
	{ "client", "client", TABLE_TEXT },
	{ "note", "note", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static int
check_which(struct cli *cli, json_t *args)
{
	(void)cli;
	if (json_object_size(args) == 0)
		return cli_fail(CLI_USAGE,
		    "which rows? give --client, --sender, --recipient or "
		    "--all");
	if (json_object_get(args, "all") != NULL && json_object_size(args) > 1)
		return cli_fail(CLI_USAGE, "--all stands alone");
	return CLI_OK;
}

static const struct cli_option list_options[] = {
	{ "client", 0, CLI_TEXT, "CLIENT", "of this network or domain", false },
	{ "sender", 0, CLI_TEXT, "DOMAIN", "from senders of this domain",
	    false },
	{ "recipient", 0, CLI_TEXT, "ADDRESS", "to this recipient", false },
	{ "state", 0, CLI_TEXT, "STATE", "waiting, known or client", false },
	{ "limit", 0, CLI_NUMBER, "NUMBER", "at most so many (1000)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct cli_option remove_options[] = {
	{ "client", 0, CLI_TEXT, "CLIENT", "of this network or domain", false },
	{ "sender", 0, CLI_TEXT, "DOMAIN", "from senders of this domain",
	    false },
	{ "recipient", 0, CLI_TEXT, "ADDRESS", "to this recipient", false },
	{ "all", 0, CLI_FLAG, NULL, "every row", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct cli_option allow_options[] = {
	{ "note", 0, CLI_TEXT, "TEXT", "why", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action list = { .command = "greylist list",
	.columns = columns };
static const struct admin_action take = { .command = "greylist remove",
	.prepare = check_which };
static const struct admin_action allow = { .command = "greylist allow",
	.operands = { { "client", CLI_TEXT } } };
static const struct admin_action disallow = { .command = "greylist disallow",
	.operands = { { "client", CLI_TEXT } } };
static const struct admin_action allowed = { .command = "greylist allowed",
	.columns = allowed_columns };

static const struct cli_action actions[] = {
	{ "list", NULL, 0, 0, "who has been here, those seen last first",
	    list_options, admin_run, &list },
	{ "remove", NULL, 0, 0, "forgets rows: they are new again",
	    remove_options, admin_run, &take },
	{ "allow", "CLIENT", 1, 1,
	    "a network, or the domain of hosts' names, never waits",
	    allow_options, admin_run, &allow },
	{ "disallow", "CLIENT", 1, 1, "undoes allow", NULL, admin_run,
	    &disallow },
	{ "allowed", NULL, 0, 0, "who never waits", NULL, admin_run, &allowed },
};

const struct cli_command cli_greylist = { "greylist",
	"who is put off until he comes again", CLI_ACTIONS(actions), NULL };
