/* SPDX-License-Identifier: ISC */
/*
 * cli/alias - addresses that lead to others
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "address", "address", TABLE_TEXT },
	{ "target", "target", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action add = { .command = "alias add",
	.operands = { { "address", CLI_TEXT }, { "target", CLI_TEXT } } };
static const struct admin_action list = { .command = "alias list",
	.operands = { { "domain", CLI_TEXT } },
	.columns = columns };
static const struct admin_action take = { .command = "alias remove",
	.operands = { { "address", CLI_TEXT }, { "target", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "add", "ADDRESS TARGET", 2, 2,
	    "mail for ADDRESS goes to TARGET (too)", NULL, admin_run, &add },
	{ "list", "[DOMAIN]", 0, 1, "all aliases, or those of a domain", NULL,
	    admin_run, &list },
	{ "remove", "ADDRESS [TARGET]", 1, 2,
	    "takes one target away, or all of them", NULL, admin_run, &take },
};

const struct cli_command cli_alias = { "alias", "addresses that lead to others",
	CLI_ACTIONS(actions), NULL };
