/* SPDX-License-Identifier: ISC */
/*
 * fuzz: a whole IMAP session that is logged in, with a store in memory. Lines
 * of transcripts are taken as they are ("C: ", "R: " and "S: " stripped or
 * not); a byte 0xff lets the world change. Whatever comes in, every byte that
 * goes out belongs to a line, and no numbers are said that are not there.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/fake_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
change_world(struct fake_client *c, unsigned how)
{
	struct fake_store *f = c->store;

	switch (how % 4) {
	case 0:
		(void)fake_store_add(f, "INBOX", slice_cstr(fake_mixed), 0);
		break;
	case 1:
		fake_store_expunge(f, "INBOX", 1 + how / 4 % 8);
		break;
	case 2:
		fake_store_flag(f, "INBOX", 1 + how / 4 % 8, how & 31);
		break;
	default:
		f->fails = !f->fails;
		break;
	}
	imap_session_changed(c->session);
	fake_client_run(c);
}

static void
feed_line(struct fake_client *c, struct slice line)
{
	if (slice_starts(line, SLICE("C: ")))
		line = slice_from(line, 3);
	else if (slice_starts(line, SLICE("S: ")) ||
	    slice_starts(line, SLICE("#")))
		return;
	if (line.len > 1 && line.at[0] == 0xff) {
		change_world(c, line.at[1]);
		return;
	}
	fake_client_feed(c, line);
	if (line.len == 0 || line.at[line.len - 1] != '\n')
		fake_client_feed(c, SLICE("\r\n"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static const struct imap_config config = { .hostname = "here.example",
		.may_start_tls = true,
		.mechanisms = SASL_MASK_ALL,
		.max_size = 5000,
		.find_least = 1 };
	struct fake_store *f = calloc(1, sizeof(*f));
	struct slice rest = slice_of(at, n), line;
	struct fake_client c;

	if (f == NULL)
		abort();
	fake_store_init(f);
	f->has_summaries = n % 2 == 0;
	fake_world_fill(f);
	fake_client_init(&c, f, &config, true, 5000);
	fake_client_feed(&c,
	    SLICE("l LOGIN alice@one.example \"correct horse\"\r\n"
		  "s SELECT INBOX\r\n"));
	while (slice_take_until(&rest, '\n', &line) && !c.is_over)
		feed_line(&c, line);
	if (!c.is_over)
		fake_client_feed(&c, rest);
	fake_client_deinit(&c);
	fake_store_deinit(f);
	free(f);
	return 0;
}
