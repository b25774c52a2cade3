/* SPDX-License-Identifier: ISC */
/*
 * cli/status - how the server is
 *
 * Names and values as the roles tell them. As JSON one object.
 */
#include <string.h>

#include "cli/admin.h"

static enum table_kind
kind_of(const char *name)
{
	static const struct {
		const char *name;
		enum table_kind kind;
	} kinds[] = { { "started", TABLE_TIME }, { "free", TABLE_SIZE },
		{ "accounts", TABLE_NUMBER }, { "messages", TABLE_NUMBER },
		{ "queue", TABLE_NUMBER }, { "schema", TABLE_NUMBER } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	return TABLE_TEXT;
}

static const char *
value_of(const json_t *row, const char *name)
{
	const char *value = json_string_value(json_object_get(row, name));

	return value == NULL ? "" : value;
}

/* Each value by its own kind, through the one place that makes JSON of it. */
static int
print_json(const json_t *rows)
{
	json_t *all = json_object(), *row;
	size_t i;
	int r;

	json_array_foreach(rows, i, row)
	{
		const char *name = value_of(row, "name");
		struct table_column column[] = {
			{ "value", NULL, kind_of(name) },
			{ NULL, NULL, TABLE_TEXT },
		};
		json_t *one = json_array(), *typed;

		(void)json_array_append(one, row);
		typed = table_json(one, column);
		(void)json_object_set(all, name,
		    json_object_get(json_array_get(typed, 0), "value"));
		json_decref(typed);
		json_decref(one);
	}
	r = admin_print_json(all);
	json_decref(all);
	return r;
}

static int
show_status(struct cli *cli, const json_t *rows)
{
	char cell[TABLE_CELL], name[TABLE_CELL];
	json_t *row;
	size_t i;

	if (cli->json)
		return print_json(rows);
	json_array_foreach(rows, i, row)
	{
		table_clean(slice_cstr(value_of(row, "name")), name);
		table_cell(kind_of(name), value_of(row, "value"), cell);
		(void)printf("%-16s %s\n", name, cell);
	}
	return CLI_OK;
}

static const struct admin_action status = { .command = "status",
	.show = show_status };

static const struct cli_action actions[] = {
	{ NULL, NULL, 0, 0, NULL, NULL, admin_run, &status },
};

const struct cli_command cli_status = { "status", "how the server is",
	CLI_ACTIONS(actions), NULL };
