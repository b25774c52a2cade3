/* SPDX-License-Identifier: ISC */
#include "imap/merge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct merge {
	size_t size;
	merge_before_fn *before;
	void *ctx;
};

/* [lo, mid) and [mid, hi) of from, each sorted, to [lo, hi) of to. */
static void
join(const struct merge *m, const uint8_t *from, uint8_t *to, size_t lo,
    size_t mid, size_t hi)
{
	size_t a = lo, b = mid;

	for (size_t i = lo; i < hi; i++) {
		bool takes_b = a == mid ||
		    (b < hi &&
			m->before(from + b * m->size, from + a * m->size,
			    m->ctx));
		size_t k = takes_b ? b++ : a++;

		memcpy(to + i * m->size, from + k * m->size, m->size);
	}
}

bool
merge_sort(void *at, size_t n, size_t size, merge_before_fn *before, void *ctx)
{
	struct merge m = { size, before, ctx };
	uint8_t *from = at, *to, *work;

	if (n < 2)
		return true;
	work = calloc(n, size);
	if (work == NULL)
		return false;
	to = work;
	for (size_t width = 1; width < n; width *= 2) {
		uint8_t *swap = from;

		for (size_t lo = 0; lo < n; lo += 2 * width) {
			size_t mid = n - lo < width ? n : lo + width;
			size_t hi = n - mid < width ? n : mid + width;

			join(&m, from, to, lo, mid, hi);
		}
		from = to;
		to = swap;
	}
	if (from != at)
		memcpy(at, from, n * size);
	free(work);
	return true;
}
