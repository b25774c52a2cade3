/* SPDX-License-Identifier: ISC */
/* RFC 5321, 4.2: what we say fits a line; what a server may make us read. */
#include "base/test.h"
#include "smtp/reply.h"

#define S(text)                                                                \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}

static const struct {
	const char *what;
	struct slice in;
	int want;
	unsigned code, class, n_lines;
	struct slice text, rest;
} ins[] = {
	{ "one line", S("250 2.1.0 ok\r\nx"), SMTP_REPLY_OK, 250, 2, 1,
	    S("2.1.0 ok"), S("x") },
	{ "no text", S("250 \r\n"), SMTP_REPLY_OK, 250, 0, 1, S(""), S("") },
	{ "no space either", S("250\r\n"), SMTP_REPLY_OK, 250, 0, 1, S(""),
	    S("") },
	{ "several lines", S("250-a\r\n250-b\r\n250 c\r\n"), SMTP_REPLY_OK, 250,
	    0, 3, S("a\nb\nc"), S("") },
	{ "class of another kind", S("450 5.1.1 x\r\n"), SMTP_REPLY_OK, 450, 0,
	    1, S("5.1.1 x"), S("") },
	{ "enhanced code alone", S("550 5.1.1\r\n"), SMTP_REPLY_OK, 550, 5, 1,
	    S("5.1.1"), S("") },
	{ "8-bit stays, control does not", S("250 \xc3\xa9\t\0\r\n"),
	    SMTP_REPLY_OK, 250, 0, 1, S("\xc3\xa9??"), S("") },
	{ "not yet", S("250-a\r\n250"), SMTP_REPLY_MORE },
	{ "codes differ", S("250-a\r\n251 b\r\n"), SMTP_REPLY_E_BAD },
	{ "bare LF", S("250 a\n"), SMTP_REPLY_E_BAD },
	{ "bare CR", S("250 a\rb\r\n"), SMTP_REPLY_E_BAD },
	{ "no code", S("hello\r\n"), SMTP_REPLY_E_BAD },
	{ "code 1yz", S("150 x\r\n"), SMTP_REPLY_E_BAD },
	{ "code 6yz", S("650 x\r\n"), SMTP_REPLY_E_BAD },
	{ "code x6z", S("260 x\r\n"), SMTP_REPLY_E_BAD },
	{ "four digits", S("2500 x\r\n"), SMTP_REPLY_E_BAD },
	{ "two digits", S("25\r\n"), SMTP_REPLY_E_BAD },
	{ "empty line", S("\r\n"), SMTP_REPLY_E_BAD },
	{ "TLS alert", S("\x15\x03\x01\x00\x02\x02"), SMTP_REPLY_E_BAD },
};

static void
reads(void **state)
{
	static struct smtp_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(ins) / sizeof(ins[0]); i++) {
		for (size_t chunk = 1; chunk < 60; chunk += 58) {
			struct slice in = ins[i].in;
			int got = SMTP_REPLY_MORE;

			memset(&r, 0, sizeof(r));
			test_case(ins[i].what);
			while (in.len > 0 && got == SMTP_REPLY_MORE) {
				struct slice part = slice_upto(in, chunk);
				size_t n = part.len;

				got = smtp_reply_feed(&r, &part);
				in = slice_from(in, n - part.len);
			}
			test_int(got, ins[i].want);
			if (got != SMTP_REPLY_OK)
				continue;
			test_int(r.code, ins[i].code);
			test_int(r.esc.class, ins[i].class);
			test_int(r.n_lines, ins[i].n_lines);
			test_slice(smtp_reply_text(&r), ins[i].text);
			test_slice(in, ins[i].rest);
		}
	}
}

/* Feeds `text` n times. */
static int
feed_times(struct smtp_reply *r, const char *text, size_t n)
{
	int got = SMTP_REPLY_MORE;

	while (n-- > 0 && got == SMTP_REPLY_MORE) {
		struct slice in = slice_cstr(text);

		got = smtp_reply_feed(r, &in);
	}
	return got;
}

static void
is_bounded(void **state)
{
	static struct smtp_reply r;

	(void)state;
	test_case("an endless line");
	test_int(feed_times(&r, "250 x", LIMIT_REPLY_LINE),
	    SMTP_REPLY_E_TOO_LONG);
	memset(&r, 0, sizeof(r));
	test_case("endless lines");
	test_int(feed_times(&r, "250-x\r\n", LIMIT_REPLY_LINES),
	    SMTP_REPLY_MORE);
	test_int(feed_times(&r, "250-x\r\n", 1), SMTP_REPLY_E_TOO_LONG);
	memset(&r, 0, sizeof(r));
	test_case("more text than is kept is cut, and the reply stands");
	for (int i = 0; i < 50; i++) {
		test_int(feed_times(&r, "250-", 1), SMTP_REPLY_MORE);
		test_int(feed_times(&r, "0123456789", 40), SMTP_REPLY_MORE);
		test_int(feed_times(&r, "\r\n", 1), SMTP_REPLY_MORE);
	}
	test_int(feed_times(&r, "250 end\r\n", 1), SMTP_REPLY_OK);
	test_int(r.n_lines, 51);
	test_int(smtp_reply_text(&r).len, LIMIT_REPLY_TEXT);
}

static void
says(void **state)
{
	uint8_t at[LIMIT_SMTP_REPLY_LINE], host[300];
	char big[600];
	struct verdict v;
	size_t n;

	(void)state;
	memset(host, 'h', sizeof(host));
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < SMTP_N_SAYS; i++) {
		v = smtp_say((enum smtp_say)i);
		test_case((const char *)v.text.at);
		/* every row is filled, and the classes agree */
		test_true(v.code >= 200 && v.code < 600);
		test_true(v.esc.class == 0 ? v.code / 100 == 3
					   : v.esc.class == v.code / 100);
		n = smtp_reply_write(at, &v, slice_of(host, 255));
		test_true(n <= LIMIT_SMTP_REPLY_LINE);
		test_slice(slice_of(at + n - 2, 2), SLICE("\r\n"));
	}
	test_case("cut at 512");
	v = VERDICT(550, 5, 1, 1, "");
	v.text = slice_of(big, sizeof(big));
	n = smtp_reply_write(at, &v, slice_of(host, sizeof(host)));
	test_int(n, LIMIT_SMTP_REPLY_LINE);
	test_case("nobody's text makes a second line");
	v.text = SLICE("a\r\n250 b\0\xff");
	n = smtp_reply_write(at, &v, (struct slice){ 0 });
	test_slice(slice_of(at, n), SLICE("550 5.1.1 a250 b??\r\n"));
}

TEST_MAIN(cmocka_unit_test(reads), cmocka_unit_test(is_bounded),
    cmocka_unit_test(says))
