/* SPDX-License-Identifier: ISC */
/* A URI that is taken can stand in a header and a request; a report of any
 * octets is JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tls_policy.h"
#include "policy/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_uri(struct slice uri)
{
	struct tlsrpt_target t;

	if (!tlsrpt_uri_parse(uri, &t))
		return;
	for (const char *c = t.address; *c != '\0'; c++)
		if (*c <= ' ' || *c == '<' || *c == '>' || *c == 0x7f)
			abort();
	for (const char *c = t.url; *c != '\0'; c++)
		if (*c <= ' ' || *c == 0x7f)
			abort();
	if (t.scheme == TLSRPT_HTTPS && (t.host[0] == '\0' || t.port == 0))
		abort();
}

static void
check_report(struct slice in)
{
	const struct tlsrpt_row row = { .kind = TLS_POLICY_STS,
		.result = TLS_RESULT_VALIDATION_FAILURE,
		.lines = in,
		.mx = in,
		.info = in,
		.n = 1 };
	const struct tlsrpt_report report = {
		.domain = in, .rows = &row, .n_rows = 1
	};
	struct buf out;
	json_t *got;

	buf_init(&out, 1024 * 1024);
	if (tlsrpt_json_print(&report, &out) == TLSRPT_OK) {
		got = json_loadb((const char *)buf_slice(&out).at, out.len,
		    JSON_ALLOW_NUL, NULL);
		if (got == NULL)
			abort();
		json_decref(got);
	}
	buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	struct tlsrpt_uris uris;
	struct buf text;

	if (tlsrpt_record_parse(in, &uris) == TLSRPT_OK)
		for (size_t i = 0; i < uris.n; i++)
			check_uri(uris.uris[i]);
	check_uri(in);
	buf_init(&text, 65536);
	(void)tlsrpt_records_read(&in, 1, &text);
	buf_deinit(&text);
	if (n < 4096)
		check_report(in);
	return 0;
}
