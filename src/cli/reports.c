/* SPDX-License-Identifier: ISC */
/*
 * cli/reports - reports about TLS: ours to others, and theirs to us (RFC 8460)
 *
 * Those of others are read by the program that shows them, behind walls
 * (reports_read.c): no role of the server looks into them.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/reports_read.h"
#include "policy/tlsrpt_read.h"

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

/* -- theirs ---------------------------------------------------------------- */

static int
read_one(struct cli *cli)
{
	const char *path = cli->operands[0];
	struct report_file file = { 0 };
	char *text = NULL;
	size_t len = 0;
	int r = cli_read_file(path, TLSRPT_FILE_MAX, &text, &len);

	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-r));
	file.bytes = slice_of(text, len);
	file.name = path;
	r = reports_print(cli, &file, 1);
	free(text);
	return r;
}

static const struct cli_option received_options[] = {
	{ "limit", 0, CLI_NUMBER, "NUMBER",
	    "looks at so many mails, from the newest down (50)", true },
	{ NULL, 0, CLI_FLAG, NULL, NULL, false },
};

static const struct cli_action actions[] = {
	{ "tls read", "FILE", 1, 1,
	    "what a report says that somebody sent us (a mail, gzip or JSON; "
	    "\"-\": standard input)",
	    NULL, read_one, NULL },
	{ "tls received", NULL, 0, 0,
	    "what the reports say that came to reports.tls_mailbox",
	    received_options, reports_received, NULL },
	{ "tls list", NULL, 0, 0,
	    "reports that were made, and what became of them", NULL, admin_run,
	    &list },
	{ "tls show", "DOMAIN", 1, 1, "what is counted for a domain's next one",
	    NULL, admin_run, &show_one },
	{ "tls send", NULL, 0, 0, "makes and sends them now, of today, too",
	    NULL, admin_run, &send_all },
};

const struct cli_command cli_reports = { "reports",
	"reports about TLS, to other domains and from them",
	CLI_ACTIONS(actions), NULL };
