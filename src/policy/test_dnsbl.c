/* SPDX-License-Identifier: ISC */
/* What lists are, what their answers weigh, when there is a verdict. */
#include "base/test.h"
#include "policy/dnsbl.h"

static const struct {
	const char *what;
	struct slice lines;
	bool ok;
	size_t n;
	int weight; /* of the first */
	size_t n_ranges;
	uint32_t lo, hi;
} configs[] = {
	{ "a zone alone", SLICE("bl.example"), true, 1, 1, 1, 0x7f000000,
	    0x7ffffeff },
	{ "weight", SLICE("bl.example 5"), true, 1, 5, 1, 0x7f000000,
	    0x7ffffeff },
	{ "negative weight", SLICE("wl.example\t-3"), true, 1, -3, 1,
	    0x7f000000, 0x7ffffeff },
	{ "a range of last octets", SLICE("bl.example 2 127.0.0.2-11"), true, 1,
	    2, 1, 0x7f000002, 0x7f00000b },
	{ "a range of addresses", SLICE("bl.example 2 127.0.0.2-127.0.1.4"),
	    true, 1, 2, 1, 0x7f000002, 0x7f000104 },
	{ "several", SLICE("bl.example 2 127.0.0.4,127.0.0.10-11"), true, 1, 2,
	    2, 0x7f000004, 0x7f000004 },
	{ "a network", SLICE("bl.example 2 127.0.0.0/24"), true, 1, 2, 1,
	    0x7f000000, 0x7f0000ff },
	{ "two lines, one empty", SLICE("bl.example\n\nother.example 2\n"),
	    true, 2, 1, 1, 0x7f000000, 0x7ffffeff },
	{ "none", SLICE(""), true, 0 },
	{ "no zone", SLICE("5 5"), true, 1, 5, 1, 0x7f000000, 0x7ffffeff },
	{ "bad zone", SLICE("bl..example"), false },
	{ "dot at the end", SLICE("bl.example."), false },
	{ "weight too large", SLICE("bl.example 101"), false },
	{ "weight no number", SLICE("bl.example x"), false },
	{ "range backwards", SLICE("bl.example 1 127.0.0.11-2"), false },
	{ "range of nothing", SLICE("bl.example 1 -"), false },
	{ "octet too large", SLICE("bl.example 1 127.0.0.2-256"), false },
	{ "comma at the end", SLICE("bl.example 1 127.0.0.2,"), false },
	{ "IPv6 reply", SLICE("bl.example 1 ::1"), false },
	{ "a fourth word", SLICE("bl.example 1 127.0.0.2 x"), false },
	{ "nine ranges",
	    SLICE("b.example 1 127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,"
		  "127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,127.0.0.9"),
	    false },
};

static void
configuration(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		struct slice in = test_exact_copy(configs[i].lines);
		struct dnsbl_lists l = { .n = 0 };

		test_case(configs[i].what);
		test_int(dnsbl_lists_parse(in, &l), configs[i].ok);
		if (configs[i].ok)
			test_int(l.n, configs[i].n);
		if (configs[i].ok && l.n > 0) {
			test_int(l.rows[0].weight, configs[i].weight);
			test_int(l.rows[0].n_ranges, configs[i].n_ranges);
			test_int(l.rows[0].ranges[0].lo, configs[i].lo);
			test_int(l.rows[0].ranges[0].hi, configs[i].hi);
		}
		test_free_copy(in);
	}
}

static const struct {
	const char *what;
	uint16_t rcode;
	struct slice record;
	int want;
} answers[] = {
	{ "listed", DNS_NOERROR, SLICE("\x7f\0\0\x02"), DNSBL_HIT },
	{ "other reason", DNS_NOERROR, SLICE("\x7f\0\0\x0c"), DNSBL_CLEAR },
	{ "an error of the list", DNS_NOERROR, SLICE("\x7f\xff\xff\xfe"),
	    DNSBL_CLEAR },
	{ "a parked domain", DNS_NOERROR, SLICE("\xc0\0\x02\x02"),
	    DNSBL_CLEAR },
	{ "not an address", DNS_NOERROR, SLICE("\x7f\0\0"), DNSBL_CLEAR },
	{ "not listed", DNS_NXDOMAIN, SLICE(""), DNSBL_CLEAR },
	{ "dead", DNS_NO_ANSWER, SLICE(""), DNSBL_DEAD },
	{ "broken", DNS_SERVFAIL, SLICE("\x7f\0\0\x02"), DNSBL_DEAD },
	{ "refuses us", 5, SLICE(""), DNSBL_DEAD },
};

static void
replies(void **state)
{
	struct dnsbl_lists l;

	(void)state;
	test_true(dnsbl_lists_parse(
	    SLICE("bl.example 1 127.0.0.2-11,192.0.2.0/24"), &l));
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct dnsbl_facts f = { .states = { DNSBL_ASKED } };

		test_case(answers[i].what);
		dnsbl_on_address(&l, 0, answers[i].rcode, &answers[i].record, 1,
		    &f);
		test_int(f.states[0], answers[i].want);
		dnsbl_on_address(&l, 0, DNS_NXDOMAIN, NULL, 0, &f);
		test_int(f.states[0], answers[i].want); /* said once */
	}
}

/* lists: 3, 2, -4; U unasked, A asked, C clear, H hit, D dead */
static const struct {
	const char *what, *states;
	int threshold, want, score;
	bool is_refused;
	size_t heaviest;
} decisions[] = {
	{ "nothing asked", "UUU", 3, DNSBL_NEED_ANSWER },
	{ "nothing heard", "AAA", 3, DNSBL_NEED_ANSWER },
	{ "clear", "CCC", 3, DNSBL_DECIDED, 0 },
	{ "the heavy one", "HCC", 3, DNSBL_NEED_TEXT, 3, true, 0 },
	{ "the light one", "CHC", 3, DNSBL_DECIDED, 2, false },
	{ "both", "HHC", 5, DNSBL_NEED_TEXT, 5, true, 0 },
	{ "both, excused", "HHH", 2, DNSBL_DECIDED, 1, false },
	{ "may still be excused", "HHA", 3, DNSBL_NEED_ANSWER, 5, false, 0 },
	{ "even so too much", "HHA", 1, DNSBL_NEED_TEXT, 5, true, 0 },
	{ "dead ones say nothing", "DDD", 1, DNSBL_DECIDED, 0, false },
	{ "a dead good one does not excuse", "HCD", 3, DNSBL_NEED_TEXT, 3, true,
	    0 },
	{ "certain before all have answered", "HAC", 3, DNSBL_NEED_TEXT, 3,
	    true, 0 },
	{ "good alone", "CCH", 1, DNSBL_DECIDED, -4, false },
	{ "good alone at threshold -4", "CCH", -4, DNSBL_DECIDED, -4, false },
};

static void
verdicts(void **state)
{
	static const char letters[] = "UACHD"; /* as enum dnsbl_state */
	struct dnsbl_lists l;

	(void)state;
	test_true(dnsbl_lists_parse(
	    SLICE("a.example 3\nb.example 2\nw.example -4"), &l));
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		struct dnsbl_facts f = { .states = { 0 } };
		struct dnsbl_outcome o = { 0 };

		test_case(decisions[i].what);
		for (int k = 0; k < 3; k++) {
			f.states[k] =
			    (uint8_t)(strchr(letters, decisions[i].states[k]) -
				letters);
		}
		test_int(dnsbl_decide(&l, decisions[i].threshold, &f, &o),
		    decisions[i].want);
		test_int(o.score, decisions[i].score);
		test_int(o.is_refused, decisions[i].is_refused);
		if (o.is_refused)
			test_int(o.heaviest, decisions[i].heaviest);
		f.text_state = DNSBL_CLEAR;
		if (decisions[i].want == DNSBL_NEED_TEXT)
			test_int(dnsbl_decide(&l, decisions[i].threshold, &f,
				     &o),
			    DNSBL_DECIDED);
	}
}

static const struct {
	const char *what;
	struct slice record;
	const char *text;
} texts[] = {
	{ "text", SLICE("\x05hello"), "hello" },
	{ "two strings: the first", SLICE("\x02hi\x02ho"), "hi" },
	{ "line ends cannot be said",
	    SLICE("\x04"
		  "a\r\nb"),
	    "a??b" },
	{ "longer than the record", SLICE("\x09hello"), "" },
	{ "empty", SLICE("\0"), "" },
	{ "nothing", SLICE(""), "" },
};

static void
text_of_list(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct slice in = test_exact_copy(texts[i].record);
		struct dnsbl_facts f = { .text_state = DNSBL_ASKED };

		test_case(texts[i].what);
		dnsbl_on_text(&f, DNS_NOERROR, &in, 1);
		test_true(f.text_state > DNSBL_ASKED);
		test_slice(slice_cstr(f.text), slice_cstr(texts[i].text));
		test_free_copy(in);
	}
}

static void
hits_are_printed(void **state)
{
	struct dnsbl_facts f = { .states = { DNSBL_HIT, DNSBL_CLEAR,
				     DNSBL_HIT },
		.replies = { 0x7f000002, 0, 0x7f000a0b } };
	struct dnsbl_lists l;
	char out[64], few[26];

	(void)state;
	test_true(dnsbl_lists_parse(SLICE("a.example\nb.example\nc.example"),
	    &l));
	dnsbl_print_hits(&l, &f, out, sizeof(out));
	test_slice(slice_cstr(out),
	    SLICE("a.example=127.0.0.2 c.example=127.0.10.11"));
	dnsbl_print_hits(&l, &f, few, sizeof(few));
	test_slice(slice_cstr(few), SLICE("a.example=127.0.0.2"));
}

TEST_MAIN(cmocka_unit_test(configuration), cmocka_unit_test(replies),
    cmocka_unit_test(verdicts), cmocka_unit_test(text_of_list),
    cmocka_unit_test(hits_are_printed))
