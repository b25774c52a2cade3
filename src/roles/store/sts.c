/* SPDX-License-Identifier: ISC */
/*
 * roles/store/sts - the MTA-STS policies that are kept (RFC 8461), for the
 * fetcher
 *
 * A copy of what the fetcher has in memory, so that a restart does not make a
 * domain's demand forgotten. The fetcher bounds them; one that sends more than
 * LIMIT_STS_DOMAINS loses the one that ends first. Also `ulak sts`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/dns.h"
#include "policy/sts.h"
#include "roles/store/admin_impl.h"

enum {
	LIST_LIMIT = 1000 /* rows, when nothing else is said */
};

static struct channel *
fetcher_of(struct store_role *s)
{
	LIST_FOREACH (it, &s->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (p->c.peer == WIRE_FETCHER && !channel_is_dead(&p->c))
			return &p->c;
	}
	return NULL;
}

/* -- keeping
 * ---------------------------------------------------------------------------
 */

struct keep_write {
	struct store_write write;
	struct wire_sts_keep keep; /* points into `bytes` */
	int64_t now;
	char bytes[DNS_NAME_TEXT + STS_ID + STS_MX];
};

static int
apply_keep(struct db *db, struct store_write *w)
{
	const struct keep_write *k = LIST_ENTRY(w, struct keep_write, write);
	const struct wire_sts_keep *m = &k->keep;
	struct q_sts_count count;
	int r;

	if (m->is_gone)
		return ERR_TRACE(DB_EXEC(sts_delete, db, .domain = m->domain));
	r = DB_EXEC(sts_put, db, .domain = m->domain, .mode = m->mode,
	    .mx = m->mx, .id = m->id, .fetched = m->fetched,
	    .max_age = m->max_age,
	    .expires = m->fetched + (int64_t)m->max_age * TIME_SECOND);
	if (r == 0)
		r = DB_ONE(sts_count, db, &count, 0);
	if (r == 0 && count.n > LIMIT_STS_DOMAINS)
		r = DB_EXEC(sts_trim, db,
		    .limit = (uint32_t)(count.n - LIMIT_STS_DOMAINS));
	return ERR_TRACE(r);
}

static void
done_keep(struct store_write *w, int r)
{
	(void)r; /* it is in the fetcher's memory, and comes again with the
		  * next fetch */
	free(LIST_ENTRY(w, struct keep_write, write));
}

static struct slice
place(char **at, struct slice from)
{
	struct slice to = slice_of(*at, from.len);

	memcpy(*at, from.at, from.len);
	*at += from.len;
	return to;
}

int
on_sts_keep(struct channel *c, const struct wire_head *h,
    const struct wire_sts_keep *m)
{
	struct store_role *s = peer_of(c)->role;
	struct keep_write *k;
	char *at;

	(void)h;
	if (m->mode > STS_ENFORCE || m->max_age > STS_MAX_AGE)
		return WIRE_E_BAD;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return 0;
	at = k->bytes;
	k->keep = *m;
	k->keep.domain = place(&at, m->domain);
	k->keep.id = place(&at, m->id);
	k->keep.mx = place(&at, m->mx);
	k->write = (struct store_write){
		.lane = STORE_LANE_BULK, .apply = apply_keep, .done = done_keep
	};
	store_submit(s->store, &k->write);
	return 0;
}

/* -- telling a new fetcher
 * ------------------------------------------------------------------- */

struct telling {
	struct store_read read;
	struct asker asker;
	struct arena arena;
	struct wire_sts_cached policies[LIMIT_STS_DOMAINS];
	size_t n;
};

static int
run_telling(struct db *db, struct store_read *read)
{
	struct telling *t = LIST_ENTRY(read, struct telling, read);
	struct q_sts_load row;
	struct db_rows rows;
	int r = DB_MANY(sts_load, db, &rows, .limit = LIMIT_STS_DOMAINS);

	if (r != 0)
		return ERR_TRACE(r);
	while (t->n < LIMIT_STS_DOMAINS &&
	    (r = q_sts_load_next(&rows, &row)) == 0) {
		struct wire_sts_cached *m = &t->policies[t->n];

		*m = (struct wire_sts_cached){ .mode = row.mode,
			.fetched = row.fetched,
			.max_age = row.max_age };
		if (!arena_copy(&t->arena, row.domain, &m->domain) ||
		    !arena_copy(&t->arena, row.mx, &m->mx) ||
		    !arena_copy(&t->arena, row.id, &m->id))
			break;
		t->n++;
	}
	db_rows_close(&rows);
	return r >= 0 ? 0 : ERR_TRACE(r);
}

/* Without its end the fetcher waits: to say nothing is better than to say that
 * nobody demands anything. */
static void
done_telling(struct store_read *read, int result)
{
	struct telling *t = LIST_ENTRY(read, struct telling, read);
	struct channel *c = asker_channel(&t->asker);

	if (c != NULL && result == 0) {
		for (size_t i = 0; i < t->n; i++)
			(void)wire_send_sts_cached(c, 0, 0, &t->policies[i]);
		(void)wire_send_sts_cached_end(c, 0, 0,
		    &(struct wire_sts_cached_end){ 0 });
	} else if (c != NULL) {
		channel_throw_out(c, "the policies cannot be read");
	}
	arena_reset(&t->arena);
	free(t);
}

void
sts_tell(struct peer *p)
{
	struct telling *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return;
	arena_init(&t->arena, LIMIT_STS_BYTES);
	t->asker = asker_of(&p->c, &(struct wire_head){ 0 });
	t->read =
	    (struct store_read){ .run = run_telling, .done = done_telling };
	store_read(p->role->store, &t->read);
}

/* -- `ulak sts`
 * ------------------------------------------------------------------------------
 */

static int
put_policy(struct admin_job *j, struct slice domain, unsigned mode,
    struct slice mx, struct slice id, int64_t fetched, int64_t expires)
{
	int r = put_text(j, "domain", domain);

	r |= put_text(j, "mode", slice_cstr(sts_mode_name(mode)));
	r |= put_text(j, "mx", slice_upto(mx, ADMIN_FIELD));
	r |= put_text(j, "id", id);
	r |= put_number(j, "fetched", (uint64_t)fetched);
	r |= put_number(j, "expires", (uint64_t)expires);
	end_row(j);
	return r != 0 ? ERR_ORIGIN(-ENOMEM) : 0;
}

int
list_sts(struct db *db, struct admin_job *j)
{
	uint64_t limit = LIST_LIMIT;
	struct q_sts_list row;
	struct db_rows rows;
	int r;

	if (arg(j, "limit").len > 0 &&
	    !slice_to_u64(arg(j, "limit"), INT32_MAX, &limit))
		return ACCOUNT_E_VALUE;
	r = DB_MANY(sts_list, db, &rows, .now = j->now,
	    .limit = (uint32_t)limit);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_sts_list_next(&rows, &row)) == 0) {
		r = put_policy(j, row.domain, row.mode, row.mx, row.id,
		    row.fetched, row.expires);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
show_sts(struct db *db, struct admin_job *j)
{
	struct q_sts_get row;
	int r = DB_ONE(sts_get, db, &row, .domain = arg(j, "domain"));

	if (r == DB_NONE)
		return ACCOUNT_E_ABSENT;
	if (r != 0)
		return ERR_TRACE(r);
	return put_policy(j, row.domain, row.mode, row.mx, row.id, row.fetched,
	    row.expires);
}

int
refresh_sts(struct admin_job *j)
{
	struct channel *c = fetcher_of(j->asker.role);
	struct wire_sts_refresh m = { .domain = arg(j, "domain") };

	if (!dns_name_is_valid(m.domain))
		return ACCOUNT_E_VALUE;
	if (c == NULL) {
		say(j, "there is no fetcher just now");
		return ACCOUNT_E_LIMIT;
	}
	(void)wire_send_sts_refresh(c, 0, 0, &m);
	return 0;
}
