/* SPDX-License-Identifier: ISC */
/* Lines, verbs, parameters and PLAIN: what the transcripts do not reach. */
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
	{ "NUL", S("N\0P\r\nX"), SMTP_LINE_E_BAD, S(""), S("X") },
	{ "8-bit", S("N\x80P\r\nX"), SMTP_LINE_E_BAD, S(""), S("X") },
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

static const struct {
	struct slice in;
	unsigned offered;
	int want;
	uint64_t size;
	unsigned body;
} params[] = {
	{ S(""), 7, SMTP_PARAMS_OK, 0, SMTP_BODY_NONE },
	{ S("  "), 7, SMTP_PARAMS_OK, 0, SMTP_BODY_NONE },
	{ S(" SIZE=12 BODY=8bitmime"), 7, SMTP_PARAMS_OK, 12,
	    SMTP_BODY_8BITMIME },
	{ S(" SIZE=18446744073709551616"), 7, SMTP_PARAMS_OK, UINT64_MAX,
	    SMTP_BODY_NONE },
	{ S(" AUTH=<> SIZE=1"), 7, SMTP_PARAMS_OK, 1, SMTP_BODY_NONE },
	{ S("SIZE=1"), 7, SMTP_PARAMS_E_SYNTAX, 0, 0 },
	{ S(" SIZE=1"), 0, SMTP_PARAMS_E_UNKNOWN, 0, 0 },
	{ S(" SIZE=1 size=1"), 7, SMTP_PARAMS_E_TWICE, 0, 0 },
	{ S(" SIZE"), 7, SMTP_PARAMS_E_VALUE, 0, 0 },
	{ S(" SIZE="), 7, SMTP_PARAMS_E_SYNTAX, 0, 0 },
	{ S(" SIZE=1x"), 7, SMTP_PARAMS_E_VALUE, 0, 0 },
	{ S(" BODY=BINARYMIME"), 7, SMTP_PARAMS_E_VALUE, 0, 0 },
	{ S(" SIZES=1"), 7, SMTP_PARAMS_E_UNKNOWN, 0, 0 },
	{ S(" AUTH=+2B+"), 7, SMTP_PARAMS_E_VALUE, 0, 0 },
	{ S(" \tSIZE=1"), 7, SMTP_PARAMS_E_SYNTAX, 0, 0 },
};

static void
reads_params(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		struct slice in = test_exact_copy(params[i].in);
		struct smtp_params got = { 0 };

		test_case((const char *)params[i].in.at);
		test_int(smtp_params_parse(in, params[i].offered, &got),
		    params[i].want);
		if (params[i].want == SMTP_PARAMS_OK) {
			test_true(got.size == params[i].size);
			test_int(got.body, params[i].body);
		}
		test_free_copy(in);
	}
}

static const struct {
	const char *what;
	struct slice in;
	bool want;
} plains[] = {
	{ "no authzid", S("\0u\0p"), true },
	{ "authzid", S("z\0u\0p"), true },
	{ "UTF-8", S("\0u\0\xc3\xa9"), true },
	{ "not UTF-8", S("\0u\0\xff"), false },
	{ "one NUL", S("u\0p"), false },
	{ "three NULs", S("\0u\0p\0"), false },
	{ "no name", S("\0\0p"), false },
	{ "no password", S("\0u\0"), false },
	{ "nothing", S(""), false },
};

static void
reads_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		struct slice in = test_exact_copy(plains[i].in);
		struct smtp_plain got = { 0 };

		test_case(plains[i].what);
		test_int(smtp_plain_parse(in, &got), plains[i].want);
		test_int(got.authcid.len, plains[i].want);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(takes_lines), cmocka_unit_test(reads_params),
    cmocka_unit_test(reads_plain))
