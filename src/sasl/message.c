/* SPDX-License-Identifier: ISC */
#include "sasl/message.h"

#include <string.h>

bool
sasl_plain_parse(struct slice message, struct sasl_plain *ret)
{
	struct sasl_plain p;
	struct slice rest = message;

	if (!slice_take_until(&rest, 0, &p.authzid) ||
	    !slice_take_until(&rest, 0, &p.authcid) ||
	    slice_find_byte(rest, 0) != SIZE_MAX)
		return false;
	p.password = rest;
	/* Passwords that are no UTF-8 are in use. */
	if (p.authcid.len == 0 || p.authcid.len > LIMIT_ADDRESS ||
	    p.authzid.len > LIMIT_ADDRESS || p.password.len == 0 ||
	    p.password.len > SASL_PASSWORD_MAX || !slice_is_utf8(p.authcid) ||
	    !slice_is_utf8(p.authzid))
		return false;
	*ret = p;
	return true;
}

/* b64token = 1*(ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/") *"=" */
static bool
is_token_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' ||
	    c == '~' || c == '+' || c == '/' || c == '=';
}

/* "Bearer" 1*SP b64token; the scheme's case does not count (RFC 9110, 11.1) */
static bool
take_bearer(struct slice value, struct slice *ret_token)
{
	struct slice token;

	if (!slice_skip_nocase(&value, SLICE("Bearer ")))
		return false;
	while (slice_skip_byte(&value, ' '))
		;
	if (!slice_take_while(&value, is_token_byte, &token) || value.len > 0 ||
	    token.len > SASL_TOKEN_MAX)
		return false;
	*ret_token = token;
	return true;
}

static bool
is_key_byte(uint8_t c)
{
	return ascii_is_alpha(c);
}

/* *kvpair kvsep: each pair ends with ^A, the list with one more. auth= must be
 * there, once. */
static bool
take_pairs(struct slice in, struct slice *ret_token)
{
	struct slice pair, key, token = { 0 };

	while (slice_take_until(&in, 1, &pair)) {
		if (pair.len == 0) {
			*ret_token = token;
			return in.len == 0 && token.len > 0;
		}
		if (!slice_take_while(&pair, is_key_byte, &key) ||
		    !slice_skip_byte(&pair, '=') ||
		    slice_find_byte(pair, 0) != SIZE_MAX)
			return false;
		if (slice_equal(key, SLICE("auth")) &&
		    (token.len > 0 || !take_bearer(pair, &token)))
			return false;
	}
	return false;
}

/* saslname of RFC 5801, as in sasl/scram */
static bool
take_name(struct slice *in, struct sasl_bearer *b)
{
	uint8_t c;

	while (in->len > 0 && in->at[0] != ',') {
		if (slice_skip(in, SLICE("=2C")))
			c = ',';
		else if (slice_skip(in, SLICE("=3D")))
			c = '=';
		else if (!slice_take_byte(in, &c) || c == '=' || c < 0x20)
			return false;
		if (b->name_len == sizeof(b->name))
			return false;
		b->name[b->name_len++] = (char)c;
	}
	return b->name_len > 0 && slice_is_utf8(slice_of(b->name, b->name_len));
}

/* gs2-header = ("n" / "y" / "p=" cb-name) "," ["a=" saslname] ",". Nothing is
 * bound to the channel here (RFC 7628, section 3.1), so "p" is refused. */
bool
sasl_oauthbearer_parse(struct slice message, struct sasl_bearer *ret)
{
	struct sasl_bearer b;
	struct slice in = message;

	memset(&b, 0, sizeof(b));
	if ((!slice_skip(&in, SLICE("n,")) && !slice_skip(&in, SLICE("y,"))) ||
	    (slice_skip(&in, SLICE("a=")) && !take_name(&in, &b)) ||
	    !slice_skip(&in, SLICE(",\1")) || !take_pairs(in, &b.token))
		return false;
	*ret = b;
	return true;
}

bool
sasl_xoauth2_parse(struct slice message, struct sasl_bearer *ret)
{
	struct sasl_bearer b;
	struct slice in = message, name;

	memset(&b, 0, sizeof(b));
	if (!slice_skip(&in, SLICE("user=")) ||
	    !slice_take_until(&in, 1, &name) || name.len == 0 ||
	    name.len > sizeof(b.name) || !slice_is_utf8(name) ||
	    slice_find_byte(name, 0) != SIZE_MAX || !take_pairs(in, &b.token))
		return false;
	memcpy(b.name, name.at, name.len);
	b.name_len = name.len;
	*ret = b;
	return true;
}
