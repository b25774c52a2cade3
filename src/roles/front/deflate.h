/* SPDX-License-Identifier: ISC */
/*
 * roles/front/deflate - the bytes of a connection, compressed (RFC 4978)
 *
 * One raw deflate stream each way. Bytes of the peer come into `in` as they
 * are and are taken out by deflate_read in pieces of the caller's size, so
 * that a bomb of any ratio costs no more memory than what one reads; ours go
 * in by deflate_write and lie in `out` until they are sent. The windows are
 * bounded by how they are made (DEFLATE_MEMORY). Owns its buffers; knows
 * nothing of sockets.
 */
#ifndef ROLES_FRONT_DEFLATE_H
#define ROLES_FRONT_DEFLATE_H

#include <zlib.h>

#include "base/buf.h"

enum {
	DEFLATE_IN = 16 * 1024,  /* of the peer's, not yet inflated */
	DEFLATE_OUT = 32 * 1024, /* ours, not yet sent */
	/* inflate: 32 KiB of window (the peer chooses) and about 10 of state;
	 * deflate with 13 bits of window and level 6 of memory: 64 KiB */
	DEFLATE_MEMORY = 112 * 1024
};

struct deflate {
	z_stream inflater, deflater;
	struct buf in, out;
	bool has_more; /* the inflater may give more without new bytes */
};

/* NULL: out of memory. */
struct deflate *deflate_new(void);
void deflate_free(struct deflate *d);

/* True when deflate_read may give something. */
bool deflate_has_pending(const struct deflate *d);
/* Up to n bytes of what the peer said: how many; 0: more of `in` is needed;
 * -EPROTO: that is no deflate, or it has ended. */
ssize_t deflate_read(struct deflate *d, void *at, size_t n);
/* Takes some of s (how many; at least one while `out` is empty) and flushes, so
 * that the peer can read all of it. -ENOMEM. */
ssize_t deflate_write(struct deflate *d, struct slice s);

#endif
