/* SPDX-License-Identifier: ISC */
/* Multi-line responses (RFC 1939, 3), whatever was stored and however it is
 * cut. */
#include "base/test.h"
#include "pop3/stuff.h"

enum {
	ALL = -1
};

static const struct {
	const char *what;
	struct slice in;
	int lines;
	struct slice want;
} cases[] = {
	{ "as it is", SLICE("a\r\n\r\nb\r\n"), ALL,
	    SLICE("a\r\n\r\nb\r\n.\r\n") },
	{ "dots", SLICE(".\r\n..a\r\nb.\r\n"), ALL,
	    SLICE("..\r\n...a\r\nb.\r\n.\r\n") },
	{ "no line end", SLICE("a"), ALL, SLICE("a\r\n.\r\n") },
	{ "CR at the end", SLICE("a\r"), ALL, SLICE("a\r\n.\r\n") },
	{ "bare LF", SLICE("a\n.\n"), ALL, SLICE("a\r\n..\r\n.\r\n") },
	{ "bare CR stays", SLICE("a\r.\r\n"), ALL, SLICE("a\r.\r\n.\r\n") },
	{ "empty", SLICE(""), ALL, SLICE(".\r\n") },
	{ "TOP 0", SLICE("h\r\n\r\nb\r\n"), 0, SLICE("h\r\n\r\n.\r\n") },
	{ "TOP 1", SLICE("h\r\n\r\n.b\r\nc\r\n"), 1,
	    SLICE("h\r\n\r\n..b\r\n.\r\n") },
	{ "TOP of empty lines", SLICE("h\r\n\r\n\r\n\r\nc\r\n"), 2,
	    SLICE("h\r\n\r\n\r\n\r\n.\r\n") },
	{ "TOP more than there is", SLICE("h\r\n\r\nb"), 9,
	    SLICE("h\r\n\r\nb\r\n.\r\n") },
	{ "TOP with bare LFs", SLICE("h\n\nb\nc\n"), 1,
	    SLICE("h\r\n\r\nb\r\n.\r\n") },
	{ "TOP of a header alone", SLICE("h\r\n"), 3, SLICE("h\r\n.\r\n") },
};

static void
stuffing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t chunk = 1; chunk < 20; chunk++) {
			struct pop3_stuff s = { .is_limited =
						    cases[i].lines != ALL,
				.lines = (uint32_t)cases[i].lines };
			struct slice in = cases[i].in;
			struct buf out;

			test_case(cases[i].what);
			buf_init(&out, 4096);
			for (; in.len > 0; in = slice_from(in, chunk))
				test_int(pop3_stuff_add(&s,
					     slice_upto(in, chunk), &out),
				    BUF_OK);
			test_int(pop3_stuff_end(&s, &out), BUF_OK);
			test_slice(buf_slice(&out), cases[i].want);
			buf_deinit(&out);
		}
}

TEST_MAIN(cmocka_unit_test(stuffing))
