/* SPDX-License-Identifier: ISC */
/*
 * cli/route - where mail for others goes, when not to their own mail hosts
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/pairs.h"

static const struct cli_pair keys[] = {
	{ "kind", CLI_TEXT },
	{ "to", CLI_TEXT },
	{ "from", CLI_TEXT },
	{ "hosts", CLI_TEXT },
	{ "port", CLI_TEXT },
	{ "tls", CLI_TEXT },
	{ "implicit", CLI_TEXT },
	{ "user", CLI_TEXT },
	{ "auth", CLI_TEXT },
	{ "source", CLI_TEXT },
	{ "helo", CLI_TEXT },
	{ "reply", CLI_TEXT },
	{ NULL, CLI_TEXT },
};

static int
add_password(struct cli *cli, json_t *args)
{
	char password[CLI_PASSWORD_MAX + 1];
	json_t *text;
	int r = cli_password(cli, cli->operands[0], password);

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

/* A user has a password: from where the options say, or it is asked for. */
static int
add_args(struct cli *cli, json_t *args)
{
	int r = cli_pairs_add(cli, 1, keys, args);
	const char *user = json_string_value(json_object_get(args, "user"));
	bool is_given = cli_option(cli, "password-file") != NULL ||
	    cli_option(cli, "password-stdin") != NULL;
	bool has_user =
	    user != NULL && user[0] != '\0' && strcmp(user, "none") != 0;

	if (r != CLI_OK || (!is_given && !has_user))
		return r;
	return add_password(cli, args);
}

static const struct table_column columns[] = {
	{ "name", "name", TABLE_TEXT },
	{ "kind", "kind", TABLE_TEXT },
	{ "to", "to", TABLE_TEXT },
	{ "from", "from", TABLE_TEXT },
	{ "hosts", "hosts", TABLE_TEXT },
	{ "port", NULL, TABLE_TEXT },
	{ "tls", "tls", TABLE_TEXT },
	{ "implicit", NULL, TABLE_TEXT },
	{ "user", "user", TABLE_TEXT },
	{ "password", NULL, TABLE_TEXT },
	{ "auth", NULL, TABLE_TEXT },
	{ "source", NULL, TABLE_TEXT },
	{ "helo", NULL, TABLE_TEXT },
	{ "reply", NULL, TABLE_TEXT },
	{ "created", NULL, TABLE_TIME },
	{ NULL, NULL, TABLE_TEXT },
};

/* -- where would it go? ---------------------------------------------------- */

static const char *
text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text == NULL ? "" : text;
}

static void
print_rows(const json_t *rows, const char *kind, const char *title)
{
	char what[TABLE_CELL], address[TABLE_CELL], text[TABLE_CELL];
	bool is_first = true;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(text_of(row, "kind"), kind) != 0)
			continue;
		if (is_first)
			(void)printf("%s\n", title);
		is_first = false;
		table_clean(slice_cstr(text_of(row, "what")), what);
		table_clean(slice_cstr(text_of(row, "address")), address);
		table_clean(slice_cstr(text_of(row, "text")), text);
		(void)printf("  %-34s  %-10s  %s\n", address, what, text);
	}
}

static int
print_json(const json_t *rows, const char *answer)
{
	static const struct table_column typed[] = {
		{ "depth", NULL, TABLE_NUMBER },
		{ "port", NULL, TABLE_NUMBER },
		{ NULL, NULL, TABLE_TEXT },
	};
	json_t *all = json_pack("{s:s, s:o}", "answer", answer, "steps",
	    table_json(rows, typed));
	int r = admin_print_json(all);

	json_decref(all);
	return r;
}

/* Nothing goes anywhere where all of it stays here. */
static void
print_answer(const json_t *rows, const char *answer, const char *text)
{
	bool has_hop = false;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) has_hop =
	    has_hop || strcmp(text_of(row, "kind"), "hop") == 0;
	if (strcmp(answer, "goes") == 0 && !has_hop)
		(void)printf("It stays here.\n");
	else
		(void)printf("It %s%s, %s.\n",
		    strcmp(answer, "discarded") == 0 ? "is " : "", answer,
		    text);
}

/* 0: it would go; 1: it would come back; 3: it would wait. */
static int
show_test(struct cli *cli, const json_t *rows)
{
	const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
	const char *answer = text_of(last, "what");
	int r = CLI_OK;

	if (strcmp(text_of(last, "kind"), "answer") != 0)
		return cli_fail(CLI_REFUSED, "the answer has no end");
	if (cli->json) {
		r = print_json(rows, answer);
	} else {
		print_rows(rows, "step", "How it is resolved:");
		print_rows(rows, "target", "Who gets it here:");
		print_rows(rows, "suppressed", "Who has sent there in vain:");
		print_rows(rows, "route", "Which route, and why:");
		print_rows(rows, "sender", "Who is said to send it:");
		print_rows(rows, "destination", "What is known of it:");
		print_rows(rows, "terms", "What is set for it:");
		print_rows(rows, "throttle", "How much may leave:");
		print_rows(rows, "warmup", "What its new address may send:");
		print_rows(rows, "leaves", "How it leaves:");
		print_rows(rows, "hop", "Where to:");
		print_rows(rows, "dns", "What the DNS says:");
		print_rows(rows, "host", "Hosts, in this order:");
		print_rows(rows, "sts", "What the domain demands (MTA-STS):");
		print_rows(rows, "dane", "Their TLSA records (DANE):");
		print_rows(rows, "tls", "What is demanded of their TLS:");
		print_rows(rows, "verdict", "Why not:");
		print_rows(rows, "rcpt", "RCPT would hear:");
		print_answer(rows, answer, text_of(last, "text"));
	}
	if (r != CLI_OK)
		return r;
	if (strcmp(answer, "bounces") == 0)
		return CLI_REFUSED;
	return strcmp(answer, "waits") == 0 ? CLI_WAITS : CLI_OK;
}

static const struct cli_option test_options[] = {
	{ "sender", 0, CLI_TEXT, "SENDER", "who sends it (nobody: a bounce)",
	    false },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};
static const struct admin_action test = { .command = "route test",
	.operands = { { "address", CLI_TEXT } },
	.show = show_test };

static const struct cli_option password_options[] = {
	{ "password-file", 0, CLI_TEXT, "FILE", "the password is its only line",
	    true },
	{ "password-stdin", 0, CLI_FLAG, NULL,
	    "the password comes on standard input", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action add = { .command = "route add",
	.operands = { { "name", CLI_TEXT } },
	.prepare = add_args };
static const struct admin_action set = { .command = "route set",
	.operands = { { "name", CLI_TEXT } },
	.prepare = add_args };
static const struct admin_action show = { .command = "route show",
	.operands = { { "name", CLI_TEXT } },
	.columns = columns,
	.show = admin_show_row };
static const struct admin_action list = { .command = "route list",
	.columns = columns };
static const struct admin_action take = { .command = "route delete",
	.operands = { { "name", CLI_TEXT } } };

static const struct cli_action actions[] = {
	{ "add", "NAME KEY=VALUE...", 2, 16, "mail goes by it from now on",
	    password_options, admin_run, &add },
	{ "set", "NAME [KEY=VALUE...]", 1, 16,
	    "changes it, also for mail that waits", password_options, admin_run,
	    &set },
	{ "show", "NAME", 1, 1, "everything that is set, but the password",
	    NULL, admin_run, &show },
	{ "list", NULL, 0, 0, "all routes", NULL, admin_run, &list },
	{ "test", "ADDRESS", 1, 1,
	    "where would mail to it go, and why? Nothing is sent. Without "
	    "the word: ulak route ADDRESS",
	    test_options, admin_run, &test },
	{ "delete", "NAME", 1, 1,
	    "its mail goes by other routes, or to the mail hosts", NULL,
	    admin_run, &take },
};

const struct cli_command cli_route = { "route", "where mail for others goes",
	CLI_ACTIONS(actions),
	"keys: kind=mx          the mail hosts of the domain (as without a "
	"route)\n"
	"           smarthost   hosts= take all of it; lmtp: the same, by "
	"LMTP\n"
	"           discard     it is thrown away; error: it is refused\n"
	"      to=DOMAIN,...    for these domains; .DOMAIN: all below it; *: "
	"the rest\n"
	"      from=ADDRESS,... from these senders, DOMAINs, .DOMAINs, or <>\n"
	"      hosts=HOST,...   [mx:]NAME[:PORT][*WEIGHT][@PREFERENCE]\n"
	"      port=NUMBER|none     where hosts= says none\n"
	"      tls=none|may|encrypt|verify|default  how much there must be\n"
	"      implicit=yes|no      TLS from the first octet (as port 465 "
	"has)\n"
	"      user=NAME|none       to log in with a password\n"
	"      auth=tls|clear       whether it may be said without TLS\n"
	"      source=ADDRESS[,ADDRESS]|none  our own, IPv4 and IPv6\n"
	"      helo=NAME|none       what EHLO says\n"
	"      reply=\"CODE TEXT\"|none  of kind=error\n",
	.of_address = "test" };
