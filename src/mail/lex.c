/* SPDX-License-Identifier: ISC */
#include "mail/lex.h"

#include <string.h>

bool
lex_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
lex_is_token(uint8_t c)
{
	return c > ' ' && c < 0x7f &&
	    memchr("()<>@,;:\\\"/[]?=", c, 15) == NULL;
}

/* comment = "(" *([FWS] (ctext / quoted-pair / comment)) [FWS] ")" */
static void
skip_comment(struct slice *in)
{
	size_t depth = 0, i = 0;

	for (; i < in->len; i++) {
		uint8_t c = in->at[i];

		if (c == '\\')
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	*in = slice_from(*in, i + 1);
}

bool
lex_skip_cfws(struct slice *in)
{
	size_t before = in->len;

	while (in->len > 0) {
		if (lex_is_blank(in->at[0]))
			*in = slice_from(*in, 1);
		else if (in->at[0] == '(')
			skip_comment(in);
		else
			break;
	}
	return in->len != before;
}

/* quoted-string = DQUOTE *([FWS] (qtext / quoted-pair)) [FWS] DQUOTE */
bool
lex_take_quoted(struct slice *in, struct arena *a, struct slice *ret)
{
	size_t end = 1, n = 0;
	uint8_t *at;

	while (end < in->len && in->at[end] != '"')
		end += in->at[end] == '\\' ? 2u : 1u;
	if (end > in->len)
		end = in->len;
	at = arena_alloc(a, end);
	for (size_t i = 1; at != NULL && i < end; i++) {
		uint8_t c = in->at[i];

		if (c == '\\' && i + 1 < end)
			c = in->at[++i];
		if (c != '\r' && c != '\n')
			at[n++] = c;
	}
	*in = slice_from(*in, end + 1);
	if (at == NULL)
		return false;
	*ret = slice_of(at, n);
	return true;
}

struct slice
lex_unfold(struct slice body, size_t max, struct arena *a, bool *ret_cut)
{
	struct slice none = SLICE("");
	uint8_t *at;
	size_t n = 0, i;

	while (body.len > 0 && lex_is_blank(body.at[0]))
		body = slice_from(body, 1);
	while (body.len > 0 && lex_is_blank(body.at[body.len - 1]))
		body.len--;
	at = arena_alloc(a, body.len < max ? body.len : max);
	if (at == NULL) {
		*ret_cut = true;
		return none;
	}
	for (i = 0; i < body.len; i++) {
		if (body.at[i] == '\r' || body.at[i] == '\n')
			continue;
		if (n == max) {
			*ret_cut = true;
			break;
		}
		at[n++] = body.at[i];
	}
	return slice_of(at, n);
}
