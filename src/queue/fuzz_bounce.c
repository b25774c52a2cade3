/* SPDX-License-Identifier: ISC */
/* A bounce made of the input's bytes is 7-bit, of whole and short lines. */
#include <stdlib.h>

#include "queue/bounce.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

/* 7-bit where it must be; controls only in an original that is sent whole. */
static void
check_lines(struct slice out, const struct bounce *b)
{
	bool is_7bit = !b->takes_8bit && slice_is_ascii(b->sender);
	struct slice line;

	while (slice_take_crlf_line(&out, &line)) {
		if (line.len > 998)
			abort();
		for (size_t i = 0; i < line.len; i++) {
			uint8_t c = line.at[i];

			if (c == 0 || c == '\r' || c == '\n' ||
			    (c >= 128 && is_7bit) ||
			    (c < ' ' && c != '\t' && !b->is_full))
				abort();
		}
	}
	if (out.len != 0)
		abort();
}

/* Fields have NUL between them. */
static struct slice
field(struct slice *rest)
{
	struct slice part;

	if (slice_take_until(rest, '\0', &part))
		return part;
	part = *rest;
	rest->len = 0;
	return part;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rest = slice_of(at, n);
	struct bounce_rcpt rcpt = { 0 };
	struct bounce b = { .hostname = SLICE("mx.one.example"),
		.rcpts = &rcpt,
		.n_rcpts = 1,
		.is_delayed = n % 2 == 1,
		.is_full = (n & 2) != 0,
		.is_smtputf8 = (n & 4) != 0,
		.takes_8bit = (n & 8) != 0 };
	struct buf out;

	b.sender = field(&rest);
	rcpt.address = field(&rest);
	rcpt.orcpt = field(&rest);
	rcpt.remote = field(&rest);
	rcpt.verdict.text = field(&rest);
	rcpt.verdict.code = 550;
	b.envid = field(&rest);
	b.dialogue = b.envid;
	b.content = rest;
	buf_init(&out, 4 * BOUNCE_MAX);
	if (bounce_compose(&b, &out) == BUF_OK)
		check_lines(buf_slice(&out), &b);
	buf_deinit(&out);
	return 0;
}
