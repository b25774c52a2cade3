/* SPDX-License-Identifier: ISC */
/* There and back again, and what comes back that never went there. */
#include "base/test.h"
#include "base/time.h"
#include "policy/srs.h"

#define T0 (INT64_C(1795000000) * TIME_SECOND)

static const struct srs now = { SLICE("0123456789abcdef0123456789abcdef"), T0 };

static const struct {
	const char *what;
	struct slice sender;
	bool goes;
	struct slice begins, back; /* empty: the sender */
} senders[] = {
	{ "a plain one", SLICE("anna@one.example"), true, SLICE("SRS0="),
	    { 0 } },
	{ "details and signs", SLICE("a+b=c=d@one.example"), true,
	    SLICE("SRS0="), { 0 } },
	{ "of the first who forwarded",
	    SLICE("SRS0=abcdef=xy=one.example=anna@two.example"), true,
	    SLICE("SRS1="),
	    SLICE("SRS0=abcdef=xy=one.example=anna@two.example") },
	{ "with another separator",
	    SLICE("SRS0+hhhh=xy=one.example=anna@two.example"), true,
	    SLICE("SRS1="),
	    SLICE("SRS0+hhhh=xy=one.example=anna@two.example") },
	{ "of the second: straight to the first",
	    SLICE("SRS1=qqqq=two.example==abcd=xy=a.example=b@c.example"), true,
	    SLICE("SRS1="), SLICE("SRS0=abcd=xy=a.example=b@two.example") },
	{ "longer than a local part may be",
	    SLICE("a-very-long-name-of-somebody@a-very-long-domain.example"),
	    false, { 0 }, { 0 } },
	{ "nobody", SLICE(""), false, { 0 }, { 0 } },
	{ "quoted", SLICE("\"a b\"@one.example"), false, { 0 }, { 0 } },
	{ "a literal", SLICE("a@[192.0.2.1]"), false, { 0 }, { 0 } },
	{ "UTF-8", SLICE("\xc3\xa9@one.example"), false, { 0 }, { 0 } },
	{ "half of SRS1", SLICE("SRS1=qqqq@two.example"), false, { 0 }, { 0 } },
	{ "nothing behind SRS1", SLICE("SRS1=qqqq=@two.example"), false, { 0 },
	    { 0 } },
};

static void
there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		struct slice sender = test_exact_copy(senders[i].sender), local;
		struct buf there, back;
		struct srs later = now;

		test_case(senders[i].what);
		later.now += SRS_DAYS * TIME_DAY;
		buf_init(&there, 1000);
		buf_init(&back, 1000);
		test_int(srs_forward(&now, sender, SLICE("us.example"), &there),
		    senders[i].goes ? SRS_OK : SRS_NONE);
		if (senders[i].goes) {
			local = slice_upto(buf_slice(&there),
			    slice_find_last_byte(buf_slice(&there), '@'));
			test_true(slice_starts(local, senders[i].begins));
			test_true(local.len <= 64);
			test_true(slice_ends(buf_slice(&there),
			    SLICE("@us.example")));
			test_int(srs_reverse(&later, local, &back), SRS_OK);
			test_slice(buf_slice(&back),
			    senders[i].back.len > 0 ? senders[i].back
						    : senders[i].sender);
		}
		buf_deinit(&there);
		buf_deinit(&back);
		test_free_copy(sender);
	}
}

static void
only_ours_and_fresh_ones(void **state)
{
	struct srs other = now, late = now, early = now;
	struct buf there, back;
	struct slice local;
	uint8_t bent[100];

	(void)state;
	other.secret = SLICE("another");
	late.now += (SRS_DAYS + 1) * TIME_DAY;
	early.now -= 2 * TIME_DAY;
	buf_init(&there, 1000);
	buf_init(&back, 1000);
	test_int(srs_forward(&now, SLICE("anna@one.example"),
		     SLICE("us.example"), &there),
	    SRS_OK);
	local = slice_upto(buf_slice(&there), there.len - 11);
	test_int(srs_reverse(&other, local, &back), SRS_FORGED);
	test_int(srs_reverse(&late, local, &back), SRS_STALE);
	test_int(srs_reverse(&early, local, &back), SRS_STALE);
	for (size_t i = 5; i < local.len; i++) {
		memcpy(bent, local.at, local.len);
		bent[i] = bent[i] == 'x' ? 'y' : 'x';
		test_int(srs_reverse(&now, slice_of(bent, local.len), &back),
		    SRS_FORGED);
	}
	for (size_t i = 0; i < local.len; i++)
		bent[i] = ascii_upper(local.at[i]);
	test_int(srs_reverse(&now, slice_of(bent, local.len), &back), SRS_OK);
	test_slice(buf_slice(&back), SLICE("ANNA@ONE.EXAMPLE"));
	test_true(srs_is_form(local));
	test_true(!srs_is_form(SLICE("SRS0")));
	test_true(!srs_is_form(SLICE("srs2=a")));
	test_int(srs_reverse(&now, SLICE("anna"), &back), SRS_NONE);
	test_int(srs_reverse(&now, SLICE("SRS0="), &back), SRS_FORGED);
	buf_deinit(&there);
	buf_deinit(&back);
}

TEST_MAIN(cmocka_unit_test(there_and_back),
    cmocka_unit_test(only_ours_and_fresh_ones))
