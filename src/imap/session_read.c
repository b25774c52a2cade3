/* SPDX-License-Identifier: ISC */
/*
 * Reading: lines and literals become one command, which is parsed when all of
 * it is there. What is refused is read to its end and answered then; before a
 * literal that the client waits to send it is answered at once.
 */
#include <string.h>

#include "base/limits.h"
#include "imap/session_impl.h"

enum {
	SASL_MAX = LIMIT_SMTP_AUTH_LINE,
	EARLY_LITERAL = 4096,               /* before the login */
	LINE_ENDLESS = 16 * LIMIT_IMAP_LINE /* nobody means that */
};

/* For what was refused: its tag, if it had one, and why. */
static void
say_refusal(struct imap_session *s)
{
	struct imap_in in = { buf_slice(&s->line), &s->arena, false, false };

	if (!imap_take_tag(&in, &s->cmd.tag))
		s->cmd.tag = slice_of("", 0);
	imap_done(s, s->why);
}

static void
refuse_rest(struct imap_session *s, const char *why)
{
	if (!s->is_discarding)
		s->why = why;
	s->is_discarding = true;
}

/* "{" number ["+"] "}" at the end of a line whose CRLF was taken off. */
static bool
find_literal(struct slice line, struct slice *ret_before, uint64_t *ret_n,
    bool *ret_sync)
{
	size_t at = slice_find_last_byte(line, '{');
	struct slice rest;
	uint64_t n;

	if (at == SIZE_MAX || line.at[line.len - 1] != '}')
		return false;
	rest = slice_from(line, at + 1);
	if (!slice_take_u64(&rest, UINT32_MAX, &n))
		return false;
	*ret_sync = !slice_skip_byte(&rest, '+');
	if (rest.len != 1)
		return false;
	*ret_before = slice_upto(line, at);
	*ret_n = n;
	return true;
}

static const char *
check_literal(struct imap_session *s, struct slice before, uint64_t n)
{
	struct imap_in in = { before, &s->arena, false,
		imap_has_utf8_names(s) };
	const char *why = imap_check_begin(s, &in);

	if (why != NULL)
		return why;
	return n > LIMIT_IMAP_LITERAL ||
		(s->state == IMAP_NOT_AUTH && n > EARLY_LITERAL) ||
		n > IMAP_COMMAND_MAX - 2 - s->line.len
	    ? "BAD [LIMIT] Literal too long"
	    : NULL;
}

static void
on_literal(struct imap_session *s, struct slice before, uint64_t n, bool sync)
{
	const char *why;

	if (!s->is_discarding) {
		why = check_literal(s, before, n);
		if (why != NULL)
			refuse_rest(s, why);
	}
	if (s->is_discarding && sync) {
		say_refusal(s); /* the client waits for "+" and gets this */
		return;
	}
	s->literal_left = n;
	if (s->is_discarding) {
		s->reader = n > 0 ? IMAP_READ_SKIP : IMAP_READ_LINE;
		s->line_at = s->line.len;
		return;
	}
	arena_reset(&s->arena); /* it will all be parsed again */
	memset(&s->cmd, 0, sizeof(s->cmd));
	if (sync)
		imap_say(s, SLICE("+ OK\r\n"));
	s->reader = n > 0 ? IMAP_READ_LITERAL : IMAP_READ_LINE;
	s->line_at = s->line.len;
}

static void
on_append_literal(struct imap_session *s, struct slice before, uint64_t n,
    bool sync)
{
	struct imap_literal literal = { n, sync,
		slice_ends(before, SLICE("~")) };

	before.len -= literal.is_8;
	imap_append_line(s, before, &literal);
}

static void
on_line(struct imap_session *s)
{
	struct slice all = buf_slice(&s->line);
	struct slice line = slice_from(all, s->line_at), before;
	uint64_t n;
	bool sync;

	if (!slice_ends(line, SLICE("\r\n"))) {
		refuse_rest(s, "BAD Lines end in CRLF");
		say_refusal(s);
		return;
	}
	all.len -= 2;
	line.len -= 2;
	if (line.len > 0 && find_literal(line, &before, &n, &sync)) {
		all = slice_upto(all, all.len - (line.len - before.len));
		if (!s->is_discarding && imap_append_takes(s, all))
			on_append_literal(s, all, n, sync);
		else
			on_literal(s, all, n, sync);
		return;
	}
	if (s->is_discarding)
		say_refusal(s);
	else if (imap_append_takes(s, all))
		imap_append_line(s, all, NULL);
	else
		imap_run_line(s, all);
}

static size_t
read_line(struct imap_session *s, struct slice in)
{
	size_t lf = slice_find_byte(in, '\n');
	struct slice part = lf == SIZE_MAX ? in : slice_upto(in, lf + 1);

	if (s->n_text > LIMIT_IMAP_LINE ||
	    part.len > LIMIT_IMAP_LINE - s->n_text ||
	    buf_add(&s->line, part) != BUF_OK) {
		s->n_text += part.len;
		/* Only its beginning is kept, for the tag. */
		if (s->line.len == 0)
			(void)buf_add(&s->line, slice_upto(part, 100));
		refuse_rest(s, "BAD [LIMIT] Line too long");
		if (lf != SIZE_MAX)
			say_refusal(s);
		else if (s->n_text > LINE_ENDLESS)
			imap_fatal(s, "A line has an end");
		return part.len;
	}
	s->n_text += part.len;
	if (lf != SIZE_MAX)
		on_line(s);
	return part.len;
}

static size_t
read_literal(struct imap_session *s, struct slice in)
{
	struct slice part = slice_upto(in, (size_t)s->literal_left);

	if (buf_add(&s->line, part) != BUF_OK) {
		imap_fatal(s, "Out of memory");
		return part.len;
	}
	s->literal_left -= part.len;
	if (s->literal_left == 0) {
		s->reader = IMAP_READ_LINE;
		s->line_at = s->line.len;
	}
	return part.len;
}

static size_t
read_skip(struct imap_session *s, struct slice in)
{
	size_t n = in.len < s->literal_left ? in.len : (size_t)s->literal_left;

	s->literal_left -= n;
	if (s->literal_left == 0)
		s->reader = IMAP_READ_LINE;
	return n;
}

/* SASL and DONE: a line that is no command. */
static size_t
read_other_line(struct imap_session *s, struct slice in)
{
	size_t lf = slice_find_byte(in, '\n');
	struct slice part = lf == SIZE_MAX ? in : slice_upto(in, lf + 1);
	struct slice line;

	if (part.len > SASL_MAX - (s->line.len - s->line_at) ||
	    buf_add(&s->line, part) != BUF_OK) {
		imap_fatal(s, "Line too long");
		return part.len;
	}
	if (lf == SIZE_MAX)
		return part.len;
	line = slice_from(buf_slice(&s->line), s->line_at);
	/* The tag may have moved with the buffer. */
	s->cmd.tag.at = buf_slice(&s->line).at;
	if (!slice_ends(line, SLICE("\r\n"))) {
		if (s->reader == IMAP_READ_SASL) {
			imap_abort_auth(s);
			s->reader = IMAP_READ_LINE;
		}
		imap_done(s, "BAD Lines end in CRLF");
		return part.len;
	}
	line.len -= 2;
	if (s->reader == IMAP_READ_SASL)
		imap_on_sasl_line(s, line);
	else
		imap_on_idle_line(s, line);
	return part.len;
}

static size_t (*const readers[])(struct imap_session *, struct slice) = {
	[IMAP_READ_LINE] = read_line,
	[IMAP_READ_LITERAL] = read_literal,
	[IMAP_READ_SKIP] = read_skip,
	[IMAP_READ_SASL] = read_other_line,
	[IMAP_READ_IDLE] = read_other_line,
	[IMAP_READ_APPEND] = imap_append_input,
};

size_t
imap_read(struct imap_session *s, struct slice in)
{
	return readers[s->reader](s, in);
}
