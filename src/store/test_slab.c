/* SPDX-License-Identifier: ISC */
/* Slabs: what was put in is found, growing, and octets that are none. */
#include <errno.h>

#include "base/test.h"
#include "store/slab.h"

enum {
	N = 3000
};

static struct id
id_at(unsigned n)
{
	uint8_t bytes[16] = { (uint8_t)(n >> 8), (uint8_t)n, 1 };
	struct id id = { 0 };

	test_true(id_from_slice(slice_of(bytes, sizeof(bytes)), &id));
	return id;
}

/* Message n: "all", "n<n>", its divisors up to 9 as "by<d>"; in the header
 * "head" and "h<n>". The 17th of each hundred is partial. */
static void
add(struct slab_builder *b, unsigned n)
{
	struct terms_set body, header;
	struct slice texts[SLAB_N_PARTS];
	struct id id = id_at(n);
	char text[16];

	terms_set_init(&body, 4096, 1);
	terms_set_init(&header, 4096, 2);
	test_int(terms_set_add(&body, SLICE("all")), BUF_OK);
	for (unsigned d = 2; d <= 9; d++)
		if (n % d == 0) {
			(void)snprintf(text, sizeof(text), "by%u", d);
			test_int(terms_set_add(&body, slice_cstr(text)),
			    BUF_OK);
		}
	(void)snprintf(text, sizeof(text), "n%u", n);
	test_int(terms_set_add(&body, slice_cstr(text)), BUF_OK);
	text[0] = 'h';
	test_int(terms_set_add(&header, slice_cstr(text)), BUF_OK);
	test_int(terms_set_add(&header, SLICE("head")), BUF_OK);
	texts[SLAB_BODY] = buf_slice(&body.text);
	texts[SLAB_HEADER] = buf_slice(&header.text);
	test_int(slab_add(b, &id, n % 100 == 17, texts), 0);
	terms_set_deinit(&body);
	terms_set_deinit(&header);
}

static bool
contains(unsigned n, enum slab_part part, const char *needle)
{
	char text[128];
	size_t len;

	if (n % 100 == 17)
		return true;
	if (part == SLAB_HEADER) {
		(void)snprintf(text, sizeof(text), " h%u head ", n);
		return strstr(text, needle) != NULL;
	}
	len = (size_t)snprintf(text, sizeof(text), " all ");
	for (unsigned d = 2; d <= 9; d++)
		if (n % d == 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			    "by%u ", d);
	(void)snprintf(text + len, sizeof(text) - len, "n%u ", n);
	return strstr(text, needle) != NULL;
}

static void
build(struct slab_builder *b, struct buf *out)
{
	buf_init(out, SLAB_BYTES_MAX);
	test_int(slab_build(b, out), 0);
	slab_builder_reset(b);
}

static void
check(struct slice bytes, enum slab_part part, const char *needle)
{
	struct terms_demand demands[TERMS_DEMANDS];
	size_t n = terms_demands(slice_cstr(needle), demands);
	struct slab_hits hits;
	struct slab s;

	test_case(needle);
	test_int(slab_open(bytes, &s), 0);
	test_int(s.n, N);
	test_int(slab_find(&s, part, demands, n, &hits), 0);
	for (unsigned i = 0; i < N; i++) {
		struct id id = slab_id(&s, i), want = id_at(i);

		test_true(id_equal(&id, &want));
		test_int(slab_has(&hits, i), contains(i, part, needle));
	}
}

static void
check_all(struct slice bytes)
{
	static const char *const needles[] = { "all", " all ", "ll", "by7",
		" by7 ", "y7", "n299", " n299 ", "n29", "99", "9", "none", "a",
		"n" };

	for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++)
		check(bytes, SLAB_BODY, needles[i]);
	check(bytes, SLAB_HEADER, "h299");
	check(bytes, SLAB_HEADER, "ead");
	check(bytes, SLAB_HEADER, "all");
}

static void
found(void **state)
{
	struct slab_builder *b = slab_builder_new(5);
	struct buf out, more;

	(void)state;
	assert_non_null(b);
	for (unsigned n = 0; n < N; n++)
		add(b, n);
	build(b, &out);
	check_all(buf_slice(&out));
	buf_deinit(&out);

	/* the same in three steps */
	for (unsigned n = 0; n < 10; n++)
		add(b, n);
	build(b, &out);
	for (unsigned n = 10; n < 1000; n++)
		add(b, n);
	build(b, &more);
	test_int(slab_add_slab(b, buf_slice(&out)), 0);
	test_int(slab_add_slab(b, buf_slice(&more)), 0);
	for (unsigned n = 1000; n < N; n++)
		add(b, n);
	buf_deinit(&out);
	buf_deinit(&more);
	build(b, &out);
	check_all(buf_slice(&out));
	buf_deinit(&out);
	slab_builder_free(b);
}

static void
is_full(void **state)
{
	struct slab_builder *b = slab_builder_new(5);
	const struct slice none[SLAB_N_PARTS] = { { 0 } };
	struct id id = id_at(1);
	struct buf out;

	(void)state;
	assert_non_null(b);
	for (unsigned n = 0; n < SLAB_DOCS; n++)
		test_int(slab_add(b, &id, false, none), 0);
	test_int(slab_add(b, &id, false, none), SLAB_E_FULL);
	build(b, &out);
	test_int(slab_add(b, &id, false, none), 0);
	test_int(slab_add_slab(b, buf_slice(&out)), SLAB_E_FULL);
	buf_deinit(&out);
	slab_builder_free(b);
}

/* Cut off and with other octets in it: bounded, whatever it says. */
static void
damaged(void **state)
{
	struct slab_builder *b = slab_builder_new(5);
	struct terms_demand demands[TERMS_DEMANDS];
	size_t n = terms_demands(SLICE("n"), demands);
	struct slab_hits hits;
	struct slab s;
	struct buf out;

	(void)state;
	assert_non_null(b);
	for (unsigned i = 0; i < 100; i++)
		add(b, i);
	build(b, &out);
	for (size_t len = 0; len < out.len; len += 13) {
		struct slice cut =
		    test_exact_copy(slice_upto(buf_slice(&out), len));

		test_int(slab_open(cut, &s), SLAB_E_BAD);
		test_free_copy(cut);
	}
	for (size_t at = 0; at < out.len; at++) {
		struct slice other = test_exact_copy(buf_slice(&out));

		((uint8_t *)(uintptr_t)other.at)[at] ^= 0xff;
		if (slab_open(other, &s) == 0)
			(void)slab_find(&s, SLAB_BODY, demands, n, &hits);
		slab_builder_reset(b);
		(void)slab_add_slab(b, other);
		test_free_copy(other);
	}
	buf_deinit(&out);
	slab_builder_free(b);
}

TEST_MAIN(cmocka_unit_test(found), cmocka_unit_test(is_full),
    cmocka_unit_test(damaged))
