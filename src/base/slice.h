/* SPDX-License-Identifier: ISC */
/*
 * base/slice - bytes that belong to somebody else, with their length
 *
 * Everything that is parsed is a slice: no NUL is assumed at its end and any
 * byte may stand in it. Pure and without allocation; a slice taken from a
 * slice points into the same bytes and lives as long as they do.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const uint8_t *at;
	size_t len;
};

/* Only for string literals: the "" on each side refuses a pointer. */
#define SLICE(lit)                                                             \
	((struct slice){ (const uint8_t *)("" lit ""), sizeof(lit) - 1 })

/* For printf: printf("%.*s", SLICE_FMT(s)). Never on bytes from outside. */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).at

/* Small enough to stand where they are used: parsers are made of them. */
static inline struct slice
slice_of(const void *at, size_t len)
{
	return (struct slice){ at, len };
}

/* What is left of `s` after, or of the first, n bytes; n is cut to its length.
 */
static inline struct slice
slice_from(struct slice s, size_t n)
{
	if (n >= s.len)
		return slice_of(s.at == NULL ? NULL : s.at + s.len, 0);
	return slice_of(s.at + n, s.len - n);
}

static inline struct slice
slice_upto(struct slice s, size_t n)
{
	return slice_of(s.at, n < s.len ? n : s.len);
}

static inline bool
slice_skip_byte(struct slice *in, uint8_t byte)
{
	if (in->len == 0 || in->at[0] != byte)
		return false;
	*in = slice_from(*in, 1);
	return true;
}

static inline bool
slice_take_byte(struct slice *in, uint8_t *ret_byte)
{
	if (in->len == 0)
		return false;
	*ret_byte = in->at[0];
	*in = slice_from(*in, 1);
	return true;
}

static inline bool
slice_take(struct slice *in, size_t n, struct slice *ret_part)
{
	if (n > in->len)
		return false;
	*ret_part = slice_upto(*in, n);
	*in = slice_from(*in, n);
	return true;
}

struct slice slice_cstr(const char *text); /* NULL gives the empty slice */

bool slice_equal(struct slice a, struct slice b);
bool slice_equal_nocase(struct slice a, struct slice b); /* ASCII only */
int slice_compare(struct slice a, struct slice b);       /* like memcmp */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
bool slice_starts_nocase(struct slice s, struct slice prefix);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* Index of the first such byte or run, or SIZE_MAX when there is none. */
size_t slice_find_byte(struct slice s, uint8_t byte);
size_t slice_find(struct slice s, struct slice what);
size_t slice_find_nocase(struct slice s, struct slice what); /* ASCII only */
size_t slice_find_last_byte(struct slice s, uint8_t byte);

/*
 * Advance `in` past what matched and return true, or leave it alone and return
 * false. The chains of a parser are made of these.
 */
bool slice_skip(struct slice *in, struct slice prefix);
bool slice_skip_nocase(struct slice *in, struct slice prefix);
bool slice_take_while(struct slice *in, bool (*wanted)(uint8_t),
    struct slice *ret_run);
/* The bytes before the first `byte`, which is skipped; false when none. */
bool slice_take_until(struct slice *in, uint8_t byte, struct slice *ret_part);
/* 1*DIGIT, at most `max`; false (and `in` untouched) on overflow or above. */
bool slice_take_u64(struct slice *in, uint64_t max, uint64_t *ret_n);

/* One CRLF-ended line without its CRLF; false when none is complete. */
bool slice_take_crlf_line(struct slice *in, struct slice *ret_line);

struct slice slice_trim(struct slice s); /* SP and HT at both ends */

/* The whole slice as a decimal number; false on anything else. */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_n);

/* Copies at most size - 1 bytes and a NUL; false when something was cut. */
bool slice_to_cstr(struct slice s, char *dst, size_t size);

uint8_t ascii_lower(uint8_t c);
uint8_t ascii_upper(uint8_t c);
bool ascii_is_digit(uint8_t c);
bool ascii_is_alpha(uint8_t c);
bool ascii_is_alnum(uint8_t c);
bool ascii_is_space(uint8_t c); /* SP HT */
bool ascii_is_print(uint8_t c); /* 0x20 to 0x7e */
/* Well-formed UTF-8 (RFC 3629): no surrogates, no overlong forms. */
bool slice_is_utf8(struct slice s);
bool slice_is_ascii(struct slice s);

#endif
