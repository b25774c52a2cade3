/* SPDX-License-Identifier: ISC */
/*
 * The command SEARCH: the program is prepared, run, and what was found said.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/search_impl.h"

enum {
	NUMBERS_PIECE = 1000 /* said between two looks at the room */
};

void
imap_search_free(struct imap_session *s)
{
	struct search *f = s->search;

	if (f == NULL)
		return;
	search_run_free(f->run);
	free(f);
	s->search = NULL;
}

static void
search_done(struct imap_session *s)
{
	bool has_trouble = s->search->run->has_trouble;

	imap_say(s, SLICE("\r\n"));
	imap_search_free(s);
	s->more = NULL;
	imap_sync_done(s,
	    has_trouble ? "NO [UNAVAILABLE] Not all of it could be read"
			: "OK Searched",
	    false);
}

static void
say_numbers(struct imap_session *s)
{
	struct search *f = s->search;
	struct buf b;
	uint32_t row;
	int n = 0;

	buf_init(&b, 16 * NUMBERS_PIECE);
	while (n++ < NUMBERS_PIECE &&
	    hits_next(&f->run->hits, &f->cursor, &row))
		(void)buf_printf(&b, " %u",
		    s->cmd.is_uid ? s->view.rows[row].uid : row + 1);
	imap_say_buf(s, &b);
	buf_deinit(&b);
	if (n <= NUMBERS_PIECE && s->state != IMAP_LOGGED_OUT)
		search_done(s);
}

static void
on_found(struct imap_session *s)
{
	imap_say(s, SLICE("* SEARCH"));
	s->more = say_numbers;
}

/* RFC 9051, 7.1: those that we know. */
static void
refuse_charset(struct imap_session *s)
{
	struct slice name;
	struct buf b;

	buf_init(&b, LIMIT_CHUNK);
	(void)buf_add_cstr(&b, "NO [BADCHARSET");
	for (size_t i = 0; (name = charset_name(i)).at != NULL; i++) {
		(void)buf_add_cstr(&b, i == 0 ? " (" : " ");
		(void)buf_add(&b, name);
	}
	(void)buf_add(&b, slice_of(")] Unknown charset", 19));
	if (b.lost)
		imap_fatal(s, NULL);
	else
		imap_done(s, (const char *)buf_slice(&b).at);
	buf_deinit(&b);
}

void
imap_run_search(struct imap_session *s)
{
	const char *why;

	if (s->cmd.bad_charset) {
		refuse_charset(s);
		return;
	}
	why = search_prepare(s, &s->view, s->cmd.search, s->cmd.charset);
	if (why != NULL) {
		imap_done(s, why);
		return;
	}
	s->search = calloc(1, sizeof(*s->search));
	if (s->search != NULL)
		s->search->run = search_run_new(s, &s->view, 0, s->cmd.search);
	if (s->search == NULL || s->search->run == NULL) {
		imap_done(s, "NO [UNAVAILABLE] Busy");
		return;
	}
	search_run_start(s->search->run, on_found);
}
