/* SPDX-License-Identifier: ISC */
#include "queue/fair.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "queue/destination.h"

/* -- flows
 * --------------------------------------------------------------------- */

/* FNV-1a, in lower case. */
static uint64_t
hash_of(struct slice text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ ascii_lower(text.at[i])) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

int64_t
fair_tenant(struct slice domain)
{
	return (int64_t)(hash_of(domain) & 0x7fffffff);
}

int64_t
fair_flow(struct slice sender)
{
	size_t at = sender.len;

	if (sender.len == 0)
		return 0;
	while (at > 0 && sender.at[at - 1] != '@')
		at--;
	return fair_tenant(slice_from(sender, at)) << FAIR_SENDER_BITS |
	    (int64_t)(hash_of(sender) & UINT32_MAX);
}

/* -- turns
 * --------------------------------------------------------------------- */

struct place {
	struct queue_row row;
	size_t at;   /* where it stood */
	size_t turn; /* among those it is compared with */
};

static int
compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int
by_flow(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int r = compare(y->row.priority, x->row.priority);

	if (r == 0)
		r = compare(x->row.flow, y->row.flow);
	return r != 0 ? r : compare((int64_t)x->at, (int64_t)y->at);
}

static int
by_tenant(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int r = compare(y->row.priority, x->row.priority);

	if (r == 0)
		r = compare(x->row.flow >> FAIR_SENDER_BITS,
		    y->row.flow >> FAIR_SENDER_BITS);
	if (r == 0)
		r = compare((int64_t)x->turn, (int64_t)y->turn);
	return r != 0 ? r : compare((int64_t)x->at, (int64_t)y->at);
}

static int
by_turn(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int r = compare(y->row.priority, x->row.priority);

	if (r == 0)
		r = compare((int64_t)x->turn, (int64_t)y->turn);
	return r != 0 ? r : compare((int64_t)x->at, (int64_t)y->at);
}

/* Numbers the messages of each run of places whose flows, without their last
 * bits, are equal. */
static void
count_turns(struct place *places, size_t n, unsigned bits)
{
	size_t turn = 0;

	for (size_t i = 0; i < n; i++) {
		const struct queue_row *row = &places[i].row;
		const struct queue_row *last =
		    i == 0 ? row : &places[i - 1].row;

		if (row->priority != last->priority ||
		    row->flow >> bits != last->flow >> bits)
			turn = 0;
		else if (i > 0 && !id_equal(&row->message, &last->message))
			turn++;
		places[i].turn = turn;
	}
}

static bool
is_one_flow(const struct queue_row *rows, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (rows[i].flow != rows[0].flow ||
		    rows[i].priority != rows[0].priority)
			return false;
	return true;
}

int
fair_order(struct queue_row *rows, size_t n)
{
	struct place *places;

	if (is_one_flow(rows, n))
		return 0;
	places = calloc(n, sizeof(*places));
	if (places == NULL)
		return ERR_ORIGIN(-ENOMEM);
	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){ rows[i], i, 0 };
	qsort(places, n, sizeof(*places), by_flow);
	count_turns(places, n, 0);
	qsort(places, n, sizeof(*places), by_tenant);
	count_turns(places, n, FAIR_SENDER_BITS);
	qsort(places, n, sizeof(*places), by_turn);
	for (size_t i = 0; i < n; i++)
		rows[i] = places[i].row;
	free(places);
	return 0;
}
