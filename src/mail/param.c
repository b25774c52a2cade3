/* SPDX-License-Identifier: ISC */
#include "mail/param.h"

#include "mail/lex.h"

static bool
is_value_octet(uint8_t c)
{
	return c > ' ' && c != 0x7f && c != ';' && c != '"' && c != '(';
}

static bool
keep(struct arena *a, struct slice s, struct slice *ret, bool *ret_cut)
{
	if (arena_copy(a, s, ret))
		return true;
	*ret_cut = true;
	return false;
}

/* attribute "=" value; false: something else stands there */
static bool
take_param(struct slice *in, struct arena *a, struct mime_param *ret,
    bool *ret_cut)
{
	struct mime_param param = { .value = SLICE("") };
	struct slice rest = *in, name, value;

	(void)lex_skip_cfws(&rest);
	if (!slice_take_while(&rest, lex_is_token, &name))
		return false;
	(void)lex_skip_cfws(&rest);
	if (!slice_skip_byte(&rest, '='))
		return false;
	(void)lex_skip_cfws(&rest);
	if (!keep(a, name, &param.name, ret_cut))
		return false;
	if (rest.len > 0 && rest.at[0] == '"')
		*ret_cut |= !lex_take_quoted(&rest, a, &param.value);
	else if (slice_take_while(&rest, is_value_octet, &value))
		(void)keep(a, value, &param.value, ret_cut);
	*in = rest;
	*ret = param;
	return true;
}

/* To the next ";", which is skipped; quotes and comments hide theirs. */
static bool
skip_to_semicolon(struct slice *in)
{
	while (in->len > 0) {
		if (slice_skip_byte(in, ';'))
			return true;
		if (in->at[0] == '"') {
			size_t i = 1;

			while (i < in->len && in->at[i] != '"')
				i += in->at[i] == '\\' ? 2u : 1u;
			*in = slice_from(*in, i + 1);
		} else if (!lex_skip_cfws(in)) {
			*in = slice_from(*in, 1);
		}
	}
	return false;
}

static size_t
count_byte(struct slice s, uint8_t byte)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.at[i] == byte;
	return n;
}

/* *(";" parameter); what is no parameter is stepped over. */
static void
take_params(struct slice in, struct arena *a, struct mime_params *ret,
    bool *ret_cut)
{
	size_t most = count_byte(in, ';'), n = 0;
	struct mime_param *list;

	if (most > MIME_PARAMS)
		most = MIME_PARAMS;
	if (most == 0)
		return;
	list = arena_array(a, most, sizeof(*list));
	if (list == NULL) {
		*ret_cut = true;
		return;
	}
	while (skip_to_semicolon(&in)) {
		struct mime_param param;

		if (!take_param(&in, a, &param, ret_cut))
			continue;
		if (n == most) {
			*ret_cut = true;
			break;
		}
		list[n++] = param;
	}
	*ret = (struct mime_params){ list, n };
}

bool
param_content_type(struct slice body, struct arena *a, struct mime_part *part,
    bool *ret_cut)
{
	struct slice type, subtype, kept_type, kept_subtype;

	(void)lex_skip_cfws(&body);
	if (!slice_take_while(&body, lex_is_token, &type))
		return false;
	(void)lex_skip_cfws(&body);
	if (!slice_skip_byte(&body, '/'))
		return false;
	(void)lex_skip_cfws(&body);
	if (!slice_take_while(&body, lex_is_token, &subtype) ||
	    !keep(a, type, &kept_type, ret_cut) ||
	    !keep(a, subtype, &kept_subtype, ret_cut))
		return false;
	part->type = kept_type;
	part->subtype = kept_subtype;
	take_params(body, a, &part->params, ret_cut);
	return true;
}

bool
param_disposition(struct slice body, struct arena *a, struct mime_part *part,
    bool *ret_cut)
{
	struct slice word;

	(void)lex_skip_cfws(&body);
	if (!slice_take_while(&body, lex_is_token, &word) ||
	    !keep(a, word, &part->disposition, ret_cut))
		return false;
	take_params(body, a, &part->disposition_params, ret_cut);
	return true;
}

void
param_languages(struct slice body, struct arena *a, struct mime_part *part,
    bool *ret_cut)
{
	size_t most = count_byte(body, ',') + 1, n = 0;
	struct slice *list, tag;

	if (most > MIME_LANGUAGES)
		most = MIME_LANGUAGES;
	list = arena_array(a, most, sizeof(*list));
	if (list == NULL) {
		*ret_cut = true;
		return;
	}
	do {
		(void)lex_skip_cfws(&body);
		if (!slice_take_while(&body, lex_is_token, &tag))
			break;
		if (n == most) {
			*ret_cut = true;
			break;
		}
		if (!keep(a, tag, &list[n], ret_cut))
			break;
		n++;
		(void)lex_skip_cfws(&body);
	} while (slice_skip_byte(&body, ','));
	if (n == 0)
		return;
	part->languages = list;
	part->n_languages = n;
}

bool
param_token(struct slice body, struct arena *a, struct slice *ret,
    bool *ret_cut)
{
	struct slice word;

	(void)lex_skip_cfws(&body);
	return slice_take_while(&body, lex_is_token, &word) &&
	    keep(a, word, ret, ret_cut);
}
