/* SPDX-License-Identifier: ISC */
/*
 * cli/suppress - recipients elsewhere that have bounced as unknown
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "sender", "sender", TABLE_TEXT },
	{ "recipient", "recipient", TABLE_TEXT },
	{ "refused", "refused", TABLE_BOOL },
	{ "times", "times", TABLE_NUMBER },
	{ "created", NULL, TABLE_TIME },
	{ "last", "last", TABLE_TIME },
	{ "expires", "expires", TABLE_TIME },
	{ "code", NULL, TABLE_NUMBER },
	{ "text", "last reply", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct cli_option list_options[] = {
	{ "sender", 0, CLI_TEXT, "DOMAIN", "of senders of this domain", false },
	{ "limit", 0, CLI_NUMBER, "NUMBER", "at most so many (1000)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct cli_option add_options[] = {
	{ "note", 0, CLI_TEXT, "TEXT", "why", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action list = { .command = "suppress list",
	.columns = columns };
static const struct admin_action show_one = { .command = "suppress show",
	.operands = { { "recipient", CLI_TEXT } },
	.columns = columns };
static const struct admin_action add = { .command = "suppress add",
	.operands = { { "sender", CLI_TEXT }, { "recipient", CLI_TEXT } } };
static const struct admin_action take = { .command = "suppress remove",
	.operands = { { "sender", CLI_TEXT }, { "recipient", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "list", NULL, 0, 0, "whom mail was sent to in vain, the latest first",
	    list_options, admin_run, &list },
	{ "show", "ADDRESS", 1, 1, "what is known of one recipient", NULL,
	    admin_run, &show_one },
	{ "add", "DOMAIN ADDRESS", 2, 2,
	    "refuses mail from senders of DOMAIN (*: all) to ADDRESS",
	    add_options, admin_run, &add },
	{ "remove", "DOMAIN ADDRESS", 2, 2, "allows it again, and forgets it",
	    NULL, admin_run, &take },
};

const struct cli_command cli_suppress = { "suppress",
	"recipients elsewhere that have bounced", CLI_ACTIONS(actions), NULL };
