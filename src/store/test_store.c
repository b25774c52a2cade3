/* SPDX-License-Identifier: ISC */
/*
 * The store as a whole, on a real directory: what was said to be durable is
 * there after a new open, whatever its size; counters and references agree;
 * what left is gone; a newer store is not touched.
 */
#include "base/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/account.h"
#include "store/events.h"
#include "store/mailbox.h"
#include "store/segment.h"
#include "store/store.h"
#include "sys/env_posix.h"

struct fixture {
	struct env *env;
	struct env_dir *dir;
	struct store *store;
	struct id_source ids;
	char path[64];
	uint64_t account;
	unsigned n_waiting;
	int last;
};

static void
open_store(struct fixture *f, bool create, int want)
{
	struct store_options o = { .create = create,
		.segment_size = 1024 * 1024 };

	test_int(env_dir_open(f->env, f->path, &f->dir), 0);
	test_int(store_open(f->env, f->dir, &o, &f->store), want);
	if (want != 0)
		env_dir_close(f->dir);
}

static void
close_store(struct fixture *f)
{
	store_close(f->store);
	env_dir_close(f->dir);
}

static void
make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	(void)snprintf(f->path, sizeof(f->path), "/tmp/ulak-store-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	test_int(env_posix_new(&(struct env_posix_options){ .role = "test" },
		     &f->env),
	    0);
	open_store(f, true, 0);
	test_int(store_domain_add(f->store, SLICE("one.example")), 0);
	test_int(store_account_add(f->store, SLICE("anna@one.example"),
		     SLICE("Anna"), SLICE("verifier"), &f->account),
	    0);
}

static void
drop(struct fixture *f)
{
	char command[128];

	env_posix_free(f->env);
	(void)snprintf(command, sizeof(command), "rm -rf %s", f->path);
	test_int(system(command), 0);
}

static struct env_timer idle_timer;
static struct fixture *idle_fixture;

static void
on_idle(struct env_timer *t)
{
	struct fixture *f = idle_fixture;

	if (f->n_waiting == 0 && store_is_idle(f->store))
		env_stop(f->env);
	else
		(void)env_timer_set(f->env, t, env_now(f->env) + 1000);
}

static void
run(struct fixture *f)
{
	memset(&idle_timer, 0, sizeof(idle_timer));
	idle_timer.fire = on_idle;
	idle_fixture = f;
	test_int(env_timer_set(f->env, &idle_timer, env_now(f->env) + 1000), 0);
	test_int(env_run(f->env), 0);
}

static void
on_time(struct env_timer *t)
{
	(void)t;
	env_stop(idle_fixture->env);
}

static void
run_for(struct fixture *f, int64_t ms)
{
	memset(&idle_timer, 0, sizeof(idle_timer));
	idle_timer.fire = on_time;
	idle_fixture = f;
	test_int(env_timer_set(f->env, &idle_timer,
		     env_now(f->env) + ms * 1000),
	    0);
	test_int(env_run(f->env), 0);
}

struct mail {
	struct deposit d;
	struct fixture *f;
	uint64_t account;
	const char *queue_to;
	int result;
	uint32_t uid;
};

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
	test_int(r, 0);
}

static const struct body_ops body_ops = { on_room, on_refused };

static uint8_t
byte_at(size_t i, unsigned salt)
{
	return (uint8_t)(i * 31 + salt + i / 977);
}

static void
send_mail(struct fixture *f, struct mail *m, size_t size, unsigned salt)
{
	uint8_t chunk[4096];
	struct body *b;

	m->f = f;
	m->account = f->account;
	test_int(body_new(store_appender(f->store), 64 << 20, &body_ops, NULL,
		     &b),
	    0);
	for (size_t at = 0; at < size;) {
		size_t n =
		    size - at < sizeof(chunk) ? size - at : sizeof(chunk);

		for (size_t i = 0; i < n; i++)
			chunk[i] = byte_at(at + i, salt);
		test_int(body_add(b, slice_of(chunk, n)), 0);
		at += n;
		if (at % (256 * 1024) == 0 && at > 256 * 1024)
			run_for(f, 20); /* a sender waits for credit */
	}
	id_make(&f->ids, env_wall(f->env), env_random_u64(f->env),
	    &m->d.append.header.id);
	m->d.append.header.kind = SEGMENT_MAIL;
	buf_init(&m->d.append.envelope, SEGMENT_ENVELOPE_MAX);
	test_int(segment_envelope_add(&m->d.append.envelope, SEGMENT_SENDER,
		     SLICE("b@two.example")),
	    0);
	m->d.write = (struct store_write){ .lane = STORE_LANE_ACCEPT,
		.apply = apply_mail,
		.done = done_mail };
	f->n_waiting++;
	deposit_submit(f->store, &m->d, b);
}

static void
check_body(struct fixture *f, const struct mail *m, size_t size, unsigned salt)
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

static void
verify(struct fixture *f, uint64_t messages, int want)
{
	struct verify_report report = { .problem =
					    want == 0 ? tell_problem : NULL };

	test_int(store_verify(f->store, &report), want);
	if (want == 0)
		test_int(report.messages, messages);
}

static const size_t sizes[] = { 0, 1, 100, 4096, 65536, 262144, 262145, 300000,
	1500000 };
enum {
	N_SIZES = sizeof(sizes) / sizeof(sizes[0])
};

static void
bodies_of_all_sizes_survive(void **state)
{
	struct mail mails[N_SIZES] = { 0 };
	struct fixture f;

	(void)state;
	make(&f);
	for (unsigned i = 0; i < N_SIZES; i++)
		send_mail(&f, &mails[i], sizes[i], i);
	run(&f);
	for (unsigned i = 0; i < N_SIZES; i++) {
		test_case("size");
		test_int(mails[i].result, 0);
		check_body(&f, &mails[i], sizes[i], i);
	}
	verify(&f, N_SIZES, 0);
	close_store(&f);
	open_store(&f, false, 0);
	for (unsigned i = 0; i < N_SIZES; i++) {
		check_body(&f, &mails[i], sizes[i], i);
		buf_deinit(&mails[i].d.append.envelope);
	}
	verify(&f, N_SIZES, 0);
	close_store(&f);
	drop(&f);
}

static void
many_go_in_groups_and_segments_follow(void **state)
{
	static struct mail mails[600];
	struct fixture f;
	uint64_t highest = 0;

	(void)state;
	memset(mails, 0, sizeof(mails));
	make(&f);
	for (unsigned i = 0; i < 600; i++)
		send_mail(&f, &mails[i], 4000, i);
	run(&f);
	for (unsigned i = 0; i < 600; i++) {
		test_int(mails[i].result, 0);
		test_int(mails[i].uid, i + 1);
		check_body(&f, &mails[i], 4000, i);
		if (mails[i].d.append.place.segment > highest)
			highest = mails[i].d.append.place.segment;
		buf_deinit(&mails[i].d.append.envelope);
	}
	test_true(highest >= 3); /* 1 MiB each */
	verify(&f, 600, 0);
	close_store(&f);
	drop(&f);
}

static void
the_same_id_twice_is_one_mail(void **state)
{
	struct mail a = { 0 }, b = { 0 };
	struct fixture f;

	(void)state;
	make(&f);
	a.queue_to = "c@far.example";
	send_mail(&f, &a, 500, 1);
	run(&f);
	send_mail(&f, &b, 500, 1);
	b.d.append.header.id = a.d.append.header.id;
	run(&f);
	test_int(a.result, 0);
	test_int(b.result, 0);
	verify(&f, 1, 0);
	buf_deinit(&a.d.append.envelope);
	buf_deinit(&b.d.append.envelope);
	close_store(&f);
	drop(&f);
}

static void
one_failure_does_not_hurt_its_neighbours(void **state)
{
	struct mail a = { 0 }, b = { 0 }, c = { 0 };
	struct fixture f;

	(void)state;
	make(&f);
	send_mail(&f, &a, 100, 1);
	send_mail(&f, &b, 100, 2);
	b.account = 4711;
	send_mail(&f, &c, 100, 3);
	run(&f);
	test_int(a.result, 0);
	test_int(b.result, STORE_E_NO_ACCOUNT);
	test_int(c.result, 0);
	verify(&f, 2, 0);
	buf_deinit(&a.d.append.envelope);
	buf_deinit(&b.d.append.envelope);
	buf_deinit(&c.d.append.envelope);
	close_store(&f);
	drop(&f);
}

/* -- one byte wrong on the disk
 * -------------------------------------------------- */

static void
verify_finds_a_wrong_byte(void **state)
{
	struct mail a = { 0 }, b = { 0 };
	char path[128], segment[SEGMENT_PATH];
	struct fixture f;
	uint8_t byte;
	int fd;

	(void)state;
	make(&f);
	send_mail(&f, &a, 1000, 1);
	send_mail(&f, &b, 1000, 2);
	run(&f);
	segment_path(a.d.append.place.segment, segment);
	(void)snprintf(path, sizeof(path), "%s/%s", f.path, segment);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	test_int(pread(fd, &byte, 1, (off_t)a.d.append.place.body + 10), 1);
	byte ^= 1;
	test_int(pwrite(fd, &byte, 1, (off_t)a.d.append.place.body + 10), 1);
	(void)close(fd);
	verify(&f, 2, 1);
	buf_deinit(&a.d.append.envelope);
	buf_deinit(&b.d.append.envelope);
	close_store(&f);
	drop(&f);
}

/* -- mailboxes
 * ---------------------------------------------------------------------- */

struct change {
	struct store_write write;
	struct fixture *f;
	int (*run)(struct db *db, struct change *c);
	int result;
	struct mailbox_work work;
	struct mailbox_copy copy;
	const char *name, *to;
	uint64_t modseq;
};

static int
apply_change(struct db *db, struct store_write *w)
{
	struct change *c = LIST_ENTRY(w, struct change, write);

	return c->run(db, c);
}

static void
done_change(struct store_write *w, int r)
{
	struct change *c = LIST_ENTRY(w, struct change, write);

	c->result = r;
	c->f->n_waiting--;
}

static int
do_change(struct fixture *f, struct change *c,
    int (*run_it)(struct db *, struct change *))
{
	c->f = f;
	c->run = run_it;
	c->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_change,
		.done = done_change };
	f->n_waiting++;
	store_submit(f->store, &c->write);
	run(f);
	return c->result;
}

static int
run_flags(struct db *db, struct change *c)
{
	return mailbox_flags(db, &c->work); /* no group of these fails */
}

static int
run_expunge(struct db *db, struct change *c)
{
	return mailbox_expunge(db, &c->work);
}

static int
run_copy(struct db *db, struct change *c)
{
	return mailbox_copy(db, &c->copy);
}

static int
run_create(struct db *db, struct change *c)
{
	return mailbox_create(db, c->f->account, slice_cstr(c->name), 0);
}

static int
run_rename(struct db *db, struct change *c)
{
	return mailbox_rename(db, c->f->account, slice_cstr(c->name),
	    slice_cstr(c->to), 0);
}

static int
run_delete(struct db *db, struct change *c)
{
	return mailbox_delete(db, c->f->account, slice_cstr(c->name),
	    &c->modseq);
}

static uint64_t
box_number(struct fixture *f, const char *name, struct q_mailbox_by_name *ret)
{
	struct q_mailbox_by_name row = { 0 };

	(void)DB_ONE(mailbox_by_name, store_writer(f->store), &row,
	    .account = f->account, .name = slice_cstr(name));
	if (ret != NULL)
		*ret = row;
	return row.mailbox;
}

static void
flags_copy_expunge(void **state)
{
	static struct mail mails[300];
	struct uid_range all = { 1, UINT32_MAX }, some = { 11, 20 };
	struct q_mailbox_by_name box;
	struct change c = { 0 };
	struct fixture f;

	(void)state;
	memset(mails, 0, sizeof(mails));
	make(&f);
	for (unsigned i = 0; i < 300; i++)
		send_mail(&f, &mails[i], 50, i);
	run(&f);
	c.work = (struct mailbox_work){ .account = f.account,
		.mailbox = box_number(&f, "INBOX", &box),
		.ranges = &all,
		.n_ranges = 1,
		.mode = FLAGS_ADD,
		.flags = FLAG_SEEN,
		.keywords = SLICE("b a") };
	test_int(box.unseen, 300);
	test_int(do_change(&f, &c, run_flags), 0);
	test_int(c.work.n, 300);
	(void)box_number(&f, "INBOX", &box);
	test_int(box.unseen, 0);

	c.copy = (struct mailbox_copy){ .account = f.account,
		.mailbox = box.mailbox,
		.ranges = &some,
		.n_ranges = 1,
		.to = SLICE("Archive") };
	test_int(do_change(&f, &c, run_copy), 0);
	test_int(c.copy.n_pairs, 10);
	test_int(c.copy.pairs[9].from, 20);
	test_int(c.copy.pairs[9].to, 10);
	free(c.copy.pairs);
	verify(&f, 300, 0);

	/* the flag of the email is seen in both mailboxes */
	c.work.mode = FLAGS_REMOVE;
	c.work.flags = FLAG_SEEN;
	c.work.keywords = SLICE("a");
	c.work.ranges = &some;
	c.work.at = c.work.next = 0;
	test_int(do_change(&f, &c, run_flags), 0);
	(void)box_number(&f, "Archive", &box);
	test_int(box.unseen, 10);
	test_int(box.modseq, c.work.modseq);

	/* \Deleted is the entry's: the copies stay */
	c.work.mailbox = box_number(&f, "INBOX", NULL);
	c.work.mode = FLAGS_ADD;
	c.work.flags = FLAG_DELETED;
	c.work.keywords = SLICE("");
	c.work.ranges = &all;
	c.work.at = c.work.next = 0;
	test_int(do_change(&f, &c, run_flags), 0);
	c.work.at = c.work.next = c.work.n = 0;
	test_int(do_change(&f, &c, run_expunge), 0);
	test_int(c.work.n, 300);
	(void)box_number(&f, "INBOX", &box);
	test_int(box.messages, 0);
	test_int(box.uidnext, 301);
	verify(&f, 10, 0);
	for (unsigned i = 0; i < 300; i++)
		buf_deinit(&mails[i].d.append.envelope);
	close_store(&f);
	drop(&f);
}

static const struct {
	const char *what;
	int (*run)(struct db *, struct change *);
	const char *name, *to;
	int want;
} boxes[] = {
	{ "new with parents", run_create, "a/b/c", NULL, 0 },
	{ "again", run_create, "a/b/c", NULL, STORE_E_EXISTS },
	{ "a parent is there", run_create, "a/b", NULL, STORE_E_EXISTS },
	{ "slash at the end", run_create, "x/", NULL, 0 },
	{ "inbox in any case", run_create, "iNbOx", NULL, STORE_E_EXISTS },
	{ "empty level", run_create, "y//z", NULL, STORE_E_NAME },
	{ "empty", run_create, "", NULL, STORE_E_NAME },
	{ "control", run_create, "a\x01", NULL, STORE_E_NAME },
	{ "no such", run_rename, "none", "other", STORE_E_NO_MAILBOX },
	{ "onto another", run_rename, "a", "x", STORE_E_EXISTS },
	{ "tree", run_rename, "a", "q/r", 0 },
	{ "children went along", run_create, "q/r/b/c", NULL, STORE_E_EXISTS },
	{ "the old name is free", run_create, "a", NULL, 0 },
	{ "below itself", run_rename, "q", "q/deep/er", 0 },
	{ "grandchild", run_create, "q/deep/er/r/b/c", NULL, STORE_E_EXISTS },
	{ "inbox", run_rename, "INBOX", "old", 0 },
	{ "inbox is there again", run_create, "INBOX", NULL, STORE_E_EXISTS },
	{ "delete", run_delete, "old", NULL, 0 },
	{ "delete again", run_delete, "old", NULL, STORE_E_NO_MAILBOX },
	{ "delete inbox", run_delete, "inbox", NULL, STORE_E_FORBIDDEN },
};

static void
mailboxes_come_and_go(void **state)
{
	struct mail m = { 0 };
	struct fixture f;

	(void)state;
	make(&f);
	send_mail(&f, &m, 10, 1);
	run(&f);
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		struct change c = { .name = boxes[i].name, .to = boxes[i].to };

		test_case(boxes[i].what);
		test_int(do_change(&f, &c, boxes[i].run), boxes[i].want);
	}
	test_case("its mail went with the renamed inbox");
	verify(&f, 0, 0);
	buf_deinit(&m.d.append.envelope);
	close_store(&f);
	drop(&f);
}

/* -- opening
 * ------------------------------------------------------------------------- */

static void
a_newer_store_is_not_touched(void **state)
{
	struct stat before, after;
	char path[128];
	struct fixture f;

	(void)state;
	make(&f);
	test_int(DB_EXEC(meta_set, store_writer(f.store),
		     .key = SLICE("schema_version"), .value = SLICE("99")),
	    0);
	close_store(&f);
	(void)snprintf(path, sizeof(path), "%s/ulak.db", f.path);
	test_int(stat(path, &before), 0);
	open_store(&f, false, STORE_E_NEWER);
	open_store(&f, true, STORE_E_NEWER);
	test_int(stat(path, &after), 0);
	test_int(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	test_int(before.st_size, after.st_size);
	drop(&f);
}

static void
absent_locked_and_keyless_are_told_apart(void **state)
{
	struct fixture f, g = { 0 };
	char path[128];

	(void)state;
	make(&f);
	g = f;
	open_store(&g, false, STORE_E_LOCKED);
	close_store(&f);
	(void)snprintf(path, sizeof(path), "%s/segments/key", f.path);
	test_int(unlink(path), 0);
	open_store(&f, false, STORE_E_KEY);
	(void)snprintf(path, sizeof(path), "%s/ulak.db", f.path);
	test_int(unlink(path), 0);
	open_store(&f, false, STORE_E_ABSENT);
	drop(&f);
}

static void
names_of_people(void **state)
{
	static const struct {
		const char *what, *address;
		int r;
		enum rcpt_outcome outcome;
		size_t n;
	} rows[] = {
		{ "account", "Anna@One.Example", 0, RCPT_FOUND, 1 },
		{ "detail", "anna+lists@one.example", 0, RCPT_FOUND, 1 },
		{ "nobody", "otto@one.example", 0, RCPT_NOBODY, 0 },
		{ "postmaster", "Postmaster@one.example", 0, RCPT_FOUND, 1 },
		{ "foreign", "x@two.example", 0, RCPT_FOREIGN, 1 },
		{ "alias", "all@one.example", 0, RCPT_FOUND, 2 },
		{ "circle", "loop@one.example", 0, RCPT_LOOP, 0 },
		{ "no address", "what", ACCOUNT_E_ADDRESS, 0, 0 },
	};
	struct rcpt_result result;
	struct arena arena;
	struct fixture f;

	(void)state;
	make(&f);
	test_int(store_alias_add(f.store, SLICE("all@one.example"),
		     SLICE("anna@one.example")),
	    0);
	test_int(store_alias_add(f.store, SLICE("all@one.example"),
		     SLICE("far@two.example")),
	    0);
	test_int(store_alias_add(f.store, SLICE("loop@one.example"),
		     SLICE("loop@one.example")),
	    0);
	test_int(store_alias_add(f.store, SLICE("anna@one.example"),
		     SLICE("x@two.example")),
	    ACCOUNT_E_EXISTS);
	test_int(store_account_add(f.store, SLICE("b@two.example"), SLICE(""),
		     SLICE(""), NULL),
	    ACCOUNT_E_NO_DOMAIN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].what);
		arena_init(&arena, 1 << 20);
		test_int(rcpt_lookup(store_writer(f.store),
			     slice_cstr(rows[i].address), &arena, &result),
		    rows[i].r);
		if (rows[i].r == 0) {
			test_int(result.outcome, rows[i].outcome);
			if (rows[i].n > 0)
				test_int(result.n_targets, rows[i].n);
		}
		arena_reset(&arena);
	}
	test_int(sender_check(store_writer(f.store), f.account,
		     SLICE("ANNA@one.example")),
	    0);
	test_int(sender_check(store_writer(f.store), f.account,
		     SLICE("all@one.example")),
	    0);
	test_int(sender_check(store_writer(f.store), f.account,
		     SLICE("x@two.example")),
	    DB_NONE);
	close_store(&f);
	drop(&f);
}

TEST_MAIN(cmocka_unit_test(bodies_of_all_sizes_survive),
    cmocka_unit_test(many_go_in_groups_and_segments_follow),
    cmocka_unit_test(the_same_id_twice_is_one_mail),
    cmocka_unit_test(one_failure_does_not_hurt_its_neighbours),
    cmocka_unit_test(verify_finds_a_wrong_byte),
    cmocka_unit_test(flags_copy_expunge),
    cmocka_unit_test(mailboxes_come_and_go),
    cmocka_unit_test(a_newer_store_is_not_touched),
    cmocka_unit_test(absent_locked_and_keyless_are_told_apart),
    cmocka_unit_test(names_of_people))
