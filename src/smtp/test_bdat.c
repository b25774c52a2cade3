/* SPDX-License-Identifier: ISC */
/* Chunks: the command's argument, and the rule of line ends across them. */
#include "base/test.h"
#include "smtp/bdat.h"

#define S(text)                                                                \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}

static const struct {
	struct slice in;
	bool want, is_last;
	uint64_t size;
} args[] = {
	{ S("0"), true, false, 0 },
	{ S("10"), true, false, 10 },
	{ S("10 LAST"), true, true, 10 },
	{ S("0 last"), true, true, 0 },
	{ S("007"), true, false, 7 },
	{ S("9223372036854775807"), true, false, INT64_MAX },
	{ S("9223372036854775808"), false, false, 0 },
	{ S("18446744073709551616 LAST"), false, false, 0 },
	{ S(""), false, false, 0 },
	{ S("LAST"), false, false, 0 },
	{ S("-1"), false, false, 0 },
	{ S("+1"), false, false, 0 },
	{ S("0x10"), false, false, 0 },
	{ S("10LAST"), false, false, 0 },
	{ S("10 "), false, false, 0 },
	{ S("10 LAST "), false, false, 0 },
	{ S("10 LAST LAST"), false, false, 0 },
	{ S("10 FIRST"), false, false, 0 },
	{ S("10\tLAST"), false, false, 0 },
};

static void
reads_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		struct slice in = test_exact_copy(args[i].in);
		uint64_t size = 0;
		bool is_last = false;

		test_case((const char *)args[i].in.at);
		test_int(smtp_bdat_parse(in, &size, &is_last) == SMTP_BDAT_OK,
		    args[i].want);
		test_int(size, args[i].size);
		test_int(is_last, args[i].is_last);
		test_free_copy(in);
	}
}

static const struct {
	const char *what;
	struct slice in;
	bool is_binary, want;
} messages[] = {
	{ "nothing", S(""), false, true },
	{ "lines", S("A: b\r\n\r\nx\r\n"), false, true },
	{ "no end of line", S("A: b\r\n\r\nx"), false, true },
	{ "dots mean nothing", S("A: b\r\n\r\n.\r\n..\r\n"), false, true },
	{ "LF", S("A: b\r\n\r\nx\ny\r\n"), false, false },
	{ "CR", S("A: b\r\n\r\nx\ry\r\n"), false, false },
	{ "CR CR LF", S("A: b\r\n\r\nx\r\r\n"), false, false },
	{ "LF CR", S("A: b\r\n\r\nx\n\r"), false, false },
	{ "CR at the end", S("A: b\r\n\r\nx\r"), false, false },
	{ "LF at the beginning", S("\nA: b\r\n"), false, false },
	{ "NUL", S("A: b\r\n\r\nx\0y\r\n"), false, true },
	{ "binary: LF in the body", S("A: b\r\n\r\nx\ny\r"), true, true },
	{ "binary: CR in the body", S("A: b\r\n\r\n\r\r\r\n\n"), true, true },
	{ "binary: LF in the header", S("A: b\n\r\n\r\nx"), true, false },
	{ "binary: CR in the header", S("A: b\rC\r\n\r\nx"), true, false },
	{ "binary: all header, CR at the end", S("A: b\r"), true, false },
};

/* In one chunk of all sizes of input, and in chunks of `chunk` octets. */
static bool
run(struct slice in, bool is_binary, size_t chunk, size_t piece, uint8_t *out,
    size_t *ret_n)
{
	struct smtp_bdat b = { .is_binary = is_binary };
	size_t n = 0;

	while (in.len > 0) {
		struct slice whole = slice_upto(in, chunk);

		in = slice_from(in, whole.len);
		smtp_bdat_chunk(&b, whole.len, in.len == 0);
		while (b.left > 0) {
			struct slice part = slice_upto(whole, piece);
			size_t before = part.len;
			struct slice got = smtp_bdat_next(&b, &part);

			test_true(part.len < before);
			whole = slice_from(whole, before - part.len);
			test_true(!b.is_bad || got.len == 0);
			if (got.len > 0)
				memcpy(out + n, got.at, got.len);
			n += got.len;
		}
		test_int(whole.len, 0);
	}
	*ret_n = n;
	return smtp_bdat_end(&b);
}

static void
keeps_line_ends(void **state)
{
	uint8_t out[64];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		for (size_t chunk = 1; chunk < 30; chunk++)
			for (size_t piece = 1; piece <= chunk; piece++) {
				struct slice in =
				    test_exact_copy(messages[i].in);

				test_case(messages[i].what);
				test_int(run(in, messages[i].is_binary, chunk,
					     piece, out, &n),
				    messages[i].want);
				if (messages[i].want)
					test_slice(slice_of(out, n), in);
				test_free_copy(in);
			}
}

TEST_MAIN(cmocka_unit_test(reads_sizes), cmocka_unit_test(keeps_line_ends))
