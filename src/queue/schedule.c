/* SPDX-License-Identifier: ISC */
#include "queue/schedule.h"

int64_t
schedule_delay(const struct schedule *s, uint32_t n, uint64_t random)
{
	int64_t delay = s->first, fifth;

	for (uint32_t i = 1; i < n && delay < s->max; i++) {
		/* max is days at most, growth a few hundred: no overflow below
		 * a growth of 10^6 percent, which settings refuses */
		int64_t next = delay / 100 * (int64_t)s->growth;

		if (next <= delay)
			break; /* a growth of 100: always the same */
		delay = next;
	}
	if (delay > s->max)
		delay = s->max;
	fifth = delay / 5;
	if (fifth > 0)
		delay += (int64_t)(random % (uint64_t)fifth) - fifth / 2;
	return delay;
}

int64_t
schedule_soon(const struct schedule *s, uint32_t n, uint64_t random)
{
	const struct schedule soon = {
		.first = SCHEDULE_SOON, .max = TIME_DAY, .growth = 200
	};
	int64_t delay = schedule_delay(&soon, n, random);
	int64_t most = schedule_delay(s, n, random);

	return delay < most ? delay : most;
}

int64_t
schedule_time(const struct schedule_clock *start,
    const struct schedule_clock *now)
{
	int64_t measured = start->wall + (now->monotonic - start->monotonic);

	return now->wall > measured + SCHEDULE_TOLERANCE ? measured : now->wall;
}
