/* SPDX-License-Identifier: ISC */
/*
 * imap/session_append - APPEND and REPLACE (RFC 9051, 6.3.12; 3502; 4469; 8508)
 *
 * Read piece by piece: a piece of text becomes steps (append_args.h), which
 * are done one after the other; the last of them may be a literal, whose bytes
 * stream to the store. Messages before the last are told with `more` and wait
 * there, so that all come or none. Bytes are stored as they come; a NUL is
 * refused outside of a literal8. What fails is answered before a literal that
 * the client waits to send, or else behind all of the command.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/append_impl.h"

static const char too_big[] = "NO [TOOBIG] Message too large";

/* -- the end of it --------------------------------------------------------- */

static void
drop_message(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct imap_ask drop = { .what = IMAP_ASK_BODY_DROP };

	if (a->has_body)
		(void)s->host->ask(s->ctx, &drop);
	a->has_body = false;
	summary_free(a->summary);
	a->summary = NULL;
	imap_catenate_free(a);
}

static void
drop_all(struct imap_session *s)
{
	struct imap_ask drop = { .what = IMAP_ASK_APPEND_DROP };

	drop_message(s);
	if (s->append->has_sent)
		(void)s->host->ask(s->ctx, &drop);
	s->append->has_sent = false;
}

void
imap_append_forget(struct imap_session *s)
{
	if (s->append == NULL)
		return;
	drop_all(s);
	free(s->append);
	s->append = NULL;
}

/* A client that waits for "+" sends no literal, when it hears this. */
void
imap_append_refuse(struct imap_session *s, const char *line)
{
	struct imap_append *a = s->append;

	drop_all(s);
	if (!a->has_literal || a->is_sync) {
		imap_done(s, line);
		return;
	}
	s->is_discarding = true;
	s->why = line;
	s->literal_left = a->literal;
	s->reader = a->literal > 0 ? IMAP_READ_SKIP : IMAP_READ_LINE;
	s->line_at = s->line.len;
}

static const char *
refusal(enum imap_result result)
{
	switch (result) {
	case IMAP_NONEXISTENT:
		return "NO [TRYCREATE] No such mailbox";
	case IMAP_OVERQUOTA:
		return "NO [OVERQUOTA] Quota exceeded";
	case IMAP_CANNOT:
		return "NO [CANNOT] Nothing can be put there";
	case IMAP_EXPUNGED:
		return "NO [EXPUNGEISSUED] What it replaces is gone";
	default:
		return "NO [UNAVAILABLE] Not possible just now, try again "
		       "later";
	}
}

/* -- a message begins ------------------------------------------------------ */

static bool
open_body(struct imap_session *s)
{
	struct imap_append *a = s->append;
	bool is_plain = a->step != NULL &&
	    a->step->what == IMAP_APPEND_HAS_DATA &&
	    (a->at == IMAP_APPEND_AT_END || a->at == IMAP_APPEND_AT_UTF8_END);
	struct imap_ask open = { .what = IMAP_ASK_BODY_OPEN,
		.size = is_plain ? a->literal : 0 };

	if (!s->host->ask(s->ctx, &open)) {
		imap_append_refuse(s, refusal(IMAP_TROUBLE));
		return false;
	}
	a->has_body = true;
	a->has_nul = false;
	a->size = 0;
	a->result = IMAP_OK;
	a->summary = summary_begin();
	return true;
}

static void
then_found(struct imap_session *s, const struct imap_answer *answer)
{
	bool exists = answer->n_boxes == 1 && answer->boxes[0].exists;

	if (answer->result != IMAP_OK || !exists) {
		imap_append_refuse(s,
		    refusal(answer->result == IMAP_OK ? IMAP_NONEXISTENT
						      : answer->result));
		return;
	}
	s->append->is_checked = true;
	if (open_body(s))
		imap_append_go_on(s);
}

/* Which message of the selected mailbox REPLACE means; NULL, or the refusal. */
static const char *
find_replaced(struct imap_session *s)
{
	struct imap_picks picks = { NULL, 0 };

	if ((s->enabled & IMAP_ENABLED_UIDONLY) != 0 && !s->cmd.is_uid)
		return "BAD [UIDREQUIRED] By uids only";
	if (s->is_read_only)
		return "NO [NOPERM] The mailbox is selected read-only";
	if (!imap_view_pick(&s->view, &s->arena, &s->cmd.set, s->cmd.is_uid,
		&picks))
		return "BAD No such message";
	if (picks.n == 0 ||
	    (s->view.rows[picks.at[0].lo].state & IMAP_ROW_GONE) != 0)
		return "NO [EXPUNGEISSUED] No such message";
	s->append->replaced = s->view.rows[picks.at[0].lo].uid;
	return NULL;
}

static bool
begins(struct imap_session *s, const struct imap_append_step *step)
{
	struct imap_append *a = s->append;
	struct imap_ask ask = { .what = IMAP_ASK_STATUS, .name = s->cmd.name };
	const char *why = NULL;

	a->message = step;
	if (++a->n_messages > LIMIT_IMAP_APPENDS)
		why = "NO [LIMIT] Too many messages at once";
	else if (a->has_literal && a->literal > s->config->max_size)
		why = too_big;
	else if (s->cmd.verb == IMAP_REPLACE)
		why = find_replaced(s);
	if (why != NULL) {
		imap_append_refuse(s, why);
		return false;
	}
	if (a->is_checked)
		return open_body(s);
	s->then = then_found;
	s->asked = IMAP_ASK_STATUS;
	if (!s->host->ask(s->ctx, &ask)) {
		s->then = NULL;
		imap_append_refuse(s, refusal(IMAP_TROUBLE));
	}
	return false;
}

/* -- its bytes ------------------------------------------------------------- */

void
imap_append_bytes(struct imap_session *s, struct slice bytes)
{
	struct imap_append *a = s->append;

	a->size += bytes.len;
	if (a->result != IMAP_OK)
		return;
	s->host->body(s->ctx, bytes);
	if (a->summary != NULL)
		summary_feed(a->summary, bytes);
}

static bool
has_url(struct imap_session *s, const struct imap_append_step *step)
{
	imap_catenate_start(s, step->url);
	return false;
}

/* The rest of the command comes behind this literal; of what was read only the
 * tag is kept. */
static void
forget_text(struct imap_session *s)
{
	struct imap_append *a = s->append;

	s->line.len = s->cmd.tag.len;
	s->n_text = 0;
	s->line_at = a->text_at = s->line.len;
	a->has_literal = false;
}

static bool
has_data(struct imap_session *s, const struct imap_append_step *step)
{
	struct imap_append *a = s->append;
	bool is_part = a->at == IMAP_APPEND_AT_PART_END ||
	    a->at == IMAP_APPEND_AT_UTF8_PART;

	(void)step;
	if (a->literal > s->config->max_size ||
	    a->size > s->config->max_size - a->literal)
		imap_append_refuse(s, too_big);
	else if (a->literal == 0 && !is_part)
		imap_append_refuse(s, "NO [CANNOT] A message has bytes");
	else if (a->result != IMAP_OK)
		imap_append_refuse(s, refusal(a->result));
	else {
		if (a->is_sync)
			imap_say(s, SLICE("+ OK\r\n"));
		forget_text(s);
		s->literal_left = a->literal;
		s->reader = a->literal > 0 ? IMAP_READ_APPEND : IMAP_READ_LINE;
	}
	return false;
}

size_t
imap_append_input(struct imap_session *s, struct slice in)
{
	struct imap_append *a = s->append;
	struct slice part = in;

	if (part.len > s->literal_left)
		part.len = (size_t)s->literal_left;
	if (a->result == IMAP_OK)
		part = slice_upto(part, s->host->body_room(s->ctx));
	if (part.len == 0)
		return 0;
	if (!a->is_8 && slice_find_byte(part, 0) != SIZE_MAX)
		a->has_nul = true;
	imap_append_bytes(s, part);
	s->literal_left -= part.len;
	if (s->literal_left == 0)
		s->reader = IMAP_READ_LINE;
	return part.len;
}

void
imap_session_body_refused(struct imap_session *s, enum imap_result result)
{
	struct imap_append *a = s->append;

	if (a == NULL || !a->has_body)
		return;
	a->has_body = false;
	a->result = result == IMAP_OK ? IMAP_TROUBLE : result;
	imap_session_body_room(s);
}

void
imap_session_body_room(struct imap_session *s)
{
	if (s->append == NULL || !s->append->waits_room)
		return;
	s->append->waits_room = false;
	s->more = imap_catenate_more;
	imap_session_pump(s);
}

/* -- a message ends -------------------------------------------------------- */

static void
then_appended(struct imap_session *s, const struct imap_answer *answer)
{
	struct imap_append *a = s->append;

	a->has_sent = false;
	if (answer->result != IMAP_OK) {
		imap_done(s, refusal(answer->result));
		return;
	}
	if (answer->uid != 0 && a->n_messages > 1)
		(void)buf_printf(&s->code, "[APPENDUID %u %u:%u] ",
		    answer->uidvalidity,
		    answer->uid - (uint32_t)a->n_messages + 1, answer->uid);
	else if (answer->uid != 0)
		(void)buf_printf(&s->code, "[APPENDUID %u %u] ",
		    answer->uidvalidity, answer->uid);
	/* The client may look at once when it appended to what it sees. */
	if (s->cmd.verb != IMAP_REPLACE) {
		imap_sync_done(s, "OK Appended", s->has_view);
		return;
	}
	/* RFC 8508, 3.2: before the EXPUNGE, as with MOVE. */
	imap_say(s, SLICE("* OK "));
	imap_say_buf(s, &s->code);
	imap_say(s, SLICE("Replacement is there\r\n"));
	buf_reset(&s->code, 0);
	s->may_expunge = s->says_highest = true;
	imap_sync_done(s, "OK Replaced", true);
}

/* The body is the store's now, whatever becomes of it. */
static bool
commit(struct imap_session *s, bool is_last)
{
	struct imap_append *a = s->append;
	struct imap_ask ask = { .what = IMAP_ASK_APPEND,
		.name = s->cmd.name,
		.flags = a->message->flags.bits,
		.keywords = a->message->flags.keywords,
		.date = a->message->has_date ? a->message->date : 0,
		.zone = a->message->zone,
		.uid = a->replaced,
		.more = !is_last };
	struct buf b;
	bool is_sent = true;

	buf_init(&b, LIMIT_SUMMARY);
	if (a->summary != NULL && summary_end(a->summary, &b) == BUF_OK)
		ask.bytes = buf_slice(&b);
	a->has_body = false;
	summary_free(a->summary);
	a->summary = NULL;
	if (is_last)
		(void)imap_ask(s, &ask, then_appended);
	else
		is_sent = s->host->ask(s->ctx, &ask);
	buf_deinit(&b);
	if (!is_last)
		a->has_sent |= is_sent;
	if (!is_sent)
		imap_append_refuse(s, refusal(IMAP_TROUBLE));
	return is_sent && !is_last;
}

static bool
ends(struct imap_session *s, const struct imap_append_step *step)
{
	struct imap_append *a = s->append;
	bool is_last =
	    step->next != NULL && step->next->what == IMAP_APPEND_IS_DONE;

	if (a->has_nul)
		imap_append_refuse(s, "BAD NUL in a literal");
	else if (a->result != IMAP_OK)
		imap_append_refuse(s, refusal(a->result));
	else if (a->size == 0)
		imap_append_refuse(s, "NO [CANNOT] A message has bytes");
	else
		return commit(s, is_last);
	return false;
}

static bool
is_done(struct imap_session *s, const struct imap_append_step *step)
{
	(void)s;
	(void)step;
	return false;
}

/* -- steps ----------------------------------------------------------------- */

static bool (*const runs[])(struct imap_session *s,
    const struct imap_append_step *step) = {
	[IMAP_APPEND_BEGINS] = begins,
	[IMAP_APPEND_HAS_URL] = has_url,
	[IMAP_APPEND_HAS_DATA] = has_data,
	[IMAP_APPEND_ENDS] = ends,
	[IMAP_APPEND_IS_DONE] = is_done,
};

/* A step that waits, or that has ended the command, stops it. */
void
imap_append_go_on(struct imap_session *s)
{
	while (s->append != NULL && s->append->step != NULL) {
		const struct imap_append_step *step = s->append->step;

		s->append->step = step->next;
		if (!runs[step->what](s, step))
			return;
	}
}

static bool
begin(struct imap_session *s, struct slice text)
{
	struct imap_in in = { text, &s->arena, false };
	struct imap_append *a = calloc(1, sizeof(*a));

	s->append = a;
	if (a == NULL || imap_command_begin(&in, &s->cmd) != IMAP_COMMAND_OK ||
	    !arena_copy(&s->arena, s->cmd.tag, &s->cmd.tag)) {
		imap_fatal(s, "Out of memory");
		return false;
	}
	a->text_at = text.len - in.rest.len;
	s->may_expunge = true;
	s->says_uid = s->cmd.is_uid;
	return true;
}

/* A name or a URL: kept in the line, which is parsed again when it is whole. */
static void
read_argument(struct imap_session *s)
{
	struct imap_append *a = s->append;

	if (a->literal > LIMIT_IMAP_LITERAL ||
	    a->literal > IMAP_COMMAND_MAX - 2 - s->line.len) {
		imap_append_refuse(s, "BAD [LIMIT] Literal too long");
		return;
	}
	if (a->is_sync)
		imap_say(s, SLICE("+ OK\r\n"));
	s->literal_left = a->literal;
	s->reader = a->literal > 0 ? IMAP_READ_LITERAL : IMAP_READ_LINE;
	s->line_at = s->line.len;
}

bool
imap_append_waits(const struct imap_session *s)
{
	return s->append != NULL && s->append->waits_room;
}

bool
imap_append_takes(struct imap_session *s, struct slice text)
{
	struct imap_in in = { text, &s->arena, false };

	if (s->append != NULL)
		return true;
	return imap_check_begin(s, &in) == NULL &&
	    (s->cmd.verb == IMAP_APPEND || s->cmd.verb == IMAP_REPLACE);
}

void
imap_append_line(struct imap_session *s, struct slice text,
    const struct imap_literal *literal)
{
	struct imap_append_step *steps = NULL;
	struct imap_in in = { .arena = &s->arena,
		.has_utf8 = imap_has_utf8_names(s) };
	struct imap_append *a;
	int r;

	if (s->append == NULL && !begin(s, text))
		return;
	a = s->append;
	a->has_literal = literal != NULL;
	a->literal = literal != NULL ? literal->n : 0;
	a->is_sync = literal != NULL && literal->is_sync;
	a->is_8 = literal != NULL && literal->is_8;
	in.rest = slice_from(text, a->text_at);
	r = imap_append_parse(&in, &s->cmd, a->has_literal, a->is_8, &a->at,
	    &steps);
	if (r == IMAP_APPEND_ARGUMENT) {
		read_argument(s);
	} else if (r != IMAP_COMMAND_OK) {
		imap_append_refuse(s, imap_args_text(r));
	} else {
		a->step = steps;
		imap_append_go_on(s);
	}
}
