/* SPDX-License-Identifier: ISC */
/*
 * cli/trace - where a mail is, and what became of it
 *
 * The events of a message, or of all messages from or to an address, as a
 * story in the order of time; each attempt with its dialogue.
 */
#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "base/time.h"
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "time", "time", TABLE_TIME },
	{ "id", "id", TABLE_TEXT },
	{ "event", "event", TABLE_TEXT },
	{ "address", "address", TABLE_TEXT },
	{ "class", NULL, TABLE_TEXT },
	{ "text", "text", TABLE_TEXT },
	{ "detail", NULL, TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static int
add_whom(struct cli *cli, json_t *args)
{
	struct slice what = slice_cstr(cli->operands[0]);
	struct id id;
	const char *name = "id";
	json_t *text;

	if (slice_find_byte(what, '@') != SIZE_MAX)
		name = "address";
	else if (!id_parse(what, &id))
		return cli_fail(CLI_USAGE,
		    "\"%s\" is neither an address nor the %d characters of a "
		    "message's id",
		    cli->operands[0], ID_TEXT);
	text = json_string(cli->operands[0]);
	if (text == NULL || json_object_set_new(args, name, text) != 0)
		return cli_fail(CLI_USAGE, "the address is not UTF-8");
	return CLI_OK;
}

static const char *
value_of(const json_t *row, const char *name)
{
	const char *value = json_string_value(json_object_get(row, name));

	return value == NULL ? "" : value;
}

static void
print_time(const char *value)
{
	char cell[TABLE_CELL];
	struct slice s = slice_cstr(value);
	uint64_t us = 0;

	table_cell(TABLE_TIME, value, cell);
	(void)slice_to_u64(s, INT64_MAX, &us);
	(void)printf("%s.%03u  ", cell, (unsigned)(us % 1000000 / 1000));
}

static void
print_detail(const char *detail)
{
	struct slice rest = slice_cstr(detail), line;
	char clean[TABLE_CELL];

	while (rest.len > 0) {
		if (!slice_take_until(&rest, '\n', &line)) {
			line = rest;
			rest = slice_from(rest, rest.len);
		}
		if (slice_ends(line, SLICE("\r")))
			line = slice_upto(line, line.len - 1);
		table_clean(line, clean);
		(void)printf("                         | %s\n", clean);
	}
}

/* What an event's text needs to be a sentence. */
static const char *
before_text(const char *event)
{
	static const struct {
		const char *event, *before;
	} befores[] = {
		{ "accepted", "from " },
		{ "sent", "delivered to the next server: " },
		{ "queued", "for " },
	};

	for (size_t i = 0; i < sizeof(befores) / sizeof(befores[0]); i++)
		if (strcmp(befores[i].event, event) == 0)
			return befores[i].before;
	return "";
}

static void
print_event(const struct cli *cli, const json_t *row, const char *last_id)
{
	char cell[TABLE_CELL];
	const char *id = value_of(row, "id");

	if (strcmp(id, last_id) != 0) {
		table_clean(slice_cstr(id), cell);
		(void)printf("%s%s\n", last_id[0] != '\0' ? "\n" : "", cell);
	}
	print_time(value_of(row, "time"));
	table_clean(slice_cstr(value_of(row, "event")), cell);
	(void)printf("%-10s", cell);
	table_clean(slice_cstr(value_of(row, "address")), cell);
	if (cell[0] != '\0')
		(void)printf(" %s", cell);
	table_clean(slice_cstr(value_of(row, "text")), cell);
	if (cell[0] != '\0')
		(void)printf("  %s%s", before_text(value_of(row, "event")),
		    cell);
	table_clean(slice_cstr(value_of(row, "class")), cell);
	if (cell[0] != '\0')
		(void)printf("  [%s]", cell);
	(void)putchar('\n');
	if (cli_option(cli, "brief") == NULL)
		print_detail(value_of(row, "detail"));
}

static int
show_story(struct cli *cli, const json_t *rows)
{
	const char *last_id = "";
	json_t *row, *typed;
	size_t i;
	int r;

	if (cli->json) {
		typed = table_json(rows, columns);
		r = admin_print_json(typed);
		json_decref(typed);
		return r;
	}
	if (json_array_size(rows) == 0)
		return cli_fail(CLI_REFUSED, "%s: nothing is known of it",
		    cli->operands[0]);
	json_array_foreach(rows, i, row)
	{
		print_event(cli, row, last_id);
		last_id = value_of(row, "id");
	}
	return CLI_OK;
}

static const struct cli_option options[] = {
	{ "brief", 0, CLI_FLAG, NULL, "without the dialogues", true },
	{ "limit", 0, CLI_NUMBER, "NUMBER", "the latest so many events (1000)",
	    false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action trace = { .command = "trace",
	.prepare = add_whom,
	.show = show_story };

static const struct cli_action actions[] = {
	{ NULL, "ID|ADDRESS", 1, 1, NULL, options, admin_run, &trace },
};

const struct cli_command cli_trace = { "trace",
	"where a mail is, and what became of it", CLI_ACTIONS(actions), NULL };
