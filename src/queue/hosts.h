/* SPDX-License-Identifier: ISC */
/*
 * queue/hosts - mail hosts that several destinations share
 *
 * Thousands of domains have the same mail hosts, and what those bear is theirs,
 * not each domain's. Whoever has looked into the DNS says by a number which
 * set of hosts a destination has (policy/route_set); from then on its attempts
 * count in that set, whose limits hold for all of its destinations and lanes
 * together: attempts at a time, a rate that is set, and what the hosts
 * themselves have said of too much.
 *
 * Part of queue/destination, which alone calls it; a set lives as long as it
 * has members.
 */
#ifndef QUEUE_HOSTS_H
#define QUEUE_HOSTS_H

#include "base/list.h"
#include "base/map.h"
#include "queue/pace.h"

enum {
	HOSTS_LANES = 3 /* as QUEUE_LANES */
};

struct hosts {
	uint64_t key;
	uint32_t n_members, in_flight;
	bool is_pressed; /* it has said that something was too much */
	struct pace pace;
	/* destinations that are ready, and wait for room */
	struct list waiting[HOSTS_LANES];
};

/* Finds or makes it, with one member more. NULL: no memory. */
struct hosts *hosts_join(struct map *sets, uint64_t key);
/* Frees it when nobody is left. */
void hosts_leave(struct map *sets, struct hosts *h);

/* How many attempts at a time, for a member with these limits. */
uint32_t hosts_concurrency(const struct hosts *h, const struct pace_limits *l);
bool hosts_have_room(const struct hosts *h, const struct pace_limits *l);
/* As pace_ready and the others. */
int64_t hosts_ready(const struct hosts *h, const struct pace_limits *l);
void hosts_on_start(struct hosts *h, const struct pace_limits *l, int64_t now);
void hosts_on_taken(struct hosts *h, const struct pace_limits *l, int64_t now);
void hosts_on_pressure(struct hosts *h, enum pace_pressure what, int64_t now);

#endif
