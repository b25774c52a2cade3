/* SPDX-License-Identifier: ISC */
/* The terms of a text, and that no needle within it demands others. */
#include "base/test.h"
#include "mail/terms.h"

static const struct {
	const char *what, *text, *terms; /* between commas, in their order */
} rows[] = {
	{ "words", "the mail, of 2026", "the,mail,of,2026," },
	{ "with marks", "gru\xcc\x88n.", "gru\xcc\x88n," },
	{ "nothing", " -- !?", "" },
	{ "Han in pairs", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	    "\xe6\x97\xa5\xe6\x9c\xac,\xe6\x9c\xac\xe8\xaa\x9e," },
	{ "one of Han", "a\xe6\x97\xa5z", "a,\xe6\x97\xa5,z," },
	{ "Kana", "\xe3\x81\x82\xe3\x82\xab", "\xe3\x81\x82\xe3\x82\xab," },
	{ "64 octets",
	    "0123456789abcdef0123456789abcdef0123456789abcdef"
	    "0123456789abcdef",
	    "0123456789abcdef0123456789abcdef0123456789abcdef"
	    "0123456789abcdef," },
	{ "65 octets",
	    "0123456789abcdef0123456789abcdef0123456789abcdef"
	    "0123456789abcdefX",
	    "0123456789abcdef0123456789abcdef0123456789abcdef"
	    "0123456789abcdef,"
	    "0123456789abcdef0123456789abcdefX," },
};

static int
note(void *ctx, struct slice term)
{
	struct buf *b = ctx;
	int r = buf_add(b, term);

	return r != BUF_OK ? r : buf_add_byte(b, ',');
}

static void
tokens(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(slice_cstr(rows[i].text));
		struct terms t;
		struct buf b;

		test_case(rows[i].what);
		buf_init(&b, 4096);
		terms_init(&t, note, &b);
		test_int(terms_feed(&t, in), BUF_OK);
		test_int(terms_end(&t), BUF_OK);
		test_slice(buf_slice(&b), slice_cstr(rows[i].terms));
		buf_deinit(&b);
		test_free_copy(in);
	}
}

/* -- soundness: random texts of few characters, all their parts as needles --
 */

static const char *const alphabet[] = { "a", "b", "c", " ", ".", "\xe6\x97\xa5",
	"\xe6\x9c\xac", "\xcc\x88", "\xe0\xb8\x81", "\xf0\xa0\x80\x80" };
enum {
	N_CHARS = 120
};

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* Long runs, too: the first characters are likelier. */
static void
make_text(uint32_t *seed, struct buf *b, size_t starts[N_CHARS + 1])
{
	uint32_t kinds = 1 + next(seed) % 10;

	for (size_t i = 0; i < N_CHARS; i++) {
		starts[i] = b->len;
		test_int(buf_add_cstr(b, alphabet[next(seed) % kinds]), BUF_OK);
	}
	starts[N_CHARS] = b->len;
}

static bool
fits(struct slice term, const struct terms_demand *d)
{
	struct slice text = slice_of(d->text, d->len);

	if (d->is_begin && d->is_end)
		return slice_equal(term, text);
	if (d->is_begin)
		return slice_starts(term, text);
	if (d->is_end)
		return slice_ends(term, text);
	return slice_find(term, text) != SIZE_MAX;
}

static bool
has(const struct terms_set *set, const struct terms_demand *d)
{
	struct slice rest = buf_slice(&set->text), term;

	while (terms_next(&rest, &term))
		if (fits(term, d))
			return true;
	return false;
}

static void
check_needle(const struct terms_set *set, struct slice needle)
{
	struct terms_demand demands[TERMS_DEMANDS];
	size_t n = terms_demands(needle, demands);

	for (size_t i = 0; i < n; i++)
		test_true(has(set, &demands[i]));
}

static void
soundness(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 60; round++) {
		size_t starts[N_CHARS + 1];
		struct terms_set set;
		struct terms t;
		struct buf b;

		buf_init(&b, 4096);
		make_text(&seed, &b, starts);
		terms_set_init(&set, 65536, (uint64_t)round);
		terms_init(&t, terms_set_add, &set);
		for (size_t i = 0; i < N_CHARS; i++) /* cut everywhere */
			test_int(terms_feed(&t,
				     slice_of(b.mem + starts[i],
					 starts[i + 1] - starts[i])),
			    BUF_OK);
		test_int(terms_end(&t), BUF_OK);
		for (int i = 0; i < 200; i++) {
			size_t from = next(&seed) % N_CHARS;
			size_t upto = from + 1 + next(&seed) % (N_CHARS - from);

			check_needle(&set,
			    slice_of(b.mem + starts[from],
				starts[upto] - starts[from]));
		}
		terms_set_deinit(&set);
		buf_deinit(&b);
	}
}

/* That the demands narrow at all. */
static void
demands_narrow(void **state)
{
	static const struct {
		const char *needle, *term;
		bool fits;
	} cases[] = {
		{ "mail", "email", true },
		{ "mail", "mai", false },
		{ " mail", "email", false },
		{ " mail", "mailer", true },
		{ " mail ", "mailer", false },
		{ " mail ", "mail", true },
		{ "\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac",
		    true },
		{ "\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct terms_demand demands[TERMS_DEMANDS];

		test_case(cases[i].needle);
		test_int(terms_demands(slice_cstr(cases[i].needle), demands),
		    1);
		test_int(fits(slice_cstr(cases[i].term), &demands[0]),
		    cases[i].fits);
	}
}

static void
set_is_bounded(void **state)
{
	struct terms_set set;
	char text[16];

	(void)state;
	terms_set_init(&set, 4096, 1);
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(text, sizeof(text), "t%d", i % 1000);
		test_int(terms_set_add(&set, slice_cstr(text)), BUF_OK);
	}
	test_true(set.is_full && set.text.len <= 4096);
	terms_set_reset(&set);
	test_int(terms_set_add(&set, SLICE("x")), BUF_OK);
	test_int(terms_set_add(&set, SLICE("x")), BUF_OK);
	test_slice(buf_slice(&set.text), slice_of("\0x", 3));
	terms_set_deinit(&set);
}

TEST_MAIN(cmocka_unit_test(tokens), cmocka_unit_test(soundness),
    cmocka_unit_test(demands_narrow), cmocka_unit_test(set_is_bounded))
