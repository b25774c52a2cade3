/* SPDX-License-Identifier: ISC */
/*
 * The power goes in the middle of a delivery
 *
 * A child takes letters whose recipients are taken, refused, put off and taken
 * later, and at a host that is dead; its n-th disk call is the last one, and
 * what was not synced is lost (sys/unsynced). It writes to a pipe what others
 * have seen of it: that a letter was acknowledged, that a recipient's server
 * has taken it, that the store has said so much was noted. The parent goes on
 * with what is left, until all is quiet: each recipient of each acknowledged
 * letter was taken, or reported once, or is in the queue; nothing is taken
 * again after it was noted; twice at most otherwise.
 */
#include "base/test.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "queue/bounce.h"
#include "roles/store/outbound_impl.h"
#include "store/queries.h"
#include "store/store_fixture.h"
#include "store/store_impl.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

enum {
	LETTERS = 2,
	KINDS = 4,
	STEP = 7,
	CRASHED = 42,
	REFUSED_TO_START = 3,
	BODY = 200
};

/* By the first letter of the address; at a domain each. */
enum kind {
	TAKEN,
	REFUSED,
	LATER,
	DOWN
};
static const char letters_of[KINDS + 1] = "trld";
static const char *const domains[KINDS] = { "two.example", "two.example",
	"three.example", "dead.example" };

/* What others have seen. */
struct ledger {
	bool is_acked[LETTERS];
	unsigned n_taken[LETTERS][KINDS];
	bool is_noted[LETTERS][KINDS];
	unsigned n_after[LETTERS][KINDS]; /* taken although it was noted */
};

struct told {
	uint8_t what; /* 'a', 't', 'n' */
	uint8_t letter, kind;
};

struct world {
	struct fixture f;
	struct settings settings;
	struct outbound *outbound;
	struct channel store, courier; /* the two ends */
	struct body *body;             /* of a report */
	unsigned n_noted, n_reported;
	int tell;             /* in the child; else -1 */
	struct ledger ledger; /* in the parent */
	bool put_off[LETTERS];
	uint64_t session[64]; /* of attempts: what they had in hand */
	uint8_t in_hand[64][LETTERS];
	unsigned n_sessions;
};

static void
note(struct world *w, uint8_t what, size_t letter, size_t kind)
{
	struct told t = { what, (uint8_t)letter, (uint8_t)kind };
	struct ledger *l = &w->ledger;

	if (w->tell >= 0) {
		if (write(w->tell, &t, sizeof(t)) != sizeof(t))
			_exit(1);
		return;
	}
	if (what == 'a')
		l->is_acked[letter] = true;
	else if (what == 'n')
		l->is_noted[letter][kind] = true;
	else {
		l->n_taken[letter][kind]++;
		l->n_after[letter][kind] += l->is_noted[letter][kind];
	}
}

/* -- the courier
 * ------------------------------------------------------------------ */

static void
judge(struct world *w, struct slice address, struct wire_outcome *o)
{
	size_t kind = (size_t)(strchr(letters_of, address.at[0]) - letters_of);
	size_t letter = (size_t)(address.at[1] - '0');

	test_true(kind < KINDS && letter < LETTERS);
	o->code = 250;
	o->class = 2;
	o->kind = QUEUE_DELIVERED;
	if (kind == DOWN || (kind == LATER && !w->put_off[letter])) {
		w->put_off[letter] |= kind == LATER;
		o->kind = QUEUE_TEMPORARY;
		o->code = 451;
		o->class = 4;
	} else if (kind == REFUSED) {
		o->kind = QUEUE_PERMANENT;
		o->code = 550;
		o->class = 5;
	} else {
		note(w, 't', letter, kind);
		w->in_hand[w->n_sessions][letter] |= (uint8_t)(1 << kind);
	}
}

static int
on_attempt(struct channel *c, const struct wire_head *h,
    const struct wire_attempt *m)
{
	struct world *w = c->ctx;
	struct wire_attempt_result result = { .remote = SLICE("mx [1]:25"),
		.dialogue = SLICE("> hello"),
		.is_host_failure =
		    slice_equal(m->route, SLICE("dead.example")) };
	struct wire_list rcpts = m->rcpts;
	struct wire_rcpt r;
	struct buf rows;
	int sent;

	if (w->n_sessions == sizeof(w->session) / sizeof(w->session[0]))
		w->n_sessions = 0;
	w->session[w->n_sessions] = h->session;
	memset(w->in_hand[w->n_sessions], 0, LETTERS);
	buf_init(&rows, 10000);
	while (wire_rcpt_next(&rcpts, &r)) {
		struct wire_outcome o = { .row = r.row,
			.text = SLICE("in its own words") };

		judge(w, r.address, &o);
		test_int(wire_outcome_add(&rows, &o), 0);
		result.outcomes.n++;
	}
	w->n_sessions++;
	result.outcomes.raw = buf_slice(&rows);
	sent = wire_send_attempt_result(&w->courier, h->session, 0, &result);
	buf_deinit(&rows);
	return sent;
}

static int
on_attempt_noted(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_noted *m)
{
	struct world *w = c->ctx;

	(void)m;
	for (size_t i = 0; i < sizeof(w->session) / sizeof(w->session[0]);
	     i++) {
		if (w->session[i] != h->session)
			continue;
		for (size_t l = 0; l < LETTERS; l++)
			for (size_t k = 0; k < KINDS; k++)
				if ((w->in_hand[i][l] >> k & 1) != 0) {
					w->n_noted++;
					note(w, 'n', l, k);
				}
		w->session[i] = 0;
	}
	return 0;
}

static int
on_bounce_make(struct channel *c, const struct wire_head *h,
    const struct wire_bounce_make *m)
{
	static const char head[] = "Return-Path: <>\r\nSubject: sorry";
	struct world *w = c->ctx;
	struct wire_bounce_commit commit = { .body = 1 };
	struct wire_body_open open = { .body = 1 };
	struct wire_body_chunk chunk = { .body = 1 };
	struct wire_list rcpts = m->rcpts;
	struct wire_rcpt r;
	struct buf b;
	int sent;

	buf_init(&b, BODY);
	test_int(buf_add(&b, slice_cstr(head)), 0);
	while (wire_rcpt_next(&rcpts, &r)) {
		test_int(buf_add(&b, SLICE(" ")), 0);
		test_int(buf_add(&b, r.address), 0);
	}
	test_int(buf_add(&b, SLICE("\r\n\r\n")), 0);
	chunk.data = buf_slice(&b);
	id_make(&w->f.ids, env_wall(w->f.env), env_random_u64(w->f.env),
	    &commit.id);
	sent = wire_send_body_open(&w->courier, h->session, 0, &open);
	if (sent == 0)
		sent = wire_send_body_chunk(&w->courier, h->session, 0, &chunk);
	if (sent == 0)
		sent = wire_send_bounce_commit(&w->courier, h->session, 0,
		    &commit);
	buf_deinit(&b);
	return sent;
}

static int
on_done(struct channel *c, const struct wire_head *h, const struct wire_done *m)
{
	(void)h;
	(void)m;
	((struct world *)c->ctx)->n_reported++;
	return 0;
}

static int
courier_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_courier_handlers handlers = {
		.attempt = on_attempt,
		.attempt_noted = on_attempt_noted,
		.bounce_make = on_bounce_make,
		.done = on_done,
	};

	return wire_dispatch_courier(&handlers, c, c->peer, h, payload, fd);
}

/* -- the store
 * -------------------------------------------------------------------- */

static int
on_state(struct channel *c, const struct wire_head *h,
    const struct wire_courier_state *m)
{
	(void)h;
	return outbound_on_courier_state(((struct world *)c->ctx)->outbound, c,
	    m);
}

static int
on_result(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_result *m)
{
	return outbound_on_attempt_result(((struct world *)c->ctx)->outbound, c,
	    h, m);
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
}

static const struct body_ops body_ops = { on_room, on_refused };

static int
on_body_open(struct channel *c, const struct wire_head *h,
    const struct wire_body_open *m)
{
	struct world *w = c->ctx;

	(void)h;
	(void)m;
	return body_new(store_appender(w->f.store), 1 << 20, &body_ops, NULL,
	    &w->body);
}

static int
on_body_chunk(struct channel *c, const struct wire_head *h,
    const struct wire_body_chunk *m)
{
	(void)h;
	return body_add(((struct world *)c->ctx)->body, m->data);
}

static int
on_bounce_commit(struct channel *c, const struct wire_head *h,
    const struct wire_bounce_commit *m)
{
	struct world *w = c->ctx;
	struct body *body = w->body;

	w->body = NULL;
	return outbound_on_bounce_commit(w->outbound, c, h, m, body);
}

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_store_handlers handlers = {
		.courier_state = on_state,
		.attempt_result = on_result,
		.body_open = on_body_open,
		.body_chunk = on_body_chunk,
		.bounce_commit = on_bounce_commit,
	};

	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static const struct channel_ops store_ops = { .dispatch = store_dispatch,
	.on_closed = channel_close };
static const struct channel_ops courier_ops = { .dispatch = courier_dispatch,
	.on_closed = channel_close };

/* -- a life of the server
 * ----------------------------------------------------------- */

static void
on_changed(void *ctx, uint64_t account, uint64_t mailbox, uint64_t modseq)
{
	(void)ctx;
	(void)account;
	(void)mailbox;
	(void)modseq;
}

static void
world_begin(struct world *w)
{
	struct outbound_options o = { on_changed, w };
	struct wire_courier_state state = { .free_slots = 5 };
	int fds[2];

	w->settings = (struct settings){ .hostname = "mx.one.example",
		.retry_first = 5 * TIME_MS,
		.retry_max = 5 * TIME_MS,
		.retry_growth = 100,
		.lifetime = TIME_DAY,
		.per_destination = 2 };
	test_int(outbound_new(w->f.env, w->f.store, &w->settings, &o,
		     &w->outbound),
	    0);
	outbound_start(w->outbound);
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	test_int(channel_open(&w->store, w->f.env, w, fds[0], WIRE_STORE,
		     WIRE_COURIER, 1, &store_ops),
	    0);
	test_int(channel_open(&w->courier, w->f.env, w, fds[1], WIRE_COURIER,
		     WIRE_STORE, 1, &courier_ops),
	    0);
	test_int(wire_send_courier_state(&w->courier, 0, 0, &state), 0);
}

static void
world_end(struct world *w)
{
	outbound_courier_lost(w->outbound, &w->store);
	channel_close(&w->store);
	channel_close(&w->courier);
	fixture_run(&w->f);
	outbound_free(w->outbound);
}

struct letter {
	struct deposit d;
	struct world *w;
	size_t number;
	int result;
};

static void
address_of(size_t letter, size_t kind, char ret[40])
{
	(void)snprintf(ret, 40, "%c%zu@%s", letters_of[kind], letter,
	    domains[kind]);
}

static int
letter_apply(struct db *db, struct store_write *write)
{
	struct letter *l = LIST_ENTRY(LIST_ENTRY(write, struct deposit, write),
	    struct letter, d);
	int64_t now = env_wall(l->w->f.env);
	struct slice none = SLICE("");
	struct message_row row = { .id = l->d.append.header.id,
		.place = &l->d.append.place,
		.received_at = now,
		.sender = SLICE("anna@one.example"),
		.client = none,
		.helo = none,
		.protocol = none,
		.envid = none,
		.summary = none,
		.refs = KINDS };
	int r = message_exists(db, &row.id);

	if (r != DB_NONE)
		return r;
	r = 0;
	for (unsigned i = 0; r == 0 && i < KINDS; i++) {
		char address[40];

		address_of(l->number, i, address);
		r = queue_add(db,
		    &(struct queue_add){ .message = row.id,
			.n = i,
			.tenant = 1,
			.sender = row.sender,
			.rcpt = slice_cstr(address),
			.rcpt_canon = slice_cstr(address),
			.route = slice_cstr(domains[i]),
			.now = now,
			.expires = now + TIME_DAY,
			.orcpt = none });
	}
	return r != 0 ? r : message_insert(db, &row);
}

static void
letter_done(struct store_write *write, int r)
{
	struct letter *l = LIST_ENTRY(LIST_ENTRY(write, struct deposit, write),
	    struct letter, d);

	l->result = r;
	l->w->f.n_waiting--;
	if (r != 0)
		return;
	note(l->w, 'a', l->number, 0);
	for (size_t i = 0; i < KINDS; i++)
		outbound_queued(l->w->outbound,
		    &(struct outbound_row){ .route = slice_cstr(domains[i]) });
}

static void
send_letter(struct world *w, struct letter *l, size_t number)
{
	struct body *b;

	memset(l, 0, sizeof(*l));
	l->w = w;
	l->number = number;
	test_int(body_new(store_appender(w->f.store), 1 << 20, &body_ops, NULL,
		     &b),
	    0);
	test_int(body_add(b, SLICE("Subject: hi\r\n\r\nbody\r\n")), 0);
	id_make(&w->f.ids, env_wall(w->f.env), env_random_u64(w->f.env),
	    &l->d.append.header.id);
	l->d.append.header.kind = SEGMENT_MAIL;
	buf_init(&l->d.append.envelope, SEGMENT_ENVELOPE_MAX);
	l->d.write = (struct store_write){ .lane = STORE_LANE_ACCEPT,
		.apply = letter_apply,
		.done = letter_done };
	w->f.n_waiting++;
	deposit_submit(w->f.store, &l->d, b);
	fixture_run(&w->f);
	buf_deinit(&l->d.append.envelope);
}

/* Everything that can be done is done; not for ever. */
static void
run_until_done(struct world *w)
{
	for (unsigned n = 0; n < 4000; n++) {
		if (w->n_noted == 2 * LETTERS && w->n_reported == LETTERS)
			return;
		fixture_run_for(&w->f, 5);
	}
	print_error("noted %u, reported %u\n", w->n_noted, w->n_reported);
	_exit(1);
}

static void
child(const struct world *from, const struct fault_plan *plan, int tell)
{
	static const struct env_posix_options o = { .role = "test" };
	static struct letter letters[LETTERS];
	struct store_options so = { .segment_size = 1024 * 1024 };
	static struct world w;

	w.f = from->f;
	w.tell = tell;
	test_int(env_posix_new(&o, &w.f.posix), 0);
	test_int(env_faulty_new(w.f.posix, &w.f.env), 0);
	env_faulty_arm(w.f.env, FAULT_ANY_DISK, plan);
	if (env_dir_open(w.f.env, w.f.path, &w.f.dir) != 0 ||
	    store_open(w.f.env, w.f.dir, &so, &w.f.store) != 0)
		_exit(REFUSED_TO_START);
	world_begin(&w);
	for (size_t i = 0; i < LETTERS; i++)
		send_letter(&w, &letters[i], i);
	run_until_done(&w);
	env_faulty_cut_power(w.f.env, plan->survivors);
	_exit(0);
}

static int
run_child(struct world *w, const struct fault_plan *plan)
{
	int tell[2], status;
	struct told t;
	pid_t pid;

	test_int(pipe(tell), 0);
	pid = fork();
	test_true(pid >= 0);
	if (pid == 0) {
		(void)close(tell[0]);
		child(w, plan, tell[1]);
	}
	(void)close(tell[1]);
	while (read(tell[0], &t, sizeof(t)) == sizeof(t))
		note(w, t.what, t.letter, t.kind);
	(void)close(tell[0]);
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* -- what is left
 * ----------------------------------------------------------------- */

struct left {
	unsigned rows[LETTERS][KINDS], n_rows, n_down;
	unsigned reports[LETTERS];
};

static void
count_rows(struct world *w, struct left *ret)
{
	struct q_queue_show row;
	struct db_rows rows;
	int r;
	struct db *db = store_reader_take(w->f.store, &r);

	assert_non_null(db);
	memset(ret, 0, sizeof(*ret));
	test_int(db_begin_read(db), 0);
	test_int(DB_MANY(queue_show, db, &rows, .id = SLICE(""),
		     .route = SLICE(""), .sender = SLICE(""), .rcpt = SLICE(""),
		     .reason = SLICE(""), .lane = -1, .limit = 100),
	    0);
	while ((r = q_queue_show_next(&rows, &row)) == 0) {
		size_t kind =
		    (size_t)(strchr(letters_of, row.rcpt.at[0]) - letters_of);

		test_true(kind < KINDS && row.rcpt.at[1] - '0' < LETTERS);
		ret->rows[row.rcpt.at[1] - '0'][kind]++;
		ret->n_rows++;
		ret->n_down += kind == DOWN;
	}
	test_int(r, DB_NONE);
	db_rows_close(&rows);
	db_rollback(db);
	store_reader_give(w->f.store, db);
}

/* One line tells of whom each report in the mailbox is. */
static void
count_reports(struct world *w, struct left *ret)
{
	struct q_mailbox_by_name box;
	struct q_entry_place place;
	char body[BODY + 1];
	int r;
	struct db *db = store_reader_take(w->f.store, &r);

	assert_non_null(db);
	test_int(db_begin_read(db), 0);
	test_int(DB_ONE(mailbox_by_name, db, &box, .account = w->f.account,
		     .name = SLICE("INBOX")),
	    0);
	for (uint32_t uid = 1; uid <= 4 * LETTERS; uid++) {
		if (DB_ONE(entry_place, db, &place, .account = w->f.account,
			.mailbox = box.mailbox, .uid = uid) != 0)
			continue;
		test_true(place.stored_len < BODY);
		test_int(segment_read(w->f.store, place.segment, place.body,
			     body, place.stored_len),
		    0);
		body[place.stored_len] = '\0';
		for (size_t i = 0; i < LETTERS; i++) {
			char address[40];

			address_of(i, REFUSED, address);
			ret->reports[i] += strstr(body, address) != NULL;
		}
	}
	db_rollback(db);
	store_reader_give(w->f.store, db);
}

static void
check_letter(struct world *w, const struct left *left, size_t i)
{
	const struct ledger *l = &w->ledger;
	bool is_kept = left->rows[i][DOWN] == 1;

	/* Nobody was told 250: it may be there, whole, or not at all. */
	test_true(is_kept || !l->is_acked[i]);
	test_int(left->rows[i][DOWN], is_kept);
	test_int(left->reports[i], is_kept);
	test_true((l->n_taken[i][TAKEN] >= 1) == is_kept);
	test_true((l->n_taken[i][LATER] >= 1) == is_kept);
	for (size_t k = 0; k < KINDS; k++) {
		test_true(l->n_taken[i][k] <= 2);
		test_int(l->n_after[i][k], 0);
		test_int(left->rows[i][k], k == DOWN && is_kept);
	}
}

/* The same directory, another life, without faults. */
static void
check(struct world *w)
{
	struct left left;

	fixture_open(&w->f, false, 0);
	fixture_verify(&w->f, UINT64_MAX, 0);
	world_begin(w);
	count_rows(w, &left);
	for (unsigned n = 0; left.n_rows > left.n_down; n++) {
		test_true(n < 4000);
		fixture_run_for(&w->f, 5);
		count_rows(w, &left);
	}
	fixture_run_for(&w->f, 20);
	count_rows(w, &left);
	count_reports(w, &left);
	for (size_t i = 0; i < LETTERS; i++)
		check_letter(w, &left, i);
	world_end(w);
	fixture_verify(&w->f, UINT64_MAX, 0);
	fixture_close(&w->f);
}

static void
copy(const char *from, const char *from_end, const char *to, const char *to_end)
{
	char command[256];

	(void)snprintf(command, sizeof(command),
	    "rm -rf %s%s && cp -r %s%s %s%s", to, to_end, from, from_end, to,
	    to_end);
	test_int(system(command), 0);
}

/* One run for each n, from the same directory; survivors by a seed of it. */
static void
try_each(struct fault_plan plan, unsigned step)
{
	unsigned n_runs = 0, n_twins = 0;
	int status = -1;
	struct world w;
	char command[128], what[40];

	memset(&w, 0, sizeof(w));
	fixture_make(&w.f);
	fixture_close(&w.f);
	copy(w.f.path, "", w.f.path, ".0");
	for (uint64_t n = 1; status != 0; n += step, n_runs++) {
		struct world one = { .f = w.f, .tell = -1 };

		(void)snprintf(what, sizeof(what), "disk call %llu",
		    (unsigned long long)n);
		test_case(what);
		copy(w.f.path, ".0", w.f.path, "");
		plan.nth = n;
		plan.is_torn = n % 2 == 0;
		plan.survivors = n % 3 == 0 ? 0 : n;
		status = run_child(&one, &plan);
		test_true(status == 0 || status == CRASHED ||
		    status == REFUSED_TO_START);
		check(&one);
		for (size_t i = 0; i < LETTERS; i++)
			n_twins += one.ledger.n_taken[i][TAKEN] == 2;
	}
	print_message("%u runs, %u taken twice\n", n_runs, n_twins);
	test_true(n_runs > 20);
	test_true(n_twins > 0); /* some were cut between taken and noted */
	(void)snprintf(command, sizeof(command), "rm -rf %s.0", w.f.path);
	test_int(system(command), 0);
	fixture_drop(&w.f);
}

static void
the_power_goes_at_each_call(void **state)
{
	const char *each = getenv("ULAK_EACH_CALL");

	(void)state;
	try_each((struct fault_plan){ .n = 1,
		     .exit_status = CRASHED,
		     .cuts_power = true },
	    each != NULL ? 1 : STEP);
}

TEST_MAIN(cmocka_unit_test(the_power_goes_at_each_call))
