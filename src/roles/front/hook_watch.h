/* SPDX-License-Identifier: ISC */
/*
 * roles/front/hook_watch - whether the role hook still answers this front
 *
 * While a question to the filters is open the role is pinged. It does nothing
 * but hand things on, so that an answer is due at once, however slow a filter
 * is; when several pings' time has passed without one it is taken for lost:
 * what was asked has the consequence that the configuration names, nothing more
 * is asked until it answers again, and sessions begin anew there. A question
 * that it never answers, while it answers pings, ends later, alone.
 *
 * One timer and two numbers a front; nothing runs while nothing is asked.
 */
#ifndef ROLES_FRONT_HOOK_WATCH_H
#define ROLES_FRONT_HOOK_WATCH_H

#include "sys/env.h"
#include "wire/messages.h"

struct front;
struct channel;

struct hook_watch {
	struct front *front;
	struct env_timer timer;
	int64_t interval;  /* us between two looks */
	unsigned n_missed; /* looks since a ping that was not answered */
	uint32_t ticket;   /* of that ping; 0: none is due */
	bool is_silent;    /* for too long */
};

void hook_watch_init(struct hook_watch *w, struct front *f);
/* The channel has ended, or is another one. */
void hook_watch_reset(struct hook_watch *w);
/* Something was asked of it. */
void hook_watch_asked(struct hook_watch *w);
void hook_watch_heard(struct hook_watch *w, uint32_t ticket);
/* To whom filters' questions go; NULL: to nobody just now. */
struct channel *hook_watch_channel(struct front *f);

#endif
