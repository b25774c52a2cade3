/* SPDX-License-Identifier: ISC */
/* A buffer holds up to its cap, whole additions or none, and eats in order. */
#include "base/buf.h"
#include "base/test.h"

static void
adds_whole_or_not_at_all(void **state)
{
	struct buf b;

	(void)state;
	test_case("cap");
	buf_init(&b, 8);
	test_int(buf_add(&b, SLICE("12345")), BUF_OK);
	test_int(buf_add(&b, SLICE("6789")), BUF_E_FULL);
	test_slice(buf_slice(&b), SLICE("12345"));
	test_int(buf_add(&b, SLICE("678")), BUF_OK);
	test_int(buf_room(&b), 0);
	test_int(buf_add_byte(&b, '9'), BUF_E_FULL);
	test_int(buf_add(&b, SLICE("")), BUF_OK);
	buf_deinit(&b);
	test_int(buf_add(&b, SLICE("again")), BUF_OK);
	buf_deinit(&b);
}

/* Random additions and bites against a plain array. */
static void
behaves_like_a_queue(void **state)
{
	static uint8_t model[100000];
	size_t head = 0, tail = 0;
	struct buf b;

	(void)state;
	test_case("queue");
	buf_init(&b, 1000);
	srand(7);
	while (tail < sizeof(model) - 1000) {
		uint8_t part[300];
		size_t n = (size_t)rand() % sizeof(part);

		for (size_t i = 0; i < n; i++)
			part[i] = (uint8_t)rand();
		if (buf_add(&b, slice_of(part, n)) == BUF_OK) {
			memcpy(model + tail, part, n);
			tail += n;
		} else {
			test_true(n > 1000 - b.len);
		}
		n = (size_t)rand() % (b.len + 1);
		buf_eat(&b, n);
		head += n;
		test_slice(buf_slice(&b), slice_of(model + head, tail - head));
	}
	buf_deinit(&b);
}

static void
prints_up_to_the_last_byte(void **state)
{
	struct buf b;

	(void)state;
	test_case("exactly full by printf");
	buf_init(&b, 6);
	test_int(buf_printf(&b, "%d-%s", 12, "abc"), BUF_OK);
	test_slice(buf_slice(&b), SLICE("12-abc"));
	test_int(buf_printf(&b, "x"), BUF_E_FULL);
	test_slice(buf_slice(&b), SLICE("12-abc"));
	buf_deinit(&b);
}

static void
gives_memory_back(void **state)
{
	struct buf b;

	(void)state;
	test_case("reset");
	buf_init(&b, 100000);
	for (int i = 0; i < 1000; i++)
		test_int(buf_add(&b, SLICE("0123456789")), BUF_OK);
	buf_reset(&b, 512);
	test_int(b.size, 0);
	test_int(buf_add(&b, SLICE("x")), BUF_OK);
	buf_reset(&b, 512);
	test_true(b.size > 0 && b.len == 0);
	buf_deinit(&b);
}

static void
remembers_what_was_lost(void **state)
{
	struct buf b;

	(void)state;
	test_case("lost");
	buf_init(&b, 4);
	test_int(buf_add(&b, SLICE("abc")), BUF_OK);
	test_true(!b.lost);
	test_int(buf_add(&b, SLICE("de")), BUF_E_FULL);
	test_true(b.lost);
	test_int(buf_add(&b, SLICE("d")), BUF_OK);
	test_true(b.lost);
	buf_reset(&b, 4);
	test_true(!b.lost);
	test_int(buf_printf(&b, "%s", "12345"), BUF_E_FULL);
	test_true(b.lost);
	buf_deinit(&b);
	test_true(!b.lost);
}

TEST_MAIN(cmocka_unit_test(remembers_what_was_lost),
    cmocka_unit_test(adds_whole_or_not_at_all),
    cmocka_unit_test(behaves_like_a_queue),
    cmocka_unit_test(prints_up_to_the_last_byte),
    cmocka_unit_test(gives_memory_back))
