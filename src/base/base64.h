/* SPDX-License-Identifier: ISC */
/*
 * base/base64 - the strict form of RFC 4648, section 4
 *
 * For credentials and keys, where there is one right spelling: the alphabet,
 * whole groups of four, padding at the end only and its unused bits zero. No
 * line ends, no white space. (What stands in mail bodies is laxer and is
 * decoded by mail/encode.)
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/slice.h"

/* Bytes needed for the other form of n; the decoded form may be up to 2 less.
 */
#define BASE64_ENCODED(n) (((n) + 2) / 3 * 4)
#define BASE64_DECODED(n) ((n) / 4 * 3)

/* Writes BASE64_ENCODED(s.len) bytes, no NUL; returns how many. */
size_t base64_encode(struct slice s, char *at);
/* False (nothing returned, `at` undefined) when it is not base64 or needs more
 * than `size` bytes. */
bool base64_decode(struct slice s, uint8_t *at, size_t size, size_t *ret_len);
/* The same of the URL alphabet without padding (RFC 7515, section 2). */
bool base64url_decode(struct slice s, uint8_t *at, size_t size,
    size_t *ret_len);

#endif
