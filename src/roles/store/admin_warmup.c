/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_warmup - `ulak warmup`: source addresses that are new
 *
 * The database has them (warmup); outbound_warmup.c has them in memory and
 * writes how far they are with the results of attempts.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "config/settings_table.h"
#include "queue/warmup.h"
#include "roles/store/admin_impl.h"

_Static_assert((int)WARMUP_ADDRESS_MAX >= (int)ENV_ADDR_TEXT, "they fit");

/* As the courier prints addresses. */
static int
take_address(struct admin_job *j, char ret[WARMUP_ADDRESS_MAX])
{
	struct slice text = arg(j, "address");
	struct env_addr address;

	if (env_addr_parse(text, &address) &&
	    (address.family == 4 || address.family == 6)) {
		env_addr_print(&address, ret);
		return 0;
	}
	say(j, "\"%.*s\" is no address of IPv4 or IPv6",
	    SLICE_FMT(slice_upto(text, 64)));
	return ACCOUNT_E_VALUE;
}

static int
take_number(struct admin_job *j, const char *name, uint32_t least,
    uint32_t most, uint32_t *ret)
{
	struct slice text = arg(j, name);
	uint64_t n;

	if (text.len == 0)
		return 0;
	if (!slice_to_u64(text, most, &n) || n < least) {
		say(j, "%s cannot be \"%.*s\": %u to %u", name,
		    SLICE_FMT(slice_upto(text, 64)), least, most);
		return ACCOUNT_E_VALUE;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int
take_day(struct admin_job *j, int64_t *ret)
{
	struct slice text = arg(j, "day");

	if (text.len == 0)
		return 0;
	if (!settings_duration_parse(text, ret) || *ret < TIME_SECOND ||
	    *ret > 31 * TIME_DAY) {
		say(j, "day cannot be \"%.*s\": 1s to 31d",
		    SLICE_FMT(slice_upto(text, 64)));
		return ACCOUNT_E_VALUE;
	}
	return 0;
}

static int
take_warmup(struct admin_job *j, struct warmup *w)
{
	int r = take_address(j, w->address);

	if (r == 0)
		r = take_number(j, "first", 1, WARMUP_MOST, &w->first);
	if (r == 0)
		r = take_number(j, "until", 1, WARMUP_MOST, &w->until);
	if (r == 0)
		r = take_number(j, "growth", 101, 1000, &w->growth);
	if (r == 0)
		r = take_day(j, &w->day);
	if (r == 0 && w->until <= w->first) {
		say(j, "it begins with more than it is to reach");
		r = ACCOUNT_E_VALUE;
	}
	return r;
}

int
add_warmup(struct db *db, struct admin_job *j)
{
	struct warmup w = {
		.first = 50, .until = 100000, .growth = 150, .day = TIME_DAY
	};
	struct q_warmup_count count;
	int r = take_warmup(j, &w);

	if (r != 0)
		return r;
	r = DB_ONE(warmup_count, db, &count, 0);
	if (r == 0 && count.n >= LIMIT_WARMUPS)
		return ACCOUNT_E_LIMIT;
	if (r == 0)
		r = DB_EXEC(warmup_add, db, .address = slice_cstr(w.address),
		    .first = w.first, .until = w.until, .growth = w.growth,
		    .day = w.day);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_EXISTS;
	return ERR_TRACE(r);
}

int
remove_warmup(struct db *db, struct admin_job *j)
{
	char address[WARMUP_ADDRESS_MAX];
	int r = take_address(j, address);

	if (r != 0)
		return r;
	r = DB_EXEC(warmup_delete, db, .address = slice_cstr(address));
	return r == 0 && db_changed(db) == 0 ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
}

static int
put_warmup(struct admin_job *j, const struct q_warmup_list *row)
{
	struct warmup w = { .first = row->first,
		.until = row->until,
		.growth = row->growth,
		.day = row->day < TIME_SECOND ? TIME_SECOND : row->day,
		.began = row->began,
		.ceiling = row->ceiling,
		.sent = row->sent,
		.bad = row->bad };
	int r;

	warmup_turn(&w, j->now);
	r = put_text(j, "address", row->address);
	r |= put_number(j, "ceiling", w.ceiling);
	r |= put_number(j, "sent", w.sent);
	r |= put_number(j, "bad", w.bad);
	r |= put_number(j, "next",
	    w.began == 0 ? (uint64_t)0 : (uint64_t)warmup_next(&w));
	r |= put_number(j, "first", w.first);
	r |= put_number(j, "until", w.until);
	r |= put_number(j, "growth", w.growth);
	r |= put_number(j, "day", (uint64_t)(w.day / TIME_SECOND));
	r |= put_number(j, "over", warmup_is_over(&w));
	end_row(j);
	return r != 0 ? -ENOMEM : 0;
}

/* All, or the one of that address. */
static int
put_warmups(struct db *db, struct admin_job *j, const char *address,
    size_t *ret_n)
{
	struct q_warmup_list row;
	struct db_rows rows;
	int r = DB_MANY(warmup_list, db, &rows, 0);

	*ret_n = 0;
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_warmup_list_next(&rows, &row)) == 0) {
		if (address != NULL &&
		    !slice_equal(row.address, slice_cstr(address)))
			continue;
		r = put_warmup(j, &row);
		if (r != 0)
			break;
		++*ret_n;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
list_warmups(struct db *db, struct admin_job *j)
{
	size_t n;

	return put_warmups(db, j, NULL, &n);
}

int
show_warmup(struct db *db, struct admin_job *j)
{
	char address[WARMUP_ADDRESS_MAX];
	size_t n = 0;
	int r = take_address(j, address);

	if (r == 0)
		r = put_warmups(db, j, address, &n);
	return r == 0 && n == 0 ? ACCOUNT_E_ABSENT : r;
}
