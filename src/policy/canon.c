/* SPDX-License-Identifier: ISC */
#include "policy/canon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <idn2.h>
#include <utf8proc.h>

enum {
	LABEL_MAX = 63,
	LOCAL_MAX = 256
};

/* -- domain -------------------------------------------------------------- */

static bool
is_domain_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* domain = label *("." label), in A-labels already */
static bool
is_domain(struct slice domain)
{
	struct slice label;

	if (domain.len > LIMIT_DOMAIN)
		return false;
	do {
		if (!slice_take_while(&domain, is_domain_byte, &label) ||
		    label.len > LABEL_MAX)
			return false;
	} while (slice_skip_byte(&domain, '.'));
	return domain.len == 0;
}

/* "[192.0.2.1]": only its letters' case is made one. */
static bool
is_literal(struct slice domain)
{
	if (domain.len < 3 || domain.len > LIMIT_DOMAIN ||
	    domain.at[0] != '[' || domain.at[domain.len - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < domain.len; i++)
		if (!ascii_is_alnum(domain.at[i]) && domain.at[i] != '.' &&
		    domain.at[i] != ':' && domain.at[i] != '-')
			return false;
	return true;
}

static int
add_lower(struct slice s, struct buf *out)
{
	uint8_t *at;
	int r = buf_reserve(out, s.len, &at);

	if (r != BUF_OK)
		return r < 0 ? r : CANON_E_BAD;
	for (size_t i = 0; i < s.len; i++)
		at[i] = ascii_lower(s.at[i]);
	buf_grew(out, s.len);
	return CANON_OK;
}

static int
add_alabels(struct slice domain, struct buf *out)
{
	char text[LIMIT_DOMAIN * 4 + 1], *ascii = NULL;
	struct slice got;
	int r;

	if (domain.len >= sizeof(text) || !slice_is_utf8(domain) ||
	    slice_find_byte(domain, '\0') != SIZE_MAX)
		return CANON_E_BAD;
	(void)slice_to_cstr(domain, text, sizeof(text));
	r = idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r == IDN2_MALLOC)
		return -ENOMEM;
	if (r != IDN2_OK)
		return CANON_E_BAD;
	got = slice_cstr(ascii);
	r = is_domain(got) ? add_lower(got, out) : CANON_E_BAD;
	idn2_free(ascii);
	return r;
}

int
canon_domain(struct slice domain, struct buf *out)
{
	if (!slice_is_ascii(domain))
		return add_alabels(domain, out);
	if (!is_domain(domain) && !is_literal(domain))
		return CANON_E_BAD;
	return add_lower(domain, out);
}

/* -- local part ---------------------------------------------------------- */

static bool
is_atom_byte(uint8_t c)
{
	return c >= 0x80 || ascii_is_alnum(c) ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* dotted = 1*atom *("." 1*atom) */
static bool
is_dotted(struct slice s)
{
	struct slice part;

	do {
		if (!slice_take_while(&s, is_atom_byte, &part))
			return false;
	} while (slice_skip_byte(&s, '.'));
	return s.len == 0;
}

/* What stands between the quotes, without backslashes. */
static bool
unquote(struct slice s, uint8_t *at, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	s = slice_from(slice_upto(s, s.len - 1), 1);
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.at[i];

		if (c == '"')
			return false;
		if (c == '\\') {
			if (++i == s.len)
				return false;
			c = s.at[i];
		}
		if (c < 0x20 || c == 0x7f || n == cap)
			return false;
		at[n++] = c;
	}
	*ret_n = n;
	return true;
}

static int
add_quoted(struct slice s, struct buf *out)
{
	int r = buf_add_byte(out, '"');

	for (size_t i = 0; r == 0 && i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			r = buf_add_byte(out, '\\');
		if (r == 0)
			r = buf_add_byte(out, s.at[i]);
	}
	if (r == 0)
		r = buf_add_byte(out, '"');
	return r == BUF_E_FULL ? CANON_E_BAD : r;
}

static int
add_as_needed(struct slice s, struct buf *out)
{
	int r = is_dotted(s) ? buf_add(out, s) : add_quoted(s, out);

	return r == BUF_E_FULL ? CANON_E_BAD : r;
}

/* Folding can make it longer: what no longer fits is no local part, or the
 * canonical form would not be one of itself. */
static int
add_composed(struct slice s, utf8proc_option_t fold, struct buf *out)
{
	uint8_t *folded = NULL;
	ssize_t n = utf8proc_map(s.at, (utf8proc_ssize_t)s.len, &folded,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE | fold);
	size_t before = out->len;
	int r;

	if (n < 0)
		return n == UTF8PROC_ERROR_NOMEM ? -ENOMEM : CANON_E_BAD;
	r = add_as_needed(slice_of(folded, (size_t)n), out);
	free(folded);
	return r == CANON_OK && out->len - before > LOCAL_MAX ? CANON_E_BAD : r;
}

static int
canon_local(struct slice local, enum canon_rule rule, struct buf *out)
{
	uint8_t bare[LOCAL_MAX];
	size_t n;

	if (local.len == 0 || local.len > LOCAL_MAX || !slice_is_utf8(local))
		return CANON_E_BAD;
	if (local.len >= 2 && local.at[0] == '"' &&
	    local.at[local.len - 1] == '"') {
		if (!unquote(local, bare, sizeof(bare), &n))
			return CANON_E_BAD;
		local = slice_of(bare, n);
	} else if (!is_dotted(local)) {
		return CANON_E_BAD;
	}
	if (rule == CANON_FOREIGN)
		return add_as_needed(local, out);
	return add_composed(local, rule == CANON_FOLDED ? UTF8PROC_CASEFOLD : 0,
	    out);
}

int
canon_address(struct slice address, enum canon_rule rule, struct buf *out)
{
	size_t at = slice_find_last_byte(address, '@');
	size_t before = out->len;
	int r;

	if (at == SIZE_MAX)
		return CANON_E_BAD;
	r = canon_local(slice_upto(address, at), rule, out);
	if (r == CANON_OK)
		r = buf_add_byte(out, '@') == BUF_OK ? CANON_OK : CANON_E_BAD;
	if (r == CANON_OK)
		r = canon_domain(slice_from(address, at + 1), out);
	if (r == CANON_OK && out->len - before > LIMIT_ADDRESS)
		r = CANON_E_BAD;
	if (r != CANON_OK)
		out->len = before;
	return r;
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

bool
canon_is_same(struct slice a, struct slice b)
{
	struct buf one, other;
	bool same;

	buf_init(&one, LIMIT_ADDRESS);
	buf_init(&other, LIMIT_ADDRESS);
	same = canon_address(a, CANON_FOLDED, &one) == CANON_OK &&
	    canon_address(b, CANON_FOLDED, &other) == CANON_OK &&
	    slice_equal(buf_slice(&one), buf_slice(&other));
	buf_deinit(&one);
	buf_deinit(&other);
	return same;
}
