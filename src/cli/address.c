/* SPDX-License-Identifier: ISC */
/*
 * cli/address - where a mail to an address would go, and why
 *
 * Nothing is sent. Ends with 1 when the address would be refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"

static const char *
text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text == NULL ? "" : text;
}

static bool
is_kind(const json_t *row, const char *kind)
{
	return strcmp(text_of(row, "kind"), kind) == 0;
}

/* address   what   text, the address indented by its depth */
static void
print_line(const json_t *row)
{
	char address[TABLE_CELL], text[TABLE_CELL];
	int depth = 2 * atoi(text_of(row, "depth"));

	table_clean(slice_cstr(text_of(row, "address")), address);
	table_clean(slice_cstr(text_of(row, "text")), text);
	(void)printf("  %*s%-*s  %-12s%s%s\n", depth, "",
	    depth < 36 ? 36 - depth : 0, address[0] == '\0' ? "<>" : address,
	    text_of(row, "what"), text[0] == '\0' ? "" : "  ", text);
}

static void
print_kind(const json_t *rows, const char *kind, const char *title)
{
	bool is_first = true;
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		if (!is_kind(row, kind))
			continue;
		if (is_first)
			(void)printf("%s\n", title);
		is_first = false;
		print_line(row);
	}
}

static json_t *
rows_json(const json_t *rows, const char *kind)
{
	static const struct table_column columns[] = {
		{ "depth", NULL, TABLE_NUMBER },
		{ NULL, NULL, TABLE_TEXT },
	};
	json_t *some = json_array(), *typed, *row;
	size_t i;

	json_array_foreach(rows, i, row) if (is_kind(row, kind))
	{
		json_t *copy = json_copy(row);

		(void)json_object_del(copy, "kind");
		if (strcmp(kind, "step") != 0)
			(void)json_object_del(copy, "depth");
		(void)json_array_append_new(some, copy);
	}
	typed = table_json(some, columns);
	json_decref(some);
	return typed;
}

static int
print_json(const json_t *rows, const json_t *answer, long code)
{
	const char *status = strchr(text_of(answer, "what"), ' ');
	json_t *all = json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o}",
	    "address", text_of(answer, "address"), "code", (json_int_t)code,
	    "status", status == NULL ? "" : status + 1, "text",
	    text_of(answer, "text"), "steps", rows_json(rows, "step"),
	    "targets", rows_json(rows, "target"), "sender",
	    rows_json(rows, "sender"));
	int r = admin_print_json(all);

	json_decref(all);
	return r;
}

static int
show(struct cli *cli, const json_t *rows)
{
	const json_t *answer = json_array_get(rows, json_array_size(rows) - 1);
	long code = strtol(text_of(answer, "what"), NULL, 10);
	int r = CLI_OK;

	if (!is_kind(answer, "answer"))
		return cli_fail(CLI_REFUSED, "the answer has no end");
	if (cli->json) {
		r = print_json(rows, answer, code);
	} else {
		print_kind(rows, "step", "How it is resolved:");
		print_kind(rows, "target", "Who gets it:");
		print_kind(rows, "sender", "Its sender:");
		(void)printf("RCPT would hear: %s %s\n",
		    text_of(answer, "what"), text_of(answer, "text"));
	}
	return r != CLI_OK || (code >= 200 && code < 300) ? r : CLI_REFUSED;
}

static const struct cli_option options[] = {
	{ "sender", 0, CLI_TEXT, "SENDER",
	    "the mail's sender (none): groups ask who may post", false },
	{ "login", 0, CLI_TEXT, "ACCOUNT",
	    "as if this account had logged in (nobody has)", false },
	{ "size", 0, CLI_SIZE, "SIZE", "how large the mail is (not known)",
	    false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct admin_action address = { .command = "address",
	.operands = { { "address", CLI_TEXT } },
	.show = show };

static const struct cli_action actions[] = {
	{ NULL, "ADDRESS", 1, 1, NULL, options, admin_run, &address },
};

const struct cli_command cli_address = { "address",
	"where a mail to an address would go, and why", CLI_ACTIONS(actions),
	NULL };
