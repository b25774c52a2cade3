/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "pop3/fake_store.h"

enum {
	ROOM = 5000
};

const char *const fake_pop3_messages[FAKE_POP3_MESSAGES] = {
	"Subject: one\r\n\r\nfirst\r\n.hidden\r\n..\r\nlast\r\n",
	"Subject: two\r\n\r\n",
	"Subject: three\r\n\r\na\r\nb\r\nc\r\n\r\nd\r\n",
	"Subject: four\n\nbare\n.\nend",
};

static struct pop3_answer *
new_answer(struct fake_pop3 *f, enum pop3_question what)
{
	struct pop3_answer *a;

	if (f->n_answers == FAKE_POP3_ANSWERS)
		abort();
	a = &f->answers[(f->first_answer + f->n_answers++) % FAKE_POP3_ANSWERS];
	memset(a, 0, sizeof(*a));
	a->what = what;
	if (f->fails)
		a->result = POP3_TROUBLE;
	return a;
}

static void
ask_scan(struct fake_pop3 *f, struct pop3_answer *a)
{
	memset(f->rows, 0, sizeof(f->rows));
	for (uint32_t i = 0; i < FAKE_POP3_MESSAGES; i++) {
		struct pop3_row *row = &f->rows[a->n_rows];

		if (f->removed[i])
			continue;
		a->n_rows++;
		row->uid = i + 1;
		row->size = (uint32_t)strlen(fake_pop3_messages[i]);
		row->id.bytes[0] = 1;
		row->id.bytes[15] = (uint8_t)i;
	}
	a->rows = f->rows;
}

static void
ask_body(struct fake_pop3 *f, const struct pop3_ask *ask, struct pop3_answer *a)
{
	struct slice all = slice_cstr(fake_pop3_messages[ask->uid - 1]);

	all = slice_upto(slice_from(all, (size_t)ask->offset),
	    (size_t)ask->length);
	a->bytes = slice_upto(all, all.len / 2);
	a->more = true;
	a = new_answer(f, ask->what);
	a->bytes = slice_from(all, all.len / 2);
}

static void
ask_auth(struct fake_pop3 *f, const struct pop3_ask *ask, struct pop3_answer *a)
{
	static const enum pop3_result results[] = {
		[SASL_SAY] = POP3_CHALLENGE,
		[SASL_YES] = POP3_OK,
		[SASL_NO] = POP3_REFUSED,
		[SASL_MALFORMED] = POP3_MALFORMED,
	};
	enum sasl_want want;

	if (f->keeper.is_there != (ask->what == POP3_ASK_RESPOND))
		abort();
	want = ask->what == POP3_ASK_RESPOND
	    ? fake_keeper_step64(&f->keeper, ask->bytes)
	    : fake_keeper_start64(&f->keeper, ask->mechanism,
		  f->config.mechanisms, SASL_FOR_POP3,
		  ask->has_initial ? &ask->bytes : NULL);
	a->result = results[want];
	if (want == SASL_SAY)
		a->bytes = fake_keeper_challenge(&f->keeper);
}

static void
answer(struct fake_pop3 *f, const struct pop3_ask *ask, struct pop3_answer *a)
{
	if (ask->what == POP3_ASK_LOGIN &&
	    (!slice_equal(ask->user, SLICE("alice@one.example")) ||
		!slice_equal(ask->secret, SLICE("correct horse"))))
		a->result = POP3_REFUSED;
	if (ask->what == POP3_ASK_AUTH || ask->what == POP3_ASK_RESPOND)
		ask_auth(f, ask, a);
	if (ask->what == POP3_ASK_OPEN)
		a->result = f->is_in_use ? POP3_IN_USE : POP3_OK;
	if (ask->what == POP3_ASK_OPEN && !f->is_in_use)
		f->is_open = true;
	if (ask->what == POP3_ASK_SCAN)
		ask_scan(f, a);
	if (ask->what == POP3_ASK_BODY)
		ask_body(f, ask, a);
	for (size_t i = 0; ask->what == POP3_ASK_EXPUNGE && i < ask->n_uids;
	     i++)
		f->removed[ask->uids[i] - 1] = true;
}

static bool
host_ask(void *ctx, const struct pop3_ask *ask)
{
	struct fake_pop3 *f = ctx;
	struct pop3_answer *a;

	if (f->is_down)
		return false;
	if (ask->what == POP3_ASK_CLOSE) {
		f->is_open = false;
		return true;
	}
	if (ask->what == POP3_ASK_ABORT) {
		if (!f->keeper.is_there)
			abort();
		f->keeper.is_there = false;
		return true;
	}
	a = new_answer(f, ask->what);
	if (!f->fails)
		answer(f, ask, a);
	return true;
}

static size_t
host_room(void *ctx)
{
	return ((struct fake_pop3 *)ctx)->room;
}

static void
host_say(void *ctx, struct slice bytes)
{
	struct fake_pop3 *f = ctx;

	if (bytes.len > f->room || buf_add(&f->out, bytes) != BUF_OK)
		abort();
	f->room -= bytes.len;
}

static void
host_start_tls(void *ctx)
{
	((struct fake_pop3 *)ctx)->wants_tls = true;
}

static void
host_end(void *ctx)
{
	((struct fake_pop3 *)ctx)->is_over = true;
}

static const struct pop3_host host = { host_room, host_say, host_ask,
	host_start_tls, host_end };

void
fake_pop3_init(struct fake_pop3 *f, bool has_tls)
{
	buf_init(&f->out, 16 * 1024 * 1024);
	fake_keeper_init(&f->keeper);
	f->keeper.has_certificate = true;
	f->room = ROOM;
	f->session = pop3_session_new(&host, f, &f->config);
	if (f->session == NULL)
		abort();
	pop3_session_start(f->session, has_tls);
}

void
fake_pop3_deinit(struct fake_pop3 *f)
{
	pop3_session_free(f->session);
	buf_deinit(&f->out);
}

void
fake_pop3_run(struct fake_pop3 *f)
{
	bool was_moved = true;

	while (was_moved) {
		was_moved = false;
		if (f->room < ROOM) {
			f->room = ROOM;
			pop3_session_pump(f->session);
			was_moved = f->room < ROOM;
		}
		if (f->n_answers > 0) {
			struct pop3_answer a =
			    f->answers[f->first_answer++ % FAKE_POP3_ANSWERS];

			f->n_answers--;
			pop3_session_answer(f->session, &a);
			was_moved = true;
		}
	}
}

void
fake_pop3_feed(struct fake_pop3 *f, struct slice bytes)
{
	while (bytes.len > 0) {
		size_t n = pop3_session_input(f->session, bytes);

		bytes = slice_from(bytes, n);
		fake_pop3_run(f);
		if (n == 0 && pop3_session_is_busy(f->session))
			return;
	}
}
