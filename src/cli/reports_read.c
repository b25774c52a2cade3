/* SPDX-License-Identifier: ISC */
#include "cli/reports_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/admin.h"
#include "policy/tlsrpt_read.h"
#include "sys/env_posix.h"
#include "sys/sandbox.h"

#define LINE_COLUMNS                                                           \
	{ "organization", "from", TABLE_TEXT },                                \
	    { "begin", "begin", TABLE_TEXT },                                  \
	    { "domain", "domain", TABLE_TEXT },                                \
	    { "policy", "policy", TABLE_TEXT },                                \
	    { "good", "good", TABLE_NUMBER }, { "bad", "bad", TABLE_NUMBER },  \
	    { "result", "result", TABLE_TEXT },                                \
	    { "mx", "mail host", TABLE_TEXT }, { "remote", NULL, TABLE_TEXT }, \
	    { "local", "seen from", TABLE_TEXT },                              \
	    { "reason", "words", TABLE_TEXT }, { "end", NULL, TABLE_TEXT },    \
	    { "contact", NULL, TABLE_TEXT }, { "id", NULL, TABLE_TEXT },       \
	{                                                                      \
		NULL, NULL, TABLE_TEXT                                         \
	}

static const struct table_column file_columns[] = { LINE_COLUMNS };
static const struct table_column mail_columns[] = {
	{ "received", "received", TABLE_TIME }, LINE_COLUMNS
};

struct reading {
	json_t *rows, *seen; /* seen: an object, a member for each report */
	const char *received;
	bool is_begun, is_twice;
	size_t n_others;
};

/* -- behind the walls ------------------------------------------------------ */

static json_t *
text_of(struct slice s)
{
	json_t *text = s.len == 0 ? json_string("")
				  : json_stringn((const char *)s.at, s.len);

	/* cut within a character */
	return text != NULL ? text : json_string("?");
}

static void
set_number(json_t *row, const char *name, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	(void)json_object_set_new(row, name, json_string(text));
}

/* A report without an id is like no other. */
static bool
is_known(struct reading *r, const struct tlsrpt_line *line)
{
	char key[512];

	if (line->id.len == 0)
		return false;
	(void)snprintf(key, sizeof(key), "%.*s %.*s",
	    SLICE_FMT(slice_upto(line->organization, 200)),
	    SLICE_FMT(slice_upto(line->id, 300)));
	if (json_object_get(r->seen, key) != NULL)
		return true;
	(void)json_object_set_new_nocheck(r->seen, key, json_true());
	return false;
}

static void
on_line(void *ctx, const struct tlsrpt_line *line)
{
	const struct {
		const char *name;
		struct slice value;
	} texts[] = { { "organization", line->organization },
		{ "begin", line->begin }, { "end", line->end },
		{ "contact", line->contact }, { "id", line->id },
		{ "policy", line->kind }, { "domain", line->domain },
		{ "result", line->result }, { "mx", line->mx },
		{ "remote", line->remote }, { "local", line->local },
		{ "reason", line->reason } };
	struct reading *r = ctx;
	json_t *row;

	if (!r->is_begun)
		r->is_twice = is_known(r, line);
	r->is_begun = true;
	if (r->is_twice)
		return;
	row = json_object();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		(void)json_object_set_new(row, texts[i].name,
		    text_of(texts[i].value));
	set_number(row, "good", line->good);
	set_number(row, "bad", line->bad);
	if (r->received != NULL)
		(void)json_object_set_new(row, "received",
		    json_string(r->received));
	(void)json_array_append_new(r->rows, row);
}

static int
print(struct cli *cli, const struct reading *r, bool are_mails)
{
	const struct table_column *columns =
	    are_mails ? mail_columns : file_columns;
	json_t *typed;
	int status;

	if (cli->json) {
		typed = table_json(r->rows, columns);
		status = admin_print_json(typed);
		json_decref(typed);
		return status;
	}
	table_print(r->rows, columns, stdout);
	if (are_mails && r->n_others > 0)
		(void)
		    printf("%zu other mail%s, no report or larger than 1 MiB\n",
			r->n_others, r->n_others == 1 ? "" : "s");
	return CLI_OK;
}

static int
read_all(struct cli *cli, const struct report_file *files, size_t n)
{
	struct reading r = { .rows = json_array(), .seen = json_object() };
	bool are_mails = n == 0 || files[0].name == NULL;
	int status = CLI_OK;

	for (size_t i = 0; i < n && status == CLI_OK; i++) {
		const char *why = "";
		int result;

		r.received = files[i].received;
		r.is_begun = false;
		result = tlsrpt_read(files[i].bytes, on_line, &r, &why);
		if (result > 0 && files[i].name == NULL)
			r.n_others++;
		else if (result != 0)
			status = cli_fail(CLI_REFUSED, "%s: %s",
			    files[i].name != NULL ? files[i].name : "a mail",
			    result < 0 ? strerror(-result) : why);
	}
	if (status == CLI_OK)
		status = print(cli, &r, are_mails);
	json_decref(r.rows);
	json_decref(r.seen);
	return status;
}

/* -- the walls ------------------------------------------------------------- */

/* A buffer of ours for the stream, or the C library would ask what it leads to
 * when the first octet is written. */
static bool
shut_in(char *buffer)
{
	static const struct env_posix_options options = { .role = "reports" };
	static const struct sandbox_paths nothing = { 0 };
	struct sandbox_report report;
	struct env *env;

	return buffer != NULL && setvbuf(stdout, buffer, _IOFBF, BUFSIZ) == 0 &&
	    setvbuf(stderr, NULL, _IONBF, 0) == 0 &&
	    env_posix_new(&options, &env) == 0 &&
	    sandbox_enter(env, WIRE_KEEPER, &nothing, &report) == 0;
}

int
reports_print(struct cli *cli, const struct report_file *files, size_t n)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == -1)
		return cli_fail(CLI_REFUSED, "fork: %s", strerror(errno));
	if (pid == 0) {
		int r = shut_in(malloc(BUFSIZ))
		    ? read_all(cli, files, n)
		    : cli_fail(CLI_REFUSED,
			  "this system does not let it be read "
			  "behind walls");

		_exit(fflush(stdout) == 0 ? r : CLI_REFUSED);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return cli_fail(CLI_REFUSED, "%s", strerror(errno));
	if (WIFSIGNALED(status))
		return cli_fail(CLI_REFUSED,
		    "what reads the reports was ended by signal %d",
		    WTERMSIG(status));
	return WEXITSTATUS(status);
}
