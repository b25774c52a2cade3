/* SPDX-License-Identifier: ISC */
/*
 * cli/export_mbox - one file a mailbox (mboxrd; mail/mbox has the form)
 *
 * Written beside its place and moved there when it is whole, so that a run
 * that is broken off leaves the file of the last one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/export.h"
#include "mail/mbox.h"

struct mbox {
	FILE *out;
	char path[EXPORT_PATH], tmp[EXPORT_PATH + 8];
};

static int
open_file(struct mbox *b)
{
	char directory[EXPORT_PATH];
	char *slash;
	int r = CLI_OK;

	(void)snprintf(directory, sizeof(directory), "%s", b->path);
	slash = strrchr(directory, '/');
	if (slash != NULL && slash != directory) {
		*slash = '\0';
		r = export_make_directories(directory);
	}
	(void)snprintf(b->tmp, sizeof(b->tmp), "%s.tmp", b->path);
	if (r == CLI_OK) {
		b->out = fopen(b->tmp, "we");
		if (b->out == NULL)
			r = cli_fail(CLI_REFUSED, "%s: %s", b->tmp,
			    strerror(errno));
	}
	return r;
}

/* A name may not lead out of the directory, nor hide there: ".x" is "_.x". */
static bool
print_path(char ret[EXPORT_PATH], const char *root, const char *mailbox)
{
	int n = snprintf(ret, EXPORT_PATH, "%s", root);
	size_t at = n < 0 || n >= EXPORT_PATH ? EXPORT_PATH : (size_t)n;

	while (*mailbox != '\0' && at < EXPORT_PATH) {
		size_t len = strcspn(mailbox, "/");

		n = snprintf(ret + at, EXPORT_PATH - at, "/%s%.*s",
		    mailbox[0] == '.' ? "_" : "", (int)len, mailbox);
		at += n < 0 ? EXPORT_PATH : (size_t)n;
		mailbox += len + (mailbox[len] == '/');
	}
	if (at + 5 >= EXPORT_PATH)
		return false;
	memcpy(ret + at, ".mbox", 6);
	return true;
}

static int
begin(struct exporter *ex, const char *mailbox)
{
	struct mbox *b = calloc(1, sizeof(*b));
	int r;

	if (b == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (ex->is_one
		? snprintf(b->path, EXPORT_PATH, "%s", ex->path) >= EXPORT_PATH
		: !print_path(b->path, ex->path, mailbox))
		r = cli_fail(CLI_REFUSED, "%s: its name is too long", mailbox);
	else
		r = open_file(b);
	if (r != CLI_OK) {
		free(b);
		return r;
	}
	ex->form = b;
	return CLI_OK;
}

static bool
wants(struct exporter *ex, const struct export_mail *m)
{
	(void)ex;
	(void)m;
	return true;
}

static int
put(struct exporter *ex, const struct export_mail *m, struct slice bytes)
{
	struct mbox *b = ex->form;
	struct buf text;
	struct slice s;
	int r;

	buf_init(&text, SIZE_MAX / 4);
	r = mbox_print(bytes, m->date, m->flags, slice_cstr(m->keywords),
	    &text);
	s = buf_slice(&text);
	if (r != 0)
		r = cli_fail(CLI_REFUSED, "out of memory");
	else if (fwrite(s.at, 1, s.len, b->out) != s.len)
		r = cli_fail(CLI_REFUSED, "%s: %s", b->tmp, strerror(errno));
	buf_deinit(&text);
	return r;
}

static int
end(struct exporter *ex, bool is_whole)
{
	struct mbox *b = ex->form;
	bool is_ok = fclose(b->out) == 0;
	int r = CLI_OK;

	if (is_whole && is_ok)
		is_ok = rename(b->tmp, b->path) == 0;
	if (!is_ok)
		r = cli_fail(CLI_REFUSED, "%s: %s", b->path, strerror(errno));
	if (!is_whole || !is_ok)
		(void)unlink(b->tmp);
	free(b);
	ex->form = NULL;
	return r;
}

const struct export_form export_mbox = { "mbox:", begin, wants, put, end };
