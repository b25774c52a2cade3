/* SPDX-License-Identifier: ISC */
/*
 * Edits against a header: input is a message, then lines "op index name:value"
 * behind a line of "%". Whatever is done, what is printed is a header section
 * with no empty line in it, its length is what was counted, and the section
 * ends at the same place however it was cut into pieces.
 */
#include <stdlib.h>

#include "hook/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static size_t
section_len(struct slice message, size_t step)
{
	struct hook_section s;
	size_t len;

	hook_section_init(&s);
	do {
		struct slice part = slice_upto(message, step);

		message = slice_from(message, part.len);
		if (hook_section_feed(&s, part, message.len == 0) != HOOK_OK)
			break;
	} while (!s.is_done);
	len = s.is_done ? s.len : SIZE_MAX;
	hook_section_deinit(&s);
	return len;
}

static void
edit(struct hook_header *h, struct slice line)
{
	struct slice name;
	uint8_t op, index;
	int r;

	if (!slice_take_byte(&line, &op) || !slice_take_byte(&line, &index) ||
	    !slice_take_until(&line, ':', &name))
		return;
	if (op % 4 == 0)
		r = hook_header_add(h, name, line, op >= 128);
	else if (op % 4 == 1)
		r = hook_header_insert(h, index, name, line, op >= 128);
	else if (op % 4 == 2)
		r = hook_header_change(h, index, name, line, op >= 128);
	else
		r = hook_header_remove(h, name, (int8_t)index);
	must(r >= 0);
}

static void
check(const struct hook_header *h)
{
	struct buf out;

	buf_init(&out, LIMIT_HEADER);
	must(hook_header_print(h, &out) == HOOK_OK);
	must(out.len == h->bytes);
	must(slice_find(buf_slice(&out), SLICE("\r\n\r\n")) == SIZE_MAX);
	must(!slice_starts(buf_slice(&out), SLICE("\r\n")));
	buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), message, line;
	struct hook_header h;
	size_t len;

	if (!slice_take_until(&in, '%', &message)) {
		message = in;
		in = (struct slice){ 0 };
	}
	if (message.len == 0)
		return 0;
	len = section_len(message, 1);
	must(len == section_len(message, 7));
	must(len == section_len(message, message.len));
	if (len == SIZE_MAX)
		return 0;
	message = slice_upto(message, len);
	if (slice_ends(message, SLICE("\r\n\r\n")))
		message.len -= 2;
	if (hook_header_init(&h, message) == HOOK_OK)
		while (slice_take_until(&in, '%', &line)) {
			edit(&h, line);
			check(&h);
		}
	hook_header_deinit(&h);
	return 0;
}
