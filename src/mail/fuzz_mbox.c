/* SPDX-License-Identifier: ISC */
/*
 * fuzz_mbox - a file ends, what is read is within bounds, and what is written
 * is read back as one mail of the same bytes and words
 */
#include <stdlib.h>
#include <string.h>

#include "mail/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_round(struct slice mail, const struct mbox_words *was)
{
	struct mbox_words is = { 0 };
	struct mbox_mail m;
	struct slice rest;
	struct buf file, again;

	buf_init(&file, 64 * 1024 * 1024);
	buf_init(&again, 64 * 1024 * 1024);
	buf_init(&is.keywords, 1024 * 1024);
	if (mbox_print(mail, 0, was->flags, SLICE(""), &file) != 0)
		abort();
	rest = buf_slice(&file);
	if (!mbox_next(&rest, &m) || !m.has_date || m.date != 0 ||
	    mbox_read(&m, &again, &is) != 0)
		abort();
	/* A header may claim a length, and a mail have words of its own: then
	 * it is not this one's. */
	if (rest.len <= 1 && !slice_starts(mail, SLICE(" ")) &&
	    !slice_starts(mail, SLICE("\t")) &&
	    slice_find_nocase(mail, SLICE("status")) == SIZE_MAX &&
	    is.flags != was->flags)
		abort();
	buf_deinit(&file);
	buf_deinit(&again);
	buf_deinit(&is.keywords);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rest = slice_of(at, n);
	struct mbox_words words = { 0 };
	struct mbox_mail m;
	struct buf mail;

	buf_init(&words.keywords, 1024 * 1024);
	while (mbox_next(&rest, &m)) {
		if (m.raw.at < at || m.raw.at + m.raw.len > at + n)
			abort();
		buf_init(&mail, 64 * 1024 * 1024);
		if (mbox_read(&m, &mail, &words) != 0)
			abort();
		check_round(buf_slice(&mail), &words);
		buf_deinit(&mail);
	}
	buf_deinit(&words.keywords);
	return 0;
}
