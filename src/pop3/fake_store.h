/* SPDX-License-Identifier: ISC */
/*
 * pop3/fake_store - a maildrop in memory and a client's socket, for tests
 *
 * One account (alice@one.example, "correct horse") with four messages; the
 * last has bare LFs and no line end. Answers are handed over by fake_pop3_run,
 * never inside of ask. Tests and fuzzers only.
 */
#ifndef POP3_FAKE_STORE_H
#define POP3_FAKE_STORE_H

#include "pop3/session.h"
#include "sasl/fake_keeper.h"

enum {
	FAKE_POP3_MESSAGES = 4,
	FAKE_POP3_ANSWERS = 8
};

struct fake_pop3 {
	struct pop3_session *session;
	struct pop3_config config;
	struct buf out;
	size_t room;
	bool is_over, wants_tls;
	struct fake_keeper keeper;
	bool is_down, fails, is_in_use; /* the weather */
	bool is_open;
	bool removed[FAKE_POP3_MESSAGES];
	struct pop3_row rows[FAKE_POP3_MESSAGES];
	struct pop3_answer answers[FAKE_POP3_ANSWERS];
	size_t n_answers, first_answer;
};

extern const char *const fake_pop3_messages[FAKE_POP3_MESSAGES];

/* Sets config before: hostname and so on. */
void fake_pop3_init(struct fake_pop3 *f, bool has_tls);
void fake_pop3_deinit(struct fake_pop3 *f);
void fake_pop3_feed(struct fake_pop3 *f, struct slice bytes);
void fake_pop3_run(struct fake_pop3 *f);

#endif
