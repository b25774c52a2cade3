/* SPDX-License-Identifier: ISC */
#include "cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

enum {
	PROGRESS_MS = 200
};

struct import_seen {
	struct id digest;
	uint32_t n;
};

/* -- what is here already
 * ----------------------------------------------------------- */

static int
compare_known(const void *a, const void *b)
{
	const struct import_known *x = a, *y = b;
	int r = id_compare(&x->source, &y->source);

	return r != 0 ? r : (x->uid > y->uid) - (x->uid < y->uid);
}

static int
add_known(struct importer *im, const json_t *row)
{
	const char *source = json_string_value(json_object_get(row, "source"));
	const char *uid = json_string_value(json_object_get(row, "uid"));
	struct import_known *k;

	if (im->n_known == im->size_known) {
		size_t size = im->size_known == 0 ? 1024 : im->size_known * 2;

		k = reallocarray(im->known, size, sizeof(*k));
		if (k == NULL)
			return cli_fail(CLI_REFUSED, "out of memory");
		im->known = k;
		im->size_known = size;
	}
	k = &im->known[im->n_known];
	if (source == NULL || uid == NULL ||
	    !id_parse(slice_cstr(source), &k->source))
		return cli_fail(CLI_REFUSED, "the answer is not of its form");
	k->uid = (uint32_t)strtoul(uid, NULL, 10);
	im->n_known++;
	return CLI_OK;
}

/* A page; *ret_n: how many. The last of them is where the next begins. */
static int
read_page(struct importer *im, size_t *ret_n)
{
	struct admin_answer a;
	json_t *args = json_pack("{s:s}", "address", im->address);
	char source[ID_TEXT + 1], uid[16];
	int r;

	if (im->n_known > 0) {
		const struct import_known *last = &im->known[im->n_known - 1];

		id_print(&last->source, source);
		(void)snprintf(uid, sizeof(uid), "%" PRIu32, last->uid);
		(void)json_object_set_new(args, "source", json_string(source));
		(void)json_object_set_new(args, "uid", json_string(uid));
	}
	*ret_n = 0;
	r = admin_ask(im->cli, "import known", args, &a);
	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&a);
	for (size_t i = 0; r == CLI_OK && i < json_array_size(a.rows); i++)
		r = add_known(im, json_array_get(a.rows, i));
	*ret_n = json_array_size(a.rows);
	admin_answer_deinit(&a);
	return r;
}

static int
read_known(struct importer *im)
{
	size_t n = 0;
	int r;

	do
		r = read_page(im, &n);
	while (r == CLI_OK && n > 0);
	return r;
}

static int
forget_known(struct importer *im)
{
	struct admin_answer a;
	json_t *args = json_pack("{s:s}", "address", im->address);
	int r = admin_ask(im->cli, "import forget", args, &a);

	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&a);
	admin_answer_deinit(&a);
	return r;
}

/* -- one mail
 * ----------------------------------------------------------------------- */

static void
digest(const struct import_mail *m, struct id *ret)
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, ID_SIZE);
	(void)crypto_generichash_update(&state, (const uint8_t *)m->mailbox,
	    strlen(m->mailbox) + 1);
	(void)crypto_generichash_update(&state, m->bytes.at, m->bytes.len);
	(void)crypto_generichash_final(&state, ret->bytes, ID_SIZE);
}

/* The n-th of those that are the same; 0: out of memory. */
static uint32_t
count_seen(struct importer *im, const struct id *id)
{
	struct import_seen *s = map_get(&im->seen, id_slice(id));

	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return 0;
		s->digest = *id;
		if (map_put(&im->seen, id_slice(&s->digest), s) != 0) {
			free(s);
			return 0;
		}
	}
	return ++s->n;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
import_progress(struct importer *im, bool is_last)
{
	int64_t now;

	if (!im->shows_progress)
		return;
	now = now_ms();
	if (!is_last && now - im->told < PROGRESS_MS)
		return;
	im->told = now;
	(void)fprintf(stderr, "\r%" PRIu64 " mails, %" PRIu64 " of them new%s",
	    im->n_mails, im->n_new, is_last ? "\n" : "");
	(void)fflush(stderr);
}

static bool
is_keyword(const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (word[i] <= ' ' || word[i] == 0x7f ||
		    strchr("(){%*\"\\]", word[i]) != NULL)
			return false;
	return n > 0;
}

static int
compare_words(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a,
	    *(const struct slice *)b);
}

/* RFC 3501, atom. No mail stays behind because of a word that is none. */
void
import_clean_keywords(const char *in, char out[LIMIT_KEYWORDS])
{
	struct slice words[LIMIT_KEYWORDS / 4];
	size_t n_words = 0, len = 0;

	while (*in != '\0' && n_words < LIMIT_KEYWORDS / 4) {
		size_t n = strcspn(in, " ");
		struct slice word = slice_of(in, n);
		bool is_known = false;

		for (size_t i = 0; i < n_words; i++)
			is_known |= slice_equal_nocase(word, words[i]);
		if (!is_known && is_keyword(in, n) &&
		    len + n + 2 < LIMIT_KEYWORDS / 2) {
			words[n_words++] = word;
			len += n + 1;
		}
		in += n + (in[n] == ' ');
	}
	if (n_words > 0)
		qsort(words, n_words, sizeof(words[0]), compare_words);
	out[0] = '\0';
	len = 0;
	for (size_t i = 0; i < n_words; i++)
		len += (size_t)snprintf(out + len, LIMIT_KEYWORDS - len,
		    "%s%.*s", i > 0 ? " " : "", SLICE_FMT(words[i]));
}

int
import_put(struct importer *im, const struct import_mail *m)
{
	char keywords[LIMIT_KEYWORDS];
	struct carry_mail out = { .label = m->label,
		.mailbox = m->mailbox,
		.flags = m->flags,
		.keywords = keywords,
		.date = m->date,
		.zone = m->zone,
		.bytes = m->bytes };
	struct import_known key;

	import_clean_keywords(m->keywords, keywords);
	im->n_mails++;
	digest(m, &out.source);
	out.uid = count_seen(im, &out.source);
	if (out.uid == 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	key = (struct import_known){ out.source, out.uid };
	if (im->n_known > 0 &&
	    bsearch(&key, im->known, im->n_known, sizeof(key), compare_known) !=
		NULL) {
		im->n_known_mails++;
		import_progress(im, false);
		return CLI_OK;
	}
	im->n_new++;
	import_progress(im, false);
	return im->is_dry ? CLI_OK : carry_put(im->carry, &out);
}

int
import_mailbox(struct importer *im, const char *mailbox)
{
	return import_mailbox_make(im, mailbox, true);
}

int
import_mailbox_make(struct importer *im, const char *mailbox, bool subscribes)
{
	struct admin_answer a;
	json_t *args;
	int r;

	if (im->is_dry)
		return CLI_OK;
	args = json_pack("{s:s,s:s,s:s}", "address", im->address, "mailbox",
	    mailbox, "subscribe", subscribes ? "1" : "");
	r = admin_ask(im->cli, "import mailbox", args, &a);
	json_decref(args);
	if (r != CLI_OK)
		return r;
	if (a.code == 501) /* as a name; its mails are refused and told */
		import_skip(mailbox, a.text);
	else
		r = admin_status(&a);
	admin_answer_deinit(&a);
	return r;
}

bool
import_name(const struct importer *im, const char *folder,
    char ret[IMPORT_NAME])
{
	const char *into = im->into == NULL ? "" : im->into;
	int n;

	if (folder[0] == '\0' || strcasecmp(folder, "INBOX") == 0)
		n = snprintf(ret, IMPORT_NAME, "%s",
		    into[0] == '\0' ? "INBOX" : into);
	else
		n = snprintf(ret, IMPORT_NAME, "%s%s%s", into,
		    into[0] == '\0' ? "" : "/", folder);
	return n > 0 && n < IMPORT_NAME && slice_is_utf8(slice_cstr(ret));
}

void
import_skip(const char *what, const char *why)
{
	char clean[TABLE_CELL];

	table_clean(slice_cstr(what), clean);
	(void)cli_fail(CLI_REFUSED, "%s: %s", clean, why);
}

/* -- files that are somebody's
 * ------------------------------------------------------ */

int
import_open_root(struct importer *im, const char *path)
{
	im->root = path;
	im->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return im->root_fd != -1
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
}

int
import_open(const struct importer *im, const char *path, int flags)
{
	struct open_how how = { .resolve =
				    RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH };
	const char *below = path + strlen(im->root);
	long fd;

	/* NONBLOCK: a pipe is nobody's mail */
	flags |= O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
	how.flags = (unsigned)flags;
	while (*below == '/')
		below++;
	if (*below == '\0')
		below = ".";
	fd = syscall(SYS_openat2, im->root_fd, below, &how, sizeof(how));
	if (fd == -1 && errno == ENOSYS) /* before Linux 5.6 */
		fd = openat(im->root_fd, below, flags);
	return (int)fd;
}

static bool
read_whole(int fd, char *at, size_t size, size_t *ret_len)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, at + len, size - len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return true;
}

bool
import_read_file(const struct importer *im, const char *path, char **ret,
    size_t *ret_len)
{
	int fd = import_open(im, path, 0);
	struct stat st;
	char *at = NULL;
	bool is_ok = false;

	if (fd == -1 || fstat(fd, &st) != 0)
		import_skip(path, strerror(errno));
	else if (!S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)LIMIT_MESSAGE_SIZE_MAX)
		import_skip(path, "no file, or too large for a mail");
	else if ((at = malloc((size_t)st.st_size + 1)) == NULL)
		import_skip(path, "out of memory");
	else if (!read_whole(fd, at, (size_t)st.st_size, ret_len))
		import_skip(path, strerror(errno));
	else
		is_ok = true;
	if (fd != -1)
		(void)close(fd);
	if (is_ok)
		*ret = at;
	else
		free(at);
	return is_ok;
}

/* -- the command
 * ---------------------------------------------------------------------- */

static int
print_counts(struct importer *im)
{
	static const struct carry_counts none;
	const struct carry_counts *c =
	    im->carry == NULL ? &none : carry_counts(im->carry);
	uint64_t n_new = im->is_dry ? im->n_new : c->n_new;
	uint64_t n_known = im->n_known_mails + c->n_known;
	json_t *all;
	int r;

	if (im->cli->json) {
		all = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "new",
		    (json_int_t)n_new, "known", (json_int_t)n_known, "refused",
		    (json_int_t)c->n_refused, "bytes", (json_int_t)c->bytes,
		    "flags", (json_int_t)im->n_flags, "gone",
		    (json_int_t)im->n_gone, "missing",
		    (json_int_t)im->n_missing, "dry_run", (int)im->is_dry);
		r = admin_print_json(all);
		json_decref(all);
		return r;
	}
	(void)printf("%" PRIu64 " mails %s, %" PRIu64
		     " were here already, %" PRIu64 " were refused\n",
	    n_new, im->is_dry ? "would be imported" : "imported", n_known,
	    c->n_refused);
	if (im->n_flags + im->n_gone + im->n_missing > 0)
		(void)printf("%" PRIu64 " had other flags, %" PRIu64
			     " have gone, %" PRIu64 " were not given out\n",
		    im->n_flags, im->n_gone, im->n_missing);
	return CLI_OK;
}

static const struct {
	const char *prefix;
	int (*run)(struct importer *im, const char *path);
} sources[] = {
	{ "maildir:", import_maildir },
	{ "mbox:", import_mbox },
	{ "imap://", import_imap },
	{ "imaps://", import_imaps },
};

static int
run_source(struct importer *im, const char *source)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		size_t n = strlen(sources[i].prefix);

		if (strncmp(source, sources[i].prefix, n) == 0)
			return sources[i].run(im, source + n);
	}
	return cli_fail(CLI_USAGE, "%s: a source is maildir:PATH or mbox:PATH",
	    source);
}

static void
free_seen(struct importer *im)
{
	struct import_seen *s;
	size_t at = 0;

	while ((s = map_next(&im->seen, &at)) != NULL) {
		(void)map_take(&im->seen, id_slice(&s->digest));
		free(s);
	}
	map_deinit(&im->seen);
}

static int
begin(struct importer *im)
{
	uint8_t seed[MAP_SEED];
	int r = CLI_OK;

	randombytes_buf(seed, sizeof(seed));
	map_init(&im->seen, seed);
	if (cli_option(im->cli, "again") != NULL && !im->is_dry)
		r = forget_known(im);
	if (r == CLI_OK && cli_option(im->cli, "again") == NULL)
		r = read_known(im);
	if (r == CLI_OK && im->n_known > 0)
		qsort(im->known, im->n_known, sizeof(im->known[0]),
		    compare_known);
	if (r == CLI_OK && !im->is_dry)
		r = carry_open(im->cli, "import", im->address, &im->carry);
	return r;
}

static int
run(struct cli *cli)
{
	struct importer im = { .cli = cli,
		.address = cli->operands[1],
		.into = cli_option(cli, "mailbox"),
		.is_dry = cli_option(cli, "dry-run") != NULL,
		.shows_progress = isatty(STDERR_FILENO) != 0,
		.root_fd = -1 };
	int r = begin(&im);

	if (r == CLI_OK)
		r = run_source(&im, cli->operands[0]);
	if (r == CLI_OK && im.carry != NULL)
		r = carry_finish(im.carry);
	import_progress(&im, true);
	if (r != CLI_USAGE && (r == CLI_OK || im.carry != NULL))
		(void)print_counts(&im);
	if (r == CLI_OK && im.carry != NULL &&
	    carry_counts(im.carry)->n_refused + im.n_missing > 0)
		r = CLI_REFUSED;
	carry_close(im.carry);
	if (im.root_fd != -1)
		(void)close(im.root_fd);
	free(im.known);
	free_seen(&im);
	return r;
}

static const struct cli_option options[] = {
	{ "mailbox", 0, CLI_TEXT, "NAME",
	    "into this mailbox and below it, in place of INBOX", true },
	{ "dry-run", 0, CLI_FLAG, NULL, "only counts", true },
	{ "delete", 0, CLI_FLAG, NULL,
	    "of another server: what has gone there goes here, too", true },
	{ "password-file", 0, CLI_TEXT, "FILE",
	    "the password over there (-: standard input)", true },
	{ "ca", 0, CLI_TEXT, "FILE", "authorities for its certificate (PEM)",
	    true },
	{ "insecure", 0, CLI_FLAG, NULL,
	    "any certificate, and no TLS where there is none", true },
	{ "again", 0, CLI_FLAG, NULL, "also what an earlier import has brought",
	    true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct cli_action actions[] = {
	{ NULL, "SOURCE ADDRESS", 2, 2, NULL, options, run, NULL },
};

const struct cli_command cli_import = { "import",
	"puts mail of files, or of another server, into an account",
	CLI_ACTIONS(actions),
	"SOURCE is maildir:PATH (subfolders as of Maildir++ or as "
	"directories), mbox:PATH (a file, or a directory of them), or an "
	"account of another server, imaps://USER@HOST[:PORT] or imap:// with "
	"STARTTLS; its password comes from --password-file, "
	"$ULAK_IMPORT_PASSWORD or the terminal. Flags, keywords and dates are "
	"kept; mailboxes that are not there are made. Given again, "
	"also after it was broken off, it brings what is not here yet." };
