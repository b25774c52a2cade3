/* SPDX-License-Identifier: ISC */
/* What is counted and added, whatever the pieces in which a message comes. */
#include "base/buf.h"
#include "base/test.h"
#include "smtp/trace.h"

#define S(text)                                                                \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}
#define D "Date: now\r\n"
#define M "Message-ID: <i>\r\n"

static const struct {
	const char *what;
	struct slice in, out;
	unsigned n_received;
} cases[] = {
	{ "both missing", S("A: b\r\n\r\nx\r\n"), S("A: b\r\n" D M "\r\nx\r\n"),
	    0 },
	{ "both there", S("dAtE: b\r\nMESSAGE-id:\r\n\r\n"),
	    S("dAtE: b\r\nMESSAGE-id:\r\n\r\n"), 0 },
	{ "in the body is not there", S("A: b\r\n\r\nDate: x\r\n"),
	    S("A: b\r\n" D M "\r\nDate: x\r\n"), 0 },
	{ "in a folded line is not there",
	    S("A: b\r\n Date: x\r\n\tDate: x\r\n\r\n"),
	    S("A: b\r\n Date: x\r\n\tDate: x\r\n" D M "\r\n"), 0 },
	{ "names that only begin alike",
	    S("Dates: b\r\nDat: b\r\nX-Date: b\r\n\r\n"),
	    S("Dates: b\r\nDat: b\r\nX-Date: b\r\n" D M "\r\n"), 0 },
	{ "a name that is long", S("Message-ID-and-much-more: b\r\n\r\n"),
	    S("Message-ID-and-much-more: b\r\n" D M "\r\n"), 0 },
	{ "space before the colon", S("Date \t: b\r\nMessage-ID :x\r\n\r\n"),
	    S("Date \t: b\r\nMessage-ID :x\r\n\r\n"), 0 },
	{ "no header section", S("\r\nx\r\n"), S(D M "\r\nx\r\n"), 0 },
	{ "ends with the section", S("A: b\r\n"), S("A: b\r\n" D M), 0 },
	{ "empty", S(""), S(D M), 0 },
	{ "a line that is no field", S("A: b\r\nhello\r\n\r\nx\r\n"),
	    S("A: b\r\nhello\r\n\r\nx\r\n"), 0 },
	{ "8-bit in a name", S("\xc3\xa9: b\r\n\r\n"), S("\xc3\xa9: b\r\n\r\n"),
	    0 },
	{ "Received",
	    S("Received: x\r\n y\r\nreceived:\r\nReceiveds: x\r\n\r\nReceived: "
	      "x\r\n"),
	    S("Received: x\r\n y\r\nreceived:\r\nReceiveds: x\r\n" D M
	      "\r\nReceived: x\r\n"),
	    2 },
};

static void
pass(struct slice in, size_t chunk, bool adds, struct buf *out,
    struct smtp_trace *t)
{
	struct slice part;

	memset(t, 0, sizeof(*t));
	if (adds)
		smtp_trace_add_if_missing(t, SLICE(D), SLICE(M));
	while (in.len > 0) {
		struct slice piece = test_exact_copy(slice_upto(in, chunk));
		struct slice now = piece;

		in = slice_from(in, piece.len);
		while (smtp_trace_next(t, &now, &part))
			test_int(buf_add(out, part), BUF_OK);
		test_free_copy(piece);
	}
	smtp_trace_end(t);
	while (smtp_trace_next(t, &in, &part))
		test_int(buf_add(out, part), BUF_OK);
}

static void
adds_what_is_missing(void **state)
{
	static const size_t chunks[] = { 1, 2, 5, 1000 };
	struct smtp_trace t;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < 4; k++) {
			test_case(cases[i].what);
			buf_init(&out, 1000);
			pass(cases[i].in, chunks[k], true, &out, &t);
			test_slice(buf_slice(&out), cases[i].out);
			test_int(t.fields.n_received, cases[i].n_received);
			buf_reset(&out, 0);
			pass(cases[i].in, chunks[k], false, &out, &t);
			test_slice(buf_slice(&out), cases[i].in);
			test_int(t.fields.n_received, cases[i].n_received);
			buf_deinit(&out);
		}
	}
}

static const struct {
	const char *what;
	struct slice in;
	unsigned n_own;
} trails[] = {
	{ "by us", S("Received: from a by Mx.one.example with ESMTP\r\n\r\n"),
	    1 },
	{ "folded", S("received: from a\r\n\tby\r\n mx.one.example; x\r\n\r\n"),
	    1 },
	{ "at the end", S("Received: by mx.one.example\r\n\r\n"), 1 },
	{ "in front of a comment", S("Received: by mx.one.example(x)\r\n\r\n"),
	    1 },
	{ "twice",
	    S("Received: by mx.one.example\r\nX: y\r\n"
	      "Received: by mx.one.example;\r\n\r\n"),
	    2 },
	{ "by others",
	    S("Received: from mx.one.example by mx.two.example\r\n"
	      "\r\n"),
	    0 },
	{ "longer", S("Received: by mx.one.examples\r\n\r\n"), 0 },
	{ "shorter", S("Received: by mx.one.exampl\r\n\r\n"), 0 },
	{ "nearly by",
	    S("Received: bye mx.one.example\r\n"
	      "Received: b mx.one.example\r\n\r\n"),
	    0 },
	{ "in two fields",
	    S("Received: by\r\nReceived: mx.one.example\r\n\r\n"), 0 },
	{ "another field",
	    S("X-Received: by mx.one.example\r\n"
	      "Subject: by mx.one.example\r\n\r\n"),
	    0 },
	{ "in the body", S("A: b\r\n\r\nReceived: by mx.one.example\r\n"), 0 },
};

static void
knows_its_own_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trails) / sizeof(trails[0]); i++) {
		for (size_t chunk = 1; chunk < 60; chunk += 7) {
			struct smtp_fields f = { .own =
						     SLICE("mx.one.example") };
			struct slice in = trails[i].in;

			test_case(trails[i].what);
			while (in.len > 0) {
				(void)smtp_fields_scan(&f,
				    slice_upto(in, chunk));
				in = slice_from(in,
				    in.len < chunk ? in.len : chunk);
			}
			test_int(f.n_own, trails[i].n_own);
		}
	}
}

TEST_MAIN(cmocka_unit_test(adds_what_is_missing),
    cmocka_unit_test(knows_its_own_name))
