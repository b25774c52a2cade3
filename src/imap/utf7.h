/* SPDX-License-Identifier: ISC */
/*
 * imap/utf7 - mailbox names on the wire, RFC 3501, 5.1.3
 *
 * Inside Ulak a mailbox name is UTF-8; only here does it become modified
 * UTF-7 and come back. Each name has exactly one spelling: what could have
 * been written otherwise (printable ASCII in base 64, shifts that could be
 * joined, non-zero padding bits, lone surrogates) is refused, so that no two
 * wire names mean one mailbox. Pure; writes into the caller's memory.
 */
#ifndef IMAP_UTF7_H
#define IMAP_UTF7_H

#include "base/slice.h"

/* Both write at most `size` bytes and no NUL; false when the input is not of
 * its form or the result does not fit. */
bool imap_utf7_decode(struct slice in, uint8_t *dst, size_t size,
    size_t *ret_len);
bool imap_utf7_encode(struct slice in, uint8_t *dst, size_t size,
    size_t *ret_len);

/* A mailbox name, or a pattern, as it came: modified UTF-7, or UTF-8 where the
 * client enabled that (RFC 6855, 3). */
bool imap_name_from_wire(struct slice in, bool has_utf8, uint8_t *dst,
    size_t size, size_t *ret_len);

/* What an encoded name of n UTF-8 octets can need at most. */
#define IMAP_UTF7_MAX(n) ((n)*5 + 2)

#endif
