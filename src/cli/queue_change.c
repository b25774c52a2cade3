/* SPDX-License-Identifier: ISC */
#include "cli/queue_change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SLICE_ROWS = 1000, /* of one request */
	SHOWN = 5          /* before it asks */
};

const struct cli_option queue_which_options[] = {
	{ "recipient", 0, CLI_TEXT, "ADDRESS", "to this recipient", false },
	{ "sender", 0, CLI_TEXT, "ADDRESS", "from this sender", false },
	{ "domain", 0, CLI_TEXT, "DOMAIN", "that go there", true },
	{ "route", 0, CLI_TEXT, "DOMAIN", "the same as --domain", false },
	{ "older", 0, CLI_TEXT, "TIME", "that came longer ago (2h, 3d)",
	    false },
	{ "newer", 0, CLI_TEXT, "TIME", "that came since then", false },
	{ "reason", 0, CLI_TEXT, "TEXT", "with this in the last reply", false },
	{ "state", 0, CLI_TEXT, "STATE", "waiting, held or failed", false },
	{ "lane", 0, CLI_TEXT, "LANE", "interactive, bulk or bounce", false },
	{ "row", 0, CLI_NUMBER, "NUMBER", "this row", false },
	{ "all", 0, CLI_FLAG, NULL, "every row", false },
	{ "yes", 'y', CLI_FLAG, NULL, "without asking", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

/* -- which rows
 * ----------------------------------------------------------------- */

static int
set(json_t *args, const char *name, const char *value)
{
	json_t *text = json_string(value);

	if (text == NULL)
		return cli_fail(CLI_USAGE, "%s is not UTF-8", name);
	return json_object_set_new(args, name, text) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

static int
take_options(struct cli *cli, json_t *args)
{
	const struct cli_option *o = cli->action->options;
	int r = CLI_OK;

	for (size_t i = 0; o[i].name != NULL && r == CLI_OK; i++) {
		if (cli->values[i] == NULL || strcmp(o[i].name, "yes") == 0)
			continue;
		r = set(args,
		    strcmp(o[i].name, "domain") == 0 ? "route" : o[i].name,
		    o[i].kind == CLI_FLAG ? "1" : cli->values[i]);
	}
	return r;
}

static bool
has_option(const struct cli *cli, const char *name)
{
	const struct cli_option *o = cli->action->options;

	for (size_t i = 0; o[i].name != NULL; i++)
		if (strcmp(o[i].name, name) == 0)
			return cli->values[i] != NULL;
	return false;
}

/* The first operand of `redirect` and `priority` says where to. */
static int
take_which(struct cli *cli, json_t *args)
{
	size_t at = cli->action->min;
	int r = CLI_OK;

	if (cli->n_operands > at) {
		r = cli_check_value(CLI_ID, "id", cli->operands[at]);
		if (r == CLI_OK)
			r = set(args, "id", cli->operands[at]);
	}
	if (r == CLI_OK)
		r = take_options(cli, args);
	if (r != CLI_OK)
		return r;
	/* Nobody empties a queue by forgetting an argument. */
	if (json_object_size(args) == 0)
		return cli_fail(CLI_USAGE,
		    "which rows? give an ID, --recipient, --sender, --domain, "
		    "--older, --newer, --reason, --state, --lane, --row or "
		    "--all");
	if (json_object_get(args, "all") != NULL && json_object_size(args) > 1)
		return cli_fail(CLI_USAGE, "--all stands alone");
	return CLI_OK;
}

static bool
names_one(const json_t *args)
{
	return json_object_get(args, "id") != NULL ||
	    json_object_get(args, "row") != NULL;
}

/* -- asking
 * --------------------------------------------------------------------- */

static long long
number_of(const struct admin_answer *a, const char *name)
{
	const char *text =
	    json_string_value(json_object_get(json_array_get(a->rows, 0),
		name));

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

static int
count_rows(struct cli *cli, json_t *args, long long *ret)
{
	struct admin_answer answer;
	int r = admin_ask(cli, "queue count", args, &answer);

	if (r != CLI_OK)
		return r;
	r = admin_status(&answer);
	if (r == CLI_OK)
		*ret = number_of(&answer, "rows");
	admin_answer_deinit(&answer);
	return r;
}

static int
show_some(struct cli *cli, json_t *args)
{
	json_t *some = json_copy(args);
	struct admin_answer answer;
	char limit[16];
	int r;

	(void)snprintf(limit, sizeof(limit), "%d", SHOWN);
	(void)json_object_del(some, "all");
	r = set(some, "limit", limit);
	if (r == CLI_OK)
		r = admin_ask(cli, "queue list", some, &answer);
	if (r == CLI_OK) {
		table_print(answer.rows, queue_columns, stderr);
		admin_answer_deinit(&answer);
	}
	json_decref(some);
	return r;
}

static int
ask(struct cli *cli, json_t *args, long long n)
{
	char answer[16] = "";
	int r = show_some(cli, args);

	if (r != CLI_OK)
		return r;
	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
		return cli_fail(CLI_USAGE,
		    "%s: %lld row%s meant, and there is nobody to ask; say "
		    "--yes",
		    cli->action->admin->command, n, n == 1 ? " is" : "s are");
	(void)fprintf(stderr, "%s: %lld row%s. Go on? [y/N] ",
	    cli->action->admin->command, n, n == 1 ? "" : "s");
	if (fgets(answer, sizeof(answer), stdin) == NULL ||
	    (answer[0] != 'y' && answer[0] != 'Y'))
		return cli_fail(CLI_REFUSED, "nothing was changed");
	return CLI_OK;
}

/* -- slices
 * --------------------------------------------------------------------- */

struct work {
	struct cli *cli;
	json_t *args;
	long long n, affected; /* n: meant; 0: not counted */
	char after[24];
	bool has_ended, some_left;
	char text[512]; /* of what was left */
};

static void
show_progress(const struct work *w)
{
	if (w->n <= SLICE_ROWS || isatty(STDERR_FILENO) != 1)
		return;
	(void)fprintf(stderr, "\r%lld of %lld%s", w->affected, w->n,
	    w->has_ended ? "\n" : "");
	(void)fflush(stderr);
}

/* 450: some were being tried, all others are done. */
static int
one_slice(struct work *w)
{
	struct admin_answer answer;
	const char *after;
	int r = set(w->args, "after", w->after);

	if (r == CLI_OK)
		r = admin_ask(w->cli, w->cli->action->admin->command, w->args,
		    &answer);
	if (r != CLI_OK)
		return r;
	if (answer.code == 450) {
		w->some_left = true;
		(void)snprintf(w->text, sizeof(w->text), "%s", answer.text);
	} else {
		r = admin_status(&answer);
	}
	w->affected += number_of(&answer, "affected");
	after =
	    json_string_value(json_object_get(json_array_get(answer.rows, 0),
		"after"));
	w->has_ended = after == NULL || number_of(&answer, "ended") != 0;
	(void)snprintf(w->after, sizeof(w->after), "%s",
	    after == NULL ? "0" : after);
	admin_answer_deinit(&answer);
	show_progress(w);
	return r;
}

static int
tell_end(const struct work *w)
{
	json_t *end;
	int r;

	if (w->cli->json) {
		end = json_pack("{s:i, s:s, s:I}", "code",
		    w->some_left ? 450 : 250, "text",
		    w->some_left ? w->text : "done", "affected",
		    (json_int_t)w->affected);
		r = admin_print_json(end);
		json_decref(end);
		if (r != CLI_OK)
			return r;
	} else {
		(void)printf("%lld row%s\n", w->affected,
		    w->affected == 1 ? "" : "s");
	}
	return w->some_left ? cli_fail(CLI_REFUSED, "%s", w->text) : CLI_OK;
}

/* How many there are is asked for the question, and to show how far it is. */
static int
count_and_ask(struct work *w)
{
	bool is_asked = !has_option(w->cli, "yes");
	json_t *which;
	int r;

	if (names_one(w->args) || (!is_asked && isatty(STDERR_FILENO) != 1))
		return CLI_OK;
	which = json_copy(w->args);
	(void)json_object_del(which, "all");
	r = count_rows(w->cli, which, &w->n);
	json_decref(which);
	return r == CLI_OK && is_asked && w->n > 0 ? ask(w->cli, w->args, w->n)
						   : r;
}

/* Told here, where the range can be named. */
static int
check_target(const struct cli *cli, const char *name)
{
	char *end;
	long n;

	if (strcmp(name, "priority") != 0)
		return CLI_OK;
	n = strtol(cli->operands[0], &end, 10);
	if (end == cli->operands[0] || *end != '\0' || n < -9 || n > 9)
		return cli_fail(CLI_USAGE, "priority is from -9 to 9, not %s",
		    cli->operands[0]);
	return CLI_OK;
}

int
queue_change_run(struct cli *cli)
{
	struct work w = { .cli = cli, .args = json_object(), .after = "0" };
	const char *target = cli->action->admin->operands[0].name;
	char slice[16];
	int r = cli->action->min > 0 ? check_target(cli, target) : CLI_OK;

	if (r == CLI_OK)
		r = take_which(cli, w.args);
	if (r == CLI_OK)
		r = count_and_ask(&w);
	(void)snprintf(slice, sizeof(slice), "%d", SLICE_ROWS);
	if (r == CLI_OK)
		r = set(w.args, "slice", slice);
	if (r == CLI_OK && cli->action->min > 0)
		r = set(w.args, target, cli->operands[0]);
	while (r == CLI_OK && !w.has_ended)
		r = one_slice(&w);
	if (r == CLI_OK)
		r = tell_end(&w);
	json_decref(w.args);
	return r;
}
