/* SPDX-License-Identifier: ISC */
/*
 * queue/fair - whose mail is next within a destination
 *
 * Tenants (the domains of senders) take turns, and within a tenant its senders
 * do: who has fifty thousand mails for a host does not delay another's single
 * one. A row carries its flow, two hashes in one number, so that an index can
 * lead to the rows of each tenant and of each sender (queue.flow). Two that
 * share a hash share a turn, and nothing else.
 *
 * Pure; called in threads as well.
 */
#ifndef QUEUE_FAIR_H
#define QUEUE_FAIR_H

#include "base/slice.h"

struct queue_row;

enum {
	FAIR_SENDER_BITS = 32 /* above them, 31 bits: the tenant */
};

/* Of an address, in whatever case; 0 for the null sender. */
int64_t fair_flow(struct slice sender);
/* Of a domain: what flows of its senders have above FAIR_SENDER_BITS. */
int64_t fair_tenant(struct slice domain);

/* Puts rows in the order in which they are to go: the highest priority first,
 * then by turns; rows of one sender stay in the order they came in, and what
 * follows of the same message takes no turn of its own. 0, or -ENOMEM: the
 * rows are as they were. */
int fair_order(struct queue_row *rows, size_t n);

#endif
