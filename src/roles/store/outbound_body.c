/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_body - the body of an attempt, as the courier asks
 *
 * Each chunk is looked up and read in a thread, one at a time for each
 * attempt. Before the first byte leaves, the whole body is held against its
 * checksum.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/segment.h"

struct body_read {
	struct store_read read;
	struct list link; /* among those that wait */
	struct outbound *outbound;
	uint64_t number;
	struct id message;
	uint32_t ticket;
	uint64_t offset;
	size_t len;
	uint8_t bytes[];
};

/* 0 when the disk still gives what was stored, -EBADMSG when it does not. */
static int
check_whole(struct store *s, const struct q_message_place *p)
{
	uint8_t piece[16 * 1024], is[SEGMENT_CHECKSUM];
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(is));
	for (uint64_t at = 0; at < p->stored_len;) {
		size_t n = p->stored_len - at < sizeof(piece)
		    ? (size_t)(p->stored_len - at)
		    : sizeof(piece);
		int r = segment_read(s, p->segment, p->body + at, piece, n);

		if (r != 0)
			return ERR_TRACE(r);
		(void)crypto_generichash_update(&state, piece, n);
		at += n;
	}
	(void)crypto_generichash_final(&state, is, sizeof(is));
	return slice_equal(p->checksum, slice_of(is, sizeof(is)))
	    ? 0
	    : ERR_ORIGIN(-EBADMSG);
}

/* A small one goes along with its attempt. Trouble is not told here: the
 * courier asks for what it was not given, and that is answered. */
struct slice
out_body_with(struct store *s, const struct q_message_place *p,
    struct arena *arena)
{
	uint8_t is[SEGMENT_CHECKSUM], *at;
	size_t n = (size_t)p->stored_len;

	if (p->is_bad || p->stored_len > OUT_BODY_WITH ||
	    p->relay_from >= p->stored_len ||
	    (at = arena_array(arena, n, 1)) == NULL ||
	    segment_read(s, p->segment, p->body, at, n) != 0)
		return (struct slice){ 0 };
	(void)crypto_generichash(is, sizeof(is), at, n, NULL, 0);
	if (!slice_equal(p->checksum, slice_of(is, sizeof(is))))
		return (struct slice){ 0 };
	return slice_from(slice_of(at, n), (size_t)p->relay_from);
}

/* The place is looked up each time: compaction may have moved the message.
 * Before the first byte leaves, all of it is held against its checksum: a
 * ruined mail waits in the queue instead of going out as if it were sound. */
static int
body_run(struct db *db, struct store_read *r)
{
	struct body_read *b = LIST_ENTRY(r, struct body_read, read);
	struct q_message_place p;
	int e = DB_ONE(message_place, db, &p, .id = b->message);

	if (e != 0)
		return ERR_TRACE(e);
	if (p.is_bad || b->len > p.stored_len ||
	    b->offset > p.stored_len - b->len ||
	    p.relay_from > p.stored_len - b->len - b->offset)
		return ERR_ORIGIN(-EBADMSG);
	e = b->offset == 0 ? check_whole(b->read.store, &p) : 0;
	if (e != 0)
		return ERR_TRACE(e);
	return ERR_TRACE(segment_read(b->read.store, p.segment,
	    p.body + p.relay_from + b->offset, b->bytes, b->len));
}

/* One at a time: several threads would answer in any order, and the courier
 * puts the chunks together as they come. */
static void
body_next(struct out_attempt *a)
{
	struct list *link;

	if (a->is_reading || (link = list_take_first(&a->reads)) == NULL)
		return;
	a->is_reading = true;
	store_read(a->outbound->store,
	    &LIST_ENTRY(link, struct body_read, link)->read);
}

static void
body_send(struct out_attempt *a, const struct body_read *b, int result)
{
	struct wire_attempt_data m = { 0 };

	m.verdict.code = 250;
	if (result == 0) {
		m.data = slice_of(b->bytes, b->len);
		m.last = b->offset + b->len == a->size;
	} else {
		m.verdict = (struct wire_verdict){ .code = 451,
			.class = 4,
			.subject = 3,
			.text = SLICE("the message cannot be read") };
		env_log(b->outbound->env, ENV_ERROR, "body-read", "errno=%d",
		    -result);
	}
	(void)wire_send_attempt_data(a->courier->channel, b->number, b->ticket,
	    &m);
}

static void
body_done(struct store_read *r, int result)
{
	struct body_read *b = LIST_ENTRY(r, struct body_read, read);
	struct out_attempt *a =
	    map_get_number(&b->outbound->attempts, b->number);

	if (a != NULL) {
		a->n_reads--;
		a->is_reading = false;
		if (a->courier != NULL && b->ticket == a->read_ticket)
			body_send(a, b, result);
		body_next(a);
	}
	free(b);
}

/* What waits for a try that the courier has given up. */
void
out_body_forget(struct out_attempt *a)
{
	struct list *link;

	while ((link = list_take_first(&a->reads)) != NULL) {
		free(LIST_ENTRY(link, struct body_read, link));
		a->n_reads--;
	}
}

int
outbound_on_attempt_read(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_read *m)
{
	struct out_attempt *a = map_get_number(&o->attempts, h->session);
	struct body_read *b;

	/* returned meanwhile, or not its own */
	if (a == NULL || a->courier == NULL || a->courier->channel != c)
		return 0;
	if (h->ticket != a->read_ticket)
		out_body_forget(a);
	a->read_ticket = h->ticket;
	if (!a->is_sent || m->length == 0 || m->length > LIMIT_CHUNK ||
	    m->offset > a->size || m->length > a->size - m->offset ||
	    a->n_reads >= OUT_READS)
		return WIRE_E_BAD;
	b = calloc(1, sizeof(*b) + (size_t)m->length);
	if (b == NULL)
		return ERR_ORIGIN(-ENOMEM);
	b->outbound = o;
	b->number = a->number;
	b->message = a->message;
	b->ticket = h->ticket;
	b->offset = m->offset;
	b->len = (size_t)m->length;
	b->read.run = body_run;
	b->read.done = body_done;
	a->n_reads++;
	list_add_last(&a->reads, &b->link);
	body_next(a);
	return 0;
}
