/* SPDX-License-Identifier: ISC */
/*
 * The store as a whole, on a real directory: what was said to be durable is
 * there after a new open, whatever its size; counters and references agree;
 * what left is gone; a newer store is not touched.
 */
#include "base/test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "store/events.h"
#include "store/mailbox.h"
#include "store/segment.h"
#include "store/sending.h"
#include "store/store.h"
#include "store/store_fixture.h"
#include "store/store_impl.h"

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
	fixture_make(&f);
	for (unsigned i = 0; i < N_SIZES; i++)
		fixture_send(&f, &mails[i], sizes[i], i);
	fixture_run(&f);
	for (unsigned i = 0; i < N_SIZES; i++) {
		test_case("size");
		test_int(mails[i].result, 0);
		fixture_check_body(&f, &mails[i], sizes[i], i);
	}
	fixture_verify(&f, N_SIZES, 0);
	fixture_close(&f);
	fixture_open(&f, false, 0);
	for (unsigned i = 0; i < N_SIZES; i++) {
		fixture_check_body(&f, &mails[i], sizes[i], i);
		buf_deinit(&mails[i].d.append.envelope);
	}
	fixture_verify(&f, N_SIZES, 0);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
many_go_in_groups_and_segments_follow(void **state)
{
	static struct mail mails[600];
	struct fixture f;
	uint64_t highest = 0;

	(void)state;
	memset(mails, 0, sizeof(mails));
	fixture_make(&f);
	for (unsigned i = 0; i < 600; i++)
		fixture_send(&f, &mails[i], 4000, i);
	fixture_run(&f);
	for (unsigned i = 0; i < 600; i++) {
		test_int(mails[i].result, 0);
		test_int(mails[i].uid, i + 1);
		fixture_check_body(&f, &mails[i], 4000, i);
		if (mails[i].d.append.place.segment > highest)
			highest = mails[i].d.append.place.segment;
		buf_deinit(&mails[i].d.append.envelope);
	}
	test_true(highest >= 3); /* 1 MiB each */
	fixture_verify(&f, 600, 0);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
the_same_id_twice_is_one_mail(void **state)
{
	struct mail a = { 0 }, b = { 0 };
	struct fixture f;

	(void)state;
	fixture_make(&f);
	a.queue_to = "c@far.example";
	fixture_send(&f, &a, 500, 1);
	fixture_run(&f);
	fixture_send(&f, &b, 500, 1);
	b.d.append.header.id = a.d.append.header.id;
	fixture_run(&f);
	test_int(a.result, 0);
	test_int(b.result, 0);
	fixture_verify(&f, 1, 0);
	buf_deinit(&a.d.append.envelope);
	buf_deinit(&b.d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
one_failure_does_not_hurt_its_neighbours(void **state)
{
	struct mail a = { 0 }, b = { 0 }, c = { 0 };
	struct fixture f;

	(void)state;
	fixture_make(&f);
	fixture_send(&f, &a, 100, 1);
	fixture_send(&f, &b, 100, 2);
	b.account = 4711;
	fixture_send(&f, &c, 100, 3);
	fixture_run(&f);
	test_int(a.result, 0);
	test_int(b.result, STORE_E_NO_ACCOUNT);
	test_int(c.result, 0);
	fixture_verify(&f, 2, 0);
	buf_deinit(&a.d.append.envelope);
	buf_deinit(&b.d.append.envelope);
	buf_deinit(&c.d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
}

/* What nobody got is not kept for ever: a large one goes at once, a small one
 * with its segment. */
static void
bytes_of_nobody_are_collected(void **state)
{
	static const size_t each[] = { 100, 300000 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct verify_report report = { 0 };
		struct mail m = { 0 };
		struct fixture f;

		test_case(i == 0 ? "small" : "large");
		fixture_make(&f);
		fixture_send(&f, &m, each[i], 1);
		m.account = 4711;
		fixture_run(&f);
		test_int(m.result, STORE_E_NO_ACCOUNT);
		test_int(store_verify(f.store, &report), 0);
		test_int(report.orphans, 0);
		buf_deinit(&m.d.append.envelope);
		fixture_close(&f);
		fixture_open(&f, false, 0);
		fixture_verify(&f, 0, 0);
		fixture_close(&f);
		fixture_drop(&f);
	}
}

/* Each large body holds a file open while it comes. */
static void
too_many_files_are_no_reason_to_end(void **state)
{
	struct rlimit before, few;
	struct mail m[4] = { 0 };
	struct fixture f;
	int next;

	(void)state;
	fixture_make(&f);
	fixture_send(&f, &m[0], 300000, 1); /* starts the threads */
	fixture_run(&f);
	test_int(m[0].result, 0);
	next = dup(0);
	(void)close(next);
	test_int(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ (rlim_t)next, before.rlim_max };
	test_int(setrlimit(RLIMIT_NOFILE, &few), 0);
	fixture_send(&f, &m[1], 300000, 2);
	fixture_run(&f);
	fixture_send(&f, &m[2], 300000, 3);
	fixture_run(&f);
	test_int(setrlimit(RLIMIT_NOFILE, &before), 0);
	test_true(m[1].result < 0 && m[2].result < 0);
	test_true(!f.is_broken);
	fixture_send(&f, &m[3], 300000, 4);
	fixture_run(&f);
	test_int(m[3].result, 0);
	fixture_verify(&f, 2, 0);
	for (unsigned i = 0; i < 4; i++)
		buf_deinit(&m[i].d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
}

/* A reader that stays keeps the log from being moved; mail goes on. */
static void
a_long_read_stops_nobody(void **state)
{
	static struct mail mails[400];
	struct q_count_accounts row;
	struct fixture f;
	struct db *db;
	int r;

	(void)state;
	memset(mails, 0, sizeof(mails));
	fixture_make(&f);
	db = store_reader_take(f.store, &r);
	assert_non_null(db);
	test_int(db_begin_read(db), 0);
	test_int(DB_ONE(count_accounts, db, &row, 0), 0);
	for (unsigned i = 0; i < 400; i++) {
		fixture_send(&f, &mails[i], 100, i);
		for (int tries = 0; tries < 1000 && !mails[i].is_done; tries++)
			fixture_run_for(&f, 5);
		test_true(mails[i].is_done);
		test_int(mails[i].result, 0);
		buf_deinit(&mails[i].d.append.envelope);
	}
	/* else this shows nothing */
	test_true(db_log_pages(store_writer(f.store)) > 2048);
	db_rollback(db);
	store_reader_give(f.store, db);
	fixture_run(&f);
	fixture_verify(&f, 400, 0);
	fixture_close(&f);
	fixture_drop(&f);
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
	fixture_make(&f);
	fixture_send(&f, &a, 1000, 1);
	fixture_send(&f, &b, 1000, 2);
	fixture_run(&f);
	segment_path(a.d.append.place.segment, segment);
	(void)snprintf(path, sizeof(path), "%s/%s", f.path, segment);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	test_int(pread(fd, &byte, 1, (off_t)a.d.append.place.body + 10), 1);
	byte ^= 1;
	test_int(pwrite(fd, &byte, 1, (off_t)a.d.append.place.body + 10), 1);
	(void)close(fd);
	fixture_verify(&f, 2, 1);
	buf_deinit(&a.d.append.envelope);
	buf_deinit(&b.d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
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
	struct uid_range range;
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
	fixture_run(f);
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
	int r;

	if (strcmp(c->name, "INBOX") == 0) {
		c->copy.account = c->f->account;
		c->copy.to = slice_cstr(c->to);
		r = mailbox_rename_inbox(db, &c->copy);
		free(c->copy.pairs);
		c->copy.pairs = NULL;
		c->copy.size = 0;
		return r;
	}
	return mailbox_rename(db, c->f->account, slice_cstr(c->name),
	    slice_cstr(c->to), 0);
}

static int
run_delete(struct db *db, struct change *c)
{
	return mailbox_delete(db, c->f->account, slice_cstr(c->name), 0,
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
	fixture_make(&f);
	for (unsigned i = 0; i < 300; i++)
		fixture_send(&f, &mails[i], 50, i);
	fixture_run(&f);
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
	fixture_verify(&f, 300, 0);

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
	fixture_verify(&f, 10, 0);
	for (unsigned i = 0; i < 300; i++)
		buf_deinit(&mails[i].d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
}

/* RFC 3501, 6.3.5: INBOX keeps what names it. */
static void
renamed_inbox_is_empty(void **state)
{
	static struct mail mails[300];
	struct q_mailbox_by_name before, box;
	struct change c = { .name = "INBOX", .to = "old" };
	struct fixture f;

	(void)state;
	memset(mails, 0, sizeof(mails));
	fixture_make(&f);
	for (unsigned i = 0; i < 300; i++)
		fixture_send(&f, &mails[i], 50, i);
	fixture_run(&f);
	(void)box_number(&f, "INBOX", &before);
	test_int(do_change(&f, &c, run_rename), 0);
	test_int(box_number(&f, "INBOX", &box), before.mailbox);
	test_int(box.messages, 0);
	test_int(box.unseen, 0);
	test_int(box.uidnext, 301);
	test_int(box.uidvalidity, before.uidvalidity);
	(void)box_number(&f, "old", &box);
	test_int(box.messages, 300);
	test_int(box.uidnext, 301);
	test_int(box.modseq, c.copy.modseq);
	fixture_verify(&f, 300, 0);
	for (unsigned i = 0; i < 300; i++)
		buf_deinit(&mails[i].d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
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
	{ "a parent goes", run_delete, "q/deep", NULL, 0 },
	{ "its children keep its name", run_rename, "q/deep", "w", 0 },
	{ "they went along", run_create, "w/er/r/b/c", NULL, STORE_E_EXISTS },
	{ "nothing is left", run_rename, "q/deep", "v", STORE_E_NO_MAILBOX },
	{ "inbox onto another", run_rename, "INBOX", "w/er", STORE_E_EXISTS },
	{ "inbox", run_rename, "INBOX", "old/mail", 0 },
	{ "inbox is still there", run_create, "INBOX", NULL, STORE_E_EXISTS },
	{ "with its parent", run_delete, "old", NULL, 0 },
	{ "delete", run_delete, "old/mail", NULL, 0 },
	{ "delete again", run_delete, "old", NULL, STORE_E_NO_MAILBOX },
	{ "delete inbox", run_delete, "inbox", NULL, STORE_E_FORBIDDEN },
};

static int
run_remove_account(struct db *db, struct change *c)
{
	(void)c;
	return account_remove(db, SLICE("anna@one.example"));
}

static int
run_add_account(struct db *db, struct change *c)
{
	return account_add(db, SLICE("anna@one.example"), SLICE("Anna"),
	    SLICE("verifier"), 0, env_wall(c->f->env) + 60 * TIME_SECOND,
	    &c->f->account);
}

/* A client that knows the old account must not take the new one's for it. */
static void
an_account_made_anew_has_other_mailboxes(void **state)
{
	struct q_mailbox_by_name before, after;
	struct change c = { 0 };
	struct fixture f;

	(void)state;
	fixture_make(&f);
	(void)box_number(&f, "INBOX", &before);
	test_int(do_change(&f, &c, run_remove_account), 0);
	test_int(do_change(&f, &c, run_add_account), 0);
	(void)box_number(&f, "INBOX", &after);
	test_true(after.uidvalidity > before.uidvalidity);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
mailboxes_come_and_go(void **state)
{
	struct mail m = { 0 };
	struct fixture f;

	(void)state;
	fixture_make(&f);
	fixture_send(&f, &m, 10, 1);
	fixture_run(&f);
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		struct change c = { .name = boxes[i].name, .to = boxes[i].to };

		test_case(boxes[i].what);
		test_int(do_change(&f, &c, boxes[i].run), boxes[i].want);
	}
	test_case("its mail went with the renamed inbox");
	fixture_verify(&f, 0, 0);
	buf_deinit(&m.d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
}

/* -- opening
 * ------------------------------------------------------------------------- */

/* Told by name, so that somebody can act; the file put back is all it needs. */
static void
a_damaged_database_is_told(void **state)
{
	uint8_t was[8192], junk[8192];
	char path[128];
	struct fixture f;
	int fd;

	(void)state;
	fixture_make(&f);
	fixture_close(&f);
	(void)snprintf(path, sizeof(path), "%s/ulak.db", f.path);
	memset(junk, 0xff, sizeof(junk));
	fd = open(path, O_RDWR);
	test_int(pread(fd, was, sizeof(was), 0), sizeof(was));
	test_int(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	fixture_open(&f, false, STORE_E_DAMAGED);
	test_int(pwrite(fd, was, sizeof(was), 0), sizeof(was));
	test_int(close(fd), 0);
	fixture_open(&f, false, 0);
	fixture_close(&f);
	fixture_drop(&f);
}

/* One email in more mailboxes than anybody needs: all of them count it. */
static void
flags_reach_every_mailbox(void **state)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct mail m = { 0 };
	struct change c = { 0 };
	struct fixture f;
	char name[16];

	(void)state;
	fixture_make(&f);
	fixture_send(&f, &m, 10, 1);
	fixture_run(&f);
	c.copy = (struct mailbox_copy){ .account = f.account,
		.mailbox = box_number(&f, "INBOX", NULL),
		.ranges = &all,
		.n_ranges = 1 };
	for (unsigned i = 0; i < 150; i++) {
		(void)snprintf(name, sizeof(name), "box %u", i);
		c.name = name;
		c.copy.to = slice_cstr(name);
		test_int(do_change(&f, &c, run_create), 0);
		test_int(do_change(&f, &c, run_copy), 0);
	}
	free(c.copy.pairs);
	for (unsigned i = 0; i < 2; i++) {
		c.work = (struct mailbox_work){ .account = f.account,
			.mailbox = c.copy.mailbox,
			.ranges = &all,
			.n_ranges = 1,
			.mode = i == 0 ? FLAGS_ADD : FLAGS_REMOVE,
			.flags = FLAG_SEEN,
			.keywords = SLICE("") };
		test_int(do_change(&f, &c, run_flags), 0);
		fixture_verify(&f, 1, 0);
	}
	buf_deinit(&m.d.append.envelope);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
a_newer_store_is_not_touched(void **state)
{
	struct stat before, after;
	char path[128];
	struct fixture f;

	(void)state;
	fixture_make(&f);
	test_int(DB_EXEC(meta_set, store_writer(f.store),
		     .key = SLICE("schema_version"), .value = SLICE("99")),
	    0);
	fixture_close(&f);
	(void)snprintf(path, sizeof(path), "%s/ulak.db", f.path);
	test_int(stat(path, &before), 0);
	fixture_open(&f, false, STORE_E_NEWER);
	fixture_open(&f, true, STORE_E_NEWER);
	test_int(stat(path, &after), 0);
	test_int(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	test_int(before.st_size, after.st_size);
	fixture_drop(&f);
}

static void
absent_locked_and_keyless_are_told_apart(void **state)
{
	struct fixture f, g = { 0 };
	char path[128];

	(void)state;
	fixture_make(&f);
	g = f;
	fixture_open(&g, false, STORE_E_LOCKED);
	fixture_close(&f);
	(void)snprintf(path, sizeof(path), "%s/segments/key", f.path);
	test_int(unlink(path), 0);
	fixture_open(&f, false, STORE_E_KEY);
	(void)snprintf(path, sizeof(path), "%s/ulak.db", f.path);
	test_int(unlink(path), 0);
	fixture_open(&f, false, STORE_E_ABSENT);
	fixture_drop(&f);
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
		{ "no address", "what", ACCOUNT_E_ADDRESS, 0, 0 },
	};
	struct rcpt_request ask = { 0 };
	struct rcpt_result result;
	struct arena arena;
	struct fixture f;

	(void)state;
	fixture_make(&f);
	test_int(store_alias_add(f.store, SLICE("all@one.example"),
		     SLICE("anna@one.example")),
	    0);
	test_int(store_alias_add(f.store, SLICE("all@one.example"),
		     SLICE("far@two.example")),
	    0);
	test_int(store_alias_add(f.store, SLICE("loop@one.example"),
		     SLICE("loop@one.example")),
	    ACCOUNT_E_LOOP);
	test_int(store_alias_add(f.store, SLICE("anna@one.example"),
		     SLICE("x@two.example")),
	    ACCOUNT_E_EXISTS);
	test_int(store_account_add(f.store, SLICE("b@two.example"), SLICE(""),
		     SLICE(""), NULL),
	    ACCOUNT_E_NO_DOMAIN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].what);
		arena_init(&arena, 1 << 20);
		ask.typed = slice_cstr(rows[i].address);
		test_int(rcpt_lookup(store_writer(f.store), &ask, &arena,
			     &result),
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
	fixture_close(&f);
	fixture_drop(&f);
}

TEST_MAIN(cmocka_unit_test(bodies_of_all_sizes_survive),
    cmocka_unit_test(many_go_in_groups_and_segments_follow),
    cmocka_unit_test(the_same_id_twice_is_one_mail),
    cmocka_unit_test(one_failure_does_not_hurt_its_neighbours),
    cmocka_unit_test(bytes_of_nobody_are_collected),
    cmocka_unit_test(a_long_read_stops_nobody),
    cmocka_unit_test(too_many_files_are_no_reason_to_end),
    cmocka_unit_test(verify_finds_a_wrong_byte),
    cmocka_unit_test(flags_copy_expunge),
    cmocka_unit_test(flags_reach_every_mailbox),
    cmocka_unit_test(renamed_inbox_is_empty),
    cmocka_unit_test(mailboxes_come_and_go),
    cmocka_unit_test(an_account_made_anew_has_other_mailboxes),
    cmocka_unit_test(a_damaged_database_is_told),
    cmocka_unit_test(a_newer_store_is_not_touched),
    cmocka_unit_test(absent_locked_and_keyless_are_told_apart),
    cmocka_unit_test(names_of_people))
