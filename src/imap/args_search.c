/* SPDX-License-Identifier: ISC */
#include "base/limits.h"
#include "imap/command.h"

/* -- return options (RFC 4466, 4731, 5182, 5267, 9394) ----------------------
 */

static bool
take_nz(struct imap_in *in, uint32_t *ret)
{
	return imap_take_number(in, ret) && *ret != 0;
}

/* partial-range: 1:500, or from the end -1:-100; in either order */
bool
imap_take_partial(struct imap_in *in, struct imap_partial *ret)
{
	struct imap_partial p = { .is_there = true };
	uint32_t swap;

	p.from_end = slice_skip_byte(&in->rest, '-');
	if (!take_nz(in, &p.lo) || !slice_skip_byte(&in->rest, ':') ||
	    slice_skip_byte(&in->rest, '-') != p.from_end ||
	    !take_nz(in, &p.hi))
		return false;
	if (p.lo > p.hi) {
		swap = p.lo;
		p.lo = p.hi;
		p.hi = swap;
	}
	*ret = p;
	return true;
}

void
imap_partial_window(const struct imap_partial *p, size_t n, size_t *ret_lo,
    size_t *ret_hi)
{
	size_t lo = p->lo, hi = p->hi < n ? p->hi : n;

	if (lo > n) {
		*ret_lo = *ret_hi = 0;
		return;
	}
	*ret_lo = p->from_end ? n - hi : lo - 1;
	*ret_hi = p->from_end ? n - lo + 1 : hi;
}

static bool
take_return_option(struct imap_in *in, struct imap_command *c)
{
	static const struct {
		const char *name;
		unsigned bit;
	} options[] = {
		{ "MIN", IMAP_RETURN_MIN },
		{ "MAX", IMAP_RETURN_MAX },
		{ "ALL", IMAP_RETURN_ALL },
		{ "COUNT", IMAP_RETURN_COUNT },
		{ "SAVE", IMAP_RETURN_SAVE },
		{ "UPDATE", IMAP_RETURN_UPDATE },
		{ "CONTEXT", IMAP_RETURN_CONTEXT },
		{ "PARTIAL", IMAP_RETURN_PARTIAL },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!imap_skip_word(in, slice_cstr(options[i].name)))
			continue;
		/* One range, and not ALL beside it (RFC 9394, 3.1). */
		if (options[i].bit == IMAP_RETURN_PARTIAL &&
		    ((c->returns & IMAP_RETURN_PARTIAL) != 0 ||
			!imap_skip_sp(in) ||
			!imap_take_partial(in, &c->partial)))
			return false;
		c->returns |= options[i].bit;
		return true;
	}
	return false;
}

/* "RETURN" SP "(" [option *(SP option)] ")" SP; nothing of it is fine. */
bool
imap_take_return(struct imap_in *in, struct imap_command *c)
{
	enum {
		BOTH = IMAP_RETURN_ALL | IMAP_RETURN_PARTIAL
	};

	if (!imap_skip_word(in, SLICE("RETURN")))
		return true;
	c->has_return = true;
	if (!imap_skip_sp(in) || !slice_skip_byte(&in->rest, '('))
		return false;
	if (!slice_skip_byte(&in->rest, ')')) {
		do {
			if (!take_return_option(in, c))
				return false;
		} while (imap_skip_sp(in));
		if (!slice_skip_byte(&in->rest, ')'))
			return false;
	}
	if ((c->returns & BOTH) == BOTH)
		return false;
	if ((c->returns & ~(unsigned)IMAP_RETURN_CONTEXT) == 0)
		c->returns |= IMAP_RETURN_ALL;
	return imap_skip_sp(in);
}

/* -- SORT and THREAD (RFC 5256, 5957) ----------------------------------------
 */

static bool
take_sort_key(struct imap_in *in, struct imap_sort_key *ret)
{
	static const char *const names[] = {
		[IMAP_SORT_ARRIVAL] = "ARRIVAL",
		[IMAP_SORT_CC] = "CC",
		[IMAP_SORT_DATE] = "DATE",
		[IMAP_SORT_FROM] = "FROM",
		[IMAP_SORT_SIZE] = "SIZE",
		[IMAP_SORT_SUBJECT] = "SUBJECT",
		[IMAP_SORT_TO] = "TO",
		[IMAP_SORT_DISPLAY_FROM] = "DISPLAYFROM",
		[IMAP_SORT_DISPLAY_TO] = "DISPLAYTO",
	};

	ret->is_reverse = imap_skip_word(in, SLICE("REVERSE"));
	if (ret->is_reverse && !imap_skip_sp(in))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (imap_skip_word(in, slice_cstr(names[i]))) {
			ret->what = (enum imap_sort)i;
			return true;
		}
	return false;
}

/* A key that stood there before changes nothing. */
static void
add_sort_key(struct imap_command *c, const struct imap_sort_key *key)
{
	for (size_t i = 0; i < c->n_sort; i++)
		if (c->sort[i].what == key->what)
			return;
	c->sort[c->n_sort++] = *key;
}

/* sort-criteria = "(" sort-criterion *(SP sort-criterion) ")" */
static bool
take_sort_keys(struct imap_in *in, struct imap_command *c)
{
	struct imap_sort_key key;

	if (!slice_skip_byte(&in->rest, '('))
		return false;
	do {
		if (!take_sort_key(in, &key))
			return false;
		add_sort_key(c, &key);
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

/* sort = "SORT" [SP search-return-opts] SP sort-criteria SP charset
 *        1*(SP search-key) (RFC 5256, 5; 5267, 5) */
int
imap_sort_args(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_return(in, c) ||
	    !take_sort_keys(in, c) || !imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	return imap_search_charset_args(in, c);
}

/* thread = "THREAD" SP thread-alg SP charset 1*(SP search-key) */
int
imap_thread_args(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	if (imap_skip_word(in, SLICE("ORDEREDSUBJECT")))
		c->thread = IMAP_THREAD_SUBJECT;
	else if (imap_skip_word(in, SLICE("REFERENCES")))
		c->thread = IMAP_THREAD_REFERENCES;
	else
		return IMAP_COMMAND_BAD;
	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	return imap_search_charset_args(in, c);
}
