/* SPDX-License-Identifier: ISC */
/* Lines, verbs and PLAIN: what the transcripts do not reach. */
#include "base/test.h"
#include "smtp/command.h"

#define S(text)                                                                \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}

static const struct {
	const char *what;
	struct slice in;
	int want;
	struct slice line, rest;
} lines[] = {
	{ "a line", S("NOOP\r\nX"), SMTP_LINE_OK, S("NOOP"), S("X") },
	{ "empty", S("\r\n"), SMTP_LINE_OK, S(""), S("") },
	{ "of 10", S("12345678\r\n"), SMTP_LINE_OK, S("12345678"), S("") },
	{ "of 11", S("123456789\r\nX"), SMTP_LINE_E_TOO_LONG, S(""), S("X") },
	{ "no end", S("NOOP\r"), SMTP_LINE_MORE, S(""), S("NOOP\r") },
	{ "too long, no end", S("1234567890"), SMTP_LINE_E_TOO_LONG, S(""),
	    S("1234567890") },
	{ "LF", S("NOOP\nX"), SMTP_LINE_E_BAD, S(""), S("X") },
	{ "LF alone", S("\nX"), SMTP_LINE_E_BAD, S(""), S("X") },
	{ "CR inside", S("N\rP\r\nX"), SMTP_LINE_E_BAD, S(""), S("X") },
	{ "NUL", S("N\0P\r\nX"), SMTP_LINE_E_CHARS, S("N\0P"), S("X") },
	{ "UTF-8", S("N\xc3\xa9\r\nX"), SMTP_LINE_OK, S("N\xc3\xa9"), S("X") },
	{ "8-bit", S("N\x80P\r\nX"), SMTP_LINE_E_CHARS, S("N\x80P"), S("X") },
};

static void
takes_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct slice in = test_exact_copy(lines[i].in), whole = in;
		struct slice line = { 0 };

		test_case(lines[i].what);
		test_int(smtp_line_take(&in, 10, &line), lines[i].want);
		test_slice(line, lines[i].line);
		test_slice(in, lines[i].rest);
		test_free_copy(whole);
	}
}

TEST_MAIN(cmocka_unit_test(takes_lines))
