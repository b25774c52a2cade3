/* SPDX-License-Identifier: ISC */
/* The parameters of MAIL and RCPT, value by value. */
#include "base/test.h"
#include "base/time.h"
#include "smtp/param.h"

enum {
	OK = SMTP_PARAMS_OK,
	SYNTAX = SMTP_PARAMS_E_SYNTAX,
	VALUE = SMTP_PARAMS_E_VALUE,
	TWICE = SMTP_PARAMS_E_TWICE,
	CONFLICT = SMTP_PARAMS_E_CONFLICT,
	TOO_SOON = SMTP_PARAMS_E_TOO_SOON,
	UNKNOWN = SMTP_PARAMS_E_UNKNOWN,
	NEEDS_TLS = SMTP_PARAMS_E_NEEDS_TLS,
	NEEDS_UTF8 = SMTP_PARAMS_E_NEEDS_UTF8,
	ALL = SMTP_EXT_ALL
};

static const struct {
	const char *args;
	unsigned offered;
	int want;
} mails[] = {
	{ "", 0, OK },
	{ " ", 0, OK },
	{ " SIZE=0", ALL, OK },
	{ " SIZE=99999999999999999999", ALL, OK },
	{ " SIZE=100000000000000000000", ALL, VALUE },
	{ " SIZE=-1", ALL, VALUE },
	{ " SIZE=", ALL, SYNTAX },
	{ " SIZE", ALL, VALUE },
	{ " SIZE=1 size=1", ALL, TWICE },
	{ " SIZE=1", ALL & ~SMTP_EXT_SIZE, UNKNOWN },
	{ " BODY=7bit", ALL, OK },
	{ " BODY=8BITMIME", ALL, OK },
	{ " BODY=BINARYMIME", ALL, OK },
	{ " BODY=BINARYMIME", ALL & ~SMTP_EXT_BINARYMIME, VALUE },
	{ " BODY=9BIT", ALL, VALUE },
	{ " AUTH=<>", ALL, OK },
	{ " AUTH=a+3Db@one.example", ALL, OK },
	{ " AUTH=a+3db@one.example", ALL, VALUE },
	{ " AUTH=a+", ALL, VALUE },
	{ " AUTH=\xc3\xa9", ALL, VALUE },
	{ " SMTPUTF8", ALL, OK },
	{ " SMTPUTF8=1", ALL, VALUE },
	{ " SMTPUTF8 smtputf8", ALL, TWICE },
	{ " RET=FULL", ALL, OK },
	{ " RET=hdrs", ALL, OK },
	{ " RET=BODY", ALL, VALUE },
	{ " RET=FULL RET=HDRS", ALL, TWICE },
	{ " RET=FULL", ALL & ~SMTP_EXT_DSN, UNKNOWN },
	{ " ENVID=QQ314159", ALL, OK },
	{ " ENVID=a+20b", ALL, OK },
	{ " ENVID=a+0Ab", ALL, VALUE }, /* not printable behind xtext */
	{ " ENVID=a+2", ALL, VALUE },
	{ " REQUIRETLS", ALL, OK },
	{ " REQUIRETLS=1", ALL, VALUE },
	{ " REQUIRETLS", ALL & ~SMTP_EXT_REQUIRETLS, NEEDS_TLS },
	{ " REQUIRETLS",
	    ALL & ~(unsigned)(SMTP_EXT_REQUIRETLS | SMTP_EXT_STARTTLS),
	    UNKNOWN },
	{ " HOLDFOR=1", ALL, OK },
	{ " HOLDFOR=999999999", ALL, OK },
	{ " HOLDFOR=1000000000", ALL, VALUE },
	{ " HOLDFOR=0", ALL, VALUE },
	{ " HOLDFOR=01", ALL, VALUE },
	{ " HOLDFOR=1s", ALL, VALUE },
	{ " HOLDUNTIL=2027-01-01T00:00:00Z", ALL, OK },
	{ " HOLDUNTIL=2027-01-01T00:00:00+01:00", ALL, VALUE },
	{ " HOLDUNTIL=2027-02-30T00:00:00Z", ALL, VALUE },
	{ " HOLDUNTIL=tomorrow", ALL, VALUE },
	{ " HOLDFOR=1 HOLDUNTIL=2027-01-01T00:00:00Z", ALL, CONFLICT },
	{ " HOLDUNTIL=2027-01-01T00:00:00Z HOLDFOR=1", ALL, CONFLICT },
	{ " BY=120;R", ALL, OK },
	{ " BY=+120;nt", ALL, OK },
	{ " BY=-120;N", ALL, OK },
	{ " BY=0;N", ALL, OK },
	{ " BY=0;R", ALL, VALUE },
	{ " BY=-120;R", ALL, VALUE },
	{ " BY=59;R", ALL, TOO_SOON },
	{ " BY=120", ALL, VALUE },
	{ " BY=;R", ALL, VALUE },
	{ " BY=120;X", ALL, VALUE },
	{ " BY=120;RTT", ALL, VALUE },
	{ " BY=1000000000;R", ALL, VALUE },
	{ " MT-PRIORITY=0", ALL, OK },
	{ " MT-PRIORITY=9", ALL, OK },
	{ " MT-PRIORITY=-9", ALL, OK },
	{ " MT-PRIORITY=-0", ALL, VALUE },
	{ " MT-PRIORITY=+3", ALL, VALUE },
	{ " MT-PRIORITY=10", ALL, VALUE },
	{ " NOTIFY=NEVER", ALL, UNKNOWN },
	{ " X-NEW=1", ALL, UNKNOWN },
	{ "SIZE=1", ALL, SYNTAX },
	{ " =1", ALL, SYNTAX },
	{ " -A=1", ALL, SYNTAX },
	{ " SIZE=1=2", ALL, SYNTAX },
	{ " SIZE =1", ALL, VALUE },
	{ " \tSIZE=1", ALL, SYNTAX },
};

static void
of_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		struct slice in = test_exact_copy(slice_cstr(mails[i].args));
		struct smtp_mail_params p;
		struct slice name;

		test_case(mails[i].args);
		test_int(smtp_mail_params_parse(in, mails[i].offered, &p,
			     &name),
		    mails[i].want);
		test_free_copy(in);
	}
}

static const struct {
	const char *args;
	bool is_smtputf8;
	int want;
} rcpts[] = {
	{ "", false, OK },
	{ " NOTIFY=NEVER", false, OK },
	{ " NOTIFY=success,failure,DELAY", false, OK },
	{ " NOTIFY=NEVER,SUCCESS", false, VALUE },
	{ " NOTIFY=SUCCESS,NEVER", false, VALUE },
	{ " NOTIFY=SUCCESS,,DELAY", false, VALUE },
	{ " NOTIFY=SUCCESS,", false, VALUE },
	{ " NOTIFY=ALWAYS", false, VALUE },
	{ " NOTIFY", false, VALUE },
	{ " NOTIFY=NEVER NOTIFY=NEVER", false, TWICE },
	{ " ORCPT=rfc822;a@one.example", false, OK },
	{ " ORCPT=rfc822;a+2Bb@one.example", false, OK },
	{ " ORCPT=rfc822;a+b@one.example", false, VALUE },
	{ " ORCPT=a@one.example", false, VALUE },
	{ " ORCPT=;a@one.example", false, VALUE },
	{ " ORCPT=rfc822;", false, VALUE },
	{ " ORCPT=rfc822;\xc3\xa9@one.example", false, VALUE },
	{ " ORCPT=utf-8;\xc3\xa9@one.example", true, OK },
	{ " ORCPT=utf-8;\xc3\xa9@one.example", false, NEEDS_UTF8 },
	{ " ORCPT=utf-8;\\x{E9}@one.example", false, OK },
	{ " ORCPT=utf-8;\\x{D800}@one.example", false, VALUE },
	{ " ORCPT=utf-8;\\x{110000}@one.example", false, VALUE },
	{ " ORCPT=utf-8;\\x{E9@one.example", false, VALUE },
	{ " ORCPT=utf-8;a\\b@one.example", false, VALUE },
	{ " ORCPT=utf-8;\xff@one.example", true, VALUE },
	{ " RRVS=2026-01-01T00:00:00Z", false, OK },
	{ " RRVS=2026-01-01T00:00:00+01:00;C", false, OK },
	{ " RRVS=2026-01-01T00:00:00Z;r", false, OK },
	{ " RRVS=2026-01-01T00:00:00Z;X", false, VALUE },
	{ " RRVS=2026-01-01T00:00:00Z;", false, VALUE },
	{ " RRVS=2026-01-01", false, VALUE },
	{ " SIZE=1", false, UNKNOWN },
};

static void
of_rcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rcpts) / sizeof(rcpts[0]); i++) {
		struct slice in = test_exact_copy(slice_cstr(rcpts[i].args));
		struct smtp_rcpt_params p;
		struct slice name;

		test_case(rcpts[i].args);
		test_int(smtp_rcpt_params_parse(in, ALL, rcpts[i].is_smtputf8,
			     &p, &name),
		    rcpts[i].want);
		test_free_copy(in);
	}
}

/* Not only taken: taken as what they say. */
static void
values(void **state)
{
	struct smtp_mail_params m;
	struct smtp_rcpt_params r;
	struct slice name;

	(void)state;
	test_int(smtp_mail_params_parse(
		     SLICE(" SIZE=77 BODY=BINARYMIME SMTPUTF8 RET=HDRS "
			   "ENVID=e1 REQUIRETLS HOLDFOR=60 BY=-5;NT "
			   "MT-PRIORITY=-3"),
		     ALL, &m, &name),
	    OK);
	test_int(m.size, 77);
	test_int(m.body, SMTP_BODY_BINARYMIME);
	test_true(m.is_smtputf8 && m.requires_tls && m.has_by_trace);
	test_int(m.ret, SMTP_RET_HDRS);
	test_slice(m.envid, SLICE("e1"));
	test_int(m.hold_for, 60);
	test_int(m.by_mode, SMTP_BY_NOTIFY);
	test_int(m.by_seconds, -5);
	test_int(m.priority, -3);
	test_int(smtp_rcpt_params_parse(SLICE(" NOTIFY=SUCCESS,DELAY "
					      "ORCPT=rfc822;x "
					      "RRVS=1970-01-01T00:00:09Z;C"),
		     ALL, false, &r, &name),
	    OK);
	test_int(r.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
	test_slice(r.orcpt, SLICE("rfc822;x"));
	test_int(r.rrvs, 9 * TIME_SECOND);
	test_true(r.rrvs_may_continue);
	test_int(smtp_mail_params_parse(SLICE(" BY=1;X"), ALL, &m, &name),
	    VALUE);
	test_slice(name, SLICE("BY"));
}

static const struct {
	struct slice lines;
	unsigned kind;
	bool is_ok;
	unsigned want;
} withhelds[] = {
	{ SLICE(""), 0, true, 0 },
	{ SLICE("CHUNKING"), 3, true, SMTP_EXT_CHUNKING },
	{ SLICE("chunking\nDSN"), 0, true, SMTP_EXT_CHUNKING | SMTP_EXT_DSN },
	{ SLICE("lmtp:CHUNKING\nmx:DSN"), 3, true, SMTP_EXT_CHUNKING },
	{ SLICE("lmtp:CHUNKING\nmx:DSN"), 0, true, SMTP_EXT_DSN },
	{ SLICE("lmtp:CHUNKING\nmx:DSN"), 1, true, 0 },
	{ SLICE("CHUNKIN"), 0, false, 0 },
	{ SLICE("imap:CHUNKING"), 0, false, 0 },
	{ SLICE("CHUNKING\n\nDSN"), 0, false, 0 },
	{ SLICE(":DSN"), 0, false, 0 },
};

static void
withheld(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(withhelds) / sizeof(withhelds[0]); i++) {
		unsigned got = 0;

		test_int(smtp_withheld_parse(withhelds[i].lines,
			     withhelds[i].kind, &got),
		    withhelds[i].is_ok);
		test_int(got, withhelds[i].want);
	}
}

TEST_MAIN(cmocka_unit_test(withheld), cmocka_unit_test(of_mail),
    cmocka_unit_test(of_rcpt), cmocka_unit_test(values))
