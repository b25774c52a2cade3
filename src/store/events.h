/* SPDX-License-Identifier: ISC */
/*
 * store/events - lines in the life of a message, written behind
 *
 * Kept in memory until the committer has a moment, then put into one database
 * per day (events/2026-11-23.db) outside the mail transaction and without
 * waiting for the disk: losing the last second of them at a power cut loses no
 * mail. What does not fit is dropped and counted. A day older than
 * store_options.events_keep goes when the first event of another day comes:
 * its file is deleted.
 */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "store/committer.h"

struct events;
struct store;

/* kind: one word, such as "accepted", "delivered", "queued", "attempt",
 * "bounced", "expired". address: canonical, or empty. text: what a person
 * reads, one line; detail: a dialogue or the like, up to 16 KiB. Loop only. */
struct event {
	struct id message;
	int64_t at; /* 0: now */
	const char *kind;
	struct slice address, text, detail;
};
void events_add(struct events *e, const struct event *event);

/* Calls `then` when all that was added so far is where readers find it (or is
 * lost): at once, or from the loop. The caller's until then. Loop only. */
struct events_wait {
	struct list link;
	uint64_t until; /* events.c's */
	void (*then)(struct events_wait *);
};
void events_wait(struct events *e, struct events_wait *w);

/* For trace, in a READ thread: the days there are, newest first, and a reading
 * connection to one of them, which the caller closes. */
enum {
	EVENTS_DAYS_MAX = 400
};
struct events_days {
	size_t n;
	char names[EVENTS_DAYS_MAX][16]; /* "2026-11-23.db" */
};
int events_days(struct store *s, struct events_days *ret);
int events_open_day(struct store *s, const char *name, struct db **ret);

#endif
