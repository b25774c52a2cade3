/* SPDX-License-Identifier: ISC */
/*
 * imap/notify - what a client wants to hear of unasked (RFC 5465)
 *
 * NOTIFY's arguments, kept as long as they hold: groups of events, each for
 * some mailboxes. Owns a copy of the text it was read from and an arena for
 * what was made of it. The session's part is session_notify.c.
 */
#ifndef IMAP_NOTIFY_H
#define IMAP_NOTIFY_H

#include "imap/command.h"

enum {
	NOTIFY_NEW = 1,
	NOTIFY_EXPUNGE = 2,
	NOTIFY_FLAG = 4,
	NOTIFY_NAME = 8,
	NOTIFY_SUBSCRIPTION = 16,
	NOTIFY_OTHER = 32, /* one that is not known here */
	NOTIFY_MESSAGE_EVENTS = NOTIFY_NEW | NOTIFY_EXPUNGE | NOTIFY_FLAG
};

enum notify_filter {
	NOTIFY_SELECTED,
	NOTIFY_DELAYED, /* SELECTED-DELAYED */
	NOTIFY_INBOXES,
	NOTIFY_PERSONAL,
	NOTIFY_SUBSCRIBED,
	NOTIFY_SUBTREE,
	NOTIFY_MAILBOXES
};

struct notify_group {
	enum notify_filter filter;
	struct slice *names;
	size_t n_names;
	unsigned events;
	bool has_fetch;
	struct imap_fetch_args fetch; /* of MessageNew */
};

struct notify_set {
	bool is_none, wants_status;
	struct notify_group *groups;
	size_t n;
};

/* "SET ..." or "NONE", to the end: IMAP_COMMAND_*. */
int imap_notify_read(struct imap_in *in, struct notify_set *ret);

/* All events that are wanted of a mailbox which is not the selected one. */
unsigned imap_notify_events(const struct notify_set *set, struct slice name,
    bool is_subscribed);
/* The group for the selected mailbox; NULL: nothing is wanted of it. */
const struct notify_group *imap_notify_selected(const struct notify_set *set);
bool imap_notify_has_unknown(const struct notify_set *set);

#endif
