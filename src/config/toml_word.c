/* SPDX-License-Identifier: ISC */
/*
 * config/toml_word - integers, floats, dates, times, true and false of TOML
 *
 * A run of the characters that such values are made of is one word; each
 * reader then takes the word whole or leaves it to the next.
 */
#include "base/time.h"
#include "config/toml_impl.h"

enum {
	WORD_NO,
	WORD_YES,
	WORD_RANGE
};

static bool
is_word_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '+' || c == '-' || c == '.' ||
	    c == ':' || c == '_';
}

static bool
is_hex(uint8_t c)
{
	return toml_hex_digit(c) >= 0;
}

static bool
is_octal(uint8_t c)
{
	return c >= '0' && c <= '7';
}

static bool
is_binary(uint8_t c)
{
	return c == '0' || c == '1';
}

/* 1*wanted *( "_" 1*wanted ) */
static bool
skip_digits(struct slice *in, bool (*wanted)(uint8_t))
{
	struct slice run;

	do {
		if (!slice_take_while(in, wanted, &run))
			return false;
	} while (slice_skip_byte(in, '_'));
	return true;
}

/* False when the digits' value is above max. */
static bool
digits_value(struct slice s, uint64_t base, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		uint64_t d;

		if (s.at[i] == '_')
			continue;
		d = (uint64_t)toml_hex_digit(s.at[i]);
		if (n > (max - d) / base)
			return false;
		n = n * base + d;
	}
	*ret = n;
	return true;
}

/* dec-int = [ "-" / "+" ] ( DIGIT / digit1-9 1*( [ "_" ] DIGIT ) ) */
static bool
skip_decimal(struct slice *in)
{
	struct slice start;

	if (!slice_skip_byte(in, '-'))
		(void)slice_skip_byte(in, '+');
	start = *in;
	if (!skip_digits(in, ascii_is_digit))
		return false;
	return start.at[0] != '0' || start.len - in->len == 1;
}

/* WORD_NO with *ret_found unset: no such prefix. */
static int
read_based(struct slice word, struct toml_node *node, bool *ret_found)
{
	static const struct {
		struct slice prefix;
		bool (*wanted)(uint8_t);
		uint64_t base;
	} bases[] = { { SLICE("0x"), is_hex, 16 }, { SLICE("0o"), is_octal, 8 },
		{ SLICE("0b"), is_binary, 2 } };
	uint64_t n = 0;

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		struct slice rest = word, digits;

		if (!slice_skip(&rest, bases[i].prefix))
			continue;
		*ret_found = true;
		digits = rest;
		if (!skip_digits(&rest, bases[i].wanted) || rest.len > 0)
			return WORD_NO;
		if (!digits_value(digits, bases[i].base, INT64_MAX, &n))
			return WORD_RANGE;
		node->integer = (int64_t)n;
		return WORD_YES;
	}
	return WORD_NO;
}

static int
read_integer(struct slice word, struct toml_node *node)
{
	struct slice rest = word;
	bool is_negative, is_based = false;
	uint64_t n = 0, max = INT64_MAX;
	int r;

	node->type = TOML_INTEGER;
	r = read_based(word, node, &is_based);
	if (is_based)
		return r;
	if (!skip_decimal(&rest) || rest.len > 0)
		return WORD_NO;
	is_negative = slice_skip_byte(&word, '-');
	if (is_negative)
		max++;
	else
		(void)slice_skip_byte(&word, '+');
	if (!digits_value(word, 10, max, &n))
		return WORD_RANGE;
	node->integer = is_negative ? (int64_t)(0 - n) : (int64_t)n;
	return WORD_YES;
}

/* float = dec-int ( exp / frac [ exp ] ) / [ sign ] ( "inf" / "nan" ) */
static int
read_float(struct slice word, struct toml_node *node)
{
	struct slice rest = word;

	node->type = TOML_FLOAT;
	node->text = word;
	if (!slice_skip_byte(&rest, '-'))
		(void)slice_skip_byte(&rest, '+');
	if (slice_equal(rest, SLICE("inf")) || slice_equal(rest, SLICE("nan")))
		return WORD_YES;
	rest = word;
	if (!skip_decimal(&rest) || rest.len == 0)
		return WORD_NO;
	if (slice_skip_byte(&rest, '.') && !skip_digits(&rest, ascii_is_digit))
		return WORD_NO;
	if (slice_skip_nocase(&rest, SLICE("e"))) {
		if (!slice_skip_byte(&rest, '-'))
			(void)slice_skip_byte(&rest, '+');
		if (!skip_digits(&rest, ascii_is_digit))
			return WORD_NO;
	}
	return rest.len == 0 ? WORD_YES : WORD_NO;
}

/* Exactly n digits. */
static bool
take_fixed(struct slice *in, size_t n, int *ret)
{
	struct slice part;
	uint64_t value;

	if (!slice_take(in, n, &part) || !slice_to_u64(part, 9999, &value))
		return false;
	*ret = (int)value;
	return true;
}

/* full-date = 4DIGIT "-" 2DIGIT "-" 2DIGIT */
static bool
take_date(struct slice *in, struct civil *c)
{
	return take_fixed(in, 4, &c->year) && slice_skip_byte(in, '-') &&
	    take_fixed(in, 2, &c->month) && slice_skip_byte(in, '-') &&
	    take_fixed(in, 2, &c->day);
}

/* partial-time = 2DIGIT ":" 2DIGIT ":" 2DIGIT [ "." 1*DIGIT ] */
static bool
take_time(struct slice *in, struct civil *c)
{
	struct slice run;

	return take_fixed(in, 2, &c->hour) && slice_skip_byte(in, ':') &&
	    take_fixed(in, 2, &c->minute) && slice_skip_byte(in, ':') &&
	    take_fixed(in, 2, &c->second) &&
	    (!slice_skip_byte(in, '.') ||
		slice_take_while(in, ascii_is_digit, &run));
}

/* time-offset = "Z" / ( "+" / "-" ) 2DIGIT ":" 2DIGIT; it may be missing */
static bool
skip_offset(struct slice *in)
{
	int hours = 0, minutes = 0;

	if (in->len == 0 || slice_skip_nocase(in, SLICE("z")))
		return true;
	return (slice_skip_byte(in, '+') || slice_skip_byte(in, '-')) &&
	    take_fixed(in, 2, &hours) && slice_skip_byte(in, ':') &&
	    take_fixed(in, 2, &minutes) && hours < 24 && minutes < 60;
}

/* date, date-time with or without an offset, or a time of the day */
static int
read_time(struct slice word, struct toml_node *node)
{
	const struct civil some_day = { .year = 2000, .month = 1, .day = 1 };
	struct civil c = some_day;
	struct slice rest = word;
	int64_t us;

	node->type = TOML_TIME;
	node->text = word;
	if (!take_date(&rest, &c)) {
		rest = word;
		c = some_day;
		if (!take_time(&rest, &c))
			return WORD_NO;
	} else if (rest.len > 0) {
		if (!slice_skip_nocase(&rest, SLICE("t")) &&
		    !slice_skip_byte(&rest, ' '))
			return WORD_NO;
		if (!take_time(&rest, &c) || !skip_offset(&rest))
			return WORD_NO;
	}
	if (rest.len > 0)
		return WORD_NO;
	return time_from_civil(&c, 0, &us) ? WORD_YES : WORD_RANGE;
}

/* A date may be followed by one space and a time. */
static struct slice
take_run(struct parser *p)
{
	struct slice word = { p->in.at, 0 }, more, look;

	(void)slice_take_while(&p->in, is_word_byte, &word);
	look = p->in;
	if (word.len == 10 && word.at[4] == '-' &&
	    slice_skip_byte(&look, ' ') && look.len > 0 &&
	    ascii_is_digit(look.at[0]) &&
	    slice_take_while(&look, is_word_byte, &more)) {
		word.len += 1 + more.len;
		p->in = look;
	}
	return word;
}

int
toml_take_word(struct parser *p, struct toml_node *node)
{
	static int (*const readers[])(struct slice,
	    struct toml_node *) = { read_integer, read_float, read_time };
	const uint8_t *at = p->in.at;
	struct slice word = take_run(p);

	if (word.len == 0)
		return toml_fail(p, at, "a value is missing here");
	node->is_true = slice_equal(word, SLICE("true"));
	if (node->is_true || slice_equal(word, SLICE("false"))) {
		node->type = TOML_BOOL;
		return TOML_OK;
	}
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		int r = readers[i](word, node);

		if (r == WORD_YES)
			return TOML_OK;
		if (r == WORD_RANGE)
			return toml_fail(p, at, "%s is out of range",
			    toml_show(word).text);
	}
	return toml_fail(p, at, "\"%s\" is no value; text needs quotes",
	    toml_show(word).text);
}
