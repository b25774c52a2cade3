/* SPDX-License-Identifier: ISC */
/*
 * imap/fake_store - a store in memory and a client's socket, for tests
 *
 * Plays everything an IMAP session asks of its host: one account
 * (alice@one.example, "correct horse"), mailboxes, messages with flags that
 * copies share, modseqs, tombstones. Answers are made when asked and handed
 * over by fake_run, never inside of ask. Several sessions may stand on one
 * store. Only tests and fuzzers use it; it aborts when memory runs out.
 */
#ifndef IMAP_FAKE_STORE_H
#define IMAP_FAKE_STORE_H

#include "imap/session.h"
#include "sasl/fake_keeper.h"

enum {
	FAKE_BOXES = 40,
	FAKE_ENTRIES = 64,
	FAKE_NOTES = 4,
	FAKE_MESSAGES = 128
};

struct fake_message {
	uint8_t *bytes;
	size_t len;
	uint8_t flags;
	char keywords[256];
	int64_t date;
	int zone;
	uint8_t *summary;
	size_t summary_len;
};

struct fake_entry {
	uint32_t uid;
	size_t message;
	bool is_deleted, is_gone;
	uint64_t modseq;
};

struct fake_note { /* entry empty: free */
	char entry[256], value[256];
};

struct fake_box {
	char name[512];
	char use[32];
	bool exists, is_subscribed;
	uint32_t uidvalidity, uidnext, recent;
	struct fake_entry entries[FAKE_ENTRIES];
	size_t n_entries;
	struct fake_note notes[FAKE_NOTES];
	uint64_t left_modseq; /* of what was renamed away or deleted */
	uint64_t floor;       /* what left up to here is forgotten */
};

struct fake_store {
	struct fake_box boxes[FAKE_BOXES];
	size_t n_boxes;
	struct fake_note notes[FAKE_NOTES]; /* of the server */
	struct fake_message messages[FAKE_MESSAGES];
	size_t n_messages;
	uint64_t modseq;
	uint32_t next_validity;
	bool is_down;       /* every question is refused */
	bool fails;         /* every answer is IMAP_TROUBLE */
	bool has_summaries; /* off: readers must parse the bytes */
};

struct fake_answer {
	struct imap_answer a;
	struct imap_box box;
	struct imap_box *boxes;
	struct imap_entry *entries;
	struct imap_range *gone;
	struct imap_pair *pairs;
	struct imap_note *notes;
	struct imap_detail *details;
	struct imap_range *ranges;
	uint8_t *bytes;
};

enum {
	FAKE_ANSWERS = 256
};

enum {
	FAKE_PENDING = 1001
};

struct fake_client {
	struct fake_store *store;
	struct imap_session *session;
	size_t room; /* what the socket takes at once */
	struct buf out;
	struct buf body;      /* APPEND's */
	struct fake_pending { /* messages before the last */
		uint8_t *bytes;
		size_t len;
		uint8_t flags;
		int64_t date;
		int zone;
	} pending[FAKE_PENDING];
	size_t n_pending;
	bool wants_notice;
	bool is_over, wants_tls, is_compressed;
	struct fake_keeper keeper;
	const struct imap_config *config;
	long open; /* index of the mailbox, -1 */
	bool was_changed;
	struct fake_answer answers[FAKE_ANSWERS];
	size_t n_answers, first_answer;
};

void fake_store_init(struct fake_store *f);
void fake_store_deinit(struct fake_store *f);
/* Adds a message; the uid. */
uint32_t fake_store_add(struct fake_store *f, const char *box,
    struct slice bytes, uint8_t flags);
struct fake_box *fake_store_box(struct fake_store *f, struct slice name);
void fake_store_expunge(struct fake_store *f, const char *box, uint32_t uid);
void fake_store_flag(struct fake_store *f, const char *box, uint32_t uid,
    uint8_t flags);

void fake_store_create(struct fake_store *f, struct slice name);
/* Forgets what has left so far. */
void fake_store_trim(struct fake_store *f);

/* `room` bytes fit into the socket at a time. */
void fake_client_init(struct fake_client *c, struct fake_store *f,
    const struct imap_config *config, bool has_tls, size_t room);
void fake_client_deinit(struct fake_client *c);
/* Feeds the bytes, answers what is asked, until nothing moves any more. */
void fake_client_feed(struct fake_client *c, struct slice bytes);
void fake_client_run(struct fake_client *c);

#endif
