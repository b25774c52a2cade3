/* SPDX-License-Identifier: ISC */
/*
 * Commands about the connection itself: COMPRESS (RFC 4978), UNAUTHENTICATE
 * (RFC 8437) and LANGUAGE (RFC 5255). The host has the streams and the handle;
 * here it is decided when they change: behind the tagged line, with nothing
 * of the old kind left to be said or read.
 */
#include "imap/session_impl.h"

/* -- COMPRESS ---------------------------------------------------------------
 */

/* The tagged OK is on its way. */
static void
compress_now(struct imap_session *s)
{
	s->more = NULL;
	s->is_compressed = true;
	s->has_switched = true;
	s->host->compress(s->ctx, true);
}

void
imap_run_compress(struct imap_session *s)
{
	if (s->is_compressed) {
		imap_done(s, "NO [COMPRESSIONACTIVE] It is compressed");
		return;
	}
	if (!s->host->compress(s->ctx, false)) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	imap_done(s, "OK DEFLATE from here on");
	if (s->state != IMAP_LOGGED_OUT)
		s->more = compress_now;
}

/* -- UNAUTHENTICATE -----------------------------------------------------------
 */

/* As after the handshake: nothing is left of whom it was, and what was enabled
 * is not any more. Compression and TLS stay. */
void
imap_run_unauthenticate(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_LEAVE };

	imap_leave_mailbox(s);
	imap_notify_free(s);
	(void)s->host->ask(s->ctx, &ask);
	s->state = IMAP_NOT_AUTH;
	s->enabled = 0;
	imap_done(s, "OK You may log in anew");
}

/* -- LANGUAGE
 * ------------------------------------------------------------------ */

static const char *const languages[] = { "en", "i-default" };

/* RFC 4647, 3.4 (lookup): the range, or what is left of it when subtags are
 * taken off its end. */
static const char *
find_language(struct slice range)
{
	if (slice_equal_nocase(range, SLICE("default")))
		return "i-default";
	if (slice_equal(range, SLICE("*")))
		return languages[0];
	for (;;) {
		size_t cut = slice_find_last_byte(range, '-');

		for (size_t i = 0; i < 2; i++)
			if (slice_equal_nocase(range, slice_cstr(languages[i])))
				return languages[i];
		if (cut == SIZE_MAX)
			return NULL;
		range = slice_upto(range, cut);
	}
}

/* All texts are English already, in every language that is spoken here. */
void
imap_run_language(struct imap_session *s)
{
	const char *found = NULL;

	if (s->cmd.n_words == 0) {
		imap_say(s, SLICE("* LANGUAGE (en i-default)\r\n"));
		imap_done(s, "OK These are the languages");
		return;
	}
	for (size_t i = 0; i < s->cmd.n_words && found == NULL; i++)
		found = find_language(s->cmd.words[i]);
	if (found == NULL) {
		imap_done(s, "NO [CANNOT] Not in these languages");
		return;
	}
	imap_printf(s, "* LANGUAGE (%s)\r\n", found);
	imap_done(s, "OK Spoken");
}
