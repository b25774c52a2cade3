/* SPDX-License-Identifier: ISC */
#include "queue/warmup.h"

bool
warmup_is_over(const struct warmup *w)
{
	return w->ceiling >= w->until;
}

static uint32_t
grown(const struct warmup *w)
{
	uint64_t more = (uint64_t)w->ceiling * w->growth / 100;

	if (more <= w->ceiling)
		more = (uint64_t)w->ceiling + 1;
	return more > w->until ? w->until : (uint32_t)more;
}

static uint32_t
halved(const struct warmup *w)
{
	return w->ceiling < 2 ? 1 : w->ceiling / 2;
}

static uint32_t
next_ceiling(const struct warmup *w)
{
	uint64_t bad = (uint64_t)w->bad * 100;

	if (w->sent == 0 || warmup_is_over(w))
		return w->ceiling;
	if (bad > (uint64_t)w->sent * WARMUP_BAD)
		return halved(w);
	if (bad > (uint64_t)w->sent * WARMUP_GOOD ||
	    (uint64_t)w->sent * 100 < (uint64_t)w->ceiling * WARMUP_USED)
		return w->ceiling;
	return grown(w);
}

void
warmup_turn(struct warmup *w, int64_t now)
{
	if (w->began != 0 && now < w->began) /* the clock was set back */
		w->began = now;
	if (w->began == 0 || now - w->began < w->day)
		return;
	w->ceiling = next_ceiling(w);
	w->began += (now - w->began) / w->day * w->day;
	w->sent = w->bad = 0;
}

bool
warmup_may(const struct warmup *w)
{
	return warmup_is_over(w) || w->sent < w->ceiling;
}

int64_t
warmup_next(const struct warmup *w)
{
	return w->began + w->day;
}

void
warmup_send(struct warmup *w, int64_t now)
{
	if (w->began == 0)
		w->began = now;
	w->sent++;
}

void
warmup_unsend(struct warmup *w)
{
	if (w->sent > 0)
		w->sent--;
}

void
warmup_heard(struct warmup *w, bool is_bad)
{
	if (is_bad && w->bad < UINT32_MAX)
		w->bad++;
}
