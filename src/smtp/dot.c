/* SPDX-License-Identifier: ISC */
#include "smtp/dot.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static const uint8_t *
find(const uint8_t *at, const uint8_t *end, uint8_t byte)
{
	return at == end ? NULL : memchr(at, byte, (size_t)(end - at));
}

static bool
has_8bit(struct slice s)
{
	uint64_t word, seen = 0;
	size_t i = 0;

	for (; s.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, s.at + i, sizeof(word));
		seen |= word;
	}
	for (; i < s.len; i++)
		seen |= s.at[i];
	return (seen & UINT64_C(0x8080808080808080)) != 0;
}

/*
 * From inside a line: whole lines in one run, up to a line that begins with a
 * dot. Only CRLF ends a line; a CR at the very end of the input is held back.
 * Returns what of `in` is content; the state is left for what follows.
 */
static struct slice
scan_text(struct smtp_dot *d, struct slice *in)
{
	const uint8_t *at = in->at, *end = in->at + in->len, *p = at, *cr, *lf;
	struct slice run;

	d->state = SMTP_DOT_TEXT;
	for (;;) {
		lf = find(p, end, '\n');
		cr = find(p, lf == NULL ? end : lf, '\r');
		if (cr == NULL && lf == NULL) {
			p = end;
			break;
		}
		if (cr == NULL || (cr + 1 != end && cr[1] != '\n')) {
			d->is_bad = true;
			p = (cr == NULL ? lf : cr) + 1;
			continue;
		}
		if (cr + 1 == end) {
			d->state = SMTP_DOT_CR;
			p = cr;
			break;
		}
		p = cr + 2;
		if (p == end || *p == '.') {
			d->state = SMTP_DOT_START;
			break;
		}
	}
	run = slice_of(at, (size_t)(p - at));
	*in = slice_from(*in, run.len + (d->state == SMTP_DOT_CR));
	return run;
}

/* One byte of the short states; SMTP_DOT_RUN when *ret_run is to be given. */
static void
step_short(struct smtp_dot *d, struct slice *in, struct slice *ret_run)
{
	switch (d->state) {
	case SMTP_DOT_START:
		d->state =
		    slice_skip_byte(in, '.') ? SMTP_DOT_DOT : SMTP_DOT_TEXT;
		break;
	case SMTP_DOT_CR:
		if (slice_skip_byte(in, '\n')) {
			*ret_run = SLICE("\r\n");
			d->state = SMTP_DOT_START;
			break;
		}
		d->is_bad = true;
		d->state = SMTP_DOT_TEXT;
		break;
	case SMTP_DOT_DOT:
		d->state =
		    slice_skip_byte(in, '\r') ? SMTP_DOT_DOT_CR : SMTP_DOT_TEXT;
		break;
	default: /* SMTP_DOT_DOT_CR */
		if (slice_skip_byte(in, '\n')) {
			d->state = SMTP_DOT_DONE;
			break;
		}
		d->is_bad = true;
		d->state = SMTP_DOT_TEXT;
		break;
	}
}

int
smtp_dot_next(struct smtp_dot *d, struct slice *in, struct slice *ret_run)
{
	while (in->len > 0 && d->state != SMTP_DOT_DONE) {
		struct slice run = { 0 };

		if (d->state == SMTP_DOT_TEXT)
			run = scan_text(d, in);
		else
			step_short(d, in, &run);
		if (run.len == 0 || d->is_bad)
			continue;
		if (!d->is_8bit)
			d->is_8bit = has_8bit(run);
		*ret_run = run;
		return SMTP_DOT_RUN;
	}
	return d->state == SMTP_DOT_DONE ? SMTP_DOT_END : SMTP_DOT_MORE;
}

/* What of `in` goes out in one go: at most `room` bytes, at most one line. */
static int
take_piece(struct smtp_stuff *s, struct slice *in, size_t room,
    struct slice *ret_piece)
{
	struct slice piece = slice_upto(*in, room);
	size_t lf = slice_find_byte(piece, '\n'), cr;

	if (lf != SIZE_MAX)
		piece = slice_upto(piece, lf + 1);
	cr = slice_find_byte(piece, '\r');
	if (lf != SIZE_MAX ? (lf == 0 || cr != lf - 1)
			   : (cr != SIZE_MAX && cr != piece.len - 1))
		return SMTP_STUFF_E_LINE_END;

	*in = slice_from(*in, piece.len);
	s->is_inside_line = lf == SIZE_MAX;
	s->has_cr = lf == SIZE_MAX && cr != SIZE_MAX;
	*ret_piece = slice_upto(piece, piece.len - s->has_cr);
	return SMTP_STUFF_OK;
}

int
smtp_stuff_add(struct smtp_stuff *s, struct slice *in, struct buf *out)
{
	struct slice piece;
	int r;

	while (in->len > 0 && buf_room(out) >= 3) {
		if (s->has_cr) {
			if (!slice_skip_byte(in, '\n'))
				return SMTP_STUFF_E_LINE_END;
			*s = (struct smtp_stuff){ 0 };
			if ((r = buf_add(out, SLICE("\r\n"))) != BUF_OK)
				return ERR_TRACE(r);
			continue;
		}
		if (!s->is_inside_line && in->at[0] == '.' &&
		    (r = buf_add_byte(out, '.')) != BUF_OK)
			return ERR_TRACE(r);
		r = take_piece(s, in, buf_room(out), &piece);
		if (r != SMTP_STUFF_OK)
			return r;
		if ((r = buf_add(out, piece)) != BUF_OK)
			return ERR_TRACE(r);
	}
	return SMTP_STUFF_OK;
}

int
smtp_stuff_end(struct smtp_stuff *s, struct buf *out)
{
	int r;

	if (s->has_cr)
		return SMTP_STUFF_E_LINE_END;
	r = buf_add(out,
	    s->is_inside_line ? SLICE("\r\n.\r\n") : SLICE(".\r\n"));
	if (r == BUF_E_FULL)
		return ERR_ORIGIN(-ENOBUFS);
	return ERR_TRACE(r);
}
