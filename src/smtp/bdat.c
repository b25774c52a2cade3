/* SPDX-License-Identifier: ISC */
#include "smtp/bdat.h"

/* Of the first CR or LF; the length when there is none. */
static size_t
find_end(struct slice s)
{
	size_t lf = slice_find_byte(s, '\n'), cr;

	s = slice_upto(s, lf);
	cr = slice_find_byte(s, '\r');
	return cr == SIZE_MAX ? s.len : cr;
}

int
smtp_bdat_parse(struct slice args, uint64_t *ret_size, bool *ret_is_last)
{
	struct slice digits;
	uint64_t size;
	bool is_last = false;

	/* so many octets nobody has: they would be waited for in vain */
	if (!slice_take_while(&args, ascii_is_digit, &digits) ||
	    !slice_to_u64(digits, INT64_MAX, &size))
		return SMTP_BDAT_E_SYNTAX;
	if (args.len > 0) {
		if (!slice_skip_byte(&args, ' '))
			return SMTP_BDAT_E_SYNTAX;
		while (slice_skip_byte(&args, ' '))
			;
		if (!slice_equal_nocase(args, SLICE("LAST")))
			return SMTP_BDAT_E_SYNTAX;
		is_last = true;
	}
	*ret_size = size;
	*ret_is_last = is_last;
	return SMTP_BDAT_OK;
}

void
smtp_bdat_chunk(struct smtp_bdat *b, uint64_t size, bool is_last)
{
	b->left = size;
	b->is_last = is_last;
}

/* A line has ended; an empty one ends the header section. */
static void
end_line(struct smtp_bdat *b)
{
	if (!b->is_inside_line)
		b->is_body = true;
	b->is_inside_line = false;
}

/* How much of `part` is read: all of it, unless it ends in a CR that may still
 * be followed by its LF; that one is read and held back. */
static size_t
scan_lines(struct smtp_bdat *b, struct slice part)
{
	size_t i = 0;

	while (i < part.len && !b->is_bad && !(b->is_binary && b->is_body)) {
		size_t n = i + find_end(slice_from(part, i));

		if (n > i)
			b->is_inside_line = true;
		if (n == part.len)
			return n;
		if (part.at[n] == '\n' ||
		    (n + 1 < part.len && part.at[n + 1] != '\n')) {
			b->is_bad = true;
		} else if (n + 1 == part.len) {
			b->has_cr = true;
			return n + 1;
		} else {
			end_line(b);
			i = n + 2;
		}
	}
	return b->is_bad ? i : part.len;
}

/* The octet behind a CR that was held back. */
static struct slice
after_cr(struct smtp_bdat *b, struct slice *part)
{
	b->has_cr = false;
	if (!slice_skip_byte(part, '\n')) {
		b->is_bad = true;
		return (struct slice){ 0 };
	}
	end_line(b);
	return SLICE("\r\n");
}

struct slice
smtp_bdat_next(struct smtp_bdat *b, struct slice *in)
{
	size_t n = in->len < b->left ? in->len : (size_t)b->left;
	struct slice part = slice_upto(*in, n), run = { 0 };

	if (part.len == 0)
		return run;
	if (b->has_cr && !b->is_bad) {
		run = after_cr(b, &part);
		n -= part.len;
	} else if (!b->is_bad) {
		n = scan_lines(b, part);
		run = slice_upto(part, n - b->has_cr);
	}
	if (b->is_bad) { /* nobody will see it: on to the end of the chunk */
		run = (struct slice){ 0 };
		n = in->len < b->left ? in->len : (size_t)b->left;
	}
	if (!b->is_8bit)
		b->is_8bit = !slice_is_ascii(run);
	b->left -= n;
	*in = slice_from(*in, n);
	return run;
}

bool
smtp_bdat_end(const struct smtp_bdat *b)
{
	return !b->has_cr && !b->is_bad;
}
