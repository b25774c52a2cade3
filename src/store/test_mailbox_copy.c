/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "store/mailbox.h"
#include "store/store_fixture.h"

enum {
	MAILS = 300
};

/* One COPY or MOVE as the role store makes it; `fails`: what comes behind it
 * in its transaction. */
struct task {
	struct store_write write;
	struct fixture *f;
	struct mailbox_copy copy;
	int fails, result;
};

static struct mail mails[MAILS];

static int
apply_task(struct db *db, struct store_write *w)
{
	struct task *t = LIST_ENTRY(w, struct task, write);
	int r = mailbox_copy(db, &t->copy);

	return r == 0 ? t->fails : r;
}

static void
done_task(struct store_write *w, int r)
{
	struct task *t = LIST_ENTRY(w, struct task, write);

	t->result = r;
	t->f->n_waiting--;
}

static int
run(struct fixture *f, struct task *t, const char *to,
    const struct uid_range *ranges, size_t n, bool is_move)
{
	t->f = f;
	t->copy.account = f->account;
	t->copy.ranges = ranges;
	t->copy.n_ranges = n;
	t->copy.to = slice_cstr(to);
	t->copy.is_move = is_move;
	t->copy.now = 77;
	t->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_task,
		.done = done_task };
	f->n_waiting++;
	store_submit(f->store, &t->write);
	fixture_run(f);
	return t->result;
}

static struct q_mailbox_by_name
box(struct fixture *f, const char *name)
{
	struct q_mailbox_by_name row = { 0 };

	test_int(DB_ONE(mailbox_by_name, store_writer(f->store), &row,
		     .account = f->account, .name = slice_cstr(name)),
	    0);
	return row;
}

static void
begin(struct fixture *f, struct task *t)
{
	memset(mails, 0, sizeof(mails));
	memset(t, 0, sizeof(*t));
	fixture_make(f);
	for (unsigned i = 0; i < MAILS; i++)
		fixture_send(f, &mails[i], 50, i);
	fixture_run(f);
	t->copy.mailbox = box(f, "INBOX").mailbox;
}

static void
end(struct fixture *f, struct task *t)
{
	free(t->copy.pairs);
	for (unsigned i = 0; i < MAILS; i++)
		buf_deinit(&mails[i].d.append.envelope);
	fixture_close(f);
	fixture_drop(f);
}

static void
a_move_is_whole(void **state)
{
	static const struct uid_range some[] = { { 2, 2 }, { 11, 270 },
		{ 300, UINT32_MAX } };
	struct q_entry_of_email row;
	struct db_rows rows;
	struct fixture f;
	struct task t;

	(void)state;
	begin(&f, &t);
	test_int(run(&f, &t, "Archive", some, 3, true), 0);
	test_int(t.copy.n_pairs, 262);
	test_int(t.copy.pairs[0].from, 2);
	test_int(t.copy.pairs[0].to, 1);
	test_int(t.copy.pairs[261].from, 300);
	test_int(t.copy.pairs[261].to, 262);
	test_int(box(&f, "INBOX").messages, MAILS - 262);
	test_int(box(&f, "INBOX").unseen, MAILS - 262);
	test_int(box(&f, "INBOX").modseq, t.copy.modseq);
	test_int(box(&f, "Archive").messages, 262);
	test_int(box(&f, "Archive").modseq, t.copy.modseq);
	/* it is where it went, and nowhere else */
	test_int(DB_MANY(entry_of_email, store_writer(f.store), &rows,
		     .account = f.account,
		     .message = mails[1].d.append.header.id),
	    0);
	test_int(q_entry_of_email_next(&rows, &row), 0);
	test_int(row.mailbox, box(&f, "Archive").mailbox);
	test_int(row.modseq, t.copy.modseq);
	test_int(q_entry_of_email_next(&rows, &row), DB_NONE);
	db_rows_close(&rows);
	fixture_verify(&f, MAILS, 0);
	end(&f, &t);
}

/* The row of a change goes with its entry: nothing is told of a uid that is
 * not there. */
static void
what_moves_leaves_a_tombstone(void **state)
{
	static const struct uid_range five = { 5, 5 };
	struct q_tombstone_scan row;
	struct db_rows rows;
	struct fixture f;
	struct task t;

	(void)state;
	begin(&f, &t);
	test_int(run(&f, &t, "Trash", &five, 1, true), 0);
	test_int(DB_MANY(tombstone_scan, store_writer(f.store), &rows,
		     .mailbox = t.copy.mailbox, .since = t.copy.modseq - 1),
	    0);
	test_int(q_tombstone_scan_next(&rows, &row), 0);
	test_int(row.uid, 5);
	test_int(q_tombstone_scan_next(&rows, &row), DB_NONE);
	db_rows_close(&rows);
	end(&f, &t);
}

static void
into_itself(void **state)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct fixture f;
	struct task t;

	(void)state;
	begin(&f, &t);
	test_int(run(&f, &t, "INBOX", &all, 1, false), 0);
	test_int(t.copy.n_pairs, MAILS);
	test_int(box(&f, "INBOX").messages, 2 * MAILS);
	test_int(run(&f, &t, "INBOX", &all, 1, true), 0);
	test_int(t.copy.n_pairs, 2 * MAILS);
	test_int(t.copy.pairs[0].to, 2 * MAILS + 1);
	test_int(box(&f, "INBOX").messages, 2 * MAILS);
	test_int(box(&f, "INBOX").uidnext, 4 * MAILS + 1);
	fixture_verify(&f, MAILS, 0);
	end(&f, &t);
}

static void
what_fails_leaves_nothing(void **state)
{
	static const struct uid_range overlap[] = { { 1, 20 }, { 20, 30 } };
	static const struct uid_range all = { 1, UINT32_MAX };
	struct fixture f;
	struct task t;

	(void)state;
	begin(&f, &t);
	test_int(run(&f, &t, "Trash", overlap, 2, true), STORE_E_FORBIDDEN);
	test_int(run(&f, &t, "none", &all, 1, true), STORE_E_NO_MAILBOX);
	t.fails = STORE_E_QUOTA;
	test_int(run(&f, &t, "Trash", &all, 1, true), STORE_E_QUOTA);
	test_int(box(&f, "INBOX").messages, MAILS);
	test_int(box(&f, "Trash").messages, 0);
	test_int(box(&f, "Trash").uidnext, 1);
	fixture_verify(&f, MAILS, 0);
	end(&f, &t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_is_whole),
		cmocka_unit_test(what_moves_leaves_a_tombstone),
		cmocka_unit_test(into_itself),
		cmocka_unit_test(what_fails_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
