/* SPDX-License-Identifier: ISC */
/*
 * fuzz_convert - what is converted has the same parts with the same contents,
 * however the pieces are cut, and nothing that the next server does not take
 */
#include <stdlib.h>

#include "mail/convert.h"
#include "mail/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static enum convert_need
read_once(struct convert *c, struct slice in, size_t step)
{
	enum convert_need need = convert_read(c, slice_upto(in, step));

	for (in = slice_from(in, step); in.len > 0; in = slice_from(in, step)) {
		if (need != CONVERT_MORE)
			abort();
		need = convert_read(c, slice_upto(in, step));
	}
	return need;
}

/* In the end the room is small, so that it is written in many goes. */
static bool
convert(struct convert *c, struct slice in, enum convert_goal goal, size_t step,
    struct buf *all)
{
	enum convert_need need;
	struct buf out;

	convert_init(c, goal, in.len);
	need = read_once(c, in, step);
	if (need == CONVERT_AGAIN)
		need = read_once(c, in, step);
	if (need == CONVERT_MORE || need == CONVERT_AGAIN)
		abort();
	if (need == CONVERT_REFUSED)
		return false;
	convert_begin(c);
	buf_init(&out, 222 + 6 * step);
	while (in.len > 0) {
		size_t n = convert_write(c, slice_upto(in, step), &out);

		if (n == 0 || out.lost)
			abort();
		in = slice_from(in, n);
		if (buf_add(all, buf_slice(&out)) != BUF_OK)
			abort();
		buf_reset(&out, out.cap);
	}
	buf_deinit(&out);
	return true;
}

/* CRLF alone ends lines, of 998 octets at most; ASCII where it must be. */
static void
check_octets(struct slice out, bool is_7bit)
{
	size_t line = 0;

	for (size_t i = 0; i < out.len; i++) {
		uint8_t c = out.at[i];
		bool is_end = c == '\n';

		if (is_end != (i > 0 && out.at[i - 1] == '\r') || c == '\0' ||
		    (c >= 0x80 && is_7bit))
			abort();
		line = is_end ? 0 : line + 1;
		if (line > 998 && c != '\r')
			abort();
	}
	if (out.len < 2 || out.at[out.len - 1] != '\n')
		abort();
}

static void
decode(const struct mime_part *p, struct slice message, struct buf *ret)
{
	struct slice body =
	    slice_upto(slice_from(message, (size_t)(p->offset + p->header_len)),
		(size_t)p->body_len);
	struct decoder d;

	buf_init(ret, body.len + 400);
	decoder_init(&d, encoding_of(p->encoding));
	if (decoder_feed(&d, body, ret) != BUF_OK ||
	    decoder_end(&d, ret) != BUF_OK)
		abort();
}

/* Only a body of text that was none before (a message without an end) may have
 * got one, in what is 7-bit as it is. */
static void
check_part(const struct mime_part *a, struct slice before,
    const struct mime_part *b, struct slice after)
{
	struct buf x, y;

	if (a->kind != b->kind || a->n_children != b->n_children ||
	    a->parent != b->parent || !slice_equal(a->type, b->type) ||
	    !slice_equal(a->subtype, b->subtype) ||
	    !slice_equal(a->id, b->id) ||
	    !slice_equal(a->description, b->description))
		abort();
	if (a->kind == MIME_MULTIPART || a->kind == MIME_MESSAGE)
		return;
	decode(a, before, &x);
	decode(b, after, &y);
	if (!slice_equal(buf_slice(&x), buf_slice(&y)))
		abort();
	buf_deinit(&x);
	buf_deinit(&y);
}

static void
check_same(struct slice before, struct slice after)
{
	struct mime_tree a, b;
	struct arena arena;

	arena_init(&arena, 2 * (size_t)MIME_MEMORY);
	if (!mime_parse(before, &arena, &a) || !mime_parse(after, &arena, &b) ||
	    a.n != b.n)
		abort();
	for (size_t i = 0; i < a.n; i++)
		check_part(&a.parts[i], before, &b.parts[i], after);
	arena_reset(&arena);
}

static void
check(struct slice in, enum convert_goal goal)
{
	struct convert c, d;
	struct buf whole, pieces;
	bool is_done;

	buf_init(&whole, 8 * in.len + 64 * 1024);
	buf_init(&pieces, whole.cap);
	is_done = convert(&c, in, goal, in.len, &whole);
	if (convert(&d, in, goal, 1 + in.at[0] % 13, &pieces) != is_done ||
	    !slice_equal(buf_slice(&whole), buf_slice(&pieces)))
		abort();
	if (is_done) {
		if (c.size != whole.len ||
		    c.is_8bit == slice_is_ascii(buf_slice(&whole)))
			abort();
		check_octets(buf_slice(&whole), goal == CONVERT_7BIT);
		check_same(in, buf_slice(&whole));
	}
	convert_deinit(&c);
	convert_deinit(&d);
	buf_deinit(&whole);
	buf_deinit(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	if (n == 0)
		return 0;
	check(slice_of(at, n), CONVERT_7BIT);
	check(slice_of(at, n), CONVERT_8BIT);
	check(slice_of(at, n), CONVERT_ASCII_HEADER);
	return 0;
}
