/* SPDX-License-Identifier: ISC */
/*
 * A session against any bytes. The first byte chooses kind, chunks and what
 * the world answers. Whole and in pieces it says the same; every reply is
 * lines of CRLF within the limit; bodies never hold a bare CR or LF.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

struct heard {
	uint64_t hash; /* of all that was said */
	size_t n;
	unsigned n_commits;
	uint8_t last; /* byte of the body */
	bool is_closed;
};

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static void
hear(struct heard *h, struct slice say)
{
	struct slice rest = say, line;

	while (rest.len > 0) {
		must(slice_take_crlf_line(&rest, &line));
		must(line.len + 2 <= LIMIT_SMTP_REPLY_LINE);
		must(line.len >= 4 && ascii_is_digit(line.at[0]));
		must(slice_find_byte(line, '\r') == SIZE_MAX);
	}
	for (size_t i = 0; i < say.len; i++)
		h->hash = (h->hash ^ say.at[i]) * UINT64_C(0x100000001b3);
	h->n += say.len;
}

static void
take_body(struct smtp_server *s, struct slice body, struct heard *h)
{
	struct slice part;

	while (smtp_server_body_part(s, &body, &part)) {
		for (size_t i = 0; i < part.len; i++) {
			uint8_t before = h->last;

			h->last = part.at[i];
			must((h->last == '\n') == (before == '\r'));
		}
	}
}

/* What the world says to one thing that is asked of it. */
static void
answer(struct smtp_server *s, const struct smtp_effect *now, uint8_t mood,
    const struct verdict *v, struct heard *h, struct smtp_effect *ret)
{
	const struct verdict yes = VERDICT(250, 2, 0, 0, "");

	switch ((enum smtp_do)now->todo) {
	case SMTP_DO_CONNECT:
		smtp_server_answer(s, &yes, ret);
		break;
	case SMTP_DO_HELO:
	case SMTP_DO_VRFY:
	case SMTP_DO_DATA:
		smtp_server_answer(s, v, ret);
		break;
	case SMTP_DO_EXPN:
		smtp_server_answer_expn(s, v,
		    SLICE("a@b.example\n\xc3\xa9@b.example\n"), ret);
		break;
	case SMTP_DO_MAIL:
	case SMTP_DO_RCPT:
		must(s->sender[0] == '\0' ||
		    smtp_address_is_valid(slice_cstr(s->sender)));
		smtp_server_answer(s, v, ret);
		break;
	case SMTP_DO_COMMIT:
		take_body(s, (struct slice){ 0 }, h);
		h->n_commits++;
		smtp_server_answer(s, v, ret);
		while (s->state == SMTP_WAIT_COMMIT) { /* LMTP */
			hear(h, ret->say);
			smtp_server_answer(s, v, ret);
		}
		break;
	case SMTP_DO_AUTH:
		must(s->mechanism < N_SASL_MECHANISMS);
		if (!s->has_initial && mood % 2 == 0) {
			smtp_server_challenge(s, SLICE("say on"), ret);
			break;
		}
		smtp_server_answer_auth(s, (enum smtp_auth_answer)(mood % 4),
		    ret);
		break;
	case SMTP_DO_AUTH_STEP:
		smtp_server_answer_auth(s,
		    (enum smtp_auth_answer)(now->auth.len % 4), ret);
		break;
	case SMTP_DO_TLS:
		smtp_server_tls_up(s);
		break;
	case SMTP_DO_XCLIENT:
		smtp_server_start(s, ret);
		break;
	case SMTP_DO_CLOSE:
		h->is_closed = true;
		break;
	default:
		break;
	}
}

/* The world's answer to whatever is asked; more may follow from it. */
static void
act(struct smtp_server *s, struct smtp_effect e, uint8_t mood, struct heard *h)
{
	const struct verdict moods[] = { VERDICT(250, 2, 0, 0, ""),
		VERDICT(550, 5, 1, 1, "no\r\n250 yes"),
		VERDICT(451, 4, 3, 0, "later"), { 0 } };
	struct verdict v = moods[s->rcpt[0] % 2 == 0 ? mood % 4 : 0];

	for (;;) {
		struct smtp_effect now = e;
		struct slice line;

		if (now.begins_body) {
			h->last = 0;
			smtp_trace_add_if_missing(&s->trace,
			    SLICE("Date: x\r\n"), SLICE("Message-ID: x\r\n"));
		}
		if (now.body.len > 0)
			take_body(s, now.body, h);
		for (unsigned i = 0; i <= now.n_more; i++)
			hear(h, now.say);
		while (smtp_server_expn_line(s, &now.members, &line))
			hear(h, line);
		e = (struct smtp_effect){ 0 };
		answer(s, &now, mood, &v, h, &e);
		if (e.say.len == 0 && e.members.len == 0 &&
		    e.todo == SMTP_DO_NOTHING)
			return;
	}
}

/* As the front does: what is not eaten stays in front of what comes. */
static struct heard
converse(struct slice in, uint8_t mood, size_t chunk)
{
	struct smtp_server_config config = { .kind =
						 (enum smtp_kind)(mood / 4 % 4),
		.hostname = "here.example",
		.max_size = 1000,
		.can_tls = (mood & 16) != 0,
		.plain_auth = (mood & 32) != 0,
		.may_xclient = (mood & 64) != 0,
		.vrfy = SMTP_TOLD_YES,
		.expn = SMTP_TOLD_YES,
		.mechanisms = SASL_MASK_ALL };
	struct smtp_server *s = malloc(sizeof(*s));
	struct heard h = { .hash = 1 };
	struct smtp_effect e;
	size_t end = 0, at = 0;

	must(s != NULL);
	smtp_server_init(s, &config);
	smtp_server_start(s, &e);
	act(s, e, mood, &h);
	while (end < in.len && !h.is_closed) {
		end = in.len - end < chunk ? in.len : end + chunk;
		while (at < end && !h.is_closed) {
			size_t n = smtp_server_step(s,
			    slice_of(in.at + at, end - at), &e);
			bool is_stuck = n == 0 && e.say.len == 0 &&
			    e.todo == SMTP_DO_NOTHING;

			act(s, e, mood, &h);
			at += n;
			if (is_stuck)
				break;
		}
	}
	free(s);
	return h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct heard whole, pieces, cut;
	struct slice in;

	if (n < 1)
		return 0;
	in = slice_of(at + 1, n - 1);
	whole = converse(in, at[0], SIZE_MAX);
	pieces = converse(in, at[0], 1);
	cut = converse(in, at[0], 2 + n % 61);
	/* A line without end is cut off at a place that depends on the chunks;
	 * inputs of a test are shorter than that. */
	if (n < LIMIT_SMTP_AUTH_LINE)
		must(whole.hash == pieces.hash && whole.n == pieces.n &&
		    whole.n_commits == pieces.n_commits &&
		    whole.hash == cut.hash && whole.n == cut.n &&
		    whole.n_commits == cut.n_commits);
	return 0;
}
