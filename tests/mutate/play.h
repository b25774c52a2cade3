/* SPDX-License-Identifier: ISC */
/*
 * mutate/play - a stream of bytes against the pure SMTP session
 *
 * The world behind the session is that of the transcripts (alice and bob at
 * one.example, a fake keeper), and now and then it answers at random. What it
 * was asked, where in the stream, and what it said stands in `events`: the
 * referee holds the replies against it. Used by mutate_smtp alone.
 */
#ifndef MUTATE_PLAY_H
#define MUTATE_PLAY_H

#include "base/buf.h"
#include "sasl/fake_keeper.h"
#include "smtp/server.h"

enum {
	PLAY_STREAM = 48 * 1024, /* no line is cut off by LIMIT_SMTP_JUNK */
	PLAY_EVENTS = 4096,
	PLAY_COMMITS = 512
};

struct play_config {
	struct smtp_server_config server;
	uint16_t greeting; /* 0: 220 */
	unsigned n_mails;
	bool commit_fails;
	uint64_t seed;
	unsigned moody; /* of 100 answers so many are random */
	unsigned chunk; /* at most so many bytes at once; 0: any number */
};

struct play_event {
	enum smtp_do what;
	size_t at; /* where in the stream the command begins */
	uint16_t code;
};

struct play_commit {
	size_t end;       /* of the stream, behind the message */
	size_t from, len; /* in bodies */
	unsigned n;
	uint16_t codes[LIMIT_LMTP_RCPTS];
};

struct play {
	struct buf out, bodies;
	struct play_event events[PLAY_EVENTS];
	size_t n_events;
	struct play_commit commits[PLAY_COMMITS];
	size_t n_commits;
	bool is_closed;
	/* its keys take milliseconds to make: it serves all sessions */
	struct fake_keeper keeper;
	bool has_keeper;
};

/* Ends the process with `play_failed` when the session breaks its contract. */
void play_run(struct play *p, const struct play_config *config,
    struct slice stream);
void play_reset(struct play *p);

uint64_t play_random(uint64_t *state);

/* The caller's: says where it was, and exits. */
void play_failed(const char *why) __attribute__((noreturn));

#endif
