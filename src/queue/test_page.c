/* SPDX-License-Identifier: ISC */
/* What is written into reports: nothing from outside bends their form. */
#include "base/test.h"
#include "queue/page.h"

static const struct {
	const char *what;
	struct slice in;
	size_t max;
	struct slice want;
} texts[] = {
	{ "ASCII", SLICE("a b"), 10, SLICE("a b") },
	{ "UTF-8", SLICE("\xc3\xa9"), 10, SLICE("\xc3\xa9") },
	{ "UTF-8, too long: not cut in the middle", SLICE("a\xc3\xa9"), 2,
	    SLICE("a?") },
	{ "half a character", SLICE("a\xc3"), 10, SLICE("a?") },
	{ "a line end", SLICE("a\r\nX: y"), 10, SLICE("a X: y") },
	{ "a line end in UTF-8", SLICE("\xc3\xa9\r\nX"), 10, SLICE("?? X") },
	{ "NEL", SLICE("a\xc2\x85z"), 10, SLICE("a??z") },
	{ "LINE SEPARATOR", SLICE("a\xe2\x80\xa8z"), 10, SLICE("a???z") },
	{ "DEL", SLICE("a\x7fz"), 10, SLICE("a?z") },
	{ "none", SLICE(""), 10, SLICE("") },
};

static void
keeps_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct slice in = test_exact_copy(texts[i].in);
		struct buf out;
		struct page p = { &out, 0 };

		test_case(texts[i].what);
		buf_init(&out, 100);
		page_utf8(&p, in, texts[i].max);
		test_int(p.r, BUF_OK);
		test_slice(buf_slice(&out), texts[i].want);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

static void
encodes(void **state)
{
	struct buf out;
	struct page p = { &out, 0 };

	(void)state;
	buf_init(&out, 1000);
	page_quoted_printable(&p,
	    SLICE("a=\xff b \r\n-x-\t\r\n0123456789012345678901234567890123456"
		  "789012345678901234567890123456789\r\n"));
	test_slice(buf_slice(&out),
	    SLICE("a=3D=FF b=20\r\n=2Dx-=09\r\n0123456789012345678901234567890"
		  "123456789012345678901234567890123456789\r\n"));
	buf_deinit(&out);
}

/* The first failure stays, and nothing follows it. */
static void
remembers_its_end(void **state)
{
	struct buf out;
	struct page p = { &out, 0 };

	(void)state;
	buf_init(&out, 8);
	page_text(&p, "1234");
	page_number(&p, 123456789);
	test_int(p.r, BUF_E_FULL);
	page_text(&p, "x");
	page_clean(&p, SLICE("x"), 1);
	page_quoted_printable(&p, SLICE("x\r\n"));
	test_int(p.r, BUF_E_FULL);
	test_slice(buf_slice(&out), SLICE("1234"));
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(keeps_utf8), cmocka_unit_test(encodes),
    cmocka_unit_test(remembers_its_end))
