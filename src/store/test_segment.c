/* SPDX-License-Identifier: ISC */
/* A record is what it says or it is refused; nothing in a body is a header. */
#include "base/test.h"
#include "store/segment.h"

static const uint8_t key[SEGMENT_KEY] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[SEGMENT_KEY] = "x";

static struct segment_header
sample(void)
{
	struct segment_header h = { .stored_len = 77,
		.raw_len = 78,
		.key_id = 3,
		.time = 1764000000000000,
		.kind = SEGMENT_APPEND,
		.codec = 1,
		.cipher = 2 };

	memset(h.id.bytes, 7, sizeof(h.id.bytes));
	return h;
}

static void
a_header_comes_back(void **state)
{
	struct slice envelope = SLICE("envelope");
	struct segment_header h = sample(), got;
	uint8_t at[SEGMENT_HEADER];

	(void)state;
	segment_header_encode(&h, key, envelope, at);
	test_int(segment_header_decode(at, envelope, key, &got), SEGMENT_OK);
	test_int(got.stored_len, 77);
	test_int(got.raw_len, 78);
	test_int(got.key_id, 3);
	test_int(got.time, h.time);
	test_int(got.kind, SEGMENT_APPEND);
	test_int(got.codec, 1);
	test_int(got.cipher, 2);
	test_int(got.envelope_len, 8);
	test_true(id_equal(&got.id, &h.id));
	test_int(segment_header_decode(at, envelope, other_key, &got),
	    SEGMENT_E_BAD);
	test_int(segment_header_decode(at, SLICE("Envelope"), key, &got),
	    SEGMENT_E_BAD);
	test_int(segment_header_decode(at, SLICE("envelop"), key, &got),
	    SEGMENT_E_BAD);
}

static void
every_wrong_bit_is_seen(void **state)
{
	struct slice envelope = SLICE("e");
	struct segment_header h = sample(), got;
	uint8_t at[SEGMENT_HEADER];

	(void)state;
	segment_header_encode(&h, key, envelope, at);
	for (unsigned i = 0; i < SEGMENT_HEADER * 8; i++) {
		at[i / 8] ^= (uint8_t)(1u << i % 8);
		test_int(segment_header_decode(at, envelope, key, &got),
		    SEGMENT_E_BAD);
		at[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	test_int(segment_header_decode(at, envelope, key, &got), SEGMENT_OK);
}

static void
zeros_are_the_end(void **state)
{
	uint8_t at[SEGMENT_HEADER] = { 0 };
	struct segment_header got;

	(void)state;
	test_int(segment_header_peek(at, &got), SEGMENT_E_END);
	at[127] = 1;
	test_int(segment_header_peek(at, &got), SEGMENT_E_BAD);
}

static void
trailers_and_lengths(void **state)
{
	uint8_t sum[SEGMENT_CHECKSUM], got[SEGMENT_CHECKSUM];
	uint8_t at[SEGMENT_TRAILER];
	struct segment_header h = sample();

	(void)state;
	segment_checksum(SLICE("body"), sum);
	segment_trailer_encode(sum, 4, at);
	test_true(segment_trailer_decode(at, 4, got));
	test_int(memcmp(sum, got, sizeof(sum)), 0);
	test_true(!segment_trailer_decode(at, 5, got));
	for (unsigned n = 0; n < 40; n++) {
		h.stored_len = n;
		test_int(segment_record_len(&h) % SEGMENT_ALIGN, 0);
		test_int(segment_record_len(&h),
		    SEGMENT_HEADER + n + SEGMENT_TRAILER + segment_padding(&h));
	}
}

static void
an_envelope_that_does_not_fit_says_so(void **state)
{
	char address[301];
	struct slice in, s;
	struct buf e;
	unsigned tag = 0, n_rcpts = 0, n_cuts = 0;
	bool bad;

	(void)state;
	memset(address, 'a', sizeof(address));
	buf_init(&e, SEGMENT_ENVELOPE_MAX);
	for (unsigned i = 0; i < 1000; i++)
		test_int(segment_envelope_add(&e, SEGMENT_RCPT,
			     slice_of(address, 300)),
		    0);
	test_true(e.len <= SEGMENT_ENVELOPE_MAX - SEGMENT_HEADER);
	in = buf_slice(&e);
	while (segment_envelope_next(&in, &tag, &s, &bad)) {
		n_rcpts += tag == SEGMENT_RCPT;
		n_cuts += tag == SEGMENT_CUT;
	}
	test_true(!bad);
	test_int(n_cuts, 1);
	test_int(tag, SEGMENT_CUT);
	test_true(n_rcpts > 200);
	buf_deinit(&e);
}

static const struct {
	const char *what;
	struct slice in;
	bool bad;
} envelopes[] = {
	{ "empty", SLICE(""), false },
	{ "zeros to the end", SLICE("\0\0\0\0"), false },
	{ "one field", SLICE("\1\1\0a"), false },
	{ "cut in its head", SLICE("\1\1"), true },
	{ "cut in its text", SLICE("\1\5\0abc"), true },
	{ "unknown tag", SLICE("\x63\1\0a"), true },
};

static void
envelopes_are_read_totally(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
		struct slice copy = test_exact_copy(envelopes[i].in);
		struct slice in = copy, s;
		unsigned tag;
		bool bad = false;

		test_case(envelopes[i].what);
		while (segment_envelope_next(&in, &tag, &s, &bad))
			;
		test_int(bad, envelopes[i].bad);
		test_free_copy(copy);
	}
}

TEST_MAIN(cmocka_unit_test(a_header_comes_back),
    cmocka_unit_test(every_wrong_bit_is_seen),
    cmocka_unit_test(zeros_are_the_end), cmocka_unit_test(trailers_and_lengths),
    cmocka_unit_test(an_envelope_that_does_not_fit_says_so),
    cmocka_unit_test(envelopes_are_read_totally))
