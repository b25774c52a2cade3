/* SPDX-License-Identifier: ISC */
/*
 * policy/tlsrpt - reports about TLS (RFC 8460): who wants them, how they look
 *
 * The TXT record at _smtp._tls.DOMAIN names where reports go; it and its URIs
 * are hostile. A report is made of rows that were counted: printed as JSON
 * (section 4.4), and as a mail (5.3).
 *
 * Pure. Limits: TLSRPT_URIS, TLSRPT_URI, and the caps of the buffers given.
 */
#ifndef POLICY_TLSRPT_H
#define POLICY_TLSRPT_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/time.h"

enum {
	TLSRPT_URIS = 4, /* of one domain; the others get nothing */
	TLSRPT_URI = 512,
	TLSRPT_HOST = 256,
	TLSRPT_FAILURES = 100 /* failure-details of one policy */
};

enum {
	TLSRPT_OK,
	TLSRPT_E_ABSENT, /* no record of ours, or several */
	TLSRPT_E_SYNTAX,
	TLSRPT_E_FULL
};

struct tlsrpt_uris {
	struct slice uris[TLSRPT_URIS]; /* point into the text */
	size_t n;
};

/* The text of one record. Of the URIs those of a known scheme. */
int tlsrpt_record_parse(struct slice text, struct tlsrpt_uris *ret);
/* All TXT records of the name, as rdata; the text of the one that counts is
 * added to `out`. */
int tlsrpt_records_read(const struct slice *rdata, size_t n, struct buf *out);

enum tlsrpt_scheme {
	TLSRPT_MAILTO,
	TLSRPT_HTTPS
};

/* mailto:ADDRESS (percent-coded octets are decoded) or https://HOST[:PORT]/...
 * ; no user, no fragment. False for all else. */
struct tlsrpt_target {
	enum tlsrpt_scheme scheme;
	char address[321];      /* MAILTO */
	char host[TLSRPT_HOST]; /* HTTPS */
	uint16_t port;
	char url[TLSRPT_URI + 1];
};
bool tlsrpt_uri_parse(struct slice uri, struct tlsrpt_target *ret);

/* -- a report -------------------------------------------------------------- */

#define TLSRPT_JITTER (4 * TIME_HOUR)
#define TLSRPT_FIRST_PAUSE (10 * TIME_MINUTE)
#define TLSRPT_GIVE_UP TIME_DAY /* RFC 8460, 5.5 */

/* Rows of one policy stand together: those with equal kind, lines and mx. */
struct tlsrpt_row {
	uint8_t kind;       /* enum tls_policy_kind (policy/tls_policy.h) */
	uint8_t result;     /* enum tls_result; 0: a success */
	struct slice lines; /* of the policy, LF between */
	struct slice mx, local, remote, info;
	uint64_t n; /* sessions */
};

struct tlsrpt_report {
	struct slice organization, contact; /* contact: an address */
	struct slice submitter;             /* its domain */
	struct slice domain;                /* about which it is */
	struct slice id;                    /* left of the "@" */
	int64_t begin, end;                 /* wall, microseconds */
	const struct tlsrpt_row *rows;
	size_t n_rows;
};

/* How long behind midnight a domain's reports go: spread over TLSRPT_JITTER
 * (RFC 8460, 4), the same each day. */
int64_t tlsrpt_jitter(struct slice domain);
/* When one that failed `tries` times before goes again (5.5): each pause is
 * twice the last. False: its day is over, it is given up. */
bool tlsrpt_retry(uint32_t tries, int64_t created, int64_t now,
    int64_t *ret_due);

/* TLSRPT_OK, or TLSRPT_E_FULL (also without memory). */
int tlsrpt_json_print(const struct tlsrpt_report *r, struct buf *out);
/* "SUBMITTER!DOMAIN!BEGIN!END!ID.json.gz" (5.1) */
int tlsrpt_filename_print(const struct tlsrpt_report *r, struct buf *out);
/* The whole mail (5.3), with CRLF; `gz` is the compressed JSON. date: as of
 * RFC 5322; to: the address it goes to. */
int tlsrpt_mail_print(const struct tlsrpt_report *r, struct slice gz,
    struct slice to, struct slice date, struct buf *out);

#endif
