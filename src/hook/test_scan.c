/* SPDX-License-Identifier: ISC */
/* What Rspamd and clamd are sent, and clamd's one line. */
#include "base/test.h"
#include "hook/scan.h"

static void
rspamd(void **state)
{
	const struct slice rcpts[] = { SLICE("a@one.example"),
		SLICE("b\r\nX: y") };
	struct rspamd_request r = { .host = SLICE("127.0.0.1:11333"),
		.id = SLICE("ID"),
		.ip = SLICE("192.0.2.1"),
		.helo = SLICE("evil\r\nUser: admin"),
		.from = SLICE("s@two.example"),
		.rcpts = rcpts,
		.n_rcpts = 2,
		.size = 77 };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	test_int(rspamd_request_print(&r, &out), BUF_OK);
	/* values with line ends are not there */
	test_slice(buf_slice(&out),
	    SLICE("POST /checkv2 HTTP/1.1\r\nHost: 127.0.0.1:11333\r\n"
		  "Queue-Id: ID\r\nIP: 192.0.2.1\r\nFrom: s@two.example\r\n"
		  "Rcpt: a@one.example\r\nConnection: close\r\n"
		  "Content-Length: 77\r\n\r\n"));
	buf_deinit(&out);
	buf_init(&out, 40);
	test_int(rspamd_request_print(&r, &out), BUF_E_FULL);
	buf_deinit(&out);
}

static void
clamd_says(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 32);
	test_int(clamd_begin_print(&out), BUF_OK);
	test_int(clamd_chunk_print(SLICE("ab"), &out), BUF_OK);
	test_int(clamd_end_print(&out), BUF_OK);
	test_slice(buf_slice(&out), SLICE("zINSTREAM\0\0\0\0\2ab\0\0\0\0"));
	test_int(clamd_chunk_print(SLICE("012345678901"), &out), BUF_E_FULL);
	test_int(out.len, 20);
	buf_deinit(&out);
}

static void
clamd_answers(void **state)
{
	static const struct {
		struct slice in;
		enum clamd_answer want;
		struct slice text;
	} rows[] = {
		{ SLICE("stream: OK\0"), CLAMD_CLEAN, SLICE("") },
		{ SLICE("stream: OK"), CLAMD_MORE, SLICE("") },
		{ SLICE("stream: OK\0x"), CLAMD_BAD, SLICE("") },
		{ SLICE("stream: Win.Test.EICAR_HDB-1 FOUND\0"), CLAMD_FOUND,
		    SLICE("Win.Test.EICAR_HDB-1") },
		{ SLICE("stream: {HEX}php.v23au.185.UNOFFICIAL FOUND\0"),
		    CLAMD_FOUND, SLICE("{HEX}php.v23au.185.UNOFFICIAL") },
		{ SLICE("stream: Eicar-Test(44d88612:68) FOUND\0"), CLAMD_FOUND,
		    SLICE("Eicar-Test(44d88612:68)") },
		{ SLICE("stream: a b FOUND\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("stream: a\" b=\"c FOUND\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("stream: a\"b FOUND\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("stream: a\x7f FOUND\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("stream: \r\n250 FOUND\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("stream:  FOUND\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("INSTREAM size limit exceeded. ERROR\0"), CLAMD_ERROR,
		    SLICE("INSTREAM size limit exceeded. ERROR") },
		{ SLICE("\0"), CLAMD_BAD, SLICE("") },
		{ SLICE("UNKNOWN COMMAND\0"), CLAMD_BAD, SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct slice text = { 0 };

		test_case((const char *)rows[i].in.at);
		test_int(clamd_parse(in, &text), rows[i].want);
		test_slice(text, rows[i].text);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(rspamd), cmocka_unit_test(clamd_says),
    cmocka_unit_test(clamd_answers))
