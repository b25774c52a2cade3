/* SPDX-License-Identifier: ISC */
/* Reports of others, in each form they come in, and what is none. */
#include "base/test.h"
#include "policy/tlsrpt_read.h"

#define JSON                                                                   \
	"{\"organization-name\":\"Two\",\"date-range\":{\"start-datetime\":"   \
	"\"2026-11-22T00:00:00Z\",\"end-datetime\":\"2026-11-22T23:59:59Z\"}," \
	"\"contact-info\":\"x@two.example\",\"report-id\":\"7\",\"policies\":" \
	"[{\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":"             \
	"\"one.example\"},\"summary\":{\"total-successful-session-count\":5,"  \
	"\"total-failure-session-count\":2},\"failure-details\":["             \
	"{\"result-type\":\"certificate-expired\",\"receiving-mx-hostname\":"  \
	"\"mx.one.example\",\"failed-session-count\":2,"                       \
	"\"failure-reason-code\":\"a\\u001b[1mb\"}]}]}"

/* gzip of "{}" */
#define GZ                                                                     \
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xae\x05\x00\x43\xbf"     \
	"\xa6\xa3\x02\x00\x00\x00"

struct seen {
	size_t n;
	uint64_t good, bad;
	char last[200];
};

static void
on_line(void *ctx, const struct tlsrpt_line *line)
{
	struct seen *s = ctx;

	s->n++;
	s->good += line->good;
	if (line->result.len == 0)
		s->bad += line->bad;
	(void)snprintf(s->last, sizeof(s->last), "%.*s %.*s %.*s %.*s",
	    SLICE_FMT(line->organization), SLICE_FMT(line->domain),
	    SLICE_FMT(line->result), SLICE_FMT(line->reason));
}

static const struct {
	const char *what;
	struct slice file;
	const char *why;
	size_t n;
} files[] = {
	{ "plain", SLICE(JSON), NULL, 2 },
	{ "a mail with the JSON",
	    SLICE("Subject: x\r\nContent-Type: multipart/report; boundary=b\r\n"
		  "\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n"
		  "Content-Type: application/TLSRPT+json\r\n\r\n" JSON
		  "\r\n--b--\r\n"),
	    NULL, 2 },
	{ "gzip in base64, with nothing in it",
	    SLICE("Content-Type: application/tlsrpt+gzip\r\n"
		  "Content-Transfer-Encoding: base64\r\n\r\n"
		  "H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA==\r\n"),
	    "it has no policies", 0 },
	{ "gzip as a file", SLICE(GZ), "it has no policies", 0 },
	{ "gzip that ends early", SLICE("\x1f\x8b\x08\x00\x00\x00"),
	    "what is compressed is broken, or too large", 0 },
	{ "a mail without one", SLICE("Subject: x\r\n\r\nhello\r\n"),
	    "it is neither a report nor a mail with one", 0 },
	{ "JSON of another kind", SLICE("{\"policies\":{}}"),
	    "it has no policies", 0 },
	{ "members of other types",
	    SLICE("{\"organization-name\":[],\"policies\":[7,{\"policy\":1,"
		  "\"summary\":{\"total-successful-session-count\":\"x\"},"
		  "\"failure-details\":[null,{}]}]}"),
	    NULL, 4 },
	{ "half of it", SLICE("{\"policies\":["), "it is not JSON", 0 },
	{ "nothing", SLICE(""), "it is neither a report nor a mail with one",
	    0 },
};

static void
read_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct slice in = test_exact_copy(files[i].file);
		struct seen seen = { 0 };
		const char *why = NULL;

		test_case(files[i].what);
		test_int(tlsrpt_read(in, on_line, &seen, &why),
		    files[i].why != NULL);
		if (files[i].why != NULL)
			test_slice(slice_cstr(why), slice_cstr(files[i].why));
		test_int(seen.n, files[i].n);
		test_free_copy(in);
	}
}

static void
what_it_says(void **state)
{
	struct seen seen = { 0 };
	const char *why;

	(void)state;
	test_int(tlsrpt_read(SLICE(JSON), on_line, &seen, &why), 0);
	test_int(seen.good, 5);
	test_int(seen.bad, 2);
	test_slice(slice_cstr(seen.last),
	    SLICE("Two one.example certificate-expired a [1mb"));
}

TEST_MAIN(cmocka_unit_test(read_all), cmocka_unit_test(what_it_says))
