/* SPDX-License-Identifier: ISC */
/*
 * imap/thread - who answers whom (RFC 5256, 3: THREAD)
 *
 * Messages go in, in the order of the mailbox, as hashes of their Message-ID
 * and of what they refer to; a forest comes out, printed as IMAP wants it.
 * Whatever the references say, also rings of them, the result is a forest with
 * each message once. Pure; nothing recurses; work is bounded by the number of
 * messages and references, but for the search for rings, which has a limit of
 * its own: beyond it a link is as if it would close one.
 */
#ifndef IMAP_THREAD_H
#define IMAP_THREAD_H

#include "base/buf.h"
#include "base/map.h"

struct thread_message {
	uint64_t id;                /* 0: none */
	const uint64_t *references; /* oldest first */
	size_t n_references;
	int64_t sent;
	struct slice subject; /* base subject, case folded */
	bool is_reply;        /* or a forward */
	uint32_t number;      /* said for it */
};

struct thread_node {
	uint32_t parent, first, last, next;
	uint32_t message; /* THREAD_NONE: a dummy */
	uint32_t n_children;
};

enum {
	THREAD_NONE = UINT32_MAX
};

struct threads {
	const struct thread_message *messages;
	struct thread_node *nodes;
	size_t n, size;
	struct map index;     /* id -> node, plus 1, as a pointer */
	uint32_t first, last; /* of the threads themselves */
	uint64_t n_steps;     /* of the search for rings */
	uint32_t at;          /* where printing goes on */
	bool is_begun;
};

void threads_init(struct threads *t, const uint8_t seed[MAP_SEED]);
void threads_deinit(struct threads *t);
/* The messages stay the caller's, and must stay. 0 or -ENOMEM. */
int threads_by_references(struct threads *t,
    const struct thread_message *messages, size_t n);
int threads_by_subject(struct threads *t, const struct thread_message *messages,
    size_t n);
/* "(2)(3 6 (4 23)(44 7 96))", at most so many messages of it. False: that was
 * the last. b->lost: no memory. */
bool threads_print(struct threads *t, size_t most, struct buf *b);

#endif
