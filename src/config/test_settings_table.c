/* SPDX-License-Identifier: ISC */
/*
 * The table of settings against what its readers take for granted: sentences,
 * ranges with their defaults inside, names that are there once, sections that
 * stand together, and places in struct settings that are each one's own.
 */
#include "base/test.h"
#include "config/settings_table.h"

/* What the table promises: a sentence, a default inside its range, a name
 * that is there once. */
static void
has_a_sound_table(void **state)
{
	struct settings s;

	(void)state;
	for (size_t i = 0; i < settings_keys_n; i++) {
		const struct settings_key *key = &settings_keys[i];
		size_t len = strlen(key->sentence);

		test_case(key->name);
		test_true(len > 10 && key->sentence[len - 1] == '.');
		test_true(key->min <= key->max);
		settings_default(&s);
		if (key->preset != NULL)
			test_true(settings_value_preset(key, &s));
		if (key->preset != NULL)
			test_true(settings_key_is_default(&s, i));
		for (size_t j = 0; j < i; j++)
			test_true(strcmp(key->name, settings_keys[j].name) !=
				0 ||
			    strcmp(key->section, settings_keys[j].section) !=
				0);
	}
}

/* Bytes of struct settings that are another's would be written twice. */
static void
has_a_place_for_each(void **state)
{
	static uint8_t taken[sizeof(struct settings)];

	(void)state;
	memset(taken, 0, sizeof(taken));
	for (size_t i = 0; i < settings_keys_n; i++) {
		const struct settings_key *key = &settings_keys[i];

		test_case(key->name);
		test_true(key->size > 0);
		test_true(key->offset + key->size <= sizeof(taken));
		for (size_t at = 0; at < key->size; at++)
			test_int(taken[key->offset + at]++, 0);
	}
}

/* How wide a member is, by its kind; 0: any. */
static const size_t widths[N_KINDS] = {
	[KIND_BOOL] = sizeof(bool),
	[KIND_COUNT] = sizeof(uint32_t),
	[KIND_PERCENT] = sizeof(uint32_t),
	[KIND_PORT] = sizeof(uint16_t),
	[KIND_SIZE] = sizeof(uint64_t),
	[KIND_DURATION] = sizeof(int64_t),
	[KIND_LEVEL] = sizeof(uint8_t),
	[KIND_TOLD] = sizeof(uint8_t),
	[KIND_INDEX] = sizeof(uint8_t),
	[KIND_FAMILIES] = sizeof(uint8_t),
	[KIND_MINIMUM] = sizeof(uint8_t),
};

static void
has_members_of_the_right_width(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_keys_n; i++) {
		const struct settings_key *key = &settings_keys[i];
		size_t width = widths[key->kind];

		test_case(key->name);
		test_true(key->kind < N_KINDS);
		if (width > 0) {
			test_int(key->size, width);
			/* Its bounds fit in, and it has some. */
			test_true(key->min >= 0);
			test_true(key->kind == KIND_BOOL || key->max > 0);
			test_true(width == 8 ||
			    key->max < INT64_C(1) << (8 * width));
		} else {
			test_true(key->size > 1);
			test_int(key->min, 0);
			test_int(key->max, 0);
		}
	}
}

static void
has_sections_that_stand_together(void **state)
{
	(void)state;
	for (size_t i = 1; i < settings_keys_n; i++) {
		const char *section = settings_keys[i].section;

		test_case(settings_keys[i].name);
		if (strcmp(section, settings_keys[i - 1].section) == 0)
			continue;
		for (size_t j = 0; j < i; j++)
			test_true(strcmp(settings_keys[j].section, section) !=
			    0);
	}
}

/* A sentence is printed after a name: a capital, one line. What is for tests
 * says so. */
static void
has_sentences(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_keys_n; i++) {
		struct slice s = slice_cstr(settings_keys[i].sentence);

		test_case(settings_keys[i].name);
		test_true(s.at[0] >= 'A' && s.at[0] <= 'Z');
		test_true(slice_find_byte(s, '\n') == SIZE_MAX);
		test_true(slice_find(s, SLICE("  ")) == SIZE_MAX);
		test_true(slice_find(s, SLICE("For tests")) == SIZE_MAX ||
		    settings_keys[i].is_test);
	}
}

static const struct {
	enum service service;
	const char *name;
	uint16_t port;
} services[] = {
	{ SERVICE_NONE, "none", 0 },
	{ SERVICE_MX, "mx", 25 },
	{ SERVICE_SUBMISSION, "submission", 587 },
	{ SERVICE_SUBMISSIONS, "submissions", 465 },
	{ SERVICE_IMAP, "imap", 143 },
	{ SERVICE_IMAPS, "imaps", 993 },
	{ SERVICE_POP3, "pop3", 110 },
	{ SERVICE_POP3S, "pop3s", 995 },
	{ SERVICE_LMTP, "lmtp", 24 },
	{ SERVICE_CONTROL, "control", 0 },
	{ SERVICE_LOCAL, "local", 0 },
};

static void
knows_the_services(void **state)
{
	(void)state;
	test_int(sizeof(services) / sizeof(services[0]), N_SERVICES);
	for (size_t i = 0; i < N_SERVICES; i++) {
		test_case(services[i].name);
		test_int(services[i].service, i);
		test_slice(slice_cstr(settings_service_names[i]),
		    slice_cstr(services[i].name));
		test_int(settings_service_ports[i], services[i].port);
	}
}

TEST_MAIN(cmocka_unit_test(has_a_sound_table),
    cmocka_unit_test(has_a_place_for_each),
    cmocka_unit_test(has_members_of_the_right_width),
    cmocka_unit_test(has_sections_that_stand_together),
    cmocka_unit_test(has_sentences), cmocka_unit_test(knows_the_services))
