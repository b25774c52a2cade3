/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_bounce - what the files about notices share
 *
 *   outbound_bounce.c   whose turn it is; the notices that are being made
 *   outbound_load.c     what one is made of: BOUNCE_MAKE
 *   outbound_commit.c   it comes back: BOUNCE_COMMIT, one transaction
 *
 * All on the loop, but what says that it runs in a thread.
 */
#ifndef ROLES_STORE_OUTBOUND_BOUNCE_H
#define ROLES_STORE_OUTBOUND_BOUNCE_H

#include "base/limits.h"
#include "roles/store/outbound_impl.h"

/* One notice, from the choice of its message to its commit. */
struct out_bounce {
	struct outbound *outbound;
	uint64_t number;
	struct out_courier *courier;
	struct id message;
	uint8_t kind;   /* BOUNCE_* */
	int64_t before; /* of late rows */
	char sender[LIMIT_ADDRESS + 1];
	uint64_t rows[OUT_ROWS];
	size_t n_rows;
	struct env_timer timer;
	bool is_committing, requires_tls;
	int64_t priority; /* RFC 6710, 4.6: as the mail's */
};

/* Rows of this kind are looked for as soon as a slot is free; late ones by the
 * next sweep. */
void out_bounce_want(struct outbound *o, uint8_t kind);
void out_bounce_free(struct out_bounce *b);
/* Nothing came of it: once more, later. */
void out_bounce_give_up(struct out_bounce *b);

/* Reads what it tells of and gives it to its courier; or frees it. -ENOMEM. */
int out_bounce_load(struct out_bounce *b);

#endif
