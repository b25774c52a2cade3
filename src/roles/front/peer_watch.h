/* SPDX-License-Identifier: ISC */
/*
 * roles/front/peer_watch - a store that says nothing, and a peer that is gone
 *
 * A store that is stopped, or whose disk stands still, answers nothing: while
 * somebody waits for it, each protocol is asked at every look whether that has
 * lasted too long (conn_proto.look). Looks are counted, not time: a front that
 * did not run itself, because the machine slept, has then missed one.
 *
 * The channel to a store or keeper that died is replaced with its successor.
 * One that ended alone, between two that live, is not: then the front ends
 * itself (LIMIT_PEER_LOST_S), and the next one has all channels.
 */
#ifndef ROLES_FRONT_PEER_WATCH_H
#define ROLES_FRONT_PEER_WATCH_H

#include "roles/front/front.h"

enum {
	PEER_WATCH_LOOK_S = 5
};

struct peer_watch {
	struct front *front;
	struct env_timer look, lost;
	int64_t interval;  /* us between two looks */
	int64_t lost_time; /* us that a peer may be away */
	bool is_store_lost, is_keeper_lost;
	void (*end)(struct role *r); /* after which the role has ended */
};

void peer_watch_init(struct peer_watch *w, struct front *f,
    void (*end)(struct role *r));
void peer_watch_deinit(struct peer_watch *w);
/* A conn waits for the store from now on. */
void peer_watch_asked(struct peer_watch *w);
void peer_watch_lost(struct peer_watch *w, enum wire_role peer);
void peer_watch_found(struct peer_watch *w, enum wire_role peer);

#endif
