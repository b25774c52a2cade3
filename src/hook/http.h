/* SPDX-License-Identifier: ISC */
/*
 * hook/http - reads one HTTP/1.1 response (RFC 9112) from a scanner
 *
 * A machine: bytes go in, runs of the content come out. Lines end in CRLF;
 * lengths by Content-Length, by chunks, or by the end of the connection. What
 * is doubled, contradicts itself or is longer than its bound is HTTP_BAD: the
 * scanner is asked nothing more. Redirects, cookies, encodings are not of our
 * world. Memory: this struct, nothing else.
 */
#ifndef HOOK_HTTP_H
#define HOOK_HTTP_H

#include "base/limits.h"
#include "base/slice.h"

enum http_state {
	HTTP_STATUS,
	HTTP_FIELDS,
	HTTP_CONTENT, /* by length */
	HTTP_TO_END,  /* until the connection ends */
	HTTP_SIZE,    /* of a chunk */
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILERS,
	HTTP_DONE,
	HTTP_BAD
};

struct http_reply {
	uint8_t state; /* enum http_state */
	uint16_t code; /* 200 */
	bool has_length, is_chunked;
	uint64_t left;    /* of the content or chunk */
	uint64_t content; /* octets of it so far */
	size_t head;      /* octets of status, fields and trailers so far */
	const char *why;  /* it is bad */
};

/* Zeroed is the beginning. Returns how much of `in` it has eaten; 0 without
 * content: come again with more behind the same bytes. A run of the content is
 * in *ret_content, or it is empty. */
size_t http_step(struct http_reply *h, struct slice in,
    struct slice *ret_content);
/* The connection has ended. True: the response is whole. */
bool http_end(struct http_reply *h);

#endif
