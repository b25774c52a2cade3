/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_bounce - rows whose sender must hear of them
 *
 *   failed row ─look─▶ load ─BOUNCE_MAKE─▶ courier ─BOUNCE_COMMIT─▶ one
 *   transaction: the bounce is kept, the rows go
 *
 * Nothing of a bounce is remembered but the rows' state: whatever dies in
 * between, the rows are found again by the next look, and what was committed
 * twice is refused because its rows are gone. A late row is told of once
 * (`warned`). A bounce has the null sender, so nothing bounces for it.
 */
#include "roles/store/outbound_bounce.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

enum {
	LOOK_MAX = 50
};

/* RFC 3461, 5.2.6; RFC 5321, 4.5.5: no bounce for a bounce. */
bool
outbound_is_unheard(struct slice sender, uint8_t notify)
{
	return sender.len == 0 || (notify & NOTIFY_NEVER) != 0 ||
	    (notify != 0 && (notify & NOTIFY_FAILURE) == 0);
}

void
out_bounce_want(struct outbound *o, uint8_t kind)
{
	if (kind != BOUNCE_DELAYED)
		o->wants_bounces |= (uint8_t)(1u << kind);
}

void
out_bounce_free(struct out_bounce *b)
{
	struct outbound *o = b->outbound;

	if (b->courier != NULL)
		b->courier->in_hand--;
	env_timer_stop(o->env, &b->timer);
	(void)map_take_number(&o->bounces, b->number);
	free(b);
	outbound_pump_soon(o);
}

void
outbound_bounces_courier_lost(struct outbound *o, struct out_courier *c)
{
	struct out_bounce *b;
	size_t at = 0;

	while ((b = map_next(&o->bounces, &at)) != NULL) {
		if (b->courier != c)
			continue;
		b->courier = NULL;
		c->in_hand--;
		out_bounce_want(o, b->kind);
		if (!b->is_committing)
			out_bounce_free(b);
	}
}

void
out_bounce_give_up(struct out_bounce *b)
{
	out_bounce_want(b->outbound, b->kind);
	out_bounce_free(b);
}

static void
on_bounce_late(struct env_timer *t)
{
	out_bounce_give_up(LIST_ENTRY(t, struct out_bounce, timer));
}

static bool
is_in_work(struct outbound *o, const struct id *message, uint8_t kind)
{
	struct out_bounce *b;
	size_t at = 0;

	while ((b = map_next(&o->bounces, &at)) != NULL)
		if (b->kind == kind && id_equal(&b->message, message))
			return true;
	return false;
}

static int
bounce_start(struct outbound *o, struct out_courier *courier,
    const struct id *message, uint8_t kind, int64_t before)
{
	struct out_bounce *b = calloc(1, sizeof(*b));

	if (b == NULL ||
	    map_put_number(&o->bounces, o->next_number + 1, b) < 0) {
		free(b);
		return ERR_ORIGIN(-ENOMEM);
	}
	b->outbound = o;
	b->number = ++o->next_number;
	b->message = *message;
	b->kind = kind;
	b->before = before;
	b->courier = courier;
	b->timer.fire = on_bounce_late;
	courier->in_hand++;
	(void)env_timer_set(o->env, &b->timer,
	    env_now(o->env) + OUT_BOUNCE_TIME);
	return ERR_TRACE(out_bounce_load(b));
}

/* -- whose turn it is
 * ---------------------------------------------------------------- */

struct look {
	struct store_read read;
	struct outbound *outbound;
	uint8_t kind;
	int64_t before;
	struct id messages[LOOK_MAX];
	size_t n;
};

static int
look_failed(struct db *db, struct look *k)
{
	struct q_queue_failed_messages row;
	struct db_rows rows;
	int r = DB_MANY(queue_failed_messages, db, &rows, .after = SLICE(""));

	if (r != 0)
		return r;
	while (k->n < LOOK_MAX &&
	    (r = q_queue_failed_messages_next(&rows, &row)) == 0)
		k->messages[k->n++] = row.message;
	db_rows_close(&rows);
	return r;
}

static int
look_late(struct db *db, struct look *k)
{
	struct q_queue_late_messages row;
	struct db_rows rows;
	int r = DB_MANY(queue_late_messages, db, &rows, .after = SLICE(""),
	    .before = k->before);

	if (r != 0)
		return r;
	while (k->n < LOOK_MAX &&
	    (r = q_queue_late_messages_next(&rows, &row)) == 0)
		k->messages[k->n++] = row.message;
	db_rows_close(&rows);
	return r;
}

static int
look_success(struct db *db, struct look *k)
{
	struct q_queue_success_messages row;
	struct db_rows rows;
	int r = DB_MANY(queue_success_messages, db, &rows, .after = SLICE(""));

	if (r != 0)
		return r;
	while (k->n < LOOK_MAX &&
	    (r = q_queue_success_messages_next(&rows, &row)) == 0)
		k->messages[k->n++] = row.message;
	db_rows_close(&rows);
	return r;
}

static int
look_run(struct db *db, struct store_read *read)
{
	static int (*const looks[])(struct db *,
	    struct look *) = { [BOUNCE_FAILED] = look_failed,
		[BOUNCE_DELAYED] = look_late,
		[BOUNCE_SUCCESS] = look_success };
	struct look *k = LIST_ENTRY(read, struct look, read);
	int r = looks[k->kind](db, k);

	return r < 0 ? ERR_TRACE(r) : 0;
}

/* As many as may be made at a time; the rest is found by the next look, which
 * comes when one of these has ended. */
static void
look_done(struct store_read *read, int r)
{
	struct look *k = LIST_ENTRY(read, struct look, read);
	struct outbound *o = k->outbound;
	struct out_courier *courier;
	bool is_rest = k->n == LOOK_MAX;

	o->is_reading_bounces = false;
	for (size_t i = 0; i < k->n; i++) {
		if (is_in_work(o, &k->messages[i], k->kind))
			continue;
		courier = outbound_free_courier(o);
		if (courier == NULL || o->bounces.n >= OUT_BOUNCES ||
		    bounce_start(o, courier, &k->messages[i], k->kind,
			k->before) < 0)
			is_rest = true;
	}
	if (is_rest || r != 0)
		out_bounce_want(o, k->kind);
	if (o->wants_bounces != 0 &&
	    !(is_rest || r != 0)) /* kept waiting by this look */
		outbound_pump_soon(o);
	free(k);
}

static void
look(struct outbound *o, uint8_t kind, int64_t before)
{
	struct look *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return; /* the next sweep looks again */
	k->outbound = o;
	k->kind = kind;
	k->before = before;
	k->read.run = look_run;
	k->read.done = look_done;
	o->is_reading_bounces = true;
	store_read(o->store, &k->read);
}

static uint8_t
first_wanted(const struct outbound *o)
{
	static const uint8_t order[] = { BOUNCE_FAILED, BOUNCE_SUCCESS };

	for (size_t i = 0; i < sizeof(order); i++)
		if ((o->wants_bounces & 1u << order[i]) != 0)
			return order[i];
	return BOUNCE_DELAYED;
}

void
outbound_bounces_go_on(struct outbound *o)
{
	uint8_t kind = first_wanted(o);

	if (o->wants_bounces == 0 || o->is_reading_bounces ||
	    outbound_free_courier(o) == NULL || o->bounces.n >= OUT_BOUNCES)
		return; /* called again when a slot is free */
	o->wants_bounces &= (uint8_t) ~(1u << kind);
	look(o, kind, kind == BOUNCE_DELAYED ? o->late_before : 0);
}

void
outbound_bounces_look(struct outbound *o)
{
	o->wants_bounces |= 1 << BOUNCE_FAILED | 1 << BOUNCE_SUCCESS;
	outbound_bounces_go_on(o);
}

void
outbound_bounces_look_late(struct outbound *o, int64_t before)
{
	o->late_before = before;
	o->wants_bounces |= 1 << BOUNCE_DELAYED;
	outbound_bounces_go_on(o);
}
