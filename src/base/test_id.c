/* SPDX-License-Identifier: ISC */
/* Ids sort by time, never repeat, and survive printing. */
#include "base/id.h"
#include "base/test.h"
#include "base/time.h"

static void
sort_as_they_were_made(void **state)
{
	struct id_source s = { 0 };
	struct id last, next;
	int64_t wall = 1763876767 * TIME_SECOND;

	(void)state;
	test_case("order");
	id_make(&s, wall, 5, &last);
	test_int(id_time(&last), wall);
	for (int i = 0; i < 200000; i++) {
		if (i % 1000 == 0) /* the clock jumps about */
			wall += (i % 2000 == 0 ? 1 : -1) * TIME_SECOND;
		id_make(&s, wall, (uint64_t)rand(), &next);
		test_true(id_compare(&last, &next) < 0);
		last = next;
	}
}

static void
survive_printing(void **state)
{
	static const struct id all_ones = { { 255, 255, 255, 255, 255, 255, 255,
	    255, 255, 255, 255, 255, 255, 255, 255, 255 } };
	char text[ID_TEXT + 1];
	struct id id, back;

	(void)state;
	test_case("round trip");
	srand(1);
	for (int i = 0; i < 1000; i++) {
		for (size_t k = 0; k < ID_SIZE; k++)
			id.bytes[k] = (uint8_t)rand();
		id_print(&id, text);
		test_int(strlen(text), ID_TEXT);
		test_true(id_parse(slice_cstr(text), &back));
		test_true(id_equal(&id, &back));
		text[3] |= 0x20; /* letters in lower case are the same */
		test_true(id_parse(slice_cstr(text), &back) ==
		    (strchr("0123456789", text[3]) != NULL ||
			id_equal(&id, &back)));
	}
	id_print(&all_ones, text);
	assert_string_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
}

static const struct slice bad[] = { SLICE(""),
	SLICE("7ZZZZZZZZZZZZZZZZZZZZZZZZ"),   /* 25 */
	SLICE("7ZZZZZZZZZZZZZZZZZZZZZZZZZZ"), /* 27 */
	SLICE("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"),  /* above 128 bits */
	SLICE("7ZZZZZZZZZZZZZZZZZZZZZZZZU"),  /* U is no digit */
	SLICE("7ZZZZZZZZZZZZZ ZZZZZZZZZZZ"),
	SLICE("7ZZZZZZZZZZZZZ\0ZZZZZZZZZZZ") };

static void
refuse_what_is_none(void **state)
{
	struct id id = { { 42 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		test_case((const char *)bad[i].at);
		test_true(!id_parse(bad[i], &id));
		test_int(id.bytes[0], 42);
	}
	test_true(!id_from_slice(SLICE("short"), &id));
}

TEST_MAIN(cmocka_unit_test(sort_as_they_were_made),
    cmocka_unit_test(survive_printing), cmocka_unit_test(refuse_what_is_none))
