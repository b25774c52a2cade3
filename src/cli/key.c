/* SPDX-License-Identifier: ISC */
/*
 * cli/key - TLS keys and their certificates
 *
 * Private keys are made by the keeper and never seen here.
 */
#include "cli/admin.h"

static const struct table_column columns[] = {
	{ "key", "key", TABLE_NUMBER },
	{ "names", "names", TABLE_TEXT },
	{ "default", "default", TABLE_BOOL },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

/* The names go as one text, one space between. */
static int
add_names(struct cli *cli, json_t *args)
{
	char names[4096];
	size_t n = 0;

	for (size_t i = 0; i < cli->n_operands; i++) {
		int len = snprintf(names + n, sizeof(names) - n, "%s%s",
		    i > 0 ? " " : "", cli->operands[i]);

		if (len < 0 || (size_t)len >= sizeof(names) - n)
			return cli_fail(CLI_USAGE, "too many names");
		n += (size_t)len;
	}
	if (json_object_set_new(args, "names", json_string(names)) != 0)
		return cli_fail(CLI_USAGE, "a name is not UTF-8");
	return CLI_OK;
}

static const struct cli_option add_options[] = {
	{ "days", 0, CLI_NUMBER, "NUMBER", "how long it is valid (3650)",
	    false },
	{ "default", 0, CLI_FLAG, NULL, "for clients that name no other",
	    false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action add = { .command = "key add",
	.prepare = add_names };
static const struct admin_action list = { .command = "key list",
	.columns = columns };
static const struct admin_action take = { .command = "key remove",
	.operands = { { "key", CLI_NUMBER } } };

static const struct cli_action actions[] = {
	{ "add", "HOST...", 1, 32,
	    "makes a key and a self-signed certificate for these names",
	    add_options, admin_run, &add },
	{ "list", NULL, 0, 0, "all keys", NULL, admin_run, &list },
	{ "remove", "KEY", 1, 1, "takes a key away", NULL, admin_run, &take },
};

const struct cli_command cli_key = { "key", "TLS keys and certificates",
	CLI_ACTIONS(actions), NULL };
