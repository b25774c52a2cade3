/* SPDX-License-Identifier: ISC */
/*
 * cli/destination - on what terms mail goes to a domain
 */
#include "cli/admin.h"
#include "cli/pairs.h"

static const struct cli_pair keys[] = {
	{ "retry_first", CLI_TEXT },
	{ "retry_max", CLI_TEXT },
	{ "retry_growth", CLI_TEXT },
	{ "lifetime", CLI_TEXT },
	{ "delay_warning", CLI_TEXT },
	{ "concurrency", CLI_TEXT },
	{ "mails", CLI_TEXT },
	{ "recipients", CLI_TEXT },
	{ "rate", CLI_TEXT },
	{ "burst", CLI_TEXT },
	{ "tls", CLI_TEXT },
	{ NULL, CLI_TEXT },
};

static int
add_pairs(struct cli *cli, json_t *args)
{
	return cli_pairs_add(cli, 1, keys, args);
}

static int
add_terms(struct cli *cli, json_t *args)
{
	return cli->n_operands > 1 ? cli_names_add(cli, 1, "terms", args)
				   : CLI_OK;
}

static const struct table_column columns[] = {
	{ "destination", "destination", TABLE_TEXT },
	{ "retry_first", "retry_first", TABLE_TEXT },
	{ "retry_max", "retry_max", TABLE_TEXT },
	{ "retry_growth", "retry_growth", TABLE_TEXT },
	{ "lifetime", "lifetime", TABLE_TEXT },
	{ "delay_warning", "delay_warning", TABLE_TEXT },
	{ "concurrency", "concurrency", TABLE_TEXT },
	{ "mails", "mails", TABLE_TEXT },
	{ "recipients", "recipients", TABLE_TEXT },
	{ "rate", "rate", TABLE_TEXT },
	{ "burst", "burst", TABLE_TEXT },
	{ "tls", "tls", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column show_columns[] = {
	{ "term", "term", TABLE_TEXT },
	{ "value", "value", TABLE_TEXT },
	{ "from", "from", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action set = { .command = "destination set",
	.operands = { { "destination", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action unset = { .command = "destination unset",
	.operands = { { "destination", CLI_TEXT } },
	.prepare = add_terms };
static const struct admin_action list = { .command = "destination list",
	.columns = columns };
static const struct admin_action show = { .command = "destination show",
	.operands = { { "destination", CLI_TEXT } },
	.columns = show_columns };

static const struct cli_action actions[] = {
	{ "set", "DESTINATION TERM=VALUE...", 2, 12,
	    "from now on, mail goes there on these terms", NULL, admin_run,
	    &set },
	{ "unset", "DESTINATION [TERM...]", 1, 12,
	    "takes these terms back, or all", NULL, admin_run, &unset },
	{ "list", NULL, 0, 0, "all that is set", NULL, admin_run, &list },
	{ "show", "DOMAIN", 1, 1,
	    "what holds for it, who says so, and how it is just now", NULL,
	    admin_run, &show },
};

const struct cli_command cli_destination = { "destination",
	"on what terms mail goes to a domain", CLI_ACTIONS(actions),
	"DESTINATION is a domain, .domain for all below it, or * for all; the\n"
	"closest one that sets a term counts, then the configuration.\n"
	"terms: retry_first=TIME retry_max=TIME retry_growth=PERCENT\n"
	"       lifetime=TIME      of mail that comes from now on\n"
	"       delay_warning=TIME of mail that comes from now on; 0s: never\n"
	"       concurrency=N      attempts at a time\n"
	"       mails=N            on one connection\n"
	"       recipients=N       of one message in one transaction\n"
	"       rate=N             messages a minute; 0: no limit\n"
	"       burst=N            of that rate, at once\n"
	"       tls=none|may|encrypt|verify|dane  the least it must be\n"
	"       TERM=default       takes it back\n" };
