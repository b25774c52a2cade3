/* SPDX-License-Identifier: ISC */
#include "queue/pace.h"

#include "base/time.h"

#define CUT_TIME (5 * TIME_SECOND)    /* what was under way counts once */
#define PAUSE_TIME (1 * TIME_SECOND)  /* after each cut */
#define ALIVE_TIME (60 * TIME_SECOND) /* since it took a mail */
#define KEEP_TIME (10 * TIME_MINUTE)  /* what a cut has taught */
#define MEASURE_TIME (60 * TIME_SECOND)

void
pace_init(struct pace *p)
{
	*p = (struct pace){ .level = PACE_FIRST * PACE_ONE };
}

uint32_t
pace_concurrency(const struct pace *p, const struct pace_limits *l)
{
	uint32_t n = p->level / PACE_ONE;

	if (n > l->most)
		n = l->most;
	return n == 0 ? 1 : n;
}

/* The lesser of what the operator permits and what the host has taught. */
static uint32_t
rate_of(const struct pace *p, const struct pace_limits *l)
{
	if (p->learnt == 0)
		return l->rate;
	return l->rate == 0 || p->learnt < l->rate ? p->learnt : l->rate;
}

static int64_t
interval_of(uint32_t rate)
{
	return TIME_MINUTE / rate;
}

/* A rate that was taught has no burst: that may have been the trouble. */
int64_t
pace_ready(const struct pace *p, const struct pace_limits *l)
{
	uint32_t rate = rate_of(p, l);
	int64_t ready = p->pause, burst;

	if (rate == 0)
		return ready;
	burst = p->learnt == 0 && l->burst > 1 ? l->burst - 1 : 0;
	if (p->next - burst * interval_of(rate) > ready)
		ready = p->next - burst * interval_of(rate);
	return ready;
}

void
pace_on_start(struct pace *p, const struct pace_limits *l, int64_t now)
{
	uint32_t rate = rate_of(p, l);

	if (rate == 0)
		return;
	if (p->next < now)
		p->next = now;
	p->next += interval_of(rate);
}

/* A tenth more for each minute of peace, until it is what is permitted. */
static void
recover_rate(struct pace *p, const struct pace_limits *l, int64_t now)
{
	while (p->learnt > 0 && now - p->learnt_at >= TIME_MINUTE) {
		p->learnt += p->learnt / 10 + 1;
		p->learnt_at += TIME_MINUTE;
		if ((l->rate > 0 && p->learnt >= l->rate) ||
		    p->learnt > 1000000)
			p->learnt = 0;
	}
}

void
pace_on_taken(struct pace *p, const struct pace_limits *l, int64_t now)
{
	uint32_t most = l->most * PACE_ONE;

	p->is_proven = true;
	p->taken_at = now;
	if (p->knee == 0 || p->level < p->knee)
		p->level += PACE_ONE;
	else
		p->level += PACE_ONE * PACE_ONE / p->level + 1;
	if (p->level > most)
		p->level = most;
	if (now - p->since > MEASURE_TIME || now < p->since) {
		p->since = now;
		p->n_taken = 0;
	}
	p->n_taken++;
	recover_rate(p, l, now);
}

void
pace_on_slow(struct pace *p, int64_t now)
{
	p->is_proven = true;
	p->taken_at = now;
	if (p->level >= (PACE_FIRST + 1) * PACE_ONE)
		p->level -= PACE_ONE;
}

static uint32_t
measured_rate(const struct pace *p, int64_t now)
{
	int64_t time = now - p->since, rate;

	if (p->n_taken == 0 || time < 0 || time > 2 * MEASURE_TIME)
		return 2; /* next to nothing, and that was too much */
	if (time < TIME_SECOND)
		time = TIME_SECOND;
	rate = p->n_taken * TIME_MINUTE / time;
	return rate > 1000000 ? 1000000 : rate < 2 ? 2 : (uint32_t)rate;
}

void
pace_on_pressure(struct pace *p, enum pace_pressure what, uint32_t n,
    int64_t now)
{
	uint32_t level = n * PACE_ONE < p->level ? n * PACE_ONE : p->level;

	if (what != PACE_EASE)
		p->pause = now + PAUSE_TIME;
	if (what == PACE_EASE ||
	    (p->cut_at != 0 && now >= p->cut_at && now - p->cut_at < CUT_TIME))
		return;
	p->cut_at = now;
	p->level = level / 2 < PACE_ONE ? PACE_ONE : level / 2;
	p->knee = p->level;
	if (what != PACE_RATE)
		return;
	p->learnt =
	    p->learnt > 0 ? (p->learnt + 1) / 2 : measured_rate(p, now) / 2;
	p->learnt_at = now;
	p->next = now + interval_of(p->learnt);
}

bool
pace_is_alive(const struct pace *p, int64_t now)
{
	if (!p->is_proven || p->taken_at == 0)
		return false;
	return (p->cut_at != 0 && now - p->cut_at < CUT_TIME) ||
	    (p->taken_at > p->cut_at && now - p->taken_at < ALIVE_TIME);
}

static void
not_after(int64_t *at, int64_t latest)
{
	if (*at > latest)
		*at = latest;
}

void
pace_turn_back(struct pace *p, int64_t now)
{
	not_after(&p->pause, now + PAUSE_TIME);
	not_after(&p->next, now + TIME_MINUTE);
	not_after(&p->cut_at, now);
	not_after(&p->taken_at, now);
	not_after(&p->learnt_at, now);
	not_after(&p->since, now);
}

bool
pace_is_worth_keeping(const struct pace *p, int64_t now)
{
	return (p->cut_at != 0 && now - p->cut_at < KEEP_TIME) || p->next > now;
}

/* -- words
 * ------------------------------------------------------------------ */

/* Of hosts that say so; in lower case. What asks us to come again without a
 * word about how much (greylisting) is none of these. */
static const struct {
	struct slice words;
	enum pace_pressure means;
} phrases[] = {
	{ SLICE("too many connection"), PACE_CONNECTIONS },
	{ SLICE("too many concurrent"), PACE_CONNECTIONS },
	{ SLICE("too many simultaneous"), PACE_CONNECTIONS },
	{ SLICE("too many session"), PACE_CONNECTIONS },
	{ SLICE("too many smtp session"), PACE_CONNECTIONS },
	{ SLICE("too many open"), PACE_CONNECTIONS },
	{ SLICE("concurrent connection"), PACE_CONNECTIONS },
	{ SLICE("simultaneous connection"), PACE_CONNECTIONS },
	{ SLICE("connection limit"), PACE_CONNECTIONS },
	{ SLICE("limit of connections"), PACE_CONNECTIONS },
	{ SLICE("number of connections"), PACE_CONNECTIONS },
	{ SLICE("connection rate"), PACE_RATE },
	{ SLICE("rate limit"), PACE_RATE },
	{ SLICE("rate-limit"), PACE_RATE },
	{ SLICE("ratelimit"), PACE_RATE },
	{ SLICE("throttl"), PACE_RATE },
	{ SLICE("too fast"), PACE_RATE },
	{ SLICE("slow down"), PACE_RATE },
	{ SLICE("unusual rate"), PACE_RATE },
	{ SLICE("sending rate"), PACE_RATE },
	{ SLICE("message rate"), PACE_RATE },
	{ SLICE("too many message"), PACE_RATE },
	{ SLICE("too many mails"), PACE_RATE },
	{ SLICE("too many emails"), PACE_RATE },
	{ SLICE("too much mail"), PACE_RATE },
	{ SLICE("unexpected volume"), PACE_RATE },
	{ SLICE("messages per "), PACE_RATE },
};

enum pace_pressure
pace_pressure(const struct verdict *v)
{
	if (v->code < 400 || v->code > 499)
		return PACE_EASE;
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (slice_find_nocase(v->text, phrases[i].words) != SIZE_MAX)
			return phrases[i].means;
	/* 421 closes the whole session for a reason of policy; 4.7.28 is what
	 * large hosts say of a rate, whatever their words */
	if (v->esc.class == 4 && v->esc.subject == 7 &&
	    (v->code == 421 || v->esc.detail == 28))
		return PACE_RATE;
	return PACE_EASE;
}
