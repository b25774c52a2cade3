/* SPDX-License-Identifier: ISC */
/*
 * fuzz: the URL of a part. What is accepted names a mailbox that could be one,
 * a UID, and a section like those of FETCH.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "imap/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct imap_url url;
	struct arena arena;

	arena_init(&arena, LIMIT_IMAP_ARENA);
	if (imap_url_parse(slice_of(at, n), &arena, &url) &&
	    (url.uid == 0 || url.name.len > LIMIT_MAILBOX_NAME ||
		!slice_is_utf8(url.name) ||
		url.section.n_path > LIMIT_IMAP_NESTING ||
		url.section.what != IMAP_ITEM_SECTION))
		abort();
	arena_reset(&arena);
	return 0;
}
