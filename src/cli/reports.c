/* SPDX-License-Identifier: ISC */
/*
 * cli/reports - reports about TLS to other domains (RFC 8460)
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "domain", "domain", TABLE_TEXT },
	{ "day", "day", TABLE_TIME },
	{ "uri", "to", TABLE_TEXT },
	{ "id", NULL, TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "tries", "tries", TABLE_NUMBER },
	{ "due", NULL, TABLE_TIME },
	{ "why", "last words", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column count_columns[] = {
	{ "day", "day", TABLE_TIME },
	{ "policy", "policy", TABLE_TEXT },
	{ "mx", "mail host", TABLE_TEXT },
	{ "remote", "address", TABLE_TEXT },
	{ "result", "result", TABLE_TEXT },
	{ "info", "words", TABLE_TEXT },
	{ "sessions", "sessions", TABLE_NUMBER },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action list = { .command = "reports tls list",
	.columns = columns };
static const struct admin_action show_one = { .command = "reports tls show",
	.operands = { { "domain", CLI_TEXT } },
	.columns = count_columns };
static const struct admin_action send_all = { .command = "reports tls send" };

static const struct cli_action actions[] = {
	{ "tls list", NULL, 0, 0,
	    "reports that were made, and what became of them", NULL, admin_run,
	    &list },
	{ "tls show", "DOMAIN", 1, 1, "what is counted for a domain's next one",
	    NULL, admin_run, &show_one },
	{ "tls send", NULL, 0, 0, "makes and sends them now, of today, too",
	    NULL, admin_run, &send_all },
};

const struct cli_command cli_reports = { "reports",
	"reports about TLS to other domains", CLI_ACTIONS(actions), NULL };
