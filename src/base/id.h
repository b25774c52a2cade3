/* SPDX-License-Identifier: ISC */
/*
 * base/id - the 16 bytes that name a message for life
 *
 * 48 bits of milliseconds since 1970 (UTC), a 16-bit counter, 64 random bits,
 * most significant byte first: ids of one source sort by the order in which
 * they were made. Made before the first write, so that an id is the
 * idempotency key of its commit. Printed in 26 characters of Crockford's
 * base 32 (no I, L, O, U), upper case; read in either case.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/slice.h"

enum {
	ID_SIZE = 16,
	ID_TEXT = 26
};

struct id {
	uint8_t bytes[ID_SIZE];
};

/* One a process. Later ids are greater, also when the wall clock steps back. */
struct id_source {
	uint64_t last_ms;
	uint16_t count;
};

void id_make(struct id_source *s, int64_t wall_us, uint64_t random,
    struct id *ret);
void id_print(const struct id *id, char text[ID_TEXT + 1]);
bool id_parse(struct slice text, struct id *ret);
bool id_equal(const struct id *a, const struct id *b);
int id_compare(const struct id *a, const struct id *b);
struct slice id_slice(const struct id *id); /* its 16 bytes */
bool id_from_slice(struct slice bytes, struct id *ret);
int64_t id_time(const struct id *id); /* microseconds since 1970 */

#endif
