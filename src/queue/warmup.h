/* SPDX-License-Identifier: ISC */
/*
 * queue/warmup - a new source address shows itself little by little
 *
 * Who sends much from an address that nobody knows is taken for a spammer. So
 * an address has a ceiling of mails a day that begins small and grows each day
 * on which it was nearly reached and little was refused or put off; where much
 * was, it stands or is halved. When it has grown to `until`, it is over.
 *
 * Pure: a day is counted from the first one's beginning, and is as long as is
 * said (tests). Times in microseconds.
 */
#ifndef QUEUE_WARMUP_H
#define QUEUE_WARMUP_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WARMUP_ADDRESS_MAX = 64,
	WARMUP_MOST = 10000000,
	/* percent of a day's mails that were refused or put off */
	WARMUP_GOOD = 5, /* at most: it grows */
	WARMUP_BAD = 20, /* more: it is halved */
	WARMUP_USED = 50 /* of the ceiling; with less nothing is learnt */
};

struct warmup {
	char address[WARMUP_ADDRESS_MAX];
	uint32_t first, until, growth; /* growth: percent */
	int64_t day;
	/* state */
	int64_t began;    /* of the present day; 0: nothing was sent yet */
	uint32_t ceiling; /* of that day */
	uint32_t sent, bad;
};

/* Days that are over change the ceiling. */
void warmup_turn(struct warmup *w, int64_t now);
bool warmup_is_over(const struct warmup *w);
/* One more may leave (after warmup_turn). */
bool warmup_may(const struct warmup *w);
/* When the next day begins. */
int64_t warmup_next(const struct warmup *w);
/* One leaves. */
void warmup_send(struct warmup *w, int64_t now);
/* It did not leave after all. */
void warmup_unsend(struct warmup *w);
/* What became of one that left. */
void warmup_heard(struct warmup *w, bool is_bad);

#endif
