/* SPDX-License-Identifier: ISC */
#include "cli/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PROGRESS_EVERY = 100 /* mails */
};

static const struct export_form *const forms[] = { &export_maildir,
	&export_mbox };

int
export_make_directories(const char *path)
{
	char part[EXPORT_PATH];

	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return cli_fail(CLI_REFUSED, "%s: %s", part,
			    strerror(errno));
	}
	return CLI_OK;
}

/* -- a mailbox
 * ---------------------------------------------------------------------- */

static const char *
text_of(const json_t *row, const char *name)
{
	const char *value = json_string_value(json_object_get(row, name));

	return value == NULL ? "" : value;
}

static void
read_row(const json_t *row, struct export_mail *m)
{
	*m = (struct export_mail){ .id = text_of(row, "id"),
		.uid = (uint32_t)strtoul(text_of(row, "uid"), NULL, 10),
		.flags = (uint8_t)strtoul(text_of(row, "flags"), NULL, 10),
		.keywords = text_of(row, "keywords"),
		.date = strtoll(text_of(row, "date"), NULL, 10) };
}

static void
show_progress(const struct exporter *ex, bool is_last)
{
	if (isatty(STDERR_FILENO) != 0 &&
	    (is_last || ex->n_mails % PROGRESS_EVERY == 0))
		(void)fprintf(stderr,
		    "\r%" PRIu64 " mails, %" PRIu64 " of them new%s",
		    ex->n_mails, ex->n_new, is_last ? "\n" : "");
}

static int
take_one(struct exporter *ex, const struct export_form *form, struct carry *c,
    const json_t *row, struct buf *bytes)
{
	struct export_mail m;
	long code = 0;
	int r = carry_take(c, bytes, &code);

	read_row(row, &m);
	if (r != CLI_OK)
		return r;
	if (code == 250) {
		ex->n_new++;
		return form->put(ex, &m, buf_slice(bytes));
	}
	if (code == 550 || code == 551) /* expunged meanwhile */
		return CLI_OK;
	ex->n_failed++;
	return cli_fail(CLI_OK, "mail %s: its bytes cannot be read", m.id);
}

/* A page of rows: those that are wanted are asked for ahead. */
static int
take_rows(struct exporter *ex, const struct export_form *form, struct carry *c,
    const json_t *rows)
{
	size_t n = json_array_size(rows), asked = 0, taken = 0, n_wanted = 0;
	const json_t **wanted = calloc(n + 1, sizeof(*wanted));
	struct export_mail m;
	struct buf bytes;
	int r =
	    wanted == NULL ? cli_fail(CLI_REFUSED, "out of memory") : CLI_OK;

	for (size_t i = 0; r == CLI_OK && i < n; i++) {
		read_row(json_array_get(rows, i), &m);
		ex->n_mails++;
		if (form->wants(ex, &m))
			wanted[n_wanted++] = json_array_get(rows, i);
	}
	buf_init(&bytes, SIZE_MAX / 4);
	while (r == CLI_OK && taken < n_wanted) {
		while (r == CLI_OK && asked < n_wanted &&
		    asked - taken < CARRY_AHEAD)
			r = carry_ask(c, text_of(wanted[asked++], "id"));
		if (r == CLI_OK)
			r = take_one(ex, form, c, wanted[taken++], &bytes);
	}
	buf_deinit(&bytes);
	free(wanted);
	show_progress(ex, false);
	return r;
}

static int
take_page(struct exporter *ex, const struct export_form *form, struct carry *c,
    const char *number, char after[16], size_t *ret_n)
{
	struct admin_answer a;
	json_t *args = json_pack("{s:s,s:s,s:s}", "address",
	    ex->cli->operands[0], "number", number, "after", after);
	int r = admin_ask(ex->cli, "export entries", args, &a);

	*ret_n = 0;
	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&a);
	*ret_n = json_array_size(a.rows);
	if (r == CLI_OK && *ret_n > 0) {
		(void)snprintf(after, 16, "%s",
		    text_of(json_array_get(a.rows, *ret_n - 1), "uid"));
		r = take_rows(ex, form, c, a.rows);
	}
	admin_answer_deinit(&a);
	return r;
}

static int
take_mailbox(struct exporter *ex, const struct export_form *form,
    struct carry *c, const json_t *row)
{
	char after[16] = "0";
	size_t n = 0;
	int end, r = form->begin(ex, text_of(row, "mailbox"));

	if (r != CLI_OK)
		return r;
	do
		r = take_page(ex, form, c, text_of(row, "number"), after, &n);
	while (r == CLI_OK && n > 0);
	end = form->end(ex, r == CLI_OK);
	return r == CLI_OK ? end : r;
}

/* -- the command
 * ---------------------------------------------------------------------- */

static int
take_mailboxes(struct exporter *ex, const struct export_form *form,
    struct carry *c, const json_t *rows)
{
	const char *only = cli_option(ex->cli, "mailbox");
	bool found = only == NULL;
	int r = CLI_OK;

	for (size_t i = 0; r == CLI_OK && i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		if (only != NULL && strcmp(only, text_of(row, "mailbox")) != 0)
			continue;
		found = true;
		r = take_mailbox(ex, form, c, row);
	}
	return found
	    ? r
	    : cli_fail(CLI_REFUSED, "%s: there is no such mailbox", only);
}

static int
take_account(struct exporter *ex, const struct export_form *form)
{
	struct admin_answer a;
	struct carry *c = NULL;
	json_t *args = json_pack("{s:s}", "address", ex->cli->operands[0]);
	int r = admin_ask(ex->cli, "export mailboxes", args, &a);

	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&a);
	if (r == CLI_OK)
		r = carry_open(ex->cli, "export", ex->cli->operands[0], &c);
	if (r == CLI_OK)
		r = take_mailboxes(ex, form, c, a.rows);
	carry_close(c);
	admin_answer_deinit(&a);
	return r;
}

static int
print_counts(const struct exporter *ex)
{
	json_t *all;
	int r;

	show_progress(ex, true);
	if (!ex->cli->json) {
		(void)printf("%" PRIu64 " mails, %" PRIu64
			     " of them written now\n",
		    ex->n_mails, ex->n_new);
		return CLI_OK;
	}
	all = json_pack("{s:I,s:I,s:I}", "mails", (json_int_t)ex->n_mails,
	    "new", (json_int_t)ex->n_new, "failed", (json_int_t)ex->n_failed);
	r = admin_print_json(all);
	json_decref(all);
	return r;
}

static int
run(struct cli *cli)
{
	const char *target = cli->operands[1];
	struct exporter ex = { .cli = cli,
		.keeps_crlf = cli_option(cli, "crlf") != NULL,
		.is_one = cli_option(cli, "mailbox") != NULL };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t n = strlen(forms[i]->prefix);
		int r;

		if (strncmp(target, forms[i]->prefix, n) != 0)
			continue;
		ex.path = target + n;
		r = take_account(&ex, forms[i]);
		if (r == CLI_OK)
			r = print_counts(&ex);
		return r == CLI_OK && ex.n_failed > 0 ? CLI_REFUSED : r;
	}
	return cli_fail(CLI_USAGE, "%s: a target is maildir:PATH or mbox:PATH",
	    target);
}

static const struct cli_option options[] = {
	{ "mailbox", 0, CLI_TEXT, "NAME", "only this one, as PATH itself",
	    true },
	{ "crlf", 0, CLI_FLAG, NULL,
	    "the bytes as they are kept, with CRLF (maildir)", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct cli_action actions[] = {
	{ NULL, "ADDRESS TARGET", 2, 2, NULL, options, run, NULL },
};

const struct cli_command cli_export = { "export",
	"writes an account's mail to files", CLI_ACTIONS(actions),
	"TARGET is maildir:PATH (subfolders as of Maildir++) or mbox:PATH (a "
	"directory; each mailbox a file NAME.mbox). Flags, keywords and dates "
	"are kept, lines end in LF. Given again, a Maildir gets what is new "
	"and the flags of today; an mbox is written anew." };
