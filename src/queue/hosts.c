/* SPDX-License-Identifier: ISC */
#include "queue/hosts.h"

#include <stdlib.h>

struct hosts *
hosts_join(struct map *sets, uint64_t key)
{
	struct hosts *h = map_get_number(sets, key);

	if (h == NULL) {
		h = calloc(1, sizeof(*h));
		if (h == NULL)
			return NULL;
		h->key = key;
		pace_init(&h->pace);
		for (int i = 0; i < HOSTS_LANES; i++)
			list_init(&h->waiting[i]);
		if (map_put_number(sets, key, h) < 0) {
			free(h);
			return NULL;
		}
	}
	h->n_members++;
	return h;
}

void
hosts_leave(struct map *sets, struct hosts *h)
{
	if (--h->n_members > 0)
		return;
	(void)map_take_number(sets, h->key);
	free(h);
}

static struct pace_limits
shared(const struct pace_limits *l)
{
	return (struct pace_limits){ .most = l->most_shared == 0
		    ? UINT32_MAX / PACE_ONE
		    : l->most_shared,
		.rate = l->rate,
		.burst = l->burst };
}

/* Slow starts are each destination's own: here only what was too much counts.
 */
uint32_t
hosts_concurrency(const struct hosts *h, const struct pace_limits *l)
{
	struct pace_limits all = shared(l);

	return h->is_pressed ? pace_concurrency(&h->pace, &all) : all.most;
}

bool
hosts_have_room(const struct hosts *h, const struct pace_limits *l)
{
	return h->in_flight < hosts_concurrency(h, l);
}

int64_t
hosts_ready(const struct hosts *h, const struct pace_limits *l)
{
	struct pace_limits all = shared(l);

	return pace_ready(&h->pace, &all);
}

void
hosts_on_start(struct hosts *h, const struct pace_limits *l, int64_t now)
{
	struct pace_limits all = shared(l);

	pace_on_start(&h->pace, &all, now);
}

void
hosts_on_taken(struct hosts *h, const struct pace_limits *l, int64_t now)
{
	/* a member with a low limit does not lower the others' */
	struct pace_limits all = { UINT32_MAX / PACE_ONE, l->rate, l->burst,
		0 };

	pace_on_taken(&h->pace, &all, now);
}

void
hosts_on_pressure(struct hosts *h, enum pace_pressure what, int64_t now)
{
	if (what != PACE_EASE && !h->is_pressed) {
		h->is_pressed = true;
		h->pace.level = h->in_flight * PACE_ONE;
	}
	pace_on_pressure(&h->pace, what, h->in_flight, now);
}
