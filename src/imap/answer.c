/* SPDX-License-Identifier: ISC */
#include "imap/answer.h"

#include <string.h>

/* -- framing
 * ------------------------------------------------------------------------ */

/* Only data has literals: a text may end in "{5}" and mean nothing by it. */
static bool
may_have_literals(struct slice line)
{
	static const struct slice texts[] = { SLICE("OK"), SLICE("NO"),
		SLICE("BAD"), SLICE("BYE"), SLICE("PREAUTH") };

	if (!slice_skip(&line, SLICE("* ")))
		return false;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (slice_starts_nocase(line, texts[i]))
			return false;
	return true;
}

/* "…{5}" at the end of a line */
static bool
ends_in_literal(struct slice line, uint64_t *ret)
{
	size_t open = slice_find_last_byte(line, '{');
	struct slice number;

	if (open == SIZE_MAX || !slice_ends(line, SLICE("}")))
		return false;
	number = slice_from(line, open + 1);
	number.len--;
	return slice_to_u64(number, UINT32_MAX, ret);
}

size_t
imap_frame_len(struct imap_frame *f, struct slice in, size_t most)
{
	while (f->at < in.len) {
		size_t n = slice_find_byte(slice_from(in, f->at), '\n');
		struct slice line;
		uint64_t literal = 0;

		if (n == SIZE_MAX) {
			f->at = in.len;
			break;
		}
		n += f->at;
		line = slice_from(slice_upto(in, n), f->begin);
		if (slice_ends(line, SLICE("\r")))
			line.len--;
		if (!may_have_literals(in) || !ends_in_literal(line, &literal))
			return n + 1 <= most ? n + 1 : SIZE_MAX;
		f->at = f->begin = n + 1 + (size_t)literal;
		if (f->at > most)
			return SIZE_MAX;
	}
	return in.len > most ? SIZE_MAX : 0;
}

/* -- the first words
 * ---------------------------------------------------------------- */

static bool
is_word_byte(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '(' && c != ')' && c != '{' &&
	    c != '"';
}

static bool
is_status(struct slice word)
{
	return slice_equal_nocase(word, SLICE("OK")) ||
	    slice_equal_nocase(word, SLICE("NO")) ||
	    slice_equal_nocase(word, SLICE("BAD")) ||
	    slice_equal_nocase(word, SLICE("BYE")) ||
	    slice_equal_nocase(word, SLICE("PREAUTH"));
}

static bool
read_untagged(struct slice in, struct imap_answer *a)
{
	uint64_t number = 0;

	if (!slice_take_while(&in, is_word_byte, &a->word))
		return false;
	(void)slice_skip_byte(&in, ' ');
	if (slice_to_u64(a->word, UINT32_MAX, &number)) {
		a->number = (uint32_t)number;
		if (!slice_take_while(&in, is_word_byte, &a->word))
			return false;
		(void)slice_skip_byte(&in, ' ');
	}
	a->kind = is_status(a->word) ? IMAP_ANSWER_STATUS : IMAP_ANSWER_DATA;
	a->rest = in;
	return true;
}

bool
imap_answer_read(struct slice whole, struct imap_answer *ret)
{
	struct imap_answer a = { 0 };
	struct slice in = whole;

	if (!slice_ends(in, SLICE("\n")))
		return false;
	in.len -= slice_ends(in, SLICE("\r\n")) ? 2 : 1;
	if (slice_skip_byte(&in, '+')) {
		a.kind = IMAP_ANSWER_CONTINUE;
		a.rest = in;
	} else if (slice_skip(&in, SLICE("* "))) {
		if (!read_untagged(in, &a))
			return false;
	} else {
		a.kind = IMAP_ANSWER_TAGGED;
		if (!slice_take_while(&in, is_word_byte, &a.tag) ||
		    !slice_skip_byte(&in, ' ') ||
		    !slice_take_while(&in, is_word_byte, &a.word) ||
		    !is_status(a.word))
			return false;
		(void)slice_skip_byte(&in, ' ');
		a.rest = in;
	}
	*ret = a;
	return true;
}

bool
imap_answer_code(struct slice rest, struct slice name, uint32_t *ret)
{
	uint64_t n = 0;

	if (!slice_skip_byte(&rest, '[') || !slice_skip_nocase(&rest, name) ||
	    !slice_skip_byte(&rest, ' ') ||
	    !slice_take_u64(&rest, UINT32_MAX, &n) ||
	    !slice_skip_byte(&rest, ']'))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* -- values
 * ------------------------------------------------------------------------- */

static bool
skip_plain(struct imap_in *in)
{
	struct slice word;

	return imap_take_string(in, &word) ||
	    slice_take_while(&in->rest, is_word_byte, &word);
}

/* Anything, lists within lists too, without recursion. */
static bool
skip_value(struct imap_in *in)
{
	unsigned depth = 0;

	do {
		(void)slice_skip_byte(&in->rest, ' ');
		if (slice_skip_byte(&in->rest, '(')) {
			if (++depth > IMAP_ANSWER_DEPTH)
				return false;
		} else if (depth > 0 && slice_skip_byte(&in->rest, ')')) {
			depth--;
		} else if (!skip_plain(in)) {
			return false;
		}
	} while (depth > 0);
	return true;
}

static uint8_t
flag_of(struct slice word)
{
	static const struct {
		struct slice name;
		uint8_t flag;
	} all[] = { { SLICE("\\Seen"), IMAP_SEEN },
		{ SLICE("\\Answered"), IMAP_ANSWERED },
		{ SLICE("\\Flagged"), IMAP_FLAGGED },
		{ SLICE("\\Draft"), IMAP_DRAFT },
		{ SLICE("\\Deleted"), IMAP_DELETED } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (slice_equal_nocase(word, all[i].name))
			return all[i].flag;
	return 0;
}

/* The words between "(" and ")". */
static bool
take_words(struct imap_in *in, struct slice *ret)
{
	struct slice all = in->rest;

	if (!slice_skip_byte(&all, '('))
		return false;
	return slice_take_until(&all, ')', ret) && (in->rest = all, true);
}

static bool
take_word(struct slice *words, struct slice *ret)
{
	while (slice_skip_byte(words, ' '))
		;
	return slice_take_while(words, is_word_byte, ret);
}

/* -- FETCH
 * -------------------------------------------------------------------------- */

static bool
take_u64(struct imap_in *in, uint64_t *ret)
{
	return slice_take_u64(&in->rest, INT64_MAX, ret);
}

static bool
take_uid(struct imap_in *in, struct imap_answer_fetch *f)
{
	f->has_uid = imap_take_number(in, &f->uid) && f->uid > 0;
	return f->has_uid;
}

static bool
take_size(struct imap_in *in, struct imap_answer_fetch *f)
{
	f->has_size = take_u64(in, &f->size);
	return f->has_size;
}

static bool
take_flags(struct imap_in *in, struct imap_answer_fetch *f)
{
	struct slice words, word;

	if (!take_words(in, &words))
		return false;
	f->has_flags = true;
	f->keywords = words;
	f->flags = 0;
	while (take_word(&words, &word))
		f->flags |= flag_of(word);
	return words.len == 0;
}

static bool
take_date(struct imap_in *in, struct imap_answer_fetch *f)
{
	struct imap_in before = *in;

	f->has_date = imap_take_date_time(in, &f->date, &f->zone);
	if (f->has_date)
		return true;
	*in = before; /* some are not of this world: then it is now */
	return skip_value(in);
}

static bool
take_body(struct imap_in *in, struct imap_answer_fetch *f)
{
	f->has_body = imap_take_string(in, &f->body);
	return f->has_body || skip_value(in); /* NIL: there is none */
}

static const struct {
	struct slice name;
	bool (*take)(struct imap_in *in, struct imap_answer_fetch *f);
} items[] = {
	{ SLICE("UID"), take_uid },
	{ SLICE("FLAGS"), take_flags },
	{ SLICE("INTERNALDATE"), take_date },
	{ SLICE("RFC822.SIZE"), take_size },
	{ SLICE("BODY[]"), take_body },
};

/* "BODY[HEADER.FIELDS (A B)]<0>" is one name. */
static bool
take_name(struct slice *in, struct slice *ret)
{
	struct slice begin = *in;
	bool is_inside = false;

	while (in->len > 0 && (is_inside || in->at[0] != ' ')) {
		if (in->at[0] == '[')
			is_inside = true;
		if (in->at[0] == ']')
			is_inside = false;
		if (in->at[0] == ')' && !is_inside)
			return false;
		*in = slice_from(*in, 1);
	}
	*ret = slice_upto(begin, begin.len - in->len);
	return ret->len > 0 && slice_skip_byte(in, ' ');
}

static bool
take_item(struct imap_in *in, struct imap_answer_fetch *f)
{
	struct slice name;

	if (!take_name(&in->rest, &name))
		return false;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (slice_equal_nocase(name, items[i].name))
			return items[i].take(in, f);
	return skip_value(in);
}

bool
imap_answer_fetch(struct slice rest, struct arena *a,
    struct imap_answer_fetch *ret)
{
	struct imap_in in = { .rest = rest, .arena = a };
	struct imap_answer_fetch f = { 0 };

	if (!slice_skip_byte(&in.rest, '('))
		return false;
	while (!slice_skip_byte(&in.rest, ')')) {
		if (!take_item(&in, &f))
			return false;
		(void)slice_skip_byte(&in.rest, ' ');
	}
	*ret = f;
	return true;
}

int
imap_answer_keywords(const struct imap_answer_fetch *f, struct buf *ret)
{
	struct slice words = f->keywords, word;
	int r = BUF_OK;

	while (r == BUF_OK && take_word(&words, &word)) {
		if (word.at[0] == '\\')
			continue;
		if (ret->len > 0)
			r = buf_add_byte(ret, ' ');
		if (r == BUF_OK)
			r = buf_add(ret, word);
	}
	return r;
}

/* -- LIST
 * ---------------------------------------------------------------------------
 */

static void
take_attribute(struct slice word, struct imap_answer_list *l)
{
	static const struct slice uses[] = { SLICE("\\Sent"), SLICE("\\Drafts"),
		SLICE("\\Trash"), SLICE("\\Junk"), SLICE("\\Archive") };

	if (slice_equal_nocase(word, SLICE("\\Noselect")) ||
	    slice_equal_nocase(word, SLICE("\\NonExistent")))
		l->is_noselect = true;
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (slice_equal_nocase(word, uses[i]))
			(void)slice_to_cstr(uses[i], l->special_use,
			    sizeof(l->special_use));
}

bool
imap_answer_list(struct slice rest, struct arena *a,
    struct imap_answer_list *ret)
{
	struct imap_in in = { .rest = rest, .arena = a };
	struct imap_answer_list l = { 0 };
	struct slice words, word, delimiter;

	if (!take_words(&in, &words) || !imap_skip_sp(&in))
		return false;
	while (take_word(&words, &word))
		take_attribute(word, &l);
	if (words.len > 0)
		return false;
	if (slice_skip_nocase(&in.rest, SLICE("NIL")))
		l.delimiter = '\0';
	else if (imap_take_string(&in, &delimiter) && delimiter.len == 1)
		l.delimiter = (char)delimiter.at[0];
	else
		return false;
	if (!imap_skip_sp(&in) || !imap_take_astring(&in, &l.name))
		return false;
	*ret = l;
	return true;
}
