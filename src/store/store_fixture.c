/* SPDX-License-Identifier: ISC */
#include "store/store_fixture.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "store/events.h"
#include "store/segment.h"
#include "sys/env_posix.h"

enum {
	ROOM = 1024 * 1024 * 1024
};

static void
on_broken(void *ctx, const char *why)
{
	struct fixture *f = ctx;

	(void)why;
	f->is_broken = true;
}

void
fixture_open(struct fixture *f, bool create, int want)
{
	struct store_options o = { .create = create,
		.segment_size = 1024 * 1024,
		.events_keep = f->events_keep,
		.broken = on_broken,
		.ctx = f };

	test_int(env_dir_open(f->env, f->path, &f->dir), 0);
	test_int(store_open(f->env, f->dir, &o, &f->store), want);
	if (want != 0)
		env_dir_close(f->dir);
}

void
fixture_close(struct fixture *f)
{
	store_close(f->store);
	env_dir_close(f->dir);
}

/* Memory, where there is any to spare: what a disk does to its writer's data
 * is played by env_faulty, and waiting for a real one shows nothing. */
static const char *
tmp_dir(void)
{
	const char *dir = getenv("TMPDIR");
	struct statvfs st;

	if (dir != NULL && strlen(dir) < 40)
		return dir;
	if (access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &st) == 0 &&
	    st.f_bavail > ROOM / st.f_frsize)
		return "/dev/shm";
	return "/tmp";
}

void
fixture_make(struct fixture *f)
{
	struct env_posix_options o = { .role = "test",
		.log_level = ENV_ERROR,
		.has_made_clock = true };

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->path, sizeof(f->path), "%s/ulak-store-XXXXXX",
	    tmp_dir());
	assert_non_null(mkdtemp(f->path));
	test_int(env_posix_new(&o, &f->env), 0);
	f->posix = f->env;
	fixture_open(f, true, 0);
	test_int(store_domain_add(f->store, SLICE("one.example")), 0);
	test_int(store_account_add(f->store, SLICE("anna@one.example"),
		     SLICE("Anna"), SLICE("verifier"), &f->account),
	    0);
}

void
fixture_drop(struct fixture *f)
{
	char command[128];

	env_posix_free(f->posix);
	(void)snprintf(command, sizeof(command), "rm -rf %s", f->path);
	test_int(system(command), 0);
}

static void
on_idle(struct env_timer *t)
{
	struct fixture *f = LIST_ENTRY(t, struct fixture, timer);

	if (f->n_waiting == 0 && store_is_idle(f->store))
		env_stop(f->env);
	else
		(void)env_timer_set(f->env, t, env_now(f->env) + 1000);
}

static void
on_time(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct fixture, timer)->env);
}

static void
run_with(struct fixture *f, int64_t us, void (*fire)(struct env_timer *))
{
	memset(&f->timer, 0, sizeof(f->timer));
	f->timer.fire = fire;
	/* Once more where an allocation fails on purpose. */
	while (env_timer_set(f->env, &f->timer, env_now(f->env) + us) != 0)
		;
	test_int(env_run(f->env), 0);
}

void
fixture_run(struct fixture *f)
{
	run_with(f, 1000, on_idle);
}

void
fixture_run_for(struct fixture *f, int64_t ms)
{
	run_with(f, ms * 1000, on_time);
}

static int
apply_mail(struct db *db, struct store_write *w)
{
	struct mail *m =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write), struct mail, d);
	struct delivery to = { .account = m->account,
		.message = m->d.append.header.id,
		.size = m->d.append.place.stored_len,
		.keywords = SLICE(""),
		.summary = SLICE("") };
	struct message_row row = { .id = m->d.append.header.id,
		.place = &m->d.append.place,
		.sender = SLICE("b@two.example") };
	int r = message_exists(db, &row.id);

	if (r != DB_NONE)
		return r;
	r = mailbox_deliver(db, &to);
	row.refs = 1;
	if (r == 0 && m->queue_to != NULL) {
		r = queue_add(db,
		    &(struct queue_add){ .message = row.id,
			.tenant = 1,
			.rcpt = slice_cstr(m->queue_to),
			.rcpt_canon = slice_cstr(m->queue_to),
			.route = SLICE("far.example") });
		row.refs++;
	}
	m->uid = to.uid;
	return r != 0 ? r : message_insert(db, &row);
}

static void
done_mail(struct store_write *w, int r)
{
	struct mail *m =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write), struct mail, d);

	m->result = r;
	m->is_done = true;
	m->f->n_waiting--;
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
	(void)r; /* told again by the deposit */
}

static const struct body_ops body_ops = { on_room, on_refused };

static uint8_t
byte_at(size_t i, unsigned salt)
{
	return (uint8_t)(i * 31 + salt + i / 977);
}

void
fixture_send(struct fixture *f, struct mail *m, size_t size, unsigned salt)
{
	uint8_t chunk[4096];
	struct body *b;

	m->f = f;
	m->account = f->account;
	m->result =
	    body_new(store_appender(f->store), 64 << 20, &body_ops, NULL, &b);
	if (m->result != 0) {
		m->is_done = true;
		return;
	}
	for (size_t at = 0; at < size;) {
		size_t n =
		    size - at < sizeof(chunk) ? size - at : sizeof(chunk);

		for (size_t i = 0; i < n; i++)
			chunk[i] = byte_at(at + i, salt);
		m->result = body_add(b, slice_of(chunk, n));
		if (m->result != 0) {
			/* On a disk that fails: as a front, told so. */
			m->is_done = true;
			body_free(b);
			return;
		}
		at += n;
		if (at % (256 * 1024) == 0 && at > 256 * 1024)
			fixture_run_for(f, 20); /* a sender waits for credit */
	}
	id_make(&f->ids, env_wall(f->env), env_random_u64(f->env),
	    &m->d.append.header.id);
	m->d.append.header.kind = SEGMENT_MAIL;
	buf_init(&m->d.append.envelope, SEGMENT_ENVELOPE_MAX);
	(void)segment_envelope_add(&m->d.append.envelope, SEGMENT_SENDER,
	    SLICE("b@two.example"));
	m->d.write = (struct store_write){ .lane = STORE_LANE_ACCEPT,
		.apply = apply_mail,
		.done = done_mail };
	f->n_waiting++;
	deposit_submit(f->store, &m->d, b);
}

void
fixture_check_body(struct fixture *f, const struct mail *m, size_t size,
    unsigned salt)
{
	const struct segment_place *p = &m->d.append.place;
	uint8_t *at = malloc(size + 1);

	assert_non_null(at);
	test_int(p->stored_len, size);
	test_int(segment_read(f->store, p->segment, p->body, at, size), 0);
	for (size_t i = 0; i < size; i++)
		if (at[i] != byte_at(i, salt))
			fail_msg("byte %zu differs", i);
	free(at);
}

static void
tell_problem(void *ctx, const char *what)
{
	(void)ctx;
	print_error("%s\n", what);
}

void
fixture_verify(struct fixture *f, uint64_t messages, int want)
{
	struct verify_report report = { .problem =
					    want == 0 ? tell_problem : NULL };

	test_int(store_verify(f->store, &report), want);
	if (want == 0 && messages != UINT64_MAX)
		test_int(report.messages, messages);
}
