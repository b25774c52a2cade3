/* SPDX-License-Identifier: ISC */
/*
 * Every message there and back, from samples that the generator makes: the
 * same bytes come out, one byte less or more is refused, and so is every
 * length that promises more than there is.
 */
#include "base/test.h"
#include "wire/messages.h"
#include "wire/samples.h"

static void
round_trips(void **state)
{
	(void)state;
	for (uint16_t type = 1; type < WIRE_N_TYPES; type++) {
		struct slice in = test_exact_copy(wire_samples[type]);
		struct buf out;

		test_case(wire_name(type));
		buf_init(&out, 1 << 20);
		test_int(wire_round_trip(type, in, &out), WIRE_OK);
		test_slice(buf_slice(&out), in);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

static void
cut_and_lengthened_are_refused(void **state)
{
	(void)state;
	for (uint16_t type = 1; type < WIRE_N_TYPES; type++) {
		struct slice whole = wire_samples[type];
		uint8_t *longer = calloc(1, whole.len + 1);

		test_case(wire_name(type));
		test_true(longer != NULL);
		memcpy(longer, whole.at, whole.len);
		test_int(wire_decode_any(type, slice_of(longer, whole.len + 1)),
		    WIRE_E_BAD);
		free(longer);
		for (size_t n = 0; n < whole.len; n++) {
			struct slice in = test_exact_copy(slice_upto(whole, n));

			test_int(wire_decode_any(type, in), WIRE_E_BAD);
			test_free_copy(in);
		}
	}
}

static const struct {
	const char *what;
	uint8_t at[WIRE_HEAD];
	bool want;
} heads[] = {
	{ "a start", { 4, 0, 0, 0, WIRE_START }, true },
	{ "no type", { 4 }, false },
	{ "type too high", { 4, 0, 0, 0, 0xff, 0xff }, false },
	{ "longest", { 0, 0, 16, 0, WIRE_START }, true },
	{ "too long", { 1, 0, 16, 0, WIRE_START }, false },
	{ "a descriptor that this type has not",
	    { 4, 0, 0, 0, WIRE_START, 0, 1 }, false },
	{ "its descriptor", { 6, 0, 0, 0, WIRE_PEER, 0, 1 }, true },
	{ "its descriptor missing", { 6, 0, 0, 0, WIRE_PEER }, false },
	{ "two descriptors", { 6, 0, 0, 0, WIRE_PEER, 0, 2 }, false },
	{ "reserved byte", { 4, 0, 0, 0, WIRE_START, 0, 0, 1 }, false },
};

static void
heads_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint8_t again[WIRE_HEAD];
		struct wire_head h;

		test_case(heads[i].what);
		test_int(wire_head_decode(heads[i].at, &h), heads[i].want);
		if (!heads[i].want)
			continue;
		wire_head_encode(&h, again);
		assert_memory_equal(again, heads[i].at, WIRE_HEAD);
	}
}

/* The walls that the design names (section 2). */
static const struct {
	enum wire_role from, to;
	uint16_t type;
	bool want;
} rights[] = {
	{ WIRE_KEEPER, WIRE_STORE, WIRE_GRANT, true },
	{ WIRE_USER, WIRE_STORE, WIRE_GRANT, false },
	{ WIRE_MX, WIRE_KEEPER, WIRE_AUTH_START, false },
	{ WIRE_USER, WIRE_KEEPER, WIRE_AUTH_START, true },
	{ WIRE_MX, WIRE_STORE, WIRE_MAILBOX_OPEN, false },
	{ WIRE_COURIER, WIRE_STORE, WIRE_COMMIT, false },
	{ WIRE_STORE, WIRE_KEEPER, WIRE_GRANT, false },
	{ WIRE_MX, WIRE_STORE, WIRE_ADMIN_ASK, false },
	{ WIRE_USER, WIRE_STORE, WIRE_ADMIN_ASK, false },
	{ WIRE_CONTROL, WIRE_STORE, WIRE_ADMIN_ASK, true },
	{ WIRE_MX, WIRE_SUPERVISOR, WIRE_READY, true },
	{ WIRE_MX, WIRE_USER, WIRE_STOP, false },
};

static void
who_may_send_what(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		test_case(wire_name(rights[i].type));
		test_int(wire_may_send(rights[i].from, rights[i].to,
			     rights[i].type),
		    rights[i].want);
	}
}

TEST_MAIN(cmocka_unit_test(round_trips),
    cmocka_unit_test(cut_and_lengthened_are_refused),
    cmocka_unit_test(heads_are_checked), cmocka_unit_test(who_may_send_what))
