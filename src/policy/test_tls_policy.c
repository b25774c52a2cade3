/* SPDX-License-Identifier: ISC */
/* What is demanded of a host, from who says what about it. */
#include "base/test.h"
#include "policy/tls_policy.h"

#define ENFORCE(matches)                                                       \
	{                                                                      \
		STS_ENFORCE, matches, 0                                        \
	}

static const struct {
	const char *what;
	struct dane dane;
	struct sts_verdict sts;
	enum tls_minimum minimum;
	bool tls_optional, is_literal;
	/* wanted */
	enum tls_level level;
	enum tls_policy_kind policy;
	enum tls_result result;
	bool is_refused, is_testing, is_right_host, is_sts_enforced;
	const char *names; /* with one space between */
} rows[] = {
	{ "nobody says anything", .minimum = TLS_MINIMUM_MAY,
	    .level = TLS_LEVEL_MAY, .names = "mx.two.example" },
	{ "a literal has no names", .minimum = TLS_MINIMUM_MAY,
	    .is_literal = true, .level = TLS_LEVEL_MAY, .names = "" },
	{ "we want it encrypted", .minimum = TLS_MINIMUM_ENCRYPT,
	    .level = TLS_LEVEL_ENCRYPT },
	{ "we want it verified", .minimum = TLS_MINIMUM_VERIFY,
	    .level = TLS_LEVEL_WEBPKI, .names = "mx.two.example two.example" },
	{ "we want DANE where there is none", .minimum = TLS_MINIMUM_DANE,
	    .level = TLS_LEVEL_MAY, .is_refused = true,
	    .result = TLS_RESULT_DANE_REQUIRED },
	{ "records of no use are no DANE", { .state = DANE_UNUSABLE },
	    .minimum = TLS_MINIMUM_DANE, .level = TLS_LEVEL_ENCRYPT,
	    .policy = TLS_POLICY_TLSA, .is_refused = true,
	    .result = TLS_RESULT_DANE_REQUIRED },
	{ "never", { .state = DANE_USABLE, .base = SLICE("x") }, ENFORCE(false),
	    .minimum = TLS_MINIMUM_NONE, .level = TLS_LEVEL_NEVER },
	{ "DANE, by the names of RFC 7672, 3.2.2",
	    { .state = DANE_USABLE,
		.is_mx_secure = true,
		.base = SLICE("h.three.example"),
		.domain = SLICE("two.example"),
		.expanded = SLICE("x.example") },
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_DANE,
	    .policy = TLS_POLICY_TLSA, .is_right_host = true,
	    .names = "h.three.example two.example x.example" },
	{ "DANE comes before MTA-STS",
	    { .state = DANE_USABLE,
		.is_mx_secure = true,
		.base = SLICE("mx.two.example") },
	    ENFORCE(false), .minimum = TLS_MINIMUM_VERIFY,
	    .level = TLS_LEVEL_DANE, .policy = TLS_POLICY_TLSA,
	    .is_right_host = true },
	{ "records of no use: TLS all the same", { .state = DANE_UNUSABLE },
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_ENCRYPT,
	    .policy = TLS_POLICY_TLSA },
	{ "and MTA-STS asks for more", { .state = DANE_UNUSABLE },
	    ENFORCE(true), .minimum = TLS_MINIMUM_MAY,
	    .level = TLS_LEVEL_WEBPKI, .policy = TLS_POLICY_TLSA,
	    .is_right_host = true, .is_sts_enforced = true },
	{ "no valid answer about the records", { .state = DANE_FAILED },
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_MAY,
	    .policy = TLS_POLICY_TLSA, .is_refused = true,
	    .result = TLS_RESULT_DNSSEC_INVALID },
	{ "not even for MTA-STS", { .state = DANE_FAILED }, ENFORCE(true),
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_MAY,
	    .policy = TLS_POLICY_TLSA, .is_refused = true,
	    .is_right_host = true, .result = TLS_RESULT_DNSSEC_INVALID },
	{ "MTA-STS enforced", .sts = ENFORCE(true), .minimum = TLS_MINIMUM_MAY,
	    .level = TLS_LEVEL_WEBPKI, .policy = TLS_POLICY_STS,
	    .is_right_host = true, .is_sts_enforced = true,
	    .names = "mx.two.example" },
	{ "another host than it names", .sts = ENFORCE(false),
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_MAY,
	    .policy = TLS_POLICY_STS, .is_refused = true,
	    .result = TLS_RESULT_VALIDATION_FAILURE },
	{ "MTA-STS in testing", .sts = { STS_TESTING, false, 0 },
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_MAY,
	    .policy = TLS_POLICY_STS, .is_testing = true,
	    .names = "mx.two.example" },
	{ "it cannot be fetched: told, not stopped",
	    .sts = { STS_NONE, false, TLS_RESULT_STS_POLICY_FETCH_ERROR },
	    .minimum = TLS_MINIMUM_MAY, .level = TLS_LEVEL_MAY,
	    .policy = TLS_POLICY_STS,
	    .result = TLS_RESULT_STS_POLICY_FETCH_ERROR },
	{ "TLS-Required: No lifts DANE",
	    { .state = DANE_USABLE, .base = SLICE("mx.two.example") },
	    .minimum = TLS_MINIMUM_MAY, .tls_optional = true,
	    .level = TLS_LEVEL_MAY, .policy = TLS_POLICY_TLSA,
	    .is_testing = true, .names = "mx.two.example" },
	{ "and a failed lookup", { .state = DANE_FAILED },
	    .minimum = TLS_MINIMUM_MAY, .tls_optional = true,
	    .level = TLS_LEVEL_MAY, .policy = TLS_POLICY_TLSA,
	    .result = TLS_RESULT_DNSSEC_INVALID },
	{ "and records that are of no use", { .state = DANE_UNUSABLE },
	    .minimum = TLS_MINIMUM_MAY, .tls_optional = true,
	    .level = TLS_LEVEL_MAY, .policy = TLS_POLICY_TLSA },
	{ "and MTA-STS", .sts = ENFORCE(false), .minimum = TLS_MINIMUM_MAY,
	    .tls_optional = true, .level = TLS_LEVEL_MAY,
	    .policy = TLS_POLICY_STS, .result = TLS_RESULT_VALIDATION_FAILURE },
	{ "that names the host", .sts = ENFORCE(true),
	    .minimum = TLS_MINIMUM_MAY, .tls_optional = true,
	    .level = TLS_LEVEL_MAY, .policy = TLS_POLICY_STS,
	    .is_testing = true, .is_right_host = true },
	{ "encryption is wanted by us", .sts = ENFORCE(true),
	    .minimum = TLS_MINIMUM_ENCRYPT, .tls_optional = true,
	    .level = TLS_LEVEL_ENCRYPT, .policy = TLS_POLICY_STS,
	    .is_testing = true, .is_right_host = true },
	{ "but not what we want", .minimum = TLS_MINIMUM_VERIFY,
	    .tls_optional = true, .level = TLS_LEVEL_WEBPKI },
	{ "nor DANE when we want that",
	    { .state = DANE_USABLE, .base = SLICE("mx.two.example") },
	    .minimum = TLS_MINIMUM_DANE, .tls_optional = true,
	    .level = TLS_LEVEL_DANE, .policy = TLS_POLICY_TLSA },
};

static void
check_names(const struct tls_demand *d, const char *wanted)
{
	char got[400] = "";

	for (size_t i = 0; i < d->n_names; i++) {
		size_t at = strlen(got);

		(void)snprintf(got + at, sizeof(got) - at, "%s%.*s",
		    i > 0 ? " " : "", SLICE_FMT(d->names[i]));
	}
	test_slice(slice_cstr(got), slice_cstr(wanted));
}

static void
demands_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_policy_input in = { .domain = SLICE("two.example"),
			.host = SLICE("mx.two.example"),
			.dane = &rows[i].dane,
			.sts = rows[i].sts,
			.minimum = (uint8_t)rows[i].minimum,
			.tls_optional = rows[i].tls_optional,
			.is_literal = rows[i].is_literal };
		struct tls_demand d = tls_policy_decide(&in);

		test_case(rows[i].what);
		test_int(d.level, rows[i].level);
		test_int(d.policy, rows[i].policy);
		test_int(d.result, rows[i].result);
		test_true(d.is_refused == rows[i].is_refused);
		test_true(d.is_testing == rows[i].is_testing);
		test_true(d.is_right_host == rows[i].is_right_host);
		test_true(d.is_sts_enforced == rows[i].is_sts_enforced);
		test_true((d.text.len > 0) == rows[i].is_refused);
		if (rows[i].names != NULL)
			check_names(&d, rows[i].names);
	}
}

static void
words_both_ways(void **state)
{
	(void)state;
	uint8_t m = 77;

	for (enum tls_minimum i = TLS_MINIMUM_NONE; i <= TLS_MINIMUM_DANE;
	     i++) {
		test_true(tls_minimum_parse(tls_minimum_name(i), &m));
		test_int(m, i);
	}
	test_true(!tls_minimum_parse(SLICE("default"), &m));
	test_true(!tls_minimum_parse(SLICE("MAY"), &m));
	test_true(!tls_minimum_parse(SLICE(""), &m));
	test_int(m, TLS_MINIMUM_DANE);
	for (enum tls_result r = TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	     r <= TLS_RESULT_STS_WEBPKI_INVALID; r++)
		test_true(tls_result_name(r).len > 0 &&
		    tls_result_words(r).len > 0);
	test_slice(tls_result_name(TLS_RESULT_DANE_REQUIRED),
	    SLICE("dane-required"));
	test_int(tls_result_name(TLS_RESULT_SUCCESS).len, 0);
}

static const struct {
	const char *what;
	enum hop_kind kind;
	enum hop_tls hop;
	enum tls_minimum destination, configured, want;
} minimums[] = {
	{ "as configured", HOP_MX, HOP_TLS_MAY, TLS_MINIMUM_DEFAULT,
	    TLS_MINIMUM_ENCRYPT, TLS_MINIMUM_ENCRYPT },
	{ "the destination has another", HOP_MX, HOP_TLS_MAY, TLS_MINIMUM_DANE,
	    TLS_MINIMUM_ENCRYPT, TLS_MINIMUM_DANE },
	{ "also a lower one", HOP_MX, HOP_TLS_MAY, TLS_MINIMUM_MAY,
	    TLS_MINIMUM_VERIFY, TLS_MINIMUM_MAY },
	{ "never", HOP_MX, HOP_TLS_VERIFY, TLS_MINIMUM_NONE, TLS_MINIMUM_MAY,
	    TLS_MINIMUM_NONE },
	{ "the route wants more", HOP_SMARTHOST, HOP_TLS_VERIFY,
	    TLS_MINIMUM_DEFAULT, TLS_MINIMUM_MAY, TLS_MINIMUM_VERIFY },
	{ "the route has none", HOP_SMARTHOST, HOP_TLS_NONE, TLS_MINIMUM_DANE,
	    TLS_MINIMUM_DANE, TLS_MINIMUM_NONE },
	{ "within the house", HOP_LMTP, HOP_TLS_MAY, TLS_MINIMUM_DANE,
	    TLS_MINIMUM_DANE, TLS_MINIMUM_MAY },
};

static void
minimums_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(minimums) / sizeof(minimums[0]); i++) {
		test_case(minimums[i].what);
		test_int(tls_policy_minimum((uint8_t)minimums[i].kind,
			     (uint8_t)minimums[i].hop,
			     (uint8_t)minimums[i].destination,
			     (uint8_t)minimums[i].configured),
		    minimums[i].want);
	}
}

static void
what_the_fetcher_said(void **state)
{
	struct sts_verdict v = tls_policy_sts(STS_ENFORCE, STS_RESULT_OK,
	    SLICE("mx.two.example *.far.example"), SLICE("a.far.example"));

	(void)state;
	test_int(v.mode, STS_ENFORCE);
	test_true(v.mx_matches);
	test_int(v.trouble, TLS_RESULT_SUCCESS);
	v = tls_policy_sts(STS_NONE, STS_RESULT_WEBPKI, SLICE(""),
	    SLICE("a.far.example"));
	test_true(!v.mx_matches);
	test_int(v.trouble, TLS_RESULT_STS_WEBPKI_INVALID);
}

TEST_MAIN(cmocka_unit_test(demands_by_table), cmocka_unit_test(words_both_ways),
    cmocka_unit_test(minimums_by_table),
    cmocka_unit_test(what_the_fetcher_said))
