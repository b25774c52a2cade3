/* SPDX-License-Identifier: ISC */
/*
 * cli/sts - the MTA-STS policies of other domains that are kept (RFC 8461)
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "domain", "domain", TABLE_TEXT },
	{ "mode", "mode", TABLE_TEXT },
	{ "mx", "mail hosts", TABLE_TEXT },
	{ "id", "id", TABLE_TEXT },
	{ "fetched", "fetched", TABLE_TIME },
	{ "expires", "expires", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct cli_option list_options[] = {
	{ "limit", 0, CLI_NUMBER, "NUMBER", "at most so many (1000)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action list = { .command = "sts list",
	.columns = columns };
static const struct admin_action show_one = { .command = "sts show",
	.operands = { { "domain", CLI_TEXT } },
	.columns = columns,
	.show = admin_show_row };
static const struct admin_action refresh = { .command = "sts refresh",
	.operands = { { "domain", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "list", NULL, 0, 0, "the policies that are kept", list_options,
	    admin_run, &list },
	{ "show", "DOMAIN", 1, 1, "what is kept of one domain", NULL, admin_run,
	    &show_one },
	{ "refresh", "DOMAIN", 1, 1, "fetches a domain's policy now", NULL,
	    admin_run, &refresh },
};

const struct cli_command cli_sts = { "sts",
	"what other domains demand of who sends to them", CLI_ACTIONS(actions),
	NULL };
