/* SPDX-License-Identifier: ISC */
/* Where mails begin and end in a file, what is taken out of them, and that
 * what is written is read back. */
#include "base/test.h"
#include "base/time.h"
#include "mail/mbox.h"

#define FROM "From a@two.example Wed Nov  5 07:08:09 2025\n"

static const struct {
	const char *what;
	struct slice file;
	size_t n;
	struct slice mails[3];
	uint8_t flags;
	struct slice keywords;
} files[] = {
	{ "one", SLICE(FROM "Subject: x\n\nHi\n\n"), 1,
	    { SLICE("Subject: x\r\n\r\nHi\r\n") } },
	{ "two, without an empty line at the end",
	    SLICE(FROM "A: x\n\nHi\n\n" FROM "B: y\n\nHo\n"), 2,
	    { SLICE("A: x\r\n\r\nHi\r\n"), SLICE("B: y\r\n\r\nHo\r\n") } },
	{ "From in a text", SLICE(FROM "A: x\n\n\nFrom here on\n\n"), 1,
	    { SLICE("A: x\r\n\r\n\r\nFrom here on\r\n") } },
	{ "From without an empty line before it",
	    SLICE(FROM "A: x\n\nHi\n" FROM "Ho\n\n"), 1,
	    { SLICE("A: x\r\n\r\nHi\r\nFrom a@two.example Wed Nov  5 07:08:09 "
		    "2025\r\nHo\r\n") } },
	{ "quoted (mboxrd)",
	    SLICE(FROM "A: x\n\n>From me\n>>From you\n> From\n\n"), 1,
	    { SLICE("A: x\r\n\r\nFrom me\r\n>From you\r\n> From\r\n") } },
	{ "a length that fits, and a line that is not quoted (mboxcl2)",
	    SLICE(FROM "Content-Length: 57\n\nHi\n>From\n\n" FROM "Ho\n\n" FROM
		       "B: y\n\nHo\n"),
	    2,
	    { SLICE("Content-Length: 57\r\n\r\nHi\r\n>From\r\n\r\nFrom "
		    "a@two.example Wed Nov  5 07:08:09 2025\r\nHo\r\n"),
		SLICE("B: y\r\n\r\nHo\r\n") } },
	{ "a length that lies",
	    SLICE(FROM "Content-Length: 20\n\nHi\n\n" FROM "B: y\n\nHo\n"), 2,
	    { SLICE("Content-Length: 20\r\n\r\nHi\r\n"),
		SLICE("B: y\r\n\r\nHo\r\n") } },
	{ "words of the mailbox",
	    SLICE(FROM "Status: RO\nA: x\nX-Status: AFD\nX-Keywords: a  b\n"
		       "X-UID: 7\nX-IMAPbase: 1 7\n\nHi\n"),
	    1, { SLICE("A: x\r\n\r\nHi\r\n") },
	    MBOX_SEEN | MBOX_ANSWERED | MBOX_FLAGGED | MBOX_DELETED,
	    SLICE(" a  b ") },
	{ "its own line ends",
	    SLICE("From a Wed Nov  5 07:08:09 2025\r\nA: x\r\n\r\nHi\rHo\r\n"),
	    1, { SLICE("A: x\r\n\r\nHi\rHo\r\n") } },
	{ "no mailbox", SLICE("A: x\n\nHi\n"), 0, { { 0 } } },
	{ "nothing", SLICE(""), 0, { { 0 } } },
};

static void
mails_of_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct slice file = test_exact_copy(files[i].file);
		struct slice rest = file;
		struct mbox_words words = { 0 };
		struct mbox_mail m;
		struct buf mail;
		size_t n = 0;

		test_case(files[i].what);
		buf_init(&words.keywords, 1024);
		while (mbox_next(&rest, &m)) {
			assert_true(n < files[i].n);
			buf_init(&mail, 4096);
			test_int(mbox_read(&m, &mail, &words), 0);
			test_slice(buf_slice(&mail), files[i].mails[n]);
			assert_true(m.has_date);
			buf_deinit(&mail);
			n++;
		}
		test_int(n, files[i].n);
		if (files[i].flags != 0) {
			test_int(words.flags, files[i].flags);
			test_slice(buf_slice(&words.keywords),
			    files[i].keywords);
		}
		buf_deinit(&words.keywords);
		free((void *)(uintptr_t)file.at);
	}
}

static const struct {
	struct slice line;
	bool is_one;
	int64_t seconds;
	int zone;
} dates[] = {
	{ SLICE("From a Thu Jan  1 00:00:00 1970\n"), true, 0, 0 },
	{ SLICE("From a b Wed Nov  5 07:08:09 2025\n"), true, 1762326489, 0 },
	{ SLICE("From a Wed Nov  5 09:08:09 2025 +0200\n"), true, 1762326489,
	    120 },
	{ SLICE("From a Wed Nov 05 07:08:09 GMT 2025\n"), true, 1762326489, 0 },
	{ SLICE("From a Thu Feb 29 12:00 2024\n"), true, 1709208000, 0 },
	{ SLICE("From me to you\n"), false, 0, 0 },
	{ SLICE("From a Wed Nov  5 25:08:09 2025\n"), false, 0, 0 },
	{ SLICE("From a Wed Nov\n"), false, 0, 0 },
};

static void
dates_of_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		struct slice line = test_exact_copy(dates[i].line);
		struct slice rest = line;
		struct mbox_mail m;
		bool is_one = mbox_next(&rest, &m);

		test_int(is_one, dates[i].is_one);
		if (is_one) {
			test_int(m.date, dates[i].seconds * TIME_SECOND);
			test_int(m.zone, dates[i].zone);
		}
		free((void *)(uintptr_t)line.at);
	}
}

static void
written_and_read(void **state)
{
	const struct slice mail =
	    SLICE("A: x\r\n\r\nFrom me\r\n>From you\r\n\r\n");
	struct mbox_words words = { 0 };
	struct mbox_mail m;
	struct buf file, back;
	struct slice rest;

	(void)state;
	buf_init(&file, 4096);
	buf_init(&back, 4096);
	buf_init(&words.keywords, 64);
	test_int(mbox_print(mail, 1762326489 * TIME_SECOND,
		     MBOX_SEEN | MBOX_DRAFT, SLICE("a b"), &file),
	    0);
	test_int(mbox_print(mail, 0, 0, SLICE(""), &file), 0);
	test_slice(buf_slice(&file),
	    SLICE("From MAILER-DAEMON Wed Nov  5 07:08:09 2025\nStatus: RO\n"
		  "X-Status: T\nX-Keywords: a b\nA: x\n\n>From me\n>>From "
		  "you\n\n\n"
		  "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nStatus: O\n"
		  "X-Status: \nA: x\n\n>From me\n>>From you\n\n\n"));
	rest = buf_slice(&file);
	for (int i = 0; i < 2; i++) {
		buf_reset(&back, 4096);
		assert_true(mbox_next(&rest, &m));
		test_int(mbox_read(&m, &back, &words), 0);
		test_slice(buf_slice(&back), mail);
	}
	test_int(rest.len, 1);
	buf_deinit(&file);
	buf_deinit(&back);
	buf_deinit(&words.keywords);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_of_files),
		cmocka_unit_test(dates_of_lines),
		cmocka_unit_test(written_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
