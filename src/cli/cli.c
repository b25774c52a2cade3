/* SPDX-License-Identifier: ISC */
/*
 * cli/cli - finds the command, its action and options; help for all of them
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "cli/sendmail.h"
#include "config/settings_table.h"

static const struct cli_command *const commands[] = {
	&cli_init,
	&cli_serve,
	&cli_account,
	&cli_domain,
	&cli_alias,
	&cli_group,
	&cli_address,
	&cli_send,
	&cli_sendmail,
	&cli_queue,
	&cli_route,
	&cli_greylist,
	&cli_sts,
	&cli_suppress,
	&cli_undelete,
	&cli_import,
	&cli_export,
	&cli_reports,
	&cli_destination,
	&cli_throttle,
	&cli_warmup,
	&cli_trace,
	&cli_status,
	&cli_verify,
	&cli_config,
	&cli_key,
	&cli_token,
	&cli_role,
};

int
cli_fail(int status, const char *format, ...)
{
	va_list ap;

	(void)fputs("ulak: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return status;
}

/* -- help ----------------------------------------------------------------- */

static void
print_general_options(FILE *to)
{
	(void)
	    fputs("  -c, --config FILE       configuration (else $ULAK_CONFIG, "
		  "else /etc/ulak/ulak.toml)\n"
		  "      --json              print JSON\n"
		  "  -h, --help              print this\n",
		to);
}

static int
help_all(FILE *to)
{
	(void)fputs("usage: ulak [-c FILE] COMMAND [ARGUMENT...]\n\n"
		    "Ulak, a mail system.\n\ncommands:\n",
	    to);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i]->sentence != NULL)
			(void)fprintf(to, "  %-10s %s\n", commands[i]->name,
			    commands[i]->sentence);
	(void)fputs("\noptions:\n", to);
	print_general_options(to);
	(void)fputs("      --version           print the version\n\n"
		    "ulak COMMAND --help tells more; so do ulak(1) and "
		    "ulak.toml(5).\n",
	    to);
	return CLI_OK;
}

static void
print_usage(const struct cli_command *c, const struct cli_action *a, FILE *to)
{
	(void)fprintf(to, "ulak %s", c->name);
	if (a->name != NULL)
		(void)fprintf(to, " %s", a->name);
	if (a->options != NULL)
		(void)fputs(" [OPTION...]", to);
	if (a->operands != NULL)
		(void)fprintf(to, " %s", a->operands);
}

static void
print_option(const struct cli_option *o, FILE *to)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s",
	    o->letter != 0 ? '-' : ' ', o->letter != 0 ? o->letter : ' ',
	    o->letter != 0 ? ',' : ' ', o->name, o->value != NULL ? " " : "",
	    o->value != NULL ? o->value : "");
	(void)fprintf(to, "  %-23s %s\n", left, o->sentence);
}

static int
help_command(const struct cli_command *c, FILE *to)
{
	for (size_t i = 0; i < c->n_actions; i++) {
		(void)fputs(i == 0 ? "usage: " : "       ", to);
		print_usage(c, &c->actions[i], to);
		(void)fputc('\n', to);
	}
	if (c->sentence != NULL)
		(void)fprintf(to, "\n%s.\n", c->sentence);
	if (c->more != NULL)
		(void)fprintf(to, "\n%s", c->more);
	for (size_t i = 0; i < c->n_actions; i++) {
		const struct cli_action *a = &c->actions[i];

		if (a->name != NULL)
			(void)fprintf(to, "\n%s: %s\n", a->name, a->sentence);
		else
			(void)fputs("\noptions:\n", to);
		for (const struct cli_option *o = a->options;
		     o != NULL && o->name != NULL; o++)
			print_option(o, to);
	}
	if (c->n_actions > 1)
		(void)fputs("\noptions:\n", to);
	print_general_options(to);
	return CLI_OK;
}

/* Wrong arguments: what is wrong, and how it is meant, on one line. */
static int
fail_usage(const struct cli *cli, const char *what, const char *which)
{
	(void)fprintf(stderr, "ulak: %s%s%s (", what, which != NULL ? ": " : "",
	    which != NULL ? which : "");
	if (cli->action != NULL)
		print_usage(cli->command, cli->action, stderr);
	else if (cli->command != NULL)
		(void)fprintf(stderr, "ulak %s --help tells more",
		    cli->command->name);
	else
		(void)fputs("ulak --help tells more", stderr);
	(void)fputs(")\n", stderr);
	return CLI_USAGE;
}

/* -- values --------------------------------------------------------------- */

int
cli_check_value(enum cli_kind kind, const char *name, const char *value)
{
	struct slice s = slice_cstr(value);
	uint64_t n;
	struct id id;

	if (kind == CLI_NUMBER && !slice_to_u64(s, INT64_MAX, &n))
		return cli_fail(CLI_USAGE, "%s needs a number, not \"%s\"",
		    name, value);
	if (kind == CLI_SIZE && !settings_size_parse(s, &n))
		return cli_fail(CLI_USAGE,
		    "%s needs a size such as 500MiB or 0, not \"%s\"", name,
		    value);
	if (kind == CLI_ID && !id_parse(s, &id))
		return cli_fail(CLI_USAGE,
		    "%s needs the %d characters of a message's id, not \"%s\"",
		    name, ID_TEXT, value);
	return CLI_OK;
}

const char *
cli_option(const struct cli *cli, const char *name)
{
	const struct cli_option *o = cli->action->options;

	for (size_t i = 0; o != NULL && o[i].name != NULL; i++)
		if (strcmp(o[i].name, name) == 0)
			return cli->values[i];
	return NULL;
}

/* -- parsing -------------------------------------------------------------- */

struct args {
	char **at;
	int n;
	bool wants_help, is_literal; /* is_literal: after "--" */
};

static const struct cli_option general[] = {
	{ "config", 'c', CLI_TEXT, "FILE", "", false },
	{ "json", 0, CLI_FLAG, NULL, "", false },
	{ "help", 'h', CLI_FLAG, NULL, "", false },
	{ NULL, 0, CLI_FLAG, NULL, NULL, false },
};

/* The option that `word` names; *ret_value is what is glued to it, or NULL. */
static const struct cli_option *
match_option(const struct cli_option *list, const char *word,
    const char **ret_value)
{
	for (const struct cli_option *o = list; o != NULL && o->name != NULL;
	     o++) {
		size_t len = strlen(o->name);

		*ret_value = NULL;
		if (strncmp(word, "--", 2) == 0) {
			if (strncmp(word + 2, o->name, len) != 0)
				continue;
			if (word[2 + len] == '\0')
				return o;
			*ret_value = word + 3 + len;
			if (word[2 + len] == '=')
				return o;
		} else if (o->letter != 0 && word[1] == o->letter) {
			if (word[2] == '\0')
				return o;
			*ret_value = word + 2;
			return o->kind == CLI_FLAG ? NULL : o;
		}
	}
	return NULL;
}

static int
take_value(struct cli *cli, struct args *args, const struct cli_option *o,
    const char *glued, const char **ret)
{
	if (o->kind == CLI_FLAG) {
		if (glued != NULL)
			return fail_usage(cli, "this option takes no value",
			    o->name);
		*ret = "";
		return CLI_OK;
	}
	if (glued == NULL) {
		if (args->n == 0)
			return fail_usage(cli, "this option needs a value",
			    o->name);
		glued = *args->at++;
		args->n--;
	}
	*ret = glued;
	return cli_check_value(o->kind, o->name, glued);
}

static int
take_option(struct cli *cli, struct args *args, const char *word)
{
	const struct cli_option *own =
	    cli->action == NULL ? NULL : cli->action->options;
	const struct cli_option *o;
	const char *value = NULL;
	int r;

	o = match_option(own, word, &value);
	if (o != NULL)
		return take_value(cli, args, o, value, &cli->values[o - own]);
	o = match_option(general, word, &value);
	if (o == NULL)
		return fail_usage(cli, "unknown option", word);
	if (o->kind == CLI_FLAG)
		r = take_value(cli, args, o, value, &value);
	else
		r = take_value(cli, args, o, value, &cli->config);
	if (strcmp(o->name, "json") == 0)
		cli->json = true;
	if (strcmp(o->name, "help") == 0)
		args->wants_help = true;
	return r;
}

/* The next word that is no option; NULL when there is none, or after an error,
 * which is then in *ret_error. */
static const char *
next_word(struct cli *cli, struct args *args, int *ret_error)
{
	while (args->n > 0) {
		const char *word = *args->at++;

		args->n--;
		/* "-3" is a number: no option is a digit */
		if (args->is_literal || word[0] != '-' || word[1] == '\0' ||
		    (word[1] >= '0' && word[1] <= '9'))
			return word;
		if (strcmp(word, "--") == 0) {
			args->is_literal = true;
			continue;
		}
		*ret_error = take_option(cli, args, word);
		if (*ret_error != CLI_OK)
			return NULL;
	}
	return NULL;
}

static int
find_command(struct cli *cli, struct args *args)
{
	int r = CLI_OK;
	const char *word = next_word(cli, args, &r);

	if (word != NULL && strcmp(word, "help") == 0) {
		args->wants_help = true; /* `ulak help queue` */
		word = next_word(cli, args, &r);
	}
	if (word == NULL)
		return r != CLI_OK || args->wants_help
		    ? r
		    : fail_usage(cli, "a command is missing", NULL);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(word, commands[i]->name) == 0)
			cli->command = commands[i];
	return cli->command == NULL ? fail_usage(cli, "no such command", word)
				    : CLI_OK;
}

/* Actions of two words: "app-password add" */
static bool
begins_action(const struct cli_command *c, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < c->n_actions; i++)
		if (strncmp(c->actions[i].name, word, n) == 0 &&
		    c->actions[i].name[n] == ' ')
			return true;
	return false;
}

static int
find_two_words(struct cli *cli, struct args *args, const char *first)
{
	const struct cli_command *c = cli->command;
	size_t n = strlen(first);
	int r = CLI_OK;
	const char *word = next_word(cli, args, &r);

	if (word == NULL)
		return r != CLI_OK || args->wants_help
		    ? r
		    : fail_usage(cli, "what it shall do is missing", first);
	for (size_t i = 0; i < c->n_actions; i++) {
		const char *name = c->actions[i].name;

		if (strncmp(name, first, n) == 0 && name[n] == ' ' &&
		    strcmp(name + n + 1, word) == 0)
			cli->action = &c->actions[i];
	}
	return cli->action == NULL ? fail_usage(cli, "no such action", word)
				   : CLI_OK;
}

static int
find_action(struct cli *cli, struct args *args)
{
	const struct cli_command *c = cli->command;
	const char *word;
	int r = CLI_OK;

	if (c->actions[0].name == NULL) {
		cli->action = &c->actions[0];
		return CLI_OK;
	}
	word = next_word(cli, args, &r);
	if (word == NULL)
		return r != CLI_OK || args->wants_help
		    ? r
		    : fail_usage(cli, "what it shall do is missing", c->name);
	for (size_t i = 0; i < c->n_actions; i++)
		if (strcmp(word, c->actions[i].name) == 0)
			cli->action = &c->actions[i];
	if (cli->action == NULL && c->of_address != NULL &&
	    strchr(word, '@') != NULL) {
		cli->operands[cli->n_operands++] = word;
		word = c->of_address;
		for (size_t i = 0; i < c->n_actions; i++)
			if (strcmp(word, c->actions[i].name) == 0)
				cli->action = &c->actions[i];
	}
	if (cli->action == NULL && begins_action(c, word))
		return find_two_words(cli, args, word);
	return cli->action == NULL ? fail_usage(cli, "no such action", word)
				   : CLI_OK;
}

static int
take_operands(struct cli *cli, struct args *args)
{
	const char *word;
	int r = CLI_OK;

	while ((word = next_word(cli, args, &r)) != NULL) {
		if (cli->n_operands == CLI_OPERANDS_MAX ||
		    (cli->n_operands == cli->action->max && !args->wants_help))
			return fail_usage(cli, "one argument too many", word);
		cli->operands[cli->n_operands++] = word;
	}
	if (r != CLI_OK || args->wants_help)
		return r;
	if (cli->n_operands < cli->action->min)
		return fail_usage(cli, "an argument is missing", NULL);
	return CLI_OK;
}

/* Its words, and before them its name. */
static int
run_raw(struct cli *cli, struct args *args)
{
	int r = cli->command->raw(cli, args->n + 1, args->at - 1);

	if (fflush(stdout) != 0 && r == 0)
		r = cli_fail(CLI_REFUSED, "standard output: write error");
	return r;
}

int
cli_main(int argc, char **argv)
{
	struct cli cli = { .config = getenv("ULAK_CONFIG") };
	struct args args = { .at = argv + 1, .n = argc > 0 ? argc - 1 : 0 };
	int r;

	if (cli.config == NULL || cli.config[0] == '\0')
		cli.config = "/etc/ulak/ulak.toml";
	if (argc > 0 && sendmail_is_name(argv[0])) {
		cli.command = &cli_sendmail;
		args.at = argv + 1;
		return run_raw(&cli, &args);
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return printf("ulak %s\n", ULAK_VERSION) > 0 ? CLI_OK
							     : CLI_REFUSED;
	r = find_command(&cli, &args);
	if (r == CLI_OK && cli.command != NULL && cli.command->raw != NULL &&
	    !args.wants_help)
		return run_raw(&cli, &args);
	if (r == CLI_OK && cli.command != NULL)
		r = find_action(&cli, &args);
	if (r == CLI_OK && cli.action != NULL)
		r = take_operands(&cli, &args);
	if (r != CLI_OK)
		return r;
	if (args.wants_help)
		return cli.command == NULL ? help_all(stdout)
					   : help_command(cli.command, stdout);
	r = cli.action->run(&cli);
	if (fflush(stdout) != 0 && r == CLI_OK)
		r = cli_fail(CLI_REFUSED, "standard output: write error");
	return r;
}
