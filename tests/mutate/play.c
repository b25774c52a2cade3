/* SPDX-License-Identifier: ISC */
#include "mutate/play.h"

#include <stdlib.h>
#include <string.h>

#include "smtp/xclient.h"

struct table { /* at which a session sits */
	struct play *p;
	const struct play_config *config;
	struct smtp_server s;
	uint64_t random;
	size_t at, end; /* of the step under way, in the stream */
	size_t body_from;
	bool body_is_open;
};

uint64_t
play_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = *state;

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void
must(bool is_so, const char *why)
{
	if (!is_so)
		play_failed(why);
}

static void
note(struct table *t, enum smtp_do what, uint16_t code)
{
	struct play *p = t->p;

	must(p->n_events < PLAY_EVENTS, "asked too often");
	if (code / 100 != 2 && code / 100 != 4 && code / 100 != 5)
		code = 451; /* trouble, whatever it was meant to be */
	p->events[p->n_events++] = (struct play_event){ what, t->at, code };
}

/* -- the world ------------------------------------------------------------- */

static bool
ends_in(const char *text, const char *tail)
{
	return slice_ends_nocase(slice_cstr(text), slice_cstr(tail));
}

static struct verdict
any_mood(struct table *t, struct verdict v)
{
	static const struct verdict moods[] = { { 250, { 2, 0, 0 }, { 0 } },
		{ 451, { 4, 3, 0 }, { (const uint8_t *)"later", 5 } },
		{ 550, { 5, 7, 1 }, { (const uint8_t *)"no\r\n250 yes", 11 } },
		{ 452, { 4, 2, 2 }, { (const uint8_t *)"full", 4 } },
		{ 421, { 4, 7, 0 }, { (const uint8_t *)"leave", 5 } },
		{ 0, { 0, 0, 0 }, { 0 } },
		{ 354, { 0, 0, 0 }, { (const uint8_t *)"go", 2 } } };
	uint64_t r = play_random(&t->random);

	if (r % 100 >= t->config->moody)
		return v;
	return moods[(r >> 32) % (sizeof(moods) / sizeof(moods[0]))];
}

static struct verdict
world_says(struct table *t, enum smtp_do what)
{
	const struct smtp_server *s = &t->s;

	if (what == SMTP_DO_VRFY || what == SMTP_DO_EXPN)
		return ends_in(s->asked, "@one.example")
		    ? VERDICT(250, 2, 1, 5, "")
		    : VERDICT(550, 5, 1, 1, "no such user");
	if (what == SMTP_DO_COMMIT && t->config->commit_fails)
		return VERDICT(451, 4, 3, 0, "disk trouble");
	if (what == SMTP_DO_DATA &&
	    strcmp(s->sender, "silent@one.example") == 0)
		return VERDICT(451, 4, 7, 1, "no data from you now");
	if (what != SMTP_DO_RCPT)
		return VERDICT(250, 2, 0, 0, "");
	if (strcmp(s->rcpt, "nobody@one.example") == 0)
		return VERDICT(550, 5, 1, 1, "no such user");
	if (strchr(s->rcpt, '@') == NULL || ends_in(s->rcpt, "@one.example") ||
	    s->is_authed)
		return VERDICT(250, 2, 1, 5, "");
	return VERDICT(550, 5, 7, 1, "no relaying");
}

static void
say(struct table *t, const struct smtp_effect *e)
{
	struct slice members = e->members, line;

	for (unsigned i = 0; i <= e->n_more; i++)
		must(buf_add(&t->p->out, e->say) == BUF_OK, "says too much");
	while (smtp_server_expn_line(&t->s, &members, &line))
		must(buf_add(&t->p->out, line) == BUF_OK, "says too much");
}

static void
take_body(struct table *t, struct slice body)
{
	struct slice part;

	must(t->body_is_open, "content, but no message");
	while (smtp_server_body_part(&t->s, &body, &part))
		must(buf_add(&t->p->bodies, part) == BUF_OK, "content grows");
}

/* Of LMTP, each recipient. */
static void
commit(struct table *t, struct smtp_effect *e)
{
	struct play *p = t->p;
	struct play_commit *c = &p->commits[p->n_commits++];
	unsigned n_rcpts = t->s.n_rcpts;

	must(p->n_commits < PLAY_COMMITS, "too many mails");
	must(n_rcpts > 0, "a mail for nobody");
	take_body(t, (struct slice){ 0 });
	*c = (struct play_commit){ .end = t->end,
		.from = t->body_from,
		.len = p->bodies.len - t->body_from };
	t->body_is_open = false;
	while (t->s.state == SMTP_WAIT_COMMIT) {
		struct verdict v = any_mood(t, world_says(t, SMTP_DO_COMMIT));

		must(c->n < (t->s.config.kind == SMTP_LMTP ? n_rcpts : 1u),
		    "asks once too often");
		note(t, SMTP_DO_COMMIT, v.code);
		c->codes[c->n++] = p->events[p->n_events - 1].code;
		smtp_server_answer(&t->s, &v, e);
		if (t->s.state == SMTP_WAIT_COMMIT)
			say(t, e);
	}
}

static void
log_in(struct table *t, const struct smtp_effect *asked, bool is_step,
    struct smtp_effect *e)
{
	static const enum smtp_auth_answer answers[] = {
		[SASL_YES] = SMTP_AUTH_YES,
		[SASL_NO] = SMTP_AUTH_NO,
		[SASL_MALFORMED] = SMTP_AUTH_MALFORMED,
	};
	enum sasl_want want;

	must(t->p->keeper.is_there == is_step, "a login within a login");
	if (is_step)
		want = fake_keeper_step64(&t->p->keeper, asked->auth);
	else
		want = fake_keeper_start64(&t->p->keeper,
		    (enum sasl_mechanism)t->s.mechanism, t->s.config.mechanisms,
		    SASL_FOR_SMTP, t->s.has_initial ? &asked->auth : NULL);
	if (want == SASL_SAY)
		smtp_server_challenge(&t->s,
		    fake_keeper_challenge(&t->p->keeper), e);
	else
		smtp_server_answer_auth(&t->s, answers[want], e);
}

static void
answer(struct table *t, enum smtp_do what, struct smtp_effect *e)
{
	struct verdict v = any_mood(t, world_says(t, what));

	if (what == SMTP_DO_CONNECT) {
		v = VERDICT(220, 0, 0, 0, "");
		if (t->config->greeting != 0)
			v.code = t->config->greeting;
	}
	note(t, what, v.code);
	if (what == SMTP_DO_EXPN)
		smtp_server_answer_expn(&t->s, &v,
		    SLICE("alice@one.example\nbob@one.example\n"), e);
	else
		smtp_server_answer(&t->s, &v, e);
}

static void
begin_body(struct table *t)
{
	must(!t->body_is_open, "a message within a message");
	memcpy(t->s.id, "0123456789ABCDEFGHJKMNPQRS", 27);
	t->body_is_open = true;
	t->body_from = t->p->bodies.len;
}

static void
drop_body(struct table *t)
{
	if (t->body_is_open)
		t->p->bodies.len = t->body_from;
	t->body_is_open = false;
}

/* Carries out one effect; true: *e is the next one. */
static bool
act(struct table *t, struct smtp_effect *e)
{
	struct smtp_effect now = *e;

	if (now.begins_body)
		begin_body(t);
	if (now.body.len > 0)
		take_body(t, now.body);
	say(t, &now);
	*e = (struct smtp_effect){ 0 };
	switch ((enum smtp_do)now.todo) {
	case SMTP_DO_NOTHING:
		return false;
	case SMTP_DO_CONNECT:
	case SMTP_DO_HELO:
	case SMTP_DO_VRFY:
	case SMTP_DO_EXPN:
	case SMTP_DO_MAIL:
	case SMTP_DO_RCPT:
	case SMTP_DO_DATA:
		answer(t, (enum smtp_do)now.todo, e);
		return true;
	case SMTP_DO_COMMIT:
		commit(t, e);
		return true;
	case SMTP_DO_AUTH:
		log_in(t, &now, false, e);
		return true;
	case SMTP_DO_AUTH_STEP:
		log_in(t, &now, true, e);
		return true;
	case SMTP_DO_AUTH_ABORT:
		must(t->p->keeper.is_there, "ends a login that is not there");
		t->p->keeper.is_there = false;
		return false;
	case SMTP_DO_DROP_BODY:
		if (t->body_is_open)
			t->p->bodies.len = t->body_from;
		return false;
	case SMTP_DO_DROP:
		drop_body(t);
		return false;
	case SMTP_DO_TLS:
		smtp_server_tls_up(&t->s);
		return false;
	case SMTP_DO_XCLIENT:
		smtp_server_start(&t->s, e);
		return true;
	case SMTP_DO_CLOSE:
		drop_body(t);
		t->p->is_closed = true;
		return false;
	}
	play_failed("an effect that there is not");
}

/* -- the stream ------------------------------------------------------------ */

/* As long as the session eats of what has arrived: a copy of just that, so that
 * ASan guards its edge. */
static void
pump(struct table *t, struct slice arrived, size_t *at)
{
	struct slice rest = slice_from(arrived, *at);
	uint8_t *copy = malloc(rest.len);
	struct smtp_effect e;
	bool is_stuck = false;

	must(copy != NULL, "no memory");
	memcpy(copy, rest.at, rest.len);
	rest.at = copy;
	while (rest.len > 0 && !t->p->is_closed && !is_stuck) {
		size_t n;

		must(smtp_server_wants_input(&t->s), "waits for nothing");
		n = smtp_server_step(&t->s, rest, &e);
		must(n <= rest.len, "eats more than there is");
		t->at = *at;
		t->end = *at + n;
		is_stuck =
		    n == 0 && e.say.len == 0 && e.todo == SMTP_DO_NOTHING;
		while (act(t, &e))
			;
		rest = slice_from(rest, n);
		*at += n;
	}
	free(copy);
}

void
play_run(struct play *p, const struct play_config *config, struct slice stream)
{
	struct table *t = calloc(1, sizeof(*t));
	uint64_t cut = config->seed ^ 0x5bd1e995;
	size_t at = 0, end = 0;
	struct smtp_effect e;

	must(t != NULL, "no memory");
	play_reset(p);
	t->p = p;
	t->config = config;
	t->random = config->seed;
	if (!p->has_keeper)
		fake_keeper_init(&p->keeper);
	p->has_keeper = p->keeper.has_certificate = true;
	p->keeper.is_there = false;
	smtp_server_init(&t->s, &config->server);
	t->s.wall_us = INT64_C(1795413600) * 1000000; /* 2026-11-23 06:00 */
	t->s.n_mails = config->n_mails;
	smtp_server_start(&t->s, &e);
	while (act(t, &e))
		;
	while (end < stream.len && !p->is_closed) {
		size_t n = config->chunk;

		if (n == 0) /* short ones are the interesting ones */
			n = 1 +
			    play_random(&cut) %
				(play_random(&cut) % 3 == 0 ? 2000 : 20);
		end = stream.len - end < n ? stream.len : end + n;
		pump(t, slice_upto(stream, end), &at);
	}
	free(t);
}

void
play_reset(struct play *p)
{
	buf_reset(&p->out, 64 * 1024);
	buf_reset(&p->bodies, 64 * 1024);
	p->n_events = p->n_commits = 0;
	p->is_closed = false;
}
