/* SPDX-License-Identifier: ISC */
#include "policy/canon.h"

#include <errno.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/limits.h"

enum {
	LABEL_MAX = 63
};

static int
add(struct buf *out, struct slice s)
{
	int r = buf_add(out, s);

	return r == BUF_E_FULL ? CANON_E_BAD : r;
}

static bool
is_label_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* label *("." label), every label 1 to 63 long and without "-" at its ends */
static bool
is_ascii_domain(struct slice s)
{
	struct slice label;

	if (s.len == 0 || s.len > LIMIT_DOMAIN)
		return false;
	do {
		if (!slice_take_while(&s, is_label_byte, &label) ||
		    label.len > LABEL_MAX || label.at[0] == '-' ||
		    label.at[label.len - 1] == '-')
			return false;
	} while (slice_skip_byte(&s, '.') && s.len > 0);
	return s.len == 0;
}

static int
add_lower(struct buf *out, struct slice s)
{
	uint8_t *at;
	int r = buf_reserve(out, s.len, &at);

	if (r != BUF_OK)
		return r == BUF_E_FULL ? CANON_E_BAD : r;
	for (size_t i = 0; i < s.len; i++)
		at[i] = ascii_lower(s.at[i]);
	buf_grew(out, s.len);
	return CANON_OK;
}

static bool
is_literal(struct slice s)
{
	return s.len > 2 && s.len <= LIMIT_DOMAIN && s.at[0] == '[' &&
	    s.at[s.len - 1] == ']' && slice_is_ascii(s);
}

static int
add_idn(struct buf *out, struct slice s)
{
	char text[LIMIT_DOMAIN * 4 + 1];
	char *ascii = NULL;
	int r;

	if (!slice_is_utf8(s) || slice_find_byte(s, 0) != SIZE_MAX ||
	    !slice_to_cstr(s, text, sizeof(text)))
		return CANON_E_BAD;
	r = idn2_to_ascii_8z(text, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r == IDN2_MALLOC)
		return -ENOMEM;
	if (r != IDN2_OK)
		return CANON_E_BAD;
	r = is_ascii_domain(slice_cstr(ascii))
	    ? add_lower(out, slice_cstr(ascii))
	    : CANON_E_BAD;
	idn2_free(ascii);
	return r;
}

int
canon_domain(struct slice domain, struct buf *out)
{
	if (is_ascii_domain(domain) || is_literal(domain))
		return add_lower(out, domain);
	if (slice_is_ascii(domain))
		return CANON_E_BAD;
	return add_idn(out, domain);
}

bool
canon_split(struct slice address, struct slice *ret_local,
    struct slice *ret_domain)
{
	size_t at = slice_find_last_byte(address, '@');

	if (at == SIZE_MAX || at == 0 || at + 1 == address.len)
		return false;
	*ret_local = slice_upto(address, at);
	*ret_domain = slice_from(address, at + 1);
	return true;
}

/* "a\"b" with its quotes and backslashes taken off, into text. */
static bool
unquote(struct slice s, uint8_t *text, size_t size, size_t *ret_len)
{
	size_t n = 0;

	if (s.len < 2 || s.at[s.len - 1] != '"' || s.len > size)
		return false;
	for (size_t i = 1; i + 1 < s.len; i++) {
		if (s.at[i] == '"')
			return false;
		if (s.at[i] == '\\' && ++i + 1 >= s.len)
			return false;
		text[n++] = s.at[i];
	}
	*ret_len = n;
	return n > 0;
}

static int
add_folded(struct buf *out, struct slice local)
{
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t n;
	int r;

	if (slice_is_ascii(local))
		return add_lower(out, local);
	if (!slice_is_utf8(local))
		return CANON_E_BAD;
	n = utf8proc_map(local.at, (utf8proc_ssize_t)local.len, &folded,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (n == UTF8PROC_ERROR_NOMEM)
		return -ENOMEM;
	if (n < 0)
		return CANON_E_BAD;
	r = add(out, slice_of(folded, (size_t)n));
	free(folded);
	return r;
}

static int
add_local(struct slice local, bool ours, struct buf *out)
{
	uint8_t text[LIMIT_ADDRESS];
	size_t n;

	if (!ours)
		return add(out, local);
	if (local.at[0] != '"')
		return add_folded(out, local);
	if (!unquote(local, text, sizeof(text), &n))
		return CANON_E_BAD;
	return add_folded(out, slice_of(text, n));
}

int
canon_address(struct slice address, bool ours, struct buf *out)
{
	struct slice local, domain;
	size_t before = out->len;
	int r;

	if (address.len > LIMIT_ADDRESS ||
	    !canon_split(address, &local, &domain) ||
	    slice_find_byte(address, 0) != SIZE_MAX)
		return CANON_E_BAD;
	r = add_local(local, ours, out);
	if (r == CANON_OK)
		r = add(out, SLICE("@"));
	if (r == CANON_OK)
		r = canon_domain(domain, out);
	if (r == CANON_OK && out->len - before > LIMIT_ADDRESS)
		r = CANON_E_BAD;
	if (r != CANON_OK)
		out->len = before;
	return r;
}
