/* SPDX-License-Identifier: ISC */
/*
 * sys/log - making bytes from outside fit for a log line
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include "base/slice.h"

enum {
	LOG_QUOTE = 256
};

/* Writes `"..."` into at[size] (size >= 8): printable ASCII as it is, \" and
 * \\ escaped, any other byte as \xHH, cut with "..." when it does not fit.
 * Returns `at`, for use inside an argument list. */
const char *log_quote(struct slice s, char *at, size_t size);

#endif
