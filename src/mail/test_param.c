/* SPDX-License-Identifier: ISC */
/*
 * test_param - structured fields: the words, the parameters, the limits
 *
 * More Content-Type fields: test_vectors.
 */
#include "base/test.h"
#include "mail/param.h"

static void
reads_types(void **state)
{
	static const struct {
		struct slice body, type, subtype;
		size_t n;
		struct slice name, value; /* of the first parameter */
	} rows[] = {
		{ SLICE(" text/plain"), SLICE("text"), SLICE("plain"), 0,
		    SLICE(""), SLICE("") },
		{ SLICE("Multipart/Mixed; Boundary=\"a b\";x=y"),
		    SLICE("Multipart"), SLICE("Mixed"), 2, SLICE("Boundary"),
		    SLICE("a b") },
		{ SLICE("a/b; boundary=----=_Part_1=2"), SLICE("a"), SLICE("b"),
		    1, SLICE("boundary"), SLICE("----=_Part_1=2") },
		{ SLICE("a/b; x=\"a;b\"; y=z"), SLICE("a"), SLICE("b"), 2,
		    SLICE("x"), SLICE("a;b") },
		{ SLICE("a/b;\r\n\tx=y(c)"), SLICE("a"), SLICE("b"), 1,
		    SLICE("x"), SLICE("y") },
		{ SLICE("a/b; junk; x=y"), SLICE("a"), SLICE("b"), 1,
		    SLICE("x"), SLICE("y") },
		{ SLICE("a/b (;x=y) ;z=w"), SLICE("a"), SLICE("b"), 1,
		    SLICE("z"), SLICE("w") },
		{ SLICE("a/b;x="), SLICE("a"), SLICE("b"), 1, SLICE("x"),
		    SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice body = test_exact_copy(rows[i].body);
		struct mime_part p = { 0 };
		struct arena a;
		bool cut = false;

		arena_init(&a, 16 * 1024);
		test_case((const char *)rows[i].body.at);
		test_true(param_content_type(body, &a, &p, &cut));
		test_slice(p.type, rows[i].type);
		test_slice(p.subtype, rows[i].subtype);
		test_int(p.params.n, rows[i].n);
		if (p.params.n > 0) {
			test_slice(p.params.at[0].name, rows[i].name);
			test_slice(p.params.at[0].value, rows[i].value);
		}
		test_true(!cut);
		arena_reset(&a);
		test_free_copy(body);
	}
}

static void
refuses_what_is_no_type(void **state)
{
	static const struct slice rows[] = { SLICE(""), SLICE("text"),
		SLICE("text/"), SLICE("/plain"), SLICE("(c)"), SLICE("\"a\"/b"),
		SLICE("; x=y"), SLICE("\xff/\xff") };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_part p = { 0 };
		struct arena a;
		bool cut = false;

		arena_init(&a, 16 * 1024);
		test_case((const char *)rows[i].at);
		test_true(!param_content_type(rows[i], &a, &p, &cut));
		test_true(p.type.at == NULL && p.params.n == 0 && !cut);
		arena_reset(&a);
	}
}

static void
stops_at_its_limits(void **state)
{
	static uint8_t many[4 + 5 * 200];
	struct mime_part p = { 0 };
	struct arena a;
	bool cut = false;

	(void)state;
	memcpy(many, "a/b ", 4);
	for (size_t i = 4; i < sizeof(many); i += 5)
		memcpy(many + i, ";x=y ", 5);
	test_case("200 parameters");
	arena_init(&a, 64 * 1024);
	test_true(param_content_type(slice_of(many, sizeof(many)), &a, &p,
	    &cut));
	test_int(p.params.n, MIME_PARAMS);
	test_true(cut);
	cut = false;
	test_case("200 languages");
	for (size_t i = 0; i + 3 <= sizeof(many); i += 3)
		memcpy(many + i, "de,", 3);
	param_languages(slice_of(many, sizeof(many)), &a, &p, &cut);
	test_int(p.n_languages, MIME_LANGUAGES);
	test_true(cut);
	arena_reset(&a);
}

static void
reads_the_others(void **state)
{
	struct mime_part p = { 0 };
	struct slice token = SLICE("kept");
	struct arena a;
	bool cut = false;

	(void)state;
	arena_init(&a, 16 * 1024);
	test_case("disposition");
	test_true(param_disposition(SLICE(" attachment; filename=\"a.txt\""),
	    &a, &p, &cut));
	test_slice(p.disposition, SLICE("attachment"));
	test_slice(p.disposition_params.at[0].value, SLICE("a.txt"));
	test_true(!param_disposition(SLICE("=x"), &a, &p, &cut));
	test_case("languages");
	param_languages(SLICE("en (c), de-AT"), &a, &p, &cut);
	test_int(p.n_languages, 2);
	test_slice(p.languages[1], SLICE("de-AT"));
	test_case("token");
	test_true(!param_token(SLICE("\"x\""), &a, &token, &cut));
	test_slice(token, SLICE("kept"));
	test_true(param_token(SLICE(" (c) base64 "), &a, &token, &cut));
	test_slice(token, SLICE("base64"));
	test_true(!cut);
	arena_reset(&a);
}

TEST_MAIN(cmocka_unit_test(reads_types),
    cmocka_unit_test(refuses_what_is_no_type),
    cmocka_unit_test(stops_at_its_limits), cmocka_unit_test(reads_the_others))
