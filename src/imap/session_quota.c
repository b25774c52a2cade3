/* SPDX-License-Identifier: ISC */
/*
 * imap/session_quota - GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208)
 *
 * An account has one root, named "", for all its mailboxes: what its admin
 * allows in octets and in messages. What has no limit is not told. Only
 * admins change limits, and not by IMAP: SETQUOTA is refused (QUOTASET is not
 * offered). Owns nothing.
 */
#include <inttypes.h>

#include "imap/quote.h"
#include "imap/session_impl.h"

enum {
	UNIT = 1024 /* STORAGE is in units of so many octets */
};

/* Used: rounded up, so that what is full says so. */
static void
say_quota(struct imap_session *s, const struct imap_quota *q)
{
	const char *sep = "";
	struct buf b;

	buf_init(&b, IMAP_WIRE_NAME + 512);
	(void)buf_add_cstr(&b, "* QUOTA \"\" (");
	if (q->limit_bytes > 0) {
		(void)buf_printf(&b, "STORAGE %" PRIu64 " %" PRIu64,
		    q->used_bytes / UNIT + (q->used_bytes % UNIT != 0),
		    q->limit_bytes / UNIT + (q->limit_bytes % UNIT != 0));
		sep = " ";
	}
	if (q->limit_messages > 0)
		(void)buf_printf(&b, "%sMESSAGE %" PRIu64 " %" PRIu64, sep,
		    q->used_messages, q->limit_messages);
	(void)buf_add_cstr(&b, ")\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static void
then_quota(struct imap_session *s, const struct imap_answer *a)
{
	struct buf b;

	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		return;
	}
	if (s->cmd.verb == IMAP_GETQUOTAROOT) {
		buf_init(&b, IMAP_WIRE_NAME + 64);
		(void)buf_add_cstr(&b, "* QUOTAROOT ");
		(void)imap_put_name(s, &b, s->cmd.name);
		(void)buf_add_cstr(&b, " \"\"\r\n");
		imap_say_buf(s, &b);
		buf_deinit(&b);
	}
	say_quota(s, &a->quota);
	imap_sync_done(s, "OK Done", false);
}

void
imap_run_getquota(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_QUOTA };

	if (s->cmd.text.len > 0)
		imap_done(s, "NO [NONEXISTENT] No such quota root");
	else
		(void)imap_ask(s, &ask, then_quota);
}

/* RFC 9208, 4.1.2: the mailbox need not be there. */
void
imap_run_getquotaroot(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_QUOTA };

	(void)imap_ask(s, &ask, then_quota);
}

void
imap_run_setquota(struct imap_session *s)
{
	imap_done(s, "NO [NOPERM] An admin sets quotas");
}
