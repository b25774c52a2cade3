/* SPDX-License-Identifier: ISC */
#include "store/sending.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "store/domain.h"

enum {
	HOUR_SLOTS = 6,
	DAY_SLOTS = 144
};

/* -- the limits
 * ------------------------------------------------------------------- */

static const struct limit {
	struct slice key;
	const char *what;
	size_t at; /* in struct sending_limits */
	unsigned n_slots;
	bool is_messages;
} limits[] = {
	{ SLICE("messages_per_hour"), "messages an hour",
	    offsetof(struct sending_limits, messages_hour), HOUR_SLOTS, true },
	{ SLICE("messages_per_day"), "messages a day",
	    offsetof(struct sending_limits, messages_day), DAY_SLOTS, true },
	{ SLICE("recipients_per_hour"), "recipients an hour",
	    offsetof(struct sending_limits, rcpts_hour), HOUR_SLOTS, false },
	{ SLICE("recipients_per_day"), "recipients a day",
	    offsetof(struct sending_limits, rcpts_day), DAY_SLOTS, false },
};
enum {
	N_LIMITS = sizeof(limits) / sizeof(limits[0])
};

static int64_t *
limit_of(struct sending_limits *l, const struct limit *which)
{
	return (int64_t *)(void *)((char *)l + which->at);
}

bool
sending_limit_parse(struct slice key, struct slice value,
    struct sending_limits *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < N_LIMITS; i++) {
		if (!slice_equal(key, limits[i].key))
			continue;
		if (slice_equal(value, SLICE("default")))
			*limit_of(ret, &limits[i]) = SENDING_DEFAULT;
		else if (slice_equal(value, SLICE("none")))
			*limit_of(ret, &limits[i]) = 0;
		else if (slice_to_u64(value, INT32_MAX, &n))
			*limit_of(ret, &limits[i]) = (int64_t)n;
		else
			return false;
		return true;
	}
	return false;
}

int
sending_limit_read(struct db *db, enum sending_kind kind, uint64_t who,
    struct sending_limits *ret)
{
	struct q_sending_limit_get row;
	int r = DB_ONE(sending_limit_get, db, &row, .kind = (uint8_t)kind,
	    .who = who);

	if (r == DB_NONE)
		*ret = (struct sending_limits){ SENDING_DEFAULT,
			SENDING_DEFAULT, SENDING_DEFAULT, SENDING_DEFAULT };
	else if (r == 0)
		*ret = (struct sending_limits){ row.messages_hour,
			row.messages_day, row.rcpts_hour, row.rcpts_day };
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
sending_limit_write(struct db *db, enum sending_kind kind, uint64_t who,
    const struct sending_limits *l)
{
	return ERR_TRACE(DB_EXEC(sending_limit_set, db, .kind = (uint8_t)kind,
	    .who = who, .messages_hour = l->messages_hour,
	    .messages_day = l->messages_day, .rcpts_hour = l->rcpts_hour,
	    .rcpts_day = l->rcpts_day));
}

int
sending_forget(struct db *db, enum sending_kind kind, uint64_t who)
{
	int r = DB_EXEC(sending_forget, db, .kind = (uint8_t)kind, .who = who,
	    .slot = INT64_MAX);

	if (r == 0)
		r = DB_EXEC(sending_limit_delete, db, .kind = (uint8_t)kind,
		    .who = who);
	return ERR_TRACE(r);
}

/* -- what was sent
 * ---------------------------------------------------------------------- */

struct slots {
	size_t n;
	struct slot {
		int64_t slot;
		uint64_t messages, rcpts;
	} at[DAY_SLOTS + 1];
};

static int
read_slots(struct db *db, enum sending_kind kind, uint64_t who, int64_t now,
    struct slots *ret)
{
	struct q_sending_slots row;
	struct db_rows rows;
	int r = DB_MANY(sending_slots, db, &rows, .kind = (uint8_t)kind,
	    .who = who, .slot = now / SENDING_SLOT - DAY_SLOTS);

	ret->n = 0;
	if (r != 0)
		return ERR_TRACE(r);
	/* a clock that went back may have left later slots: they count */
	while (ret->n <= DAY_SLOTS &&
	    (r = q_sending_slots_next(&rows, &row)) == 0)
		ret->at[ret->n++] =
		    (struct slot){ row.slot, row.messages, row.rcpts };
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static uint64_t
sum(const struct slots *s, const struct limit *l, int64_t now)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].slot > now / SENDING_SLOT - (int64_t)l->n_slots)
			n +=
			    l->is_messages ? s->at[i].messages : s->at[i].rcpts;
	return n;
}

/* When so many more will fit: the oldest slots leave the window first. */
static int64_t
opens_at(const struct slots *s, const struct limit *l, uint64_t limit,
    uint64_t want, int64_t now)
{
	uint64_t used = sum(s, l, now);

	if (want > limit)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i].slot <= now / SENDING_SLOT - (int64_t)l->n_slots)
			continue;
		used -= l->is_messages ? s->at[i].messages : s->at[i].rcpts;
		if (used + want <= limit)
			return (s->at[i].slot + (int64_t)l->n_slots) *
			    SENDING_SLOT;
	}
	return now + SENDING_SLOT;
}

static bool
has_limit(struct sending_limits *l)
{
	for (size_t i = 0; i < N_LIMITS; i++)
		if (*limit_of(l, &limits[i]) > 0)
			return true;
	return false;
}

static int
check_one(struct db *db, struct sending *s, enum sending_kind kind,
    uint64_t who)
{
	struct slots slots;
	int r = read_slots(db, kind, who, s->now, &slots);

	for (size_t i = 0; r == 0 && i < N_LIMITS; i++) {
		const struct limit *l = &limits[i];
		int64_t limit = *limit_of(&s->limits, l);
		uint64_t want = l->is_messages ? 1 : s->n_rcpts;

		if (limit <= 0 ||
		    sum(&slots, l, s->now) + want <= (uint64_t)limit)
			continue;
		s->what = l->what;
		s->is_domain = kind == SENDING_DOMAIN;
		s->limit = limit;
		s->opens = opens_at(&slots, l, (uint64_t)limit, want, s->now);
		return STORE_E_SENDING;
	}
	return ERR_TRACE(r);
}

static int
count_one(struct db *db, const struct sending *s, enum sending_kind kind,
    uint64_t who)
{
	int64_t slot = s->now / SENDING_SLOT;
	int r = DB_EXEC(sending_count, db, .kind = (uint8_t)kind, .who = who,
	    .slot = slot, .messages = 1, .rcpts = s->n_rcpts);

	if (r == 0)
		r = DB_EXEC(sending_forget, db, .kind = (uint8_t)kind,
		    .who = who, .slot = slot - DAY_SLOTS);
	return ERR_TRACE(r);
}

typedef int each(struct db *db, struct sending *s, enum sending_kind kind,
    uint64_t who);

/* For the account, then for its domain, where there is a limit. */
static int
each_limited(struct db *db, struct sending *s, each *f)
{
	struct q_account_get own;
	uint64_t domain;
	int r = DB_ONE(account_get, db, &own, .account = s->account);

	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	domain = own.domain;
	r = sending_limit_read(db, SENDING_ACCOUNT, s->account, &s->limits);
	for (size_t i = 0; r == 0 && i < N_LIMITS; i++)
		if (*limit_of(&s->limits, &limits[i]) < 0)
			*limit_of(&s->limits, &limits[i]) =
			    *limit_of(&s->defaults, &limits[i]);
	if (r == 0 && has_limit(&s->limits))
		r = f(db, s, SENDING_ACCOUNT, s->account);
	if (r == 0)
		r = sending_limit_read(db, SENDING_DOMAIN, domain, &s->limits);
	if (r == 0 && has_limit(&s->limits))
		r = f(db, s, SENDING_DOMAIN, domain);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
sending_check(struct db *db, struct sending *s)
{
	return each_limited(db, s, check_one);
}

static int
charge_one(struct db *db, struct sending *s, enum sending_kind kind,
    uint64_t who)
{
	int r = check_one(db, s, kind, who);

	return r != 0 ? r : ERR_TRACE(count_one(db, s, kind, who));
}

int
sending_charge(struct db *db, struct sending *s)
{
	return each_limited(db, s, charge_one);
}

int
sending_usage(struct db *db, enum sending_kind kind, uint64_t who, int64_t now,
    struct sending_used *ret)
{
	struct slots slots;
	int r = read_slots(db, kind, who, now, &slots);

	if (r == 0)
		*ret = (struct sending_used){ sum(&slots, &limits[0], now),
			sum(&slots, &limits[1], now),
			sum(&slots, &limits[2], now),
			sum(&slots, &limits[3], now) };
	return ERR_TRACE(r);
}

/* -- the sender
 * ---------------------------------------------------------------------- */

static int
is_granted(struct db *db, uint64_t account, const struct address *a)
{
	struct q_send_as_get row;
	size_t at = slice_find_last_byte(a->canonical, '@');
	int r = DB_ONE(send_as_get, db, &row, .account = account,
	    .canonical = a->canonical);

	if (r == 0 && row.n == 0)
		r = DB_ONE(send_as_get, db, &row, .account = account,
		    .canonical = slice_from(a->canonical, at));
	return r != 0 ? ERR_TRACE(r) : row.n > 0 ? 0 : DB_NONE;
}

/* Whether mail for that address reaches the account by a way that makes the
 * address its own: not a group, not a catch-all, not a role. */
static int
leads_home(struct db *db, uint64_t account, struct slice sender)
{
	const uint8_t own = RCPT_VIA_ALIAS | RCPT_VIA_DETAIL | RCPT_VIA_DOMAIN;
	struct rcpt_request ask = { .typed = sender };
	struct rcpt_result result;
	struct arena arena;
	int r;

	arena_init(&arena, LIMIT_LOOKUP);
	r = rcpt_lookup(db, &ask, &arena, &result);
	if (r == 0) {
		r = DB_NONE;
		for (size_t i = 0;
		     result.outcome == RCPT_FOUND && i < result.n_targets; i++)
			if (result.targets[i].account == account &&
			    (result.targets[i].via & ~own) == 0)
				r = 0;
	}
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
sender_check(struct db *db, uint64_t account, struct slice sender)
{
	struct q_account_get own;
	struct address a;
	int r = address_read(db, sender, &a);

	if (r != 0)
		return r > 0 ? DB_NONE : ERR_TRACE(r);
	r = DB_ONE(account_get, db, &own, .account = account);
	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	if (slice_equal(own.canonical, a.canonical))
		return 0;
	r = is_granted(db, account, &a);
	if (r == DB_NONE && a.is_ours)
		r = leads_home(db, account, sender);
	return r > 0 ? DB_NONE : ERR_TRACE(r);
}

struct names {
	char *at;
	size_t len;
	unsigned n_left;
};

static void
add_name(struct names *n, struct slice name)
{
	size_t room = SENDING_NAMES - 16 - n->len; /* " and 999 more" */

	if (name.len + 2 >= room || !slice_is_ascii(name)) {
		n->n_left++;
		return;
	}
	if (n->len > 0) {
		memcpy(n->at + n->len, ", ", 2);
		n->len += 2;
	}
	memcpy(n->at + n->len, name.at, name.len);
	n->len += name.len;
	n->at[n->len] = '\0';
}

int
sender_names(struct db *db, uint64_t account, char ret[SENDING_NAMES])
{
	struct names n = { .at = ret };
	struct q_account_get own;
	struct q_send_as_list grant;
	struct q_alias_to alias;
	struct db_rows rows;
	int r = DB_ONE(account_get, db, &own, .account = account);

	ret[0] = '\0';
	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	add_name(&n, own.address);
	r = DB_MANY(alias_to, db, &rows, .target_canonical = own.canonical,
	    .limit = 100);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_alias_to_next(&rows, &alias)) == 0)
		add_name(&n, alias.address);
	db_rows_close(&rows);
	if (r >= 0)
		r = DB_MANY(send_as_list, db, &rows, .account = account);
	if (r < 0)
		return ERR_TRACE(r);
	while ((r = q_send_as_list_next(&rows, &grant)) == 0)
		add_name(&n, grant.address);
	db_rows_close(&rows);
	if (n.n_left > 0)
		(void)snprintf(ret + n.len, SENDING_NAMES - n.len,
		    " and %u more", n.n_left < 999 ? n.n_left : 999);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
grantee(struct db *db, struct slice account, uint64_t *ret)
{
	struct address a;
	int r = address_read(db, account, &a);

	if (r == 0)
		r = account_find(db, a.canonical, ret);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r;
}

/* One of its options that is no limit. ACCOUNT_E_VALUE: none of these. */
static int
set_own(struct db *db, uint64_t account, const struct option *o)
{
	uint64_t quota = 0;

	if (slice_equal(o->key, SLICE("name")))
		return ERR_TRACE(DB_EXEC(account_name, db, .account = account,
		    .name = o->value));
	if (!slice_equal(o->value, SLICE("none")) &&
	    !slice_to_u64(o->value, INT64_MAX, &quota))
		return ACCOUNT_E_VALUE;
	if (slice_equal(o->key, SLICE("quota_messages")))
		return ERR_TRACE(DB_EXEC(account_quota_messages, db,
		    .account = account, .quota = quota));
	if (!slice_equal(o->key, SLICE("quota")))
		return ACCOUNT_E_VALUE;
	return ERR_TRACE(DB_EXEC(account_quota, db, .account = account,
	    .quota = quota));
}

int
account_set(struct db *db, struct slice address, const struct option *options,
    size_t n, const struct option **ret_bad)
{
	struct sending_limits l;
	bool has_limits = false;
	uint64_t account = 0;
	int r = grantee(db, address, &account);

	if (r == 0)
		r = sending_limit_read(db, SENDING_ACCOUNT, account, &l);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (sending_limit_parse(options[i].key, options[i].value, &l)) {
			has_limits = true;
			continue;
		}
		r = set_own(db, account, &options[i]);
		if (r == ACCOUNT_E_VALUE)
			*ret_bad = &options[i];
	}
	if (r == 0 && has_limits)
		r = sending_limit_write(db, SENDING_ACCOUNT, account, &l);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* "@domain" as it is compared; else an address. */
static int
grant_read(struct db *db, struct slice address, struct address *ret)
{
	char whole[LIMIT_ADDRESS + 8];
	struct address a;
	int r;

	if (address.len == 0 || address.len > LIMIT_ADDRESS)
		return ACCOUNT_E_ADDRESS;
	if (address.at[0] != '@')
		return address_read(db, address, ret);
	(void)snprintf(whole, sizeof(whole), "x%.*s", SLICE_FMT(address));
	r = address_read(db, slice_cstr(whole), &a);
	if (r != 0)
		return r;
	if (!a.is_ours)
		return ACCOUNT_E_NO_DOMAIN;
	address_copy(&a, ret);
	ret->canonical = slice_from(ret->canonical, 1);
	return 0;
}

int
send_as_add(struct db *db, struct slice account, struct slice address,
    int64_t now)
{
	struct address a;
	uint64_t number = 0;
	int r = grantee(db, account, &number);

	if (r == 0)
		r = grant_read(db, address, &a);
	if (r == 0)
		r = DB_EXEC(send_as_insert, db, .account = number,
		    .canonical = a.canonical, .address = address,
		    .created = now);
	return r == DB_E_EXISTS ? ACCOUNT_E_EXISTS : r < 0 ? ERR_TRACE(r) : r;
}

int
send_as_remove(struct db *db, struct slice account, struct slice address)
{
	struct address a;
	uint64_t number = 0;
	int r = grantee(db, account, &number);

	if (r == 0)
		r = grant_read(db, address, &a);
	if (r == 0)
		r = DB_EXEC(send_as_delete, db, .account = number,
		    .canonical = a.canonical);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
	return r < 0 ? ERR_TRACE(r) : r;
}
