/* SPDX-License-Identifier: ISC */
#include "smtp/command.h"

static bool
is_line_clean(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!ascii_is_print(line.at[i]) && line.at[i] != '\t' &&
		    line.at[i] < 0x80)
			return false;
	return slice_is_utf8(line);
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
	if (slice_find_byte(line, '\r') != SIZE_MAX)
		return SMTP_LINE_E_BAD;
	*ret_line = line;
	if (!is_line_clean(line))
		return SMTP_LINE_E_CHARS;
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
