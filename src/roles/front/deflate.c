/* SPDX-License-Identifier: ISC */
#include "roles/front/deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WINDOW_OURS = 13,
	WINDOW_THEIRS = 15,
	MEMORY_LEVEL = 6,
	LEVEL = 5,
	PIECE = 8 * 1024 /* of ours in one step: at its worst a little larger
			  * when compressed, so that it fits into `out` */
};

struct deflate *
deflate_new(void)
{
	struct deflate *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	buf_init(&d->in, DEFLATE_IN);
	buf_init(&d->out, SIZE_MAX / 2);
	/* Negative: raw, without header and checksum (RFC 4978, 3). */
	if (inflateInit2(&d->inflater, -WINDOW_THEIRS) != Z_OK) {
		free(d);
		return NULL;
	}
	if (deflateInit2(&d->deflater, LEVEL, Z_DEFLATED, -WINDOW_OURS,
		MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		(void)inflateEnd(&d->inflater);
		free(d);
		return NULL;
	}
	return d;
}

void
deflate_free(struct deflate *d)
{
	if (d == NULL)
		return;
	(void)inflateEnd(&d->inflater);
	(void)deflateEnd(&d->deflater);
	buf_deinit(&d->in);
	buf_deinit(&d->out);
	free(d);
}

bool
deflate_has_pending(const struct deflate *d)
{
	return d->has_more || d->in.len > 0;
}

ssize_t
deflate_read(struct deflate *d, void *at, size_t n)
{
	struct slice in = buf_slice(&d->in);
	z_stream *z = &d->inflater;
	int r;

	if (!deflate_has_pending(d) || n == 0)
		return 0;
	z->next_in = (Bytef *)(uintptr_t)in.at;
	z->avail_in = (uInt)in.len;
	z->next_out = at;
	z->avail_out = (uInt)n;
	r = inflate(z, Z_SYNC_FLUSH);
	if (r != Z_OK && r != Z_BUF_ERROR)
		return -EPROTO;
	buf_eat(&d->in, in.len - z->avail_in);
	if (d->in.len == 0)
		buf_reset(&d->in, 0);
	d->has_more = z->avail_out == 0;
	n -= z->avail_out;
	/* No progress with bytes there would be a circle without end. */
	return n == 0 && d->in.len > 0 ? -EPROTO : (ssize_t)n;
}

ssize_t
deflate_write(struct deflate *d, struct slice s)
{
	uint8_t piece[PIECE * 2];
	z_stream *z = &d->deflater;

	if (d->out.len >= DEFLATE_OUT || s.len == 0)
		return 0;
	s = slice_upto(s, PIECE);
	z->next_in = (Bytef *)(uintptr_t)s.at;
	z->avail_in = (uInt)s.len;
	do {
		z->next_out = piece;
		z->avail_out = sizeof(piece);
		if (deflate(z, Z_SYNC_FLUSH) == Z_STREAM_ERROR ||
		    buf_add(&d->out,
			slice_of(piece, sizeof(piece) - z->avail_out)) !=
			BUF_OK)
			return -ENOMEM;
	} while (z->avail_out == 0);
	return (ssize_t)s.len;
}
