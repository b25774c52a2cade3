/* SPDX-License-Identifier: ISC */
/*
 * cli/domain - the domains that are served here, and their rules
 */
#include "cli/admin.h"
#include "cli/pairs.h"

static const struct cli_pair keys[] = {
	{ "kind", CLI_TEXT },
	{ "target", CLI_TEXT },
	{ "subaddress", CLI_TEXT },
	{ "catch_all", CLI_TEXT },
	{ "case", CLI_TEXT },
	{ "quota", CLI_SIZE },
	{ "greylist", CLI_TEXT },
	{ "srs", CLI_TEXT },
	{ "messages_per_hour", CLI_TEXT },
	{ "messages_per_day", CLI_TEXT },
	{ "recipients_per_hour", CLI_TEXT },
	{ "recipients_per_day", CLI_TEXT },
	{ NULL, CLI_TEXT },
};

static int
add_pairs(struct cli *cli, json_t *args)
{
	return cli_pairs_add(cli, 1, keys, args);
}

static int
add_rcpts(struct cli *cli, json_t *args)
{
	return cli_names_add(cli, 1, "addresses", args);
}

static int
import_rcpts(struct cli *cli)
{
	return cli_names_import(cli, "domain rcpt add", "domain", "addresses");
}

static const struct table_column columns[] = {
	{ "domain", "domain", TABLE_TEXT },
	{ "canonical", NULL, TABLE_TEXT },
	{ "kind", "kind", TABLE_TEXT },
	{ "accounts", "accounts", TABLE_NUMBER },
	{ "aliases", "aliases", TABLE_NUMBER },
	{ "groups", "groups", TABLE_NUMBER },
	{ "recipients", "recipients", TABLE_NUMBER },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column show_columns[] = {
	{ "domain", "domain", TABLE_TEXT },
	{ "canonical", "canonical", TABLE_TEXT },
	{ "kind", "kind", TABLE_TEXT },
	{ "target", "target", TABLE_TEXT },
	{ "subaddress", "subaddress", TABLE_TEXT },
	{ "catch_all", "catch_all", TABLE_TEXT },
	{ "case", "case", TABLE_TEXT },
	{ "quota", "quota", TABLE_QUOTA },
	{ "greylist", "greylist", TABLE_TEXT },
	{ "srs", "srs", TABLE_TEXT },
	{ "messages_per_hour", "messages_per_hour", TABLE_NUMBER },
	{ "messages_per_day", "messages_per_day", TABLE_NUMBER },
	{ "recipients_per_hour", "recipients_per_hour", TABLE_NUMBER },
	{ "recipients_per_day", "recipients_per_day", TABLE_NUMBER },
	{ "messages_last_hour", "messages_last_hour", TABLE_NUMBER },
	{ "messages_last_day", "messages_last_day", TABLE_NUMBER },
	{ "recipients_last_hour", "recipients_last_hour", TABLE_NUMBER },
	{ "recipients_last_day", "recipients_last_day", TABLE_NUMBER },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column rcpt_columns[] = {
	{ "address", "address", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action add = { .command = "domain add",
	.operands = { { "domain", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action set = { .command = "domain set",
	.operands = { { "domain", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action show = { .command = "domain show",
	.operands = { { "domain", CLI_TEXT } },
	.columns = show_columns,
	.show = admin_show_row };
static const struct admin_action list = { .command = "domain list",
	.columns = columns };
static const struct admin_action take = { .command = "domain remove",
	.operands = { { "domain", CLI_TEXT } } };
static const struct admin_action rcpt_add = { .command = "domain rcpt add",
	.operands = { { "domain", CLI_TEXT } },
	.prepare = add_rcpts };
static const struct admin_action rcpt_take = { .command = "domain rcpt remove",
	.operands = { { "domain", CLI_TEXT } },
	.prepare = add_rcpts };
static const struct admin_action rcpt_list = { .command = "domain rcpt list",
	.operands = { { "domain", CLI_TEXT } },
	.columns = rcpt_columns };

static const struct cli_action actions[] = {
	{ "add", "DOMAIN [KEY=VALUE...]", 1, 16,
	    "mail for it is taken from now on", NULL, admin_run, &add },
	{ "set", "DOMAIN KEY=VALUE...", 2, 16, "changes its options", NULL,
	    admin_run, &set },
	{ "show", "DOMAIN", 1, 1, "what is set, and what was sent", NULL,
	    admin_run, &show },
	{ "list", NULL, 0, 0, "all domains", NULL, admin_run, &list },
	{ "remove", "DOMAIN", 1, 1,
	    "it must have no accounts, aliases and groups any more", NULL,
	    admin_run, &take },
	{ "rcpt add", "DOMAIN ADDRESS...", 2, 200,
	    "of kind relay: mail for ADDRESS is taken (\"*\": for all)", NULL,
	    admin_run, &rcpt_add },
	{ "rcpt remove", "DOMAIN ADDRESS...", 2, 200,
	    "of kind relay: no longer", NULL, admin_run, &rcpt_take },
	{ "rcpt list", "DOMAIN", 1, 1, "of kind relay: for whom mail is taken",
	    NULL, admin_run, &rcpt_list },
	{ "rcpt import", "DOMAIN FILE", 2, 2,
	    "adds the addresses in FILE, one a line (\"-\": standard input)",
	    NULL, import_rcpts, NULL },
};

const struct cli_command cli_domain = { "domain",
	"domains that are served here", CLI_ACTIONS(actions),
	"keys: kind=local|relay|alias  relay: passed on to its own servers\n"
	"      target=DOMAIN|none      alias: stands for it; relay: goes "
	"there\n"
	"      subaddress=CHARACTERS|none  user+detail is user's\n"
	"      catch_all=ADDRESS|none  gets what nobody else would\n"
	"      case=fold|keep          are Jo and jo the same?\n"
	"      quota=SIZE|none         of accounts made from now on\n"
	"      greylist=default|on|off\n"
	"      srs=on|off              senders of mail forwarded by aliases\n"
	"      messages_per_hour, messages_per_day, recipients_per_hour,\n"
	"      recipients_per_day=NUMBER|none  of all logins together\n" };
