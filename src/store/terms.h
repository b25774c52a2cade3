/* SPDX-License-Identifier: ISC */
/*
 * store/terms - the terms of destinations in the database (delivery_policy)
 *
 * A row for each pattern (queue/terms.h); one of which no term is left is
 * none. Runs in whichever thread has the database.
 */
#ifndef STORE_TERMS_H
#define STORE_TERMS_H

#include "queue/terms.h"
#include "store/db.h"

extern const struct terms terms_unset;

/* 0, DB_NONE (then *ret is terms_unset), -errno. */
int store_terms_read(struct db *db, struct slice pattern, struct terms *ret);
/* TERMS_E_FULL: LIMIT_TERMS others have terms. */
enum {
	TERMS_E_FULL = 1
};
int store_terms_write(struct db *db, struct slice pattern,
    const struct terms *t, int64_t now);
/* All of them in the order of their patterns, until `each` returns another
 * value than 0: that is returned. */
int store_terms_each(struct db *db,
    int (*each)(void *ctx, struct slice pattern, const struct terms *t),
    void *ctx);

/* What the route's patterns say of times; TERMS_UNSET where none does. Cheap
 * where nobody has set any. */
int store_terms_times(struct db *db, struct slice route, int64_t *ret_lifetime,
    int64_t *ret_delay_warning);

#endif
