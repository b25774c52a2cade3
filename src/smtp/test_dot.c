/* SPDX-License-Identifier: ISC */
/*
 * RFC 5321, 4.5.2: what is taken out comes back, and there is one end. Every
 * case runs in chunks of 1, 2, 3 and all bytes, with the same outcome.
 */
#include "base/test.h"
#include "smtp/dot.h"

#define S(text)                                                                \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}

static const struct {
	const char *what;
	struct slice in;
	bool has_end, is_bad;
	struct slice content; /* when it ends and is not bad */
	struct slice rest;
} ins[] = {
	{ "empty message", S(".\r\n"), true, false, S(""), S("") },
	{ "plain", S("a\r\n.\r\nQUIT"), true, false, S("a\r\n"), S("QUIT") },
	{ "dots", S("..\r\n..a\r\n.b\r\n.\r\n"), true, false,
	    S(".\r\n.a\r\nb\r\n"), S("") },
	{ "empty lines", S("\r\n\r\n.\r\n"), true, false, S("\r\n\r\n"),
	    S("") },
	{ "NUL and 8-bit", S("\0\xff\r\n.\r\n"), true, false, S("\0\xff\r\n"),
	    S("") },
	{ "dot, not at the start", S("a.\r\n .\r\n.\r\n"), true, false,
	    S("a.\r\n .\r\n"), S("") },
	{ "no end yet", S("a\r\n."), false, false, S(""), S("") },
	{ "no end yet, CR", S("a\r\n.\r"), false, false, S(""), S("") },
	{ "LF . LF", S("a\n.\n"), false, true, S(""), S("") },
	{ "LF . CRLF", S("a\n.\r\n.\r\n"), true, true, S(""), S("") },
	{ "CRLF . LF", S("a\r\n.\n"), false, true, S(""), S("") },
	{ "CR . CR", S("a\r.\r.\r\n"), false, true, S(""), S("") },
	{ "CRLF . CR CRLF", S("a\r\n.\r\r\n"), false, true, S(""), S("") },
	{ "CR CRLF . CRLF", S("a\r\r\n.\r\nX"), true, true, S(""), S("X") },
	{ "LF first", S("\n.\r\n"), false, true, S(""), S("") },
	{ "CR first", S("\r.\r\n"), false, true, S(""), S("") },
};

static struct smtp_dot
take_all(struct slice in, size_t chunk, uint8_t *out, size_t *ret_n,
    struct slice *ret_rest, int *ret_r)
{
	struct smtp_dot d = { 0 };
	struct slice run;
	size_t n = 0;
	int r = SMTP_DOT_MORE;

	while (in.len > 0 && r != SMTP_DOT_END) {
		struct slice part = slice_upto(in, chunk);
		struct slice exact = test_exact_copy(part), now = exact;

		while ((r = smtp_dot_next(&d, &now, &run)) == SMTP_DOT_RUN) {
			memcpy(out + n, run.at, run.len);
			n += run.len;
		}
		in = slice_from(in, part.len - now.len);
		test_free_copy(exact);
	}
	*ret_n = n;
	*ret_rest = in;
	*ret_r = r;
	return d;
}

static void
unstuffs(void **state)
{
	static const size_t chunks[] = { 1, 2, 3, 1000 };
	uint8_t out[64];
	struct slice rest;
	size_t n;
	int r;

	(void)state;
	for (size_t i = 0; i < sizeof(ins) / sizeof(ins[0]); i++) {
		for (size_t k = 0; k < 4; k++) {
			struct smtp_dot d =
			    take_all(ins[i].in, chunks[k], out, &n, &rest, &r);

			test_case(ins[i].what);
			test_int(r == SMTP_DOT_END, ins[i].has_end);
			test_int(d.is_bad, ins[i].is_bad);
			test_slice(rest, ins[i].rest);
			if (ins[i].has_end && !ins[i].is_bad)
				test_slice(slice_of(out, n), ins[i].content);
		}
	}
}

static const struct {
	const char *what;
	struct slice in;
	int want;
	struct slice out;
} outs[] = {
	{ "empty", S(""), SMTP_STUFF_OK, S(".\r\n") },
	{ "plain", S("a\r\n"), SMTP_STUFF_OK, S("a\r\n.\r\n") },
	{ "no line end at the end", S("a"), SMTP_STUFF_OK, S("a\r\n.\r\n") },
	{ "dots", S(".\r\n..\r\n.a\r\na.\r\n"), SMTP_STUFF_OK,
	    S("..\r\n...\r\n..a\r\na.\r\n.\r\n") },
	{ "a lone dot", S("."), SMTP_STUFF_OK, S("..\r\n.\r\n") },
	{ "bare LF", S("a\nb"), SMTP_STUFF_E_LINE_END, S("") },
	{ "bare CR", S("a\rb"), SMTP_STUFF_E_LINE_END, S("") },
	{ "CR CR LF", S("a\r\r\n"), SMTP_STUFF_E_LINE_END, S("") },
	{ "CR at the end", S("a\r"), SMTP_STUFF_E_LINE_END, S("") },
	{ "LF first", S("\n"), SMTP_STUFF_E_LINE_END, S("") },
	{ "LF . LF", S("a\r\n\n.\n"), SMTP_STUFF_E_LINE_END, S("") },
};

static int
stuff_all(struct slice in, size_t chunk, struct buf *all)
{
	struct smtp_stuff s = { 0 };
	struct buf out;
	int r = SMTP_STUFF_OK;

	buf_init(&out, 5); /* as small as it may be */
	while (in.len > 0 && r == SMTP_STUFF_OK) {
		struct slice part = slice_upto(in, chunk), now = part;

		r = smtp_stuff_add(&s, &now, &out);
		in = slice_from(in, part.len - now.len);
		test_int(buf_add(all, buf_slice(&out)), BUF_OK);
		buf_reset(&out, 0);
	}
	if (r == SMTP_STUFF_OK) {
		r = smtp_stuff_end(&s, &out);
		test_int(buf_add(all, buf_slice(&out)), BUF_OK);
	}
	buf_deinit(&out);
	return r;
}

static void
stuffs(void **state)
{
	static const size_t chunks[] = { 1, 2, 3, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(outs) / sizeof(outs[0]); i++) {
		for (size_t k = 0; k < 4; k++) {
			struct buf all;

			buf_init(&all, 1000);
			test_case(outs[i].what);
			test_int(stuff_all(outs[i].in, chunks[k], &all),
			    outs[i].want);
			if (outs[i].want == SMTP_STUFF_OK)
				test_slice(buf_slice(&all), outs[i].out);
			/* in no case a line end that is none */
			for (size_t j = 0; j < all.len; j++)
				if (all.mem[j] == '\n')
					test_true(j > 0 &&
					    all.mem[j - 1] == '\r');
			buf_deinit(&all);
		}
	}
}

TEST_MAIN(cmocka_unit_test(unstuffs), cmocka_unit_test(stuffs))
