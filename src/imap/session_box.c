/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/session_impl.h"

/* -- SELECT and EXAMINE ------------------------------------------------------
 */

/* A number, which UIDONLY has none of (RFC 9586, 3); IMAP4rev2 neither says
 * it (RFC 9051, appendix E). */
static void
say_unseen(struct imap_session *s)
{
	const struct imap_view *v = &s->view;
	size_t unseen = 0;

	if ((s->enabled & IMAP_ENABLED_UIDONLY) != 0)
		return;
	while (unseen < v->n && (v->rows[unseen].flags & IMAP_SEEN) != 0)
		unseen++;
	if (unseen < v->n)
		imap_printf(s, "* OK [UNSEEN %zu] First unseen\r\n",
		    unseen + 1);
}

/* RFC 9051, 6.3.2: the name as it really is. */
static void
say_name(struct imap_session *s)
{
	struct buf b;

	buf_init(&b, IMAP_WIRE_NAME + 64);
	(void)buf_add_cstr(&b, "* LIST () \"/\" ");
	(void)imap_put_name(s, &b, s->selected);
	(void)buf_add_cstr(&b, "\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static void
say_selected(struct imap_session *s)
{
	s->view.n_told = s->view.n;
	imap_say_flags(s);
	imap_say_exists(s);
	if (!imap_is_rev2(s))
		say_unseen(s);
	imap_printf(s,
	    "* OK [UIDVALIDITY %u] UIDs valid\r\n"
	    "* OK [UIDNEXT %u] Next UID\r\n",
	    s->uidvalidity, s->uidnext);
	imap_say_highest(s);
	imap_printf(s,
	    "* OK [MAILBOXID (F%" PRIx64 ")] Its name may change\r\n",
	    s->mailbox);
	if (imap_is_rev2(s))
		say_name(s);
	if (s->state == IMAP_LOGGED_OUT) /* no memory: it ended above */
		return;
	s->state = IMAP_SELECTED;
	s->done = s->is_read_only ? "OK [READ-ONLY] Selected"
				  : "OK [READ-WRITE] Selected";
	if (s->resync != NULL)
		imap_resync_select(s);
	else
		imap_done(s, s->done);
}

static void
then_first_scan(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		s->then = NULL;
		imap_leave_mailbox(s);
		imap_no(s, a->result);
		return;
	}
	if (s->resync != NULL)
		imap_resync_gone(s, a);
	if (imap_take_rows(s, a) && !a->more)
		say_selected(s);
}

static bool
keep_name(struct imap_session *s, struct slice name)
{
	uint8_t *copy = malloc(name.len);

	if (copy == NULL)
		return false;
	memcpy(copy, name.at, name.len);
	s->selected = slice_of(copy, name.len);
	return true;
}

static void
then_open(struct imap_session *s, const struct imap_answer *a)
{
	struct imap_ask ask = { .what = IMAP_ASK_SCAN };
	const struct imap_box *box = a->boxes;

	if (a->result != IMAP_OK || a->n_boxes != 1) {
		imap_no(s, a->result == IMAP_OK ? IMAP_TROUBLE : a->result);
		return;
	}
	imap_view_init(&s->view, s->config->seed);
	s->view.tells_modseq = (s->enabled & IMAP_ENABLED_CONDSTORE) != 0;
	s->has_view = true;
	s->mailbox = box->mailbox;
	s->uidvalidity = box->uidvalidity;
	s->uidnext = box->uidnext;
	/* Without the store's word, what comes from now on is recent. */
	s->view.recent = box->recent != 0 ? box->recent : box->uidnext;
	s->upto = 0;
	if (!keep_name(s, s->cmd.name)) {
		imap_fatal(s, "Out of memory");
		return;
	}
	if (s->cmd.sync.qresync && s->cmd.sync.uidvalidity == s->uidvalidity) {
		ask.gone_since = s->cmd.sync.modseq;
		if (!imap_resync_begin(s)) {
			imap_leave_mailbox(s);
			return;
		}
	}
	if (!imap_ask(s, &ask, then_first_scan))
		imap_leave_mailbox(s);
}

/* RFC 3501, 6.3.1: the mailbox selected before is left even when this fails. */
void
imap_run_select(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_OPEN, .name = s->cmd.name };

	if (s->cmd.sync.qresync && (s->enabled & IMAP_ENABLED_QRESYNC) == 0) {
		imap_done(s, "BAD QRESYNC is not enabled");
		return;
	}
	if (s->has_view) /* RFC 7162, 3.2.11 */
		imap_say(s, SLICE("* OK [CLOSED] That was the last one\r\n"));
	imap_leave_mailbox(s);
	if (s->cmd.sync.condstore)
		imap_condstore_on(s);
	s->is_read_only = s->cmd.verb == IMAP_EXAMINE;
	ask.read_only = s->is_read_only;
	(void)imap_ask(s, &ask, then_open);
}

void
imap_run_unselect(struct imap_session *s)
{
	imap_leave_mailbox(s);
	imap_done(s, "OK Left");
}

/* -- CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE --------------------------
 */

/* The selected mailbox has another name now. Without memory for it the old
 * one goes on to be thought of, which matters to DELETE alone: that ends with
 * the view's next scan. */
static void
follow_rename(struct imap_session *s)
{
	struct slice old = s->selected;

	if (keep_name(s, s->cmd.to))
		free((void *)(uintptr_t)old.at);
}

static void
then_changed(struct imap_session *s, const struct imap_answer *a)
{
	bool is_mine;

	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		return;
	}
	is_mine = s->has_view && slice_equal(s->cmd.name, s->selected);
	if (s->cmd.verb == IMAP_DELETE && is_mine)
		imap_leave_mailbox(s);
	if (s->cmd.verb == IMAP_RENAME && is_mine &&
	    !slice_equal(s->selected, SLICE("INBOX")))
		follow_rename(s);
	if (s->cmd.verb == IMAP_CREATE && a->mailbox != 0) {
		/* RFC 8474, 4.1 */
		(void)buf_add_cstr(&s->code, "[MAILBOXID ");
		(void)imap_put_mailbox_id(&s->code, a->mailbox);
		(void)buf_add_cstr(&s->code, "] ");
	}
	/* Of a renamed INBOX the mail left. */
	imap_sync_done(s, "OK Done", is_mine);
}

static void
change(struct imap_session *s, enum imap_change what)
{
	struct imap_ask ask = { .what = IMAP_ASK_CHANGE,
		.change = what,
		.name = s->cmd.name,
		.to = s->cmd.to,
		.use = s->cmd.use };

	(void)imap_ask(s, &ask, then_changed);
}

void
imap_run_create(struct imap_session *s)
{
	/* RFC 6154, 3 */
	if (s->cmd.bad_use)
		imap_done(s, "NO [USEATTR] No mailbox can have that use here");
	else
		change(s, IMAP_CHANGE_CREATE);
}

void
imap_run_delete(struct imap_session *s)
{
	change(s, IMAP_CHANGE_DELETE);
}

void
imap_run_rename(struct imap_session *s)
{
	change(s, IMAP_CHANGE_RENAME);
}

void
imap_run_subscribe(struct imap_session *s)
{
	change(s, IMAP_CHANGE_SUBSCRIBE);
}

void
imap_run_unsubscribe(struct imap_session *s)
{
	change(s, IMAP_CHANGE_UNSUBSCRIBE);
}
