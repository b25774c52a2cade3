/* SPDX-License-Identifier: ISC */
/*
 * What is expunged can be brought back as it was, weighs nothing meanwhile,
 * and goes for good when its time is over, its bytes with it.
 */
#include "store/mailbox.h"
#include "store/store_fixture.h"
#include "store/undelete.h"

enum {
	MAILS = 250,
	THEN = 1000
};

struct change {
	struct store_write write;
	struct fixture *f;
	int (*run)(struct db *db, struct change *c);
	struct mailbox_work work;
	struct undelete undelete;
	uint64_t n;
	int64_t before;
	int result;
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
	c->write = (struct store_write){ .lane = STORE_LANE_BULK,
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
	return mailbox_flags(db, &c->work);
}

static int
run_expunge(struct db *db, struct change *c)
{
	return mailbox_expunge(db, &c->work);
}

static int
run_restore(struct db *db, struct change *c)
{
	return undelete_restore(db, &c->undelete);
}

static int
run_forget(struct db *db, struct change *c)
{
	return undelete_forget(db, &c->undelete);
}

static int
run_sweep(struct db *db, struct change *c)
{
	return undelete_sweep(db, c->before, &c->n);
}

static int
run_quota(struct db *db, struct change *c)
{
	return DB_EXEC(account_quota, db, .account = c->f->account,
	    .quota = c->n);
}

static struct q_mailbox_by_name
box(struct fixture *f, const char *name)
{
	struct q_mailbox_by_name row = { 0 };

	(void)DB_ONE(mailbox_by_name, store_writer(f->store), &row,
	    .account = f->account, .name = slice_cstr(name));
	return row;
}

static uint64_t
used(struct fixture *f)
{
	struct q_account_get row = { 0 };

	test_int(DB_ONE(account_get, store_writer(f->store), &row,
		     .account = f->account),
	    0);
	return row.used_bytes;
}

static const struct uid_range all = { 1, UINT32_MAX };

/* MAILS mails in INBOX, each with a keyword, all expunged. */
static void
make_expunged(struct fixture *f, struct change *c)
{
	static struct mail mails[MAILS];

	memset(mails, 0, sizeof(mails));
	fixture_make(f);
	for (unsigned i = 0; i < MAILS; i++)
		fixture_send(f, &mails[i], 50, i);
	fixture_run(f);
	c->work = (struct mailbox_work){ .account = f->account,
		.mailbox = box(f, "INBOX").mailbox,
		.ranges = &all,
		.n_ranges = 1,
		.mode = FLAGS_ADD,
		.flags = FLAG_FLAGGED | FLAG_DELETED,
		.keywords = SLICE("work"),
		.kept_at = THEN };
	test_int(do_change(f, c, run_flags), 0);
	c->work.at = c->work.next = 0;
	test_int(do_change(f, c, run_expunge), 0);
	test_int(box(f, "INBOX").messages, 0);
	for (unsigned i = 0; i < MAILS; i++)
		buf_deinit(&mails[i].d.append.envelope);
}

static void
back_as_it_was(void **state)
{
	struct q_entry_scan row = { 0 };
	struct change c = { 0 };
	struct db_rows rows;
	struct fixture f;

	(void)state;
	make_expunged(&f, &c);
	test_int(used(&f), 0);
	fixture_verify(&f, MAILS, 0); /* the bytes are there */

	c.undelete.filter.account = f.account;
	c.undelete.now = 2000;
	c.undelete.filter.since = THEN + 1;
	test_int(do_change(&f, &c, run_restore), 0);
	test_int(c.undelete.n_done, 0);
	c.undelete.filter.since = THEN;
	c.undelete.filter.mailbox = SLICE("INBOX");
	test_int(do_change(&f, &c, run_restore), 0);
	test_int(c.undelete.n_done, MAILS);
	test_int(box(&f, "INBOX").messages, MAILS);
	test_int(box(&f, "INBOX").deleted, 0); /* or CLOSE would take them */
	test_int(box(&f, "INBOX").uidnext, 2 * MAILS + 1);
	test_int(used(&f), MAILS * 50);
	test_int(DB_MANY(entry_scan, store_writer(f.store), &rows,
		     .account = f.account, .mailbox = c.work.mailbox, .lo = 1,
		     .hi = UINT32_MAX, .limit = 1),
	    0);
	test_int(q_entry_scan_next(&rows, &row), 0);
	test_int(row.flags, FLAG_FLAGGED);
	test_slice(row.keywords, SLICE("work"));
	db_rows_close(&rows);
	fixture_verify(&f, MAILS, 0);

	/* once more does no harm */
	c.undelete.n_done = 0;
	memset(&c.undelete.after, 0, sizeof(c.undelete.after));
	test_int(do_change(&f, &c, run_restore), 0);
	test_int(c.undelete.n_done, 0);
	test_int(box(&f, "INBOX").messages, MAILS);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
into_a_new_mailbox_as_far_as_the_quota_goes(void **state)
{
	struct change c = { 0 };
	struct fixture f;

	(void)state;
	make_expunged(&f, &c);
	c.n = 10 * 50;
	test_int(do_change(&f, &c, run_quota), 0);
	c.undelete.filter.account = f.account;
	c.undelete.to = SLICE("Back/Again");
	test_int(do_change(&f, &c, run_restore), 0);
	test_int(c.undelete.n_done, 10);
	test_int(c.undelete.n_over_quota, MAILS - 10);
	test_int(box(&f, "Back/Again").messages, 10);
	fixture_verify(&f, MAILS, 0);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
gone_for_good(void **state)
{
	struct change c = { 0 };
	struct fixture f;

	(void)state;
	make_expunged(&f, &c);
	c.before = THEN; /* not yet */
	test_int(do_change(&f, &c, run_sweep), 0);
	test_int(c.n, 0);
	fixture_verify(&f, MAILS, 0);
	c.before = THEN + 1;
	test_int(do_change(&f, &c, run_sweep), 0);
	test_int(c.n, MAILS);
	fixture_verify(&f, 0, 0);
	fixture_close(&f);
	fixture_drop(&f);

	memset(&c, 0, sizeof(c));
	make_expunged(&f, &c);
	c.undelete.filter.account = f.account;
	test_int(do_change(&f, &c, run_forget), 0);
	test_int(c.undelete.n_done, MAILS);
	fixture_verify(&f, 0, 0);
	fixture_close(&f);
	fixture_drop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(back_as_it_was),
		cmocka_unit_test(into_a_new_mailbox_as_far_as_the_quota_goes),
		cmocka_unit_test(gone_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
