/* SPDX-License-Identifier: ISC */
/*
 * Unstuffing against a reference that sees everything at once: the message
 * ends at the first CRLF.CRLF, and every other rule follows from that. The
 * first byte decides how the rest is cut into chunks. What comes out clean is
 * stuffed again and must give the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

/* The reference: true when there is an end; *ret_n is what stands before it. */
static bool
find_end(struct slice in, size_t *ret_n)
{
	struct slice end = SLICE("\r\n.\r\n");
	size_t i;

	if (slice_starts(in, SLICE(".\r\n"))) {
		*ret_n = 0;
		return true;
	}
	i = slice_find(in, end);
	*ret_n = i + 2;
	return i != SIZE_MAX;
}

static bool
is_clean(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '\n' && (i == 0 || s.at[i - 1] != '\r'))
			return false;
		if (s.at[i] == '\r' && (i + 1 == s.len || s.at[i + 1] != '\n'))
			return false;
	}
	return true;
}

/* Content of clean lines, without their first dots. */
static size_t
unstuff(struct slice s, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] != '.' || (i > 0 && s.at[i - 1] != '\n'))
			out[n++] = s.at[i];
	return n;
}

static void
check_stuffing(struct slice content, struct slice wire)
{
	struct smtp_stuff s = { 0 };
	struct buf out;

	buf_init(&out, 2 * content.len + 16);
	must(smtp_stuff_add(&s, &content, &out) == SMTP_STUFF_OK);
	must(content.len == 0);
	must(smtp_stuff_end(&s, &out) == SMTP_STUFF_OK);
	/* Lines that had a needless dot are shorter the second time. */
	must(out.len <= wire.len);
	buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in, all, run;
	struct smtp_dot d = { 0 };
	size_t chunk, want_n, n_out = 0, n_want;
	uint8_t *out, *want;
	int r = SMTP_DOT_MORE;
	bool has_end;

	if (n < 1)
		return 0;
	chunk = at[0] == 0 ? n : at[0];
	in = all = slice_of(at + 1, n - 1);
	out = malloc(n);
	want = malloc(n);
	must(out != NULL && want != NULL);

	while (in.len > 0 && r != SMTP_DOT_END) {
		struct slice part = slice_upto(in, chunk), now = part;

		while ((r = smtp_dot_next(&d, &now, &run)) == SMTP_DOT_RUN) {
			must(!d.is_bad && run.len > 0);
			memcpy(out + n_out, run.at, run.len);
			n_out += run.len;
		}
		must(now.len == 0 || r == SMTP_DOT_END);
		in = slice_from(in, part.len - now.len);
	}

	has_end = find_end(all, &want_n);
	must((r == SMTP_DOT_END) == has_end);
	if (has_end) {
		struct slice before = slice_upto(all, want_n);

		must(in.len == all.len - want_n - 3);
		must(d.is_bad == !is_clean(before));
		n_want = unstuff(before, want);
		if (!d.is_bad) {
			must(n_out == n_want && memcmp(out, want, n_out) == 0);
			check_stuffing(slice_of(out, n_out),
			    slice_upto(all, want_n + 3));
		}
	}
	free(out);
	free(want);
	return 0;
}
