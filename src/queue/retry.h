/* SPDX-License-Identifier: ISC */
/*
 * queue/retry - what a reply or a failure means for the mail that waits
 *
 * 2yz: the remote has the responsibility. 4yz: later. 5yz: never (RFC 5321,
 * 4.2.1). What says something about the host, not about a recipient, changes
 * the destination only: connections that fail, greetings and EHLO refused,
 * 421 anywhere, words that are no replies.
 *
 * Pure. Texts of remote hosts are cleaned here before they go anywhere else:
 * printable ASCII, one line, bounded.
 */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include "base/buf.h"
#include "base/verdict.h"
#include "queue/schedule.h"

enum retry_kind { /* as QUEUE_* in store/flags.h */
	RETRY_DELIVERED,
	RETRY_TEMPORARY,
	RETRY_PERMANENT
};

enum {
	RETRY_TEXT = 1024 /* as outcome.text */
};

/* Of a reply to one recipient, or of our own verdict about him. A code that is
 * none (0, 354, 999) is temporary: the remote is confused. */
enum retry_kind retry_kind(const struct verdict *v);

/* Enhanced code for a verdict: the remote's if its class fits the reply code
 * (RFC 2034, 4), else X.0.0, else 4.4.2 for no reply at all. */
struct esc retry_esc(const struct verdict *v);

/* Whether the verdict on a recipient says that the host wants nothing now. */
bool retry_is_host_failure(const struct verdict *v);

/* After 452 (too many recipients, RFC 5321 4.5.3.1.10) when others of the same
 * mail were taken: at once, and not counted as an attempt. */
bool retry_is_too_many(const struct verdict *v, bool some_delivered);

/* Appends `text` cleaned, at most max bytes. BUF_*, -ENOMEM. */
int retry_clean(struct buf *out, struct slice text, size_t max);

#endif
