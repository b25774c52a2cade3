/* SPDX-License-Identifier: ISC */
/*
 * base/charge - who pays for the memory, sessions and recipients in use
 *
 * A purse has a limit; a charge takes from it and gives back by itself when it
 * is released. Every allocation that a peer causes is charged to a purse, so
 * that no client can take more than its share. Purses may stand in a chain
 * (client, then process): a charge must fit all of them or none is touched.
 */
#ifndef BASE_CHARGE_H
#define BASE_CHARGE_H

#include <stdbool.h>
#include <stddef.h>

struct purse {
	struct purse *parent; /* NULL at the top */
	size_t used, limit;
};

struct charge {
	struct purse *purse; /* NULL: nothing is charged */
	size_t amount;
};

void purse_init(struct purse *p, struct purse *parent, size_t limit);

/* False, with nothing changed, when a purse of the chain has not that much. */
bool charge_take(struct charge *c, struct purse *p, size_t amount);
/* Raise or lower an existing charge to `amount`; false leaves it as it was. */
bool charge_change(struct charge *c, size_t amount);
void charge_release(struct charge *c); /* harmless when nothing is charged */

#endif
