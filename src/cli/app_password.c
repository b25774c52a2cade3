/* SPDX-License-Identifier: ISC */
/*
 * cli/app_password - passwords for single programs of an account's owner
 *
 * Made here, by chance, and shown once: the server keeps only what checks
 * them. 25 characters of 32 are 125 bits, so nobody guesses them, and losing a
 * telephone costs one of them and not the account.
 */
#include "cli/app_password.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/time.h"
#include "cli/admin.h"
#include "config/settings_table.h"

enum {
	GROUPS = 5,
	GROUP = 5,
	PASSWORD = GROUPS * (GROUP + 1) /* hyphens between, NUL at the end */
};

/* Without what looks alike. */
static void
make_password(char at[PASSWORD])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	size_t n = 0;

	_Static_assert(sizeof(letters) == 32 + 1, "five bits each");
	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < GROUP; i++)
			at[n++] = letters[randombytes_uniform(32)];
		at[n++] = '-';
	}
	at[n - 1] = '\0';
}

static int
add_expires(struct cli *cli, json_t *args)
{
	const char *text = cli_option(cli, "expires");
	struct timespec now;
	char number[24];
	int64_t us;

	if (text == NULL)
		return CLI_OK;
	if (!settings_duration_parse(slice_cstr(text), &us) || us == 0 ||
	    us > 100 * 365 * TIME_DAY)
		return cli_fail(CLI_USAGE,
		    "--expires: needs a duration such as \"90d\"");
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(number, sizeof(number), "%" PRId64,
	    us + (int64_t)now.tv_sec * TIME_SECOND);
	return json_object_set_new(args, "expires", json_string(number)) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

static int
add_args(struct cli *cli, const char *password, json_t *args)
{
	const char *name = cli_option(cli, "name");
	const char *scope = cli_option(cli, "scope");
	int r = 0;

	if (name == NULL)
		return cli_fail(CLI_USAGE, "--name says what it is for");
	r |=
	    json_object_set_new(args, "address", json_string(cli->operands[0]));
	r |= json_object_set_new(args, "name", json_string(name));
	r |= json_object_set_new(args, "scope",
	    json_string(scope == NULL ? "all" : scope));
	r |= json_object_set_new(args, "password", json_string(password));
	return r == 0 ? add_expires(cli, args)
		      : cli_fail(CLI_USAGE, "an argument is not UTF-8");
}

static int
show(struct cli *cli, const struct admin_answer *answer, const char *password)
{
	const char *n =
	    json_string_value(json_object_get(json_array_get(answer->rows, 0),
		"n"));
	json_t *out;
	int r;

	if (!cli->json) {
		(void)printf("%s\n", password);
		(void)fprintf(stderr,
		    "Number %s of %s. It is not shown again.\n",
		    n == NULL ? "?" : n, cli->operands[0]);
		return CLI_OK;
	}
	out = json_pack("{s:s, s:I}", "password", password, "n",
	    (json_int_t)(n == NULL ? 0 : strtoll(n, NULL, 10)));
	r = admin_print_json(out);
	json_decref(out);
	return r;
}

int
app_password_add(struct cli *cli)
{
	char password[PASSWORD];
	struct admin_answer answer;
	json_t *args = json_object();
	int r;

	if (sodium_init() < 0)
		return cli_fail(CLI_REFUSED, "no random numbers");
	make_password(password);
	r = add_args(cli, password, args);
	if (r == CLI_OK)
		r = admin_ask(cli, "app-password add", args, &answer);
	if (r == CLI_OK) {
		r = admin_status(&answer);
		if (r == CLI_OK)
			r = show(cli, &answer, password);
		admin_answer_deinit(&answer);
	}
	json_decref(args);
	sodium_memzero(password, sizeof(password));
	return r;
}
