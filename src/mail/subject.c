/* SPDX-License-Identifier: ISC */
#include "mail/subject.h"

#include "mail/encode.h"
#include "mail/lex.h"

/* subj-blob = "[" *BLOBCHAR "]" *WSP */
static bool
skip_blob(struct slice *in)
{
	struct slice rest = *in, blob;

	if (!slice_skip_byte(&rest, '[') ||
	    !slice_take_until(&rest, ']', &blob) ||
	    slice_find_byte(blob, '[') != SIZE_MAX)
		return false;
	while (slice_skip_byte(&rest, ' '))
		continue;
	*in = rest;
	return true;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool
skip_refwd(struct slice *in)
{
	struct slice rest = *in;

	if (!slice_skip_nocase(&rest, SLICE("re"))) {
		if (!slice_skip_nocase(&rest, SLICE("fw")))
			return false;
		(void)slice_skip_nocase(&rest, SLICE("d"));
	}
	while (slice_skip_byte(&rest, ' '))
		continue;
	(void)skip_blob(&rest);
	if (!slice_skip_byte(&rest, ':'))
		return false;
	*in = rest;
	return true;
}

/* subj-leader = (*subj-blob subj-refwd) / WSP */
static bool
skip_leader(struct slice *in, bool *ret_is_reply)
{
	struct slice rest = *in;

	if (slice_skip_byte(in, ' '))
		return true;
	while (skip_blob(&rest))
		continue;
	if (!skip_refwd(&rest))
		return false;
	*in = rest;
	*ret_is_reply = true;
	return true;
}

/* subj-trailer = "(fwd)" / WSP */
static bool
cut_trailer(struct slice *in, bool *ret_is_reply)
{
	size_t n = SLICE("(fwd)").len;

	if (slice_ends(*in, SLICE(" "))) {
		in->len--;
		return true;
	}
	if (in->len < n ||
	    !slice_equal_nocase(slice_from(*in, in->len - n), SLICE("(fwd)")))
		return false;
	in->len -= n;
	*ret_is_reply = true;
	return true;
}

/* subj-fwd = "[fwd:" subject "]" */
static bool
unwrap(struct slice *in, bool *ret_is_reply)
{
	if (!slice_starts_nocase(*in, SLICE("[fwd:")) ||
	    !slice_ends(*in, SLICE("]")))
		return false;
	*in = slice_upto(slice_from(*in, 5), in->len - 6);
	*ret_is_reply = true;
	return true;
}

/* Steps 2 to 6 of the section. */
static struct slice
strip(struct slice s, bool *ret_is_reply)
{
	do {
		bool again = true;

		while (cut_trailer(&s, ret_is_reply))
			continue;
		while (again) {
			struct slice rest;

			while (skip_leader(&s, ret_is_reply))
				continue;
			rest = s;
			again = skip_blob(&rest) && rest.len > 0;
			if (again)
				s = rest;
		}
	} while (unwrap(&s, ret_is_reply));
	return s;
}

/* Every run of blanks becomes one space (step 1). */
static int
squeeze(struct slice in, struct buf *out)
{
	bool gap = false;
	int r = BUF_OK;

	for (size_t i = 0; r == BUF_OK && i < in.len; i++) {
		if (lex_is_blank(in.at[i])) {
			gap = true;
			continue;
		}
		if (gap)
			r = buf_add_byte(out, ' ');
		gap = false;
		if (r == BUF_OK)
			r = buf_add_byte(out, in.at[i]);
	}
	return r;
}

int
subject_base(struct slice subject, struct buf *ret, bool *ret_is_reply)
{
	struct buf decoded, squeezed;
	bool is_reply = false;
	int r;

	/* A decoded octet takes three as U+FFFD at the most. */
	buf_init(&decoded, 4 * SUBJECT_MAX);
	buf_init(&squeezed, 4 * SUBJECT_MAX);
	r = encoded_words_decode(slice_upto(subject, SUBJECT_MAX), &decoded);
	if (r == BUF_OK)
		r = squeeze(buf_slice(&decoded), &squeezed);
	if (r == BUF_OK)
		r = text_fold(strip(buf_slice(&squeezed), &is_reply), ret);
	if (r == BUF_OK)
		*ret_is_reply = is_reply;
	buf_deinit(&decoded);
	buf_deinit(&squeezed);
	return r;
}
