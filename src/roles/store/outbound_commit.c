/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_commit - a notice comes back from its courier
 *
 * One transaction keeps it, puts it into the mailbox of its reader or into the
 * queue, and takes away the rows it tells of; so it is there once, whoever
 * dies. Only the courier that was asked may bring it, and only to the sender of
 * the rows that it was given.
 */
#include "roles/store/outbound_bounce.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "queue/bounce.h"
#include "store/account.h"

enum {
	TARGETS_MAX = 20, /* of an alias that sent the mail */
	BOUNCE_STALE = 1  /* its rows are gone: the bounce is not kept */
};

struct target {
	uint64_t account; /* 0: somewhere else */
	struct slice rcpt, canonical, route;
	bool is_relay; /* through a domain that we pass on for */
	uint64_t mailbox, modseq;
	bool is_done;
	bool waits; /* its mailbox is full */
};

struct commit {
	struct deposit deposit;
	struct outbound *outbound;
	uint64_t number;
	struct id id, message;
	uint8_t kind;
	bool is_8bit, is_smtputf8, requires_tls;
	struct slice sender;
	char sender_text[LIMIT_ADDRESS + 1];
	uint64_t rows[OUT_ROWS];
	size_t n_rows;
	int64_t now, lifetime, relay_lifetime, priority;
	uint64_t size;
	struct buf summary, domain, canonical;
	struct arena arena; /* of what stands behind an alias */
	/* results */
	struct target targets[TARGETS_MAX];
	size_t n_targets;
};

static void
add_target(struct commit *c, const struct rcpt_target *t)
{
	struct target *to = &c->targets[c->n_targets];
	struct slice local;

	*to = (struct target){ .account = t->account,
		.rcpt = c->sender,
		.canonical = buf_slice(&c->canonical),
		.route = buf_slice(&c->domain),
		.is_relay = t->is_relay };
	if (t->account == 0) {
		to->rcpt = t->name.typed;
		to->canonical = t->name.canonical;
		if (!canon_split(t->name.canonical, &local, &to->route))
			return;
		if (t->route.len > 0)
			to->route = t->route;
	}
	c->n_targets++;
}

/* Who stands behind the address: an alias, a detail, the owner of a list; here,
 * elsewhere, or in a domain that we only pass on for. */
static int
find_here(struct db *db, struct commit *c)
{
	struct rcpt_request ask = { .typed = c->sender, .now = c->now };
	struct rcpt_result result;
	int r;

	arena_reset(&c->arena);
	r = rcpt_lookup(db, &ask, &c->arena, &result);
	for (size_t i = 0; r == 0 && result.outcome == RCPT_FOUND &&
	     i < result.n_targets && c->n_targets < TARGETS_MAX;
	     i++)
		if (!result.targets[i].is_list)
			add_target(c, &result.targets[i]);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
find_targets(struct db *db, struct commit *c)
{
	struct q_domain_get domain;
	struct slice local, name;
	int r;

	c->n_targets = 0;
	buf_reset(&c->domain, 0);
	buf_reset(&c->canonical, 0);
	if (!canon_split(c->sender, &local, &name) ||
	    canon_domain(name, &c->domain) != CANON_OK)
		return 0; /* nobody: such a sender was never accepted */
	r = DB_ONE(domain_get, db, &domain, .canonical = buf_slice(&c->domain));
	if (r < 0)
		return ERR_TRACE(r);
	if (canon_address(c->sender, r == 0, &c->canonical) != CANON_OK)
		return 0;
	if (r == DB_NONE) {
		c->targets[c->n_targets++] = (struct target){ .rcpt = c->sender,
			.canonical = buf_slice(&c->canonical),
			.route = buf_slice(&c->domain) };
		return 0;
	}
	return ERR_TRACE(find_here(db, c));
}

static int
take_row(struct db *db, struct slice route, uint8_t lane,
    const struct id *message)
{
	int r = queue_leave(db, route, lane);

	if (r == 0)
		r = message_ref(db, message, -1);
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

int
outbound_remove_row(struct db *db, uint64_t row)
{
	struct q_queue_remove gone;
	int r = DB_ONE(queue_remove, db, &gone, .row = row);

	if (r == DB_NONE)
		return 0; /* deleted by the administrator meanwhile */
	return r != 0 ? ERR_TRACE(r)
		      : take_row(db, gone.route, gone.lane, &gone.message);
}

static int
remove_rows(struct db *db, const struct commit *c, size_t *ret_n)
{
	struct q_queue_remove_failed gone;
	size_t n = 0;

	for (size_t i = 0; i < c->n_rows; i++) {
		int r =
		    DB_ONE(queue_remove_failed, db, &gone, .row = c->rows[i]);

		if (r == DB_NONE)
			continue;
		if (r == 0)
			r = take_row(db, gone.route, gone.lane, &gone.message);
		if (r != 0)
			return ERR_TRACE(r);
		n++;
	}
	*ret_n = n;
	return 0;
}

/* Rows that are still late and were not told of meanwhile. */
static int
mark_warned(struct db *db, const struct commit *c, size_t *ret_n)
{
	for (size_t i = 0; i < c->n_rows; i++) {
		int r = DB_EXEC(queue_warned, db, .row = c->rows[i]);

		if (r != 0)
			return ERR_TRACE(r);
		*ret_n += db_changed(db);
	}
	return 0;
}

static int
insert_message(struct db *db, const struct commit *c)
{
	struct slice none = SLICE("");
	struct message_row m = { .id = c->id,
		.place = &c->deposit.append.place,
		.refs = (uint32_t)c->n_targets,
		.relay_from = BOUNCE_RETURN_PATH,
		.received_at = c->now,
		.sender = none,
		.client = none,
		.helo = none,
		.protocol = SLICE("bounce"),
		.envid = none,
		.summary = buf_slice(&c->summary),
		.is_8bit = c->is_8bit,
		.is_smtputf8 = c->is_smtputf8,
		.requires_tls = c->requires_tls,
		.priority = c->priority };

	return ERR_TRACE(message_insert(db, &m));
}

static int
queue_target(struct db *db, const struct commit *c, uint32_t n, uint8_t state)
{
	const struct target *t = &c->targets[n];
	struct queue_add q = { .message = c->id,
		.n = n,
		.tenant = 1,
		.sender = SLICE(""),
		.rcpt = t->rcpt,
		.rcpt_canon = t->canonical,
		.route = t->route,
		.lane = LANE_BOUNCE,
		.now = c->now,
		.expires =
		    c->now + (t->is_relay ? c->relay_lifetime : c->lifetime),
		.orcpt = SLICE(""),
		.state = state,
		.due = c->now,
		.priority = c->priority };

	return ERR_TRACE(queue_add(db, &q));
}

static int
deliver_target(struct db *db, const struct commit *c, struct target *t)
{
	struct delivery d = { .account = t->account,
		.message = c->id,
		.size = c->size,
		.keywords = SLICE(""),
		.date = c->now,
		.saved_at = c->now,
		.summary = buf_slice(&c->summary) };
	int r = mailbox_deliver(db, &d);

	t->mailbox = d.mailbox;
	t->modseq = d.modseq;
	return r;
}

/* A mailbox that is full is told when there is room; one that is gone cannot be
 * told of anything: its reference is
 * taken back, and the mail's story (events) has to do. */
static int
keep_targets(struct db *db, struct commit *c)
{
	int r = c->n_targets == 0 ? 0 : insert_message(db, c);

	for (size_t i = 0; r == 0 && i < c->n_targets; i++) {
		struct target *t = &c->targets[i];

		r = t->account == 0
		    ? queue_target(db, c, (uint32_t)i, ROW_WAITING)
		    : deliver_target(db, c, t);
		t->waits = r == STORE_E_QUOTA;
		if (t->waits)
			r = queue_target(db, c, (uint32_t)i, ROW_LOCAL);
		t->is_done = r == 0;
		if (r > 0)
			r = message_ref(db, &c->id, -1);
	}
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

static int
commit_apply(struct db *db, struct store_write *w)
{
	struct commit *c = LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
	    struct commit, deposit);
	size_t n = 0;
	int r = message_exists(db, &c->id);

	if (r == 0)
		return 0; /* this very bounce was committed before */
	if (r < 0)
		return ERR_TRACE(r);
	r = c->kind == BOUNCE_DELAYED ? mark_warned(db, c, &n)
				      : remove_rows(db, c, &n);
	if (r != 0)
		return ERR_TRACE(r);
	if (n == 0)
		return BOUNCE_STALE;
	r = find_targets(db, c);
	return r != 0 ? ERR_TRACE(r) : keep_targets(db, c);
}

static void
commit_free(struct commit *c)
{
	buf_deinit(&c->summary);
	buf_deinit(&c->domain);
	buf_deinit(&c->canonical);
	arena_reset(&c->arena);
	buf_deinit(&c->deposit.append.envelope);
	free(c);
}

/* The original's story says where the bounce is to be looked for. */
static void
tell_events(struct outbound *o, const struct commit *c)
{
	static const struct {
		const char *event, *text;
	} kinds[] = {
		[BOUNCE_FAILED] = { "bounced", "notice of failure" },
		[BOUNCE_DELAYED] = { "delayed", "notice of delay" },
		[BOUNCE_SUCCESS] = { "told", "notice of success" },
	};
	char text[100], id[ID_TEXT + 1];
	size_t n = 0;

	for (size_t i = 0; i < c->n_targets; i++)
		n += c->targets[i].is_done;
	id_print(&c->id, id);
	if (n == 0)
		(void)snprintf(text, sizeof(text),
		    "the sender has no mailbox that takes a notice");
	else
		(void)snprintf(text, sizeof(text), "%s %s", kinds[c->kind].text,
		    id);
	outbound_event(o, &c->message, kinds[c->kind].event, c->sender,
	    slice_cstr(text), (struct slice){ 0 });
	if (n > 0)
		outbound_event(o, &c->id,
		    c->targets[0].account == 0 ? "queued" : "delivered",
		    c->sender, SLICE("notice about another message"),
		    (struct slice){ 0 });
}

static void
tell_watchers(struct outbound *o, const struct commit *c)
{
	for (size_t i = 0; i < c->n_targets; i++) {
		const struct target *t = &c->targets[i];

		if (!t->is_done || t->waits)
			continue;
		if (t->account == 0)
			outbound_queued(o,
			    &(struct outbound_row){ .route = t->route,
				.lane = LANE_BOUNCE,
				.priority = c->priority,
				.sender = SLICE("") });
		else if (o->options.changed != NULL)
			o->options.changed(o->options.ctx, t->account,
			    t->mailbox, t->modseq);
	}
}

static void
commit_done(struct store_write *w, int r)
{
	struct commit *c = LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
	    struct commit, deposit);
	struct outbound *o = c->outbound;
	struct out_bounce *b = map_get_number(&o->bounces, c->number);
	struct wire_done done = { .id = c->id, .verdict = { .code = 250 } };

	if (r == 0) {
		tell_events(o, c);
		tell_watchers(o, c);
	} else {
		done.verdict.code = 451;
	}
	if (r < 0)
		env_log(o->env, ENV_ERROR, "bounce-commit", "errno=%d", -r);
	if (b != NULL && b->courier != NULL)
		(void)wire_send_done(b->courier->channel, b->number, 0, &done);
	/* a message may have more than 100 rows */
	out_bounce_want(o, c->kind);
	if (b != NULL)
		out_bounce_free(b);
	commit_free(c);
}

static struct commit *
commit_new(struct out_bounce *b, const struct wire_bounce_commit *m,
    struct body *body)
{
	struct outbound *o = b->outbound;
	struct commit *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->outbound = o;
	c->number = b->number;
	c->id = m->id;
	c->message = b->message;
	c->kind = b->kind;
	c->is_8bit = m->is_8bit;
	c->is_smtputf8 = m->is_smtputf8;
	c->requires_tls = b->requires_tls;
	c->priority = b->priority;
	memcpy(c->sender_text, b->sender, sizeof(c->sender_text));
	c->sender = slice_cstr(c->sender_text);
	memcpy(c->rows, b->rows, sizeof(c->rows));
	c->n_rows = b->n_rows;
	c->now = env_wall(o->env);
	c->lifetime = o->settings->lifetime;
	c->relay_lifetime = o->settings->relay_lifetime;
	c->size = body_len(body);
	buf_init(&c->summary, LIMIT_SUMMARY);
	buf_init(&c->domain, 2 * LIMIT_DOMAIN);
	buf_init(&c->canonical, 4 * LIMIT_ADDRESS);
	arena_init(&c->arena, LIMIT_LOOKUP);
	buf_init(&c->deposit.append.envelope, SEGMENT_ENVELOPE_MAX);
	c->deposit.append.header.id = m->id;
	c->deposit.append.header.time = c->now;
	c->deposit.append.header.kind = SEGMENT_BOUNCE;
	c->deposit.write.lane = STORE_LANE_QUEUE;
	c->deposit.write.apply = commit_apply;
	c->deposit.write.done = commit_done;
	if (buf_add(&c->summary, m->summary) != BUF_OK ||
	    segment_envelope_add(&c->deposit.append.envelope, SEGMENT_RCPT,
		c->sender) != 0) {
		commit_free(c);
		return NULL;
	}
	return c;
}

/* Only the courier that was asked, only once, and only with a Return-Path to
 * nobody, as the composer writes it (it is cut off by its length later). */
int
outbound_on_bounce_commit(struct outbound *o, struct channel *ch,
    const struct wire_head *h, const struct wire_bounce_commit *m,
    struct body *body)
{
	const struct wire_done no = { .id = m->id, .verdict = { .code = 451 } };
	struct out_bounce *b = map_get_number(&o->bounces, h->session);
	struct commit *c = NULL;

	if (b == NULL || b->courier == NULL || b->courier->channel != ch ||
	    b->is_committing) {
		/* too late: somebody else was asked meanwhile */
		if (body != NULL)
			body_free(body);
		(void)wire_send_done(ch, h->session, 0, &no);
		return 0;
	}
	if (body != NULL && body_len(body) > BOUNCE_RETURN_PATH)
		c = commit_new(b, m, body);
	if (c == NULL) {
		if (body != NULL)
			body_free(body);
		out_bounce_give_up(b);
		(void)wire_send_done(ch, h->session, 0, &no);
		return 0;
	}
	b->is_committing = true;
	env_timer_stop(o->env, &b->timer);
	deposit_submit(o->store, &c->deposit, body);
	return 0;
}
