/* SPDX-License-Identifier: ISC */
/*
 * policy/turns - whose turn it is, of the hosts that an operator has named
 *
 * Every mail has a turn, not every connection: connections are kept, and a few
 * fast hosts would have it all. Among the hosts of the best preference each
 * has as many turns as it weighs, spread evenly (smooth weighted round robin).
 * A host that failed is passed by for a minute, and then has one mail until
 * it answers; one that is silent for two seconds gets no more until it does. So
 * a dead host costs a mail now and then, not its share of them. Pure; bounded
 * by HOP_HOSTS.
 */
#ifndef POLICY_TURNS_H
#define POLICY_TURNS_H

#include "base/time.h"
#include "policy/hop.h"

#define TURNS_SHUT TIME_MINUTE          /* after a failure */
#define TURNS_SILENCE (2 * TIME_SECOND) /* and then others have its turns */

struct turns_host {
	int64_t credit;
	int64_t shut_until; /* 0: open */
	int64_t asked;      /* since then there is no answer; 0: there is */
	bool has_failed;
};

struct turns {
	struct turns_host at[HOP_HOSTS];
};

/* The index of the host whose turn it is; n is 1 to HOP_HOSTS. Where none may
 * have it, all may. */
size_t turns_next(struct turns *t, const struct hop_host *hosts, size_t n,
    int64_t now);

/* A connection to it is begun; it speaks; it does not, or not well. */
void turns_ask(struct turns *t, size_t i, int64_t now);
void turns_answer(struct turns *t, size_t i);
void turns_fail(struct turns *t, size_t i, int64_t now);

#endif
