/* SPDX-License-Identifier: ISC */
/*
 * policy/tlsrpt_read - a report about TLS that somebody else made (RFC 8460)
 *
 * Takes the JSON itself, gzip of it, or a mail with such a part, and tells what
 * it says line by line. Hostile throughout: what is compressed is opened up to
 * TLSRPT_JSON_MAX and no further; members of another type than they should be
 * count as missing; texts come out without control characters.
 *
 * Pure. Slices live for the call of `each` alone.
 */
#ifndef POLICY_TLSRPT_READ_H
#define POLICY_TLSRPT_READ_H

#include "base/slice.h"

enum {
	TLSRPT_FILE_MAX = 16 * 1024 * 1024,
	TLSRPT_JSON_MAX = 16 * 1024 * 1024,
	TLSRPT_LINES_MAX = 10000 /* told of one report */
};

/* One for each policy (result empty, good and bad are its sums) and one for
 * each of its failures (bad: so many sessions). */
struct tlsrpt_line {
	struct slice organization, contact, id, begin, end;
	struct slice kind, domain;
	struct slice result, mx, remote, local, reason;
	uint64_t good, bad;
};

/* 0; 1 with *ret_why (static) when it is no report; -ENOMEM. */
int tlsrpt_read(struct slice file,
    void (*each)(void *ctx, const struct tlsrpt_line *line), void *ctx,
    const char **ret_why);

#endif
