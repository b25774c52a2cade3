/* SPDX-License-Identifier: ISC */
/* What control takes from a line, and what it makes of rows. */
#include "base/test.h"
#include "roles/control/control.h"

static void
collect(const struct control_request *r, struct buf *out)
{
	struct wire_list l = { .n = r->n_fields, .raw = buf_slice(&r->fields) };
	struct wire_field f = { 0 };

	while (wire_field_next(&l, &f)) {
		(void)buf_add(out, f.name);
		(void)buf_add_cstr(out, "=");
		(void)buf_add(out, f.value);
		(void)buf_add_cstr(out, ";");
	}
}

static const struct {
	struct slice line;
	int want;
	const char *command;
	struct slice fields, password;
} requests[] = {
	{ SLICE("{\"command\":\"status\"}"), CONTROL_OK, "status", SLICE(""),
	    SLICE("") },
	{ SLICE("{\"command\":\"a b\",\"args\":{\"x\":\"1\",\"y\":\"\"}}"),
	    CONTROL_OK, "a b", SLICE("x=1;y=;"), SLICE("") },
	{ SLICE("{\"command\":\"account add\",\"args\":"
		"{\"address\":\"a@b\",\"password\":\"p\\u00e9\"}}"),
	    CONTROL_OK, "account add", SLICE("address=a@b;"),
	    SLICE("p\xc3\xa9") },
	{ SLICE("{\"command\":\"key add\",\"args\":"
		"{\"names\":\"a b\",\"days\":\"7\"}}"),
	    CONTROL_OK, "key add", SLICE("names=a b;"), SLICE("") },
	{ SLICE(""), CONTROL_E_REQUEST, "", SLICE(""), SLICE("") },
	{ SLICE("[]"), CONTROL_E_REQUEST, "", SLICE(""), SLICE("") },
	{ SLICE("{}"), CONTROL_E_REQUEST, "", SLICE(""), SLICE("") },
	{ SLICE("{\"command\":1}"), CONTROL_E_REQUEST, "", SLICE(""),
	    SLICE("") },
	{ SLICE("{\"command\":\"a\",\"command\":\"b\"}"), CONTROL_E_REQUEST, "",
	    SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"a\\u0000b\"}"), CONTROL_E_REQUEST, "",
	    SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"123456789012345678901234567890123\"}"),
	    CONTROL_E_REQUEST, "", SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"a\",\"args\":1}"), CONTROL_E_REQUEST, "",
	    SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"a\",\"args\":{\"b\":1}}"), CONTROL_E_REQUEST,
	    "", SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"a\",\"args\":{\"\":\"x\"}}"), CONTROL_E_REQUEST,
	    "", SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"a\",\"args\":{\"days\":\"0\"}}"),
	    CONTROL_E_REQUEST, "", SLICE(""), SLICE("") },
	{ SLICE("{\"command\":\"a\"} x"), CONTROL_E_REQUEST, "", SLICE(""),
	    SLICE("") },
	{ SLICE("{\"command\":\"\xff\"}"), CONTROL_E_REQUEST, "", SLICE(""),
	    SLICE("") },
};

static void
takes_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct slice line = test_exact_copy(requests[i].line);
		struct control_request r;
		const char *why = NULL;
		struct buf got;

		test_case((const char *)requests[i].line.at);
		buf_init(&got, 4096);
		test_int(control_request_parse(line, &r, &why),
		    requests[i].want);
		if (requests[i].want == CONTROL_OK) {
			collect(&r, &got);
			test_slice(slice_cstr(r.command),
			    slice_cstr(requests[i].command));
			test_slice(buf_slice(&got), requests[i].fields);
			test_slice(buf_slice(&r.password),
			    requests[i].password);
		} else {
			test_true(why != NULL && why[0] != '\0');
		}
		control_request_deinit(&r);
		buf_deinit(&got);
		test_free_copy(line);
	}
}

/* A long value goes as several fields and comes back as one. */
static void
joins_long_values(void **state)
{
	static char value[CONTROL_FIELD * 3 + 7];
	struct control_request r = { 0 };
	struct wire_list l;
	struct buf out, want;

	(void)state;
	memset(value, 'v', sizeof(value));
	buf_init(&r.fields, 64 * 1024);
	buf_init(&out, 64 * 1024);
	buf_init(&want, 64 * 1024);
	test_int(control_field_add(&r, SLICE("a"), SLICE("1")), CONTROL_OK);
	test_int(control_field_add(&r, SLICE("b"),
		     slice_of(value, sizeof(value))),
	    CONTROL_OK);
	test_int(control_field_add(&r, SLICE("c"), SLICE("")), CONTROL_OK);
	test_int(r.n_fields, 6);
	l = (struct wire_list){ .n = r.n_fields, .raw = buf_slice(&r.fields) };
	test_int(control_row_print(l, &out), 0);
	(void)buf_printf(&want,
	    "{\"row\":{\"a\":\"1\",\"b\":\"%.*s\","
	    "\"c\":\"\"}}\n",
	    (int)sizeof(value), value);
	test_slice(buf_slice(&out), buf_slice(&want));
	for (int i = r.n_fields; i < CONTROL_ARGS; i++)
		test_int(control_field_add(&r, SLICE("d"), SLICE("")),
		    CONTROL_OK);
	test_int(control_field_add(&r, SLICE("e"), SLICE("")),
	    CONTROL_E_REQUEST);
	buf_deinit(&r.fields);
	buf_deinit(&out);
	buf_deinit(&want);
}

static const struct {
	struct slice value, want;
} texts[] = {
	{ SLICE("plain"), SLICE("{\"row\":{\"n\":\"plain\"}}\n") },
	{ SLICE("\"\\\n\t\x7f"),
	    SLICE("{\"row\":{\"n\":\"\\\"\\\\\\u000a\\u0009\\u007f\"}}\n") },
	{ SLICE("a\xff\xc3"),
	    SLICE("{\"row\":{\"n\":\"a\xef\xbf\xbd\xef\xbf\xbd\"}}\n") },
	{ SLICE("\xc3\xa9\xf0\x9f\x98\x80"),
	    SLICE("{\"row\":{\"n\":\"\xc3\xa9\xf0\x9f\x98\x80\"}}\n") },
	{ SLICE("\xed\xa0\x80"), /* a surrogate */
	    SLICE("{\"row\":{\"n\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}}"
		  "\n") },
};

static void
prints_any_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct control_request r = { 0 };
		struct buf out;

		buf_init(&r.fields, 4096);
		buf_init(&out, 4096);
		test_int(control_field_add(&r, SLICE("n"), texts[i].value), 0);
		test_int(control_row_print((struct wire_list){ .n = 1,
					       .raw = buf_slice(&r.fields) },
			     &out),
		    0);
		test_slice(buf_slice(&out), texts[i].want);
		buf_deinit(&out);
		buf_deinit(&r.fields);
	}
}

/* What does not fit leaves the output as it was. */
static void
rows_are_whole(void **state)
{
	struct control_request r = { 0 };
	struct buf out;

	(void)state;
	buf_init(&r.fields, 4096);
	buf_init(&out, 20);
	test_int(buf_add_cstr(&out, "before"), 0);
	test_int(control_field_add(&r, SLICE("name"), SLICE("a value")), 0);
	test_int(control_row_print((struct wire_list){ .n = 1,
				       .raw = buf_slice(&r.fields) },
		     &out),
	    BUF_E_FULL);
	test_slice(buf_slice(&out), SLICE("before"));
	buf_deinit(&out);
	buf_deinit(&r.fields);
}

static void
prints_the_end(void **state)
{
	struct wire_verdict v = { 550, 5, 1, 1, SLICE("no \"x\"") };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	test_int(control_end_print(&v, &out), 0);
	test_slice(buf_slice(&out),
	    SLICE("{\"code\":550,\"status\":\"5.1.1\",\"text\":\"no "
		  "\\\"x\\\"\"}\n"));
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(takes_requests), cmocka_unit_test(joins_long_values),
    cmocka_unit_test(prints_any_octets), cmocka_unit_test(rows_are_whole),
    cmocka_unit_test(prints_the_end))
