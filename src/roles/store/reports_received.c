/* SPDX-License-Identifier: ISC */
/*
 * roles/store/reports_received - mails in which others report about TLS
 *
 * `ulak reports tls received` asks for them one by one, from the newest down:
 * what lies in the inbox that reports.tls_mailbox names, and in no other. The
 * store opens none of them: their bytes go out as they are, in base64, and are
 * read behind walls by the program that asked (cli/reports_received.c).
 *
 * Limits: REPORT_MAIL octets of a mail; a larger one is told without a body.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/err.h"
#include "policy/canon.h"
#include "roles/store/admin_impl.h"
#include "store/segment.h"

enum {
	REPORT_MAIL = LIMIT_REPORT_MAIL,
	PIECE = ADMIN_FIELD / 4 * 3,
	PIECES = 48 /* in one row, beside the other columns */
};

/* The inbox of that address; DB_NONE: there is no such account. */
static int
find_inbox(struct db *db, const char *address, uint64_t *ret_account,
    uint64_t *ret_mailbox)
{
	struct q_mailbox_by_name row;
	struct buf canonical;
	int r;

	buf_init(&canonical, 4 * LIMIT_ADDRESS);
	r = canon_address(slice_cstr(address), true, &canonical) != CANON_OK ||
		account_find(db, buf_slice(&canonical), ret_account) != 0
	    ? DB_NONE
	    : DB_ONE(mailbox_by_name, db, &row, .account = *ret_account,
		  .name = SLICE("INBOX"));
	buf_deinit(&canonical);
	if (r == 0)
		*ret_mailbox = row.mailbox;
	return r;
}

static int
put_body(struct admin_job *j, uint32_t uid, struct slice body)
{
	char text[ADMIN_FIELD];
	int r = 0;

	for (size_t n = 0; body.len > 0; body = slice_from(body, PIECE), n++) {
		struct slice piece = slice_upto(body, PIECE);

		if (n % PIECES == 0) {
			end_row(j);
			r |= put_number(j, "uid", uid);
		}
		r |= put_text(j, "body",
		    slice_of(text, base64_encode(piece, text)));
	}
	end_row(j);
	return r != 0 ? ERR_ORIGIN(-ENOMEM) : 0;
}

/* What the disk has changed is not given out. */
static int
read_body(struct admin_job *j, uint32_t uid, const struct q_entry_place *p)
{
	uint8_t is[SEGMENT_CHECKSUM], *at;
	int r;

	if (p->is_bad || p->stored_len == 0 || p->stored_len > REPORT_MAIL)
		return 0;
	at = malloc((size_t)p->stored_len);
	if (at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r = segment_read(j->asker.role->store, p->segment, p->body, at,
	    (size_t)p->stored_len);
	if (r == 0) {
		struct slice body = slice_of(at, (size_t)p->stored_len);

		segment_checksum(body, is);
		if (slice_equal(p->checksum, slice_of(is, sizeof(is))))
			r = put_body(j, uid, body);
	}
	free(at);
	return ERR_TRACE(r);
}

static int
put_mail(struct db *db, struct admin_job *j, uint64_t account, uint64_t mailbox,
    uint32_t uid)
{
	struct q_entry_scan row;
	struct q_entry_place place;
	struct db_rows rows;
	int r = DB_MANY(entry_scan, db, &rows, .account = account,
	    .mailbox = mailbox, .lo = uid, .hi = uid, .limit = 1);

	if (r != 0)
		return ERR_TRACE(r);
	r = q_entry_scan_next(&rows, &row);
	if (r == 0) {
		r = put_number(j, "uid", uid);
		r |= put_number(j, "date", (uint64_t)row.date);
		r |= put_number(j, "size", row.size);
		end_row(j);
	}
	db_rows_close(&rows);
	if (r == 0)
		r = DB_ONE(entry_place, db, &place, .account = account,
		    .mailbox = mailbox, .uid = uid);
	if (r == 0)
		r = read_body(j, uid, &place);
	return r == DB_NONE ? 0 : ERR_TRACE(r); /* deleted just now */
}

int
tell_received(struct db *db, struct admin_job *j)
{
	const char *address = j->asker.role->settings->reports_tls_mailbox;
	struct q_entry_from_top top;
	struct db_rows rows;
	uint64_t account, mailbox = 0, below = UINT32_MAX;
	int r;

	if (address[0] == '\0') {
		say(j, "reports.tls_mailbox names no mailbox");
		return ACCOUNT_E_VALUE;
	}
	if (arg(j, "below").len > 0 &&
	    (!slice_to_u64(arg(j, "below"), UINT32_MAX, &below) || below == 0))
		return ACCOUNT_E_VALUE;
	r = find_inbox(db, address, &account, &mailbox);
	if (r == DB_NONE) {
		say(j, "reports.tls_mailbox: there is no account %s", address);
		return ACCOUNT_E_ABSENT;
	}
	if (r == 0)
		r = DB_MANY(entry_from_top, db, &rows, .mailbox = mailbox,
		    .hi = (uint32_t)(below - 1));
	if (r != 0)
		return ERR_TRACE(r);
	r = q_entry_from_top_next(&rows, &top);
	db_rows_close(&rows);
	return r == 0 ? ERR_TRACE(put_mail(db, j, account, mailbox, top.uid))
	    : r == DB_NONE ? 0
			   : ERR_TRACE(r);
}
