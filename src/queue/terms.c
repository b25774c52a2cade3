/* SPDX-License-Identifier: ISC */
#include "queue/terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "config/settings_table.h"
#include "policy/tls_policy.h"

/* -- the keys
 * ------------------------------------------------------------------ */

static const struct {
	const char *name, *help;
	enum settings_kind kind; /* KIND_TEXT: an enum tls_minimum */
	int64_t min, max;
} keys[TERMS_N] = {
	[TERMS_RETRY_FIRST] = { "retry_first", "10ms to 30d", KIND_DURATION,
	    10 * TIME_MS, 30 * TIME_DAY },
	[TERMS_RETRY_MAX] = { "retry_max", "10ms to 30d", KIND_DURATION,
	    10 * TIME_MS, 30 * TIME_DAY },
	[TERMS_RETRY_GROWTH] = { "retry_growth", "100 to 1000 (percent)",
	    KIND_PERCENT, 100, 1000 },
	[TERMS_LIFETIME] = { "lifetime", "100ms to 365d", KIND_DURATION,
	    100 * TIME_MS, 365 * TIME_DAY },
	[TERMS_DELAY_WARNING] = { "delay_warning", "0s to 365d", KIND_DURATION,
	    0, 365 * TIME_DAY },
	[TERMS_CONCURRENCY] = { "concurrency", "1 to 1000", KIND_COUNT, 1,
	    1000 },
	[TERMS_MAILS] = { "mails", "1 to 10000 on a connection", KIND_COUNT, 1,
	    10000 },
	[TERMS_RCPTS] = { "recipients", "1 to 100 in a transaction", KIND_COUNT,
	    1, 100 },
	[TERMS_RATE] = { "rate", "0 to 1000000 messages a minute; 0: no limit",
	    KIND_COUNT, 0, 1000000 },
	[TERMS_BURST] = { "burst", "1 to 1000000 messages", KIND_COUNT, 1,
	    1000000 },
	[TERMS_TLS] = { "tls", "none, may, encrypt, verify or dane", KIND_TEXT,
	    TLS_MINIMUM_NONE, TLS_MINIMUM_DANE },
};

const char *
terms_key_name(enum terms_key key)
{
	return keys[key].name;
}

const char *
terms_value_help(enum terms_key key)
{
	return keys[key].help;
}

enum terms_key
terms_key_find(struct slice name)
{
	enum terms_key key = 0;

	while (key < TERMS_N && !slice_equal(name, slice_cstr(keys[key].name)))
		key++;
	return key;
}

static bool
parse_tls(struct slice text, int64_t *ret)
{
	uint8_t minimum;

	if (!tls_minimum_parse(text, &minimum))
		return false;
	*ret = minimum;
	return true;
}

static bool
parse_count(struct slice text, int64_t *ret)
{
	uint64_t n;

	if (!slice_to_u64(text, INT64_MAX, &n))
		return false;
	*ret = (int64_t)n;
	return true;
}

bool
terms_value_parse(enum terms_key key, struct slice text, int64_t *ret)
{
	int64_t value;
	bool is_good;

	if (slice_equal(text, SLICE("default"))) {
		*ret = TERMS_UNSET;
		return true;
	}
	is_good = keys[key].kind == KIND_TEXT ? parse_tls(text, &value)
	    : keys[key].kind == KIND_DURATION
	    ? settings_duration_parse(text, &value)
	    : parse_count(text, &value);
	if (!is_good || value < keys[key].min || value > keys[key].max)
		return false;
	*ret = value;
	return true;
}

void
terms_value_print(enum terms_key key, int64_t value, char text[TERMS_TEXT_MAX])
{
	struct slice whole;
	struct buf b;

	text[0] = '\0';
	buf_init(&b, TERMS_TEXT_MAX - 1);
	if (value == TERMS_UNSET)
		(void)buf_add_cstr(&b, "default");
	else if (keys[key].kind != KIND_TEXT)
		(void)settings_number_print(keys[key].kind, value, &b);
	else
		(void)buf_add(&b, tls_minimum_name((enum tls_minimum)value));
	whole = buf_slice(&b);
	if (slice_skip_byte(&whole, '"')) /* as in the file */
		whole.len--;
	(void)slice_to_cstr(whole, text, TERMS_TEXT_MAX);
	buf_deinit(&b);
}

/* -- patterns
 * ------------------------------------------------------------------ */

/* pattern = "*" / ["."] label *("." label) / "[" literal "]" ; as A-labels,
 * or the name of a route */
bool
terms_pattern_make(struct slice text, char ret[TERMS_PATTERN_MAX + 1])
{
	struct slice rest = text;
	uint8_t before = '.';

	if (text.len == 0 || text.len > TERMS_PATTERN_MAX)
		return false;
	if (!slice_equal(text, SLICE("*"))) {
		(void)slice_skip_byte(&rest, '.');
		if (rest.len == 0 || rest.len >= TERMS_PATTERN_MAX)
			return false;
		for (size_t i = 0; i < rest.len; i++) {
			uint8_t c = rest.at[i];

			if (c <= ' ' || c >= 0x7f || c == '*' ||
			    (c == '.' && before == '.'))
				return false;
			before = c;
		}
		if (before == '.')
			return false;
	}
	for (size_t i = 0; i < text.len; i++)
		ret[i] = (char)ascii_lower(text.at[i]);
	ret[text.len] = '\0';
	return true;
}

bool
terms_pattern_next(struct slice route, struct slice *pattern)
{
	struct slice all = SLICE("*"), rest;
	size_t dot;

	if (pattern->len == 0) {
		*pattern = route.len > 0 ? route : all;
		return true;
	}
	if (slice_equal(*pattern, all))
		return false;
	/* from "a.b.c" to ".b.c", from ".b.c" to ".c"; a literal has none */
	rest = slice_from(*pattern, 1);
	dot = pattern->at[0] == '[' ? SIZE_MAX : slice_find_byte(rest, '.');
	*pattern = dot == SIZE_MAX ? all : slice_from(rest, dot);
	return true;
}

/* -- the table
 * ----------------------------------------------------------------- */

void
terms_table_init(struct terms_table *t, const uint8_t seed[MAP_SEED])
{
	map_init(&t->by_pattern, seed);
}

void
terms_table_deinit(struct terms_table *t)
{
	struct terms_row *row;
	size_t at = 0;

	while ((row = map_next(&t->by_pattern, &at)) != NULL)
		free(row);
	map_deinit(&t->by_pattern);
}

int
terms_table_put(struct terms_table *t, struct slice pattern,
    const struct terms *terms)
{
	struct terms_row *row = map_get(&t->by_pattern, pattern);
	int r;

	if (row != NULL) {
		row->terms = *terms;
		return 0;
	}
	row = calloc(1, sizeof(*row));
	if (row == NULL)
		return ERR_ORIGIN(-ENOMEM);
	if (!terms_pattern_make(pattern, row->pattern)) {
		free(row);
		return ERR_ORIGIN(-EINVAL);
	}
	row->terms = *terms;
	row->len = pattern.len;
	r = map_put(&t->by_pattern, slice_of(row->pattern, row->len), row);
	if (r < 0)
		free(row);
	return ERR_TRACE(r);
}

void
terms_table_find(const struct terms_table *t, struct slice route,
    struct terms *ret, struct slice from[TERMS_N])
{
	struct slice pattern = { 0 };

	for (int i = 0; i < TERMS_N; i++) {
		ret->value[i] = TERMS_UNSET;
		if (from != NULL)
			from[i] = (struct slice){ 0 };
	}
	while (t->by_pattern.n > 0 && terms_pattern_next(route, &pattern)) {
		const struct terms_row *row = map_get(&t->by_pattern, pattern);

		for (int i = 0; row != NULL && i < TERMS_N; i++) {
			if (ret->value[i] != TERMS_UNSET ||
			    row->terms.value[i] == TERMS_UNSET)
				continue;
			ret->value[i] = row->terms.value[i];
			if (from != NULL)
				from[i] = slice_of(row->pattern, row->len);
		}
	}
}
