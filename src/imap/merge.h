/* SPDX-License-Identifier: ISC */
/*
 * imap/merge - a sort that keeps equal ones in their order
 *
 * Bottom-up merge sort: n log n comparisons whatever stands there, and no
 * recursion. Takes as much memory again as the elements for its time.
 */
#ifndef IMAP_MERGE_H
#define IMAP_MERGE_H

#include <stdbool.h>
#include <stddef.h>

/* a stands before b, and is not equal to it. */
typedef bool merge_before_fn(const void *a, const void *b, void *ctx);

/* False: no memory, and nothing was moved. */
bool merge_sort(void *at, size_t n, size_t size, merge_before_fn *before,
    void *ctx);

#endif
