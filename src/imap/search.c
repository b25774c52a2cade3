/* SPDX-License-Identifier: ISC */
/*
 * The commands SEARCH, SORT and THREAD: the program is prepared, run, what was
 * found is sorted or threaded, saved, and said.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/search_impl.h"

void
imap_search_free(struct imap_session *s)
{
	struct search *f = s->search;

	if (f == NULL)
		return;
	search_run_free(f->run);
	search_gather_free(f->gather);
	search_sort_free(f);
	search_update_free(f->update);
	search_multi_free(f->multi);
	free(f);
	s->search = NULL;
}

/* RFC 5182, 2.1: SAVE that comes to NO saves nothing. */
static void
refuse(struct imap_session *s, const char *line)
{
	if (line[0] == 'N' && (s->cmd.returns & IMAP_RETURN_SAVE) != 0)
		(void)imap_view_save(&s->view, NULL, 0);
	imap_done(s, line);
}

static void
on_said(struct imap_session *s)
{
	bool is_saved = !s->search->run->has_trouble;

	if (is_saved)
		search_context_add(s);
	imap_search_free(s);
	s->more = NULL;
	imap_sync_done(s, is_saved ? "OK Done" : "NO [UNAVAILABLE] Not saved",
	    false);
}

static void
say(struct imap_session *s)
{
	search_say_start(s, on_said);
}

static void
on_found(struct imap_session *s)
{
	if (s->search->run->has_trouble) {
		imap_search_free(s);
		if ((s->cmd.returns & IMAP_RETURN_SAVE) != 0)
			(void)imap_view_save(&s->view, NULL, 0);
		imap_sync_done(s,
		    "NO [UNAVAILABLE] Not all of it could be read", false);
	} else if (s->cmd.verb == IMAP_SORT) {
		search_sort_start(s, say);
	} else if (s->cmd.verb == IMAP_THREAD) {
		search_thread_start(s, say);
	} else {
		say(s);
	}
}

/* RFC 9051, 7.1: those that we know. */
void
search_refuse_charset(struct imap_session *s)
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
		refuse(s, (const char *)buf_slice(&b).at);
	buf_deinit(&b);
}

void
imap_run_search(struct imap_session *s)
{
	const char *why;

	if (s->cmd.bad_charset) {
		search_refuse_charset(s);
		return;
	}
	if (s->cmd.has_modseq)
		imap_condstore_on(s); /* RFC 7162, 3.1 */
	why = search_context_check(s);
	if (why == NULL)
		why =
		    search_prepare(s, &s->view, s->cmd.search, s->cmd.charset);
	if (why != NULL) {
		refuse(s, why);
		return;
	}
	s->search = calloc(1, sizeof(*s->search));
	if (s->search != NULL)
		s->search->run = search_run_new(s, &s->view, 0, s->cmd.search);
	if (s->search == NULL || s->search->run == NULL) {
		refuse(s, "NO [UNAVAILABLE] Busy");
		return;
	}
	search_run_start(s->search->run, on_found);
}
