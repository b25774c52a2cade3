/* SPDX-License-Identifier: ISC */
/*
 * test_tlv - what is written is read again; everything else is refused
 */
#include "base/test.h"
#include "mail/tlv.h"

static void
numbers_go_there_and_back(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 127, 128, 16383, 16384,
		UINT32_MAX, (uint64_t)INT64_MAX, UINT64_MAX - 1, UINT64_MAX };
	struct buf b;

	(void)state;
	test_case("numbers");
	buf_init(&b, 64);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct tlv_writer w = { &b, BUF_OK };
		struct slice in;
		int64_t as_signed;
		uint64_t n;

		buf_reset(&b, 64);
		tlv_put(&w, numbers[i]);
		tlv_put_signed(&w, (int64_t)numbers[i]);
		test_int(w.r, BUF_OK);
		in = buf_slice(&b);
		test_true(tlv_get(&in, UINT64_MAX, &n));
		test_true(n == numbers[i]);
		test_true(tlv_get_signed(&in, &as_signed));
		test_true(as_signed == (int64_t)numbers[i]);
		test_int(in.len, 0);
		in = buf_slice(&b);
		test_true(numbers[i] == 0 || !tlv_get(&in, numbers[i] - 1, &n));
	}
	buf_deinit(&b);
}

static void
refuses_bad_numbers(void **state)
{
	static const struct slice rows[] = {
		SLICE(""),
		SLICE("\x80"),
		SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
		SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80"),
		SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	};

	(void)state;
	test_case("bad numbers");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i]), rest = in;
		uint64_t n;

		test_true(!tlv_get(&rest, UINT64_MAX, &n));
		test_free_copy(in);
	}
}

static void
reads_texts(void **state)
{
	static const struct {
		struct slice in;
		bool ok;
		struct slice want;
	} rows[] = {
		{ SLICE("\0"), true, { NULL, 0 } },
		{ SLICE("\1"), true, SLICE("") },
		{ SLICE("\3ab"), true, SLICE("ab") },
		{ SLICE("\3a"), false, { NULL, 0 } },
		{ SLICE("\3a\n"), false, { NULL, 0 } },
		{ SLICE("\3\rb"), false, { NULL, 0 } },
		{ SLICE(""), false, { NULL, 0 } },
		{ SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false,
		    { NULL, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in), rest = in, got;

		test_case("texts");
		test_int(tlv_get_text(&rest, &got), rows[i].ok);
		if (rows[i].ok) {
			test_slice(got, rows[i].want);
			test_true((got.at == NULL) ==
			    (rows[i].want.at == NULL));
		}
		test_free_copy(in);
	}
}

static void
walks_records(void **state)
{
	struct slice in, value;
	struct buf b;
	uint8_t type;

	(void)state;
	test_case("records");
	buf_init(&b, 16);
	test_int(tlv_add_record(&b, 7, SLICE("abc")), BUF_OK);
	test_int(tlv_add_record(&b, 8, SLICE("12345678")), BUF_E_FULL);
	test_int(tlv_add_record(&b, 9, SLICE("")), BUF_OK);
	in = buf_slice(&b);
	test_true(tlv_next_record(&in, &type, &value));
	test_int(type, 7);
	test_slice(value, SLICE("abc"));
	test_true(tlv_next_record(&in, &type, &value));
	test_int(type, 9);
	test_true(!tlv_next_record(&in, &type, &value));
	test_int(in.len, 0);
	in = SLICE("\1\4\0abc");
	test_true(!tlv_next_record(&in, &type, &value));
	test_int(in.len, 6);
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test(numbers_go_there_and_back),
    cmocka_unit_test(refuses_bad_numbers), cmocka_unit_test(reads_texts),
    cmocka_unit_test(walks_records))
