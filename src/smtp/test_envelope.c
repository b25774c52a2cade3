/* SPDX-License-Identifier: ISC */
/* What a client says of a mail to whom, and what it does not send at all. */
#include "base/test.h"
#include "base/time.h"
#include "smtp/envelope.h"

/* 2026-11-23T05:46:07Z */
#define SOME_DAY (INT64_C(1795412767) * TIME_SECOND)
#define UTF8 SMTP_EXT_SMTPUTF8 | SMTP_EXT_8BITMIME

static const struct slice rcpts[] = {
	{ (const uint8_t *)"r0@two.example", 14 },
	{ (const uint8_t *)"r1@two.example", 14 },
	{ (const uint8_t *)"r2@three.example", 16 },
};

static const struct {
	const char *what;
	struct smtp_offer offer;
	struct smtp_client_mail mail;
	const char *want; /* a code, or the line */
} mails[] = {
	{ "nothing", { .ext = 0 }, { .size = 9 }, "MAIL FROM:<a@one.example>" },
	{ "everything, to who knows nothing", { 0 },
	    { .size = 9,
		.ret = SMTP_RET_FULL,
		.envid = SLICE("e"),
		.by_mode = SMTP_BY_NOTIFY,
		.priority = 3 },
	    "MAIL FROM:<a@one.example>" },
	{ "everything", { .ext = SMTP_EXT_ALL },
	    { .size = 9,
		.is_8bit = true,
		.is_smtputf8 = true,
		.requires_tls = true,
		.is_verified = true,
		.ret = SMTP_RET_FULL,
		.envid = SLICE("e+2B"),
		.by_mode = SMTP_BY_RETURN,
		.by_trace = true,
		.by_seconds = 98,
		.priority = -4 },
	    "MAIL FROM:<a@one.example> SIZE=9 BODY=8BITMIME SMTPUTF8 "
	    "REQUIRETLS "
	    "RET=FULL ENVID=e+2B BY=98;RT MT-PRIORITY=-4" },
	{ "too large", { .ext = SMTP_EXT_SIZE, .max_size = 8 }, { .size = 9 },
	    "552 5.3.4" },
	{ "large enough", { .ext = SMTP_EXT_SIZE, .max_size = 9 },
	    { .size = 9 }, "MAIL FROM:<a@one.example> SIZE=9" },
	{ "8-bit, to 7", { 0 }, { .is_8bit = true }, "554 5.6.3" },
	{ "binary, to 8", { .ext = SMTP_EXT_8BITMIME },
	    { .is_8bit = true, .is_binary = true }, "554 5.6.3" },
	{ "binary, without chunks", { .ext = SMTP_EXT_BINARYMIME },
	    { .is_binary = true }, "554 5.6.3" },
	{ "binary", { .ext = SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING },
	    { .is_8bit = true, .is_binary = true },
	    "MAIL FROM:<a@one.example> BODY=BINARYMIME" },
	{ "SMTPUTF8 for ASCII, to who knows it", { .ext = UTF8 },
	    { .is_smtputf8 = true }, "MAIL FROM:<a@one.example> SMTPUTF8" },
	{ "SMTPUTF8 for ASCII", { 0 }, { .is_smtputf8 = true },
	    "MAIL FROM:<a@one.example>" },
	{ "SMTPUTF8 in the content", { .ext = SMTP_EXT_8BITMIME },
	    { .is_smtputf8 = true, .is_8bit = true }, "554 5.6.9" },
	{ "UTF-8 in the sender", { .ext = SMTP_EXT_8BITMIME },
	    { .sender = SLICE("\xc3\xa9@one.example") }, "554 5.6.7" },
	{ "UTF-8 in the sender, to who knows it", { .ext = UTF8 },
	    { .sender = SLICE("\xc3\xa9@one.example") },
	    "MAIL FROM:<\xc3\xa9@one.example> SMTPUTF8" },
	{ "REQUIRETLS, and nothing is verified", { .ext = SMTP_EXT_REQUIRETLS },
	    { .requires_tls = true }, "550 5.7.10" },
	{ "REQUIRETLS, not offered", { .ext = SMTP_EXT_STARTTLS },
	    { .requires_tls = true, .is_verified = true }, "550 5.7.30" },
	{ "REQUIRETLS of a bounce, not offered", { 0 },
	    { .sender = SLICE("<>"), .requires_tls = true }, "MAIL FROM:<>" },
	{ "REQUIRETLS of a bounce, not verified",
	    { .ext = SMTP_EXT_REQUIRETLS },
	    { .sender = SLICE("<>"), .requires_tls = true }, "MAIL FROM:<>" },
	{ "REQUIRETLS of a bounce", { .ext = SMTP_EXT_REQUIRETLS },
	    { .sender = SLICE("<>"),
		.requires_tls = true,
		.is_verified = true },
	    "MAIL FROM:<> REQUIRETLS" },
	{ "no RET with a report (RFC 3461, 6.1)", { .ext = SMTP_EXT_DSN },
	    { .sender = SLICE("<>"),
		.ret = SMTP_RET_HDRS,
		.envid = SLICE("e") },
	    "MAIL FROM:<> ENVID=e" },
	{ "BY=;R, to who knows no BY", { .ext = SMTP_EXT_DSN },
	    { .by_mode = SMTP_BY_RETURN, .by_seconds = 100 }, "554 5.4.7" },
	{ "BY=;R, to who needs longer",
	    { .ext = SMTP_EXT_DELIVERBY, .min_by = 101 },
	    { .by_mode = SMTP_BY_RETURN, .by_seconds = 100 }, "554 5.4.7" },
	{ "BY=;R, just in time", { .ext = SMTP_EXT_DELIVERBY, .min_by = 100 },
	    { .by_mode = SMTP_BY_RETURN, .by_seconds = 100 },
	    "MAIL FROM:<a@one.example> BY=100;R" },
	{ "BY=;R, too late", { .ext = SMTP_EXT_DELIVERBY },
	    { .by_mode = SMTP_BY_RETURN }, "554 5.4.7" },
	{ "BY=;N, late, and less than it needs",
	    { .ext = SMTP_EXT_DELIVERBY, .min_by = 100 },
	    { .by_mode = SMTP_BY_NOTIFY, .by_seconds = -7 },
	    "MAIL FROM:<a@one.example> BY=-7;N" },
	{ "BY, nine digits", { .ext = SMTP_EXT_DELIVERBY },
	    { .by_mode = SMTP_BY_NOTIFY,
		.by_trace = true,
		.by_seconds = INT64_MIN },
	    "MAIL FROM:<a@one.example> BY=-999999999;NT" },
	{ "no priority is one, too (RFC 6710, 4.2)",
	    { .ext = SMTP_EXT_MT_PRIORITY }, { .size = 0 },
	    "MAIL FROM:<a@one.example> MT-PRIORITY=0" },
	{ "a sender that is no address", { 0 },
	    { .sender = SLICE("a@b.example> X=y") }, "553 5.1.7" },
};

/* What must be converted for whom, and to what; -1: nothing. */
static const struct {
	const char *name;
	unsigned ext;
	struct smtp_client_mail mail;
	int want;
} converted[] = {
	{ "7-bit", 0, { .size = 1 }, -1 },
	{ "8-bit", 0, { .is_8bit = true }, CONVERT_7BIT },
	{ "8-bit, taken", SMTP_EXT_8BITMIME, { .is_8bit = true }, -1 },
	{ "binary", 0, { .is_binary = true }, CONVERT_7BIT },
	{ "binary to lines", SMTP_EXT_8BITMIME,
	    { .is_8bit = true, .is_binary = true }, CONVERT_8BIT },
	{ "binary, without chunks", SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME,
	    { .is_8bit = true, .is_binary = true }, CONVERT_8BIT },
	{ "binary, taken", SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING,
	    { .is_8bit = true, .is_binary = true }, -1 },
	{ "international", SMTP_EXT_8BITMIME,
	    { .is_8bit = true, .is_smtputf8 = true }, CONVERT_ASCII_HEADER },
	{ "international, 7-bit", 0, { .is_8bit = true, .is_smtputf8 = true },
	    CONVERT_7BIT },
	{ "an international sender", 0,
	    { .sender = SLICE("\xc3\xa9@one.example"), .is_8bit = true }, -1 },
	{ "it was", SMTP_EXT_8BITMIME,
	    { .is_8bit = true, .is_smtputf8 = true, .is_converted = true },
	    -1 },
};

/* "<>" in the tables is nobody; nothing is a@one.example. */
static struct smtp_client_mail
fill(struct smtp_client_mail m)
{
	if (m.sender.len == 0)
		m.sender = SLICE("a@one.example");
	else if (m.sender.len == 2)
		m.sender.len = 0;
	if (m.n_rcpts == 0) {
		m.rcpts = rcpts;
		m.n_rcpts = 3;
	}
	return m;
}

static void
check(struct verdict v, const char *line, const char *want)
{
	char text[64];

	if (want[0] < '0' || want[0] > '9') {
		test_int(v.code, 0);
		test_slice(slice_cstr(line), slice_cstr(want));
		return;
	}
	(void)snprintf(text, sizeof(text), "%u %u.%u.%u", v.code, v.esc.class,
	    v.esc.subject, v.esc.detail);
	test_slice(slice_cstr(text), slice_cstr(want));
	test_true(v.text.len > 0);
}

static void
says_of_mails(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		struct smtp_client_mail m = fill(mails[i].mail);
		char line[SMTP_ENVELOPE_LINE];

		test_case(mails[i].what);
		smtp_envelope_mail(&mails[i].offer, &m, line);
		check(smtp_envelope_check(&mails[i].offer, &m), line,
		    mails[i].want);
	}
}

static const struct {
	const char *what;
	struct smtp_offer offer;
	struct slice rcpt;
	struct smtp_rcpt_wish wish;
	uint8_t by_mode;
	const char *want;
} wishes[] = {
	{ "nothing", { .ext = SMTP_EXT_ALL }, SLICE("r@x.example"), { 0 }, 0,
	    "RCPT TO:<r@x.example>" },
	{ "all of DSN", { .ext = SMTP_EXT_DSN }, SLICE("r@x.example"),
	    { .notify = 14, .orcpt = SLICE("rfc822;A+2Bb@X.example") }, 0,
	    "RCPT TO:<r@x.example> NOTIFY=SUCCESS,FAILURE,DELAY "
	    "ORCPT=rfc822;A+2Bb@X.example" },
	{ "DSN, to who knows none", { 0 }, SLICE("r@x.example"),
	    { .notify = 1, .orcpt = SLICE("rfc822;a@x.example") }, 0,
	    "RCPT TO:<r@x.example>" },
	{ "NEVER", { .ext = SMTP_EXT_DSN }, SLICE("r@x.example"),
	    { .notify = 1 }, SMTP_BY_NOTIFY,
	    "RCPT TO:<r@x.example> NOTIFY=NEVER" },
	{ "BY=;N without BY (RFC 2852, 4.1.4.2)", { .ext = SMTP_EXT_DSN },
	    SLICE("r@x.example"), { 0 }, SMTP_BY_NOTIFY,
	    "RCPT TO:<r@x.example> NOTIFY=FAILURE,DELAY" },
	{ "the same, with wishes", { .ext = SMTP_EXT_DSN },
	    SLICE("r@x.example"), { .notify = 2 }, SMTP_BY_NOTIFY,
	    "RCPT TO:<r@x.example> NOTIFY=SUCCESS,DELAY" },
	{ "BY=;N with BY", { .ext = SMTP_EXT_DSN | SMTP_EXT_DELIVERBY },
	    SLICE("r@x.example"), { 0 }, SMTP_BY_NOTIFY,
	    "RCPT TO:<r@x.example>" },
	{ "ORCPT in UTF-8", { .ext = SMTP_EXT_DSN | UTF8 },
	    SLICE("r@x.example"),
	    { .orcpt = SLICE("utf-8;\xc3\xa9@x.example") }, 0,
	    "RCPT TO:<r@x.example> ORCPT=utf-8;\xc3\xa9@x.example" },
	{ "ORCPT in UTF-8, to ASCII (RFC 6533, 3)", { .ext = SMTP_EXT_DSN },
	    SLICE("r@x.example"),
	    { .orcpt = SLICE("utf-8;\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80@x") },
	    0,
	    "RCPT TO:<r@x.example> ORCPT=utf-8;\\x{E9}\\x{20AC}\\x{1F600}@x" },
	{ "RRVS", { .ext = SMTP_EXT_RRVS }, SLICE("r@x.example"),
	    { .rrvs = SOME_DAY }, 0,
	    "RCPT TO:<r@x.example> RRVS=2026-11-23T05:46:07Z;R" },
	{ "RRVS, and it may go on", { .ext = SMTP_EXT_RRVS },
	    SLICE("r@x.example"), { .rrvs = SOME_DAY, .rrvs_continue = true },
	    0, "RCPT TO:<r@x.example> RRVS=2026-11-23T05:46:07Z;C" },
	{ "RRVS, to who cannot say (RFC 7293)", { .ext = SMTP_EXT_DSN },
	    SLICE("r@x.example"), { .rrvs = SOME_DAY }, 0, "550 5.7.19" },
	{ "the same, and it may go on", { .ext = SMTP_EXT_DSN },
	    SLICE("r@x.example"), { .rrvs = SOME_DAY, .rrvs_continue = true },
	    0, "RCPT TO:<r@x.example>" },
	{ "UTF-8", { .ext = UTF8 }, SLICE("\xc3\xa9@x.example"), { 0 }, 0,
	    "RCPT TO:<\xc3\xa9@x.example>" },
	{ "UTF-8, to ASCII", { 0 }, SLICE("\xc3\xa9@x.example"), { 0 }, 0,
	    "553 5.6.7" },
	{ "no address", { 0 }, SLICE("r@x.example> NOTIFY=NEVER"), { 0 }, 0,
	    "553 5.1.3" },
};

static void
says_of_recipients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct smtp_client_mail m =
		    fill((struct smtp_client_mail){ .rcpts = &wishes[i].rcpt,
			.n_rcpts = 1,
			.wishes = &wishes[i].wish,
			.by_mode = wishes[i].by_mode });
		char line[SMTP_ENVELOPE_LINE];

		test_case(wishes[i].what);
		smtp_envelope_rcpt(&wishes[i].offer, &m, 0, line);
		check(smtp_envelope_check_rcpt(&wishes[i].offer, &m, 0), line,
		    wishes[i].want);
	}
}

static void
keeps_limits(void **state)
{
	static const struct {
		struct smtp_offer offer;
		unsigned taken; /* a bit for each of the three */
	} cases[] = {
		{ { 0 }, 7 },
		{ { .max_rcpts = 3 }, 7 },
		{ { .max_rcpts = 2 }, 3 },
		{ { .max_domains = 1 }, 3 },
		{ { .max_domains = 2 }, 7 },
		{ { .max_domains = 2, .max_rcpts = 1 }, 1 },
	};
	struct smtp_client_mail m = fill((struct smtp_client_mail){ 0 });

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned taken = 0;

		for (unsigned k = 0; k < 3; k++) {
			struct verdict v =
			    smtp_envelope_check_rcpt(&cases[i].offer, &m, k);

			test_true(v.code == 0 || v.code == 452);
			taken |= v.code == 0 ? 1u << k : 0;
		}
		test_int(taken, cases[i].taken);
	}
}

/* Nothing is cut in the middle; what is too long is not said. */
static void
bounds_lines(void **state)
{
	static uint8_t bytes[600];
	struct smtp_offer all = { .ext = SMTP_EXT_ALL };
	struct smtp_offer ascii = { .ext = SMTP_EXT_DSN };
	struct smtp_rcpt_wish wish = { .notify = 14, .rrvs = SOME_DAY };
	struct smtp_client_mail m =
	    fill((struct smtp_client_mail){ .wishes = &wish });
	char line[SMTP_ENVELOPE_LINE];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	wish.orcpt = slice_of(bytes, SMTP_ORCPT_MAX);
	m.envid = slice_of(bytes, SMTP_ENVID_MAX);
	smtp_envelope_rcpt(&all, &m, 0, line);
	test_true(slice_ends(slice_cstr(line), SLICE(";R")));
	smtp_envelope_mail(&all, &m, line);
	test_true(slice_ends(slice_cstr(line), SLICE(" MT-PRIORITY=0")));
	wish.orcpt.len++;
	m.envid.len++;
	smtp_envelope_rcpt(&all, &m, 0, line);
	test_true(slice_find(slice_cstr(line), SLICE("ORCPT")) == SIZE_MAX);
	smtp_envelope_mail(&all, &m, line);
	test_true(slice_find(slice_cstr(line), SLICE("ENVID")) == SIZE_MAX);
	for (size_t i = 0; i < 400; i += 2)
		memcpy(bytes + i, "\xc3\xa9", 2);
	wish.orcpt.len = 400; /* 1,200 as \x{E9} */
	smtp_envelope_rcpt(&ascii, &m, 0, line);
	test_slice(slice_cstr(line),
	    SLICE("RCPT TO:<r0@two.example> NOTIFY=SUCCESS,FAILURE,DELAY"));
	wish.orcpt = SLICE("utf-8;\xc3");
	smtp_envelope_rcpt(&ascii, &m, 0, line);
	test_true(slice_find(slice_cstr(line), SLICE("ORCPT")) == SIZE_MAX);
}

static void
converts_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(converted) / sizeof(converted[0]); i++) {
		struct smtp_client_mail m = fill(converted[i].mail);
		struct smtp_offer o = { .ext = converted[i].ext };
		enum convert_goal goal;
		int got = -1;

		test_case(converted[i].name);
		if (smtp_envelope_converts(&o, &m, &goal))
			got = (int)goal;
		test_int(got, converted[i].want);
	}
}

/* Why it could not be is what its sender reads. */
static void
says_why_it_is_unfit(void **state)
{
	struct smtp_client_mail m = fill((struct smtp_client_mail){
	    .is_8bit = true, .unfit = SLICE("it has a signed part") });
	struct smtp_offer o = { 0 };

	(void)state;
	test_case("unfit");
	test_slice(smtp_envelope_check(&o, &m).text,
	    SLICE("it has a signed part"));
}

TEST_MAIN(cmocka_unit_test(converts_by_table),
    cmocka_unit_test(says_why_it_is_unfit), cmocka_unit_test(says_of_mails),
    cmocka_unit_test(says_of_recipients), cmocka_unit_test(keeps_limits),
    cmocka_unit_test(bounds_lines))
