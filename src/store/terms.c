/* SPDX-License-Identifier: ISC */
#include "store/terms.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/queries.h"

enum {
	PAGE = 100 /* as delivery_policy_list */
};

const struct terms terms_unset = { { TERMS_UNSET, TERMS_UNSET, TERMS_UNSET,
    TERMS_UNSET, TERMS_UNSET, TERMS_UNSET, TERMS_UNSET, TERMS_UNSET,
    TERMS_UNSET, TERMS_UNSET, TERMS_UNSET } };
_Static_assert(TERMS_N == 11, "one TERMS_UNSET for each");

/* Two queries have these columns. */
#define TERMS_OF(row)                                                          \
	((struct terms){ .value = {                                            \
			     [TERMS_RETRY_FIRST] = (row).retry_first,          \
			     [TERMS_RETRY_MAX] = (row).retry_max,              \
			     [TERMS_RETRY_GROWTH] = (row).retry_growth,        \
			     [TERMS_LIFETIME] = (row).lifetime,                \
			     [TERMS_DELAY_WARNING] = (row).delay_warning,      \
			     [TERMS_CONCURRENCY] = (row).concurrency,          \
			     [TERMS_MAILS] = (row).mails,                      \
			     [TERMS_RCPTS] = (row).recipients,                 \
			     [TERMS_RATE] = (row).rate,                        \
			     [TERMS_BURST] = (row).burst,                      \
			     [TERMS_TLS] = (row).tls,                          \
			 } })

int
store_terms_read(struct db *db, struct slice pattern, struct terms *ret)
{
	struct q_delivery_policy_get row;
	int r = DB_ONE(delivery_policy_get, db, &row, .pattern = pattern);

	*ret = r == 0 ? TERMS_OF(row) : terms_unset;
	return r < 0 ? ERR_TRACE(r) : r;
}

/* 0, TERMS_E_FULL, -errno. */
static int
check_room(struct db *db, struct slice pattern)
{
	struct q_delivery_policy_count count;
	struct terms old;
	int r = store_terms_read(db, pattern, &old);

	if (r != DB_NONE)
		return ERR_TRACE(r);
	r = DB_ONE(delivery_policy_count, db, &count, 0);
	if (r == 0 && count.n >= LIMIT_TERMS)
		return TERMS_E_FULL;
	return ERR_TRACE(r);
}

int
store_terms_write(struct db *db, struct slice pattern, const struct terms *t,
    int64_t now)
{
	const int64_t *v = t->value;
	int r;

	if (memcmp(t, &terms_unset, sizeof(*t)) == 0)
		return ERR_TRACE(DB_EXEC(delivery_policy_delete, db,
		    .pattern = pattern));
	r = check_room(db, pattern);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	return ERR_TRACE(DB_EXEC(delivery_policy_put, db, .pattern = pattern,
	    .retry_first = v[TERMS_RETRY_FIRST],
	    .retry_max = v[TERMS_RETRY_MAX],
	    .retry_growth = v[TERMS_RETRY_GROWTH],
	    .lifetime = v[TERMS_LIFETIME],
	    .delay_warning = v[TERMS_DELAY_WARNING],
	    .concurrency = v[TERMS_CONCURRENCY], .mails = v[TERMS_MAILS],
	    .recipients = v[TERMS_RCPTS], .rate = v[TERMS_RATE],
	    .burst = v[TERMS_BURST], .tls = v[TERMS_TLS], .changed = now));
}

int
store_terms_each(struct db *db,
    int (*each)(void *ctx, struct slice pattern, const struct terms *t),
    void *ctx)
{
	char last[TERMS_PATTERN_MAX + 1] = "";
	struct q_delivery_policy_list row;
	struct db_rows rows;
	size_t n;
	int r, e = 0;

	do {
		n = 0;
		r = DB_MANY(delivery_policy_list, db, &rows,
		    .after = slice_cstr(last));
		if (r != 0)
			return ERR_TRACE(r);
		while (e == 0 &&
		    (r = q_delivery_policy_list_next(&rows, &row)) == 0) {
			struct terms t = TERMS_OF(row);

			n++;
			(void)slice_to_cstr(row.pattern, last, sizeof(last));
			e = each(ctx, row.pattern, &t);
		}
		db_rows_close(&rows);
	} while (n == PAGE && e == 0 && r == DB_NONE);
	return e != 0 ? e : r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
store_terms_times(struct db *db, struct slice route, int64_t *ret_lifetime,
    int64_t *ret_delay_warning)
{
	struct q_delivery_policy_has_times any;
	struct slice pattern = { 0 };
	struct terms t;
	int r = DB_ONE(delivery_policy_has_times, db, &any, 0);

	*ret_lifetime = *ret_delay_warning = TERMS_UNSET;
	if (r != 0 || !any.has)
		return ERR_TRACE(r);
	while (terms_pattern_next(route, &pattern)) {
		r = store_terms_read(db, pattern, &t);
		if (r < 0)
			return ERR_TRACE(r);
		if (*ret_lifetime == TERMS_UNSET)
			*ret_lifetime = t.value[TERMS_LIFETIME];
		if (*ret_delay_warning == TERMS_UNSET)
			*ret_delay_warning = t.value[TERMS_DELAY_WARNING];
	}
	return 0;
}
