/* SPDX-License-Identifier: ISC */
/*
 * MULTISEARCH (RFC 7377): ESEARCH over mailboxes, whichever is selected.
 *
 * The mailboxes that the sources mean are taken from LIST; each in turn is
 * scanned into a view of its own, beside that of the selected one, searched,
 * told when something was found, and forgotten.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/search_impl.h"

enum {
	BOXES_MAX = 20000 /* searched by one command */
};

struct multi_box {
	uint64_t mailbox;
	uint32_t uidvalidity;
	struct slice name; /* in the arena */
};

struct multi {
	struct arena arena; /* names, and what sets pick */
	struct multi_box *boxes;
	size_t n, size, at;
	struct imap_view view;
	bool has_view;
	struct buf correlators;
};

static void next_box(struct imap_session *s);

static void
drop_view(struct multi *m)
{
	if (m->has_view)
		imap_view_deinit(&m->view);
	m->has_view = false;
}

void
search_multi_free(struct multi *m)
{
	if (m == NULL)
		return;
	drop_view(m);
	buf_deinit(&m->correlators);
	arena_reset(&m->arena);
	free(m->boxes);
	free(m);
}

static void
end_multi(struct imap_session *s, const char *line)
{
	if (line[0] == 'O')
		search_context_add(s);
	imap_search_free(s);
	s->more = NULL;
	imap_sync_done(s, line, false);
}

/* -- which ones
 * ---------------------------------------------------------------- */

static bool
is_below(struct slice name, struct slice parent, bool one_level)
{
	struct slice rest;

	if (slice_equal(name, parent))
		return true;
	if (!slice_starts(name, parent) || name.at[parent.len] != '/')
		return false;
	rest = slice_from(name, parent.len + 1);
	return !one_level || slice_find_byte(rest, '/') == SIZE_MAX;
}

static bool
is_meant(const struct imap_session *s, const struct imap_box *box,
    const struct imap_source *source)
{
	switch (source->what) {
	case IMAP_SOURCE_SELECTED:
		return s->has_view && slice_equal(box->name, s->selected);
	case IMAP_SOURCE_INBOXES: /* where mail comes in (RFC 5465, 6.2) */
		return slice_equal(box->name, SLICE("INBOX"));
	case IMAP_SOURCE_PERSONAL:
		return true;
	case IMAP_SOURCE_SUBSCRIBED:
		return box->is_subscribed;
	case IMAP_SOURCE_SUBTREE:
		return is_below(box->name, source->name, false);
	case IMAP_SOURCE_SUBTREE_ONE:
		return is_below(box->name, source->name, true);
	default:
		return slice_equal(box->name, source->name);
	}
}

static bool
add_box(struct multi *m, const struct imap_box *box)
{
	struct multi_box *b;

	if (m->n == m->size) {
		size_t size = m->size == 0 ? 16 : m->size * 2;

		b = realloc(m->boxes, size * sizeof(*b));
		if (b == NULL)
			return false;
		m->boxes = b;
		m->size = size;
	}
	b = &m->boxes[m->n];
	b->mailbox = box->mailbox;
	b->uidvalidity = box->uidvalidity;
	if (!arena_copy(&m->arena, box->name, &b->name))
		return false;
	m->n++;
	return true;
}

static void
then_list(struct imap_session *s, const struct imap_answer *a)
{
	struct multi *m = s->search->multi;

	for (size_t i = 0; i < a->n_boxes; i++) {
		bool is_found = false;

		for (const struct imap_source *source = s->cmd.sources;
		     source != NULL && !is_found; source = source->next)
			is_found = is_meant(s, &a->boxes[i], source);
		if (!is_found || !a->boxes[i].exists)
			continue;
		if (m->n >= BOXES_MAX || !add_box(m, &a->boxes[i])) {
			imap_fatal(s, "[LIMIT] Too many mailboxes");
			return;
		}
	}
	if (a->more)
		return;
	if (a->result != IMAP_OK)
		end_multi(s, "NO [UNAVAILABLE] Not possible just now");
	else
		s->more = next_box;
}

/* -- one after the other
 * --------------------------------------------------------- */

static void
leave_box(struct imap_session *s)
{
	struct multi *m = s->search->multi;

	search_run_free(s->search->run);
	s->search->run = NULL;
	drop_view(m);
	m->at++;
	s->more = next_box;
}

static void
put_correlators(struct imap_session *s, struct slice name, uint32_t uidvalidity,
    struct buf *b)
{
	buf_reset(b, 4096);
	(void)buf_add_cstr(b, " MAILBOX ");
	(void)imap_put_name(s, b, name);
	(void)buf_printf(b, " UIDVALIDITY %u", uidvalidity);
	(void)buf_add_byte(b, '\0');
	s->search->correlators = (const char *)buf_slice(b).at;
}

static void
on_box_found(struct imap_session *s)
{
	struct multi *m = s->search->multi;
	const struct multi_box *box = &m->boxes[m->at];

	if (s->search->run->has_trouble) {
		end_multi(s, "NO [UNAVAILABLE] Not all of it could be read");
		return;
	}
	/* RFC 7377, 2.1: nothing of mailboxes without a match. */
	if (s->search->run->hits.count == 0) {
		leave_box(s);
		return;
	}
	put_correlators(s, box->name, box->uidvalidity, &m->correlators);
	if (m->correlators.lost)
		imap_fatal(s, NULL);
	else
		search_say_start(s, leave_box);
}

static void
search_box(struct imap_session *s)
{
	struct multi *m = s->search->multi;
	struct arena *arena = &m->arena;

	m->view.n_told = m->view.n;
	if (search_pick(&m->view, arena, s->cmd.search))
		s->search->run = search_run_new(s, &m->view,
		    m->boxes[m->at].mailbox, s->cmd.search);
	if (s->search->run == NULL)
		end_multi(s, "NO [LIMIT] Too much to search for");
	else
		search_run_start(s->search->run, on_box_found);
}

/* One that has gone meanwhile, or that may not be read, is passed over. */
static void
then_scan(struct imap_session *s, const struct imap_answer *a)
{
	struct multi *m = s->search->multi;
	bool is_lost = false;

	for (size_t i = 0; i < a->n_entries; i++)
		is_lost |=
		    imap_view_add(&m->view, &a->entries[i]) != IMAP_VIEW_OK;
	if (is_lost) {
		s->then = NULL;
		imap_fatal(s, "[LIMIT] A mailbox is too large");
		return;
	}
	if (a->more)
		return;
	if (a->result == IMAP_NONEXISTENT || a->result == IMAP_CANNOT)
		leave_box(s);
	else if (a->result != IMAP_OK)
		end_multi(s, "NO [UNAVAILABLE] Not possible just now");
	else
		search_box(s);
}

static void
next_box(struct imap_session *s)
{
	struct multi *m = s->search->multi;
	struct imap_ask ask = { .what = IMAP_ASK_SCAN };

	s->more = NULL;
	if (m->at == m->n) {
		end_multi(s, "OK Done");
		return;
	}
	imap_view_init(&m->view, s->config->seed);
	m->has_view = true;
	ask.mailbox = m->boxes[m->at].mailbox;
	(void)imap_ask(s, &ask, then_scan);
}

/* -- the selected one alone
 * ------------------------------------------------------ */

static void
on_selected_said(struct imap_session *s)
{
	end_multi(s,
	    s->search->run->has_trouble ? "NO [UNAVAILABLE] Not saved"
					: "OK Done");
}

static void
on_selected_found(struct imap_session *s)
{
	if (s->search->run->has_trouble) {
		end_multi(s, "NO [UNAVAILABLE] Not all of it could be read");
		return;
	}
	put_correlators(s, s->selected, s->uidvalidity, &s->boxes);
	if (s->search->run->hits.count == 0)
		search_save_start(s, on_selected_said);
	else
		search_say_start(s, on_selected_said);
}

static bool
is_selected_alone(const struct imap_command *c)
{
	for (const struct imap_source *source = c->sources; source != NULL;
	     source = source->next)
		if (source->what != IMAP_SOURCE_SELECTED)
			return false;
	return true;
}

static void
search_selected(struct imap_session *s)
{
	const char *why = search_context_check(s);

	if (why == NULL && !search_pick(&s->view, &s->arena, s->cmd.search))
		why = "BAD [LIMIT] More than I take in one command";
	if (why != NULL) {
		imap_done(s, why);
		return;
	}
	s->search->run = search_run_new(s, &s->view, 0, s->cmd.search);
	if (s->search->run == NULL)
		imap_done(s, "NO [UNAVAILABLE] Busy");
	else
		search_run_start(s->search->run, on_selected_found);
}

static void
search_many(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_LIST };
	struct multi *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		imap_done(s, "NO [UNAVAILABLE] Busy");
		return;
	}
	s->search->multi = m;
	arena_init(&m->arena, LIMIT_IMAP_SORT);
	buf_init(&m->correlators, 8 * LIMIT_MAILBOX_NAME);
	(void)imap_ask(s, &ask, then_list);
}

/* What cannot be asked for like this. */
static const char *
check(const struct imap_session *s)
{
	bool is_alone = is_selected_alone(&s->cmd);

	for (const struct imap_source *source = s->cmd.sources; source != NULL;
	     source = source->next)
		if (source->what == IMAP_SOURCE_SELECTED && !s->has_view)
			return "BAD No mailbox is selected";
	if (is_alone && !s->has_view)
		return "BAD No mailbox is selected";
	if ((s->cmd.returns & IMAP_RETURN_SAVE) != 0 && !is_alone)
		return "BAD SAVE is for the selected mailbox";
	if ((s->cmd.returns & IMAP_RETURN_UPDATE) != 0 && !s->has_view)
		return "BAD UPDATE is for the selected mailbox";
	return NULL;
}

void
imap_run_esearch(struct imap_session *s)
{
	const char *why;

	if (s->cmd.bad_charset) {
		search_refuse_charset(s);
		return;
	}
	why = check(s);
	if (why == NULL)
		why = search_prepare(s, NULL, s->cmd.search, s->cmd.charset);
	if (why != NULL) {
		imap_done(s, why);
		return;
	}
	if (s->cmd.has_modseq)
		imap_condstore_on(s);
	s->search = calloc(1, sizeof(*s->search));
	if (s->search == NULL)
		imap_done(s, "NO [UNAVAILABLE] Busy");
	else if (is_selected_alone(&s->cmd))
		search_selected(s);
	else
		search_many(s);
}
