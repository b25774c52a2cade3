/* SPDX-License-Identifier: ISC */
/* What is made of the lines of a reply to EHLO. */
#include "base/test.h"
#include "smtp/auth.h"
#include "smtp/offer.h"

static const struct {
	const char *line;
	struct smtp_offer want;
} lines[] = {
	{ "", { 0 } },
	{ " ", { 0 } },
	{ "X-ULAK", { 0 } },
	{ "dsn", { .ext = SMTP_EXT_DSN } },
	{ "DSNX", { 0 } },
	{ "8BITMIME", { .ext = SMTP_EXT_8BITMIME } },
	{ "CHUNKING", { .ext = SMTP_EXT_CHUNKING } },
	{ "BINARYMIME", { .ext = SMTP_EXT_BINARYMIME } },
	{ "SMTPUTF8 x", { .ext = SMTP_EXT_SMTPUTF8 } },
	{ "REQUIRETLS", { .ext = SMTP_EXT_REQUIRETLS } },
	{ "MT-PRIORITY MIXER", { .ext = SMTP_EXT_MT_PRIORITY } },
	{ "RRVS", { .ext = SMTP_EXT_RRVS } },
	{ "pipelining", { .pipelining = true } },
	{ "SIZE", { .ext = SMTP_EXT_SIZE } },
	{ "SIZE 1000", { .ext = SMTP_EXT_SIZE, .max_size = 1000 } },
	{ "SIZE x", { .ext = SMTP_EXT_SIZE } },
	{ "SIZE 99999999999999999999", { .ext = SMTP_EXT_SIZE } },
	{ "AUTH LOGIN  PLAIN",
	    { .ext = SMTP_EXT_AUTH,
		.auth = SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN } },
	{ "AUTH PLAINER", { .ext = SMTP_EXT_AUTH } },
	{ "AUTH=PLAIN", { 0 } },
	{ "DELIVERBY", { .ext = SMTP_EXT_DELIVERBY } },
	{ "DELIVERBY 240", { .ext = SMTP_EXT_DELIVERBY, .min_by = 240 } },
	{ "DELIVERBY 30,x", { .ext = SMTP_EXT_DELIVERBY, .min_by = 30 } },
	{ "DELIVERBY -1", { .ext = SMTP_EXT_DELIVERBY } },
	{ "DELIVERBY 1000000000", { .ext = SMTP_EXT_DELIVERBY } },
	{ "LIMITS", { .ext = SMTP_EXT_LIMITS } },
	{ "LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1",
	    { .ext = SMTP_EXT_LIMITS,
		.max_rcpts = 20,
		.max_mails = 5,
		.max_domains = 1 } },
	{ "limits rcptmax=7 X=y FUTURE=3",
	    { .ext = SMTP_EXT_LIMITS, .max_rcpts = 7 } },
	{ "LIMITS RCPTMAX=0 MAILMAX=x RCPTDOMAINMAX=1000000 RCPTMAX",
	    { .ext = SMTP_EXT_LIMITS } },
};

static void
reads_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct smtp_offer *want = &lines[i].want;
		struct slice line = test_exact_copy(slice_cstr(lines[i].line));
		struct smtp_offer got = { 0 };

		test_case(lines[i].line);
		smtp_offer_read(&got, line);
		test_int(got.ext, want->ext);
		test_int(got.pipelining, want->pipelining);
		test_int(got.auth, want->auth);
		test_int(got.max_size, want->max_size);
		test_int(got.min_by, want->min_by);
		test_int(got.max_rcpts, want->max_rcpts);
		test_int(got.max_mails, want->max_mails);
		test_int(got.max_domains, want->max_domains);
		test_free_copy(line);
	}
}

TEST_MAIN(cmocka_unit_test(reads_lines))
