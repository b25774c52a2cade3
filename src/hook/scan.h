/* SPDX-License-Identifier: ISC */
/*
 * hook/scan - what is said to Rspamd and clamd, and what clamd says
 *
 * Rspamd: one POST /checkv2 with what is known of the session in header
 * fields, then the message as its content; the reply is read by hook/http, and
 * its JSON by roles/hook. clamd: INSTREAM, the message in chunks with their
 * lengths, one line back. Values that could end a line of the request are left
 * out of it: a client must not write its own fields there.
 */
#ifndef HOOK_SCAN_H
#define HOOK_SCAN_H

#include "base/buf.h"
#include "base/limits.h"

struct rspamd_request {
	struct slice host; /* of the request: where it goes */
	struct slice id, mta, ip, rdns, helo, from, user;
	struct slice tls_version, cipher;
	const struct slice *rcpts;
	size_t n_rcpts;
	uint64_t size;
};

/* BUF_OK, BUF_E_FULL, -ENOMEM */
int rspamd_request_print(const struct rspamd_request *r, struct buf *out);

int clamd_begin_print(struct buf *out);
int clamd_chunk_print(struct slice part, struct buf *out); /* not empty */
int clamd_end_print(struct buf *out);

enum clamd_answer {
	CLAMD_MORE,  /* the line is not whole */
	CLAMD_CLEAN, /* "stream: OK" */
	CLAMD_FOUND, /* "stream: NAME FOUND" */
	CLAMD_ERROR, /* "... ERROR": ret_text says what */
	CLAMD_BAD    /* none of them */
};
/* in: all that came. A name is made of letters, digits and -._/ alone. */
enum clamd_answer clamd_parse(struct slice in, struct slice *ret_text);

#endif
