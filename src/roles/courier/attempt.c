/* SPDX-License-Identifier: ISC */
#include "roles/courier/attempt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* -- the dialogue --------------------------------------------------------- */

uint32_t
attempt_clock(const struct attempt *a)
{
	return (uint32_t)((env_now(a->courier->env) - a->began) / TIME_MS);
}

void
attempt_note(struct attempt *a, const char *format, ...)
{
	char line[620];
	va_list ap;
	int n = snprintf(line, sizeof(line), "+%" PRIu32 " ", attempt_clock(a));

	va_start(ap, format);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	if (buf_room(&a->dialogue) < strlen(line) + 1)
		return; /* full: what was first explains the most */
	(void)buf_add_cstr(&a->dialogue, line);
	(void)buf_add_byte(&a->dialogue, '\n');
}

void
attempt_note_client(struct attempt *a, const struct smtp_client *client)
{
	struct slice d =
	    slice_upto(smtp_client_dialogue(client), buf_room(&a->dialogue));

	(void)buf_add(&a->dialogue, d);
}

/* -- the end -------------------------------------------------------------- */

static void
attempt_free(struct attempt *a)
{
	struct courier *c = a->courier;

	if (a->carrier != NULL)
		carrier_drop(a->carrier);
	env_timer_stop(c->env, &a->timer);
	attempt_hop_free(a);
	(void)map_take_number(&c->attempts, a->number);
	attempt_drop_convert(a);
	buf_deinit(&a->converted);
	buf_deinit(&a->body);
	buf_deinit(&a->dialogue);
	buf_deinit(&a->tls_facts);
	arena_reset(&a->arena);
	free(a);
}

void
attempt_drop(struct attempt *a)
{
	attempt_free(a);
}

/* Cleaned, and in the arena; empty when that is full. */
struct slice
attempt_keep_text(struct attempt *a, struct slice text)
{
	struct slice kept = { 0 };
	struct buf clean;

	buf_init(&clean, RETRY_TEXT);
	if (retry_clean(&clean, text, RETRY_TEXT) == BUF_OK)
		(void)arena_copy(&a->arena, buf_slice(&clean), &kept);
	buf_deinit(&clean);
	return kept;
}

struct verdict
attempt_keep_verdict(struct attempt *a, const struct verdict *v)
{
	return (struct verdict){ v->code, retry_esc(v),
		attempt_keep_text(a, v->text) };
}

static int
add_outcome(struct buf *rows, const struct attempt_rcpt *r)
{
	struct wire_outcome o = { .row = r->row,
		.kind = r->is_done ? (uint8_t)retry_kind(&r->verdict)
				   : (uint8_t)RETRY_TEMPORARY,
		.code = r->verdict.code,
		.class = r->verdict.esc.class,
		.subject = r->verdict.esc.subject,
		.detail = r->verdict.esc.detail,
		.text = slice_upto(r->verdict.text, RETRY_TEXT),
		.is_ours = r->is_ours };

	return wire_outcome_add(rows, &o);
}

/* Says what became of every recipient; those of whom nothing was learnt get
 * the failure of the last host. When that is all, it is the host's failure. */
void
attempt_finish(struct attempt *a)
{
	struct courier *c = a->courier;
	struct wire_attempt_result m = { .is_host_failure = true };
	struct buf rows;

	buf_init(&rows, LIMIT_FRAME / 2);
	for (size_t i = 0; i < a->n_rcpts; i++) {
		if (a->rcpts[i].is_done) {
			m.is_host_failure = false;
		} else {
			a->rcpts[i].verdict = a->failure;
			a->rcpts[i].is_ours = a->failure_is_ours;
		}
		if (add_outcome(&rows, &a->rcpts[i]) == 0)
			m.outcomes.n++;
	}
	m.outcomes.raw = buf_slice(&rows);
	m.offers_dsn = a->offers_dsn;
	m.is_refused = a->is_refused;
	m.is_soon = a->is_soon;
	m.is_warming = m.is_host_failure && a->is_warming && !a->has_knocked;
	m.source = slice_cstr(a->source);
	m.offers_deliverby = a->offers_deliverby;
	m.remote = slice_cstr(a->remote);
	m.tls = slice_cstr(a->tls);
	m.dialogue = slice_upto(buf_slice(&a->dialogue), LIMIT_DIALOGUE);
	m.tls_facts.raw = buf_slice(&a->tls_facts);
	m.tls_facts.n = a->n_tls_facts;
	if (c->store != NULL)
		(void)wire_send_attempt_result(c->store, a->number, 0, &m);
	buf_deinit(&rows);
	attempt_free(a);
	courier_slot_free(c);
}

void
attempt_finish_all(struct attempt *a, struct verdict v)
{
	v = attempt_keep_verdict(a, &v);
	for (size_t i = 0; i < a->n_rcpts; i++) {
		if (a->rcpts[i].is_done)
			continue;
		a->rcpts[i].verdict = v;
		a->rcpts[i].is_ours = true;
		a->rcpts[i].is_done = true;
	}
	attempt_finish(a);
}

/* -- the whole ------------------------------------------------------------ */

static void
on_timer(struct env_timer *t)
{
	struct attempt *a = LIST_ENTRY(t, struct attempt, timer);

	if (a->tls_optional && a->is_routed) {
		attempt_connect_without_policies(a);
		return;
	}
	attempt_fail_dns(a,
	    a->n_missing == 0 && sts_is_missing(a)
		? "whether the domain has an MTA-STS policy is not known"
		: "no answer from the DNS in time");
}

/* What comes next, at the start and whenever a connection failed. */
void
attempt_go_on(struct attempt *a)
{
	struct verdict v;

	if (attempt_hop_ends(a, &v)) {
		attempt_note(a, "* %.*s", SLICE_FMT(v.text));
		attempt_finish_all(a, v);
		return;
	}
	if (!a->has_tried_idle) {
		a->has_tried_idle = true;
		attempt_turn_draw(a);
		attempt_rewind_body(a);
		if (carrier_reuse(a))
			return;
	}
	if (attempt_hop_ask(a))
		return;
	if (a->is_routed)
		attempt_connect(a);
	else
		attempt_route(a);
}

void
attempt_secret_came(struct attempt *a)
{
	attempt_go_on(a);
}

void
attempt_secret_failed(struct attempt *a, const char *why)
{
	struct verdict v = { 454, { 4, 7, 0 }, slice_cstr(why) };

	attempt_note(a, "! %s", why);
	a->failure = attempt_keep_verdict(a, &v);
	a->is_soon = true;
	attempt_finish(a);
}

static bool
copy_rcpts(struct attempt *a, const struct wire_attempt *m)
{
	struct wire_list rows = m->rcpts;
	struct wire_rcpt row;

	while (a->n_rcpts < SMTP_CLIENT_RCPTS && wire_rcpt_next(&rows, &row)) {
		a->rcpts[a->n_rcpts].row = row.row;
		if (!arena_copy(&a->arena, row.address,
			&a->addresses[a->n_rcpts]) ||
		    !arena_copy(&a->arena, row.orcpt,
			&a->wishes[a->n_rcpts].orcpt))
			return false;
		a->wishes[a->n_rcpts].notify = row.notify;
		a->wishes[a->n_rcpts].rrvs = row.rrvs;
		a->wishes[a->n_rcpts].rrvs_continue = row.rrvs_continue;
		a->n_rcpts++;
	}
	return a->n_rcpts > 0 && a->n_rcpts == m->rcpts.n;
}

static int
attempt_fill(struct attempt *a, const struct wire_attempt *m)
{
	a->answers =
	    arena_array(&a->arena, COURIER_QUESTIONS, sizeof(*a->answers));
	if (a->answers == NULL ||
	    !arena_copy(&a->arena, m->sender, &a->sender) ||
	    !arena_copy(&a->arena, m->envid, &a->envid) ||
	    !arena_copy(&a->arena, m->domain.len > 0 ? m->domain : m->route,
		&a->domain) ||
	    !copy_rcpts(a, m))
		return ERR_ORIGIN(-ENOMEM);
	return ERR_TRACE(attempt_hop_fill(a, m));
}

int
attempt_start(struct courier *c, uint64_t number, const struct wire_attempt *m)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL)
		return ERR_ORIGIN(-ENOMEM);
	*a = (struct attempt){ .courier = c,
		.number = number,
		.size = m->size,
		.is_8bit = m->is_8bit,
		.is_binary = m->is_binary,
		.is_smtputf8 = m->is_smtputf8,
		.requires_tls = m->requires_tls,
		.deliver_by = m->deliver_by,
		.by_mode = m->by_mode,
		.by_trace = m->by_trace,
		.priority = (int8_t)m->priority,
		.ret = m->ret,
		.mails = m->mails,
		.hosts = m->mx_set,
		.hosts_most = m->mx_most,
		.not_v4 = m->not_v4,
		.not_v6 = m->not_v6,
		.tls_minimum = m->tls_minimum,
		.tls_optional = m->tls_optional,
		.is_report = m->is_report,
		.lease_end = env_now(c->env) + m->lease_us,
		.seed = env_random_u64(c->env),
		.began = env_now(c->env),
		.failure = VERDICT(451, 4, 4, 2, "the session ended early"),
		.failure_is_ours = true,
		.timer.fire = on_timer };
	arena_init(&a->arena, ATTEMPT_ARENA);
	buf_init(&a->body, ATTEMPT_BODY);
	buf_init(&a->converted, ATTEMPT_AHEAD);
	buf_init(&a->dialogue, LIMIT_DIALOGUE);
	buf_init(&a->tls_facts, LIMIT_DIALOGUE * 2);
	r = map_put_number(&c->attempts, number, a);
	if (r == 0)
		r = attempt_fill(a, m);
	if (r == 0)
		r = attempt_take_body(a, m->body);
	if (r < 0) {
		attempt_free(a);
		return ERR_ORIGIN(r);
	}
	attempt_go_on(a);
	return 0;
}
