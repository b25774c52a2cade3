/* SPDX-License-Identifier: ISC */
/*
 * store/route - the rows of the operator's routes (policy/route_table)
 *
 * Options come as they were typed and are judged here, all of them or none.
 * A password comes sealed (the keeper's) and goes out to the courier alone.
 */
#ifndef STORE_ROUTE_H
#define STORE_ROUTE_H

#include "policy/route_table.h"
#include "store/account.h"
#include "store/domain.h"
#include "store/queries.h"

/* What may be said of a refusal, beside account_text. */
struct route_trouble {
	char text[200];
};

/* Makes a route or (is_new false) changes one. 0, ACCOUNT_E_* or -errno. */
int route_save(struct db *db, struct slice name, const struct option *options,
    size_t n, bool is_new, int64_t now, struct route_trouble *ret_why);
int route_delete(struct db *db, struct slice name,
    struct route_trouble *ret_why);

/* All of them, into a table that was made with route_table_init. */
int route_table_load(struct db *db, struct route_table *t);

/* "source=": both in one text, for who reads it. */
enum {
	ROUTE_SOURCE_TEXT = 128
};
void route_source_print(struct slice source4, struct slice source6,
    char text[ROUTE_SOURCE_TEXT]);

#endif
