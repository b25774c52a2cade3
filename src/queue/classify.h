/* SPDX-License-Identifier: ISC */
/*
 * queue/classify - what kind of trouble a reply speaks of
 *
 * A class is for people and for what is counted: it says whether a list should
 * forget an address, whether the sender's own name is in doubt, whether to slow
 * down. It decides neither whether a mail is tried again nor whether it
 * comes back: that is the reply code's (queue/retry).
 *
 * Read in this order: words that are surer than any code (many servers say
 * 5.7.1 of everything), the enhanced code (RFC 3463, 7372, 8689 and the
 * registry), words that only hint, the reply code. Words are those that the
 * large providers and the common servers use. The remote is hostile: what it
 * says about itself cannot do more than name a class.
 *
 * Pure; allocates nothing.
 */
#ifndef QUEUE_CLASSIFY_H
#define QUEUE_CLASSIFY_H

#include "base/verdict.h"

enum reply_class {
	REPLY_OTHER,
	REPLY_UNKNOWN_USER, /* no such mailbox, or one that is switched off */
	REPLY_MAILBOX_FULL,
	REPLY_POLICY,  /* spam, block lists, greylists, relaying */
	REPLY_CONTENT, /* size, form, attachments, viruses, 8-bit */
	REPLY_NETWORK, /* no connection, or the host wants nothing now */
	REPLY_DNS,     /* the domain, its hosts, null MX */
	REPLY_TLS,
	REPLY_AUTH, /* who sends it: logins, SPF, DKIM, DMARC, reverse names */
	REPLY_RATE, /* too much, too fast */
	REPLY_CLASSES
};

/* Of a refusal or of our own verdict; of success REPLY_OTHER. */
enum reply_class reply_classify(const struct verdict *v);

/* "unknown-user" and so on, as commands and events show it. */
const char *reply_class_name(enum reply_class c);
/* False: there is no class of that name. */
bool reply_class_parse(struct slice name, enum reply_class *ret);

/* A sentence for the sender: what has happened. */
const char *reply_class_meaning(enum reply_class c);
/* One or two more: what he can do. */
const char *reply_class_advice(enum reply_class c);

#endif
