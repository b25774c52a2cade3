/* SPDX-License-Identifier: ISC */
/*
 * cli/group - groups: one address, many members
 */
#include "cli/admin.h"
#include "cli/pairs.h"

static const struct cli_pair keys[] = {
	{ "name", CLI_TEXT },
	{ "owner", CLI_TEXT },
	{ "post", CLI_TEXT },
	{ NULL, CLI_TEXT },
};

static int
add_pairs(struct cli *cli, json_t *args)
{
	return cli_pairs_add(cli, 1, keys, args);
}

static int
add_members(struct cli *cli, json_t *args)
{
	return cli_names_add(cli, 1, "members", args);
}

static int
import_members(struct cli *cli)
{
	return cli_names_import(cli, "group member add", "address", "members");
}

static const struct table_column list_columns[] = {
	{ "address", "address", TABLE_TEXT },
	{ "name", "name", TABLE_TEXT },
	{ "owner", "owner", TABLE_TEXT },
	{ "post", "post", TABLE_TEXT },
	{ "members", "members", TABLE_NUMBER },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column member_columns[] = {
	{ "member", "member", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action add = { .command = "group add",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action set = { .command = "group set",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action show = { .command = "group show",
	.operands = { { "address", CLI_TEXT } },
	.columns = list_columns,
	.show = admin_show_row };
static const struct admin_action list = { .command = "group list",
	.operands = { { "domain", CLI_TEXT } },
	.columns = list_columns };
static const struct admin_action take = { .command = "group remove",
	.operands = { { "address", CLI_TEXT } } };
static const struct admin_action member_add = { .command = "group member add",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_members };
static const struct admin_action member_take = { .command =
						     "group member remove",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_members };
static const struct admin_action member_list = { .command = "group member list",
	.operands = { { "address", CLI_TEXT } },
	.columns = member_columns };

static const struct cli_action actions[] = {
	{ "add", "ADDRESS [KEY=VALUE...]", 1, 8, "makes a group", NULL,
	    admin_run, &add },
	{ "set", "ADDRESS KEY=VALUE...", 2, 8, "changes its options", NULL,
	    admin_run, &set },
	{ "show", "ADDRESS", 1, 1, "what is set", NULL, admin_run, &show },
	{ "list", "[DOMAIN]", 0, 1, "all groups, or those of a domain", NULL,
	    admin_run, &list },
	{ "remove", "ADDRESS", 1, 1, "takes it away", NULL, admin_run, &take },
	{ "member add", "ADDRESS MEMBER...", 2, 200,
	    "MEMBER gets what is sent to ADDRESS: an address here, elsewhere, "
	    "or a group",
	    NULL, admin_run, &member_add },
	{ "member remove", "ADDRESS MEMBER...", 2, 200, "takes members away",
	    NULL, admin_run, &member_take },
	{ "member list", "ADDRESS", 1, 1, "its members", NULL, admin_run,
	    &member_list },
	{ "member import", "ADDRESS FILE", 2, 2,
	    "adds the members in FILE, one a line (\"-\": standard input)",
	    NULL, import_members, NULL },
};

const struct cli_command cli_group = { "group",
	"groups: one address, many members", CLI_ACTIONS(actions),
	"keys: name=TEXT\n"
	"      owner=ADDRESS|none  hears of failures, instead of the sender\n"
	"      post=anyone|members|domain|owner  who may send to it\n" };
