/* SPDX-License-Identifier: ISC */
/*
 * APPEND of more messages than are taken at once; what it looks like otherwise
 * is shown by the transcripts.
 */
#include "base/limits.h"
#include "base/test.h"
#include "imap/fake_world.h"

static void
append(struct fake_client *c, size_t n, const char *want)
{
	struct buf command;

	buf_init(&command, 64 * LIMIT_IMAP_APPENDS);
	test_int(buf_add_cstr(&command, "a APPEND Sent"), BUF_OK);
	for (size_t i = 0; i < n; i++)
		test_int(buf_add_cstr(&command, " (\\Seen) {3+}\r\na:b"),
		    BUF_OK);
	test_int(buf_add_cstr(&command, "\r\n"), BUF_OK);
	buf_reset(&c->out, 0);
	fake_client_feed(c, buf_slice(&command));
	test_true(!c->is_over);
	test_slice(slice_upto(buf_slice(&c->out), 11), slice_cstr(want));
	buf_deinit(&command);
}

static void
too_many_at_once(void **state)
{
	struct imap_config config = { .hostname = "here.example",
		.mechanisms = SASL_MASK_PASSWORD,
		.plain_auth = true,
		.max_size = 1000 };
	struct fake_store store;
	struct fake_client c;

	(void)state;
	fake_store_init(&store);
	fake_client_init(&c, &store, &config, true, 64 * 1024 * 1024);
	fake_client_feed(&c,
	    SLICE("l LOGIN alice@one.example \"correct horse\"\r\n"));
	append(&c, LIMIT_IMAP_APPENDS + 1, "a NO [LIMIT");
	test_int(c.n_pending, 0);
	append(&c, 3, "a OK [APPEN");
	fake_client_deinit(&c);
	fake_store_deinit(&store);
}

TEST_MAIN(cmocka_unit_test(too_many_at_once))
