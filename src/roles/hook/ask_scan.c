/* SPDX-License-Identifier: ISC */
/*
 * roles/hook/ask_scan - filters that look at whole messages: Rspamd, clamd
 *
 * They are asked at the end of a message only, over a connection of its own
 * that ends with the answer. The message goes through in chunks as the filter
 * reads them. Rspamd's reply is JSON (rspamd_reply.c), clamd's is one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/scan.h"
#include "roles/hook/hook_role.h"
#include "roles/hook/rspamd_reply.h"
#include "sys/log.h"

enum {
	REPLY_ARENA = 4 * 1024 * 1024,
	OUT_MUCH = 64 * 1024
};

/* -- both ------------------------------------------------------------------ */

/* The administrator has said that it cannot take so much. */
static bool
is_too_big(const struct part *p)
{
	const struct session *s = p->session;
	uint64_t max = p->filter->s->max_size;

	if (max == 0 || s->size <= max)
		return false;
	env_log(s->role->env, ENV_INFO, "filter-too-big",
	    "filter=%s id=%s client=%s size=%llu consequence=accept",
	    p->filter->s->name, s->id, s->client, (unsigned long long)s->size);
	return true;
}

static void
on_stage(struct part *p)
{
	if (p->session->stage != STAGE_END || is_too_big(p)) {
		part_finish(p, HOOK_GO, NULL);
		return;
	}
	p->has_all = false;
	p->http = (struct http_reply){ 0 };
	buf_deinit(&p->reply);
	buf_init(&p->reply, LIMIT_HTTP_CONTENT);
	link_open(p);
}

/* The next chunk when the last one has left; then the filter's time begins. */
static void
go_on(struct part *p)
{
	if (!p->is_asked)
		return;
	if (p->has_all) {
		link_wait(p, p->filter->s->end_timeout);
	} else if (p->out.len < OUT_MUCH) {
		link_wait(p, 0);
		session_want(p->session);
	} else {
		link_wait(p, p->filter->s->timeout);
	}
}

static void
begun(struct part *p, int r)
{
	if (r != BUF_OK) {
		part_fail(p, "what it is asked is too long");
		return;
	}
	link_flush(p);
	go_on(p);
}

static void
on_aborted(struct part *p)
{
	link_close(p);
}

static void
done(struct part *p, unsigned action, const struct verdict *v)
{
	filter_works(p->filter);
	link_close(p);
	part_finish(p, action, v);
}

static void
log_found(struct part *p, const char *what, struct slice name, double score)
{
	struct session *s = p->session;
	char text[LOG_QUOTE];

	env_log(s->role->env, ENV_INFO, "filter-found",
	    "filter=%s id=%s client=%s what=%s name=%s score=%.2f",
	    p->filter->s->name, s->id, s->client, what,
	    log_quote(name, text, sizeof(text)), score);
}

/* -- Rspamd ---------------------------------------------------------------- */

static void
rspamd_connected(struct part *p)
{
	const struct settings_hook *f = p->filter->s;
	struct session *s = p->session;
	size_t cut = slice_find(s->tls, SLICE(" with cipher "));
	struct rspamd_request r = { .id = slice_cstr(s->id),
		.mta = slice_cstr(s->hostname),
		.ip = slice_cstr(s->client),
		.rdns = slice_cstr(s->rdns),
		.helo = slice_cstr(s->helo),
		.from = s->sender,
		.user = s->login,
		.rcpts = s->rcpts,
		.n_rcpts = s->n_rcpts,
		.size = s->size };
	struct buf host;

	if (cut != SIZE_MAX) {
		r.tls_version = slice_upto(s->tls, cut);
		r.cipher = slice_from(s->tls, cut + 13);
	}
	buf_init(&host, 256);
	(void)settings_hook_address_print(f, &host);
	r.host = buf_slice(&host);
	if (!slice_skip(&r.host, SLICE("inet:")))
		r.host = SLICE("localhost");
	begun(p, rspamd_request_print(&r, &p->out));
	buf_deinit(&host);
}

static void
rspamd_chunk(struct part *p)
{
	struct session *s = p->session;

	if (session_feed_section(s) != HOOK_OK) {
		part_fail(p, "the header is too long for it");
		return;
	}
	p->has_all = s->is_last;
	begun(p, buf_add(&p->out, buf_slice(&s->chunk)));
}

static struct verdict
rspamd_verdict(const struct rspamd_reply *r)
{
	struct verdict later =
	    VERDICT(451, 4, 7, 1, "refused for now, please try again later");
	struct verdict no = VERDICT(554, 5, 7, 1, "refused: looks like spam");
	struct verdict v = r->action == RSPAMD_LATER ? later : no;

	if (r->text.len > 0)
		v.text = r->text;
	return v;
}

static bool
apply(struct part *p, const struct rspamd_reply *r)
{
	struct session *s = p->session;

	if (r->n_edits > 0 &&
	    (session_need_header(p) != HOOK_OK ||
		rspamd_reply_apply(r, &s->header) != HOOK_OK))
		return false;
	for (size_t i = 0; i < r->n_envelope; i++)
		if (!session_edit(s, r->envelope[i].what,
			r->envelope[i].address))
			return false;
	return true;
}

static void
rspamd_decide(struct part *p, struct rspamd_reply *r)
{
	struct verdict v = rspamd_verdict(r);

	if (r->action == RSPAMD_REJECT && p->filter->s->quarantines)
		r->action = RSPAMD_QUARANTINE;
	if (r->action != RSPAMD_NO_ACTION)
		log_found(p, "spam", r->text, r->score);
	if (r->action == RSPAMD_LATER || r->action == RSPAMD_REJECT) {
		done(p, HOOK_REFUSE, &v);
	} else if (r->action == RSPAMD_DISCARD) {
		done(p, HOOK_DISCARD, NULL);
	} else if (!apply(p, r)) {
		part_fail(p, "its edits are not legal");
	} else {
		if (r->action == RSPAMD_QUARANTINE)
			session_quarantine(p->session, SLICE("spam"));
		done(p, HOOK_GO, NULL);
	}
}

static void
rspamd_answered(struct part *p)
{
	struct rspamd_reply *r = calloc(1, sizeof(*r));
	struct arena arena;

	arena_init(&arena, REPLY_ARENA);
	if (p->http.code != 200 || !p->has_all)
		part_fail(p, "its HTTP status is not 200");
	else if (r == NULL ||
	    !rspamd_reply_parse(buf_slice(&p->reply), &arena, r))
		part_fail(p, "its reply is not of its form");
	else
		rspamd_decide(p, r);
	arena_reset(&arena);
	free(r);
}

static void
rspamd_input(struct part *p)
{
	struct slice content;
	size_t n;

	do {
		n = http_step(&p->http, buf_slice(&p->in), &content);
		if (content.len > 0 && buf_add(&p->reply, content) != BUF_OK) {
			part_fail(p, "its reply is too long");
			return;
		}
		buf_eat(&p->in, n);
	} while (n > 0);
	if (p->http.state == HTTP_BAD)
		part_fail(p, p->http.why);
	else if (p->http.state == HTTP_DONE)
		rspamd_answered(p);
}

static void
rspamd_ended(struct part *p)
{
	if (!p->is_asked)
		link_close(p);
	else if (http_end(&p->http))
		rspamd_answered(p);
	else
		part_fail(p, "it closed the connection");
}

const struct part_ops rspamd_ops = {
	.stage = on_stage,
	.chunk = rspamd_chunk,
	.connected = rspamd_connected,
	.input = rspamd_input,
	.drained = go_on,
	.ended = rspamd_ended,
	.aborted = on_aborted,
};

/* -- clamd ----------------------------------------------------------------- */

static void
clamd_connected(struct part *p)
{
	begun(p, clamd_begin_print(&p->out));
}

static void
clamd_chunk(struct part *p)
{
	struct session *s = p->session;
	int r = BUF_OK;

	if (s->chunk.len > 0)
		r = clamd_chunk_print(buf_slice(&s->chunk), &p->out);
	if (r == BUF_OK && s->is_last)
		r = clamd_end_print(&p->out);
	p->has_all = s->is_last;
	begun(p, r);
}

static void
clamd_found(struct part *p, struct slice name)
{
	char text[LIMIT_SMTP_REPLY_LINE];
	struct verdict v = VERDICT(554, 5, 7, 1, "");

	log_found(p, "virus", name, 0);
	(void)snprintf(text, sizeof(text), "the message carries a virus: %.*s",
	    SLICE_FMT(name));
	v.text = slice_cstr(text);
	if (!p->filter->s->quarantines) {
		done(p, HOOK_REFUSE, &v);
		return;
	}
	session_quarantine(p->session, v.text);
	done(p, HOOK_GO, NULL);
}

static void
clamd_input(struct part *p)
{
	struct slice text = { 0 };

	switch (clamd_parse(buf_slice(&p->in), &text)) {
	case CLAMD_MORE:
		break;
	case CLAMD_CLEAN:
		/* before it has seen all of it, that is no answer */
		if (p->has_all)
			done(p, HOOK_GO, NULL);
		else
			part_fail(p, "it answers before the end");
		break;
	case CLAMD_FOUND:
		clamd_found(p, text);
		break;
	case CLAMD_ERROR:
		part_fail(p, "it reports an error");
		break;
	case CLAMD_BAD:
		part_fail(p, "its answer is not of its form");
		break;
	}
}

static void
clamd_ended(struct part *p)
{
	if (p->is_asked)
		part_fail(p, "it closed the connection");
	else
		link_close(p);
}

const struct part_ops clamd_ops = {
	.stage = on_stage,
	.chunk = clamd_chunk,
	.connected = clamd_connected,
	.input = clamd_input,
	.drained = go_on,
	.ended = clamd_ended,
	.aborted = on_aborted,
};
