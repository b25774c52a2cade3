/* SPDX-License-Identifier: ISC */
/*
 * fuzz_answer - answers of a hostile server are framed the same however they
 * come, and what is read of them lies within
 */
#include <stdlib.h>

#include "imap/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

enum {
	MOST = 64 * 1024
};

static void
check_within(struct slice whole, struct slice part, const struct arena *a)
{
	if (part.len > 0 &&
	    (part.at < whole.at || part.at + part.len > whole.at + whole.len) &&
	    a->used == 0)
		abort();
}

static void
read_one(struct slice whole)
{
	struct imap_answer answer;
	struct imap_answer_fetch f;
	struct imap_answer_list l;
	struct arena a;
	struct buf keywords;
	uint32_t code;

	arena_init(&a, 256 * 1024);
	if (imap_answer_read(whole, &answer)) {
		check_within(whole, answer.rest, &a);
		(void)imap_answer_code(answer.rest, SLICE("UIDVALIDITY"),
		    &code);
		if (imap_answer_fetch(answer.rest, &a, &f)) {
			check_within(whole, f.body, &a);
			buf_init(&keywords, MOST);
			(void)imap_answer_keywords(&f, &keywords);
			buf_deinit(&keywords);
		}
		if (imap_answer_list(answer.rest, &a, &l))
			check_within(whole, l.name, &a);
	}
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	size_t len;

	for (;;) {
		struct imap_frame whole = { 0 }, pieces = { 0 };
		size_t again = 0;

		len = imap_frame_len(&whole, in, MOST);
		for (size_t i = 0; i <= in.len && again == 0 && n < 4096; i++)
			again =
			    imap_frame_len(&pieces, slice_upto(in, i), MOST);
		if (n < 4096 && again != len)
			abort();
		if (len == 0 || len == SIZE_MAX)
			break;
		if (len > in.len)
			abort();
		read_one(slice_upto(in, len));
		in = slice_from(in, len);
	}
	return 0;
}
