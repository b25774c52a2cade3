/* SPDX-License-Identifier: ISC */
#include "store/expand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"

int
expand_begin(struct db *db, struct expand_begin *e)
{
	struct q_counter_next row;
	int r =
	    DB_ONE(counter_next, db, &row, .name = SLICE("expansion"), .n = 1);

	if (r == 0)
		r = DB_EXEC(expansion_insert, db, .expansion = row.last,
		    .message = e->message, .sender = e->sender,
		    .next_n = e->next_n, .expires = e->expires,
		    .created = e->now);
	if (r == 0)
		e->expansion = row.last;
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

int
expand_add(struct db *db, uint64_t expansion, struct slice canonical,
    struct slice sender)
{
	return ERR_TRACE(DB_EXEC(expand_insert, db, .expansion = expansion,
	    .canonical = canonical, .sender = sender));
}

int
expand_reached(struct db *db, uint64_t expansion, struct slice canonical)
{
	return ERR_TRACE(DB_EXEC(expanded_insert, db, .expansion = expansion,
	    .canonical = canonical));
}

/* An account may be a member under several addresses. "#" begins none. */
int
expand_reached_account(struct db *db, uint64_t expansion, uint64_t account)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "#%llu",
	    (unsigned long long)account);
	return ERR_TRACE(expand_reached(db, expansion, slice_cstr(text)));
}

/* -- a slice
 * ------------------------------------------------------------------------ */

struct work {
	struct db *db;
	struct expand_slice *s;
	uint64_t expansion;
	int64_t expires;
	uint32_t next_n;
	struct slice list, sender, after; /* of the list that is worked off */
	struct slice mail_sender, hold;
	struct slice summary;
	uint64_t size;
	struct rcpt_name names[EXPAND_SLICE];
	size_t n;
};

static int
read_work(struct work *w)
{
	struct arena *arena = &w->s->arena;
	struct q_expansion_first x;
	struct q_expand_next list;
	struct q_message_summary m;
	int r = DB_ONE(expansion_first, w->db, &x, 0);

	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	w->expansion = x.expansion;
	w->expires = x.expires;
	w->next_n = x.next_n;
	w->s->message = x.message;
	if (!arena_copy(arena, x.sender, &w->mail_sender) ||
	    !arena_copy(arena, x.hold, &w->hold))
		return ERR_ORIGIN(-ENOMEM);
	r = DB_ONE(message_summary, w->db, &m, .id = x.message);
	if (r != 0)
		return r == DB_NONE ? ERR_ORIGIN(-EBADMSG) : ERR_TRACE(r);
	w->size = m.stored_len;
	if (!arena_copy(arena, m.summary, &w->summary))
		return ERR_ORIGIN(-ENOMEM);
	r = DB_ONE(expand_next, w->db, &list, .expansion = x.expansion);
	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	if (!arena_copy(arena, list.canonical, &w->list) ||
	    !arena_copy(arena, list.sender, &w->sender) ||
	    !arena_copy(arena, list.after, &w->after))
		return ERR_ORIGIN(-ENOMEM);
	return 0;
}

static int
add_name(struct work *w, struct slice typed, struct slice canonical)
{
	struct rcpt_name *to = &w->names[w->n];

	if (!arena_copy(&w->s->arena, typed, &to->typed) ||
	    !arena_copy(&w->s->arena, canonical, &to->canonical))
		return ERR_ORIGIN(-ENOMEM);
	w->n++;
	return 0;
}

static int
read_alias(struct work *w)
{
	struct q_alias_targets_after row;
	struct db_rows rows;
	int r = DB_MANY(alias_targets_after, w->db, &rows, .canonical = w->list,
	    .after = w->after, .limit = EXPAND_SLICE);

	if (r != 0)
		return ERR_TRACE(r);
	while (w->n < EXPAND_SLICE &&
	    (r = q_alias_targets_after_next(&rows, &row)) == 0) {
		r = add_name(w, row.target, row.target_canonical);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
read_group(struct work *w, uint64_t list)
{
	struct q_member_after row;
	struct db_rows rows;
	int r = DB_MANY(member_after, w->db, &rows, .list = list,
	    .after = w->after, .limit = EXPAND_SLICE);

	if (r != 0)
		return ERR_TRACE(r);
	while (w->n < EXPAND_SLICE &&
	    (r = q_member_after_next(&rows, &row)) == 0) {
		r = add_name(w, row.address, row.canonical);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* Its next members, and the sender that failures of theirs go to. */
static int
read_members(struct work *w)
{
	struct q_list_by_address row;
	char text[LIMIT_ADDRESS + 16];
	int r = DB_ONE(list_by_address, w->db, &row, .canonical = w->list);

	if (r == DB_NONE)
		return ERR_TRACE(read_alias(w));
	if (r != 0)
		return ERR_TRACE(r);
	if (row.owner_canonical.len > 0 && w->mail_sender.len > 0) {
		int n = snprintf(text, sizeof(text), "owner-%.*s",
		    SLICE_FMT(row.address));

		if (n <= LIMIT_ADDRESS &&
		    !arena_copy(&w->s->arena, slice_cstr(text), &w->sender))
			return ERR_ORIGIN(-ENOMEM);
	}
	return ERR_TRACE(read_group(w, row.list));
}

/* -- one member
 * ----------------------------------------------------------------------- */

static uint8_t
lane_of(const struct work *w)
{
	return w->mail_sender.len > 0 ? LANE_BULK : LANE_BOUNCE;
}

static void
note(struct work *w, struct expand_member m)
{
	m.lane = lane_of(w);
	if (w->s->n < EXPAND_SLICE)
		w->s->members[w->s->n++] = m;
}

static int
enqueue(struct work *w, const struct rcpt_target *t, struct slice route,
    uint8_t state)
{
	struct queue_add q = { .message = w->s->message,
		.n = w->next_n++,
		.tenant = 1,
		.sender = w->sender.len > 0 ? w->sender : w->mail_sender,
		.rcpt = t->name.typed,
		.rcpt_canon = t->name.canonical,
		.route = route,
		.lane = lane_of(w),
		.now = w->s->now,
		.expires = w->expires,
		.orcpt = SLICE(""),
		.state = state,
		.due = w->s->now,
		.hold = w->hold };
	int r = queue_add(w->db, &q);

	return r != 0 ? r : ERR_TRACE(message_ref(w->db, &w->s->message, 1));
}

static int
to_account(struct work *w, const struct rcpt_target *t)
{
	struct delivery d = { .account = t->account,
		.message = w->s->message,
		.size = w->size,
		.keywords = SLICE(""),
		.date = w->s->now,
		.saved_at = w->s->now,
		.summary = w->summary };
	struct expand_member m = { .account = t->account,
		.address = t->name.canonical };
	int r = expand_reached_account(w->db, w->expansion, t->account);

	if (r != 0 || db_changed(w->db) == 0)
		return ERR_TRACE(r);
	if (w->hold.len > 0 || t->room < w->size) {
		m.fate = w->hold.len > 0 ? EXPAND_HELD : EXPAND_WAITING;
		r = enqueue(w, t, SLICE(""), ROW_LOCAL);
	} else {
		r = mailbox_deliver(w->db, &d);
		if (r == 0)
			r = message_ref(w->db, &w->s->message, 1);
		m.modseq = d.modseq;
	}
	if (r == 0)
		note(w, m);
	return r;
}

static int
to_foreign(struct work *w, const struct rcpt_target *t)
{
	struct expand_member m = { .fate = w->hold.len > 0 ? EXPAND_HELD
							   : EXPAND_QUEUED,
		.address = t->name.canonical,
		.route = t->route };
	struct slice local;
	int r = expand_reached(w->db, w->expansion, t->name.canonical);

	if (r != 0 || db_changed(w->db) == 0)
		return ERR_TRACE(r);
	if (m.route.len == 0 &&
	    !canon_split(t->name.canonical, &local, &m.route))
		return 0;
	r = enqueue(w, t, m.route, ROW_WAITING);
	if (r == 0)
		note(w, m);
	return r;
}

static int
to_member(struct work *w, const struct rcpt_name *name)
{
	struct rcpt_request ask = { .typed = name->typed,
		.sender = w->mail_sender,
		.is_member = true,
		.stops_at_lists = true };
	struct rcpt_result result;
	int r = rcpt_lookup(w->db, &ask, &w->s->arena, &result);

	if (r < 0)
		return ERR_TRACE(r);
	if (r > 0 ||
	    (result.outcome != RCPT_FOUND && result.outcome != RCPT_FOREIGN)) {
		note(w,
		    (struct expand_member){
			.fate = EXPAND_MISSED, .address = name->canonical });
		return 0;
	}
	for (size_t i = 0; r == 0 && i < result.n_targets; i++) {
		const struct rcpt_target *t = &result.targets[i];

		r = t->is_list        ? expand_add(w->db, w->expansion,
					    t->name.canonical, w->sender)
		    : t->account != 0 ? to_account(w, t)
				      : to_foreign(w, t);
	}
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

/* -- the end of one
 * -------------------------------------------------------------------- */

static int
finish(struct work *w)
{
	int r = DB_EXEC(expanded_delete_some, w->db, .expansion = w->expansion,
	    .limit = EXPAND_FORGET);

	if (r != 0 || db_changed(w->db) == EXPAND_FORGET)
		return ERR_TRACE(r);
	r = DB_EXEC(expand_delete_all, w->db, .expansion = w->expansion);
	if (r == 0)
		r = DB_EXEC(expansion_delete, w->db, .expansion = w->expansion);
	if (r == 0)
		r = message_ref(w->db, &w->s->message, -1);
	if (r == 0)
		w->s->is_end = true;
	return ERR_TRACE(r);
}

int
expand_work(struct db *db, struct expand_slice *s)
{
	struct work w = { .db = db, .s = s };
	int r;

	s->n = 0;
	s->is_end = false;
	r = read_work(&w);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	if (w.list.len == 0)
		return ERR_TRACE(finish(&w));
	r = read_members(&w);
	for (size_t i = 0; r == 0 && i < w.n; i++)
		r = to_member(&w, &w.names[i]);
	if (r == 0)
		r = DB_EXEC(expand_advance, db, .expansion = w.expansion,
		    .canonical = w.list,
		    .after = w.n == 0 ? w.after : w.names[w.n - 1].canonical,
		    .is_done = w.n < EXPAND_SLICE);
	if (r == 0)
		r = DB_EXEC(expansion_n, db, .expansion = w.expansion,
		    .next_n = w.next_n);
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}
