/* SPDX-License-Identifier: ISC */
/*
 * Threads of an account: by References, in whichever order mails come, and an
 * email's thread never changes (RFC 8621, 4.1.1; docs/decisions/0062)
 */
#include "mail/summary.h"
#include "store/mailbox.h"
#include "store/store_fixture.h"

enum {
	MAILS = 4
};

struct arrival {
	struct store_write write;
	struct fixture *f;
	struct delivery d;
	struct buf summary;
	int result;
};

static int
apply_arrival(struct db *db, struct store_write *w)
{
	struct arrival *a = LIST_ENTRY(w, struct arrival, write);

	return mailbox_deliver(db, &a->d);
}

static void
done_arrival(struct store_write *w, int r)
{
	struct arrival *a = LIST_ENTRY(w, struct arrival, write);

	a->result = r;
	a->f->n_waiting--;
}

/* The id of its thread. */
static int64_t
arrive(struct fixture *f, const char *text, struct id *ret_message)
{
	struct arrival a = { .f = f };
	struct q_email_thread row = { 0 };

	buf_init(&a.summary, LIMIT_SUMMARY);
	test_int(summary_make(slice_cstr(text), &a.summary), 0);
	id_make(&f->ids, env_wall(f->env), env_random_u64(f->env),
	    &a.d.message);
	*ret_message = a.d.message;
	a.d.account = f->account;
	a.d.keywords = SLICE("");
	a.d.summary = buf_slice(&a.summary);
	a.write = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_arrival,
		.done = done_arrival };
	f->n_waiting++;
	store_submit(f->store, &a.write);
	fixture_run(f);
	test_int(a.result, 0);
	buf_deinit(&a.summary);
	test_int(DB_ONE(email_thread, store_writer(f->store), &row,
		     .account = f->account, .message = *ret_message),
	    0);
	return row.thread;
}

static int64_t
thread_of(struct fixture *f, const struct id *message)
{
	struct q_email_thread row = { 0 };

	test_int(DB_ONE(email_thread, store_writer(f->store), &row,
		     .account = f->account, .message = *message),
	    0);
	return row.thread;
}

static const char *const conversation[MAILS] = {
	"Message-ID: <a@x>\r\nSubject: hi\r\n\r\n",
	"Message-ID: <b@x>\r\nSubject: AW: hi\r\nReferences: <a@x>\r\n\r\n",
	"Message-ID: <c@x>\r\nSubject: Re: hi\r\nReferences: <a@x>\r\n <b@x>"
	"\r\n\r\n",
	"Message-ID: <d@x>\r\nSubject: other\r\nReferences: <a@x> <b@x> "
	"<c@x>\r\n\r\n",
};

static void
in_any_order(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		unsigned order[MAILS] = { n & 3, n >> 2 & 3, n >> 4 & 3,
			n >> 6 };
		struct fixture f;
		struct id id;
		int64_t first = 0;

		if ((1u << order[0] | 1u << order[1] | 1u << order[2] |
			1u << order[3]) != 15)
			continue;
		if (n % 5 != 0 && order[0] == 0) /* a few of the easy ones */
			continue;
		fixture_make(&f);
		for (size_t i = 0; i < MAILS; i++) {
			int64_t thread =
			    arrive(&f, conversation[order[i]], &id);

			first = i == 0 ? thread : first;
			test_int(thread, first);
		}
		fixture_close(&f);
		fixture_drop(&f);
	}
}

static void
strangers_and_late_links(void **state)
{
	struct id a, b, c, d;
	struct fixture f;
	int64_t one, two;

	(void)state;
	fixture_make(&f);
	one = arrive(&f, "Message-ID: <a@x>\r\nSubject: hi\r\n\r\n", &a);
	/* the same subject alone joins nobody */
	two = arrive(&f,
	    "Message-ID: <c@x>\r\nSubject: Re: hi\r\nIn-Reply-To: "
	    "<b@x>\r\n\r\n",
	    &c);
	assert_true(one != two);
	/* what lies between them comes last: it joins the older one, and
	 * nobody's thread changes */
	test_int(arrive(&f, "Message-ID: <b@x>\r\nIn-Reply-To: <a@x>\r\n\r\n",
		     &b),
	    one);
	test_int(thread_of(&f, &a), one);
	test_int(thread_of(&f, &c), two);
	/* without anything to go by, each is alone */
	assert_true(arrive(&f, "Subject: hi\r\n\r\n", &d) !=
	    arrive(&f, "Subject: hi\r\n\r\n", &d));
	fixture_close(&f);
	fixture_drop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_any_order),
		cmocka_unit_test(strangers_and_late_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
