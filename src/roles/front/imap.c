/* SPDX-License-Identifier: ISC */
/*
 * roles/front/imap - IMAP on a conn: what the session asks becomes messages
 *
 * Drives imap/session. Each question is sent under a ticket of its own and the
 * answer to any other ticket is dropped; nothing is read while one is awaited.
 * APPEND streams to the store as long as there is credit. Owns of each
 * session: a handle, a selected mailbox, one body on its way.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "imap/session.h"
#include "roles/front/login.h"

enum {
	EARLY_IDLE_MINUTES = 5, /* before the login */
	KEEP_MINUTES = 4,       /* between two words in IDLE */
	ROWS = 64 /* of one MAILBOX_ROWS or SCAN_ROWS, by messages.def */
};

struct imap {
	struct imap_session *s;
	struct imap_config config;
	struct login login;
	enum imap_question login_ask; /* what it answers */
	bool wants_tls, wants_deflate;
	bool is_kept;    /* KEEP_MINUTES is its limit */
	int64_t heard;   /* env_now() of the last input */
	uint32_t ticket; /* of the last question */
	enum imap_question asked;
	uint64_t mailbox; /* open at the store; 0: none */
	uint64_t body;
	bool body_is_open; /* at the store */
	struct id id;
	uint64_t credit;
	uint32_t bodies; /* ticket of a BODIES_READ that still runs; 0: none */
	struct env_defer pause;
	struct conn *conn;
};

static_assert((int)IMAP_SEEN == (int)FLAG_SEEN &&
	(int)IMAP_ANSWERED == (int)FLAG_ANSWERED &&
	(int)IMAP_FLAGGED == (int)FLAG_FLAGGED &&
	(int)IMAP_DRAFT == (int)FLAG_DRAFT &&
	(int)IMAP_DELETED == (int)FLAG_DELETED,
    "flags are the store's");
static_assert((int)IMAP_STORE_SET == (int)FLAGS_SET &&
	(int)IMAP_STORE_ADD == (int)FLAGS_ADD &&
	(int)IMAP_STORE_REMOVE == (int)FLAGS_REMOVE,
    "modes are the store's");
static_assert((int)IMAP_CHANGE_CREATE == (int)MAILBOX_CREATE &&
	(int)IMAP_CHANGE_DELETE == (int)MAILBOX_DELETE &&
	(int)IMAP_CHANGE_RENAME == (int)MAILBOX_RENAME &&
	(int)IMAP_CHANGE_SUBSCRIBE == (int)MAILBOX_SUBSCRIBE &&
	(int)IMAP_CHANGE_UNSUBSCRIBE == (int)MAILBOX_UNSUBSCRIBE,
    "changes are the store's");

static struct imap *
imap_of(struct conn *c)
{
	return conn_session(c);
}

static enum imap_result
result_of(const struct wire_verdict *v)
{
	switch (box_code(v)) {
	case BOX_OK:
		return IMAP_OK;
	case BOX_IN_USE:
		return IMAP_IN_USE;
	case BOX_NONEXISTENT:
		return IMAP_NONEXISTENT;
	case BOX_EXPUNGED:
		return IMAP_EXPUNGED;
	case BOX_OVERQUOTA:
		return IMAP_OVERQUOTA;
	case BOX_EXISTS:
		return IMAP_EXISTS;
	case BOX_CANNOT:
		return IMAP_CANNOT;
	case BOX_USEATTR:
		return IMAP_USEATTR;
	case BOX_TOO_MANY:
		return IMAP_TOO_MANY;
	default:
		return IMAP_TROUBLE;
	}
}

/* After anything that may have made the session ready for more. */
static void
go_on(struct conn *c)
{
	if (!imap_session_is_busy(imap_of(c)->s))
		conn_resume(c);
}

static void
answer(struct conn *c, const struct imap_answer *a)
{
	imap_session_answer(imap_of(c)->s, a);
	go_on(c);
}

static void on_login(struct conn *c, enum login_result how,
    struct slice challenge);

static void
set_early_idle(struct conn *c)
{
	int64_t idle = conn_front(c)->settings->imap_idle;

	if (idle > EARLY_IDLE_MINUTES * TIME_MINUTE)
		idle = EARLY_IDLE_MINUTES * TIME_MINUTE;
	conn_set_idle(c, idle);
}

/* -- questions ----------------------------------------------------------------
 */

/* Rows of ranges; false when memory is short. */
static bool
put_ranges(const struct imap_ask *ask, struct buf *b, struct wire_list *ret)
{
	buf_init(b, ask->n_uids * 16);
	for (size_t i = 0; i < ask->n_uids; i++) {
		struct wire_range r = { ask->uids[i].lo, ask->uids[i].hi };

		if (wire_range_add(b, &r) != 0)
			return false;
	}
	ret->raw = buf_slice(b);
	ret->n = (uint32_t)ask->n_uids;
	return true;
}

static int
ask_login(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);

	(void)ticket;
	x->login_ask = ask->what;
	login_try(&x->login, ask->user, ask->secret);
	return 0;
}

static int
ask_auth(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);

	(void)ticket;
	x->login_ask = ask->what;
	login_start(&x->login, ask->mechanism,
	    ask->has_initial ? &ask->bytes : NULL);
	return 0;
}

static int
ask_respond(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);

	(void)ticket;
	x->login_ask = ask->what;
	login_step(&x->login, ask->bytes);
	return 0;
}

static int
ask_abort(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	(void)ticket;
	(void)ask;
	login_abort(&imap_of(c)->login);
	return 0;
}

static int
ask_list(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_mailbox_list m = { .handle = imap_of(c)->login.handle,
		.sums_deleted = ask->sums_deleted };

	return wire_send_mailbox_list(conn_front(c)->store, c->number, ticket,
	    &m);
}

static int
ask_status(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_mailbox_status m = { .handle = imap_of(c)->login.handle,
		.name = ask->name,
		.sums_deleted = ask->sums_deleted };

	return wire_send_mailbox_status(conn_front(c)->store, c->number, ticket,
	    &m);
}

static int
ask_notes(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_annotation_get m = { .handle = imap_of(c)->login.handle,
		.name = ask->name };

	return wire_send_annotation_get(conn_front(c)->store, c->number, ticket,
	    &m);
}

static int
ask_set_notes(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_annotation_set m = { .handle = imap_of(c)->login.handle,
		.name = ask->name };
	struct buf b;
	int r = 0;

	buf_init(&b, LIMIT_FRAME / 2);
	for (size_t i = 0; i < ask->n_notes && r == 0; i++) {
		struct wire_annotation_change row = { .entry =
							  ask->notes[i].entry,
			.value = ask->notes[i].value,
			.removes = ask->notes[i].is_removed };

		r = wire_annotation_change_add(&b, &row);
	}
	m.rows = (struct wire_list){ buf_slice(&b), (uint32_t)ask->n_notes };
	if (r == 0)
		r = wire_send_annotation_set(conn_front(c)->store, c->number,
		    ticket, &m);
	buf_deinit(&b);
	return r;
}

static int
ask_quota(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_quota_get m = { .handle = imap_of(c)->login.handle };

	(void)ask;
	return wire_send_quota_get(conn_front(c)->store, c->number, ticket, &m);
}

static int
ask_open(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_mailbox_open m = { .handle = imap_of(c)->login.handle,
		.name = ask->name,
		.read_only = ask->read_only };

	return wire_send_mailbox_open(conn_front(c)->store, c->number, ticket,
	    &m);
}

static int
ask_close(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_mailbox_close m = { .handle = x->login.handle,
		.mailbox = x->mailbox };

	(void)ask;
	x->mailbox = 0;
	return m.mailbox == 0 ? 0
			      : wire_send_mailbox_close(conn_front(c)->store,
				    c->number, ticket, &m);
}

static int
ask_notices(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_notices m = { .handle = imap_of(c)->login.handle,
		.on = !ask->read_only };

	return wire_send_notices(conn_front(c)->store, c->number, ticket, &m);
}

/* Who it was is forgotten, here and at the store. */
static int
ask_leave(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);

	(void)ticket;
	(void)ask;
	login_deinit(&x->login);
	login_init(&x->login, c, "imap", on_login);
	set_early_idle(c);
	return 0;
}

static int
ask_change(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_mailbox_change m = { .handle = imap_of(c)->login.handle,
		.what = (uint8_t)ask->change,
		.name = ask->name,
		.to = ask->to,
		.special_use = ask->use };

	return wire_send_mailbox_change(conn_front(c)->store, c->number, ticket,
	    &m);
}

static uint64_t
mailbox_of(const struct imap *x, const struct imap_ask *ask)
{
	return ask->mailbox != 0 ? ask->mailbox : x->mailbox;
}

static int
ask_scan(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_scan m = { .handle = x->login.handle,
		.mailbox = mailbox_of(x, ask),
		.lo = 1,
		.hi = UINT32_MAX,
		.since = ask->since,
		.gone_since = ask->gone_since };

	return wire_send_scan(conn_front(c)->store, c->number, ticket, &m);
}

static int
ask_summary(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_summary_read m = { .handle = x->login.handle,
		.mailbox = x->mailbox };
	struct buf b;
	int r = -1;

	if (put_ranges(ask, &b, &m.uids))
		r = wire_send_summary_read(conn_front(c)->store, c->number,
		    ticket, &m);
	buf_deinit(&b);
	return r;
}

static int
ask_details(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_detail_read m = { .handle = x->login.handle,
		.mailbox = mailbox_of(x, ask),
		.head = (uint32_t)ask->length };
	struct buf b;
	int r = -1;

	if (put_ranges(ask, &b, &m.uids))
		r = wire_send_detail_read(conn_front(c)->store, c->number,
		    ticket, &m);
	buf_deinit(&b);
	return r;
}

static int
ask_find(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_find m = { .handle = x->login.handle,
		.mailbox = mailbox_of(x, ask) };
	struct buf b;
	int r = 0;

	buf_init(&b, IMAP_ASK_NEEDLES * (IMAP_ASK_NEEDLE + 16));
	for (size_t i = 0; i < ask->n_needles && r == 0; i++) {
		struct wire_needle n = { .part = (uint8_t)ask->needles[i].part,
			.text = ask->needles[i].text };

		r = wire_needle_add(&b, &n);
	}
	m.needles.raw = buf_slice(&b);
	m.needles.n = (uint32_t)ask->n_needles;
	if (r == 0)
		r = wire_send_find(conn_front(c)->store, c->number, ticket, &m);
	buf_deinit(&b);
	return r;
}

static int
ask_bodies(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_bodies_read m = { .handle = x->login.handle,
		.mailbox = mailbox_of(x, ask),
		.headers = ask->headers };
	struct buf b;
	int r = -1;

	if (put_ranges(ask, &b, &m.uids))
		r = wire_send_bodies_read(conn_front(c)->store, c->number,
		    ticket, &m);
	x->bodies = r == 0 ? ticket : 0;
	buf_deinit(&b);
	return r;
}

static int
ask_pause(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	(void)ticket;
	(void)ask;
	env_defer(conn_front(c)->env, &imap_of(c)->pause);
	return 0;
}

static int
ask_body(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_body_read m = { .handle = x->login.handle,
		.mailbox = mailbox_of(x, ask),
		.uid = ask->uid,
		.offset = ask->offset,
		.length = ask->length };

	return wire_send_body_read(conn_front(c)->store, c->number, ticket, &m);
}

static int
ask_flags(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_flags_store m = { .handle = x->login.handle,
		.mailbox = x->mailbox,
		.mode = (uint8_t)ask->mode,
		.flags = ask->flags,
		.keywords = ask->keywords,
		.is_conditional = ask->is_conditional,
		.unchanged_since = ask->since };
	struct buf b;
	int r = -1;

	if (put_ranges(ask, &b, &m.uids))
		r = wire_send_flags_store(conn_front(c)->store, c->number,
		    ticket, &m);
	buf_deinit(&b);
	return r;
}

static int
ask_expunge(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_expunge m = { .handle = x->login.handle,
		.mailbox = x->mailbox,
		.any_flag = ask->any_flag };
	struct buf b;
	int r = -1;

	if (put_ranges(ask, &b, &m.uids))
		r = wire_send_expunge(conn_front(c)->store, c->number, ticket,
		    &m);
	buf_deinit(&b);
	return r;
}

static int
ask_copy(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_copy m = { .handle = x->login.handle,
		.mailbox = x->mailbox,
		.to = ask->to,
		.is_move = ask->is_move };
	struct buf b;
	int r = -1;

	if (put_ranges(ask, &b, &m.uids))
		r = wire_send_copy(conn_front(c)->store, c->number, ticket, &m);
	buf_deinit(&b);
	return r;
}

static int
ask_body_open(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct front *f = conn_front(c);
	struct imap *x = imap_of(c);
	struct wire_body_open m = { .size = ask->size };
	int r;

	x->body = m.body = ++f->next_body;
	x->credit = LIMIT_CREDIT;
	r = wire_send_body_open(f->store, c->number, ticket, &m);
	x->body_is_open = r == 0;
	return r;
}

static int
ask_body_drop(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct imap *x = imap_of(c);
	struct wire_body_drop m = { .body = x->body };

	(void)ask;
	if (!x->body_is_open)
		return 0;
	x->body_is_open = false;
	return wire_send_body_drop(conn_front(c)->store, c->number, ticket, &m);
}

static int
ask_append(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct front *f = conn_front(c);
	struct imap *x = imap_of(c);
	struct wire_append_commit m = { .handle = x->login.handle,
		.body = x->body,
		.mailbox = ask->name,
		.flags = ask->flags,
		.keywords = ask->keywords,
		.date = ask->date,
		.zone = ask->zone,
		.summary = ask->bytes,
		.more = ask->more,
		.replaced_mailbox = x->mailbox,
		.replaced_uid = ask->uid };

	id_make(&f->ids, env_wall(f->env), env_random_u64(f->env), &x->id);
	m.id = x->id;
	x->body_is_open = false;
	return wire_send_append_commit(f->store, c->number, ticket, &m);
}

static int
ask_append_drop(struct conn *c, uint32_t ticket, const struct imap_ask *ask)
{
	struct wire_append_drop m = { 0 };

	(void)ask;
	return wire_send_append_drop(conn_front(c)->store, c->number, ticket,
	    &m);
}

static int (*const questions[])(struct conn *c, uint32_t ticket,
    const struct imap_ask *ask) = {
	[IMAP_ASK_LOGIN] = ask_login,
	[IMAP_ASK_AUTH] = ask_auth,
	[IMAP_ASK_RESPOND] = ask_respond,
	[IMAP_ASK_ABORT] = ask_abort,
	[IMAP_ASK_LIST] = ask_list,
	[IMAP_ASK_STATUS] = ask_status,
	[IMAP_ASK_NOTES] = ask_notes,
	[IMAP_ASK_SET_NOTES] = ask_set_notes,
	[IMAP_ASK_QUOTA] = ask_quota,
	[IMAP_ASK_OPEN] = ask_open,
	[IMAP_ASK_CLOSE] = ask_close,
	[IMAP_ASK_NOTICES] = ask_notices,
	[IMAP_ASK_LEAVE] = ask_leave,
	[IMAP_ASK_CHANGE] = ask_change,
	[IMAP_ASK_SCAN] = ask_scan,
	[IMAP_ASK_SUMMARY] = ask_summary,
	[IMAP_ASK_DETAILS] = ask_details,
	[IMAP_ASK_BODIES] = ask_bodies,
	[IMAP_ASK_FIND] = ask_find,
	[IMAP_ASK_PAUSE] = ask_pause,
	[IMAP_ASK_BODY] = ask_body,
	[IMAP_ASK_FLAGS] = ask_flags,
	[IMAP_ASK_EXPUNGE] = ask_expunge,
	[IMAP_ASK_COPY] = ask_copy,
	[IMAP_ASK_BODY_OPEN] = ask_body_open,
	[IMAP_ASK_BODY_DROP] = ask_body_drop,
	[IMAP_ASK_APPEND] = ask_append,
	[IMAP_ASK_APPEND_DROP] = ask_append_drop,
};

/* -- the session's host
 * --------------------------------------------------------- */

static bool
host_ask(void *ctx, const struct imap_ask *ask)
{
	struct conn *c = ctx;
	struct imap *x = imap_of(c);
	uint32_t ticket = front_ticket(conn_front(c));

	if (conn_front(c)->store == NULL)
		return false;
	x->ticket = ticket;
	x->asked = ask->what;
	return questions[ask->what](c, ticket, ask) == 0;
}

static size_t
host_room(void *ctx)
{
	return conn_out_room(ctx);
}

static void
host_say(void *ctx, struct slice bytes)
{
	conn_say(ctx, bytes);
}

static size_t
host_body_room(void *ctx)
{
	struct conn *c = ctx;
	struct channel *store = conn_front(c)->store;
	uint64_t n = imap_of(c)->credit;

	if (store == NULL || channel_is_full(store))
		return 0;
	return n < LIMIT_CHUNK ? (size_t)n : LIMIT_CHUNK;
}

static void
host_body(void *ctx, struct slice bytes)
{
	struct conn *c = ctx;
	struct imap *x = imap_of(c);
	struct wire_body_chunk m = { .body = x->body, .data = bytes };

	x->credit -= bytes.len < x->credit ? bytes.len : x->credit;
	if (wire_send_body_chunk(conn_front(c)->store, c->number, 0, &m) != 0)
		imap_session_body_refused(x->s, IMAP_TROUBLE);
}

static void
host_start_tls(void *ctx)
{
	imap_of(ctx)->wants_tls = true;
}

static int64_t
host_wall(void *ctx)
{
	return env_wall(conn_front(ctx)->env);
}

static bool
host_compress(void *ctx, bool now)
{
	imap_of(ctx)->wants_deflate = now;
	return now || conn_prepare_deflate(ctx);
}

static void
host_end(void *ctx)
{
	conn_end(ctx);
}

static const struct imap_host host = { host_room, host_say, host_ask,
	host_body_room, host_body, host_start_tls, host_compress, host_wall,
	host_end };

/* -- the conn's calls
 * -------------------------------------------------------------- */

static void
switch_streams(struct conn *c)
{
	struct imap *x = imap_of(c);

	if (x->wants_deflate)
		conn_start_deflate(c);
	x->wants_deflate = false;
}

/* In IDLE it is looked after more often. */
static void
keep(struct conn *c)
{
	struct imap *x = imap_of(c);
	int64_t idle = conn_front(c)->settings->imap_idle;
	bool is_idling = imap_session_is_idling(x->s);

	if (is_idling == x->is_kept)
		return;
	x->is_kept = is_idling;
	if (is_idling && idle > KEEP_MINUTES * TIME_MINUTE)
		idle = KEEP_MINUTES * TIME_MINUTE;
	conn_set_idle(c, idle);
}

static void
on_input(struct conn *c)
{
	struct imap *x = imap_of(c);
	size_t n = imap_session_input(x->s, conn_in(c));

	conn_eat(c, n);
	x->heard = env_now(conn_front(c)->env);
	switch_streams(c);
	keep(c);
	if (x->wants_tls) {
		x->wants_tls = false;
		conn_start_tls(c);
	} else if (conn_in(c).len > 0 || imap_session_is_busy(x->s)) {
		conn_pause(c);
	}
}

static void
on_pause(struct env_defer *d)
{
	struct imap *x = LIST_ENTRY(d, struct imap, pause);
	struct imap_answer a = { .what = IMAP_ASK_PAUSE };

	answer(x->conn, &a);
}

static void
on_start(struct conn *c)
{
	struct front *f = conn_front(c);
	struct imap *x = imap_of(c);

	x->config = (struct imap_config){ .hostname = f->hostname,
		.may_start_tls = tls_server_has_key(f->tls),
		.mechanisms = login_mechanisms(c),
		.plain_auth = f->settings->plain_auth,
		.max_size = f->state.max_size > 0 ? f->state.max_size
						  : f->settings->max_size };
	env_random(f->env, x->config.seed, sizeof(x->config.seed));
	login_init(&x->login, c, "imap", on_login);
	x->conn = c;
	x->pause.run = on_pause;
	list_init(&x->pause.link);
	x->s = imap_session_new(&host, c, &x->config);
	if (x->s == NULL) {
		conn_drop(c);
		return;
	}
	x->heard = env_now(f->env);
	set_early_idle(c);
	imap_session_start(x->s, conn_has_tls(c));
}

/* What still streams for a session that is over. */
static void
drop_bodies(struct conn *c)
{
	struct wire_read_drop m;
	uint32_t ticket = imap_of(c)->bodies;

	memset(&m, 0, sizeof(m));
	if (ticket != 0)
		(void)wire_send_read_drop(conn_front(c)->store, c->number,
		    ticket, &m);
}

static void
on_closed(struct conn *c)
{
	struct imap *x = imap_of(c);
	struct imap_ask nothing = { .what = IMAP_ASK_CLOSE };

	if (conn_front(c)->store != NULL) {
		(void)ask_body_drop(c, 0, &nothing);
		(void)ask_close(c, 0, &nothing);
		drop_bodies(c);
	}
	env_defer_cancel(conn_front(c)->env, &x->pause);
	x->mailbox = 0;
	imap_session_free(x->s);
	x->s = NULL;
	login_deinit(&x->login);
}

static void
on_room(struct conn *c)
{
	imap_session_pump(imap_of(c)->s);
	switch_streams(c);
	go_on(c);
}

static void
on_tls_up(struct conn *c)
{
	imap_of(c)->config.mechanisms = login_mechanisms(c);
	imap_session_tls_up(imap_of(c)->s);
}

/* NATs forget connections on which nothing moves; a word now and then costs
 * less than a new login. Only in IDLE may anything be said unasked. */
static void
on_timeout(struct conn *c)
{
	struct imap *x = imap_of(c);
	int64_t left = x->heard + conn_front(c)->settings->imap_idle -
	    env_now(conn_front(c)->env);

	if (imap_session_is_idling(x->s) && left > 0)
		imap_session_still_here(x->s);
	else if (left > 0 && imap_session_state(x->s) != IMAP_NOT_AUTH)
		conn_set_idle(c, left);
	else
		imap_session_bye(x->s, "Idle for too long");
}

static void
on_stopping(struct conn *c)
{
	imap_session_bye(imap_of(c)->s, "[UNAVAILABLE] The server goes down");
}

static bool
on_look(struct conn *c)
{
	return login_look(&imap_of(c)->login);
}

static void
on_peer_lost(struct conn *c, enum wire_role peer)
{
	struct imap *x = imap_of(c);

	if (peer == WIRE_STORE) {
		x->body_is_open = false;
		x->mailbox = 0;
		x->bodies = 0;
	}
	login_on_lost(&x->login, peer);
	if (peer == WIRE_STORE)
		imap_session_lost_store(x->s);
	go_on(c);
}

/* -- answers
 * ------------------------------------------------------------------------- */

static void
on_login(struct conn *c, enum login_result how, struct slice challenge)
{
	static const enum imap_result results[] = {
		[LOGIN_YES] = IMAP_OK,
		[LOGIN_NO] = IMAP_REFUSED,
		[LOGIN_LATER] = IMAP_TROUBLE,
		[LOGIN_MALFORMED] = IMAP_MALFORMED,
		[LOGIN_CHALLENGE] = IMAP_CHALLENGE,
	};
	struct imap_answer a = { .what = imap_of(c)->login_ask,
		.result = results[how],
		.bytes = challenge };

	if (how == LOGIN_YES)
		conn_set_idle(c, conn_front(c)->settings->imap_idle);
	imap_of(c)->heard = env_now(conn_front(c)->env);
	answer(c, &a);
}

static void
on_auth_refused(struct conn *c, uint32_t ticket,
    const struct wire_auth_refused *m)
{
	login_on_refused(&imap_of(c)->login, ticket, m);
}

static void
on_auth_challenge(struct conn *c, uint32_t ticket,
    const struct wire_auth_challenge *m)
{
	login_on_challenge(&imap_of(c)->login, ticket, m);
}

static void
on_handle(struct conn *c, uint32_t ticket, const struct wire_handle *m)
{
	login_on_handle(&imap_of(c)->login, ticket, m);
}

static struct imap_box
box_of(const struct wire_mailbox *m)
{
	return (struct imap_box){ .name = m->name,
		.special_use = m->special_use,
		.mailbox = m->mailbox,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
		.messages = m->messages,
		.unseen = m->unseen,
		.deleted = m->deleted,
		.size = m->size,
		.deleted_size = m->deleted_size,
		.modseq = m->modseq,
		.recent = m->recent,
		.is_subscribed = m->subscribed,
		.exists = m->exists };
}

/* Answers LIST, and STATUS with one row. */
static void
on_mailbox_rows(struct conn *c, uint32_t ticket,
    const struct wire_mailbox_rows *m)
{
	struct imap_answer a = { .what = imap_of(c)->asked,
		.result = result_of(&m->verdict),
		.more = m->more };
	struct wire_list rows = m->rows;
	struct wire_mailbox row;
	struct imap_box boxes[ROWS];

	if (ticket != imap_of(c)->ticket)
		return;
	while (a.n_boxes < ROWS && wire_mailbox_next(&rows, &row))
		boxes[a.n_boxes++] = box_of(&row);
	a.boxes = boxes;
	answer(c, &a);
}

static void
on_mailbox_opened(struct conn *c, uint32_t ticket,
    const struct wire_mailbox_opened *m)
{
	struct imap *x = imap_of(c);
	struct imap_box box = box_of(&m->box);
	struct imap_answer a = { .what = IMAP_ASK_OPEN,
		.result = result_of(&m->verdict),
		.boxes = &box,
		.n_boxes = 1 };

	if (ticket != x->ticket)
		return;
	if (a.result == IMAP_OK)
		x->mailbox = box.mailbox;
	answer(c, &a);
}

static void
on_mailbox_done(struct conn *c, uint32_t ticket,
    const struct wire_mailbox_done *m)
{
	struct imap_answer a = { .what = imap_of(c)->asked,
		.result = result_of(&m->verdict),
		.mailbox = m->mailbox };

	if (ticket == imap_of(c)->ticket)
		answer(c, &a);
}

static void
on_annotations(struct conn *c, uint32_t ticket,
    const struct wire_annotations *m)
{
	struct imap_answer a = { .what = IMAP_ASK_NOTES,
		.result = result_of(&m->verdict) };
	struct imap_note notes[LIMIT_ANNOTATIONS];
	struct wire_list rows = m->rows;
	struct wire_annotation row;

	if (ticket != imap_of(c)->ticket)
		return;
	while (a.n_notes < LIMIT_ANNOTATIONS &&
	    wire_annotation_next(&rows, &row))
		notes[a.n_notes++] =
		    (struct imap_note){ row.entry, row.value, false };
	a.notes = notes;
	answer(c, &a);
}

static void
on_quota(struct conn *c, uint32_t ticket, const struct wire_quota *m)
{
	struct imap_answer a = { .what = IMAP_ASK_QUOTA,
		.result = result_of(&m->verdict),
		.quota = { m->used_bytes, m->limit_bytes, m->used_messages,
		    m->limit_messages } };

	if (ticket == imap_of(c)->ticket)
		answer(c, &a);
}

static void
on_scan_rows(struct conn *c, uint32_t ticket, const struct wire_scan_rows *m)
{
	enum {
		GONE = 256
	};
	struct imap_answer a = { .what = IMAP_ASK_SCAN,
		.result = result_of(&m->verdict),
		.upto = m->upto,
		.modseq = m->modseq,
		.floor = m->floor,
		.uidnext = m->uidnext,
		.more = m->more };
	struct wire_list rows = m->rows, gone = m->gone;
	struct wire_entry row;
	struct wire_range range;
	struct imap_entry entries[ROWS];
	struct imap_range ranges[GONE];

	if (ticket != imap_of(c)->ticket)
		return;
	a.entries = entries;
	a.more = true;
	while (wire_entry_next(&rows, &row)) {
		entries[a.n_entries++] = (struct imap_entry){ .uid = row.uid,
			.size = row.size,
			.date = row.date,
			.zone = (int)row.zone,
			.modseq = row.modseq,
			.flags = row.flags,
			.keywords = row.keywords };
		if (a.n_entries < ROWS || rows.n == 0)
			continue;
		imap_session_answer(imap_of(c)->s, &a);
		a.n_entries = 0;
	}
	a.more = m->more;
	while (a.n_gone < GONE && wire_range_next(&gone, &range))
		ranges[a.n_gone++] = (struct imap_range){ range.lo, range.hi };
	a.gone = ranges;
	answer(c, &a);
}

static void
on_changed(struct conn *c, const struct wire_changed *m)
{
	struct imap *x = imap_of(c);

	if (m->handle != x->login.handle || x->login.handle == 0)
		return;
	if (m->mailbox == 0)
		imap_session_noticed(x->s);
	else if (m->mailbox == x->mailbox)
		imap_session_changed(x->s);
	go_on(c);
}

static void
on_summary_row(struct conn *c, uint32_t ticket,
    const struct wire_summary_row *m)
{
	struct imap_answer a = { .what = IMAP_ASK_SUMMARY,
		.result = result_of(&m->verdict),
		.uid = m->uid,
		.header_len = m->header_len,
		.bytes = m->summary,
		.more = !m->last };

	if (ticket == imap_of(c)->ticket)
		answer(c, &a);
}

static void
on_detail_rows(struct conn *c, uint32_t ticket,
    const struct wire_detail_rows *m)
{
	enum {
		DETAILS = 48 /* of one message, by messages.def */
	};
	struct imap_answer a = { .what = IMAP_ASK_DETAILS,
		.result = result_of(&m->verdict),
		.more = m->more };
	struct imap_detail details[DETAILS];
	struct wire_list rows = m->rows;
	struct wire_detail row;

	if (ticket != imap_of(c)->ticket)
		return;
	while (a.n_details < DETAILS && wire_detail_next(&rows, &row))
		details[a.n_details++] = (struct imap_detail){ .uid = row.uid,
			.id = row.message,
			.thread = row.thread,
			.saved_at = row.saved_at,
			.size = row.size,
			.summary = row.summary };
	a.details = details;
	answer(c, &a);
}

static void
on_found(struct conn *c, uint32_t ticket, const struct wire_found *m)
{
	struct imap_answer a = { .what = IMAP_ASK_FIND,
		.result = result_of(&m->verdict),
		.needle = m->needle,
		.is_all = m->is_all,
		.more = m->more };
	struct wire_list rows = m->rows;
	struct imap_range *ranges = NULL;
	struct wire_range row;

	if (ticket != imap_of(c)->ticket)
		return;
	ranges = calloc(rows.n + 1u, sizeof(*ranges));
	if (ranges == NULL)
		a.result = IMAP_TROUBLE;
	while (ranges != NULL && wire_range_next(&rows, &row))
		ranges[a.n_ranges++] = (struct imap_range){ row.lo, row.hi };
	a.ranges = ranges;
	answer(c, &a);
	free(ranges);
}

static void
on_bodies_data(struct conn *c, uint32_t ticket,
    const struct wire_bodies_data *m)
{
	struct imap_answer a = { .what = IMAP_ASK_BODIES,
		.result = result_of(&m->verdict),
		.uid = m->uid,
		.bytes = m->data,
		.ends = m->ends,
		.more = m->more };

	if (ticket != imap_of(c)->ticket)
		return;
	if (!m->more)
		imap_of(c)->bodies = 0;
	answer(c, &a);
}

static void
on_body_data(struct conn *c, uint32_t ticket, const struct wire_body_data *m)
{
	struct imap_answer a = { .what = IMAP_ASK_BODY,
		.result = result_of(&m->verdict),
		.bytes = m->data,
		.more = !m->last };

	if (ticket == imap_of(c)->ticket)
		answer(c, &a);
}

static void
on_flags_done(struct conn *c, uint32_t ticket, const struct wire_flags_done *m)
{
	struct imap_answer a = { .what = IMAP_ASK_FLAGS,
		.result = result_of(&m->verdict),
		.more = m->more };
	struct imap_range ranges[IMAP_ASK_RANGES];
	struct wire_list rows = m->modified;
	struct wire_range row;

	if (ticket != imap_of(c)->ticket)
		return;
	while (a.n_gone < IMAP_ASK_RANGES && wire_range_next(&rows, &row))
		ranges[a.n_gone++] = (struct imap_range){ row.lo, row.hi };
	a.gone = ranges;
	answer(c, &a);
}

static void
on_expunged(struct conn *c, uint32_t ticket, const struct wire_expunged *m)
{
	struct imap_answer a = { .what = IMAP_ASK_EXPUNGE,
		.result = result_of(&m->verdict) };

	if (ticket == imap_of(c)->ticket)
		answer(c, &a);
}

static void
on_copied(struct conn *c, uint32_t ticket, const struct wire_copied *m)
{
	struct imap_answer a = { .what = IMAP_ASK_COPY,
		.result = result_of(&m->verdict),
		.uidvalidity = m->uidvalidity,
		.more = m->more };
	struct imap_pair pairs[IMAP_ASK_RANGES];
	struct wire_list rows = m->pairs;
	struct wire_uid_pair row;

	if (ticket != imap_of(c)->ticket)
		return;
	while (a.n_pairs < IMAP_ASK_RANGES && wire_uid_pair_next(&rows, &row))
		pairs[a.n_pairs++] = (struct imap_pair){ row.from, row.to };
	a.pairs = pairs;
	answer(c, &a);
}

static void
on_done(struct conn *c, uint32_t ticket, const struct wire_done *m)
{
	struct imap_answer a = { .what = IMAP_ASK_APPEND,
		.result = result_of(&m->verdict),
		.uid = m->uid,
		.uidvalidity = m->uidvalidity };

	if (ticket == imap_of(c)->ticket && id_equal(&m->id, &imap_of(c)->id))
		answer(c, &a);
}

static void
on_body_credit(struct conn *c, const struct wire_body_credit *m)
{
	struct imap *x = imap_of(c);

	if (m->body != x->body)
		return;
	x->credit += m->bytes;
	imap_session_body_room(x->s);
	go_on(c);
}

static void
on_body_refused(struct conn *c, const struct wire_body_refused *m)
{
	struct imap *x = imap_of(c);

	if (m->body != x->body || !x->body_is_open)
		return;
	x->body_is_open = false;
	imap_session_body_refused(x->s, result_of(&m->verdict));
	go_on(c);
}

const struct conn_proto imap_proto = {
	.name = "imap",
	.sorry = SLICE("* BYE [UNAVAILABLE] cannot serve you just now, try "
		       "again soon\r\n"),
	.session_size = sizeof(struct imap),
	.start = on_start,
	.input = on_input,
	.closed = on_closed,
	.room = on_room,
	.tls_up = on_tls_up,
	.timeout = on_timeout,
	.stopping = on_stopping,
	.peer_lost = on_peer_lost,
	.look = on_look,
	.store_room = go_on,
	.auth_challenge = on_auth_challenge,
	.auth_refused = on_auth_refused,
	.handle = on_handle,
	.body_credit = on_body_credit,
	.body_refused = on_body_refused,
	.done = on_done,
	.mailbox_rows = on_mailbox_rows,
	.mailbox_opened = on_mailbox_opened,
	.mailbox_done = on_mailbox_done,
	.quota = on_quota,
	.annotations = on_annotations,
	.scan_rows = on_scan_rows,
	.found = on_found,
	.changed = on_changed,
	.summary_row = on_summary_row,
	.detail_rows = on_detail_rows,
	.bodies_data = on_bodies_data,
	.body_data = on_body_data,
	.flags_done = on_flags_done,
	.expunged = on_expunged,
	.copied = on_copied,
};
