/* SPDX-License-Identifier: ISC */
#include "base/limits.h"
#include "imap/session_impl.h"
#include "mail/summary.h"

/*
 * APPEND (RFC 3501, 6.3.11): the mailbox is asked for, the literal streams to
 * the store, then one question commits it. The bytes are stored as they come;
 * a NUL, which is no CHAR8, is the only thing that is refused.
 */

void
imap_append_forget(struct imap_session *s)
{
	struct imap_ask drop = { .what = IMAP_ASK_BODY_DROP };

	if (s->has_body)
		(void)s->host->ask(s->ctx, &drop);
	s->has_body = false;
	summary_free(s->summary);
	s->summary = NULL;
	s->append_result = IMAP_OK;
	s->has_nul = false;
}

/* Refused before the literal: a client that waits for "+" sends none. */
static void
refuse(struct imap_session *s, const char *line)
{
	if (s->append_waits) {
		imap_done(s, line);
		return;
	}
	s->is_discarding = true;
	s->why = line;
	s->reader = s->literal_left > 0 ? IMAP_READ_SKIP : IMAP_READ_LINE;
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
	default:
		return "NO [UNAVAILABLE] Not possible just now, try again "
		       "later";
	}
}

static void
then_found(struct imap_session *s, const struct imap_answer *a)
{
	struct imap_ask open = { .what = IMAP_ASK_BODY_OPEN,
		.size = s->literal_left };
	bool exists = a->n_boxes == 1 && a->boxes[0].exists;

	if (a->result != IMAP_OK || !exists) {
		refuse(s,
		    refusal(a->result == IMAP_OK ? IMAP_NONEXISTENT
						 : a->result));
		return;
	}
	if (!s->host->ask(s->ctx, &open)) {
		refuse(s, refusal(IMAP_TROUBLE));
		return;
	}
	s->has_body = true;
	s->summary = summary_begin(); /* NULL: it is stored without one */
	if (s->append_waits)
		imap_say(s, SLICE("+ OK\r\n"));
	s->reader = IMAP_READ_APPEND;
}

void
imap_run_append(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_STATUS, .name = s->cmd.name };

	if (s->literal_left > s->config->max_size) {
		refuse(s, "NO [TOOBIG] Message too large");
		return;
	}
	if (s->literal_left == 0) {
		refuse(s, "NO [CANNOT] A message has bytes");
		return;
	}
	s->then = then_found;
	s->asked = IMAP_ASK_STATUS;
	if (s->host->ask(s->ctx, &ask))
		return;
	s->then = NULL;
	refuse(s, refusal(IMAP_TROUBLE));
}

static void
then_appended(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		imap_done(s, refusal(a->result));
		return;
	}
	if (a->uid != 0)
		(void)buf_printf(&s->code, "[APPENDUID %u %u] ", a->uidvalidity,
		    a->uid);
	/* The client may look at once when it appended to what it sees. */
	imap_sync_done(s, "OK Appended", s->has_view);
}

static void
commit(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_APPEND,
		.name = s->cmd.name,
		.flags = s->cmd.flags.bits,
		.keywords = s->cmd.flags.keywords,
		.date = s->cmd.has_date ? s->cmd.date : 0,
		.zone = s->cmd.zone };
	struct buf b;

	buf_init(&b, LIMIT_SUMMARY);
	if (s->summary != NULL && summary_end(s->summary, &b) == BUF_OK)
		ask.bytes = buf_slice(&b);
	s->has_body = false; /* the store's, whatever becomes of it */
	(void)imap_ask(s, &ask, then_appended);
	buf_deinit(&b);
}

static size_t
take_bytes(struct imap_session *s, struct slice in)
{
	struct slice part = in;
	size_t room = in.len;

	if (s->append_result == IMAP_OK)
		room = s->host->body_room(s->ctx);
	if (part.len > s->literal_left)
		part.len = (size_t)s->literal_left;
	part = slice_upto(part, room);
	if (part.len == 0)
		return 0;
	if (slice_find_byte(part, 0) != SIZE_MAX)
		s->has_nul = true;
	if (s->append_result == IMAP_OK) {
		s->host->body(s->ctx, part);
		if (s->summary != NULL)
			summary_feed(s->summary, part);
	}
	s->literal_left -= part.len;
	if (s->literal_left == 0) {
		s->reader = IMAP_READ_APPEND_END;
		s->line_at = s->line.len;
	}
	return part.len;
}

/* The CRLF behind the literal. */
static size_t
take_end(struct imap_session *s, struct slice in)
{
	size_t at = s->line.len - s->line_at;
	static const uint8_t crlf[] = { '\r', '\n' };

	if (in.at[0] != crlf[at]) {
		/* MULTIAPPEND, or nothing we know: its line goes, too. */
		s->is_discarding = true;
		s->why = "BAD Only one message at a time";
		s->reader = IMAP_READ_LINE;
		imap_append_forget(s);
		return 0;
	}
	if (buf_add(&s->line, slice_upto(in, 1)) != BUF_OK) {
		imap_fatal(s, "Out of memory");
		return 1;
	}
	s->cmd.tag.at = buf_slice(&s->line).at;
	if (at == 0)
		return 1;
	if (s->has_nul)
		imap_done(s, "BAD NUL in a literal");
	else if (s->append_result != IMAP_OK)
		imap_done(s, refusal(s->append_result));
	else
		commit(s);
	return 1;
}

size_t
imap_append_input(struct imap_session *s, struct slice in)
{
	return s->reader == IMAP_READ_APPEND ? take_bytes(s, in)
					     : take_end(s, in);
}

void
imap_session_body_refused(struct imap_session *s, enum imap_result result)
{
	if (!s->has_body)
		return;
	s->has_body = false;
	s->append_result = result == IMAP_OK ? IMAP_TROUBLE : result;
}
