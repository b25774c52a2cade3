/* SPDX-License-Identifier: ISC */
#include "mail/transfer.h"

#include "base/base64.h"

enum {
	LINE_MAX_QP = 75, /* and the "=" of a soft line break */
	LINE_BASE64 = 76
};

void
transfer_init(struct transfer *t, bool is_base64, struct buf *out)
{
	*t = (struct transfer){ .is_base64 = is_base64, .out = out };
}

static void
put(struct transfer *t, const char *text, size_t n)
{
	t->size += n;
	if (t->out != NULL)
		(void)buf_add(t->out, slice_of(text, n));
}

/* -- quoted-printable ------------------------------------------------------ */

static void
qp_make_room(struct transfer *t, unsigned n)
{
	if (t->column + n <= LINE_MAX_QP)
		return;
	put(t, "=\r\n", 3);
	t->column = 0;
}

static void
qp_encoded(struct transfer *t, uint8_t c)
{
	static const char hex[] = "0123456789ABCDEF";
	char text[3] = { '=', hex[c >> 4], hex[c & 15] };

	qp_make_room(t, sizeof(text));
	put(t, text, sizeof(text));
	t->column = (uint8_t)(t->column + sizeof(text));
}

/* Not for blanks at the end of a line. A "-" may begin a delimiter, a "." is
 * what some servers have taken for the end. */
static void
qp_octet(struct transfer *t, uint8_t c)
{
	char text = (char)c;

	if (c == '=' || (c != '\t' && !ascii_is_print(c))) {
		qp_encoded(t, c);
		return;
	}
	qp_make_room(t, 1);
	if (t->column == 0 && (c == '-' || c == '.')) {
		qp_encoded(t, c);
		return;
	}
	put(t, &text, 1);
	t->column++;
}

static void
qp_blank(struct transfer *t, bool is_at_end)
{
	uint8_t c = t->blank;

	t->blank = 0;
	if (c != 0 && is_at_end)
		qp_encoded(t, c);
	else if (c != 0)
		qp_octet(t, c);
}

static void
qp_held(struct transfer *t)
{
	qp_blank(t, false);
	if (t->has_cr)
		qp_encoded(t, '\r');
	t->has_cr = false;
}

static void
qp_line_end(struct transfer *t)
{
	qp_blank(t, true);
	put(t, "\r\n", 2);
	t->has_cr = false;
	t->column = 0;
}

static void
qp_add(struct transfer *t, uint8_t c)
{
	if (c == '\n' && t->has_cr) {
		qp_line_end(t);
		return;
	}
	if (c == '\r' && !t->has_cr) {
		t->has_cr = true;
		return;
	}
	qp_held(t);
	if (c == '\r')
		t->has_cr = true;
	else if (ascii_is_space(c))
		t->blank = c;
	else
		qp_octet(t, c);
}

/* A line without an end has a soft line break in its place (6.7, rule 5). */
static void
qp_end(struct transfer *t, bool is_last)
{
	if (t->has_cr)
		qp_held(t);
	else
		qp_blank(t, true);
	if (is_last && t->column > 0)
		put(t, "=\r\n", 3);
}

/* -- base64 ---------------------------------------------------------------- */

static void
base64_held(struct transfer *t)
{
	char text[8];
	size_t n = base64_encode(slice_of(t->held, t->n), text);

	if (t->column == LINE_BASE64) {
		put(t, "\r\n", 2);
		t->column = 0;
	}
	put(t, text, n);
	t->column = (uint8_t)(t->column + n);
	t->n = 0;
}

static void
base64_add(struct transfer *t, uint8_t c)
{
	t->held[t->n++] = c;
	if (t->n == 3)
		base64_held(t);
}

static void
base64_end(struct transfer *t, bool is_last)
{
	if (t->n > 0)
		base64_held(t);
	if (is_last && t->column > 0)
		put(t, "\r\n", 2);
}

/* -- both ------------------------------------------------------------------ */

void
transfer_add(struct transfer *t, struct slice in)
{
	for (size_t i = 0; i < in.len; i++) {
		if (t->is_base64)
			base64_add(t, in.at[i]);
		else
			qp_add(t, in.at[i]);
	}
}

void
transfer_end(struct transfer *t, bool is_last)
{
	if (t->is_base64)
		base64_end(t, is_last);
	else
		qp_end(t, is_last);
}
