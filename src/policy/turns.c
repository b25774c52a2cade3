/* SPDX-License-Identifier: ISC */
#include "policy/turns.h"

/* Who was asked long ago and of whom nothing came is forgotten: he who asked
 * may be gone. */
static bool
is_silent(const struct turns_host *h, int64_t now)
{
	return h->asked != 0 && now - h->asked < TURNS_SHUT &&
	    (h->has_failed || now - h->asked >= TURNS_SILENCE);
}

static bool
is_open(const struct turns_host *h, int64_t now)
{
	return now >= h->shut_until && !is_silent(h, now);
}

/* The best preference of those that may have a turn. */
static bool
best_preference(const struct turns *t, const struct hop_host *hosts, size_t n,
    int64_t now, uint16_t *ret)
{
	bool has_one = false;

	for (size_t i = 0; i < n; i++) {
		if (!is_open(&t->at[i], now) ||
		    (has_one && hosts[i].preference >= *ret))
			continue;
		*ret = hosts[i].preference;
		has_one = true;
	}
	return has_one;
}

size_t
turns_next(struct turns *t, const struct hop_host *hosts, size_t n, int64_t now)
{
	uint16_t preference = 0;
	bool has_open = best_preference(t, hosts, n, now, &preference);
	int64_t total = 0;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		struct turns_host *h = &t->at[i];

		if (has_open &&
		    (hosts[i].preference != preference || !is_open(h, now)))
			continue;
		h->credit += hosts[i].weight;
		total += hosts[i].weight;
		if (best == SIZE_MAX || h->credit > t->at[best].credit)
			best = i;
	}
	if (best == SIZE_MAX)
		return 0;
	t->at[best].credit -= total;
	return best;
}

void
turns_ask(struct turns *t, size_t i, int64_t now)
{
	struct turns_host *h = &t->at[i];

	if (h->asked == 0 || now - h->asked >= TURNS_SHUT)
		h->asked = now;
}

void
turns_answer(struct turns *t, size_t i)
{
	t->at[i].asked = t->at[i].shut_until = 0;
	t->at[i].has_failed = false;
}

/* It owes nobody the turns that it missed. */
void
turns_fail(struct turns *t, size_t i, int64_t now)
{
	t->at[i] = (struct turns_host){ .shut_until = now + TURNS_SHUT,
		.has_failed = true };
}
