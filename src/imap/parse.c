/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "imap/parse.h"
#include "imap/quote.h"
#include "mail/date.h"

bool
imap_skip_sp(struct imap_in *in)
{
	return slice_skip_byte(&in->rest, ' ');
}

bool
imap_is_end(const struct imap_in *in)
{
	return in->rest.len == 0;
}

static bool
is_tag_char(uint8_t c)
{
	return c != '+' && imap_is_astring_char(c);
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
bool
imap_take_tag(struct imap_in *in, struct slice *ret)
{
	return slice_take_while(&in->rest, is_tag_char, ret);
}

bool
imap_take_atom(struct imap_in *in, struct slice *ret)
{
	return slice_take_while(&in->rest, imap_is_atom_char, ret);
}

bool
imap_skip_word(struct imap_in *in, struct slice word)
{
	struct slice rest = in->rest;

	if (!slice_skip_nocase(&rest, word) ||
	    (rest.len > 0 && imap_is_atom_char(rest.at[0]) &&
		rest.at[0] != '[' && rest.at[0] != '<'))
		return false;
	in->rest = rest;
	return true;
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8 */
static bool
take_literal(struct imap_in *in, struct slice *ret)
{
	struct slice rest = in->rest, bytes;
	uint64_t n;

	if (!slice_skip_byte(&rest, '{') ||
	    !slice_take_u64(&rest, UINT32_MAX, &n))
		return false;
	(void)slice_skip_byte(&rest, '+');
	if (!slice_skip(&rest, SLICE("}\r\n")) ||
	    !slice_take(&rest, (size_t)n, &bytes) ||
	    slice_find_byte(bytes, 0) != SIZE_MAX)
		return false;
	*ret = bytes;
	in->rest = rest;
	return true;
}

/* Without its backslashes. */
static bool
unescape(struct imap_in *in, struct slice raw, struct slice *ret)
{
	uint8_t *at = arena_alloc(in->arena, raw.len);
	size_t n = 0;

	if (at == NULL) {
		in->is_too_much = true;
		return false;
	}
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.at[i] == '\\')
			i++;
		at[n++] = raw.at[i];
	}
	*ret = slice_of(at, n);
	return true;
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE */
static bool
take_quoted(struct imap_in *in, struct slice *ret)
{
	struct slice rest = in->rest, raw;
	bool has_escapes = false;
	size_t i;

	if (!slice_skip_byte(&rest, '"'))
		return false;
	for (i = 0; i < rest.len && rest.at[i] != '"'; i++) {
		uint8_t c = rest.at[i];

		if (c == 0 || c == '\r' || c == '\n')
			return false;
		if (c != '\\')
			continue;
		has_escapes = true;
		i++;
		if (i == rest.len || (rest.at[i] != '"' && rest.at[i] != '\\'))
			return false;
	}
	if (i >= rest.len)
		return false;
	raw = slice_upto(rest, i);
	if (!slice_is_utf8(raw))
		return false;
	if (has_escapes && !unescape(in, raw, &raw))
		return false;
	*ret = raw;
	in->rest = slice_from(rest, i + 1);
	return true;
}

bool
imap_take_string(struct imap_in *in, struct slice *ret)
{
	return take_quoted(in, ret) || take_literal(in, ret);
}

/* astring = 1*ASTRING-CHAR / string */
bool
imap_take_astring(struct imap_in *in, struct slice *ret)
{
	return slice_take_while(&in->rest, imap_is_astring_char, ret) ||
	    imap_take_string(in, ret);
}

static bool
is_list_char(uint8_t c)
{
	return c == '%' || c == '*' || imap_is_astring_char(c);
}

/* list-mailbox = 1*list-char / string */
bool
imap_take_list_mailbox(struct imap_in *in, struct slice *ret)
{
	return slice_take_while(&in->rest, is_list_char, ret) ||
	    imap_take_string(in, ret);
}

bool
imap_take_number(struct imap_in *in, uint32_t *ret)
{
	uint64_t n;

	if (!slice_take_u64(&in->rest, UINT32_MAX, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* seq-number = nz-number / "*" */
static bool
take_seq_number(struct slice *in, uint32_t *ret)
{
	uint64_t n;

	if (slice_skip_byte(in, '*')) {
		*ret = 0;
		return true;
	}
	if (in->len == 0 || in->at[0] == '0' ||
	    !slice_take_u64(in, UINT32_MAX, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* sequence-set = (seq-number / seq-range) *("," sequence-set) / "$" */
bool
imap_take_set(struct imap_in *in, struct imap_set *ret)
{
	struct slice rest = in->rest;
	struct imap_set set = { NULL, 1, false };

	if (slice_skip_byte(&rest, '$')) {
		*ret = (struct imap_set){ .is_saved = true };
		in->rest = rest;
		return true;
	}
	for (size_t i = 0; i < rest.len && rest.at[i] != ' ' &&
	     rest.at[i] != ')' && rest.at[i] != '\r';
	     i++)
		set.n += rest.at[i] == ',';
	if (set.n > LIMIT_IMAP_SET) {
		in->is_too_much = true;
		return false;
	}
	set.ranges = arena_array(in->arena, set.n, sizeof(*set.ranges));
	if (set.ranges == NULL) {
		in->is_too_much = true;
		return false;
	}
	for (size_t i = 0; i < set.n; i++) {
		struct imap_range *r = &set.ranges[i];

		if ((i > 0 && !slice_skip_byte(&rest, ',')) ||
		    !take_seq_number(&rest, &r->lo))
			return false;
		r->hi = r->lo;
		if (slice_skip_byte(&rest, ':') &&
		    !take_seq_number(&rest, &r->hi))
			return false;
	}
	*ret = set;
	in->rest = rest;
	return true;
}

/* -- flags ---------------------------------------------------------------- */

uint8_t
imap_flag_bit(struct slice name)
{
	static const struct {
		struct slice name;
		uint8_t bit;
	} flags[] = {
		{ { (const uint8_t *)"\\Seen", 5 }, IMAP_SEEN },
		{ { (const uint8_t *)"\\Answered", 9 }, IMAP_ANSWERED },
		{ { (const uint8_t *)"\\Flagged", 8 }, IMAP_FLAGGED },
		{ { (const uint8_t *)"\\Draft", 6 }, IMAP_DRAFT },
		{ { (const uint8_t *)"\\Deleted", 8 }, IMAP_DELETED },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (slice_equal_nocase(name, flags[i].name))
			return flags[i].bit;
	return 0;
}

enum {
	KEYWORDS_MAX = 128 /* in one list; their octets: LIMIT_KEYWORDS */
};

struct flag_list {
	struct slice words[KEYWORDS_MAX];
	size_t n;
	uint8_t bits;
};

/* flag = "\Answered" / ... / flag-keyword. \Recent cannot be set, and no
 * other system flag is known here. */
static bool
take_flag(struct imap_in *in, struct flag_list *list)
{
	struct slice rest = in->rest, word;
	bool is_system = slice_skip_byte(&rest, '\\');
	uint8_t bit;

	if (!slice_take_while(&rest, imap_is_atom_char, &word))
		return false;
	if (is_system) {
		word = slice_of(word.at - 1, word.len + 1);
		bit = imap_flag_bit(word);
		if (bit == 0)
			return false;
		list->bits |= bit;
		in->rest = rest;
		return true;
	}
	in->rest = rest;
	for (size_t i = 0; i < list->n; i++)
		if (slice_equal_nocase(list->words[i], word))
			return true;
	if (list->n == KEYWORDS_MAX) {
		in->is_too_much = true;
		return false;
	}
	list->words[list->n++] = word;
	return true;
}

static int
compare_words(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a,
	    *(const struct slice *)b);
}

static bool
join_keywords(struct imap_in *in, struct flag_list *list, struct slice *ret)
{
	size_t len = 0, n = 0;
	uint8_t *at;

	if (list->n == 0) {
		*ret = slice_of("", 0);
		return true;
	}
	qsort(list->words, list->n, sizeof(list->words[0]), compare_words);
	for (size_t i = 0; i < list->n; i++)
		len += list->words[i].len + (i > 0);
	at = len > LIMIT_KEYWORDS ? NULL : arena_alloc(in->arena, len);
	if (at == NULL) {
		in->is_too_much = true;
		return false;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			at[n++] = ' ';
		memcpy(at + n, list->words[i].at, list->words[i].len);
		n += list->words[i].len;
	}
	*ret = slice_of(at, n);
	return true;
}

/* flag-list = "(" [flag *(SP flag)] ")" */
bool
imap_take_flags(struct imap_in *in, bool bare, struct imap_flags *ret)
{
	struct imap_in try = *in;
	struct flag_list list = { .n = 0 };
	struct imap_flags flags;
	bool has_parens = slice_skip_byte(&try.rest, '(');

	if (!has_parens && !bare)
		return false;
	if (!has_parens || !slice_skip_byte(&try.rest, ')')) {
		do {
			if (!take_flag(&try, &list)) {
				in->is_too_much = try.is_too_much;
				return false;
			}
		} while (imap_skip_sp(&try));
		if (has_parens && !slice_skip_byte(&try.rest, ')'))
			return false;
	}
	flags.bits = list.bits;
	if (!join_keywords(in, &list, &flags.keywords))
		return false;
	*ret = flags;
	in->rest = try.rest;
	return true;
}

/* -- dates ---------------------------------------------------------------- */

static bool
is_date_char(uint8_t c)
{
	return c == '-' || ascii_is_alnum(c);
}

/* date = date-text / DQUOTE date-text DQUOTE */
bool
imap_take_date(struct imap_in *in, int64_t *ret_day)
{
	struct slice rest = in->rest, text;
	bool is_quoted = slice_skip_byte(&rest, '"');
	int64_t us;

	if (!slice_take_while(&rest, is_date_char, &text) ||
	    (is_quoted && !slice_skip_byte(&rest, '"')) ||
	    !date_parse_day(text, &us))
		return false;
	*ret_day = imap_day(us, 0);
	in->rest = rest;
	return true;
}

/* date-time = DQUOTE date-day-fixed "-" date-month "-" date-year
 *             SP time SP zone DQUOTE */
bool
imap_take_date_time(struct imap_in *in, int64_t *ret_us, int *ret_zone_minutes)
{
	struct slice rest = in->rest, text;
	struct mail_date date;

	if (!slice_skip_byte(&rest, '"') ||
	    !slice_take_until(&rest, '"', &text) ||
	    !date_parse_internal(text, &date))
		return false;
	*ret_us = date.us;
	*ret_zone_minutes = date.zone;
	in->rest = rest;
	return true;
}

int64_t
imap_day(int64_t us, int zone_minutes)
{
	int64_t local = us + zone_minutes * TIME_MINUTE;

	return local / TIME_DAY - (local % TIME_DAY < 0);
}
