/* SPDX-License-Identifier: ISC */
/*
 * cli/import_maildir - a Maildir, its subfolders, flags and dates
 *
 * A folder is a directory with cur/ and new/. Below the first one lie others:
 * ".A.B" (Maildir++) is A/B, "A/B" (as directories, Dovecot's layout fs) is
 * A/B; names are modified UTF-7 or UTF-8. Flags stand behind ":2," in a name
 * (S R F T D P, and a to z for the keywords of dovecot-keywords); the date is
 * the file's. Links are not followed (import_open).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/import.h"
#include "imap/utf7.h"
#include "mail/mbox.h"
#include "store/flags.h"

enum {
	KEYWORDS = 26,
	DEPTH = 32
};

struct folder {
	struct importer *im;
	const char *path;
	char mailbox[IMPORT_NAME];
	char keywords[KEYWORDS][64];
};

struct entry {
	char *name;
	bool is_new;
	int64_t date;
};

struct entries {
	struct entry *at;
	size_t n, size;
};

static bool
join(char path[IMPORT_PATH], const char *a, const char *b)
{
	int n = snprintf(path, IMPORT_PATH, "%s/%s", a, b);

	return n > 0 && n < IMPORT_PATH;
}

static bool
is_directory(const struct importer *im, const char *path)
{
	int fd = import_open(im, path, O_DIRECTORY);

	if (fd != -1)
		(void)close(fd);
	return fd != -1;
}

/* -- what is in a folder
 * ------------------------------------------------------------ */

static bool
add_entry(struct entries *all, const char *name, bool is_new, int64_t date)
{
	struct entry *at;

	if (all->n == all->size) {
		size_t size = all->size == 0 ? 256 : all->size * 2;

		at = reallocarray(all->at, size, sizeof(*at));
		if (at == NULL)
			return false;
		all->at = at;
		all->size = size;
	}
	at = &all->at[all->n];
	*at = (struct entry){ strdup(name), is_new, date };
	all->n += at->name != NULL;
	return at->name != NULL;
}

static int
list_mails(struct folder *f, bool is_new, struct entries *all)
{
	char where[IMPORT_PATH];
	struct dirent *d;
	struct stat st;
	int fd, r = CLI_OK;
	DIR *dir;

	if (!join(where, f->path, is_new ? "new" : "cur"))
		return CLI_OK;
	fd = import_open(f->im, where, O_DIRECTORY);
	dir = fd == -1 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		if (errno != ENOENT)
			import_skip(where, strerror(errno));
		return CLI_OK;
	}
	while (r == CLI_OK && (d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' &&
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) &&
		    !add_entry(all, d->d_name, is_new,
			(int64_t)st.st_mtim.tv_sec * TIME_SECOND))
			r = cli_fail(CLI_REFUSED, "out of memory");
	(void)closedir(dir);
	return r;
}

/* Oldest first; the names of a second in their own order. */
static int
compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->date != y->date ? (x->date > y->date) - (x->date < y->date)
				  : strcmp(x->name, y->name);
}

/* "0 name" a line */
static void
read_keywords(struct folder *f)
{
	char path[IMPORT_PATH], line[128], word[64];
	unsigned n;
	int fd;
	FILE *in;

	if (!join(path, f->path, "dovecot-keywords"))
		return;
	fd = import_open(f->im, path, 0);
	in = fd == -1 ? NULL : fdopen(fd, "r");
	if (in == NULL)
		return;
	while (fgets(line, sizeof(line), in) != NULL)
		if (sscanf(line, "%u %63s", &n, word) == 2 && n < KEYWORDS)
			(void)snprintf(f->keywords[n], sizeof(word), "%s",
			    word);
	(void)fclose(in);
}

/* -- one mail
 * ----------------------------------------------------------------------- */

static void
take_flags(const struct folder *f, const char *name, uint8_t *flags,
    struct buf *keywords)
{
	static const struct {
		char letter;
		uint8_t flag;
	} all[] = { { 'S', FLAG_SEEN }, { 'R', FLAG_ANSWERED },
		{ 'F', FLAG_FLAGGED }, { 'T', FLAG_DELETED },
		{ 'D', FLAG_DRAFT } };
	const char *info = strstr(name, ":2,");

	for (info = info == NULL ? "" : info + 3; *info != '\0'; info++) {
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
			if (*info == all[i].letter)
				*flags |= all[i].flag;
		if (*info == 'P')
			(void)buf_add_cstr(keywords, "$Forwarded ");
		if (*info >= 'a' && *info <= 'z' &&
		    f->keywords[*info - 'a'][0] != '\0')
			(void)buf_printf(keywords, "%s ",
			    f->keywords[*info - 'a']);
	}
	(void)buf_add_byte(keywords, '\0');
}

static int
put_mail(struct folder *f, const struct entry *e, const char *path,
    struct slice text)
{
	struct import_mail m = {
		.label = path, .mailbox = f->mailbox, .date = e->date
	};
	struct buf bytes, keywords;
	int r;

	buf_init(&bytes, 2 * text.len + 1);
	buf_init(&keywords, LIMIT_KEYWORDS);
	if (!e->is_new)
		take_flags(f, e->name, &m.flags, &keywords);
	m.keywords =
	    keywords.len == 0 ? "" : (const char *)buf_slice(&keywords).at;
	r = mbox_to_crlf(text, &bytes) != 0
	    ? cli_fail(CLI_REFUSED, "out of memory")
	    : CLI_OK;
	m.bytes = buf_slice(&bytes);
	if (r == CLI_OK)
		r = import_put(f->im, &m);
	buf_deinit(&bytes);
	buf_deinit(&keywords);
	return r;
}

/* A program may rename it meanwhile: then it is found the next time. */
static int
take_mail(struct folder *f, const struct entry *e)
{
	char where[IMPORT_PATH], path[IMPORT_PATH];
	char *text;
	size_t len;
	int r;

	if (!join(where, f->path, e->is_new ? "new" : "cur") ||
	    !join(path, where, e->name))
		return CLI_OK;
	if (!import_read_file(f->im, path, &text, &len))
		return CLI_OK; /* told */
	r = put_mail(f, e, path, slice_of(text, len));
	free(text);
	return r;
}

static int
take_folder(struct importer *im, const char *path, const char *name)
{
	struct folder *f = calloc(1, sizeof(*f));
	struct entries all = { 0 };
	int r = CLI_OK;

	if (f == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	f->im = im;
	f->path = path;
	if (!import_name(im, name, f->mailbox)) {
		import_skip(path, "its name is none for a mailbox");
		free(f);
		return CLI_OK;
	}
	read_keywords(f);
	r = import_mailbox(im, f->mailbox);
	if (r == CLI_OK)
		r = list_mails(f, true, &all);
	if (r == CLI_OK)
		r = list_mails(f, false, &all);
	if (all.n > 0)
		qsort(all.at, all.n, sizeof(all.at[0]), compare_entries);
	for (size_t i = 0; i < all.n; i++) {
		if (r == CLI_OK)
			r = take_mail(f, &all.at[i]);
		free(all.at[i].name);
	}
	free(all.at);
	free(f);
	return r;
}

/* -- folders
 * ------------------------------------------------------------------------ */

/* "&AC4-" is how a "." within a level is written; no well-formed modified
 * UTF-7 has it. False: too long. */
static bool
read_dots(struct slice level, char ret[IMPORT_PATH], size_t *ret_len)
{
	size_t len = 0;

	if (level.len >= IMPORT_PATH)
		return false;
	while (level.len > 0) {
		bool is_dot = slice_skip(&level, SLICE("&AC4-"));

		ret[len++] = is_dot ? '.' : (char)level.at[0];
		level = slice_from(level, is_dot ? 0 : 1);
	}
	*ret_len = len;
	return true;
}

/* One level of a name, as it stands on the disk; appended to ret. */
static bool
add_level(char ret[IMPORT_NAME], const char *level, size_t n)
{
	uint8_t text[IMPORT_NAME];
	char dotted[IMPORT_PATH];
	struct slice in;
	size_t at = strlen(ret), len = 0;

	if (!read_dots(slice_of(level, n), dotted, &n))
		return false;
	in = slice_of(dotted, n);

	if (!imap_utf7_decode(in, text, sizeof(text) - 1, &len)) {
		if (n >= sizeof(text) || !slice_is_utf8(in))
			return false;
		memcpy(text, dotted, n);
		len = n;
	}
	if (len == 0 || at + len + 2 > IMPORT_NAME)
		return false;
	if (at > 0)
		ret[at++] = '/';
	for (size_t i = 0; i < len; i++) /* no level has one inside */
		ret[at + i] = text[i] == '/' ? '_' : (char)text[i];
	ret[at + len] = '\0';
	return true;
}

/* ".A.B" */
static bool
read_dotted(const char *name, char ret[IMPORT_NAME])
{
	ret[0] = '\0';
	while (*name == '.') {
		size_t n = strcspn(++name, ".");

		if (!add_level(ret, name, n))
			return false;
		name += n;
	}
	return ret[0] != '\0';
}

static bool
is_own(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 ||
	    strcmp(name, "tmp") == 0;
}

static bool
is_maildir(const struct importer *im, const char *path)
{
	char cur[IMPORT_PATH];

	return join(cur, path, "cur") && is_directory(im, cur);
}

static int take_tree(struct importer *im, const char *path, const char *name,
    unsigned depth);

static int
take_below(struct importer *im, const char *path, const char *name,
    const char *entry, unsigned depth)
{
	char below[IMPORT_PATH], full[IMPORT_NAME];

	if (!join(below, path, entry) || !is_directory(im, below))
		return CLI_OK;
	(void)snprintf(full, sizeof(full), "%s", name);
	if (entry[0] == '.' && depth == 0) {
		if (!is_maildir(im, below))
			return CLI_OK;
		if (read_dotted(entry, full))
			return take_folder(im, below, full);
	} else if (entry[0] == '.' || is_own(entry)) {
		return CLI_OK;
	} else if (add_level(full, entry, strlen(entry))) {
		return take_tree(im, below, full, depth + 1);
	}
	import_skip(below, "its name is none for a mailbox");
	return CLI_OK;
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
take_tree(struct importer *im, const char *path, const char *name,
    unsigned depth)
{
	struct dirent **all;
	int fd, n, r = CLI_OK;

	if (is_maildir(im, path))
		r = take_folder(im, path, name);
	fd = import_open(im, path, O_DIRECTORY);
	n = r == CLI_OK && depth < DEPTH && fd != -1
	    ? scandirat(fd, ".", &all, NULL, compare_names)
	    : -1;
	if (fd != -1)
		(void)close(fd);
	for (int i = 0; i < n; i++) {
		if (r == CLI_OK && strcmp(all[i]->d_name, ".") != 0 &&
		    strcmp(all[i]->d_name, "..") != 0)
			r = take_below(im, path, name, all[i]->d_name, depth);
		free(all[i]);
	}
	if (n >= 0)
		free(all);
	return r;
}

int
import_maildir(struct importer *im, const char *path)
{
	int r = import_open_root(im, path);

	return r == CLI_OK ? take_tree(im, path, "", 0) : r;
}
