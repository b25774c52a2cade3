/* SPDX-License-Identifier: ISC */
/*
 * policy/canon - the one form of an address under which it is compared
 *
 * The domain in lower-case A-labels (RFC 5890); the local part in NFC and
 * casefolded when the domain is ours (in NFC alone where the domain keeps
 * case), else as it came, for only its own host may say what it means (RFC
 * 5321, 2.4). Needless quotes are taken off, as
 * "\"a\"@x" and "a@x" are one mailbox (RFC 5321, 4.1.2). What is stored as
 * canonical came through here, so a change of this file is a change of format.
 */
#ifndef POLICY_CANON_H
#define POLICY_CANON_H

#include "base/buf.h"
#include "base/limits.h"

enum {
	CANON_OK,
	CANON_E_BAD /* not local@domain, or no domain of ours or others */
};

/* What the domain of an address makes of its local part. */
enum canon_rule {
	CANON_FOREIGN, /* not ours: as it came */
	CANON_FOLDED,  /* ours: NFC, case makes no difference */
	CANON_KEPT     /* ours, and case makes one: NFC */
};

/* Append to out. CANON_OK, CANON_E_BAD or -errno; nothing is added unless
 * CANON_OK. */
int canon_domain(struct slice domain, struct buf *out);
int canon_address(struct slice address, enum canon_rule rule, struct buf *out);
/* Folded they are one; two that are no addresses are never. False, too, when
 * there is no memory. */
bool canon_is_same(struct slice a, struct slice b);
/* Both parts as they stand, split at the last '@'; false when there is none or
 * either is empty. */
bool canon_split(struct slice address, struct slice *ret_local,
    struct slice *ret_domain);

#endif
