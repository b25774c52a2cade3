/* SPDX-License-Identifier: ISC */
#include "smtp/command.h"

static bool
is_line_clean(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!ascii_is_print(line.at[i]) && line.at[i] != '\t')
			return false;
	return true;
}

int
smtp_line_take(struct slice *in, size_t max, struct slice *ret_line)
{
	size_t lf = slice_find_byte(slice_upto(*in, max), '\n');
	struct slice line;

	if (lf == SIZE_MAX) {
		if (in->len < max)
			return SMTP_LINE_MORE;
		lf = slice_find_byte(*in, '\n');
		if (lf != SIZE_MAX)
			*in = slice_from(*in, lf + 1);
		return SMTP_LINE_E_TOO_LONG;
	}
	line = slice_upto(*in, lf);
	*in = slice_from(*in, lf + 1);
	if (lf == 0 || line.at[lf - 1] != '\r')
		return SMTP_LINE_E_BAD;
	line.len--;
	if (!is_line_clean(line))
		return SMTP_LINE_E_BAD;
	*ret_line = line;
	return SMTP_LINE_OK;
}

static bool
is_not_space(uint8_t c)
{
	return c != ' ';
}

void
smtp_command_split(struct slice line, struct slice *ret_verb,
    struct slice *ret_args)
{
	struct slice verb = { line.at, 0 };

	while (line.len > 0 && ascii_is_space(line.at[line.len - 1]))
		line.len--;
	(void)slice_take_while(&line, is_not_space, &verb);
	while (slice_skip_byte(&line, ' '))
		;
	*ret_verb = verb;
	*ret_args = line;
}

/* -- parameters ------------------------------------------------------------ */

static bool
is_keyword_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-';
}

/* esmtp-value = 1*(%d33-60 / %d62-126) */
static bool
is_value_char(uint8_t c)
{
	return c >= 33 && c <= 126 && c != '=';
}

/* size-value = 1*20DIGIT (RFC 1870, 3); a number above 2^64 is still a number,
 * and too big. */
static bool
read_size(struct slice value, struct smtp_params *p)
{
	struct slice rest = value, digits;

	if (!slice_take_while(&rest, ascii_is_digit, &digits) || rest.len > 0 ||
	    digits.len > 20)
		return false;
	if (!slice_to_u64(value, UINT64_MAX, &p->size))
		p->size = UINT64_MAX;
	p->has_size = true;
	return true;
}

/* RFC 6152, 3 */
static bool
read_body(struct slice value, struct smtp_params *p)
{
	if (slice_equal_nocase(value, SLICE("7BIT")))
		p->body = SMTP_BODY_7BIT;
	else if (slice_equal_nocase(value, SLICE("8BITMIME")))
		p->body = SMTP_BODY_8BITMIME;
	else
		return false;
	return true;
}

static bool
is_hex_upper(uint8_t c)
{
	return ascii_is_digit(c) || (c >= 'A' && c <= 'F');
}

/* xtext (RFC 3461, 4): "+" only before two upper-case hex digits. The value is
 * kept and not believed (RFC 4954, 5). */
static bool
read_auth(struct slice value, struct smtp_params *p)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] != '+')
			continue;
		if (value.len - i < 3 || !is_hex_upper(value.at[i + 1]) ||
		    !is_hex_upper(value.at[i + 2]))
			return false;
	}
	p->auth = value;
	return true;
}

static const struct {
	struct slice keyword;
	unsigned bit;
	bool (*read)(struct slice value, struct smtp_params *p);
} params[] = {
	{ { (const uint8_t *)"SIZE", 4 }, SMTP_PARAM_SIZE, read_size },
	{ { (const uint8_t *)"BODY", 4 }, SMTP_PARAM_BODY, read_body },
	{ { (const uint8_t *)"AUTH", 4 }, SMTP_PARAM_AUTH, read_auth },
};

enum {
	N_PARAMS = sizeof(params) / sizeof(params[0])
};

/* esmtp-param = esmtp-keyword ["=" esmtp-value]; the keyword begins with a
 * letter or digit. All of ours have values. */
static int
take_param(struct slice *in, unsigned offered, unsigned *seen,
    struct smtp_params *p)
{
	struct slice keyword, value = { 0 };

	if (!slice_take_while(in, is_keyword_char, &keyword) ||
	    keyword.at[0] == '-' ||
	    (slice_skip_byte(in, '=') &&
		!slice_take_while(in, is_value_char, &value)) ||
	    (in->len > 0 && in->at[0] != ' '))
		return SMTP_PARAMS_E_SYNTAX;

	for (size_t i = 0; i < N_PARAMS; i++) {
		if (!slice_equal_nocase(keyword, params[i].keyword) ||
		    (offered & params[i].bit) == 0)
			continue;
		if ((*seen & params[i].bit) != 0)
			return SMTP_PARAMS_E_TWICE;
		*seen |= params[i].bit;
		return value.len > 0 && params[i].read(value, p)
		    ? SMTP_PARAMS_OK
		    : SMTP_PARAMS_E_VALUE;
	}
	return SMTP_PARAMS_E_UNKNOWN;
}

int
smtp_params_parse(struct slice args, unsigned offered, struct smtp_params *ret)
{
	struct smtp_params p = { 0 };
	unsigned seen = 0;
	int r;

	while (args.len > 0) {
		if (!slice_skip_byte(&args, ' '))
			return SMTP_PARAMS_E_SYNTAX;
		while (slice_skip_byte(&args, ' '))
			;
		if (args.len == 0)
			break;
		r = take_param(&args, offered, &seen, &p);
		if (r != SMTP_PARAMS_OK)
			return r;
	}
	*ret = p;
	return SMTP_PARAMS_OK;
}

/* message = [authzid] NUL authcid NUL passwd; neither of the last is empty. */
bool
smtp_plain_parse(struct slice message, struct smtp_plain *ret)
{
	struct smtp_plain p;

	if (!slice_take_until(&message, 0, &p.authzid) ||
	    !slice_take_until(&message, 0, &p.authcid))
		return false;
	p.password = message;
	if (p.authcid.len == 0 || p.password.len == 0 ||
	    slice_find_byte(p.password, 0) != SIZE_MAX ||
	    !slice_is_utf8(p.authzid) || !slice_is_utf8(p.authcid) ||
	    !slice_is_utf8(p.password))
		return false;
	*ret = p;
	return true;
}
