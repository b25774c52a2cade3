/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_terms - on what terms destinations are served
 *
 * The table is read at the start, before anything is sent, and anew after each
 * change (`ulak destination`). It is asked for each attempt, so that a change
 * counts from the next one on; times to live and of warnings are written into
 * a row when it comes (store/message).
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/tls_policy.h"
#include "store/terms.h"

/* -- reading
 * ------------------------------------------------------------------- */

struct terms_load {
	struct store_read read;
	struct outbound *outbound;
	struct terms_table table;
	int64_t least;
	void (*then)(struct outbound *o); /* may be NULL */
};

static int
load_one(void *ctx, struct slice pattern, const struct terms *t)
{
	struct terms_load *l = ctx;
	int r = terms_table_put(&l->table, pattern, t);

	if (t->value[TERMS_LIFETIME] > 0 && t->value[TERMS_LIFETIME] < l->least)
		l->least = t->value[TERMS_LIFETIME];
	if (t->value[TERMS_DELAY_WARNING] > 0 &&
	    t->value[TERMS_DELAY_WARNING] < l->least)
		l->least = t->value[TERMS_DELAY_WARNING];
	/* a row that no command has written is no reason to stop */
	return r == -EINVAL ? 0 : r;
}

static int
load_run(struct db *db, struct store_read *r)
{
	struct terms_load *l = LIST_ENTRY(r, struct terms_load, read);

	return ERR_TRACE(store_terms_each(db, load_one, l));
}

/* What cannot be read leaves what was: the next change, or start, reads it. */
static void
load_done(struct store_read *r, int result)
{
	struct terms_load *l = LIST_ENTRY(r, struct terms_load, read);
	struct outbound *o = l->outbound;

	if (result == 0) {
		struct terms_table old = o->terms;

		o->terms = l->table;
		o->terms_least = l->least;
		l->table = old;
	} else {
		env_log(o->env, ENV_ERROR, "queue-terms", "errno=%d", -result);
	}
	terms_table_deinit(&l->table);
	if (l->then != NULL)
		l->then(o);
	else if (o->terms_least < INT64_MAX)
		outbound_sweep_by(o, env_wall(o->env)); /* sooner now */
	outbound_pump_soon(o);
	free(l);
}

void
out_terms_load(struct outbound *o, void (*then)(struct outbound *o))
{
	struct terms_load *l = calloc(1, sizeof(*l));
	uint8_t seed[MAP_SEED];

	if (l == NULL) {
		env_log(o->env, ENV_ERROR, "queue-terms", "errno=%d", ENOMEM);
		if (then != NULL)
			then(o);
		return;
	}
	env_random(o->env, seed, sizeof(seed));
	terms_table_init(&l->table, seed);
	l->least = INT64_MAX;
	l->outbound = o;
	l->then = then;
	l->read.run = load_run;
	l->read.done = load_done;
	store_read(o->store, &l->read);
}

void
outbound_terms_changed(struct outbound *o)
{
	out_terms_load(o, NULL);
}

/* -- what holds
 * ----------------------------------------------------------------- */

void
out_terms(const struct outbound *o, struct slice route, struct terms *ret,
    struct slice from[TERMS_N])
{
	const struct settings *s = o->settings;
	const int64_t presets[TERMS_N] = {
		[TERMS_RETRY_FIRST] = s->retry_first,
		[TERMS_RETRY_MAX] = s->retry_max,
		[TERMS_RETRY_GROWTH] = s->retry_growth,
		[TERMS_LIFETIME] = s->lifetime,
		[TERMS_DELAY_WARNING] = s->delay_warning,
		[TERMS_CONCURRENCY] =
		    s->per_destination == 0 ? 1 : s->per_destination,
		[TERMS_MAILS] = s->per_connection == 0 ? 1 : s->per_connection,
		[TERMS_RCPTS] = s->per_mail == 0 ? OUT_ROWS : s->per_mail,
		[TERMS_TLS] = TLS_MINIMUM_DEFAULT,
	};

	terms_table_find(&o->terms, route, ret, from);
	for (int i = 0; i < TERMS_N; i++)
		if (ret->value[i] == TERMS_UNSET)
			ret->value[i] = presets[i];
	/* each may come from elsewhere */
	if (ret->value[TERMS_RETRY_MAX] < ret->value[TERMS_RETRY_FIRST])
		ret->value[TERMS_RETRY_MAX] = ret->value[TERMS_RETRY_FIRST];
	if (ret->value[TERMS_BURST] <= 0)
		ret->value[TERMS_BURST] = 1;
}

struct pace_limits
out_limits(const struct outbound *o, struct slice route)
{
	struct slice from[TERMS_N];
	struct pace_limits l;
	struct terms t;

	out_terms(o, route, &t, from);
	l = (struct pace_limits){ .most = (uint32_t)t.value[TERMS_CONCURRENCY],
		.rate =
		    t.value[TERMS_RATE] > 0 ? (uint32_t)t.value[TERMS_RATE] : 0,
		.burst = (uint32_t)t.value[TERMS_BURST] };
	l.most_shared = l.most;
	if (from[TERMS_CONCURRENCY].len == 0)
		l.most_shared = o->settings->per_hosts;
	return l;
}

struct schedule
out_terms_schedule(const struct terms *t)
{
	return (struct schedule){ t->value[TERMS_RETRY_FIRST],
		t->value[TERMS_RETRY_MAX],
		(uint32_t)t->value[TERMS_RETRY_GROWTH] };
}

/* -- what is told of them
 * ------------------------------------------------------------- */

struct telling {
	int (*each)(void *ctx, const char *term, const char *value,
	    struct slice from);
	void *ctx;
	int r;
};

static void tell(struct telling *t, const char *term, struct slice from,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void
tell(struct telling *t, const char *term, struct slice from, const char *format,
    ...)
{
	char value[128];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	if (t->r == 0)
		t->r = t->each(t->ctx, term, value, from);
}

static void
tell_lane(struct telling *t, const struct outbound *o, struct slice route,
    uint8_t lane)
{
	static const char *const lanes[QUEUE_LANES] = { "interactive", "bulk",
		"bounce" };
	const struct destination *d =
	    destination_find(&o->destinations, route, lane);
	struct slice from = slice_cstr(lanes[lane]);

	if (d == NULL)
		return;
	tell(t, "attempts_now", from, "%" PRIu32, d->in_flight);
	tell(t, "attempts_at_most", from, "%" PRIu32,
	    d->failures > 0 ? 1 : pace_concurrency(&d->pace, &d->limits));
	if (d->hosts != NULL) {
		tell(t, "destinations_of_its_hosts", from, "%" PRIu32,
		    d->hosts->n_members);
		tell(t, "attempts_of_its_hosts", from, "%" PRIu32,
		    d->hosts->in_flight);
	}
	if (d->pace.learnt > 0)
		tell(t, "rate_at_most", from, "%" PRIu32, d->pace.learnt);
	tell(t, "failures", from, "%" PRIu32, d->failures);
	tell(t, "retry_at", from, "%" PRId64, d->retry_at);
}

int
outbound_terms_tell(struct outbound *o, struct slice route,
    int (*each)(void *ctx, const char *term, const char *value,
	struct slice from),
    void *ctx)
{
	struct telling t = { each, ctx, 0 };
	struct slice from[TERMS_N];
	struct terms terms;

	out_terms(o, route, &terms, from);
	for (enum terms_key key = 0; key < TERMS_N; key++) {
		char text[TERMS_TEXT_MAX];

		terms_value_print(key, terms.value[key], text);
		tell(&t, terms_key_name(key),
		    from[key].len > 0 ? from[key] : SLICE("configuration"),
		    "%s", text);
	}
	for (uint8_t lane = 0; lane < QUEUE_LANES; lane++)
		tell_lane(&t, o, route, lane);
	return ERR_TRACE(t.r);
}
