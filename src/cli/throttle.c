/* SPDX-License-Identifier: ISC */
/*
 * cli/throttle - how much may leave in a time
 */
#include "cli/admin.h"
#include "cli/pairs.h"

static const struct cli_pair keys[] = {
	{ "mails", CLI_TEXT },
	{ "period", CLI_TEXT },
	{ "burst", CLI_TEXT },
	{ NULL, CLI_TEXT },
};

static int
add_pairs(struct cli *cli, json_t *args)
{
	return cli_pairs_add(cli, 1, keys, args);
}

static const struct table_column columns[] = {
	{ "subject", "subject", TABLE_TEXT },
	{ "mails", "mails", TABLE_NUMBER },
	{ "period", "in seconds", TABLE_NUMBER },
	{ "burst", "burst", TABLE_NUMBER },
	{ "until", "waits until", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action set = { .command = "throttle set",
	.operands = { { "subject", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action unset = { .command = "throttle unset",
	.operands = { { "subject", CLI_TEXT } } };
static const struct admin_action list = { .command = "throttle list",
	.columns = columns };
static const struct admin_action show = { .command = "throttle show",
	.operands = { { "subject", CLI_TEXT } },
	.columns = columns };

static const struct cli_action actions[] = {
	{ "set", "SUBJECT mails=N [period=TIME] [burst=N]", 2, 4,
	    "so many mails leave in a period, the others wait", NULL, admin_run,
	    &set },
	{ "unset", "SUBJECT", 1, 1, "they leave as they come", NULL, admin_run,
	    &unset },
	{ "list", NULL, 0, 0, "all that is set, and what is used up just now",
	    NULL, admin_run, &list },
	{ "show", "SUBJECT", 1, 1, "the same of one", NULL, admin_run, &show },
};

const struct cli_command cli_throttle = { "throttle",
	"how much may leave in a time", CLI_ACTIONS(actions),
	"SUBJECT: sender:ADDRESS, tenant:DOMAIN (of senders), route:NAME (of\n"
	"`ulak route`) or route:DOMAIN (mail goes to it); all that concern a\n"
	"mail must permit it. Nothing is refused for it: it waits.\n"
	"period=TIME        an hour, unless it is said (1s to 31d)\n"
	"burst=N            so many at once; a tenth, unless it is said\n" };
