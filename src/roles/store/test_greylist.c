/* SPDX-License-Identifier: ISC */
/*
 * Who is remembered, who is forgotten first, what the database gets to know
 * and what is there after a restart.
 */
#include "base/test.h"

#include <sqlite3.h>

#include "base/time.h"
#include "roles/store/store_role.h"
#include "store/store_fixture.h"
#include "sys/env_impl.h"

enum {
	MANY = 150
};

/* -- a clock ------------------------------------------------------------------
 */

struct clock {
	struct env env;
	int64_t at;
};

static int64_t
clock_wall(struct env *env)
{
	return LIST_ENTRY(env, struct clock, env)->at;
}

static void
clock_random(struct env *env, void *at, size_t n)
{
	(void)env;
	memset(at, 7, n);
}

static const struct env_vt clock_vt = { .wall = clock_wall,
	.random = clock_random };

static const struct settings settings = { .greylist = true,
	.greylist_delay = 5 * TIME_MINUTE,
	.greylist_window = 2 * TIME_DAY,
	.greylist_lifetime = 36 * TIME_DAY,
	.greylist_enough = 3,
	.clients_exempt = "127.0.0.0/8" };

struct bench {
	struct clock clock;
	struct greylist *g;
	int64_t wait;
};

static void
bench_init(struct bench *b)
{
	*b = (struct bench){ .clock = { { &clock_vt }, 1000 * TIME_DAY } };
	b->g = greylist_new(&b->clock.env, &settings);
	assert_non_null(b->g);
}

static bool
is_asked(struct bench *b, const char *client, const char *rdns,
    const char *rcpt)
{
	struct greylist_ticket t;

	greylist_ticket_make(b->g, slice_cstr(client), slice_cstr(rdns),
	    SLICE("a@far.example"), slice_cstr(rcpt), &t);
	return t.is_asked;
}

static bool
comes_to(struct bench *b, const char *client, const char *sender,
    const char *rcpt, uint8_t by)
{
	struct greylist_ticket t;

	greylist_ticket_make(b->g, slice_cstr(client), SLICE(""),
	    slice_cstr(sender), slice_cstr(rcpt), &t);
	return greylist_pass(b->g, &t, by, &b->wait);
}

static bool
comes(struct bench *b, const char *client, const char *sender)
{
	return comes_to(b, client, sender, "anna@one.example", GREYLIST_AS_SET);
}

/* -- who is asked
 * ---------------------------------------------------------------- */

static void
some_are_not_asked(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	test_true(is_asked(&b, "192.0.2.1", "", "anna@one.example"));
	test_true(!is_asked(&b, "127.0.0.9", "", "anna@one.example"));
	test_true(!is_asked(&b, "::ffff:127.0.0.9", "", "anna@one.example"));
	test_true(!is_asked(&b, "192.0.2.1", "", "Postmaster@one.example"));
	test_true(!is_asked(&b, "192.0.2.1", "", "postmaster"));
	test_true(!is_asked(&b, "192.0.2.1", "", "ABUSE@one.example"));
	test_true(!is_asked(&b, "what", "", "anna@one.example"));
	test_true(greylist_allow(b.g, SLICE("192.0.2.0/28")));
	test_true(greylist_allow(b.g, SLICE("Good.example")));
	test_true(greylist_allow(b.g, SLICE("no network/9")));
	test_true(!is_asked(&b, "192.0.2.15", "", "anna@one.example"));
	test_true(is_asked(&b, "192.0.2.16", "", "anna@one.example"));
	test_true(!is_asked(&b, "192.0.2.99", "good.example", "a@one.example"));
	test_true(!is_asked(&b, "192.0.2.99", "mx.GOOD.example",
	    "a@one.example"));
	test_true(is_asked(&b, "192.0.2.99", "notgood.example",
	    "a@one.example"));
	test_true(is_asked(&b, "192.0.2.99", "", "a@one.example"));
	greylist_allow_nobody(b.g);
	test_true(is_asked(&b, "192.0.2.15", "", "anna@one.example"));
	for (size_t i = 0; i < LIMIT_GREYLIST_ALLOWED; i++)
		test_true(greylist_allow(b.g, SLICE("192.0.2.1")));
	test_true(!greylist_allow(b.g, SLICE("192.0.2.1")));
	greylist_free(b.g);
}

static void
a_domain_may_differ(void **state)
{
	const char *to = "anna@one.example";
	struct settings off = settings;
	struct bench b;

	(void)state;
	bench_init(&b);
	test_true(!comes_to(&b, "192.0.2.1", "a@x.example", to,
	    GREYLIST_AS_SET));
	test_true(comes_to(&b, "192.0.2.1", "a@x.example", to, GREYLIST_OFF));
	greylist_free(b.g);
	off.greylist = false;
	b.g = greylist_new(&b.clock.env, &off);
	test_true(comes_to(&b, "192.0.2.1", "a@x.example", to,
	    GREYLIST_AS_SET));
	test_int(greylist_count(b.g), 0);
	test_true(!comes_to(&b, "192.0.2.1", "a@x.example", to, GREYLIST_ON));
	test_int(b.wait, 5 * TIME_MINUTE);
	greylist_free(b.g);
}

static void
who_has_passed_often_is_known(void **state)
{
	static const char *const senders[] = { "a@one.test", "b@two.test",
		"c@three.test" };
	struct bench b;

	(void)state;
	bench_init(&b);
	for (size_t i = 0; i < 3; i++) {
		test_true(!comes(&b, "192.0.2.1", senders[i]));
		b.clock.at += 5 * TIME_MINUTE;
		/* another host of its network, another name of its sender */
		test_true(comes(&b, "192.0.2.200", senders[i] + 1));
	}
	test_true(comes(&b, "192.0.2.7", "new@four.test"));
	test_true(!comes(&b, "192.0.3.7", "new@four.test"));
	/* not for ever */
	b.clock.at += 37 * TIME_DAY;
	test_true(!comes(&b, "192.0.2.7", "new@five.test"));
	greylist_free(b.g);
}

/* -- bounds
 * ---------------------------------------------------------------------- */

static void
newcomers_displace_newcomers(void **state)
{
	char sender[32];
	struct bench b;

	(void)state;
	bench_init(&b);
	test_true(!comes(&b, "192.0.2.1", "a@known.test"));
	b.clock.at += 5 * TIME_MINUTE;
	test_true(comes(&b, "192.0.2.1", "a@known.test"));
	(void)greylist_was_full(b.g);
	for (unsigned i = 0; i < LIMIT_GREYLIST + 100; i++) {
		(void)snprintf(sender, sizeof(sender), "a@s%u.test", i);
		test_true(!comes(&b, "198.51.100.1", sender));
	}
	test_int(greylist_count(b.g), LIMIT_GREYLIST);
	test_true(greylist_was_full(b.g));
	test_true(!greylist_was_full(b.g));
	b.clock.at += 5 * TIME_MINUTE;
	test_true(comes(&b, "192.0.2.1", "a@known.test"));
	/* the first of the flood is forgotten, the last is not */
	test_true(!comes(&b, "198.51.100.1", "a@s0.test"));
	test_true(comes(&b, "198.51.100.1", sender));
	greylist_free(b.g);
}

/* Names as long as they come: the bytes are bounded, too. */
static void
long_names_are_bounded(void **state)
{
	char label[64], sender[LIMIT_ADDRESS + 1], rcpt[LIMIT_ADDRESS + 1];
	size_t most = 0;
	struct bench b;

	(void)state;
	bench_init(&b);
	memset(label, 'x', 63);
	label[63] = '\0';
	for (unsigned i = 0; i < LIMIT_GREYLIST; i++) {
		(void)snprintf(sender, sizeof(sender), "a@%.40s%u.test", label,
		    i);
		(void)snprintf(rcpt, sizeof(rcpt), "%s@%s.%s.%s.one.example",
		    label, label, label, label);
		test_true(!comes_to(&b, "192.0.2.1", sender, rcpt,
		    GREYLIST_ON));
		if (greylist_count(b.g) > most)
			most = greylist_count(b.g);
	}
	/* some 450 bytes each */
	test_true(most < LIMIT_GREYLIST);
	test_true(most > LIMIT_GREYLIST_BYTES / 1000);
	test_true(greylist_count(b.g) > most - 100);
	greylist_free(b.g);
}

static void
what_is_over_goes(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	test_true(!comes(&b, "192.0.2.1", "a@known.test"));
	b.clock.at += 5 * TIME_MINUTE;
	test_true(comes(&b, "192.0.2.1", "a@known.test"));
	test_true(!comes(&b, "192.0.2.1", "a@waits.test"));
	test_int(greylist_count(b.g), 3); /* and the client's own */
	greylist_expire(b.g);
	test_int(greylist_count(b.g), 3);
	b.clock.at += 3 * TIME_DAY;
	greylist_expire(b.g);
	test_int(greylist_count(b.g), 2);
	b.clock.at += 40 * TIME_DAY;
	greylist_expire(b.g);
	test_int(greylist_count(b.g), 0);
	greylist_free(b.g);
}

/* -- what is written
 * -------------------------------------------------------------- */

static void
writes_what_matters(void **state)
{
	struct greylist_copy c[4];
	struct bench b;

	(void)state;
	bench_init(&b);
	test_true(!comes(&b, "192.0.2.1", "a@shop.test"));
	test_true(greylist_has_unwritten(b.g));
	test_int(greylist_take_unwritten(b.g, c, 4), 1);
	test_slice(slice_cstr(c[0].key.client), SLICE("192.0.2.0/24"));
	test_slice(slice_cstr(c[0].key.sender), SLICE("shop.test"));
	test_slice(slice_cstr(c[0].key.rcpt), SLICE("anna@one.example"));
	test_int(c[0].row.passes, 0);
	test_int(c[0].expires, b.clock.at + 2 * TIME_DAY);
	/* one more impatient try is not worth a write */
	b.clock.at += TIME_MINUTE;
	test_true(!comes(&b, "192.0.2.1", "a@shop.test"));
	test_true(!greylist_has_unwritten(b.g));
	b.clock.at += 5 * TIME_MINUTE;
	test_true(comes(&b, "192.0.2.1", "a@shop.test"));
	test_int(greylist_take_unwritten(b.g, c, 4), 2);
	test_int(c[0].row.passes, 1);
	test_slice(slice_cstr(c[1].key.rcpt), SLICE(""));
	/* nor is the next mail; an hour later it is */
	test_true(comes(&b, "192.0.2.1", "a@shop.test"));
	test_true(!greylist_has_unwritten(b.g));
	b.clock.at += TIME_HOUR + 1;
	test_true(comes(&b, "192.0.2.1", "a@shop.test"));
	test_int(greylist_take_unwritten(b.g, c, 4), 1);
	test_int(c[0].expires, b.clock.at + 36 * TIME_DAY);
	greylist_free(b.g);
}

static void
forgotten_rows_are_told(void **state)
{
	struct greylist_copy c[4];
	struct bench b;

	(void)state;
	bench_init(&b);
	test_true(!comes(&b, "192.0.2.1", "a@shop.test"));
	test_int(greylist_remove(b.g, SLICE("192.0.2.0/24"), SLICE(""),
		     SLICE("otto@one.example")),
	    0);
	/* never written: nothing to tell */
	test_int(greylist_remove(b.g, SLICE("192.0.2.0/24"), SLICE(""),
		     SLICE("ANNA@one.example")),
	    1);
	test_true(!greylist_has_unwritten(b.g));
	test_true(!comes(&b, "192.0.2.1", "a@shop.test"));
	test_int(greylist_take_unwritten(b.g, c, 4), 1);
	test_int(greylist_remove(b.g, SLICE(""), SLICE("shop.test"), SLICE("")),
	    1);
	test_int(greylist_count(b.g), 0);
	/* it is back before the database knows: in this order */
	test_true(!comes(&b, "192.0.2.1", "a@shop.test"));
	test_int(greylist_take_unwritten(b.g, c, 4), 2);
	test_true(c[0].is_gone);
	test_true(!c[1].is_gone);
	/* freed with what is not told yet */
	test_int(greylist_remove(b.g, SLICE(""), SLICE(""), SLICE("")), 1);
	greylist_free(b.g);
}

/* -- the database
 * ---------------------------------------------------------------- */

struct world {
	struct fixture f;
	struct store_role s;
};

static void
world_start(struct world *w)
{
	w->s = (struct store_role){ .env = w->f.env,
		.store = w->f.store,
		.greylist = greylist_new(w->f.env, &settings) };
	assert_non_null(w->s.greylist);
	test_int(greylist_rows_new(&w->s), 0);
	greylist_rows_start(&w->s);
}

/* All is written, and it ends. */
static void
world_stop(struct world *w)
{
	fixture_run(&w->f);
	w->s.is_stopping = true;
	greylist_rows_stop(&w->s);
	fixture_run(&w->f);
	test_true(!greylist_has_unwritten(w->s.greylist));
	greylist_rows_free(&w->s);
	greylist_free(w->s.greylist);
}

static bool
asks(struct world *w, unsigned i, int64_t *ret_wait)
{
	struct greylist_ticket t;
	char sender[32];

	(void)snprintf(sender, sizeof(sender), "a@s%u.test", i);
	greylist_ticket_make(w->s.greylist, SLICE("192.0.2.1"), SLICE(""),
	    slice_cstr(sender), SLICE("anna@one.example"), &t);
	return greylist_pass(w->s.greylist, &t, GREYLIST_ON, ret_wait);
}

static sqlite3 *
open_raw(const struct fixture *f)
{
	char path[128];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/ulak.db", f->path);
	test_int(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"),
	    SQLITE_OK);
	return db;
}

static int64_t
raw(const struct fixture *f, const char *query)
{
	sqlite3 *db = open_raw(f);
	sqlite3_stmt *st;
	int64_t n = -1;

	test_int(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

static void
rows_outlive_a_restart(void **state)
{
	int64_t wait = 0;
	struct world w;

	(void)state;
	fixture_make(&w.f);
	world_start(&w);
	for (unsigned i = 0; i < MANY; i++)
		test_true(!asks(&w, i, &wait));
	greylist_written_behind(&w.s);
	world_stop(&w);
	fixture_close(&w.f);
	test_int(raw(&w.f, "SELECT count(*) FROM greylist"), MANY);
	fixture_open(&w.f, false, 0);
	world_start(&w);
	test_int(greylist_count(w.s.greylist), MANY);
	test_true(!asks(&w, 7, &wait));
	test_true(wait <= 5 * TIME_MINUTE && wait > 4 * TIME_MINUTE);
	test_int(greylist_remove(w.s.greylist, SLICE(""), SLICE("s8.test"),
		     SLICE("")),
	    1);
	world_stop(&w);
	fixture_close(&w.f);
	test_int(raw(&w.f, "SELECT count(*) FROM greylist"), MANY - 1);
	test_int(raw(&w.f,
		     "SELECT count(*) FROM greylist WHERE sender = 's8.test'"),
	    0);
	fixture_drop(&w.f);
}

/* What is over goes in slices, and so does what is too much. */
static void
the_table_is_bounded(void **state)
{
	static const char fill[] =
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 101000), t (now) AS (SELECT strftime('%s') * 1000000)"
	    " INSERT INTO greylist SELECT '192.0.2.0/24', 's' || i,"
	    " 'a@one.example', now, now, 1, CASE WHEN i <= 450 THEN 1"
	    " ELSE 9000000000000000 + i END FROM n, t";
	struct world w;

	(void)state;
	fixture_make(&w.f);
	fixture_close(&w.f);
	(void)raw(&w.f, fill);
	fixture_open(&w.f, false, 0);
	world_start(&w);
	test_int(greylist_count(w.s.greylist), LIMIT_GREYLIST);
	world_stop(&w);
	fixture_close(&w.f);
	test_int(raw(&w.f, "SELECT count(*) FROM greylist"), LIMIT_GREYLIST);
	/* those nearest to their end went first */
	test_int(raw(&w.f,
		     "SELECT min(expires) - 9000000000000000 FROM greylist"),
	    1001);
	fixture_drop(&w.f);
}

static int
apply_disallow(struct db *db, struct store_write *w)
{
	(void)w;
	return DB_EXEC(greylist_allowed_delete, db,
	    .client = SLICE("192.0.2.0/25"));
}

static void
done_disallow(struct store_write *w, int r)
{
	(void)w;
	test_int(r, 0);
}

static bool
would_ask(const struct world *w, const char *client, const char *rdns)
{
	struct greylist_ticket t;

	greylist_ticket_make(w->s.greylist, slice_cstr(client),
	    slice_cstr(rdns), SLICE("a@b.test"), SLICE("a@one.example"), &t);
	return t.is_asked;
}

static void
the_allowed_are_read(void **state)
{
	struct store_write write = { .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_disallow,
		.done = done_disallow };
	struct world w;

	(void)state;
	fixture_make(&w.f);
	fixture_close(&w.f);
	(void)raw(&w.f,
	    "INSERT INTO greylist_allowed VALUES ('192.0.2.0/25',"
	    " '', 1), ('good.example', 'a friend', 1)");
	fixture_open(&w.f, false, 0);
	world_start(&w);
	test_true(!would_ask(&w, "192.0.2.1", ""));
	test_true(!would_ask(&w, "198.51.100.1", "mx.good.example"));
	test_true(would_ask(&w, "198.51.100.1", ""));
	store_submit(w.f.store, &write);
	fixture_run(&w.f);
	greylist_allowed_changed(&w.s);
	fixture_run(&w.f);
	test_true(would_ask(&w, "192.0.2.1", ""));
	test_true(!would_ask(&w, "198.51.100.1", "mx.good.example"));
	world_stop(&w);
	fixture_close(&w.f);
	fixture_drop(&w.f);
}

TEST_MAIN(cmocka_unit_test(some_are_not_asked),
    cmocka_unit_test(a_domain_may_differ),
    cmocka_unit_test(who_has_passed_often_is_known),
    cmocka_unit_test(newcomers_displace_newcomers),
    cmocka_unit_test(long_names_are_bounded),
    cmocka_unit_test(what_is_over_goes), cmocka_unit_test(writes_what_matters),
    cmocka_unit_test(forgotten_rows_are_told),
    cmocka_unit_test(rows_outlive_a_restart),
    cmocka_unit_test(the_table_is_bounded),
    cmocka_unit_test(the_allowed_are_read))
