/* SPDX-License-Identifier: ISC */
/*
 * cli/domain - the domains that are served here
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "domain", "domain", TABLE_TEXT },
	{ "canonical", NULL, TABLE_TEXT },
	{ "accounts", "accounts", TABLE_NUMBER },
	{ "aliases", "aliases", TABLE_NUMBER },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action add = { .command = "domain add",
	.operands = { { "domain", CLI_TEXT } } };
static const struct admin_action list = { .command = "domain list",
	.columns = columns };
static const struct admin_action take = { .command = "domain remove",
	.operands = { { "domain", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "add", "DOMAIN", 1, 1, "mail for it is taken from now on", NULL,
	    admin_run, &add },
	{ "list", NULL, 0, 0, "all domains", NULL, admin_run, &list },
	{ "remove", "DOMAIN", 1, 1,
	    "it must have no accounts and aliases any more", NULL, admin_run,
	    &take },
};

const struct cli_command cli_domain = { "domain",
	"domains that are served here", CLI_ACTIONS(actions), NULL };
