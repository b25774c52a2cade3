/* SPDX-License-Identifier: ISC */
#include "pop3/stuff.h"

/* The end of a line has been written. */
static void
end_line(struct pop3_stuff *s, bool was_empty)
{
	s->is_inside_line = false;
	if (!s->is_in_body) {
		s->is_in_body = was_empty;
		s->is_done = s->is_in_body && s->is_limited && s->lines == 0;
		return;
	}
	if (s->is_limited && --s->lines == 0)
		s->is_done = true;
}

/* The bytes up to the next LF, or all of them. */
static int
add_run(struct pop3_stuff *s, struct slice run, struct buf *out)
{
	int r = BUF_OK;

	if (run.len == 0)
		return BUF_OK;
	if (!s->is_inside_line && run.at[0] == '.')
		r = buf_add_byte(out, '.');
	if (r == BUF_OK)
		r = buf_add(out, run);
	/* A line of a CR alone is still an empty one. */
	if (run.len > 1 || run.at[0] != '\r' || s->has_cr)
		s->is_inside_line = true;
	s->has_cr = run.at[run.len - 1] == '\r';
	return r;
}

int
pop3_stuff_add(struct pop3_stuff *s, struct slice in, struct buf *out)
{
	while (in.len > 0 && !s->is_done) {
		size_t lf = slice_find_byte(in, '\n');
		struct slice run = slice_upto(in, lf);
		bool was_empty;
		int r = add_run(s, run, out);

		if (r != BUF_OK || lf == SIZE_MAX)
			return r;
		in = slice_from(in, lf + 1);
		was_empty = !s->is_inside_line;
		r = s->has_cr ? BUF_OK : buf_add_byte(out, '\r');
		if (r == BUF_OK)
			r = buf_add_byte(out, '\n');
		if (r != BUF_OK)
			return r;
		s->has_cr = false;
		end_line(s, was_empty);
	}
	return BUF_OK;
}

int
pop3_stuff_end(struct pop3_stuff *s, struct buf *out)
{
	int r = BUF_OK;

	if (s->has_cr)
		r = buf_add_byte(out, '\n');
	else if (s->is_inside_line)
		r = buf_add(out, SLICE("\r\n"));
	return r == BUF_OK ? buf_add(out, SLICE(".\r\n")) : r;
}
