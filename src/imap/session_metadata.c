/* SPDX-License-Identifier: ISC */
/*
 * imap/session_metadata - GETMETADATA and SETMETADATA (RFC 5464), and what
 * LIST tells of annotations (RFC 9590)
 *
 * The store gives all annotations of a mailbox, LIMIT_ANNOTATIONS at most;
 * which of them are told is decided here. Those of the server ("") are the
 * account's own below /private; /shared ones of the server are nobody's to
 * set. Owns nothing.
 */
#include <assert.h>

#include "imap/quote.h"
#include "imap/session_impl.h"

enum {
	ONE_NOTE = LIMIT_ANNOTATION_ENTRY + 2 * LIMIT_ANNOTATION + 64
};

static bool
is_below(const struct imap_session *s, struct slice entry, struct slice asked)
{
	struct slice rest;

	if (s->cmd.depth == IMAP_DEPTH_0 || !slice_starts(entry, asked) ||
	    entry.len <= asked.len || entry.at[asked.len] != '/')
		return false;
	rest = slice_from(entry, asked.len + 1);
	return s->cmd.depth == IMAP_DEPTH_INFINITY ||
	    slice_find_byte(rest, '/') == SIZE_MAX;
}

static bool
is_asked(const struct imap_session *s, struct slice entry)
{
	for (size_t i = 0; i < s->cmd.n_notes; i++)
		if (slice_equal(entry, s->cmd.notes[i].entry) ||
		    is_below(s, entry, s->cmd.notes[i].entry))
			return true;
	return false;
}

static bool
is_there(const struct imap_answer *a, struct slice entry)
{
	for (size_t i = 0; i < a->n_notes; i++)
		if (slice_equal(entry, a->notes[i].entry))
			return true;
	return false;
}

static void
put_note(struct buf *b, bool *is_first, struct slice entry, struct slice value)
{
	(void)buf_add_cstr(b, *is_first ? "(" : " ");
	*is_first = false;
	(void)imap_put_astring(b, entry);
	(void)buf_add_byte(b, ' ');
	(void)imap_put_nstring(b, value);
}

/* Those that are asked for and are not too long; of an entry that is named
 * and not there: NIL. The size of the longest that was too long, or 0. */
static size_t
put_notes(const struct imap_session *s, const struct imap_answer *a,
    struct buf *b, bool *is_first)
{
	size_t longest = 0;

	for (size_t i = 0; i < a->n_notes; i++) {
		const struct imap_note *n = &a->notes[i];

		if (!is_asked(s, n->entry))
			continue;
		if (!s->cmd.has_max_size || n->value.len <= s->cmd.max_size)
			put_note(b, is_first, n->entry, n->value);
		else if (n->value.len > longest)
			longest = n->value.len;
	}
	for (size_t i = 0; i < s->cmd.n_notes; i++)
		if (s->cmd.depth == IMAP_DEPTH_0 &&
		    !is_there(a, s->cmd.notes[i].entry))
			put_note(b, is_first, s->cmd.notes[i].entry,
			    slice_of(NULL, 0));
	return longest;
}

size_t
imap_say_metadata(struct imap_session *s, struct slice name,
    const struct imap_answer *a)
{
	bool is_first = true;
	size_t longest;
	struct buf b;

	buf_init(&b, IMAP_WIRE_NAME + 64 + 2 * LIMIT_ANNOTATIONS * ONE_NOTE);
	(void)buf_add_cstr(&b, "* METADATA ");
	(void)imap_put_name(s, &b, name);
	(void)buf_add_byte(&b, ' ');
	longest = put_notes(s, a, &b, &is_first);
	(void)buf_add_cstr(&b, ")\r\n");
	if (!is_first || b.lost)
		imap_say_buf(s, &b);
	buf_deinit(&b);
	return longest;
}

static void
then_metadata(struct imap_session *s, const struct imap_answer *a)
{
	size_t longest;

	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		return;
	}
	longest = imap_say_metadata(s, s->cmd.name, a);
	if (longest > 0)
		(void)buf_printf(&s->code, "[METADATA LONGENTRIES %zu] ",
		    longest);
	imap_sync_done(s, "OK Done", false);
}

void
imap_run_getmetadata(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_NOTES, .name = s->cmd.name };

	(void)imap_ask(s, &ask, then_metadata);
}

static_assert(LIMIT_ANNOTATION == 4096, "check_notes says so");

/* What is wrong with the entries, or NULL. */
static const char *
check_notes(struct imap_session *s)
{
	for (size_t i = 0; i < s->cmd.n_notes; i++) {
		struct imap_note *n = &s->cmd.notes[i];

		if (s->cmd.name.len == 0 &&
		    slice_starts(n->entry, SLICE("/shared/")))
			return "NO [NOPERM] The server's are its admin's";
		if (n->value.len > LIMIT_ANNOTATION)
			return "NO [METADATA MAXSIZE 4096] Too long";
		if (s->cmd.name.len > 0 && n->value.len > 0 &&
		    slice_equal(n->entry, SLICE("/private/specialuse"))) {
			const char *use = imap_find_use(n->value);

			if (use == NULL)
				return "NO [USEATTR] No mailbox can have that "
				       "use here";
			n->value = slice_cstr(use);
		}
	}
	return NULL;
}

static void
then_set(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK)
		imap_no(s, a->result);
	else
		imap_sync_done(s, "OK Done", false);
}

void
imap_run_setmetadata(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_SET_NOTES,
		.name = s->cmd.name,
		.notes = s->cmd.notes,
		.n_notes = s->cmd.n_notes };
	const char *why = check_notes(s);

	if (why != NULL)
		imap_done(s, why);
	else
		(void)imap_ask(s, &ask, then_set);
}
