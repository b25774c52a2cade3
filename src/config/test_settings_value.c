/* SPDX-License-Identifier: ISC */
/*
 * Values by kind: what each takes from the file, at its bounds and beyond,
 * what is said of the others, and that what is printed is read as the same.
 */
#include "base/test.h"
#include "base/time.h"
#include "config/settings_table.h"

static const struct {
	struct slice in;
	int64_t want; /* -1: refused */
} durations[] = {
	{ SLICE("0s"), 0 },
	{ SLICE("250ms"), 250 * TIME_MS },
	{ SLICE("1w2d3h4m5s6ms"),
	    9 * TIME_DAY + 3 * TIME_HOUR + 4 * TIME_MINUTE + 5 * TIME_SECOND +
		6 * TIME_MS },
	{ SLICE("90m"), 90 * TIME_MINUTE },
	{ SLICE("1m1m"), -1 },
	{ SLICE("1s1m"), -1 },
	{ SLICE("m"), -1 },
	{ SLICE("1"), -1 },
	{ SLICE("-1s"), -1 },
	{ SLICE("1.5s"), -1 },
	{ SLICE("1S"), -1 },
	{ SLICE("15250284w"), 15250284 * 7 * TIME_DAY },
	{ SLICE("15250285w"), -1 },
};

static void
reads_durations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		int64_t got = -1;

		test_case((const char *)durations[i].in.at);
		test_int(settings_duration_parse(durations[i].in, &got),
		    durations[i].want != -1);
		test_int(got, durations[i].want);
	}
}

static const struct {
	struct slice in;
	bool ok;
	uint64_t want;
} sizes[] = {
	{ SLICE("0"), true, 0 },
	{ SLICE("70001"), true, 70001 },
	{ SLICE("1B"), true, 1 },
	{ SLICE("2kB"), true, 2000 },
	{ SLICE("2KiB"), true, 2048 },
	{ SLICE("3MB"), true, 3000000 },
	{ SLICE("50MiB"), true, 50 * 1024 * 1024 },
	{ SLICE("4GB"), true, UINT64_C(4000000000) },
	{ SLICE("4GiB"), true, UINT64_C(4) << 30 },
	{ SLICE("5TB"), true, UINT64_C(5000000000000) },
	{ SLICE("8388607TiB"), true, UINT64_C(8388607) << 40 },
	{ SLICE("8388608TiB"), false, 0 },
	{ SLICE("9223372036854775807"), true, INT64_MAX },
	{ SLICE("9223372036854775808"), false, 0 },
	{ SLICE("1kib"), false, 0 },
	{ SLICE("1K"), false, 0 },
	{ SLICE("1 MiB"), false, 0 },
	{ SLICE("1MiB "), false, 0 },
	{ SLICE("1MiB1KiB"), false, 0 },
	{ SLICE("1.5MiB"), false, 0 },
	{ SLICE("-1"), false, 0 },
	{ SLICE("MiB"), false, 0 },
	{ SLICE(""), false, 0 },
};

static void
reads_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct slice in = test_exact_copy(sizes[i].in);
		uint64_t got = 0;

		test_case((const char *)sizes[i].in.at);
		test_int(settings_size_parse(in, &got), sizes[i].ok);
		test_true(got == sizes[i].want);
		test_free_copy(in);
	}
}

static const struct {
	struct slice in;
	uint8_t family; /* 0: none */
	uint8_t first, last;
} addresses[] = {
	{ SLICE("192.0.2.1"), 4, 192, 0 },
	{ SLICE("0.0.0.0"), 4, 0, 0 },
	{ SLICE("::"), 6, 0, 0 },
	{ SLICE("2001:db8::7"), 6, 0x20, 7 },
	{ SLICE("::ffff:192.0.2.1"), 6, 0, 1 },
	{ SLICE("192.0.2"), 0, 0, 0 },
	{ SLICE("192.0.2.256"), 0, 0, 0 },
	{ SLICE("192.0.2.1 "), 0, 0, 0 },
	{ SLICE("[::1]"), 0, 0, 0 },
	{ SLICE("fe80::1%lo"), 0, 0, 0 },
	{ SLICE("localhost"), 0, 0, 0 },
	{ SLICE("192.0.2.1\0"), 0, 0, 0 },
	{ SLICE("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:"
		"1111"),
	    0, 0, 0 },
};

static void
reads_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct slice in = test_exact_copy(addresses[i].in);
		struct settings_listener got = { .port = 25 };

		memset(got.address, 0xee, sizeof(got.address));
		test_case((const char *)addresses[i].in.at);
		test_int(settings_address_parse(in, &got),
		    addresses[i].family != 0);
		test_int(got.family, addresses[i].family);
		test_int(got.port, 25);
		if (addresses[i].family != 0) {
			test_int(got.address[0], addresses[i].first);
			test_int(got.address[15], addresses[i].last);
		} else {
			test_int(got.address[0], 0xee); /* untouched */
		}
		test_free_copy(in);
	}
}

/* -- reading by kind ------------------------------------------------------ */

struct member {
	char text[16];
	uint64_t u64;
	int64_t i64;
	uint32_t u32;
	uint16_t u16;
	uint8_t u8;
};

#define AT(m) offsetof(struct member, m), sizeof(((struct member *)0)->m)
#define TEXT(t)                                                                \
	{                                                                      \
		.type = TOML_STRING, .text = SLICE(t)                          \
	}
#define INTEGER(n)                                                             \
	{                                                                      \
		.type = TOML_INTEGER, .integer = (n)                           \
	}

static const struct {
	const char *what;
	struct settings_key key;
	struct toml_node node;
	const char *err;   /* a part of what is said; NULL: it is taken */
	const char *print; /* of numbers: what the file would say */
} values[] = {
	{ "a host", { .kind = KIND_HOST, AT(text) }, TEXT("a-1.b"), NULL,
	    NULL },
	{ "a host with a hyphen before the dot",
	    { .kind = KIND_HOST, AT(text) }, TEXT("a-.b"), "domain name",
	    NULL },
	{ "a host of 15", { .kind = KIND_HOST, AT(text) },
	    TEXT("aaaaaaaaaaaaaaa"), NULL, NULL },
	{ "a host of 16", { .kind = KIND_HOST, AT(text) },
	    TEXT("aaaaaaaaaaaaaaaa"), "longer than 15 bytes", NULL },
	{ "a host that is a number", { .kind = KIND_HOST, AT(text) },
	    INTEGER(1), "needs a domain name in quotes, not an integer", NULL },
	{ "a path", { .kind = KIND_PATH, AT(text) }, TEXT("/a b"), NULL, NULL },
	{ "no path", { .kind = KIND_PATH, AT(text) }, TEXT(""), NULL, NULL },
	{ "a path from here", { .kind = KIND_PATH, AT(text) }, TEXT("a/b"),
	    "absolute path", NULL },
	{ "a path with a NUL", { .kind = KIND_PATH, AT(text) }, TEXT("/a\0b"),
	    "NUL", NULL },
	{ "text that needs escapes", { .kind = KIND_TEXT, AT(text) },
	    TEXT("\"\\\n\t\x7f\xc3\xa9"), NULL, NULL },
	{ "an address", { .kind = KIND_ADDRESS, AT(text) }, TEXT("::1"), NULL,
	    NULL },
	{ "no address", { .kind = KIND_ADDRESS, AT(text) }, TEXT(""), NULL,
	    NULL },
	{ "a name", { .kind = KIND_ADDRESS, AT(text) }, TEXT("a.b"),
	    "IPv4 or IPv6", NULL },
	{ "true", { .kind = KIND_BOOL, AT(u8) },
	    { .type = TOML_BOOL, .is_true = true }, NULL, "true" },
	{ "false", { .kind = KIND_BOOL, AT(u8) }, { .type = TOML_BOOL }, NULL,
	    "false" },
	{ "true in quotes", { .kind = KIND_BOOL, AT(u8) }, TEXT("true"),
	    "needs true or false, not a string", NULL },
	{ "the least", { .kind = KIND_COUNT, AT(u32), .min = 2, .max = 9 },
	    INTEGER(2), NULL, "2" },
	{ "less", { .kind = KIND_COUNT, AT(u32), .min = 2, .max = 9 },
	    INTEGER(1), "out of its range, 2 to 9", NULL },
	{ "the most", { .kind = KIND_PERCENT, AT(u32), .min = 2, .max = 9 },
	    INTEGER(9), NULL, "9" },
	{ "more", { .kind = KIND_PERCENT, AT(u32), .min = 2, .max = 9 },
	    INTEGER(10), "out of its range, 2 to 9", NULL },
	{ "what would be 1 in 32 bits",
	    { .kind = KIND_COUNT, AT(u32), .min = 0, .max = 9 },
	    INTEGER(INT64_C(0x100000001)), "out of its range", NULL },
	{ "a port", { .kind = KIND_PORT, AT(u16), .min = 1, .max = 65535 },
	    INTEGER(65535), NULL, "65535" },
	{ "no port", { .kind = KIND_PORT, AT(u16), .min = 1, .max = 65535 },
	    INTEGER(65536), "1 to 65535", NULL },
	{ "LIMIT_MESSAGE_SIZE_MAX",
	    { .kind = KIND_SIZE, AT(u64), .max = LIMIT_MESSAGE_SIZE_MAX },
	    TEXT("1GiB"), NULL, "\"1GiB\"" },
	{ "one octet above it",
	    { .kind = KIND_SIZE, AT(u64), .max = LIMIT_MESSAGE_SIZE_MAX },
	    INTEGER(INT64_C(1073741825)), "0 to \"1GiB\"", NULL },
	{ "a size as a number",
	    { .kind = KIND_SIZE, AT(u64), .max = LIMIT_MESSAGE_SIZE_MAX },
	    INTEGER(1000), NULL, "\"1kB\"" },
	{ "a size without a unit of ours",
	    { .kind = KIND_SIZE, AT(u64), .max = LIMIT_MESSAGE_SIZE_MAX },
	    TEXT("1Mb"), "needs a size such as", NULL },
	{ "a duration", { .kind = KIND_DURATION, AT(i64), .max = TIME_DAY },
	    TEXT("1h30m"), NULL, "\"90m\"" },
	{ "a duration as a number",
	    { .kind = KIND_DURATION, AT(i64), .max = TIME_DAY }, INTEGER(5),
	    "needs a duration such as", NULL },
	{ "a level", { .kind = KIND_LEVEL, AT(u8), .max = 3 }, TEXT("warn"),
	    NULL, "\"warn\"" },
	{ "an index", { .kind = KIND_INDEX, AT(u8), .max = 2 }, TEXT("always"),
	    NULL, "\"always\"" },
	{ "no such index", { .kind = KIND_INDEX, AT(u8), .max = 2 },
	    TEXT("never"), "\"on-demand\"", NULL },
	{ "families", { .kind = KIND_FAMILIES, AT(u8), .max = 3 },
	    TEXT("ipv4-first"), NULL, "\"ipv4-first\"" },
	{ "no families", { .kind = KIND_FAMILIES, AT(u8), .max = 3 },
	    TEXT("ipv5"), "\"ipv4-first\"", NULL },
	{ "tls", { .kind = KIND_MINIMUM, AT(u8), .min = 1, .max = 5 },
	    TEXT("dane"), NULL, "\"dane\"" },
	{ "tls, no such word", { .kind = KIND_MINIMUM, AT(u8), .max = 5 },
	    TEXT("default"), "needs \"none\"", NULL },
	{ "told", { .kind = KIND_TOLD, AT(u8), .max = 2 }, TEXT("login"), NULL,
	    "\"login\"" },
	{ "not told", { .kind = KIND_TOLD, AT(u8), .max = 2 }, TEXT("true"),
	    "\"yes\"", NULL },
	{ "no level", { .kind = KIND_LEVEL, AT(u8), .max = 3 }, TEXT("Warn"),
	    "\"debug\"", NULL },
};

static int64_t
number_at(const struct member *m, size_t size)
{
	switch (size) {
	case sizeof(m->u8):
		return m->u8;
	case sizeof(m->u16):
		return m->u16;
	case sizeof(m->u32):
		return m->u32;
	default:
		return m->u64 != 0 ? (int64_t)m->u64 : m->i64;
	}
}

static void
is_printed(size_t i, const struct member *m)
{
	struct buf out;

	if (values[i].key.kind < KIND_BOOL)
		return;
	buf_init(&out, 256);
	test_int(settings_number_print(values[i].key.kind,
		     number_at(m, values[i].key.size), &out),
	    0);
	test_slice(buf_slice(&out), slice_cstr(values[i].print));
	buf_deinit(&out);
}

/* A key's place may lie in any struct: so nothing but its bytes changes. */
static void
reads_by_kind(void **state)
{
	static struct settings s; /* as large as the callee believes */

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char err[SETTINGS_ERROR] = "";
		struct member before, m;

		test_case(values[i].what);
		memset(&s, 0, sizeof(s));
		memcpy(&before, &s, sizeof(before));
		test_int(settings_value_read(&values[i].key, &values[i].node,
			     &s, err, sizeof(err)),
		    values[i].err == NULL);
		memcpy(&m, &s, sizeof(m));
		if (values[i].err != NULL) {
			if (strstr(err, values[i].err) == NULL)
				print_error("said \"%s\"\n", err);
			test_true(strstr(err, values[i].err) != NULL);
			test_true(memcmp(&before, &m, sizeof(m)) == 0);
			continue;
		}
		is_printed(i, &m);
		if (values[i].key.kind < KIND_BOOL)
			test_slice(slice_cstr(m.text), values[i].node.text);
	}
}

static size_t
index_of(const char *name)
{
	for (size_t i = 0; i < settings_keys_n; i++)
		if (strcmp(settings_keys[i].name, name) == 0)
			return i;
	fail_msg("no setting is called %s", name);
	return 0;
}

static void
prints_text_as_the_file_has_it(void **state)
{
	static struct settings s;
	struct buf out;

	(void)state;
	buf_init(&out, 256);
	(void)strcpy(s.resolver_trust_anchor, "a \"b\\\n\t\x7f\xc3\xa9");
	test_int(settings_value_print(&s, index_of("trust_anchor"), &out), 0);
	test_slice(buf_slice(&out),
	    SLICE("\"a \\\"b\\\\\\n\\u0009\\u007f\xc3\xa9\""));
	test_case("no room");
	buf_deinit(&out);
	buf_init(&out, 5);
	test_int(settings_value_print(&s, index_of("trust_anchor"), &out),
	    BUF_E_FULL);
	buf_deinit(&out);
}

/* Arrays of strings are lines; nothing else is in them. */
static void
reads_lines(void **state)
{
	const struct settings_key *key = &settings_keys[index_of("stubs")];
	static struct settings s;
	struct toml_node b = TEXT("c d@2"), a = TEXT("a b@1"),
			 array = { .type = TOML_ARRAY };
	char err[SETTINGS_ERROR] = "";

	(void)state;
	test_case("none");
	(void)strcpy(s.resolver_stubs, "old");
	test_true(settings_value_read(key, &array, &s, err, sizeof(err)));
	test_slice(slice_cstr(s.resolver_stubs), SLICE(""));
	test_case("two");
	a.next = &b;
	array.first = &a;
	array.last = &b;
	test_true(settings_value_read(key, &array, &s, err, sizeof(err)));
	test_slice(slice_cstr(s.resolver_stubs), SLICE("a b@1\nc d@2"));
	test_case("a number among them");
	b.type = TOML_INTEGER;
	test_true(!settings_value_read(key, &array, &s, err, sizeof(err)));
	test_true(strstr(err, "array") != NULL);
	test_slice(slice_cstr(s.resolver_stubs), SLICE("a b@1\nc d@2"));
}

static const struct {
	const char *name, *preset, *range;
} printed[] = {
	{ "hostname", "", "a domain name in quotes" },
	{ "sandbox", "true", "true or false" },
	{ "max_size", "\"50MiB\"",
	    "a size such as \"50MiB\", from \"64KiB\" to \"1GiB\"" },
	{ "log_level", "\"info\"",
	    "\"error\", \"warn\", \"info\" or \"debug\"" },
	{ "retry_growth", "200", "a whole number, from 100 to 1000" },
};

static void
prints_defaults_and_ranges(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 256);
	for (size_t i = 0; i < sizeof(printed) / sizeof(printed[0]); i++) {
		size_t key = index_of(printed[i].name);

		test_case(printed[i].name);
		test_int(settings_default_print(key, &out), 0);
		test_slice(buf_slice(&out), slice_cstr(printed[i].preset));
		buf_reset(&out, 0);
		test_int(settings_range_print(key, &out), 0);
		test_slice(buf_slice(&out), slice_cstr(printed[i].range));
		buf_reset(&out, 0);
	}
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(reads_durations), cmocka_unit_test(reads_sizes),
    cmocka_unit_test(reads_addresses), cmocka_unit_test(reads_by_kind),
    cmocka_unit_test(prints_text_as_the_file_has_it),
    cmocka_unit_test(reads_lines), cmocka_unit_test(prints_defaults_and_ranges))
