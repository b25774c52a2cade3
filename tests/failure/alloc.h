/* SPDX-License-Identifier: ISC */
/*
 * failure/alloc - the n-th allocation fails
 *
 * A program that links alloc.c with --wrap of malloc, calloc, realloc,
 * reallocarray and free can let any allocation inside of ALLOC_IN fail: first
 * each one alone, then each one with all that come after it. What was allocated
 * inside must be freed when the run is over. Allocations of the test itself,
 * outside, never fail, and neither do those that shared libraries make for
 * themselves.
 */
#ifndef FAILURE_ALLOC_H
#define FAILURE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* May nest; what is between them is under test. */
void alloc_enter(void);
void alloc_leave(void);
/* Steps out of all enters for a while (a host's callback), and back in. */
unsigned alloc_pause(void);
void alloc_resume(unsigned depth);

/* Whether an allocation has failed in this run. */
bool alloc_has_failed(void);

#define ALLOC_IN(call)                                                         \
	({                                                                     \
		__typeof__(call) result_;                                      \
		alloc_enter();                                                 \
		result_ = (call);                                              \
		alloc_leave();                                                 \
		result_;                                                       \
	})
#define ALLOC_IN_VOID(call)                                                    \
	do {                                                                   \
		alloc_enter();                                                 \
		(call);                                                        \
		alloc_leave();                                                 \
	} while (0)

/* Runs again and again until nothing fails any more. A run checks by itself
 * what must hold whatever failed; it returns whether all went well, which must
 * be so when nothing failed. Returns how many allocations there were. */
size_t alloc_each(const char *what, bool (*run)(void *ctx), void *ctx);

#endif
