/* SPDX-License-Identifier: ISC */
/*
 * roles/store/store - the process that owns the data directory
 *
 * Talks to: fronts (mail in, mailboxes), courier (mail out), keeper
 * (verifiers, grants, sealed keys), control (the admin's commands).
 * May touch: the data directory, nothing else; no sockets, no programs.
 * If it is taken over: all stored mail; no private keys, no passwords.
 * If it dies: what was acknowledged is on disk; the supervisor starts it anew,
 * it recovers, fronts meanwhile answer 4xx.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/indexer.h"
#include "roles/store/store_role.h"

enum {
	RESERVE_MAX = 64 * 1024 * 1024, /* or a twentieth of a small disk */
	TICKS_PER_GC = 12,
	GC_MAX = 64
};
#define TICK (5 * TIME_SECOND)
/* Of a large disk a tenth is more than mail needs in a day. */
#define ROOM_ENOUGH (UINT64_C(4) << 30)
#define STOP_POLL (20 * TIME_MS)

/* -- askers and verdicts
 * ------------------------------------------------------- */

struct asker
asker_of(struct channel *c, const struct wire_head *h)
{
	struct peer *p = peer_of(c);

	return (struct asker){ p->role, p->serial, h->session, h->ticket };
}

struct channel *
asker_channel(const struct asker *a)
{
	struct peer *p = map_get_number(&a->role->peers, a->peer);

	return p == NULL || channel_is_dead(&p->c) ? NULL : &p->c;
}

void
peer_when_room(const struct asker *a, struct waiting *w)
{
	struct channel *c = asker_channel(a);

	if (c == NULL)
		w->gone(w);
	else if (channel_is_full(c))
		list_add_last(&peer_of(c)->waiting, &w->link);
	else
		w->go(w);
}

struct wire_verdict
wire_verdict_of(const struct verdict *v)
{
	return (struct wire_verdict){ .code = v->code,
		.class = v->esc.class,
		.subject = v->esc.subject,
		.detail = v->esc.detail,
		.text = v->text };
}

struct wire_verdict
wire_verdict_make(unsigned code, unsigned class, unsigned subject,
    unsigned detail, const char *text)
{
	return (struct wire_verdict){ .code = (uint16_t)code,
		.class = (uint8_t) class,
		.subject = (uint16_t)subject,
		.detail = (uint16_t)detail,
		.text = slice_cstr(text) };
}

struct wire_verdict
wire_say(enum smtp_say which)
{
	struct verdict v = smtp_say(which);

	return wire_verdict_of(&v);
}

struct wire_verdict
wire_verdict_box(int r)
{
	switch (r) {
	case 0:
		return wire_verdict_make(BOX_OK, 2, 0, 0, "done");
	case STORE_E_NO_MAILBOX:
		return wire_verdict_make(BOX_NONEXISTENT, 5, 1, 1,
		    "no such mailbox");
	case STORE_E_EXISTS:
		return wire_verdict_make(BOX_EXISTS, 5, 1, 0,
		    "that mailbox exists");
	case STORE_E_QUOTA:
		return wire_verdict_make(BOX_OVERQUOTA, 5, 2, 2,
		    "the quota is used up");
	case STORE_E_NAME:
		return wire_verdict_make(BOX_CANNOT, 5, 1, 3,
		    "not a name for a mailbox");
	case STORE_E_TOO_MANY:
		return wire_verdict_make(BOX_TOO_MANY, 5, 7, 0,
		    "more than is kept");
	case STORE_E_USE:
		return wire_verdict_make(BOX_USEATTR, 5, 7, 0,
		    "another mailbox has that use");
	case STORE_E_FORBIDDEN:
		return wire_verdict_make(BOX_CANNOT, 5, 7, 0,
		    "that cannot be done");
	case DB_NONE:
		return wire_verdict_make(BOX_EXPUNGED, 5, 1, 0,
		    "no such message");
	default:
		return wire_verdict_make(BOX_TROUBLE, 4, 3, 0,
		    "the store is in trouble");
	}
}

/* -- keys
 * ------------------------------------------------------------------------ */

static struct tls_key *
key_new(const struct q_tls_key_list *row)
{
	size_t need = row->names.len + row->sealed.len + row->chain.len;
	struct tls_key *k = malloc(sizeof(*k) + need);
	uint8_t *at;

	if (k == NULL)
		return NULL;
	at = k->bytes;
	k->number = row->tls_key;
	k->is_default = row->is_default;
	memcpy(at, row->names.at, row->names.len);
	k->names = slice_of(at, row->names.len);
	at += row->names.len;
	memcpy(at, row->sealed.at, row->sealed.len);
	k->sealed = slice_of(at, row->sealed.len);
	at += row->sealed.len;
	memcpy(at, row->chain.at, row->chain.len);
	k->chain = slice_of(at, row->chain.len);
	return k;
}

static void
forget_keys(struct list *keys)
{
	struct list *link;

	while ((link = list_take_first(keys)) != NULL)
		free(LIST_ENTRY(link, struct tls_key, link));
}

/* At the start from prepare, later by a reading connection: there are few. */
static int
load_keys(struct list *keys, struct db *db)
{
	struct q_tls_key_list row;
	struct db_rows rows;
	int r = DB_MANY(tls_key_list, db, &rows, 0);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_tls_key_list_next(&rows, &row)) == 0) {
		struct tls_key *k = key_new(&row);

		if (k == NULL) {
			r = ERR_ORIGIN(-ENOMEM);
			break;
		}
		list_add_last(keys, &k->link);
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static void
send_sealed(struct store_role *s, struct channel *c)
{
	LIST_FOREACH (it, &s->keys) {
		struct tls_key *k = LIST_ENTRY(it, struct tls_key, link);
		struct wire_sealed_key m = { k->number, k->sealed };

		(void)wire_send_sealed_key(c, 0, 0, &m);
	}
	(void)wire_send_keys_end(c, 0, 0, &(struct wire_keys_end){ 0 });
}

static void
send_certs(struct store_role *s, struct channel *c)
{
	LIST_FOREACH (it, &s->keys) {
		struct tls_key *k = LIST_ENTRY(it, struct tls_key, link);
		struct wire_cert m = { k->number, k->chain, k->names,
			k->is_default };

		(void)wire_send_cert(c, 0, 0, &m);
	}
	(void)wire_send_certs_end(c, 0, 0, &(struct wire_certs_end){ 0 });
}

static bool
has_tls(const struct channel *c)
{
	return c->peer == WIRE_MX || c->peer == WIRE_USER;
}

static bool
is_front(const struct channel *c)
{
	return has_tls(c) || c->peer == WIRE_LOCAL;
}

/* The keeper first: a front may use a certificate as soon as it has it. */
void
store_role_announce_keys(struct store_role *s)
{
	LIST_FOREACH (it, &s->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (p->c.peer == WIRE_KEEPER)
			send_sealed(s, &p->c);
	}
	LIST_FOREACH (it, &s->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (has_tls(&p->c))
			send_certs(s, &p->c);
	}
}

struct key_load {
	struct store_read read;
	struct store_role *role;
	struct list keys;
};

static int
run_key_load(struct db *db, struct store_read *r)
{
	return load_keys(&LIST_ENTRY(r, struct key_load, read)->keys, db);
}

static void
done_key_load(struct store_read *r, int result)
{
	struct key_load *l = LIST_ENTRY(r, struct key_load, read);

	if (result == 0) {
		forget_keys(&l->role->keys);
		list_move_all(&l->role->keys, &l->keys);
		store_role_announce_keys(l->role);
	}
	forget_keys(&l->keys);
	free(l);
}

int
store_role_load_keys(struct store_role *s)
{
	struct key_load *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_ORIGIN(-ENOMEM);
	l->role = s;
	list_init(&l->keys);
	l->read.run = run_key_load;
	l->read.done = done_key_load;
	store_read(s->store, &l->read);
	return 0;
}

/* -- room on the disk
 * --------------------------------------------------------------- */

static void
send_state(struct store_role *s, struct channel *c)
{
	struct wire_state m = { .strangers = s->strangers,
		.submission = s->submission,
		.max_size = s->settings->max_size,
		.hostname = slice_cstr(s->settings->hostname) };

	(void)wire_send_state(c, 0, 0, &m);
}

void
store_role_send_state(struct store_role *s)
{
	LIST_FOREACH (it, &s->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (is_front(&p->c))
			send_state(s, &p->c);
	}
}

/* Room for deletions and the checkpoint when all other room is gone. */
static void
keep_reserve(struct store_role *s, bool wanted)
{
	struct env_file *f;
	uint64_t size = 0;

	if (env_file_open(s->dir, "reserve", ENV_FILE_WRITE | ENV_FILE_CREATE,
		&f) != 0)
		return;
	if (env_file_size(f, &size) == 0) {
		if (wanted && size < s->reserve)
			(void)env_file_allocate(f, s->reserve);
		else if (!wanted && size > 0)
			(void)env_file_truncate(f, 0);
	}
	env_file_close(f);
}

/* Three marks: below the first no mail from strangers, below half of it no
 * submission; a write that found no room is below both. */
static void
look_at_disk(struct store_role *s)
{
	uint64_t unused = 0, size = 0, least;
	bool strangers = true, submission = true;

	if (env_dir_free_space(s->dir, &unused, &size) == 0 && size > 0) {
		least = size / 100 * s->settings->min_free_percent;
		if (least > ROOM_ENOUGH)
			least = ROOM_ENOUGH;
		s->reserve = size / 20 < RESERVE_MAX ? size / 20 : RESERVE_MAX;
		strangers = unused >= least;
		submission = unused >= least / 2;
		if (s->disk_is_full && unused > s->reserve + least / 2) {
			s->disk_is_full = false;
			keep_reserve(s, true);
		}
	}
	if (s->disk_is_full)
		strangers = submission = false;
	if (strangers == s->strangers && submission == s->submission)
		return;
	s->strangers = strangers;
	s->submission = submission;
	env_log(s->env, strangers ? ENV_INFO : ENV_WARN, "disk-room",
	    "strangers=%d submission=%d free=%llu", strangers, submission,
	    (unsigned long long)unused);
	store_role_send_state(s);
}

void
store_role_no_room(struct store_role *s, int r)
{
	if ((r != -ENOSPC && r != -EDQUOT) || s->disk_is_full)
		return;
	s->disk_is_full = true;
	keep_reserve(s, false);
	look_at_disk(s);
}

static void
on_store_trouble(void *ctx, int r)
{
	store_role_no_room(ctx, r);
}

static void
on_store_broken(void *ctx, const char *why)
{
	struct store_role *s = ctx;

	env_log(s->env, ENV_ERROR, "store-restart", "why=\"%s\"", why);
	role_end(s->role, ROLE_EXIT_TROUBLE);
}

/* -- segments that hold nothing any more
 * ---------------------------------------------- */

struct gc {
	struct store_write write;
	struct store_role *role;
	uint64_t below;
	size_t n;
	uint64_t gone[GC_MAX];
};

static int
apply_gc(struct db *db, struct store_write *w)
{
	struct gc *g = LIST_ENTRY(w, struct gc, write);
	struct q_segment_empty row;
	struct db_rows rows;
	int r = DB_MANY(segment_empty, db, &rows, .below = g->below);

	if (r != 0)
		return ERR_TRACE(r);
	g->n = 0;
	while (g->n < GC_MAX && (r = q_segment_empty_next(&rows, &row)) == 0)
		g->gone[g->n++] = row.segment;
	db_rows_close(&rows);
	r = r == DB_NONE ? 0 : r;
	for (size_t i = 0; i < g->n && r == 0; i++)
		r = DB_EXEC(segment_delete, db, .segment = g->gone[i]);
	return ERR_TRACE(r);
}

static void
done_gc(struct store_write *w, int r)
{
	struct gc *g = LIST_ENTRY(w, struct gc, write);

	for (size_t i = 0; r == 0 && i < g->n; i++)
		store_segment_remove(g->role->store, g->gone[i]);
	free(g);
}

static void
start_gc(struct store_role *s)
{
	struct gc *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return;
	g->role = s;
	g->below = store_safe_segment(s->store);
	g->write = (struct store_write){
		.lane = STORE_LANE_BULK, .apply = apply_gc, .done = done_gc
	};
	store_submit(s->store, &g->write);
}

static void
on_tick(struct env_timer *t)
{
	struct store_role *s = LIST_ENTRY(t, struct store_role, tick);

	look_at_disk(s);
	if (s->n_ticks++ % TICKS_PER_GC == 1 || s->disk_is_full)
		start_gc(s);
	if (s->n_ticks % TICKS_PER_GC == 1)
		undelete_look(s);
	(void)env_timer_set(s->env, t, env_now(s->env) + TICK);
}

/* -- peers
 * ------------------------------------------------------------------------------
 */

static int
on_attempt_read(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_read *m)
{
	return outbound_on_attempt_read(peer_of(c)->role->outbound, c, h, m);
}

static int
on_attempt_hosts(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_hosts *m)
{
	return outbound_on_attempt_hosts(peer_of(c)->role->outbound, c, h, m);
}

static int
on_attempt_result(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_result *m)
{
	reports_count(peer_of(c)->role, m);
	return outbound_on_attempt_result(peer_of(c)->role->outbound, c, h, m);
}

static int
on_courier_state(struct channel *c, const struct wire_head *h,
    const struct wire_courier_state *m)
{
	(void)h;
	return outbound_on_courier_state(peer_of(c)->role->outbound, c, m);
}

static int
on_bounce_commit(struct channel *c, const struct wire_head *h,
    const struct wire_bounce_commit *m)
{
	struct peer *p = peer_of(c);

	return outbound_on_bounce_commit(p->role->outbound, c, h, m,
	    accept_take_body(p, m->body));
}

static const struct wire_store_handlers handlers = {
	.verifier_get = on_verifier_get,
	.certificate_get = on_certificate_get,
	.grant = on_grant,
	.handle_drop = on_handle_drop,
	.rehashed = on_rehashed,
	.client_ask = on_client_ask,
	.client_note = on_client_note,
	.mail_ask = on_mail_ask,
	.rcpt_ask = on_rcpt_ask,
	.txn_drop = on_txn_drop,
	.body_piece = on_body_piece,
	.rcpt_drop = on_rcpt_drop,
	.body_open = on_body_open,
	.body_chunk = on_body_chunk,
	.body_drop = on_body_drop,
	.commit = on_commit,
	.mailbox_list = on_mailbox_list,
	.mailbox_status = on_mailbox_status,
	.mailbox_open = on_mailbox_open,
	.mailbox_close = on_mailbox_close,
	.mailbox_change = on_mailbox_change,
	.quota_get = on_quota_get,
	.annotation_get = on_annotation_get,
	.annotation_set = on_annotation_set,
	.notices = on_notices,
	.scan = on_scan,
	.summary_read = on_summary_read,
	.detail_read = on_detail_read,
	.bodies_read = on_bodies_read,
	.body_read = on_body_read,
	.read_credit = on_read_credit,
	.read_drop = on_read_drop,
	.flags_store = on_flags_store,
	.expunge = on_expunge,
	.copy = on_copy,
	.append_commit = on_append_commit,
	.append_drop = on_append_drop,
	.attempt_read = on_attempt_read,
	.attempt_result = on_attempt_result,
	.attempt_hosts = on_attempt_hosts,
	.bounce_commit = on_bounce_commit,
	.courier_state = on_courier_state,
	.admin_ask = on_admin_ask,
	.import = on_import,
	.message_read = on_message_read,
	.sts_keep = on_sts_keep,
	.rua_answer = on_rua_answer,
	.report_posted = on_report_posted,
	.find = on_find,
	.sort_more = on_sort_more,
	.sorted = on_sorted,
};

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static void
on_room(struct channel *c)
{
	struct peer *p = peer_of(c);
	struct list *link;

	while (!channel_is_full(c) &&
	    (link = list_take_first(&p->waiting)) != NULL) {
		struct waiting *w = LIST_ENTRY(link, struct waiting, link);

		w->go(w);
	}
}

static void
peer_free(struct peer *p)
{
	struct list *link;

	(void)map_take_number(&p->role->peers, p->serial);
	if (p->c.peer == WIRE_COURIER)
		outbound_courier_lost(p->role->outbound, &p->c);
	if (p->c.peer == WIRE_CONTROL)
		outbound_control_lost(p->role->outbound, &p->c);
	while ((link = list_take_first(&p->waiting)) != NULL) {
		struct waiting *w = LIST_ENTRY(link, struct waiting, link);

		w->gone(w);
	}
	reads_peer_lost(p);
	details_peer_lost(p);
	additions_peer_lost(p);
	accept_peer_lost(p);
	handles_peer_lost(p);
	clients_peer_lost(p);
	reports_peer_lost(p);
	indexer_peer_lost(p);
	map_deinit(&p->bodies);
	map_deinit(&p->txns);
	map_deinit(&p->handles);
	list_remove(&p->link);
	free(p);
}

static void
on_closed(struct channel *c)
{
	struct peer *p = peer_of(c);

	env_log(p->role->env, ENV_INFO, "peer-lost", "peer=%s instance=%u",
	    wire_role_name(c->peer), c->peer_instance);
	peer_free(p);
}

static const struct channel_ops channel_ops = { dispatch, on_closed, on_room };

static void
init_map(struct store_role *s, struct map *m)
{
	uint8_t seed[MAP_SEED];

	env_random(s->env, seed, sizeof(seed));
	map_init(m, seed);
}

static struct peer *
peer_new(struct store_role *s)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->role = s;
	p->serial = ++s->next_serial;
	list_init(&p->link);
	list_init(&p->reads);
	list_init(&p->bodies_reads);
	list_init(&p->additions);
	list_init(&p->waiting);
	init_map(s, &p->bodies);
	init_map(s, &p->txns);
	init_map(s, &p->handles);
	init_map(s, &p->clients);
	if (map_put_number(&s->peers, p->serial, p) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

static void
on_peer(struct role *r, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct store_role *s = r->ctx;
	struct peer *p = purpose == PEER_CHANNEL ? peer_new(s) : NULL;

	if (p == NULL) {
		env_close(s->env, fd, false);
		return;
	}
	if (channel_open(&p->c, s->env, s, fd, WIRE_STORE, peer, instance,
		&channel_ops) != 0) {
		(void)map_take_number(&s->peers, p->serial);
		free(p);
		return;
	}
	list_add_last(&s->peer_list, &p->link);
	if (peer == WIRE_KEEPER)
		send_sealed(s, &p->c);
	if (has_tls(&p->c))
		send_certs(s, &p->c);
	if (is_front(&p->c))
		send_state(s, &p->c);
	if (peer == WIRE_FETCHER)
		sts_tell(p);
	if (peer == WIRE_SORTER)
		indexer_on_peer(p);
}

/* -- life
 * ---------------------------------------------------------------------------------
 */

static void
on_outbound_changed(void *ctx, uint64_t account, uint64_t mailbox,
    uint64_t modseq)
{
	(void)mailbox;
	scan_changed(ctx, account, modseq);
}

static int
prepare(struct role *r)
{
	struct store_role *s = r->ctx;
	struct store_options o = { .events_keep = r->settings->events_keep,
		.broken = on_store_broken,
		.trouble = on_store_trouble,
		.ctx = s };
	struct outbound_options out = { .changed = on_outbound_changed,
		.ctx = s };
	uint8_t seed[MAP_SEED];
	int result;

	s->role = r;
	s->env = r->env;
	s->settings = r->settings;
	(void)ip_networks_parse(slice_cstr(s->settings->relay_networks),
	    &s->relay); /* config/settings has looked at it */
	s->strangers = s->submission = true;
	s->started = env_wall(s->env);
	s->tick.fire = on_tick;
	init_map(s, &s->peers);
	init_map(s, &s->cache);
	init_map(s, &s->watched);
	init_map(s, &s->locks);
	env_random(s->env, seed, sizeof(seed));
	views_init(&s->views, seed);
	list_init(&s->peer_list);
	list_init(&s->notes);
	list_init(&s->cached);
	list_init(&s->keys);
	s->greylist = greylist_new(s->env, s->settings);
	if (s->greylist == NULL || clients_make(s) != 0)
		return ERR_ORIGIN(-ENOMEM);
	result = env_dir_open(s->env, s->settings->data, &s->dir);
	if (result == -ENOENT)
		result = STORE_E_ABSENT;
	if (result == 0)
		result = store_open(s->env, s->dir, &o, &s->store);
	if (result > 0) {
		env_log(s->env, ENV_ERROR, "store-refused", "why=\"%s\"",
		    store_open_text(result));
		/* A damaged file may be mended while fronts say 4xx. */
		return result == STORE_E_DAMAGED ? ROLE_EXIT_TROUBLE
						 : ROLE_EXIT_CONFIG;
	}
	if (result == 0)
		result = load_keys(&s->keys, store_writer(s->store));
	if (result == 0)
		result = outbound_new(s->env, s->store, s->settings, &out,
		    &s->outbound);
	if (result == 0)
		result = expander_new(s);
	if (result == 0)
		result = greylist_rows_new(s);
	if (result == 0)
		result = reports_new(s);
	if (result == 0)
		result = indexer_new(s);
	return ERR_TRACE(result);
}

static int
started(struct role *r)
{
	struct store_role *s = r->ctx;

	on_tick(&s->tick);
	keep_reserve(s, !s->disk_is_full && s->submission);
	outbound_start(s->outbound);
	expander_look(s);
	greylist_rows_start(s);
	reports_start(s);
	return 0;
}

/* What is in the lanes ends; nothing new comes, as fronts have gone before. */
static void
on_stop_poll(struct env_timer *t)
{
	struct store_role *s = LIST_ENTRY(t, struct store_role, tick);

	if (store_is_idle(s->store) || s->n_ticks++ > 250)
		role_end(s->role, 0);
	else
		(void)env_timer_set(s->env, t, env_now(s->env) + STOP_POLL);
}

static void
stop(struct role *r)
{
	struct store_role *s = r->ctx;

	if (s->is_stopping)
		return;
	s->is_stopping = true;
	s->n_ticks = 0;
	greylist_rows_stop(s);
	reports_stop(s);
	indexer_stop(s);
	env_timer_stop(s->env, &s->tick);
	s->tick.fire = on_stop_poll;
	(void)env_timer_set(s->env, &s->tick, env_now(s->env) + TIME_MS);
}

static const struct role_ops ops = {
	.self = WIRE_STORE,
	.prepare = prepare,
	.on_peer = on_peer,
	.started = started,
	.stop = stop,
};

/* The process ends after the loop: the kernel takes the rest back. A commit
 * that is still in its thread is durable or it is not, as after a kill. */
int
role_store(struct env *env, const struct settings *s, int supervisor_fd)
{
	struct store_role *ctx = calloc(1, sizeof(*ctx));
	int status;

	if (ctx == NULL)
		return ROLE_EXIT_TROUBLE;
	status = role_run(env, s, supervisor_fd, &ops, ctx);
	if (ctx->store != NULL && store_is_idle(ctx->store) &&
	    list_is_empty(&ctx->peer_list)) {
		free(ctx->rate);
		scan_free_notes(ctx);
		views_deinit(&ctx->views);
		greylist_rows_free(ctx);
		reports_free(ctx);
		indexer_free(ctx);
		greylist_free(ctx->greylist);
		expander_free(ctx);
		outbound_free(ctx->outbound);
		store_close(ctx->store);
	}
	return status;
}
