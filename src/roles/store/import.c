/* SPDX-License-Identifier: ISC */
/*
 * roles/store/import - mail that the admin puts into a mailbox (IMPORT)
 *
 * Control hands in the bytes as a front does, and says for which account: it is
 * trusted for what the admin may do. Where the mail came from is noted in the
 * transaction that delivers it (import_note), so that the same import run
 * again, after a kill, too, brings nothing twice. What is noted already is
 * answered with code 251 and changes nothing; its bytes are garbage of their
 * segment. The commands around it are import_admin.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/store_role.h"

enum {
	IMPORT_E_THERE = 300 /* apply's own condition */
};

struct import {
	struct deposit d;
	struct asker asker;
	struct delivery delivery;
	struct message_row row;
	struct mailbox_name name;
	struct id source;
	uint32_t validity, uid;
	size_t address_len;
	char address[LIMIT_ADDRESS];
	char keywords[LIMIT_KEYWORDS];
	uint8_t summary[LIMIT_SUMMARY];
};

static int
find_account(struct db *db, struct import *i)
{
	struct address a;
	int r = address_read(db, slice_of(i->address, i->address_len), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &i->delivery.account);
	return r == DB_NONE || r > 0 ? STORE_E_NO_ACCOUNT : ERR_TRACE(r);
}

static int
check_note(struct db *db, const struct import *i)
{
	struct q_import_note_get note;
	int r =
	    DB_ONE(import_note_get, db, &note, .account = i->delivery.account,
		.source = i->source, .validity = i->validity, .uid = i->uid);

	return r == 0 ? IMPORT_E_THERE : r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
find_mailbox(struct db *db, struct import *i)
{
	struct slice name = mailbox_name_slice(&i->name);
	uint64_t account = i->delivery.account;
	struct q_mailbox_by_name box;
	int r =
	    DB_ONE(mailbox_by_name, db, &box, .account = account, .name = name);

	if (r == DB_NONE) {
		r = mailbox_create(db, account, name, i->row.received_at);
		if (r == 0)
			r = mailbox_subscribe(db, account, name, true);
		if (r == 0)
			r = DB_ONE(mailbox_by_name, db, &box,
			    .account = account, .name = name);
	}
	if (r == 0)
		i->delivery.mailbox = box.mailbox;
	return r == DB_NONE ? STORE_E_NO_MAILBOX : r < 0 ? ERR_TRACE(r) : r;
}

static int
apply_import(struct db *db, struct store_write *w)
{
	struct import *i =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write), struct import, d);
	struct delivery *d = &i->delivery;
	int r = message_exists(db, &i->row.id);

	if (r != DB_NONE)
		return ERR_TRACE(r);
	r = find_account(db, i);
	if (r == 0)
		r = check_note(db, i);
	if (r == 0)
		r = find_mailbox(db, i);
	d->size = i->d.append.place.stored_len;
	i->row.place = &i->d.append.place;
	i->row.refs = 1;
	if (r == 0)
		r = mailbox_deliver(db, d);
	if (r == 0)
		r = message_insert(db, &i->row);
	if (r == 0)
		r = DB_EXEC(import_note_put, db, .account = d->account,
		    .source = i->source, .validity = i->validity, .uid = i->uid,
		    .message = i->row.id, .flags = d->flags,
		    .keywords = d->keywords);
	return r < 0 ? ERR_TRACE(r) : r;
}

static struct wire_verdict
verdict_of(int r)
{
	if (r == IMPORT_E_THERE)
		return wire_verdict_make(251, 2, 0, 0, "it is there already");
	if (r == STORE_E_NO_ACCOUNT)
		return wire_verdict_make(550, 5, 1, 1,
		    "there is no such account here");
	if (r == STORE_E_NAME)
		return wire_verdict_make(554, 5, 1, 0,
		    "that is no name for a mailbox");
	return wire_verdict_box(r);
}

static void
import_free(struct import *i)
{
	buf_deinit(&i->d.append.envelope);
	free(i);
}

static void
done_import(struct store_write *w, int r)
{
	struct import *i =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write), struct import, d);
	struct channel *c = asker_channel(&i->asker);
	struct wire_done m = { .id = i->row.id,
		.verdict = verdict_of(r),
		.uidvalidity = i->delivery.uidvalidity,
		.uid = i->delivery.uid };

	store_role_no_room(i->asker.role, r);
	if (c != NULL)
		(void)wire_send_done(c, i->asker.session, i->asker.ticket, &m);
	if (r == 0)
		scan_changed(i->asker.role, i->delivery.account,
		    i->delivery.modseq);
	import_free(i);
}

/* Keywords in the form in which they are kept. */
static bool
set_keywords(struct import *i, struct slice given)
{
	struct buf sorted;
	bool is_ok;

	buf_init(&sorted, LIMIT_KEYWORDS + 1);
	is_ok = keywords_change(SLICE(""), given, FLAGS_SET, &sorted);
	if (is_ok) {
		struct slice s = buf_slice(&sorted);

		if (s.len > 0)
			memcpy(i->keywords, s.at, s.len);
		i->delivery.keywords = slice_of(i->keywords, s.len);
	}
	buf_deinit(&sorted);
	return is_ok;
}

static void
fill(struct import *i, const struct wire_import *m, int64_t now)
{
	struct buf *e = &i->d.append.envelope;

	i->source = m->source;
	i->validity = m->validity;
	i->uid = m->uid;
	i->address_len = m->address.len;
	memcpy(i->address, m->address.at, m->address.len);
	if (m->summary.len > 0)
		memcpy(i->summary, m->summary.at, m->summary.len);
	i->row = (struct message_row){ .id = m->id,
		.received_at = now,
		.summary = slice_of(i->summary, m->summary.len) };
	i->delivery = (struct delivery){ .message = m->id,
		.flags = m->flags,
		.date = m->date == 0 ? now : m->date,
		.zone = m->date == 0 ? 0 : m->zone,
		.saved_at = now,
		.summary = i->row.summary };
	i->d.append.header = (struct segment_header){
		.id = m->id, .time = now, .kind = SEGMENT_APPEND
	};
	buf_init(e, SEGMENT_ENVELOPE_MAX);
	(void)segment_envelope_add(e, SEGMENT_ACCOUNT, m->address);
	(void)segment_envelope_add(e, SEGMENT_MAILBOX, m->mailbox);
	/* As APPEND: of the bulk lane one write goes with each group, and each
	 * mail would wait for a sync of its own. Control bounds how many. */
	i->d.write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_import,
		.done = done_import };
}

int
on_import(struct channel *c, const struct wire_head *h,
    const struct wire_import *m)
{
	struct peer *p = peer_of(c);
	struct body *body = accept_take_body(p, m->body);
	struct import *i = calloc(1, sizeof(*i));
	int r = i == NULL || body == NULL ? -ENOMEM : 0;
	struct wire_done no = { .id = m->id };

	if (i != NULL) {
		i->asker = asker_of(c, h);
		fill(i, m, env_wall(p->role->env));
	}
	if (r == 0 && mailbox_name_read(m->mailbox, &i->name) != 0)
		r = STORE_E_NAME;
	if (r == 0 && !set_keywords(i, m->keywords))
		r = STORE_E_FORBIDDEN;
	if (r == 0) {
		deposit_submit(p->role->store, &i->d, body);
		return 0;
	}
	no.verdict = verdict_of(r);
	body_free(body);
	if (i != NULL)
		import_free(i);
	(void)wire_send_done(c, h->session, h->ticket, &no);
	return 0;
}
