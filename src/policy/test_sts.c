/* SPDX-License-Identifier: ISC */
/* What counts as an MTA-STS record and policy (RFC 8461, 3), whom it lets in
 * (4.1), and when it is used, fetched again or done without (3.3, 5.1). */
#include "base/test.h"
#include "policy/sts.h"

#define ID32 "12345678901234567890123456789012"

static const struct {
	const char *what;
	struct slice text;
	int want;
	const char *id;
} records[] = {
	{ "the RFC's own", SLICE("v=STSv1; id=20160831085700Z;"), STS_OK,
	    "20160831085700Z" },
	{ "no delimiter at the end", SLICE("v=STSv1;id=a"), STS_OK, "a" },
	{ "blanks round the delimiters", SLICE("v=STSv1; \t id=a \t; x=y ; "),
	    STS_OK, "a" },
	{ "unknown fields first", SLICE("v=STSv1; x_-.9=<>!; id=b;"), STS_OK,
	    "b" },
	{ "of two the first", SLICE("v=STSv1; id=a; id=b;"), STS_OK, "a" },
	{ "the longest id", SLICE("v=STSv1; id=" ID32), STS_OK, ID32 },
	{ "a longer id", SLICE("v=STSv1; id=" ID32 "3"), STS_E_SYNTAX, NULL },
	{ "an id with a dot", SLICE("v=STSv1; id=1.2"), STS_E_SYNTAX, NULL },
	{ "an empty id", SLICE("v=STSv1; id=;"), STS_E_SYNTAX, NULL },
	{ "no id", SLICE("v=STSv1; x=y;"), STS_E_SYNTAX, NULL },
	{ "only a version", SLICE("v=STSv1;"), STS_E_SYNTAX, NULL },
	{ "no delimiter at all", SLICE("v=STSv1"), STS_E_ABSENT, NULL },
	{ "two delimiters", SLICE("v=STSv1;; id=a"), STS_E_SYNTAX, NULL },
	{ "rubbish behind", SLICE("v=STSv1; id=a b"), STS_E_SYNTAX, NULL },
	{ "a value with =", SLICE("v=STSv1; id=a; x=y=z"), STS_E_SYNTAX, NULL },
	{ "another version", SLICE("v=STSv2; id=a;"), STS_E_ABSENT, NULL },
	{ "lower case", SLICE("v=stsv1; id=a;"), STS_E_ABSENT, NULL },
	{ "version not first", SLICE("id=a; v=STSv1;"), STS_E_ABSENT, NULL },
	{ "a blank before", SLICE(" v=STSv1; id=a;"), STS_E_ABSENT, NULL },
	{ "8 bits", SLICE("v=STSv1; id=a; x=\xc3\xa9"), STS_E_SYNTAX, NULL },
	{ "NUL", SLICE("v=STSv1; id=a\0;"), STS_E_SYNTAX, NULL },
	{ "another thing", SLICE("v=spf1 -all"), STS_E_ABSENT, NULL },
	{ "nothing", SLICE(""), STS_E_ABSENT, NULL },
};

static void
one_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct slice in = test_exact_copy(records[i].text);
		char id[STS_ID] = "untouched";

		test_case(records[i].what);
		test_int(sts_record_parse(in, id), records[i].want);
		test_slice(slice_cstr(id),
		    slice_cstr(records[i].id == NULL ? "untouched"
						     : records[i].id));
		test_free_copy(in);
	}
}

static const struct {
	const char *what;
	struct slice rdata[3];
	size_t n;
	int want;
} sets[] = {
	{ "none", { { 0 } }, 0, STS_E_ABSENT },
	{ "one", { SLICE("\x0dv=STSv1; id=7") }, 1, STS_OK },
	{ "in two strings, nothing between", { SLICE("\x05v=STS\x08v1; id=7") },
	    1, STS_OK },
	{ "beside others", { SLICE("\x04spam"), SLICE("\x0dv=STSv1; id=7") }, 2,
	    STS_OK },
	{ "two", { SLICE("\x0dv=STSv1; id=7"), SLICE("\x0dv=STSv1; id=8") }, 2,
	    STS_E_MANY },
	{ "a good and a bad one",
	    { SLICE("\x0dv=STSv1; id=7"), SLICE("\x0dv=STSv1; id-8") }, 2,
	    STS_E_MANY },
	{ "a bad one", { SLICE("\x0dv=STSv1; id-8") }, 1, STS_E_SYNTAX },
	{ "a string that is cut", { SLICE("\x20v=STSv1; id=7") }, 1,
	    STS_E_ABSENT },
};

static void
many_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		char id[STS_ID] = "";

		test_case(sets[i].what);
		test_int(sts_records_read(sets[i].rdata, sets[i].n, id),
		    sets[i].want);
		if (sets[i].want == STS_OK)
			test_slice(slice_cstr(id), SLICE("7"));
	}
}

#define GOOD "version: STSv1\nmode: enforce\nmax_age: 86400\n"

static const struct {
	const char *what;
	struct slice text;
	const char *why; /* NULL: it is good */
	enum sts_mode mode;
	uint32_t max_age;
	const char *mx;
} policies[] = {
	{ "the RFC's own",
	    SLICE("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
		  "mx: *.example.net\r\nmx: backupmx.example.com\r\n"
		  "max_age: 604800\r\n"),
	    NULL, STS_ENFORCE, 604800,
	    "mail.example.com *.example.net backupmx.example.com" },
	{ "LF alone, nothing at the end, any order",
	    SLICE("mx:a.example\nmax_age:0\nmode:testing\nversion:STSv1"), NULL,
	    STS_TESTING, 0, "a.example" },
	{ "blanks behind, tabs between",
	    SLICE("version:\t STSv1 \t\nmode: none\nmax_age: 5\n"), NULL,
	    STS_NONE, 5, "" },
	{ "case of hosts", SLICE(GOOD "mx: *.Example.COM\n"), NULL, STS_ENFORCE,
	    86400, "*.example.com" },
	{ "the first of what is doubled",
	    SLICE(GOOD "mx: a.example\nmode: none\nmax_age: x\nversion: 2\n"),
	    NULL, STS_ENFORCE, 86400, "a.example" },
	{ "unknown fields, also in UTF-8",
	    SLICE(GOOD "mx: a.example\nnote: caf\xc3\xa9 au lait\nMode: x\n"),
	    NULL, STS_ENFORCE, 86400, "a.example" },
	{ "empty lines", SLICE(GOOD "mx: a.example\r\n\r\n  \n"), NULL,
	    STS_ENFORCE, 86400, "a.example" },
	{ "more than a year",
	    SLICE("version: STSv1\nmode: enforce\n"
		  "max_age: 9999999999\nmx: a.example\n"),
	    NULL, STS_ENFORCE, STS_MAX_AGE, "a.example" },
	{ "eleven digits",
	    SLICE("version: STSv1\nmode: enforce\n"
		  "max_age: 00000000001\nmx: a.example\n"),
	    "max_age is not a number of seconds", 0, 0, "" },
	{ "less than nothing",
	    SLICE("version: STSv1\nmode: enforce\n"
		  "max_age: -1\nmx: a.example\n"),
	    "max_age is not a number of seconds", 0, 0, "" },
	{ "no hosts", SLICE(GOOD), "it names no mail host", 0, 0, "" },
	{ "no version", SLICE("mode: none\nmax_age: 1\n"), "it has no version",
	    0, 0, "" },
	{ "no mode", SLICE("version: STSv1\nmax_age: 1\nmx: a.example"),
	    "it has no mode", 0, 0, "" },
	{ "no max_age", SLICE("version: STSv1\nmode: enforce\nmx: a.example"),
	    "it has no max_age", 0, 0, "" },
	{ "another version", SLICE("version: STSv2\nmode: none\nmax_age: 1\n"),
	    "the version is not STSv1", 0, 0, "" },
	{ "a mode of its own", SLICE("version: STSv1\nmode: Enforce\n"),
	    "the mode is none of enforce, testing and none", 0, 0, "" },
	{ "a star inside", SLICE(GOOD "mx: mail.*.example\n"),
	    "a mail host in it is not a domain name", 0, 0, "" },
	{ "a star alone", SLICE(GOOD "mx: *\n"),
	    "a mail host in it is not a domain name", 0, 0, "" },
	{ "two stars", SLICE(GOOD "mx: *.*.example\n"),
	    "a mail host in it is not a domain name", 0, 0, "" },
	{ "a U-label", SLICE(GOOD "mx: caf\xc3\xa9.example\n"),
	    "a mail host in it is not a domain name", 0, 0, "" },
	{ "two hosts in a line", SLICE(GOOD "mx: a.example b.example\n"),
	    "a mail host in it is not a domain name", 0, 0, "" },
	{ "HTML", SLICE("<html><body>404</body></html>"),
	    "a line is not of the form name: value", 0, 0, "" },
	{ "no value", SLICE("version:\n"),
	    "a value is empty or has control octets", 0, 0, "" },
	{ "a bare CR", SLICE("version: STSv1\rmode: none\n"),
	    "a value is empty or has control octets", 0, 0, "" },
	{ "NUL", SLICE("version: STSv1\0\nmode: none\n"),
	    "a value is empty or has control octets", 0, 0, "" },
	{ "Latin-1", SLICE(GOOD "x: caf\xe9\n"), "it is not UTF-8", 0, 0, "" },
	{ "a blank before the name", SLICE(" version: STSv1\n"),
	    "a line is not of the form name: value", 0, 0, "" },
	{ "nothing", SLICE(""), "it has no version", 0, 0, "" },
};

static void
policy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct slice in = test_exact_copy(policies[i].text);
		struct sts_policy got = { 0 };
		const char *why = NULL;
		struct buf mx;

		buf_init(&mx, 2 * STS_MX);
		test_case(policies[i].what);
		test_int(sts_policy_parse(in, &mx, &got, &why),
		    policies[i].why == NULL ? STS_OK : STS_E_SYNTAX);
		if (policies[i].why == NULL) {
			test_int(got.mode, policies[i].mode);
			test_int(got.max_age, policies[i].max_age);
			test_slice(buf_slice(&mx), slice_cstr(policies[i].mx));
			test_true(sts_mx_is_valid(buf_slice(&mx)));
		} else {
			test_slice(slice_cstr(why),
			    slice_cstr(policies[i].why));
		}
		buf_deinit(&mx);
		test_free_copy(in);
	}
}

static void
too_much(void **state)
{
	struct sts_policy got;
	struct buf text, mx;
	const char *why;

	(void)state;
	buf_init(&text, 2 * LIMIT_STS_POLICY);
	buf_init(&mx, 2 * STS_MX);
	(void)buf_add_cstr(&text, GOOD);
	for (int i = 0; i < 1000; i++)
		(void)buf_printf(&text, "mx: host%d.example\n", i);
	test_int(sts_policy_parse(buf_slice(&text), &mx, &got, &why),
	    STS_E_SYNTAX);
	test_slice(slice_cstr(why), SLICE("it names too many mail hosts"));
	while (text.len <= LIMIT_STS_POLICY)
		(void)buf_add_cstr(&text, "note: more\n");
	test_int(sts_policy_parse(buf_slice(&text), &mx, &got, &why),
	    STS_E_SYNTAX);
	test_slice(slice_cstr(why), SLICE("it is too large"));
	buf_deinit(&text);
	buf_deinit(&mx);
}

static const struct {
	const char *mx, *host;
	bool want;
} hosts[] = {
	{ "mail.example.com", "mail.example.com", true },
	{ "mail.example.com", "MAIL.example.com.", true },
	{ "mail.example.com", "mail2.example.com", false },
	{ "mail.example.com", "x.mail.example.com", false },
	{ "*.example.com", "mail.example.com", true },
	{ "*.example.com", "example.com", false },
	{ "*.example.com", "foo.bar.example.com", false },
	{ "*.example.com", ".example.com", false },
	{ "*.example.com", "mailexample.com", false },
	{ "a.example *.b.example c.example", "x.b.example", true },
	{ "a.example *.b.example c.example", "c.example", true },
	{ "a.example *.b.example c.example", "b.example", false },
	{ "", "a.example", false },
	{ "a.example", "", false },
};

static void
which_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		test_case(hosts[i].host);
		test_true(sts_mx_matches(slice_cstr(hosts[i].mx),
			      slice_cstr(hosts[i].host)) == hosts[i].want);
	}
	test_true(!sts_mx_is_valid(SLICE("a.example  b.example")));
	test_true(!sts_mx_is_valid(SLICE("a.example\nb.example")));
}

#define NOW (1000 * TIME_DAY)
#define CACHED(age, life)                                                      \
	.has_policy = true, .id = "7", .fetched = NOW - (age),                 \
	.max_age = (uint32_t)((life) / TIME_SECOND)
#define FAILED(age, of)                                                        \
	.has_failed = true, .failed_id = of, .failed = NOW - (age)

static const struct {
	const char *what;
	struct sts_state state;
	enum sts_txt txt;
	const char *id;
	enum sts_step want;
	bool refresh;
} steps[] = {
	{ "nothing known, nothing there", { 0 }, STS_TXT_NONE, "",
	    STS_WITHOUT },
	{ "nothing known, no answer", { 0 }, STS_TXT_FAILED, "", STS_WITHOUT },
	{ "nothing known, one there", { 0 }, STS_TXT_ID, "7", STS_FETCH },
	{ "failed a minute ago", { FAILED(TIME_MINUTE, "7") }, STS_TXT_ID, "7",
	    STS_WITHOUT },
	{ "failed six minutes ago", { FAILED(6 * TIME_MINUTE, "7") },
	    STS_TXT_ID, "7", STS_FETCH },
	{ "another one failed", { FAILED(TIME_MINUTE, "6") }, STS_TXT_ID, "7",
	    STS_FETCH },
	{ "fresh", { CACHED(TIME_HOUR, 30 * TIME_DAY) }, STS_TXT_ID, "7",
	    STS_USE },
	{ "fresh, and the record is gone", { CACHED(TIME_HOUR, 30 * TIME_DAY) },
	    STS_TXT_NONE, "", STS_USE },
	{ "old, and the DNS is silent",
	    { CACHED(29 * TIME_DAY, 30 * TIME_DAY) }, STS_TXT_FAILED, "",
	    STS_USE, true },
	{ "two days old", { CACHED(2 * TIME_DAY, 30 * TIME_DAY) }, STS_TXT_ID,
	    "7", STS_USE_FETCH, true },
	{ "two days old, the last try failed just now",
	    { CACHED(2 * TIME_DAY, 30 * TIME_DAY), FAILED(TIME_MINUTE, "7") },
	    STS_TXT_ID, "7", STS_USE },
	{ "in the second half of a short life",
	    { CACHED(45 * TIME_MINUTE, TIME_HOUR) }, STS_TXT_ID, "7",
	    STS_USE_FETCH, true },
	{ "over", { CACHED(31 * TIME_DAY, 30 * TIME_DAY) }, STS_TXT_NONE, "",
	    STS_WITHOUT },
	{ "over, and one is there", { CACHED(31 * TIME_DAY, 30 * TIME_DAY) },
	    STS_TXT_ID, "7", STS_FETCH },
	{ "over, and the web server is dead",
	    { CACHED(31 * TIME_DAY, 30 * TIME_DAY), FAILED(TIME_MINUTE, "7") },
	    STS_TXT_ID, "7", STS_WITHOUT },
	{ "a new id", { CACHED(TIME_HOUR, 30 * TIME_DAY) }, STS_TXT_ID, "8",
	    STS_FETCH },
	{ "a new id that cannot be had",
	    { CACHED(TIME_HOUR, 30 * TIME_DAY), FAILED(TIME_MINUTE, "8") },
	    STS_TXT_ID, "8", STS_USE },
	{ "a life of no time", { CACHED(0, 0) }, STS_TXT_ID, "7", STS_FETCH },
};

static void
what_to_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		test_case(steps[i].what);
		test_int(sts_decide(&steps[i].state, NOW, steps[i].txt,
			     steps[i].id),
		    steps[i].want);
		test_true(sts_wants_refresh(&steps[i].state, NOW) ==
		    steps[i].refresh);
	}
}

static void
names(void **state)
{
	enum sts_mode mode = STS_NONE;

	(void)state;
	test_true(sts_mode_parse(SLICE("enforce"), &mode));
	test_int(mode, STS_ENFORCE);
	test_true(!sts_mode_parse(SLICE("enforced"), &mode));
	test_slice(slice_cstr(sts_mode_name(STS_TESTING)), SLICE("testing"));
	test_slice(slice_cstr(sts_result_name(STS_RESULT_WEBPKI)),
	    SLICE("sts-webpki-invalid"));
}

TEST_MAIN(cmocka_unit_test(one_record), cmocka_unit_test(many_records),
    cmocka_unit_test(policy), cmocka_unit_test(too_much),
    cmocka_unit_test(which_hosts), cmocka_unit_test(what_to_do),
    cmocka_unit_test(names))
