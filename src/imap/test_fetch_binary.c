/* SPDX-License-Identifier: ISC */
/*
 * BINARY of parts that are larger than any window, in ranges that begin and
 * end anywhere; encodings that nobody knows; a NUL where none may be.
 */
#include "base/base64.h"
#include "base/test.h"
#include "imap/fake_world.h"

enum {
	N = 200000,
	LINE = 57 /* octets of a line of base64 */
};

static uint8_t content[N];

static void
make_content(void)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < N; i++) {
		x = x * 1103515245 + 12345;
		content[i] = (uint8_t)(1 + (x >> 16) % 255);
	}
	content[N - 10] = 0;
}

static void
make_message(struct buf *b)
{
	char line[BASE64_ENCODED(LINE) + 1];

	make_content();
	buf_init(b, 4 * N);
	test_int(buf_add_cstr(b,
		     "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
		     "Content-Transfer-Encoding: base64\r\n\r\n"),
	    BUF_OK);
	for (size_t i = 0; i < N; i += LINE) {
		size_t n = N - i < LINE ? N - i : LINE;

		test_int(buf_add(b,
			     slice_of(line,
				 base64_encode(slice_of(content + i, n),
				     line))),
		    BUF_OK);
		test_int(buf_add_cstr(b, "\r\n"), BUF_OK);
	}
	test_int(buf_add_cstr(b,
		     "--x\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
		     "body\r\n--x--\r\n"),
	    BUF_OK);
}

static struct slice
said(struct fake_client *c, const char *command)
{
	buf_reset(&c->out, 0);
	fake_client_feed(c, slice_cstr(command));
	test_true(!c->is_over);
	return buf_slice(&c->out);
}

static void
says(struct fake_client *c, const char *command, const char *want)
{
	struct slice got = said(c, command);

	if (slice_find(got, slice_cstr(want)) == SIZE_MAX)
		test_slice(got, slice_cstr(want));
}

static const struct {
	const char *command, *begin;
	size_t from, n;
} ranges[] = {
	{ "a FETCH 1 BINARY.PEEK[1]\r\n", "* 1 FETCH (BINARY[1] ~{200000}\r\n",
	    0, N },
	{ "a FETCH 1 BINARY.PEEK[1]<0.100000>\r\n",
	    "* 1 FETCH (BINARY[1]<0> {100000}\r\n", 0, 100000 },
	{ "a FETCH 1 BINARY.PEEK[1]<48000.97000>\r\n",
	    "* 1 FETCH (BINARY[1]<48000> {97000}\r\n", 48000, 97000 },
	{ "a FETCH 1 BINARY.PEEK[1]<199989.1>\r\n",
	    "* 1 FETCH (BINARY[1]<199989> {1}\r\n", N - 11, 1 },
	{ "a FETCH 1 BINARY.PEEK[1]<199990.1>\r\n",
	    "* 1 FETCH (BINARY[1]<199990> ~{1}\r\n", N - 10, 1 },
	{ "a FETCH 1 BINARY.PEEK[1]<199998.77>\r\n",
	    "* 1 FETCH (BINARY[1]<199998> {2}\r\n", N - 2, 2 },
};

static void
begin(struct fake_store *store, struct fake_client *c, struct slice message)
{
	static struct imap_config config = { .hostname = "here.example",
		.mechanisms = SASL_MASK_PASSWORD,
		.plain_auth = true };

	fake_store_init(store);
	test_int(fake_store_add(store, "INBOX", message, 0), 1);
	fake_client_init(c, store, &config, true, 64 * 1024 * 1024);
	fake_client_run(c);
	says(c, "l LOGIN alice@one.example \"correct horse\"\r\n", "l OK");
	says(c, "s SELECT INBOX\r\n", "s OK");
}

static void
large_parts(void **state)
{
	struct fake_store store;
	struct fake_client c;
	struct buf message;

	(void)state;
	make_message(&message);
	begin(&store, &c, buf_slice(&message));
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct slice got = said(&c, ranges[i].command);
		struct slice want = slice_cstr(ranges[i].begin);

		test_case(ranges[i].command);
		test_slice(slice_upto(got, want.len), want);
		got = slice_from(got, want.len);
		test_true(slice_equal(slice_upto(got, ranges[i].n),
		    slice_of(content + ranges[i].from, ranges[i].n)));
		test_slice(slice_upto(slice_from(got, ranges[i].n), 9),
		    SLICE(")\r\na OK F"));
	}
	says(&c, "b FETCH 1 BINARY.SIZE[1]\r\n", "BINARY.SIZE[1] 200000)");
	fake_client_deinit(&c);
	fake_store_deinit(&store);
	buf_deinit(&message);
}

static void
unknown_encodings(void **state)
{
	struct fake_store store;
	struct fake_client c;
	struct buf message;

	(void)state;
	make_message(&message);
	begin(&store, &c, buf_slice(&message));
	says(&c, "a FETCH 1 (BINARY.PEEK[2] UID)\r\n",
	    "* 1 FETCH (BINARY[2] NIL UID 1)\r\na NO [UNKNOWN-CTE]");
	says(&c, "a FETCH 1 BINARY.SIZE[2]\r\n", "a NO [UNKNOWN-CTE]");
	says(&c, "a FETCH 1 BODY.PEEK[2]\r\n", "{4}\r\nbody)\r\na OK");
	fake_client_deinit(&c);
	fake_store_deinit(&store);
	buf_deinit(&message);
}

/* From an import, or by BINARYMIME: sizes stay, and no literal has a NUL. */
static void
a_nul_is_not_said(void **state)
{
	struct fake_store store;
	struct fake_client c;

	(void)state;
	begin(&store, &c, SLICE("X: a\0b\r\n\r\nc\0d\r\n"));
	says(&c, "a FETCH 1 BODY.PEEK[]\r\n",
	    "{15}\r\nX: a\x80"
	    "b\r\n\r\nc\x80"
	    "d\r\n)\r\na OK");
	says(&c, "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X)]\r\n",
	    "{10}\r\nX: a\x80"
	    "b\r\n\r\n)\r\na OK");
	test_true(slice_find(said(&c, "a FETCH 1 BINARY.PEEK[1]\r\n"),
		      SLICE("~{5}\r\nc\0d\r\n)\r\na OK")) != SIZE_MAX);
	fake_client_deinit(&c);
	fake_store_deinit(&store);
}

TEST_MAIN(cmocka_unit_test(large_parts), cmocka_unit_test(unknown_encodings),
    cmocka_unit_test(a_nul_is_not_said))
