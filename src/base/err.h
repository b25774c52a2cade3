/* SPDX-License-Identifier: ISC */
/*
 * base/err - how a call says it failed
 *
 *   0    done
 *  >0    a condition that the called function documents; its caller handles it
 *  <0    -errno: trouble nobody in between can mend. Passed up unchanged
 *        through ERR_TRACE, to the loop, which drops one session or exits.
 *
 * Library code returns, roles log; a function does one or the other. Outputs
 * are untouched on failure. assert() is for what we broke ourselves, never for
 * what arrived.
 *
 * ERR_ORIGIN and ERR_TRACE note where an error went; they cost nothing when
 * there is none. err_trace_text() gives the last trail of this thread for the
 * log line of whoever ends the journey.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

#define ERR_ORIGIN(r) err_note((r), 1, __func__, __FILE__, __LINE__)
#define ERR_TRACE(r) err_note((r), 0, __func__, __FILE__, __LINE__)

int err_note(int r, int is_origin, const char *func, const char *file,
    int line);

/* "EIO at segment_append segment.c:88 < append_group appender.c:40"; the text
 * stays valid until the next error of this thread. */
const char *err_trace_text(void);

#endif
