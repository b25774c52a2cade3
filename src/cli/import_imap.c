/* SPDX-License-Identifier: ISC */
/*
 * cli/import_imap - copies an account from another server, and catches up
 *
 * imap://user@host[:port] (STARTTLS) or imaps://. Mailbox by mailbox: what is
 * there (uids, flags, dates, sizes), what was brought before (the notes at our
 * server: source, UIDVALIDITY, uid), then the mails that are new in batches,
 * two of them asked for at a time; flags that have changed over there since;
 * with --delete also what has gone there. What was changed only here stays.
 *
 * A mailbox with a special use goes to ours of that use. Both ends are
 * strangers to each other: what the other server says is checked against what
 * it was asked, and a mailbox whose name is none here is told and left out.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import_imap_impl.h"
#include "imap/quote.h"
#include "store/flags.h"

enum {
	MAILS = 20 * 1000 * 1000, /* of a mailbox */
	BATCH = 100,              /* mails of one FETCH */
	BATCH_BYTES = 4 * 1024 * 1024
};

/* -- what is over there
 * ------------------------------------------------------------- */

static uint64_t
digest_words(const char *words)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = { 0 };
	uint64_t ret = 0;

	(void)crypto_shorthash((uint8_t *)&ret, (const uint8_t *)words,
	    strlen(words), key);
	return ret;
}

static int
read_words(const struct imap_answer_fetch *f, char ret[LIMIT_KEYWORDS])
{
	struct buf words;
	int r;

	buf_init(&words, 64 * 1024);
	r = imap_answer_keywords(f, &words);
	if (r == 0)
		r = buf_add_byte(&words, '\0');
	import_clean_keywords(r == 0 ? (const char *)buf_slice(&words).at : "",
	    ret);
	buf_deinit(&words);
	return CLI_OK;
}

static int
take_selected(void *ctx, const struct imap_answer *a, struct imap_talk *t)
{
	struct copy *c = ctx;

	(void)t;
	if (a->kind == IMAP_ANSWER_STATUS)
		(void)imap_answer_code(a->rest, SLICE("UIDVALIDITY"),
		    &c->validity);
	return CLI_OK;
}

static int
add_mail(struct copy *c, const struct imap_answer_fetch *f)
{
	char words[LIMIT_KEYWORDS];
	struct remote_mail *m;

	if (c->n_mails == c->size_mails) {
		size_t size = c->size_mails == 0 ? 1024 : c->size_mails * 2;

		if (size > MAILS)
			return cli_fail(CLI_REFUSED, "%s: too many mails",
			    c->host);
		m = reallocarray(c->mails, size, sizeof(*m));
		if (m == NULL)
			return cli_fail(CLI_REFUSED, "out of memory");
		c->mails = m;
		c->size_mails = size;
	}
	(void)read_words(f, words);
	c->mails[c->n_mails++] = (struct remote_mail){ .uid = f->uid,
		.flags = f->flags,
		.is_there = true,
		.size = f->size,
		.words = digest_words(words),
		.date = f->has_date ? f->date : 0,
		.zone = f->zone };
	return CLI_OK;
}

static int
take_row(void *ctx, const struct imap_answer *a, struct imap_talk *t)
{
	struct imap_answer_fetch f;

	if (!slice_equal_nocase(a->word, SLICE("FETCH")))
		return CLI_OK;
	if (!imap_answer_fetch(a->rest, &t->arena, &f))
		return cli_fail(CLI_REFUSED, "%s: a FETCH is not of its form",
		    t->host);
	/* Others come of themselves: somebody has changed flags. */
	return f.has_uid && f.has_flags && f.has_size ? add_mail(ctx, &f)
						      : CLI_OK;
}

static int
compare_mails(const void *a, const void *b)
{
	const struct remote_mail *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

static struct remote_mail *
find_mail(struct copy *c, uint32_t uid)
{
	struct remote_mail key = { .uid = uid };

	return c->n_mails == 0
	    ? NULL
	    : bsearch(&key, c->mails, c->n_mails, sizeof(key), compare_mails);
}

/* One mail a uid, whatever was said. */
static void
sort_mails(struct copy *c)
{
	size_t n = 0;

	if (c->n_mails == 0)
		return;
	qsort(c->mails, c->n_mails, sizeof(c->mails[0]), compare_mails);
	for (size_t i = 0; i < c->n_mails; i++)
		if (n == 0 || c->mails[n - 1].uid != c->mails[i].uid)
			c->mails[n++] = c->mails[i];
	c->n_mails = n;
}

/* -- what was brought before
 * -------------------------------------------------------- */

static int
ask_about(struct copy *c, const char *command, uint32_t uid, const char *flags,
    const char *keywords, struct admin_answer *ret)
{
	char source[ID_TEXT + 1], validity[16], number[16];
	json_t *args;
	int r;

	id_print(&c->source, source);
	(void)snprintf(validity, sizeof(validity), "%" PRIu32, c->validity);
	(void)snprintf(number, sizeof(number), "%" PRIu32, uid);
	args = json_pack("{s:s,s:s,s:s,s:s}", "address", c->im->address,
	    "source", source, "validity", validity, "uid", number);
	if (flags != NULL) {
		(void)json_object_set_new(args, "flags", json_string(flags));
		(void)json_object_set_new(args, "keywords",
		    json_string(keywords));
	}
	r = admin_ask(c->im->cli, command, args, ret);
	json_decref(args);
	if (r == CLI_OK && (r = admin_status(ret)) != CLI_OK)
		admin_answer_deinit(ret);
	return r;
}

/* Told again when it is found: its flags over there have changed. */
static int
sync_flags(struct copy *c, const struct remote_mail *m, const char *words)
{
	struct admin_answer a;
	char flags[8];
	int r;

	c->n_flags++;
	if (c->im->is_dry)
		return CLI_OK;
	(void)snprintf(flags, sizeof(flags), "%u", m->flags);
	r = ask_about(c, "import flags", m->uid, flags, words, &a);
	if (r == CLI_OK)
		admin_answer_deinit(&a);
	return r;
}

static int
sync_gone(struct copy *c, uint32_t uid)
{
	struct admin_answer a;
	int r;

	if (cli_option(c->im->cli, "delete") == NULL)
		return CLI_OK;
	c->n_gone++;
	if (c->im->is_dry)
		return CLI_OK;
	r = ask_about(c, "import gone", uid, NULL, NULL, &a);
	if (r == CLI_OK)
		admin_answer_deinit(&a);
	return r;
}

/* The words of a mail are read again: only their digest was kept. */
static int
take_changed(void *ctx, const struct imap_answer *a, struct imap_talk *t)
{
	struct copy *c = ctx;
	char words[LIMIT_KEYWORDS];
	struct imap_answer_fetch f;
	const struct remote_mail *m;

	if (!slice_equal_nocase(a->word, SLICE("FETCH")) ||
	    !imap_answer_fetch(a->rest, &t->arena, &f) || !f.has_uid ||
	    !f.has_flags)
		return CLI_OK;
	m = find_mail(c, f.uid);
	if (m == NULL || !m->is_known)
		return CLI_OK;
	(void)read_words(&f, words);
	return sync_flags(c,
	    &(struct remote_mail){ .uid = m->uid, .flags = f.flags }, words);
}

static int
take_note(struct copy *c, const json_t *row, uint32_t *ret_uid,
    struct buf *changed)
{
	const char *uid = json_string_value(json_object_get(row, "uid"));
	const char *flags = json_string_value(json_object_get(row, "flags"));
	const char *words = json_string_value(json_object_get(row, "keywords"));
	struct remote_mail *m;

	if (uid == NULL || flags == NULL || words == NULL)
		return cli_fail(CLI_REFUSED, "the answer is not of its form");
	*ret_uid = (uint32_t)strtoul(uid, NULL, 10);
	m = find_mail(c, *ret_uid);
	if (m == NULL)
		return sync_gone(c, *ret_uid);
	m->is_known = true;
	c->im->n_known_mails++;
	if (m->flags == (uint8_t)strtoul(flags, NULL, 10) &&
	    m->words == digest_words(words))
		return CLI_OK;
	return buf_printf(changed, "%s%" PRIu32, changed->len > 0 ? "," : "",
		   m->uid) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

/* A page of notes, then the changed ones of it. */
static int
take_notes(struct copy *c, const json_t *rows, uint32_t *after)
{
	char command[64 * 1024];
	struct buf changed;
	int r = CLI_OK;

	buf_init(&changed, sizeof(command) - 64);
	for (size_t i = 0; r == CLI_OK && i < json_array_size(rows); i++)
		r = take_note(c, json_array_get(rows, i), after, &changed);
	if (r == CLI_OK && changed.len > 0) {
		(void)snprintf(command, sizeof(command),
		    "UID FETCH %.*s (UID FLAGS)",
		    SLICE_FMT(buf_slice(&changed)));
		r = imap_talk_run(&c->talk, command, take_changed, c, NULL);
	}
	buf_deinit(&changed);
	return r;
}

static int
read_notes(struct copy *c)
{
	struct admin_answer a;
	uint32_t after = 0;
	size_t n;
	int r;

	do {
		r = ask_about(c, "import notes", after, NULL, NULL, &a);
		if (r != CLI_OK)
			return r;
		n = json_array_size(a.rows);
		r = take_notes(c, a.rows, &after);
		admin_answer_deinit(&a);
	} while (r == CLI_OK && n > 0);
	return r;
}

/* -- mails
 * -------------------------------------------------------------------------- */

static int
put_mail(struct copy *c, const struct imap_answer_fetch *f)
{
	char words[LIMIT_KEYWORDS], label[HOST + 64];
	struct remote_mail *m = find_mail(c, f->uid);
	struct carry_mail out = { .label = label,
		.mailbox = c->box->mailbox,
		.flags = f->has_flags ? f->flags : 0,
		.keywords = words,
		.source = c->source,
		.validity = c->validity,
		.uid = f->uid,
		.bytes = f->body };

	/* Not asked for, or once more. */
	if (m == NULL || m->is_known || m->has_come)
		return CLI_OK;
	m->has_come = true;
	out.date = m->date;
	out.zone = m->zone;
	(void)read_words(f, words);
	(void)snprintf(label, sizeof(label), "%s: uid %" PRIu32, c->host,
	    f->uid);
	import_progress(c->im, false);
	return carry_put(c->im->carry, &out);
}

/* The next mails that are new, as a command. False: there are none. */
static bool
next_batch(struct copy *c, size_t *at, struct buf *command)
{
	uint64_t bytes = 0;
	size_t n = 0;

	buf_reset(command, 64 * 1024);
	(void)buf_add_cstr(command, "UID FETCH ");
	for (; *at < c->n_mails && n < BATCH && bytes < BATCH_BYTES; ++*at) {
		const struct remote_mail *m = &c->mails[*at];

		if (m->is_known)
			continue;
		(void)buf_printf(command, "%s%" PRIu32, n > 0 ? "," : "",
		    m->uid);
		bytes += m->size;
		n++;
	}
	(void)buf_add_cstr(command, " (UID FLAGS BODY.PEEK[])");
	(void)buf_add_byte(command, '\0');
	c->im->n_mails += n;
	c->im->n_new += n;
	return n > 0;
}

static int
take_mails_until(struct copy *c, unsigned tag)
{
	struct imap_answer a;
	struct imap_answer_fetch f;
	int r;

	while ((r = imap_talk_next(&c->talk, &a)) == CLI_OK) {
		if (imap_talk_is_end(&a, tag))
			return CLI_OK; /* NO: what has not come is told */
		if (a.kind == IMAP_ANSWER_TAGGED ||
		    (a.kind == IMAP_ANSWER_STATUS &&
			slice_equal_nocase(a.word, SLICE("BYE"))))
			return cli_fail(CLI_REFUSED, "%s: ends the session",
			    c->host);
		if (a.kind != IMAP_ANSWER_DATA ||
		    !slice_equal_nocase(a.word, SLICE("FETCH")))
			continue;
		if (!imap_answer_fetch(a.rest, &c->talk.arena, &f))
			return cli_fail(CLI_REFUSED,
			    "%s: a FETCH is not of its form", c->host);
		if (f.has_uid && f.has_body && (r = put_mail(c, &f)) != CLI_OK)
			return r;
	}
	return r;
}

/* Two batches are asked for at a time: the line is never idle. */
static int
bring_mails(struct copy *c)
{
	struct buf command;
	unsigned tags[2] = { 0, 0 }, n_open = 0, tag;
	size_t at = 0;
	int r = CLI_OK;

	buf_init(&command, 64 * 1024);
	while (r == CLI_OK) {
		while (r == CLI_OK && n_open < 2 &&
		    next_batch(c, &at, &command)) {
			if (c->im->is_dry)
				continue;
			r = imap_talk_command(&c->talk,
			    (const char *)buf_slice(&command).at, &tag);
			tags[n_open++] = tag;
		}
		if (r != CLI_OK || n_open == 0)
			break;
		r = take_mails_until(c, tags[0]);
		tags[0] = tags[1];
		n_open--;
	}
	buf_deinit(&command);
	return r;
}

static void
tell_missing(struct copy *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->n_mails; i++)
		n += !c->mails[i].is_known && !c->mails[i].has_come;
	if (n > 0 && !c->im->is_dry)
		(void)cli_fail(CLI_REFUSED,
		    "%s: %" PRIu64 " mails were not given out", c->box->mailbox,
		    n);
	c->im->n_missing += c->im->is_dry ? 0 : n;
}

/* -- one mailbox, all of them
 * ------------------------------------------------------- */

/* What the notes go by: the account over there and the mailbox in it. */
static void
name_source(struct copy *c)
{
	const char *const words[] = { "imap", c->user, c->host, c->box->name };
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, ID_SIZE);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		(void)crypto_generichash_update(&state,
		    (const uint8_t *)words[i], strlen(words[i]) + 1);
	(void)crypto_generichash_final(&state, c->source.bytes, ID_SIZE);
}

static int
select_box(struct copy *c, bool *ret_ok)
{
	struct buf command;
	int r;

	buf_init(&command, 16 * 1024);
	r = buf_add_cstr(&command, "EXAMINE ");
	if (r == 0)
		r = imap_put_string(&command, slice_cstr(c->box->name));
	if (r == 0)
		r = buf_add_byte(&command, '\0');
	r = r != 0
	    ? cli_fail(CLI_REFUSED, "out of memory")
	    : imap_talk_run(&c->talk, (const char *)buf_slice(&command).at,
		  take_selected, c, ret_ok);
	buf_deinit(&command);
	return r;
}

static int
copy_box(struct copy *c)
{
	bool is_ok = false;
	int r;

	c->validity = 0;
	c->n_mails = 0;
	name_source(c);
	r = select_box(c, &is_ok);
	if (r == CLI_OK && (!is_ok || c->validity == 0)) {
		import_skip(c->box->name, "it cannot be opened over there");
		c->im->n_missing++;
		return CLI_OK;
	}
	if (r == CLI_OK)
		r = import_mailbox_make(c->im, c->box->mailbox,
		    c->box->is_subscribed);
	if (r == CLI_OK) /* NO, of some, where it is empty */
		r = imap_talk_run(&c->talk,
		    "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
		    take_row, c, &is_ok);
	sort_mails(c);
	if (r == CLI_OK)
		r = read_notes(c);
	if (r == CLI_OK)
		r = bring_mails(c);
	if (r == CLI_OK)
		tell_missing(c);
	return r;
}

static int
copy_account(struct copy *c)
{
	int r =
	    imap_talk_open(&c->talk, c->im->cli, c->host, c->port, c->is_tls);

	if (r == CLI_OK)
		r = import_imap_begin(c);
	for (size_t i = 0; r == CLI_OK && i < c->n_boxes; i++) {
		c->box = &c->boxes[i];
		r = copy_box(c);
	}
	if (r == CLI_OK) {
		(void)imap_talk_run(&c->talk, "LOGOUT", NULL, NULL,
		    &(bool){ false });
		c->im->n_flags = c->n_flags;
		c->im->n_gone = c->n_gone;
	}
	return r;
}

static int
import_from(struct importer *im, const char *place, bool is_tls)
{
	struct copy *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	c->im = im;
	c->is_tls = is_tls;
	if (!import_imap_place(c, place)) {
		free(c);
		return cli_fail(CLI_USAGE,
		    "%s: it is imaps://USER@HOST or imaps://USER@HOST:PORT",
		    place);
	}
	r = copy_account(c);
	imap_talk_close(&c->talk);
	for (size_t i = 0; i < c->n_boxes; i++)
		free(c->boxes[i].name);
	free(c->boxes);
	free(c->mails);
	free(c);
	return r;
}

int
import_imap(struct importer *im, const char *place)
{
	return import_from(im, place, false);
}

int
import_imaps(struct importer *im, const char *place)
{
	return import_from(im, place, true);
}
