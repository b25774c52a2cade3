/* SPDX-License-Identifier: ISC */
/*
 * Headers that are longer than LIMIT_HEADER: FETCH of named fields and SEARCH
 * look at so many octets and no further, what is fetched whole comes whole,
 * and the session goes on. With summaries and without. What FETCH says
 * otherwise is shown by the transcripts.
 */
#include "base/limits.h"
#include "base/test.h"
#include "imap/fake_world.h"

enum {
	FIELD = 64 /* octets of a line that fills */
};

/* `first` at the beginning, then what fills up to LIMIT_HEADER, then `last`,
 * which begins `over` octets before or behind the limit. */
static void
make_message(struct buf *b, long over)
{
	const size_t at = (size_t)((long)LIMIT_HEADER + over);

	buf_init(b, 2 * LIMIT_HEADER);
	test_int(buf_add_cstr(b, "X-First: alpha\r\n"), BUF_OK);
	while (b->len + 2 * FIELD < at)
		test_int(buf_printf(b, "F: %059d\r\n", 0), BUF_OK);
	test_int(buf_add_cstr(b, "G: "), BUF_OK);
	while (b->len + 2 < at)
		test_int(buf_add_byte(b, 'g'), BUF_OK);
	test_int(buf_add_cstr(b, "\r\n"), BUF_OK);
	test_int(b->len, at);
	test_int(buf_add_cstr(b, "X-Last: omega\r\n\r\nbody\r\n"), BUF_OK);
}

/* Everything said since the last time must hold `want` in it. */
static void
says(struct fake_client *c, const char *command, const char *want)
{
	buf_reset(&c->out, 0);
	fake_client_feed(c, slice_cstr(command));
	if (slice_find(buf_slice(&c->out), slice_cstr(want)) == SIZE_MAX) {
		print_error("%.*s\n",
		    SLICE_FMT(slice_upto(buf_slice(&c->out), 300)));
		test_slice(slice_cstr("is not in it"), slice_cstr(want));
	}
	test_true(!c->is_over);
}

#define LAST_LEN 15 /* "X-Last: omega" CRLF */

static const struct {
	const char *what;
	long over;
	bool is_found;
} rows[] = {
	{ "the last field ends at the limit", -LAST_LEN, true },
	{ "the last field is behind the limit", 0, false },
	{ "far behind", 100000, false },
};

static void
check(long over, bool is_found, bool has_summaries)
{
	struct imap_config config = { .hostname = "here.example",
		.mechanisms = SASL_MASK_PASSWORD,
		.plain_auth = true };
	struct fake_store store;
	struct fake_client c;
	struct buf message;
	char want[100];

	make_message(&message, over);
	fake_store_init(&store);
	store.has_summaries = has_summaries;
	test_int(fake_store_add(&store, "INBOX", buf_slice(&message), 0), 1);
	fake_client_init(&c, &store, &config, true, 64 * 1024 * 1024);
	fake_client_run(&c);
	says(&c, "l LOGIN alice@one.example \"correct horse\"\r\n", "l OK");
	says(&c, "s SELECT INBOX\r\n", "s OK");
	says(&c, "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X-First X-Last)]\r\n",
	    is_found
		? "{33}\r\nX-First: alpha\r\nX-Last: omega\r\n\r\n)\r\na OK"
		: "{18}\r\nX-First: alpha\r\n\r\n)\r\na OK");
	says(&c, "b SEARCH HEADER X-First alpha\r\n", "* SEARCH 1\r\nb OK");
	says(&c, "c SEARCH HEADER X-Last omega\r\n",
	    is_found ? "* SEARCH 1\r\nc OK" : "* SEARCH\r\nc OK");
	test_case("whole");
	(void)snprintf(want, sizeof(want), "RFC822.SIZE %zu)\r\nd OK",
	    message.len);
	says(&c, "d FETCH 1 RFC822.SIZE\r\n", want);
	(void)snprintf(want, sizeof(want),
	    "BODY[HEADER] {%zu}\r\nX-First:", message.len - 6);
	says(&c, "e FETCH 1 BODY.PEEK[HEADER]\r\n", want);
	says(&c, "f FETCH 1 BODY.PEEK[TEXT]\r\n",
	    "BODY[TEXT] {6}\r\nbody\r\n)\r\nf OK");
	says(&c, "g NOOP\r\n", "g OK");
	fake_client_deinit(&c);
	fake_store_deinit(&store);
	buf_deinit(&message);
}

static void
long_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i / 2].what);
		check(rows[i / 2].over, rows[i / 2].is_found, i % 2 == 0);
	}
}

TEST_MAIN(cmocka_unit_test(long_headers))
