/* SPDX-License-Identifier: ISC */
/*
 * cli/reports - reports about TLS: ours to others, and theirs to us (RFC 8460)
 *
 * Those of others are read here, from a file, by whoever gives the command: no
 * role of the server looks into them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"
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

static const struct table_column line_columns[] = {
	{ "organization", "from", TABLE_TEXT },
	{ "begin", "begin", TABLE_TEXT },
	{ "domain", "domain", TABLE_TEXT },
	{ "policy", "policy", TABLE_TEXT },
	{ "good", "good", TABLE_NUMBER },
	{ "bad", "bad", TABLE_NUMBER },
	{ "result", "result", TABLE_TEXT },
	{ "mx", "mail host", TABLE_TEXT },
	{ "remote", NULL, TABLE_TEXT },
	{ "local", "seen from", TABLE_TEXT },
	{ "reason", "words", TABLE_TEXT },
	{ "end", NULL, TABLE_TEXT },
	{ "contact", NULL, TABLE_TEXT },
	{ "id", NULL, TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static json_t *
text_of(struct slice s)
{
	json_t *text = s.len == 0 ? json_string("")
				  : json_stringn((const char *)s.at, s.len);

	/* cut within a character */
	return text != NULL ? text : json_string("?");
}

static void
on_line(void *ctx, const struct tlsrpt_line *line)
{
	const struct {
		const char *name;
		struct slice value;
	} texts[] = { { "organization", line->organization },
		{ "begin", line->begin }, { "end", line->end },
		{ "contact", line->contact }, { "id", line->id },
		{ "policy", line->kind }, { "domain", line->domain },
		{ "result", line->result }, { "mx", line->mx },
		{ "remote", line->remote }, { "local", line->local },
		{ "reason", line->reason } };
	json_t *row = json_object(), *rows = ctx;
	char number[24];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		(void)json_object_set_new(row, texts[i].name,
		    text_of(texts[i].value));
	(void)snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)line->good);
	(void)json_object_set_new(row, "good", json_string(number));
	(void)snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)line->bad);
	(void)json_object_set_new(row, "bad", json_string(number));
	(void)json_array_append_new(rows, row);
}

static int
print(struct cli *cli, const json_t *rows)
{
	json_t *typed;
	int r;

	if (!cli->json) {
		table_print(rows, line_columns, stdout);
		return CLI_OK;
	}
	typed = table_json(rows, line_columns);
	r = admin_print_json(typed);
	json_decref(typed);
	return r;
}

static int
read_one(struct cli *cli)
{
	const char *path = cli->operands[0], *why = "";
	json_t *rows = json_array();
	char *text = NULL;
	size_t len = 0;
	int r = cli_read_file(path, TLSRPT_FILE_MAX, &text, &len);

	if (r < 0) {
		json_decref(rows);
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-r));
	}
	r = tlsrpt_read(slice_of(text, len), on_line, rows, &why);
	free(text);
	if (r != 0)
		r = cli_fail(CLI_REFUSED, "%s: %s", path,
		    r < 0 ? strerror(-r) : why);
	else
		r = print(cli, rows);
	json_decref(rows);
	return r;
}

static const struct cli_action actions[] = {
	{ "tls read", "FILE", 1, 1,
	    "what a report says that somebody sent us (a mail, gzip or JSON; "
	    "\"-\": standard input)",
	    NULL, read_one, NULL },
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
