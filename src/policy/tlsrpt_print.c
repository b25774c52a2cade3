/* SPDX-License-Identifier: ISC */
/*
 * policy/tlsrpt_print - a report as JSON (RFC 8460, 4.4) and as a mail (5.3)
 *
 * The JSON is written as it goes, without a tree. Whatever came from a peer is
 * escaped; what is not UTF-8 in it becomes "?".
 */
#include <inttypes.h>

#include "base/base64.h"
#include "base/time.h"
#include "policy/tls_policy.h"
#include "policy/tlsrpt.h"

enum {
	BASE64_LINE = 57 /* octets in a line of 76 */
};

/* -- JSON ------------------------------------------------------------------ */

static void
put_string(struct buf *out, struct slice s)
{
	bool is_text = slice_is_utf8(s);

	(void)buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.at[i];

		if (c == '"' || c == '\\')
			(void)buf_printf(out, "\\%c", c);
		else if (c < 0x20)
			(void)buf_printf(out, "\\u%04x", c);
		else
			(void)buf_add_byte(out,
			    c < 0x80 || is_text ? c : (uint8_t)'?');
	}
	(void)buf_add_byte(out, '"');
}

static void
put_member(struct buf *out, const char *name, struct slice value)
{
	(void)buf_printf(out, "\"%s\":", name);
	put_string(out, value);
}

static void
put_optional(struct buf *out, const char *name, struct slice value)
{
	if (value.len == 0)
		return;
	put_member(out, name, value);
	(void)buf_add_byte(out, ',');
}

static bool
take_line(struct slice *in, struct slice *ret)
{
	if (in->len == 0)
		return false;
	if (!slice_take_until(in, '\n', ret)) {
		*ret = *in;
		in->len = 0;
	}
	return true;
}

/* Lines as an array; with a prefix only those that have it, without it. */
static void
put_lines(struct buf *out, const char *name, struct slice lines,
    struct slice prefix)
{
	const char *between = "";
	struct slice line;

	(void)buf_printf(out, ",\"%s\":[", name);
	while (take_line(&lines, &line)) {
		if (!slice_skip(&line, prefix))
			continue;
		(void)buf_add_cstr(out, between);
		put_string(out, line);
		between = ",";
	}
	(void)buf_add_byte(out, ']');
}

static const char *
kind_name(uint8_t kind)
{
	return kind == TLS_POLICY_TLSA ? "tlsa"
	    : kind == TLS_POLICY_STS   ? "sts"
				       : "no-policy-found";
}

static bool
is_same_policy(const struct tlsrpt_row *a, const struct tlsrpt_row *b)
{
	/* TLSA records belong to a host, the other policies to the domain */
	return a->kind == b->kind && slice_equal(a->lines, b->lines) &&
	    (a->kind != TLS_POLICY_TLSA || slice_equal(a->mx, b->mx));
}

static void
put_failure(struct buf *out, const struct tlsrpt_row *row)
{
	(void)buf_add_byte(out, '{');
	put_member(out, "result-type",
	    tls_result_name((enum tls_result)row->result));
	(void)buf_add_byte(out, ',');
	put_optional(out, "sending-mta-ip", row->local);
	put_optional(out, "receiving-mx-hostname", row->mx);
	put_optional(out, "receiving-ip", row->remote);
	put_optional(out, "failure-reason-code", row->info);
	(void)buf_printf(out, "\"failed-session-count\":%" PRIu64 "}", row->n);
}

static void
put_details(struct buf *out, const struct tlsrpt_report *r,
    const struct tlsrpt_row *of)
{
	const char *between = "";
	size_t n = 0;

	(void)buf_add_cstr(out, ",\"failure-details\":[");
	for (size_t i = 0; i < r->n_rows && n < TLSRPT_FAILURES; i++) {
		if (r->rows[i].result == TLS_RESULT_SUCCESS ||
		    !is_same_policy(&r->rows[i], of))
			continue;
		(void)buf_add_cstr(out, between);
		put_failure(out, &r->rows[i]);
		between = ",";
		n++;
	}
	(void)buf_add_byte(out, ']');
}

static void
put_policy(struct buf *out, const struct tlsrpt_report *r,
    const struct tlsrpt_row *of)
{
	uint64_t good = 0, bad = 0;

	for (size_t i = 0; i < r->n_rows; i++) {
		if (!is_same_policy(&r->rows[i], of))
			continue;
		if (r->rows[i].result == TLS_RESULT_SUCCESS)
			good += r->rows[i].n;
		else
			bad += r->rows[i].n;
	}
	(void)buf_printf(out, "{\"policy\":{\"policy-type\":\"%s\"",
	    kind_name(of->kind));
	if (of->lines.len > 0)
		put_lines(out, "policy-string", of->lines, SLICE(""));
	(void)buf_add_byte(out, ',');
	put_member(out, "policy-domain", r->domain);
	if (of->kind == TLS_POLICY_STS && of->lines.len > 0)
		put_lines(out, "mx-host", of->lines, SLICE("mx: "));
	(void)buf_printf(out,
	    "},\"summary\":{\"total-successful-session-count\":%" PRIu64
	    ",\"total-failure-session-count\":%" PRIu64 "}",
	    good, bad);
	if (bad > 0)
		put_details(out, r, of);
	(void)buf_add_byte(out, '}');
}

static bool
is_first_of_policy(const struct tlsrpt_report *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (is_same_policy(&r->rows[k], &r->rows[i]))
			return false;
	return true;
}

int
tlsrpt_json_print(const struct tlsrpt_report *r, struct buf *out)
{
	char begin[TIME_RFC3339], end[TIME_RFC3339];
	const char *between = "";

	time_print_rfc3339(r->begin, begin);
	time_print_rfc3339(r->end, end);
	(void)buf_add_byte(out, '{');
	put_member(out, "organization-name", r->organization);
	(void)buf_printf(out,
	    ",\"date-range\":{\"start-datetime\":\"%s\",\"end-datetime\":"
	    "\"%s\"},",
	    begin, end);
	put_member(out, "contact-info", r->contact);
	(void)buf_add_byte(out, ',');
	put_member(out, "report-id", r->id);
	(void)buf_add_cstr(out, ",\"policies\":[");
	for (size_t i = 0; i < r->n_rows; i++) {
		if (!is_first_of_policy(r, i))
			continue;
		(void)buf_add_cstr(out, between);
		put_policy(out, r, &r->rows[i]);
		between = ",";
	}
	(void)buf_add_cstr(out, "]}\n");
	return out->lost ? TLSRPT_E_FULL : TLSRPT_OK;
}

/* -- the mail -------------------------------------------------------------- */

int
tlsrpt_filename_print(const struct tlsrpt_report *r, struct buf *out)
{
	(void)buf_printf(out, "%.*s!%.*s!%" PRId64 "!%" PRId64 "!%.*s.json.gz",
	    SLICE_FMT(r->submitter), SLICE_FMT(r->domain),
	    r->begin / TIME_SECOND, r->end / TIME_SECOND, SLICE_FMT(r->id));
	return out->lost ? TLSRPT_E_FULL : TLSRPT_OK;
}

static void
put_base64(struct buf *out, struct slice in)
{
	char line[BASE64_ENCODED(BASE64_LINE)];

	for (; in.len > 0; in = slice_from(in, BASE64_LINE)) {
		size_t n = base64_encode(slice_upto(in, BASE64_LINE), line);

		(void)buf_add(out, slice_of(line, n));
		(void)buf_add_cstr(out, "\r\n");
	}
}

/* RFC 8460, 5.3: nobody answers it, and it is not to be held up by TLS. */
static void
put_header(const struct tlsrpt_report *r, struct slice to, struct slice date,
    struct buf *out)
{
	(void)buf_printf(out,
	    "From: %.*s\r\nTo: %.*s\r\nDate: %.*s\r\n"
	    "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n"
	    " Report-ID: <%.*s@%.*s>\r\n",
	    SLICE_FMT(r->contact), SLICE_FMT(to), SLICE_FMT(date),
	    SLICE_FMT(r->domain), SLICE_FMT(r->submitter), SLICE_FMT(r->id),
	    SLICE_FMT(r->submitter));
	(void)buf_printf(out,
	    "Message-ID: <%.*s@%.*s>\r\nTLS-Report-Domain: %.*s\r\n"
	    "TLS-Report-Submitter: %.*s\r\nTLS-Required: No\r\n"
	    "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
	    "\tboundary=\"=_%.*s\"\r\n\r\n",
	    SLICE_FMT(r->id), SLICE_FMT(r->submitter), SLICE_FMT(r->domain),
	    SLICE_FMT(r->submitter), SLICE_FMT(r->id));
}

int
tlsrpt_mail_print(const struct tlsrpt_report *r, struct slice gz,
    struct slice to, struct slice date, struct buf *out)
{
	put_header(r, to, date, out);
	(void)buf_printf(out,
	    "--=_%.*s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
	    "This is an aggregate TLS report from %.*s about mail\r\n"
	    "that was sent to %.*s (RFC 8460).\r\n\r\n"
	    "--=_%.*s\r\nContent-Type: application/tlsrpt+gzip\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment;\r\n\tfilename=\"",
	    SLICE_FMT(r->id), SLICE_FMT(r->submitter), SLICE_FMT(r->domain),
	    SLICE_FMT(r->id));
	(void)tlsrpt_filename_print(r, out);
	(void)buf_add_cstr(out, "\"\r\n\r\n");
	put_base64(out, gz);
	(void)buf_printf(out, "--=_%.*s--\r\n", SLICE_FMT(r->id));
	return out->lost ? TLSRPT_E_FULL : TLSRPT_OK;
}
