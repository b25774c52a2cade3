/* SPDX-License-Identifier: ISC */
/*
 * imap/session_status - STATUS, and names of mailboxes as they go out
 *
 * One table of the items (RFC 9051, 6.3.11; 7162, 7889, 8438, 8474): LIST's
 * STATUS (RFC 5819) says the same. The counts are the store's rows; nothing
 * here looks at the view.
 */
#include <inttypes.h>

#include "base/limits.h"
#include "imap/quote.h"
#include "imap/session_impl.h"
#include "imap/utf7.h"

/* RFC 6855, 3: with UTF8=ACCEPT, and in IMAP4rev2, names go as they are. */
bool
imap_has_utf8_names(const struct imap_session *s)
{
	return (s->enabled & (IMAP_ENABLED_UTF8 | IMAP_ENABLED_REV2)) != 0;
}

/* What an atom could be is one; a name with octets of UTF-8 is quoted. */
static int
put_utf8_name(struct buf *b, struct slice name)
{
	bool is_plain = true;

	for (size_t i = 0; i < name.len && is_plain; i++)
		is_plain = name.at[i] < 0x80;
	if (is_plain)
		return imap_put_astring(b, name);
	(void)buf_add_byte(b, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '"' || name.at[i] == '\\')
			(void)buf_add_byte(b, '\\');
		(void)buf_add_byte(b, name.at[i]);
	}
	return buf_add_byte(b, '"');
}

int
imap_put_name(const struct imap_session *s, struct buf *b, struct slice name)
{
	uint8_t wire[IMAP_WIRE_NAME];
	size_t n;

	if (imap_has_utf8_names(s))
		return put_utf8_name(b, name);
	if (!imap_utf7_encode(name, wire, sizeof(wire), &n))
		return imap_put_astring(b, SLICE("?"));
	return imap_put_astring(b, slice_of(wire, n));
}

int
imap_put_mailbox_id(struct buf *b, uint64_t mailbox)
{
	return buf_printf(b, "(F%" PRIx64 ")", mailbox);
}

/* About: not all of these need still be there. */
static uint32_t
guess_recent(const struct imap_box *box)
{
	uint32_t n = box->recent == 0 || box->uidnext < box->recent
	    ? 0
	    : box->uidnext - box->recent;

	return n < box->messages ? n : box->messages;
}

static void
put_items(struct imap_session *s, struct buf *b, const struct imap_box *box)
{
	const struct {
		const char *name;
		unsigned bit;
		uint64_t value;
	} items[] = {
		{ "MESSAGES", IMAP_STATUS_MESSAGES, box->messages },
		{ "RECENT", IMAP_STATUS_RECENT, guess_recent(box) },
		{ "UIDNEXT", IMAP_STATUS_UIDNEXT, box->uidnext },
		{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY, box->uidvalidity },
		{ "UNSEEN", IMAP_STATUS_UNSEEN, box->unseen },
		{ "DELETED", IMAP_STATUS_DELETED, box->deleted },
		{ "DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE,
		    box->deleted_size },
		{ "SIZE", IMAP_STATUS_SIZE, box->size },
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, box->modseq },
		{ "APPENDLIMIT", IMAP_STATUS_APPENDLIMIT, s->config->max_size },
	};
	const char *sep = "";

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if ((s->cmd.status & items[i].bit) == 0)
			continue;
		(void)buf_printf(b, "%s%s %" PRIu64, sep, items[i].name,
		    items[i].value);
		sep = " ";
	}
	if ((s->cmd.status & IMAP_STATUS_MAILBOXID) != 0) {
		(void)buf_printf(b, "%sMAILBOXID ", sep);
		(void)imap_put_mailbox_id(b, box->mailbox);
	}
}

void
imap_say_status(struct imap_session *s, const struct imap_box *box)
{
	struct buf b;

	buf_init(&b, IMAP_WIRE_NAME + 1024);
	(void)buf_add_cstr(&b, "* STATUS ");
	(void)imap_put_name(s, &b, box->name);
	(void)buf_add_cstr(&b, " (");
	put_items(s, &b, box);
	(void)buf_add_cstr(&b, ")\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static void
then_status(struct imap_session *s, const struct imap_answer *a)
{
	struct imap_box box;

	if (a->result != IMAP_OK || a->n_boxes != 1) {
		imap_no(s, a->result == IMAP_OK ? IMAP_TROUBLE : a->result);
		return;
	}
	if ((s->cmd.status & IMAP_STATUS_HIGHESTMODSEQ) != 0)
		imap_condstore_on(s);
	box = a->boxes[0];
	box.name = s->cmd.name;
	imap_say_status(s, &box);
	imap_sync_done(s, "OK Done", false);
}

void
imap_run_status(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_STATUS,
		.name = s->cmd.name,
		.sums_deleted =
		    (s->cmd.status & IMAP_STATUS_DELETED_STORAGE) != 0 };

	(void)imap_ask(s, &ask, then_status);
}
