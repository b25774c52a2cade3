/* SPDX-License-Identifier: ISC */
/* Responses of HTTP/1.1 (RFC 9112), whole and in single octets. */
#include "base/buf.h"
#include "base/test.h"
#include "hook/http.h"

static const struct {
	const char *what;
	struct slice in;
	uint8_t state; /* after all of it, and the end of the connection */
	struct slice content;
} rows[] = {
	{ "by length", SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
	    HTTP_DONE, SLICE("{}") },
	{ "empty", SLICE("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
	    HTTP_DONE, SLICE("") },
	{ "to the end", SLICE("HTTP/1.0 200\r\nX: y\r\n\r\n{}"), HTTP_DONE,
	    SLICE("{}") },
	{ "chunks",
	    SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\n{\r\n0A;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n"),
	    HTTP_DONE, SLICE("{0123456789") },
	{ "an interim one before",
	    SLICE("HTTP/1.1 100 Go on\r\n\r\n"
		  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
	    HTTP_DONE, SLICE("x") },
	{ "204 has none", SLICE("HTTP/1.1 204 No\r\n\r\n"), HTTP_DONE,
	    SLICE("") },
	{ "ends in the middle",
	    SLICE("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"), HTTP_BAD,
	    SLICE("{}") },
	{ "ends in the header", SLICE("HTTP/1.1 200 OK\r\n"), HTTP_BAD,
	    SLICE("") },
	{ "length twice",
	    SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: "
		  "2\r\n\r\n{}"),
	    HTTP_BAD, SLICE("") },
	{ "length and chunks",
	    SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n{}"),
	    HTTP_BAD, SLICE("") },
	{ "length with a sign",
	    SLICE("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}"), HTTP_BAD,
	    SLICE("") },
	{ "too much",
	    SLICE("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"),
	    HTTP_BAD, SLICE("") },
	{ "another encoding",
	    SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
	    HTTP_BAD, SLICE("") },
	{ "compressed",
	    SLICE("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"),
	    HTTP_BAD, SLICE("") },
	{ "chunk that is too long",
	    SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\n{}\r\n0\r\n\r\n"),
	    HTTP_BAD, SLICE("{") },
	{ "chunk of no size",
	    SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "\r\n{}"),
	    HTTP_BAD, SLICE("") },
	{ "chunk of a huge size",
	    SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "fffffffff\r\n"),
	    HTTP_BAD, SLICE("") },
	{ "not HTTP", SLICE("220 mx ESMTP\r\n"), HTTP_BAD, SLICE("") },
	{ "HTTP/2", SLICE("HTTP/2 200 OK\r\n"), HTTP_BAD, SLICE("") },
	{ "code of four digits", SLICE("HTTP/1.1 2000 OK\r\n"), HTTP_BAD,
	    SLICE("") },
	{ "bare LF", SLICE("HTTP/1.1 200 OK\nX: y\n\r\n\r\n"), HTTP_BAD,
	    SLICE("") },
	{ "blank before the colon", SLICE("HTTP/1.1 200 OK\r\nX : y\r\n\r\n"),
	    HTTP_BAD, SLICE("") },
};

static void
run(struct http_reply *h, struct slice in, size_t step, struct buf *content)
{
	size_t given = 0, at = 0, n;

	while (given < in.len) {
		given = given + step < in.len ? given + step : in.len;
		do {
			struct slice part;

			n = http_step(h, slice_of(in.at + at, given - at),
			    &part);
			test_int(buf_add(content, part), BUF_OK);
			at += n;
		} while (n > 0);
	}
	(void)http_end(h);
}

static void
responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t step = 1; step <= 1000; step += 999) {
			struct http_reply h = { 0 };
			struct buf content;

			test_case(rows[i].what);
			buf_init(&content, 1024);
			run(&h, rows[i].in, step, &content);
			test_int(h.state, rows[i].state);
			test_slice(buf_slice(&content), rows[i].content);
			test_int(h.content, rows[i].content.len);
			test_true(h.state != HTTP_BAD || h.why != NULL);
			buf_deinit(&content);
		}
}

static void
bounds(void **state)
{
	struct http_reply h = { 0 };
	struct slice field = SLICE("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
	struct slice part;
	char *line = calloc(1, LIMIT_HTTP_LINE + 2);
	size_t n = 0;

	(void)state;
	test_case("a header without end");
	test_true(http_step(&h, SLICE("HTTP/1.1 200 OK\r\n"), &part) > 0);
	while (h.state == HTTP_FIELDS && n <= LIMIT_HTTP_HEAD) {
		(void)http_step(&h, field, &part);
		n += field.len;
	}
	test_int(h.state, HTTP_BAD);
	test_case("a line without end");
	h = (struct http_reply){ 0 };
	assert_non_null(line);
	memset(line, 'x', LIMIT_HTTP_LINE + 1);
	test_int(http_step(&h, slice_of(line, LIMIT_HTTP_LINE), &part), 0);
	test_int(h.state, HTTP_STATUS);
	test_int(http_step(&h, slice_of(line, LIMIT_HTTP_LINE + 1), &part), 0);
	test_int(h.state, HTTP_BAD);
	free(line);
}

TEST_MAIN(cmocka_unit_test(responses), cmocka_unit_test(bounds))
