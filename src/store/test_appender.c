/* SPDX-License-Identifier: ISC */
/*
 * How many small bodies the appender writes at once: no more than its vector
 * of pieces holds and no more than LIMIT_GROUP_BYTES; the rest goes with the
 * next group, and all of them can be read back.
 */
#include <assert.h>

#include "base/limits.h"
#include "store/store_fixture.h"

enum {
	BIG = 200 * 1024, /* small bodies all the same */
	N_BIG = 100,      /* 20,000 KiB in 16 MiB groups: two */
	N_TINY = 600,
	AT_ONCE = 250 /* four pieces each, below IOV_MAX */
};

static_assert(BIG <= (int)LIMIT_SMALL_BODY &&
	N_BIG * BIG > (int)LIMIT_GROUP_BYTES &&
	N_BIG * BIG < 2 * (int)LIMIT_GROUP_BYTES,
    "two groups");

struct one {
	struct append append;
	struct bench *bench;
	unsigned group; /* from 1 */
	int result;
};

struct bench {
	struct fixture f;
	struct env_defer turn_ends;
	unsigned group;
	bool is_in_group;
	struct one one[N_TINY];
};

/* All of a group are told within one turn of the loop, and no two groups are:
 * the next one begins only then. */
static void
on_turn_ends(struct env_defer *d)
{
	LIST_ENTRY(d, struct bench, turn_ends)->is_in_group = false;
}

static void
done(struct append *a, int r)
{
	struct one *one = LIST_ENTRY(a, struct one, append);
	struct bench *b = one->bench;

	if (!b->is_in_group) {
		b->is_in_group = true;
		b->group++;
		env_defer(b->f.env, &b->turn_ends);
	}
	one->group = b->group;
	one->result = r;
	b->f.n_waiting--;
}

static void
on_room(struct body *b, uint32_t n)
{
	(void)b;
	(void)n;
}

static void
on_refused(struct body *b, int r)
{
	(void)b;
	(void)r;
	fail_msg("no body is refused here");
}

static const struct body_ops ops = { on_room, on_refused };

static uint8_t
byte_of(unsigned i, size_t at)
{
	return (uint8_t)(i * 7 + at / 251);
}

static void
append(struct bench *b, unsigned i, size_t len)
{
	static uint8_t bytes[BIG];
	struct one *one = &b->one[i];
	struct body *body;

	for (size_t at = 0; at < len; at++)
		bytes[at] = byte_of(i, at);
	*one = (struct one){ .append.done = done, .bench = b };
	test_int(body_new(store_appender(b->f.store), BIG, &ops, NULL, &body),
	    0);
	test_int(body_add(body, slice_of(bytes, len)), 0);
	id_make(&b->f.ids, env_wall(b->f.env), i, &one->append.header.id);
	one->append.header.kind = SEGMENT_MAIL;
	buf_init(&one->append.envelope, SEGMENT_ENVELOPE_MAX);
	(void)segment_envelope_add(&one->append.envelope, SEGMENT_SENDER,
	    SLICE("b@two.example"));
	b->f.n_waiting++;
	body_append(body, &one->append);
}

static void
is_kept(struct bench *b, unsigned i, size_t len)
{
	static uint8_t got[BIG];
	const struct segment_place *p = &b->one[i].append.place;

	test_int(b->one[i].result, 0);
	test_int(p->stored_len, len);
	test_int(segment_read(b->f.store, p->segment, p->body, got, len), 0);
	for (size_t at = 0; at < len; at++)
		if (got[at] != byte_of(i, at))
			fail_msg("body %u: byte %zu differs", i, at);
	buf_deinit(&b->one[i].append.envelope);
}

static struct bench *
run(unsigned n, size_t len)
{
	static struct bench b;

	memset(&b, 0, sizeof(b));
	fixture_make(&b.f);
	b.turn_ends.run = on_turn_ends;
	list_init(&b.turn_ends.link);
	for (unsigned i = 0; i < n; i++)
		append(&b, i, len);
	fixture_run(&b.f);
	for (unsigned i = 0; i < n; i++)
		is_kept(&b, i, len);
	return &b;
}

static void
finish(struct bench *b)
{
	fixture_close(&b->f);
	fixture_drop(&b->f);
}

static void
bytes_above_the_bound_are_two_groups(void **state)
{
	struct bench *b = run(N_BIG, BIG);
	uint64_t bytes[3] = { 0 };

	(void)state;
	test_int(b->group, 2);
	for (unsigned i = 0; i < N_BIG; i++) {
		const struct segment_place *p = &b->one[i].append.place;

		bytes[b->one[i].group] += p->end - p->offset;
		/* In their order; and a new file for each, as one is full. */
		test_true(i == 0 || b->one[i].group >= b->one[i - 1].group);
		test_true(i == 0 ||
		    (b->one[i].group == b->one[i - 1].group) ==
			(p->segment == b->one[i - 1].append.place.segment));
	}
	test_true(bytes[1] <= LIMIT_GROUP_BYTES);
	test_true(bytes[1] > LIMIT_GROUP_BYTES - 2 * BIG); /* used */
	test_true(bytes[2] > 0);
	finish(b);
}

static void
pieces_above_the_bound_are_further_groups(void **state)
{
	struct bench *b = run(N_TINY, 10);

	(void)state;
	test_int(b->group, 3);
	for (unsigned i = 0; i < N_TINY; i++)
		test_int(b->one[i].group, 1 + i / AT_ONCE);
	finish(b);
}

TEST_MAIN(cmocka_unit_test(bytes_above_the_bound_are_two_groups),
    cmocka_unit_test(pieces_above_the_bound_are_further_groups))
