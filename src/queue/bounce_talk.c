/* SPDX-License-Identifier: ISC */
#include "queue/bounce_talk.h"

enum {
	LINE_SHOWN = 300,
	LINES_SHOWN = 120
};

static bool
is_of_word(uint8_t c)
{
	return c > ' ' && c != '<' && c != '>' && c != '(' && c != ')' &&
	    c != '[' && c != ']' && c != ',' && c != ';' && c != ':' &&
	    c != '"' && c != '\'' && c != '=';
}

static bool
may_be_shown(const struct bounce *b, struct slice word)
{
	if (slice_find_byte(word, '@') == SIZE_MAX)
		return true;
	if (slice_ends(word, SLICE(".")) || slice_ends(word, SLICE("!")))
		word = slice_upto(word, word.len - 1);
	if (slice_equal_nocase(word, b->sender))
		return true;
	for (size_t i = 0; i < b->n_rcpts; i++)
		if (slice_equal_nocase(word, b->rcpts[i].address))
			return true;
	return false;
}

static void
put_line(struct page *p, const struct bounce *b, struct slice line)
{
	struct slice word;

	line = slice_upto(line, LINE_SHOWN);
	page_text(p, "    ");
	while (line.len > 0) {
		if (slice_take_while(&line, is_of_word, &word)) {
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
