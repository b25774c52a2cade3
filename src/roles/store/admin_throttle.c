/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_throttle - `ulak throttle`: how much may leave in a time
 *
 * What is set stands in the database (throttle); outbound_throttle.c has it in
 * memory and is told of changes.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "config/settings_table.h"
#include "queue/throttle.h"
#include "roles/store/admin_impl.h"

static int
take_subject(struct admin_job *j, struct throttle *t)
{
	struct slice subject = arg(j, "subject");

	if (throttle_subject_parse(subject, t))
		return 0;
	say(j,
	    "\"%.*s\" cannot be throttled: sender:ADDRESS, tenant:DOMAIN, "
	    "route:NAME or route:DOMAIN",
	    SLICE_FMT(slice_upto(subject, 256)));
	return ACCOUNT_E_VALUE;
}

static int
take_count(struct admin_job *j, const char *name, uint32_t *ret)
{
	struct slice text = arg(j, name);
	uint64_t n;

	if (text.len == 0)
		return 0;
	if (!slice_to_u64(text, THROTTLE_COUNT_MAX, &n) || n == 0) {
		say(j, "%s cannot be \"%.*s\": 1 to %d", name,
		    SLICE_FMT(slice_upto(text, 64)), THROTTLE_COUNT_MAX);
		return ACCOUNT_E_VALUE;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int
take_period(struct admin_job *j, int64_t *ret)
{
	struct slice text = arg(j, "period");

	if (text.len == 0)
		return 0;
	if (!settings_duration_parse(text, ret) || *ret < TIME_SECOND ||
	    *ret > 31 * TIME_DAY) {
		say(j, "period cannot be \"%.*s\": 1s to 31d",
		    SLICE_FMT(slice_upto(text, 64)));
		return ACCOUNT_E_VALUE;
	}
	return 0;
}

/* What is there already, or what a new one begins with. */
static int
read_old(struct db *db, struct throttle *t, bool *ret_is_new)
{
	struct q_throttle_get old;
	int r = DB_ONE(throttle_get, db, &old, .kind = t->kind,
	    .name = slice_cstr(t->name));

	*ret_is_new = r == DB_NONE;
	t->period = TIME_HOUR;
	if (r == 0) {
		t->mails = old.mails;
		t->period = old.period;
		t->burst = old.burst;
		t->next = old.next;
	}
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* A tenth of it may go at once, unless more is said. */
int
set_throttle(struct db *db, struct admin_job *j)
{
	struct throttle t = { 0 }, old;
	struct q_throttle_count count;
	bool is_new = false;
	int r = take_subject(j, &t);

	if (r == 0)
		r = read_old(db, &t, &is_new);
	old = t;
	if (r == 0)
		r = take_count(j, "mails", &t.mails);
	if (r == 0)
		r = take_count(j, "burst", &t.burst);
	if (r == 0)
		r = take_period(j, &t.period);
	if (r != 0)
		return r;
	if (t.mails == 0) {
		say(j, "how many? mails=N");
		return ACCOUNT_E_VALUE;
	}
	if (t.burst == 0)
		t.burst = (t.mails + 9) / 10;
	if (!is_new)
		throttle_follow(&t, &old, j->now);
	if (is_new) {
		r = DB_ONE(throttle_count, db, &count, 0);
		if (r == 0 && count.n >= LIMIT_THROTTLES)
			return ACCOUNT_E_LIMIT;
	}
	if (r == 0)
		r = DB_EXEC(throttle_put, db, .kind = t.kind,
		    .name = slice_cstr(t.name), .mails = t.mails,
		    .period = t.period, .burst = t.burst, .next = t.next,
		    .changed = j->now);
	return ERR_TRACE(r);
}

int
unset_throttle(struct db *db, struct admin_job *j)
{
	struct throttle t = { 0 };
	int r = take_subject(j, &t);

	if (r == 0)
		r = DB_EXEC(throttle_delete, db, .kind = t.kind,
		    .name = slice_cstr(t.name));
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
	return r < 0 ? ERR_TRACE(r) : r;
}

static int
put_throttle(struct admin_job *j, const struct throttle *t)
{
	char text[THROTTLE_TEXT_MAX];
	int64_t ready = throttle_ready(t, j->now);
	int r;

	throttle_subject_print(t, text);
	r = put_text(j, "subject", slice_cstr(text));
	r |= put_number(j, "mails", t->mails);
	r |= put_number(j, "period", (uint64_t)(t->period / TIME_SECOND));
	r |= put_number(j, "burst", t->burst);
	r |= put_number(j, "until",
	    ready > j->now ? (uint64_t)ready : (uint64_t)0);
	end_row(j);
	return r != 0 ? -ENOMEM : 0;
}

static int
list_page(struct db *db, struct admin_job *j, int64_t *kind,
    char name[THROTTLE_NAME_MAX + 1], size_t *n)
{
	struct q_throttle_list row;
	struct db_rows rows;
	int r = DB_MANY(throttle_list, db, &rows, .kind = *kind,
	    .name = slice_cstr(name));

	*n = 0;
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_throttle_list_next(&rows, &row)) == 0) {
		struct throttle t = { .kind = row.kind < THROTTLE_KINDS
			    ? row.kind
			    : (uint8_t)THROTTLE_ROUTE,
			.mails = row.mails,
			.burst = row.burst,
			.period = row.period,
			.next = row.next };

		(void)slice_to_cstr(row.name, t.name, sizeof(t.name));
		r = put_throttle(j, &t);
		if (r != 0)
			break;
		*kind = row.kind;
		memcpy(name, t.name, sizeof(t.name));
		++*n;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
list_throttles(struct db *db, struct admin_job *j)
{
	char name[THROTTLE_NAME_MAX + 1] = "";
	int64_t kind = -1;
	size_t n;
	int r;

	do {
		r = list_page(db, j, &kind, name, &n);
	} while (r == 0 && n > 0);
	return r;
}

int
show_throttle(struct db *db, struct admin_job *j)
{
	struct throttle t = { 0 };
	bool is_new = false;
	int r = take_subject(j, &t);

	if (r == 0)
		r = read_old(db, &t, &is_new);
	if (r != 0)
		return r;
	return is_new ? ACCOUNT_E_ABSENT : put_throttle(j, &t);
}
