/* SPDX-License-Identifier: ISC */
/*
 * policy/greylist - whoever comes anew is asked to come again
 *
 * A mail from somebody unknown to a recipient is put off; a real mail server
 * tries again, most senders of spam do not. Who: the organisation of the
 * client's confirmed name, or its /24 or /64, so that a retry from another host
 * of the same sender counts. From whom: the organisation of the sender's domain
 * alone, so that a sender address that changes with each mail (VERP,
 * bounces+7f3) is the same sender. To whom: the recipient.
 *
 * Pure: keys and one decision over one row. Keeping the rows is the store's.
 */
#ifndef POLICY_GREYLIST_H
#define POLICY_GREYLIST_H

#include "base/ip.h"
#include "base/limits.h"

enum {
	GREYLIST_TEXT = LIMIT_DOMAIN + 1
};

enum greylist_switch { /* of a domain of ours; stored */
	GREYLIST_AS_SET,
	GREYLIST_ON,
	GREYLIST_OFF
};

struct greylist_key {
	char client[GREYLIST_TEXT]; /* "example.org" or "192.0.2.0/24" */
	char sender[GREYLIST_TEXT]; /* "example.org", or empty: a bounce */
	char rcpt[LIMIT_ADDRESS + 1];
};

/* rdns: the confirmed name, or empty. ASCII is made lower case. */
void greylist_key_make(const struct ip *client, struct slice rdns,
    struct slice sender, struct slice rcpt, struct greylist_key *ret);

struct greylist_limits {
	int64_t delay;    /* a retry before that waits on */
	int64_t window;   /* a retry after that is a first try again */
	int64_t lifetime; /* of what has passed, since it was last seen */
	uint32_t enough;  /* rows of one client that have passed: then all of
			   * its mail does; 0: never */
};

struct greylist_row {
	int64_t first, last; /* wall time, us; first 0: never seen */
	uint32_t passes;     /* mails that it let through */
};

enum {
	GREYLIST_WAIT,  /* *ret_wait us from now */
	GREYLIST_PASS,  /* as before */
	GREYLIST_PASSED /* for the first time: one more row of this client */
};

/* Changes the row to what is to be kept of it. A clock that goes back by more
 * than a moment begins the row anew. */
int greylist_decide(const struct greylist_limits *limits,
    struct greylist_row *row, int64_t now, int64_t *ret_wait);
/* Of no more use. */
bool greylist_is_over(const struct greylist_limits *limits,
    const struct greylist_row *row, int64_t now);

#endif
