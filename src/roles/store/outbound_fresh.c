/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_fresh - mail that has just come, for its first attempt
 *
 * Most mail is sent a moment after it was kept. Its rows and its body, as they
 * were committed, stay in memory for that long: the first attempt needs no
 * thread, no query and no byte from the disk. They are a copy that may be
 * missing at any time; who wants to change a row forgets it here first
 * (outbound_take_in_hand), and every later attempt reads the database.
 *
 * Bounded: at most LIMIT_FRESH; the oldest go first. Loop only.
 */
#include "roles/store/outbound_impl.h"

#include <stdlib.h>

#include "base/err.h"

/* It lies in its own arena, with all that it points to. */
struct fresh_mail {
	struct list link; /* in outbound.fresh, the oldest first */
	struct arena arena;
	struct out_fresh_row *rows;
	size_t n, n_left; /* rows; of which are known yet */
	struct slice body;
	struct q_message_place place;
};

struct fresh_mail *
outbound_fresh_new(struct arena *arena, struct slice body)
{
	struct fresh_mail *m;

	/* the rest is the transaction's, which would fail without it */
	if (body.len == 0 || body.len > OUT_BODY_WITH ||
	    arena->used > arena->cap / 2)
		return NULL;
	m = arena_alloc(arena, sizeof(*m));
	return m != NULL && arena_copy(arena, body, &m->body) ? m : NULL;
}

static void
drop(struct outbound *o, struct fresh_mail *m)
{
	struct arena arena = m->arena;

	for (size_t i = 0; i < m->n; i++)
		if (!m->rows[i].is_gone)
			(void)map_take_number(&o->fresh_rows, m->rows[i].row);
	o->fresh_bytes -= arena.used;
	list_remove(&m->link);
	arena_reset(&arena);
}

/* A row that is in somebody's hand was seen before we heard that it was kept,
 * and is being changed. */
static void
add_row(struct outbound *o, struct out_fresh_row *row)
{
	row->is_gone = map_get_number(&o->in_hand, row->row) != NULL ||
	    map_put_number(&o->fresh_rows, row->row, row) < 0;
	row->mail->n_left += !row->is_gone;
}

void
outbound_fresh_keep(struct outbound *o, struct fresh_mail *m,
    struct arena *arena, const struct q_message_place *place,
    const struct out_fresh_row *rows, size_t n)
{
	m->rows = arena_array(arena, n, sizeof(*rows));
	if (m->rows == NULL || n == 0)
		return; /* goes with the arena */
	m->place = *place;
	m->n = n;
	m->n_left = 0;
	m->arena = *arena;
	arena_init(arena, 0);
	o->fresh_bytes += m->arena.used;
	list_add_last(&o->fresh, &m->link);
	for (size_t i = 0; i < n; i++) {
		m->rows[i] = rows[i];
		m->rows[i].mail = m;
		add_row(o, &m->rows[i]);
	}
	if (m->n_left == 0)
		drop(o, m);
	while (o->fresh_bytes > LIMIT_FRESH)
		drop(o, LIST_ENTRY(o->fresh.next, struct fresh_mail, link));
}

const struct out_fresh_row *
out_fresh_find(const struct outbound *o, uint64_t row)
{
	return map_get_number(&o->fresh_rows, row);
}

const struct q_message_place *
out_fresh_place(const struct out_fresh_row *row, struct slice *ret_body)
{
	*ret_body = row->mail->body;
	return &row->mail->place;
}

void
out_fresh_forget(struct outbound *o, uint64_t row)
{
	struct out_fresh_row *r = map_take_number(&o->fresh_rows, row);

	if (r == NULL)
		return;
	r->is_gone = true;
	if (--r->mail->n_left == 0)
		drop(o, r->mail);
}

void
out_fresh_forget_all(struct outbound *o)
{
	while (!list_is_empty(&o->fresh))
		drop(o, LIST_ENTRY(o->fresh.next, struct fresh_mail, link));
}
