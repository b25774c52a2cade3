/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_talks - what was last said to a server, for reports
 *
 * Each attempt's dialogue is an event, and events are written behind: the
 * report about a refusal is made before they are there. So the last dialogues
 * wait here, the oldest makes room; who finds none here looks into the events,
 * where those of an earlier hour, or of an earlier process, are.
 *
 * Loop only, but for talks_read(), which is for a READ thread. At most
 * TALKS_KEPT of TALK_MAX octets.
 */
#ifndef ROLES_STORE_OUTBOUND_TALKS_H
#define ROLES_STORE_OUTBOUND_TALKS_H

#include "base/buf.h"
#include "base/id.h"
#include "base/list.h"
#include "store/store.h"

enum {
	TALKS_KEPT = 200,
	TALK_MAX = 4096,     /* the end of one, in whole lines */
	TALKS_REPORT = 12288 /* as in BOUNCE_MAKE: three of them */
};

struct talks {
	struct list all; /* oldest first */
	size_t n;
};

void talks_init(struct talks *t);
void talks_deinit(struct talks *t);
/* Of the message, to that route. Lost when there is no memory. */
void talks_keep(struct talks *t, const struct id *message, struct slice route,
    struct slice dialogue);
/* Appends the last one; false: there is none here. */
bool talks_find(const struct talks *t, const struct id *message,
    struct slice route, struct buf *out);
/* The same from the events of the last days; all trouble is "none". */
bool talks_read(struct store *s, const struct id *message, struct slice route,
    struct buf *out);

#endif
