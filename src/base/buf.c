/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum {
	BUF_FIRST = 256 /* smallest allocation */
};

void
buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){ .cap = cap };
}

void
buf_deinit(struct buf *b)
{
	free(b->mem);
	*b = (struct buf){ .cap = b->cap };
}

void
buf_reset(struct buf *b, size_t keep)
{
	b->at = b->len = 0;
	b->lost = false;
	if (b->size > keep)
		buf_deinit(b);
}

struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->mem == NULL ? NULL : b->mem + b->at, b->len);
}

size_t
buf_room(const struct buf *b)
{
	return b->cap - b->len;
}

static int
grow(struct buf *b, size_t want)
{
	size_t size = b->size == 0 ? BUF_FIRST : b->size;
	uint8_t *mem;

	while (size < want)
		size = size > b->cap / 2 ? b->cap : size * 2;
	if (size > b->cap)
		size = b->cap;
	mem = realloc(b->mem, size);
	if (mem == NULL)
		return ERR_ORIGIN(-ENOMEM);
	b->mem = mem;
	b->size = size;
	return BUF_OK;
}

static int
lose(struct buf *b, int r)
{
	b->lost = true;
	return r;
}

int
buf_reserve(struct buf *b, size_t n, uint8_t **ret_at)
{
	int r;

	if (n > buf_room(b))
		return lose(b, BUF_E_FULL);
	if (b->size - b->at - b->len < n && b->at > 0) {
		if (b->len > 0)
			memmove(b->mem, b->mem + b->at, b->len);
		b->at = 0;
	}
	if (b->size - b->at - b->len < n && (r = grow(b, b->len + n)) != BUF_OK)
		return lose(b, r);
	*ret_at = b->mem == NULL ? NULL : b->mem + b->at + b->len;
	return BUF_OK;
}

void
buf_grew(struct buf *b, size_t n)
{
	assert(n <= b->size - b->at - b->len);
	b->len += n;
}

int
buf_add(struct buf *b, struct slice s)
{
	uint8_t *at;
	int r = buf_reserve(b, s.len, &at);

	if (r != BUF_OK || s.len == 0)
		return r;
	memcpy(at, s.at, s.len);
	buf_grew(b, s.len);
	return BUF_OK;
}

int
buf_add_byte(struct buf *b, uint8_t byte)
{
	return buf_add(b, slice_of(&byte, 1));
}

int
buf_add_cstr(struct buf *b, const char *text)
{
	return buf_add(b, slice_cstr(text));
}

int
buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	uint8_t *at;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0)
		return lose(b, ERR_ORIGIN(-EINVAL));
	if ((size_t)n > buf_room(b))
		return lose(b, BUF_E_FULL);
	/* One byte more for the NUL, which is not counted as content. */
	if (buf_room(b) == (size_t)n) {
		char *text = NULL;

		if (vasprintf(&text, format, ap) < 0)
			return lose(b, ERR_ORIGIN(-ENOMEM));
		r = buf_add(b, slice_of(text, (size_t)n));
		free(text);
		return r;
	}
	if ((r = buf_reserve(b, (size_t)n + 1, &at)) != BUF_OK)
		return r;
	(void)vsnprintf((char *)at, (size_t)n + 1, format, ap);
	buf_grew(b, (size_t)n);
	return BUF_OK;
}

int
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = buf_vprintf(b, format, ap);
	va_end(ap);
	return r;
}

void
buf_eat(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->at += n;
	b->len -= n;
	if (b->len == 0)
		b->at = 0;
}
