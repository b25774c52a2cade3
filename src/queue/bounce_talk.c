/* SPDX-License-Identifier: ISC */
#include "queue/bounce_talk.h"

enum {
	LINE_SHOWN = 300,
	LINES_SHOWN = 120
};

/* '=' is: an address that stands for another has it in its local part. */
static bool
is_of_word(uint8_t c)
{
	return c > ' ' && c != '<' && c != '>' && c != '(' && c != ')' &&
	    c != '[' && c != ']' && c != ',' && c != ';' && c != ':' &&
	    c != '"' && c != '\'';
}

/* "a quoted local part"@ */
static size_t
quoted_len(struct slice s)
{
	size_t i = 1;

	if (s.len == 0 || s.at[0] != '"')
		return 0;
	while (i < s.len && s.at[i] != '"')
		i += s.at[i] == '\\' ? 2 : 1;
	return i + 1 < s.len && s.at[i + 1] == '@' ? i + 1 : 0;
}

/* [192.0.2.1] behind an @ */
static size_t
literal_len(struct slice s)
{
	size_t end = slice_find_byte(s, ']');

	return s.len > 0 && s.at[0] == '[' && end != SIZE_MAX ? end + 1 : 0;
}

/* The longest that may be one address, or what has none in it. */
static bool
take_word(struct slice *in, struct slice *ret)
{
	struct slice from = *in, part;

	*in = slice_from(*in, quoted_len(*in));
	if (slice_take_while(in, is_of_word, &part) &&
	    slice_ends(part, SLICE("@")))
		*in = slice_from(*in, literal_len(*in));
	*ret = slice_upto(from, from.len - in->len);
	return ret->len > 0;
}

/* What RFC 3461 has its sender say of a recipient: "rfc822;" xtext. */
static struct slice
behind_type(struct slice orcpt)
{
	struct slice type;

	return slice_take_until(&orcpt, ';', &type) ? orcpt
						    : (struct slice){ 0 };
}

static bool
skip_end(struct slice *s, struct slice end)
{
	if (!slice_ends_nocase(*s, end))
		return false;
	*s = slice_upto(*s, s->len - end.len);
	return true;
}

/* The sender, in the form of policy/srs: SRS0=HASH=TT=domain=local@ours, or
 * SRS1=HASH=first==HASH=TT=domain=local@ours where he was rewritten before. */
static bool
is_sender_rewritten(struct slice word, struct slice sender)
{
	struct slice local, from;

	if ((!slice_skip_nocase(&word, SLICE("SRS0=")) &&
		!slice_skip_nocase(&word, SLICE("SRS1="))) ||
	    !slice_take_until(&word, '@', &local) ||
	    !slice_take_until(&sender, '@', &from))
		return false;
	if (slice_skip_nocase(&from, SLICE("SRS0=")))
		return skip_end(&local, from) && skip_end(&local, SLICE("=="));
	return skip_end(&local, from) && skip_end(&local, SLICE("=")) &&
	    skip_end(&local, sender) && skip_end(&local, SLICE("="));
}

static bool
is_known(const struct bounce *b, struct slice word)
{
	if (slice_equal_nocase(word, b->sender) ||
	    is_sender_rewritten(word, b->sender))
		return true;
	for (size_t i = 0; i < b->n_rcpts; i++)
		if (slice_equal_nocase(word, b->rcpts[i].address) ||
		    slice_equal(word, behind_type(b->rcpts[i].orcpt)))
			return true;
	return false;
}

static bool
may_be_shown(const struct bounce *b, struct slice word)
{
	if (slice_find_byte(word, '@') == SIZE_MAX || is_known(b, word))
		return true;
	return (slice_ends(word, SLICE(".")) || slice_ends(word, SLICE("!"))) &&
	    is_known(b, slice_upto(word, word.len - 1));
}

static void
put_line(struct page *p, const struct bounce *b, struct slice line)
{
	struct slice word;

	line = slice_upto(line, LINE_SHOWN);
	page_text(p, "    ");
	while (line.len > 0) {
		if (take_word(&line, &word)) {
			if (may_be_shown(b, word))
				page_clean(p, word, LINE_SHOWN);
			else
				page_text(p, "***");
			continue;
		}
		page_text(p,
		    line.at[0] <= ' ' ? " " : (char[]){ (char)line.at[0], 0 });
		line = slice_from(line, 1);
	}
	page_text(p, "\r\n");
}

void
bounce_talk(struct page *p, const struct bounce *b)
{
	struct slice rest = b->dialogue, line;

	if (rest.len == 0 || b->is_success)
		return;
	page_text(p,
	    "What was said last, for those who look into it (> by us, < by "
	    "the server):\r\n\r\n");
	for (unsigned i = 0; i < LINES_SHOWN && rest.len > 0; i++) {
		if (!slice_take_until(&rest, '\n', &line)) {
			line = rest;
			rest = slice_from(rest, rest.len);
		}
		put_line(p, b, line);
	}
	page_text(p, "\r\n");
}
