/* SPDX-License-Identifier: ISC */
/*
 * cli/warmup - source addresses that are new
 */
#include "cli/admin.h"
#include "cli/pairs.h"

static const struct cli_pair keys[] = {
	{ "first", CLI_TEXT },
	{ "until", CLI_TEXT },
	{ "growth", CLI_TEXT },
	{ "day", CLI_TEXT },
	{ NULL, CLI_TEXT },
};

static int
add_pairs(struct cli *cli, json_t *args)
{
	return cli_pairs_add(cli, 1, keys, args);
}

static const struct table_column columns[] = {
	{ "address", "address", TABLE_TEXT },
	{ "ceiling", "ceiling", TABLE_NUMBER },
	{ "sent", "sent", TABLE_NUMBER },
	{ "bad", "refused", TABLE_NUMBER },
	{ "next", "next day", TABLE_TIME },
	{ "first", NULL, TABLE_NUMBER },
	{ "until", "until", TABLE_NUMBER },
	{ "growth", "growth", TABLE_NUMBER },
	{ "day", NULL, TABLE_NUMBER },
	{ "over", "over", TABLE_BOOL },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action add = { .command = "warmup add",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action take = { .command = "warmup remove",
	.operands = { { "address", CLI_TEXT } } };
static const struct admin_action list = { .command = "warmup list",
	.columns = columns };
static const struct admin_action show = { .command = "warmup show",
	.operands = { { "address", CLI_TEXT } },
	.columns = columns };

static const struct cli_action actions[] = {
	{ "add", "ADDRESS [KEY=VALUE...]", 1, 5,
	    "from this address of ours little leaves at first, and more each "
	    "day",
	    NULL, admin_run, &add },
	{ "remove", "ADDRESS", 1, 1, "it is as any other", NULL, admin_run,
	    &take },
	{ "list", NULL, 0, 0, "all of them, and how far they are", NULL,
	    admin_run, &list },
	{ "show", "ADDRESS", 1, 1, "the same of one", NULL, admin_run, &show },
};

const struct cli_command cli_warmup = { "warmup",
	"source addresses that are new", CLI_ACTIONS(actions),
	"The ceiling of mails a day grows while at most 5% of them are "
	"refused\n"
	"or put off, is halved when more than 20% are, and else stands.\n"
	"first=N            mails on the first day (50)\n"
	"until=N            it is over when the ceiling is that (100000)\n"
	"growth=PERCENT     of a day's ceiling on the next day (150)\n"
	"day=TIME           how long a day is (1d)\n" };
