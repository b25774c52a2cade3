/* SPDX-License-Identifier: ISC */
/*
 * policy/srs - a forwarded mail's sender in our own name, and back again
 *
 * An alias that leads outside passes mail on from a machine that its sender's
 * SPF record does not know. The Sender Rewriting Scheme puts him into the local
 * part of an address of ours:
 *
 *   a@one.example   by two.example    SRS0=HASH=TT=one.example=a@two.example
 *   that            by three.example SRS1=HASH=two.example==HASH=TT=one.exam...
 *
 * A failure further on comes back to it, and goes on to whom it names: for
 * SRS1 straight to the first one that rewrote. HASH is an HMAC with a secret
 * of this installation, so that nobody can have mail passed on by inventing
 * such an address; TT is the day, so that none is good for ever.
 *
 * Pure. Case makes no difference, as others may change it. Addresses are dot
 * atoms in ASCII, and what is written fits into the 64 octets of a local part
 * (RFC 5321, 4.5.3.1.1); of others the sender stays as it is.
 */
#ifndef POLICY_SRS_H
#define POLICY_SRS_H

#include "base/buf.h"
#include "base/slice.h"

enum {
	SRS_SECRET = 32, /* octets */
	SRS_DAYS = 21    /* so long an address is good */
};

enum srs_result {
	SRS_OK,
	SRS_NONE,   /* reverse: no such form. forward: cannot be rewritten */
	SRS_FORGED, /* the hash is another's */
	SRS_STALE   /* of a day too long ago, or to come */
};

struct srs {
	struct slice secret;
	int64_t now; /* us since 1970 */
};

/* What the sender becomes in an address of `domain`: appended. */
enum srs_result srs_forward(const struct srs *s, struct slice sender,
    struct slice domain, struct buf *out);
/* Whom an address stands for, by its local part: appended. */
enum srs_result srs_reverse(const struct srs *s, struct slice local,
    struct buf *out);
/* It has the form; whether it is ours is told by srs_reverse(). */
bool srs_is_form(struct slice local);

#endif
