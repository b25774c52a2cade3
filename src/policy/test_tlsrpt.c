/* SPDX-License-Identifier: ISC */
/* Who wants reports about TLS (RFC 8460, 3), and what they look like (4.4,
 * 5.3): the JSON is read back by another parser. */
#include <jansson.h>

#include "base/test.h"
#include "base/time.h"
#include "policy/tls_policy.h"
#include "policy/tlsrpt.h"

static const struct {
	const char *what;
	struct slice text;
	int want;
	size_t n;
	const char *first;
} records[] = {
	{ "a mail", SLICE("v=TLSRPTv1; rua=mailto:r@two.example"), TLSRPT_OK, 1,
	    "mailto:r@two.example" },
	{ "two, with blanks",
	    SLICE("v=TLSRPTv1;rua=https://x.example/a=b , mailto:r@x.example;"),
	    TLSRPT_OK, 2, "https://x.example/a=b" },
	{ "another scheme is left out",
	    SLICE("v=TLSRPTv1; rua=ftp://x.example,MAILTO:r@x.example"),
	    TLSRPT_OK, 1, "MAILTO:r@x.example" },
	{ "unknown fields; of two the first",
	    SLICE("v=TLSRPTv1; x=y; rua=mailto:a@x.example; "
		  "rua=mailto:b@x.example;"),
	    TLSRPT_OK, 1, "mailto:a@x.example" },
	{ "no rua", SLICE("v=TLSRPTv1; x=y"), TLSRPT_E_SYNTAX, 0, NULL },
	{ "an empty URI", SLICE("v=TLSRPTv1; rua=mailto:a@x.example,"),
	    TLSRPT_E_SYNTAX, 0, NULL },
	{ "a blank inside", SLICE("v=TLSRPTv1; rua=mailto:a@x example"),
	    TLSRPT_E_SYNTAX, 0, NULL },
	{ "another version", SLICE("v=TLSRPTv2; rua=mailto:a@x.example"),
	    TLSRPT_E_ABSENT, 0, NULL },
	{ "nothing", SLICE(""), TLSRPT_E_ABSENT, 0, NULL },
};

static void
a_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct slice in = test_exact_copy(records[i].text);
		struct tlsrpt_uris got;

		test_case(records[i].what);
		test_int(tlsrpt_record_parse(in, &got), records[i].want);
		if (records[i].want == TLSRPT_OK) {
			test_int(got.n, records[i].n);
			test_slice(got.uris[0], slice_cstr(records[i].first));
		}
		test_free_copy(in);
	}
}

static void
several_records_are_none(void **state)
{
	const struct slice rdata[] = { SLICE("\x04spam"),
		SLICE("\x20v=TLSRPTv1; rua=mailto:a@x.examp"),
		SLICE("\x20v=TLSRPTv1; rua=mailto:b@x.examp") };
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	test_int(tlsrpt_records_read(rdata, 2, &out), TLSRPT_OK);
	test_slice(buf_slice(&out), SLICE("v=TLSRPTv1; rua=mailto:a@x.examp"));
	test_int(tlsrpt_records_read(rdata, 3, &out), TLSRPT_E_SYNTAX);
	test_int(tlsrpt_records_read(rdata, 1, &out), TLSRPT_E_ABSENT);
	buf_deinit(&out);
}

static const struct {
	const char *uri, *want; /* "address", or "host port" */
} uris[] = {
	{ "mailto:tlsrpt@two.example", "tlsrpt@two.example" },
	{ "MailTo:tls%2Brpt@two.example?subject=x", "tls+rpt@two.example" },
	{ "https://two.example", "two.example 443" },
	{ "https://two.example:8443/x?y=z", "two.example 8443" },
	{ "https://two.example?y", "two.example 443" },
	{ "mailto:two.example", NULL },
	{ "mailto:a@b@two.example", NULL },
	{ "mailto:a%0d%0ab@two.example", NULL },
	{ "mailto:a%2@two.example", NULL },
	{ "mailto:a@two.example,b@two.example", NULL },
	{ "mailto:a@[127.0.0.1]", NULL },
	{ "http://two.example/", NULL },
	{ "https:two.example", NULL },
	{ "https://user@two.example/", NULL },
	{ "https://two.example:0/", NULL },
	{ "https://two.example:99999/", NULL },
	{ "https://two.example:/", NULL },
	{ "https://[::1]/", NULL },
	{ "https://two.example/#a", NULL },
	{ "https://two.example/a b", NULL },
	{ "https:///x", NULL },
};

static void
where_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct tlsrpt_target t;
		char got[400];

		test_case(uris[i].uri);
		if (!tlsrpt_uri_parse(slice_cstr(uris[i].uri), &t)) {
			test_true(uris[i].want == NULL);
			continue;
		}
		test_true(uris[i].want != NULL);
		if (t.scheme == TLSRPT_MAILTO)
			(void)snprintf(got, sizeof(got), "%s", t.address);
		else
			(void)snprintf(got, sizeof(got), "%s %u", t.host,
			    t.port);
		test_slice(slice_cstr(got), slice_cstr(uris[i].want));
	}
}

#define STS_LINES                                                              \
	"version: STSv1\nmode: enforce\nmx: *.two.example\nmax_age: 86400"

static const struct tlsrpt_row rows[] = {
	{ TLS_POLICY_STS, TLS_RESULT_SUCCESS, SLICE(STS_LINES),
	    SLICE("mx.two.example"), SLICE("192.0.2.1"), SLICE("192.0.2.2"),
	    SLICE(""), 5 },
	{ TLS_POLICY_STS, TLS_RESULT_CERTIFICATE_EXPIRED, SLICE(STS_LINES),
	    SLICE("mx.two.example"), SLICE("192.0.2.1"), SLICE("192.0.2.3"),
	    SLICE("it \"says\"\n\x01\xff"), 2 },
	{ TLS_POLICY_NONE, TLS_RESULT_SUCCESS, SLICE(""),
	    SLICE("mx.two.example"), SLICE("192.0.2.1"), SLICE("192.0.2.2"),
	    SLICE(""), 1 },
	{ TLS_POLICY_TLSA, TLS_RESULT_TLSA_INVALID, SLICE("3 1 1 AB\n2 0 1 CD"),
	    SLICE("mx.two.example"), SLICE("192.0.2.1"), SLICE("192.0.2.2"),
	    SLICE(""), 3 },
};
static const struct tlsrpt_report report = { .organization =
						 SLICE("mx.one.example"),
	.contact = SLICE("postmaster@one.example"),
	.submitter = SLICE("one.example"),
	.domain = SLICE("two.example"),
	.id = SLICE("01ABC"),
	.begin = 20000 * TIME_DAY,
	.end = 20001 * TIME_DAY - TIME_SECOND,
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]) };

static const char *
text_at(const json_t *at, const char *name)
{
	return json_string_value(json_object_get(at, name));
}

static void
as_json(void **state)
{
	const json_t *policies, *one, *failure;
	struct buf out;
	json_t *got;

	(void)state;
	buf_init(&out, 100000);
	test_int(tlsrpt_json_print(&report, &out), TLSRPT_OK);
	got = json_loadb((const char *)buf_slice(&out).at, out.len,
	    JSON_REJECT_DUPLICATES, NULL);
	test_true(got != NULL);
	test_slice(slice_cstr(text_at(got, "report-id")), SLICE("01ABC"));
	one = json_object_get(got, "date-range");
	test_slice(slice_cstr(text_at(one, "start-datetime")),
	    SLICE("2024-10-04T00:00:00Z"));
	test_slice(slice_cstr(text_at(one, "end-datetime")),
	    SLICE("2024-10-04T23:59:59Z"));
	policies = json_object_get(got, "policies");
	test_int(json_array_size(policies), 3);
	one = json_array_get(policies, 0);
	test_int(json_integer_value(json_object_get(json_object_get(one,
							"summary"),
		     "total-successful-session-count")),
	    5);
	test_int(json_integer_value(json_object_get(json_object_get(one,
							"summary"),
		     "total-failure-session-count")),
	    2);
	failure = json_array_get(json_object_get(one, "failure-details"), 0);
	test_slice(slice_cstr(text_at(failure, "result-type")),
	    SLICE("certificate-expired"));
	test_slice(slice_cstr(text_at(failure, "failure-reason-code")),
	    SLICE("it \"says\"\n\x01?"));
	one = json_object_get(one, "policy");
	test_slice(slice_cstr(text_at(one, "policy-type")), SLICE("sts"));
	test_int(json_array_size(json_object_get(one, "policy-string")), 4);
	test_slice(slice_cstr(json_string_value(
		       json_array_get(json_object_get(one, "mx-host"), 0))),
	    SLICE("*.two.example"));
	one = json_object_get(json_array_get(policies, 1), "policy");
	test_slice(slice_cstr(text_at(one, "policy-type")),
	    SLICE("no-policy-found"));
	test_true(json_object_get(one, "policy-string") == NULL);
	json_decref(got);
	buf_deinit(&out);
}

static void
too_large_is_said(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 500);
	test_int(tlsrpt_json_print(&report, &out), TLSRPT_E_FULL);
	buf_deinit(&out);
}

static void
as_a_mail(void **state)
{
	static const char *const wanted[] = {
		"From: postmaster@one.example\r\nTo: r@two.example\r\n",
		"Subject: Report Domain: two.example\r\n Submitter: "
		"one.example\r\n Report-ID: <01ABC@one.example>\r\n",
		"\r\nTLS-Report-Domain: two.example\r\n"
		"TLS-Report-Submitter: one.example\r\n",
		"Content-Type: multipart/report; report-type=\"tlsrpt\";",
		"Content-Type: application/tlsrpt+gzip\r\n",
		"filename=\"one.example!two.example!1728000000!1728086399!"
		"01ABC.json.gz\"\r\n\r\neHl6\r\n--=_01ABC--\r\n",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	test_int(tlsrpt_mail_print(&report, SLICE("xyz"),
		     SLICE("r@two.example"), SLICE("today"), &out),
	    TLSRPT_OK);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		test_case(wanted[i]);
		test_true(slice_find(buf_slice(&out), slice_cstr(wanted[i])) !=
		    SIZE_MAX);
	}
	buf_deinit(&out);
}

/* RFC 8460, 4: not all at midnight, and within some hours. */
static void
spread_behind_midnight(void **state)
{
	static const struct slice domains[] = { SLICE("one.example"),
		SLICE("two.example"), SLICE("three.example"),
		SLICE("four.example"), SLICE("") };
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		int64_t t = tlsrpt_jitter(domains[i]);

		test_case((const char *)domains[i].at);
		test_true(t >= 0 && t < TLSRPT_JITTER);
		test_int(t, tlsrpt_jitter(domains[i]));
		least = t < least ? t : least;
		most = t > most ? t : most;
	}
	test_true(most - least > 10 * TIME_MINUTE);
}

/* 5.5: ever more rarely, for a day and no longer. */
static void
tried_for_a_day(void **state)
{
	int64_t created = INT64_C(1795415400) * TIME_SECOND, now = created;
	int64_t due, pause = 0;
	uint32_t tries = 0;

	(void)state;
	test_case("until it is given up");
	for (; tlsrpt_retry(tries, created, now, &due); tries++) {
		test_true(due - now >= 5 * TIME_MINUTE && due - now > pause);
		pause = due - now;
		now = due;
	}
	test_int(tries, 7);
	test_true(now > created + 12 * TIME_HOUR && now <= created + TIME_DAY);
	test_case("many tries");
	test_true(!tlsrpt_retry(UINT32_MAX, created, created + TIME_DAY, &due));
	test_true(!tlsrpt_retry(0, 0, created, &due));
}

TEST_MAIN(cmocka_unit_test(a_record),
    cmocka_unit_test(several_records_are_none), cmocka_unit_test(where_to),
    cmocka_unit_test(as_json), cmocka_unit_test(too_large_is_said),
    cmocka_unit_test(as_a_mail), cmocka_unit_test(spread_behind_midnight),
    cmocka_unit_test(tried_for_a_day))
