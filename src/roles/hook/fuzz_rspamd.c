/* SPDX-License-Identifier: ISC */
/* Any bytes as Rspamd's JSON; what was taken is applied to a header, which is
 * legal afterwards: no empty line in it, none too long. */
#include <stdlib.h>

#include "roles/hook/rspamd_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
apply(const struct rspamd_reply *r)
{
	const struct slice fields = SLICE("Subject: a\r\nX-Old: b\r\n c\r\n");
	struct hook_header h;
	struct hook_lines lines = { 0 };
	struct buf out;

	if (hook_header_init(&h, fields) != HOOK_OK)
		abort();
	buf_init(&out, LIMIT_HEADER + 2);
	if (rspamd_reply_apply(r, &h) == HOOK_OK &&
	    hook_header_print(&h, &out) == HOOK_OK &&
	    (!hook_lines_check(&lines, buf_slice(&out)) ||
		!hook_lines_end(&lines) ||
		slice_find(buf_slice(&out), SLICE("\r\n\r\n")) != SIZE_MAX))
		abort();
	buf_deinit(&out);
	hook_header_deinit(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct rspamd_reply *r = calloc(1, sizeof(*r));
	struct arena arena;

	arena_init(&arena, 1024 * 1024);
	if (r != NULL && rspamd_reply_parse(slice_of(at, n), &arena, r))
		apply(r);
	arena_reset(&arena);
	free(r);
	return 0;
}
