/* SPDX-License-Identifier: ISC */
/*
 * policy/canon - when two addresses are the same one
 *
 * The domain as lower-case A-label (IDNA2008 with UTS 46); the local part
 * unquoted, NFC and casefolded when the domain is ours, and untouched when it
 * is not: only its own server may say what it means (RFC 5321, 2.4). The
 * canonical form is what is stored, compared and looked up, and is never sent
 * anywhere. Pure.
 */
#ifndef POLICY_CANON_H
#define POLICY_CANON_H

#include "base/buf.h"

enum {
	CANON_OK,
	CANON_E_BAD /* no address, or its domain is no domain */
};

/* What is appended to `out` is whole or nothing. CANON_*, BUF_E_FULL as
 * CANON_E_BAD (no address is that long), or -ENOMEM. */
int canon_address(struct slice address, bool ours, struct buf *out);
/* "[192.0.2.1]" stays as it is, in lower case. */
int canon_domain(struct slice domain, struct buf *out);

/* Both parts as they stand, split at the last '@'; false when there is none or
 * either is empty. */
bool canon_split(struct slice address, struct slice *ret_local,
    struct slice *ret_domain);

#endif
