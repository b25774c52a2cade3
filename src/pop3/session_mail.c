/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop3/session_impl.h"

/* -- about messages
 * ------------------------------------------------------------------ */

/* msg: 1*DIGIT, of a message that is there and not marked as deleted */
static bool
take_message(struct pop3_session *s, struct slice *args, size_t *ret)
{
	uint64_t n;

	if (!slice_take_u64(args, UINT32_MAX, &n) || n == 0 || n > s->n ||
	    (args->len > 0 && !slice_skip_byte(args, ' '))) {
		pop3_err(s, "-ERR No such message");
		return false;
	}
	if (s->rows[n - 1].is_deleted) {
		pop3_err(s, "-ERR That message is deleted");
		return false;
	}
	*ret = (size_t)n - 1;
	return true;
}

static uint64_t
total_size(const struct pop3_session *s)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->rows[i].is_deleted)
			ret += s->rows[i].size;
	return ret;
}

void
pop3_on_stat(struct pop3_session *s, struct slice args)
{
	char text[96];

	(void)args;
	(void)snprintf(text, sizeof(text), "+OK %zu %" PRIu64,
	    s->n - s->n_deleted, total_size(s));
	pop3_say(s, text);
}

static void
print_row(const struct pop3_session *s, size_t i, char text[96])
{
	char id[ID_TEXT + 1];

	if (s->is_uidl) {
		/* IMAP can copy a message into the same mailbox: the id of the
		 * message alone would not be unique (RFC 1939, section 7). */
		id_print(&s->rows[i].id, id);
		(void)snprintf(text, 96, "%zu %s.%u", i + 1, id,
		    s->rows[i].uid);
	} else {
		(void)snprintf(text, 96, "%zu %u", i + 1, s->rows[i].size);
	}
}

static void
list_more(struct pop3_session *s)
{
	char text[96];

	for (int i = 0; i < ROWS_PIECE && s->at < s->n; s->at++) {
		if (s->rows[s->at].is_deleted)
			continue;
		print_row(s, s->at, text);
		pop3_say(s, text);
		i++;
	}
	if (s->at < s->n)
		return;
	s->more = NULL;
	pop3_say(s, ".");
}

/* msg, and nothing behind it */
static bool
take_only_message(struct pop3_session *s, struct slice args, size_t *ret)
{
	if (slice_find_byte(args, ' ') == SIZE_MAX)
		return take_message(s, &args, ret);
	pop3_err(s, "-ERR One message number was expected");
	return false;
}

static void
list(struct pop3_session *s, struct slice args, bool is_uidl)
{
	char text[96], line[110];
	size_t i;

	s->is_uidl = is_uidl;
	if (args.len > 0) {
		if (!take_only_message(s, args, &i))
			return;
		print_row(s, i, text);
		(void)snprintf(line, sizeof(line), "+OK %s", text);
		pop3_say(s, line);
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "+OK %zu messages (%" PRIu64 " octets)", s->n - s->n_deleted,
	    total_size(s));
	pop3_say(s, text);
	s->at = 0;
	s->more = list_more;
}

void
pop3_on_list(struct pop3_session *s, struct slice args)
{
	list(s, args, false);
}

void
pop3_on_uidl(struct pop3_session *s, struct slice args)
{
	list(s, args, true);
}

void
pop3_on_dele(struct pop3_session *s, struct slice args)
{
	size_t i;

	if (!take_only_message(s, args, &i))
		return;
	s->rows[i].is_deleted = true;
	s->n_deleted++;
	pop3_say(s, "+OK Marked");
}

void
pop3_on_rset(struct pop3_session *s, struct slice args)
{
	(void)args;
	for (size_t i = 0; i < s->n; i++)
		s->rows[i].is_deleted = false;
	s->n_deleted = 0;
	pop3_say(s, "+OK");
}

void
pop3_on_noop(struct pop3_session *s, struct slice args)
{
	(void)args;
	pop3_say(s, "+OK");
}

/* -- RETR and TOP
 * ------------------------------------------------------------------------ */

static void retr_more(struct pop3_session *s);

/* Nothing can be said any more that would not look like the message. */
static void
retr_failed(struct pop3_session *s, enum pop3_result result)
{
	s->then = NULL;
	s->more = NULL;
	if (s->has_begun)
		pop3_end(s);
	else
		pop3_say(s, pop3_trouble(result));
}

static void
then_bytes(struct pop3_session *s, const struct pop3_answer *a)
{
	char text[64];

	if (a->result != POP3_OK || a->bytes.len > s->window_end - s->read) {
		retr_failed(s, a->result == POP3_OK ? POP3_TROUBLE : a->result);
		return;
	}
	if (!s->has_begun) {
		(void)snprintf(text, sizeof(text), "+OK %" PRIu64 " octets",
		    s->total);
		pop3_say(s, s->stuff.is_limited ? "+OK" : text);
		s->has_begun = true;
	}
	s->read += a->bytes.len;
	if (pop3_stuff_add(&s->stuff, a->bytes, &s->out) != BUF_OK) {
		pop3_end(s);
		return;
	}
	if (a->more)
		return;
	if (s->read != s->window_end)
		retr_failed(s, POP3_TROUBLE);
	else
		s->more = retr_more;
}

static void
retr_more(struct pop3_session *s)
{
	uint64_t left = s->total - s->read;
	struct pop3_ask question = { .what = POP3_ASK_BODY,
		.uid = s->rows[s->at].uid,
		.offset = s->read };

	if (s->stuff.is_done || (s->has_begun && left == 0)) {
		s->more = NULL;
		if (pop3_stuff_end(&s->stuff, &s->out) != BUF_OK)
			pop3_end(s);
		pop3_drain(s);
		return;
	}
	question.length = left < POP3_ASK_BYTES ? left : POP3_ASK_BYTES;
	s->window_end = s->read + question.length;
	if (!pop3_ask(s, &question, then_bytes))
		retr_failed(s, POP3_TROUBLE);
}

static void
start_retr(struct pop3_session *s, size_t i, bool is_top, uint32_t lines)
{
	s->stuff = (struct pop3_stuff){ .is_limited = is_top, .lines = lines };
	s->at = i;
	s->read = 0;
	s->total = s->rows[i].size;
	s->has_begun = false;
	s->more = retr_more;
}

void
pop3_on_retr(struct pop3_session *s, struct slice args)
{
	size_t i;

	if (take_only_message(s, args, &i))
		start_retr(s, i, false, 0);
}

void
pop3_on_top(struct pop3_session *s, struct slice args)
{
	uint64_t lines;
	size_t i;

	if (!take_message(s, &args, &i))
		return;
	if (slice_to_u64(args, UINT32_MAX, &lines))
		start_retr(s, i, true, (uint32_t)lines);
	else
		pop3_err(s, "-ERR TOP message lines");
}

/* -- QUIT
 * ----------------------------------------------------------------------------------
 */

static void update_more(struct pop3_session *s);

static void
then_expunged(struct pop3_session *s, const struct pop3_answer *a)
{
	s->has_failed |= a->result != POP3_OK;
	update_more(s);
}

static void
update_more(struct pop3_session *s)
{
	struct pop3_ask question = { .what = POP3_ASK_EXPUNGE };

	for (; s->at < s->n && question.n_uids < POP3_ASK_UIDS; s->at++)
		if (s->rows[s->at].is_deleted)
			s->uids[question.n_uids++] = s->rows[s->at].uid;
	question.uids = s->uids;
	if (question.n_uids > 0) {
		if (pop3_ask(s, &question, then_expunged))
			return;
		s->has_failed = true;
	}
	pop3_leave(s);
	pop3_say(s,
	    s->has_failed
		? "-ERR [SYS/TEMP] Not all deleted messages were removed"
		: "+OK Goodbye");
	pop3_end(s);
}

void
pop3_on_quit(struct pop3_session *s, struct slice args)
{
	(void)args;
	s->at = 0;
	if (s->state == POP3_TRANSACTION && s->n_deleted > 0) {
		s->uids = calloc(POP3_ASK_UIDS, sizeof(*s->uids));
		if (s->uids != NULL) {
			update_more(s);
			return;
		}
		s->has_failed = true;
	}
	if (s->state == POP3_TRANSACTION)
		pop3_leave(s);
	pop3_say(s, s->has_failed ? pop3_trouble(POP3_TROUBLE) : "+OK Goodbye");
	pop3_end(s);
}
