/* SPDX-License-Identifier: ISC */
/*
 * cli/account - who has mailboxes and may log in
 */
#include <sodium.h>

#include "cli/admin.h"
#include "cli/app_password.h"
#include "cli/certificate.h"
#include "cli/pairs.h"

static int
add_password(struct cli *cli, json_t *args)
{
	char password[CLI_PASSWORD_MAX + 1];
	json_t *text;
	int r;

	if (json_object_get(args, "hash") != NULL)
		return CLI_OK;
	r = cli_password(cli, cli->operands[0], password);
	if (r != CLI_OK)
		return r;
	text = json_string(password);
	sodium_memzero(password, sizeof(password));
	if (text == NULL)
		return cli_fail(CLI_REFUSED, "the password is not UTF-8");
	return json_object_set_new(args, "password", text) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

static const struct cli_pair keys[] = {
	{ "name", CLI_TEXT },
	{ "quota", CLI_SIZE },
	{ "quota_messages", CLI_TEXT },
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

static const struct table_column columns[] = {
	{ "address", "address", TABLE_TEXT },
	{ "name", "name", TABLE_TEXT },
	{ "messages", "messages", TABLE_NUMBER },
	{ "used", "used", TABLE_SIZE },
	{ "quota", "quota", TABLE_QUOTA },
	{ "disabled", "disabled", TABLE_BOOL },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_column show_columns[] = {
	{ "address", "address", TABLE_TEXT },
	{ "canonical", "canonical", TABLE_TEXT },
	{ "name", "name", TABLE_TEXT },
	{ "disabled", "disabled", TABLE_BOOL },
	{ "quota", "quota", TABLE_QUOTA },
	{ "quota_messages", "quota_messages", TABLE_NUMBER },
	{ "used", "used", TABLE_SIZE },
	{ "messages", "messages", TABLE_NUMBER },
	{ "messages_per_hour", "messages_per_hour", TABLE_NUMBER },
	{ "messages_per_day", "messages_per_day", TABLE_NUMBER },
	{ "recipients_per_hour", "recipients_per_hour", TABLE_NUMBER },
	{ "recipients_per_day", "recipients_per_day", TABLE_NUMBER },
	{ "messages_last_hour", "messages_last_hour", TABLE_NUMBER },
	{ "messages_last_day", "messages_last_day", TABLE_NUMBER },
	{ "recipients_last_hour", "recipients_last_hour", TABLE_NUMBER },
	{ "recipients_last_day", "recipients_last_day", TABLE_NUMBER },
	{ "send_as", "send_as", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct table_column sender_columns[] = {
	{ "sender", "sender", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct cli_option add_options[] = {
	{ "password-file", 0, CLI_TEXT, "FILE", "the password is its only line",
	    true },
	{ "password-stdin", 0, CLI_FLAG, NULL,
	    "the password comes on standard input", true },
	{ "name", 0, CLI_TEXT, "NAME", "the person's name", false },
	{ "hash", 0, CLI_TEXT, "HASH",
	    "in place of a password: what another program kept of it", false },
	{ "quota", 0, CLI_SIZE, "SIZE",
	    "bytes of mail it may keep; 0: any (its domain's)", false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct cli_option password_options[] = {
	{ "password-file", 0, CLI_TEXT, "FILE", "the password is its only line",
	    true },
	{ "password-stdin", 0, CLI_FLAG, NULL,
	    "the password comes on standard input", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct cli_option app_options[] = {
	{ "name", 0, CLI_TEXT, "TEXT", "what it is for: \"phone\"", true },
	{ "scope", 0, CLI_TEXT, "SERVICES",
	    "smtp, imap, pop3, some with commas, or all (all)", true },
	{ "expires", 0, CLI_TEXT, "TIME", "good for so long: \"90d\"", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct table_column app_columns[] = {
	{ "n", "number", TABLE_NUMBER },
	{ "name", "name", TABLE_TEXT },
	{ "scope", "scope", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ "used", "used", TABLE_TIME },
	{ "expires", "expires", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct admin_action add = { .command = "account add",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_password };
static const struct admin_action list = { .command = "account list",
	.operands = { { "domain", CLI_TEXT } },
	.columns = columns };
static const struct admin_action take = { .command = "account remove",
	.operands = { { "address", CLI_TEXT } } };
static const struct admin_action password = { .command = "account password",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_password };
static const struct admin_action import_hash = { .command =
						     "account import-hash",
	.operands = { { "address", CLI_TEXT }, { "hash", CLI_TEXT } } };
static const struct admin_action app_list = { .command = "app-password list",
	.operands = { { "address", CLI_TEXT } },
	.columns = app_columns };
static const struct admin_action app_remove = { .command =
						    "app-password remove",
	.operands = { { "address", CLI_TEXT }, { "which", CLI_TEXT } } };
static const struct table_column certificate_columns[] = {
	{ "fingerprint", "fingerprint", TABLE_TEXT },
	{ "name", "name", TABLE_TEXT },
	{ "created", "created", TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};
static const struct admin_action certificate_add = { .command =
							 "certificate add",
	.operands = { { "address", CLI_TEXT }, { "fingerprint", CLI_TEXT } },
	.prepare = certificate_prepare };
static const struct admin_action certificate_list = { .command =
							  "certificate list",
	.operands = { { "address", CLI_TEXT } },
	.columns = certificate_columns };
static const struct admin_action certificate_remove = {
	.command = "certificate remove",
	.operands = { { "address", CLI_TEXT }, { "fingerprint", CLI_TEXT } },
	.prepare = certificate_prepare
};
static const struct admin_action quota = { .command = "account quota",
	.operands = { { "address", CLI_TEXT }, { "quota", CLI_SIZE } } };
static const struct admin_action set = { .command = "account set",
	.operands = { { "address", CLI_TEXT } },
	.prepare = add_pairs };
static const struct admin_action show = { .command = "account show",
	.operands = { { "address", CLI_TEXT } },
	.columns = show_columns,
	.show = admin_show_row };
static const struct admin_action sender_add = { .command =
						    "account send-as add",
	.operands = { { "address", CLI_TEXT }, { "sender", CLI_TEXT } } };
static const struct admin_action sender_take = { .command =
						     "account send-as remove",
	.operands = { { "address", CLI_TEXT }, { "sender", CLI_TEXT } } };
static const struct admin_action sender_list = { .command =
						     "account send-as list",
	.operands = { { "address", CLI_TEXT } },
	.columns = sender_columns };
static const struct admin_action disable = { .command = "account disable",
	.operands = { { "address", CLI_TEXT } } };
static const struct admin_action enable = { .command = "account enable",
	.operands = { { "address", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "add", "ADDRESS", 1, 1, "makes an account; asks for its password",
	    add_options, admin_run, &add },
	{ "list", "[DOMAIN]", 0, 1, "all accounts, or those of a domain", NULL,
	    admin_run, &list },
	{ "remove", "ADDRESS", 1, 1, "takes it away, with all of its mail",
	    NULL, admin_run, &take },
	{ "password", "ADDRESS", 1, 1, "gives it a new password",
	    password_options, admin_run, &password },
	{ "import-hash", "ADDRESS HASH", 2, 2,
	    "gives it the password that another program kept as HASH", NULL,
	    admin_run, &import_hash },
	{ "app-password add", "ADDRESS", 1, 1,
	    "makes a password for one program and shows it once", app_options,
	    app_password_add, NULL },
	{ "app-password list", "ADDRESS", 1, 1, "what there is, and its use",
	    NULL, admin_run, &app_list },
	{ "app-password remove", "ADDRESS NUMBER|NAME", 2, 2,
	    "takes one away, and ends the account's sessions", NULL, admin_run,
	    &app_remove },
	{ "certificate add", "ADDRESS FILE|FINGERPRINT", 2, 2,
	    "lets a client log in with this certificate (PEM or SHA-256)", NULL,
	    admin_run, &certificate_add },
	{ "certificate list", "ADDRESS", 1, 1, "what there is", NULL, admin_run,
	    &certificate_list },
	{ "certificate remove", "ADDRESS FILE|FINGERPRINT", 2, 2,
	    "takes one away, and ends the account's sessions", NULL, admin_run,
	    &certificate_remove },
	{ "quota", "ADDRESS SIZE", 2, 2,
	    "how much mail it may keep; 0: any amount", NULL, admin_run,
	    &quota },
	{ "set", "ADDRESS KEY=VALUE...", 2, 8, "changes its options", NULL,
	    admin_run, &set },
	{ "show", "ADDRESS", 1, 1, "what is set, and what it has used", NULL,
	    admin_run, &show },
	{ "send-as add", "ADDRESS SENDER", 2, 2,
	    "it may send as SENDER, too; \"@DOMAIN\": as anybody there", NULL,
	    admin_run, &sender_add },
	{ "send-as remove", "ADDRESS SENDER", 2, 2, "no longer", NULL,
	    admin_run, &sender_take },
	{ "send-as list", "ADDRESS", 1, 1, "what it was granted", NULL,
	    admin_run, &sender_list },
	{ "disable", "ADDRESS", 1, 1,
	    "nobody can log in, and its mail is refused (550 5.2.1)", NULL,
	    admin_run, &disable },
	{ "enable", "ADDRESS", 1, 1, "undoes disable", NULL, admin_run,
	    &enable },
};

const struct cli_command cli_account = { "account",
	"accounts: who has mailboxes and may log in", CLI_ACTIONS(actions),
	"keys: name=TEXT\n"
	"      quota=SIZE|none         how much mail it may keep\n"
	"      quota_messages=NUMBER|none  how many messages it may keep\n"
	"      messages_per_hour, messages_per_day, recipients_per_hour,\n"
	"      recipients_per_day=NUMBER|none|default  what it may send\n" };
