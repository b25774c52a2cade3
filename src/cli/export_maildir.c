/* SPDX-License-Identifier: ISC */
/*
 * cli/export_maildir - a Maildir with subfolders as of Maildir++
 *
 * A mail's file is SECONDS.U<uid>.ID:2,FLAGS, written in tmp/ and moved to
 * cur/ when it is whole; the part before the colon names it for ever, so that
 * a second run finds it and only changes the flags. Files of mails that have
 * gone stay. "." in a name is written as "&AC4-", names are modified UTF-7.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/time.h"
#include "cli/export.h"
#include "imap/utf7.h"
#include "mail/mbox.h"
#include "store/flags.h"

enum {
	KEYWORDS = 26,
	FILE_NAME = 256
};

struct maildir {
	char path[EXPORT_PATH];
	struct map files; /* base -> its whole name, malloc'd */
	char keywords[KEYWORDS][LIMIT_KEYWORDS];
	size_t n_keywords;
};

/* -- names
 * ------------------------------------------------------------------------ */

/* "A/B.c" becomes ".A.B&AC4-c" */
static bool
folder_name(const char *mailbox, char ret[EXPORT_PATH])
{
	uint8_t text[IMAP_UTF7_MAX(LIMIT_MAILBOX_NAME)];
	struct slice name = slice_cstr(mailbox);
	size_t len = 0, at = 0;

	if (!imap_utf7_encode(name, text, sizeof(text), &len) ||
	    6 * len + 2 > EXPORT_PATH)
		return false;
	ret[at++] = '.';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			memcpy(ret + at, "&AC4-", 5);
			at += 5;
		} else {
			ret[at++] = text[i] == '/' ? '.' : (char)text[i];
		}
	}
	ret[at] = '\0';
	return true;
}

static bool
join(char ret[EXPORT_PATH], const char *a, const char *b, const char *c)
{
	int n = snprintf(ret, EXPORT_PATH, "%s/%s%s%s", a, b,
	    c == NULL ? "" : "/", c == NULL ? "" : c);

	return n > 0 && n < EXPORT_PATH;
}

/* -- what is there
 * ------------------------------------------------------------------ */

static struct slice
base_of(const char *name)
{
	return slice_upto(slice_cstr(name), strcspn(name, ":"));
}

static int
list_files(struct maildir *d)
{
	char cur[EXPORT_PATH];
	struct dirent *e;
	DIR *dir;

	if (!join(cur, d->path, "cur", NULL) || (dir = opendir(cur)) == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", d->path,
		    strerror(errno));
	while ((e = readdir(dir)) != NULL) {
		char *name = e->d_name[0] == '.' ? NULL : strdup(e->d_name);

		if (name != NULL &&
		    (map_get(&d->files, base_of(name)) != NULL ||
			map_put(&d->files, base_of(name), name) != 0))
			free(name);
	}
	(void)closedir(dir);
	return CLI_OK;
}

static void
read_keywords(struct maildir *d)
{
	char path[EXPORT_PATH], line[LIMIT_KEYWORDS + 16];
	unsigned n;
	int at;
	FILE *in;

	if (!join(path, d->path, "dovecot-keywords", NULL) ||
	    (in = fopen(path, "r")) == NULL)
		return;
	while (fgets(line, sizeof(line), in) != NULL &&
	    d->n_keywords < KEYWORDS) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%u %n", &n, &at) == 1 && n == d->n_keywords)
			(void)snprintf(d->keywords[d->n_keywords++],
			    LIMIT_KEYWORDS, "%s", line + at);
	}
	(void)fclose(in);
}

static int
write_keywords(const struct maildir *d)
{
	char path[EXPORT_PATH];
	FILE *out;

	if (d->n_keywords == 0 ||
	    !join(path, d->path, "dovecot-keywords", NULL))
		return CLI_OK;
	out = fopen(path, "w");
	if (out == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	for (size_t i = 0; i < d->n_keywords; i++)
		(void)fprintf(out, "%zu %s\n", i, d->keywords[i]);
	return fclose(out) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
}

static int
begin(struct exporter *ex, const char *mailbox)
{
	static const uint8_t seed[MAP_SEED] = { 0 }; /* names of our own */
	static const char *const own[] = { "cur", "new", "tmp" };
	struct maildir *d = calloc(1, sizeof(*d));
	char name[EXPORT_PATH] = "", path[EXPORT_PATH];
	bool is_root = ex->is_one || strcmp(mailbox, "INBOX") == 0;
	int r = CLI_OK;

	if (d == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	map_init(&d->files, seed);
	ex->form = d;
	if (is_root
		? snprintf(d->path, EXPORT_PATH, "%s", ex->path) >= EXPORT_PATH
		: !folder_name(mailbox, name) ||
		    !join(d->path, ex->path, name, NULL))
		r = cli_fail(CLI_REFUSED, "%s: its name is too long", mailbox);
	for (size_t i = 0; r == CLI_OK && i < 3; i++) {
		r = join(path, d->path, own[i], NULL)
		    ? export_make_directories(path)
		    : cli_fail(CLI_REFUSED, "%s: too long", mailbox);
	}
	if (r == CLI_OK)
		r = list_files(d);
	if (r == CLI_OK)
		read_keywords(d);
	return r;
}

/* -- a mail
 * ------------------------------------------------------------------------- */

/* 'a' and on; 0: there is no letter left. */
static char
letter_of(struct maildir *d, struct slice word)
{
	for (size_t i = 0; i < d->n_keywords; i++)
		if (slice_equal_nocase(word, slice_cstr(d->keywords[i])))
			return (char)('a' + i);
	if (d->n_keywords == KEYWORDS)
		return '\0';
	(void)slice_to_cstr(word, d->keywords[d->n_keywords], LIMIT_KEYWORDS);
	return (char)('a' + d->n_keywords++);
}

/* In the order of the alphabet, as readers expect. */
static void
print_flags(struct maildir *d, const struct export_mail *m, char out[64])
{
	static const struct {
		char letter;
		uint8_t flag;
	} all[] = { { 'D', FLAG_DRAFT }, { 'F', FLAG_FLAGGED },
		{ 'R', FLAG_ANSWERED }, { 'S', FLAG_SEEN },
		{ 'T', FLAG_DELETED } };
	struct slice words = slice_cstr(m->keywords), word;
	bool has[KEYWORDS] = { false };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if ((m->flags & all[i].flag) != 0)
			out[n++] = all[i].letter;
	while (words.len > 0) {
		char c;

		if (!slice_take_until(&words, ' ', &word)) {
			word = words;
			words.len = 0;
		}
		c = word.len == 0 ? '\0' : letter_of(d, word);
		if (c != '\0')
			has[c - 'a'] = true;
	}
	for (size_t i = 0; i < KEYWORDS; i++)
		if (has[i])
			out[n++] = (char)('a' + i);
	out[n] = '\0';
}

static void
print_name(struct maildir *d, const struct export_mail *m, char out[FILE_NAME])
{
	char flags[64];

	print_flags(d, m, flags);
	(void)snprintf(out, FILE_NAME, "%lld.U%" PRIu32 ".%s:2,%s",
	    (long long)(m->date / TIME_SECOND), m->uid, m->id, flags);
}

static bool
wants(struct exporter *ex, const struct export_mail *m)
{
	struct maildir *d = ex->form;
	char name[FILE_NAME], from[EXPORT_PATH], to[EXPORT_PATH];
	const char *is;

	print_name(d, m, name);
	is = map_get(&d->files, base_of(name));
	if (is == NULL)
		return true;
	if (strcmp(is, name) != 0 && join(from, d->path, "cur", is) &&
	    join(to, d->path, "cur", name) && rename(from, to) != 0)
		(void)cli_fail(CLI_REFUSED, "%s: %s", from, strerror(errno));
	return false;
}

static int
write_file(const char *path, struct slice bytes, int64_t date)
{
	const struct timespec times[2] = { { date / TIME_SECOND, 0 },
		{ date / TIME_SECOND, 0 } };
	int fd = open(path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool is_ok = fd != -1;

	while (is_ok && bytes.len > 0) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n == -1 && errno == EINTR)
			continue;
		is_ok = n > 0;
		if (is_ok)
			bytes = slice_from(bytes, (size_t)n);
	}
	is_ok = is_ok && futimens(fd, times) == 0;
	if (fd != -1 && close(fd) != 0)
		is_ok = false;
	return is_ok ? CLI_OK
		     : cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
}

static int
put(struct exporter *ex, const struct export_mail *m, struct slice bytes)
{
	struct maildir *d = ex->form;
	char name[FILE_NAME], tmp[EXPORT_PATH], cur[EXPORT_PATH];
	struct buf lines;
	int r = CLI_OK;

	print_name(d, m, name);
	if (!join(tmp, d->path, "tmp", name) ||
	    !join(cur, d->path, "cur", name))
		return cli_fail(CLI_REFUSED, "%s: its name is too long",
		    d->path);
	buf_init(&lines, bytes.len + 1);
	if (!ex->keeps_crlf) {
		if (mbox_to_lf(bytes, &lines) != 0)
			r = cli_fail(CLI_REFUSED, "out of memory");
		bytes = buf_slice(&lines);
	}
	if (r == CLI_OK)
		r = write_file(tmp, bytes, m->date);
	if (r == CLI_OK && rename(tmp, cur) != 0)
		r = cli_fail(CLI_REFUSED, "%s: %s", cur, strerror(errno));
	buf_deinit(&lines);
	return r;
}

static int
end(struct exporter *ex, bool is_whole)
{
	struct maildir *d = ex->form;
	size_t at = 0;
	char *name;
	int r = write_keywords(d);

	(void)is_whole; /* each mail is */
	while ((name = map_next(&d->files, &at)) != NULL) {
		(void)map_take(&d->files, base_of(name));
		free(name);
	}
	map_deinit(&d->files);
	free(d);
	ex->form = NULL;
	return r;
}

const struct export_form export_maildir = { "maildir:", begin, wants, put,
	end };
