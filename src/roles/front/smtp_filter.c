/* SPDX-License-Identifier: ISC */
/* Stages before the message, and what comes of the answers; smtp_filter.h says
 * how it goes, smtp_rewrite.c has the message. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "hook/hook.h"
#include "roles/front/conn.h"
#include "roles/front/smtp_impl.h"

enum {
	EDITS_MAX = LIMIT_HOOK_EDITS * (LIMIT_ADDRESS + 8),
	PARAMS_MAX = 1024 /* as HOOK_MAIL and HOOK_RCPT have it */
};

static struct channel *
hook_of(struct conn *c)
{
	return hook_watch_channel(conn_front(c));
}

static struct smtp_filter *
filter_of(struct conn *c)
{
	return &smtp_of(c)->filter;
}

bool
smtp_filter_is_wanted(struct conn *c)
{
	return settings_has_hook(conn_front(c)->settings, c->service) &&
	    !filter_of(c)->is_off;
}

/* All filters of this service are to be passed by when they fail. */
static bool
may_pass(struct conn *c)
{
	const struct settings *s = conn_front(c)->settings;

	for (uint32_t i = 0; i < s->n_hooks; i++)
		if (settings_hook_is_of(&s->hooks[i], c->service) &&
		    !s->hooks[i].accepts_on_failure)
			return false;
	return true;
}

void
smtp_filter_init(struct conn *c)
{
	buf_init(&filter_of(c)->held, LIMIT_CHUNK);
	buf_init(&filter_of(c)->edits, EDITS_MAX);
}

/* -- saying yes, no, and that nobody answers ---------------------------------
 */

static void
keep_yes(struct smtp_filter *f, const struct verdict *v)
{
	f->yes = *v;
	if (!slice_to_cstr(v->text, f->yes_text, sizeof(f->yes_text)))
		f->yes_text[0] = '\0';
	f->yes.text = slice_cstr(f->yes_text);
}

static void
say_yes(struct conn *c, enum smtp_filter_stage stage)
{
	if (stage == SMTP_FILTER_END)
		smtp_commit_now(c);
	else
		smtp_answer(c, filter_of(c)->yes);
}

static void
say_no(struct conn *c, enum smtp_filter_stage stage, struct verdict v)
{
	struct smtp *x = smtp_of(c);
	const struct wire_rcpt_drop drop = { .txn = x->txn,
		.rcpt = slice_cstr(x->s.rcpt) };

	if (stage == SMTP_FILTER_RCPT) {
		if (store_of(c) != NULL)
			(void)wire_send_rcpt_drop(store_of(c), c->number, 0,
			    &drop);
		smtp_log_refused_rcpt(c, &v);
	} else if (stage == SMTP_FILTER_END) {
		smtp_log_mail(c, &v);
	}
	smtp_answer(c, v);
}

/* The role hook is gone, or never was there. */
static void
lacks(struct conn *c, enum smtp_filter_stage stage)
{
	const struct verdict later = smtp_say(SMTP_SAY_FILTERS_LATER);

	filter_of(c)->asks = SMTP_FILTER_NONE;
	if (stage <= SMTP_FILTER_HELO) {
		say_yes(c, stage); /* asked again at MAIL */
	} else if (may_pass(c)) {
		filter_of(c)->is_off = true;
		say_yes(c, stage);
	} else {
		say_no(c, stage, later);
	}
}

/* -- questions ------------------------------------------------------------- */

static int
send_connect(struct conn *c)
{
	struct wire_hook_connect m = { .service = (uint8_t)c->service,
		.client = slice_cstr(c->peer_text),
		.family = c->peer.family,
		.port = c->peer.port,
		.rdns = origin_rdns(c),
		.hostname = slice_cstr(conn_front(c)->hostname) };

	filter_of(c)->is_open = true;
	return wire_send_hook_connect(hook_of(c), c->number,
	    filter_of(c)->ticket, &m);
}

static int
send_helo(struct conn *c)
{
	struct wire_hook_helo m = { .helo = slice_cstr(smtp_of(c)->s.asked) };

	return wire_send_hook_helo(hook_of(c), c->number, filter_of(c)->ticket,
	    &m);
}

/* What was said behind the path, one space between. */
struct params {
	struct buf text;
	int r;
};

static void
add_param(struct params *p, const char *name, struct slice value)
{
	if (value.len > 0)
		p->r |= buf_printf(&p->text, "%s%s%.*s",
		    p->text.len > 0 ? " " : "", name, SLICE_FMT(value));
}

static void
gather_mail_params(const struct smtp *x, struct params *p)
{
	static const char *const bodies[] = { "", "7BIT", "8BITMIME",
		"BINARYMIME" };
	static const char *const rets[] = { "", "FULL", "HDRS" };
	const struct smtp_mail_params *m = &x->s.params;
	char size[24] = "";

	if (m->has_size)
		(void)snprintf(size, sizeof(size), "%llu",
		    (unsigned long long)m->size);
	add_param(p, "SIZE=", slice_cstr(size));
	add_param(p, "BODY=", slice_cstr(bodies[m->body % 4]));
	add_param(p, "RET=", slice_cstr(rets[m->ret % 3]));
	add_param(p, "ENVID=", slice_cstr(x->s.envid));
	add_param(p, "", slice_cstr(m->is_smtputf8 ? "SMTPUTF8" : ""));
}

static int
send_mail(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct params p = { 0 };
	struct wire_hook_mail m = { .sender = slice_cstr(x->s.sender),
		.helo = slice_cstr(x->s.helo),
		.tls = slice_cstr(conn_tls_text(c)) };
	int r;

	if (x->s.is_authed) {
		m.login = slice_cstr(x->user);
		m.mechanism = slice_cstr(sasl_mechanism_names[x->s.mechanism]);
	}
	buf_init(&p.text, PARAMS_MAX);
	gather_mail_params(x, &p);
	m.params = buf_slice(&p.text);
	filter_of(c)->in_txn = true;
	r = p.r != BUF_OK ? -1
			  : wire_send_hook_mail(hook_of(c), c->number,
				filter_of(c)->ticket, &m);
	buf_deinit(&p.text);
	return r;
}

/* "SUCCESS,DELAY" (RFC 3461, 4.1) */
static struct slice
notify_print(unsigned notify, char *text, size_t size)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ SMTP_NOTIFY_NEVER, "NEVER" },
		{ SMTP_NOTIFY_SUCCESS, "SUCCESS" },
		{ SMTP_NOTIFY_FAILURE, "FAILURE" },
		{ SMTP_NOTIFY_DELAY, "DELAY" },
	};
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((notify & names[i].bit) != 0)
			n += (size_t)snprintf(text + n, size - n, "%s%s",
			    n > 0 ? "," : "", names[i].name);
	return slice_of(text, n);
}

static int
send_rcpt(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct params p = { 0 };
	struct wire_hook_rcpt m = { .rcpt = slice_cstr(x->s.rcpt) };
	char notify[40];
	int r;

	buf_init(&p.text, PARAMS_MAX);
	add_param(&p, "NOTIFY=",
	    notify_print(x->s.rcpt_params.notify, notify, sizeof(notify)));
	add_param(&p, "ORCPT=", slice_cstr(x->s.orcpt));
	m.params = buf_slice(&p.text);
	r = p.r != BUF_OK ? -1
			  : wire_send_hook_rcpt(hook_of(c), c->number,
				filter_of(c)->ticket, &m);
	buf_deinit(&p.text);
	return r;
}

static int
send_data(struct conn *c)
{
	const struct wire_hook_data m = { 0 };

	return wire_send_hook_data(hook_of(c), c->number, filter_of(c)->ticket,
	    &m);
}

static int
send_end(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_hook_end m = { .id = x->id,
		.size = x->stored - x->trace_len };

	return wire_send_hook_end(hook_of(c), c->number, filter_of(c)->ticket,
	    &m);
}

static void
ask(struct conn *c, enum smtp_filter_stage stage)
{
	static int (*const send[])(struct conn *) = {
		[SMTP_FILTER_CONNECT] = send_connect,
		[SMTP_FILTER_HELO] = send_helo,
		[SMTP_FILTER_MAIL] = send_mail,
		[SMTP_FILTER_RCPT] = send_rcpt,
		[SMTP_FILTER_DATA] = send_data,
		[SMTP_FILTER_END] = send_end,
	};
	struct smtp_filter *f = filter_of(c);

	f->then = SMTP_FILTER_NONE;
	if (hook_of(c) != NULL && !f->is_open && stage != SMTP_FILTER_CONNECT) {
		if (stage > SMTP_FILTER_MAIL) {
			lacks(c, stage); /* it never heard of this mail */
			return;
		}
		f->then = stage;
		stage = SMTP_FILTER_CONNECT;
	}
	f->ticket = front_ticket(conn_front(c));
	f->asks = stage;
	f->asked_at = env_now(conn_front(c)->env);
	hook_watch_asked(&front_own(conn_front(c))->hook_watch);
	if (hook_of(c) == NULL || send[stage](c) != 0)
		lacks(c, f->then != SMTP_FILTER_NONE ? f->then : stage);
}

void
smtp_filter_ask(struct conn *c, enum smtp_filter_stage stage,
    const struct verdict *v)
{
	if (!smtp_filter_is_wanted(c) || !verdict_is_ok(v)) {
		smtp_answer(c, *v);
		return;
	}
	keep_yes(filter_of(c), v);
	ask(c, stage);
}

void
smtp_filter_end(struct conn *c)
{
	ask(c, SMTP_FILTER_END);
}

/* -- edits of the envelope: one after the other -------------------------------
 */

static void
log_edit_refused(struct conn *c, const struct verdict *v)
{
	char address[LOG_QUOTE], id[ID_TEXT + 1];

	id_print(&smtp_of(c)->id, id);
	env_log(conn_front(c)->env, ENV_WARN, "filter-edit-refused",
	    "id=%s code=%u address=%s", id, v->code,
	    log_quote(slice_cstr(filter_of(c)->address), address,
		sizeof(address)));
}

static int
ask_rcpt(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_rcpt_ask m = { .handle = x->handle,
		.txn = x->txn,
		.sender = slice_cstr(x->s.sender),
		.rcpt = slice_cstr(x->filter.address),
		.client = slice_cstr(c->peer_text),
		.helo = slice_cstr(x->s.helo),
		.by_filter = true };

	return wire_send_rcpt_ask(store_of(c), c->number, x->filter.ticket, &m);
}

static int
ask_sender(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_mail_ask m = { .handle = x->handle,
		.txn = x->txn,
		.sender = slice_cstr(x->filter.address),
		.client = slice_cstr(c->peer_text) };

	return wire_send_mail_ask(store_of(c), c->number, x->filter.ticket, &m);
}

static void
drop_rcpt(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	const struct wire_rcpt_drop m = { .txn = x->txn,
		.rcpt = slice_cstr(x->filter.address),
		.all = true };

	(void)wire_send_rcpt_drop(store_of(c), c->number, 0, &m);
}

/* The store decides what may be done in our name: whom a stranger reaches, as
 * whom a login sends. */
static void
apply_edit(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;
	int r = 0;

	if (f->what == HOOK_EDIT_DELETE_RCPT) {
		drop_rcpt(c);
		smtp_filter_next_edit(c);
		return;
	}
	if (f->what == HOOK_EDIT_FROM && conn_front(c)->kind == WIRE_MX) {
		smtp_rewrite_sender(c, slice_cstr(f->address));
		return;
	}
	f->ticket = front_ticket(conn_front(c));
	f->asks = SMTP_FILTER_EDITS;
	r = f->what == HOOK_EDIT_FROM ? ask_sender(c) : ask_rcpt(c);
	if (r != 0)
		smtp_filter_trouble(c);
}

void
smtp_filter_next_edit(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);
	struct wire_hook_edit row;

	f->asks = SMTP_FILTER_NONE;
	if (!wire_hook_edit_next(&f->rest, &row)) {
		smtp_commit_now(c);
		return;
	}
	(void)slice_to_cstr(row.address, f->address, sizeof(f->address));
	f->what = row.what;
	apply_edit(c);
}

bool
smtp_filter_store_answer(struct conn *c, uint32_t ticket,
    const struct verdict *v)
{
	struct smtp_filter *f = filter_of(c);

	if (f->asks != SMTP_FILTER_EDITS || f->ticket != ticket)
		return false;
	f->asks = SMTP_FILTER_NONE;
	if (verdict_is_permanent(v)) {
		log_edit_refused(c, v);
		smtp_filter_next_edit(c);
	} else if (!verdict_is_ok(v)) {
		smtp_log_mail(c, v); /* who is to get it is not known now */
		smtp_answer(c, *v);
	} else if (f->what == HOOK_EDIT_FROM) {
		smtp_rewrite_sender(c, slice_cstr(f->address));
	} else {
		smtp_filter_next_edit(c);
	}
	smtp_go_on(c);
	return true;
}

/* -- answers --------------------------------------------------------------- */

static void
on_end_answer(struct conn *c, const struct wire_hook_answer *m)
{
	struct smtp_filter *f = filter_of(c);

	if (m->action == HOOK_DISCARD) {
		f->discards = true; /* the store makes a note of it */
		smtp_commit_now(c);
		return;
	}
	(void)slice_to_cstr(m->quarantine, f->quarantine,
	    sizeof(f->quarantine));
	buf_reset(&f->edits, 0);
	if (buf_add(&f->edits, m->edits.raw) != BUF_OK) {
		smtp_filter_trouble(c);
		return;
	}
	f->rest = (struct wire_list){ buf_slice(&f->edits), m->edits.n };
	smtp_filter_next_edit(c);
}

void
smtp_on_hook_answer(struct conn *c, uint32_t ticket,
    const struct wire_hook_answer *m)
{
	struct smtp_filter *f = filter_of(c);
	uint8_t stage = f->asks, then = f->then;

	if (stage == SMTP_FILTER_NONE || stage == SMTP_FILTER_EDITS ||
	    ticket != f->ticket)
		return;
	f->asks = f->then = SMTP_FILTER_NONE;
	if (m->action == HOOK_REFUSE) {
		struct verdict v = verdict_of(&m->verdict);

		if (stage == SMTP_FILTER_CONNECT && then == SMTP_FILTER_NONE &&
		    verdict_is_permanent(&v))
			v.code = 554; /* RFC 5321, 3.1 */
		say_no(c, then != SMTP_FILTER_NONE ? then : stage, v);
	} else if (then != SMTP_FILTER_NONE) {
		ask(c, then);
	} else if (stage == SMTP_FILTER_END) {
		on_end_answer(c, m);
	} else {
		say_yes(c, stage);
	}
	smtp_go_on(c);
}

/* -- ends ------------------------------------------------------------------ */

/* Ours: the hook need not look at it any more. */
void
smtp_filter_trouble(struct conn *c)
{
	struct verdict v = verdict_trouble();

	filter_of(c)->asks = SMTP_FILTER_NONE;
	smtp_log_mail(c, &v);
	smtp_answer(c, v);
	smtp_go_on(c);
}

void
smtp_filter_forget(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);
	const struct wire_hook_abort m = { 0 };

	if (f->in_txn && f->is_open && hook_of(c) != NULL)
		(void)wire_send_hook_abort(hook_of(c), c->number, 0, &m);
	smtp_rewrite_forget(c);
	f->in_txn = f->is_off = f->is_8bit = f->discards = false;
	f->asks = f->then = SMTP_FILTER_NONE;
	f->quarantine[0] = '\0';
	buf_reset(&f->edits, 0);
}

/* Read when the role comes to itself, if it is silent. */
static void
say_quit(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);
	const struct wire_hook_quit m = { 0 };

	if (f->is_open && conn_front(c)->hook != NULL)
		(void)wire_send_hook_quit(conn_front(c)->hook, c->number, 0,
		    &m);
	f->is_open = false;
}

void
smtp_filter_closed(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);

	say_quit(c);
	buf_deinit(&f->edits);
	buf_deinit(&f->held);
}

bool
smtp_filter_is_asking(struct conn *c)
{
	const struct smtp_filter *f = filter_of(c);
	int64_t now = env_now(conn_front(c)->env);

	if (f->asks == SMTP_FILTER_NONE || f->asks == SMTP_FILTER_EDITS)
		return false;
	if (now - f->asked_at < LIMIT_HOOK_QUESTION_S * TIME_SECOND)
		return true;
	env_log(conn_front(c)->env, ENV_ERROR, "filters-no-answer",
	    "client=%s session=%llu", c->peer_text,
	    (unsigned long long)c->number);
	smtp_filter_lost(c);
	return false;
}

/* The role is gone, says nothing, or has nothing to say to this one. */
void
smtp_filter_lost(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);
	uint8_t stage = f->then != SMTP_FILTER_NONE ? f->then : f->asks;

	say_quit(c);
	if (stage == SMTP_FILTER_NONE || stage == SMTP_FILTER_EDITS)
		return;
	if (stage == SMTP_FILTER_END && f->copy != SMTP_COPY_NONE) {
		/* half of another message stands at the store */
		smtp_filter_trouble(c);
		return;
	}
	f->then = SMTP_FILTER_NONE;
	lacks(c, stage);
	smtp_go_on(c);
}

void
smtp_filter_store_lost(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);

	f->scratch = f->old = 0;
	smtp_rewrite_forget(c);
	f->asks = SMTP_FILTER_NONE;
}
