/* SPDX-License-Identifier: ISC */
/*
 * store/message - rows of messages, their references, the queue's new rows
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "mail/summary.h"
#include "queue/fair.h"
#include "store/store.h"
#include "store/terms.h"

enum {
	ROW_BLOCK = 256
};

int
message_exists(struct db *db, const struct id *id)
{
	struct q_message_exists row;

	return DB_ONE(message_exists, db, &row, .id = *id);
}

/* The columns are hints of another process, bounded by summary_columns_read;
 * header_len is checked against what is really there. */
static void
set_columns(struct q_message_insert_in *in, struct slice summary)
{
	struct summary_columns c;
	const struct slice none = SLICE("");

	in->base_subject = in->first_from = in->first_to = in->first_cc = none;
	if (!summary_columns_read(summary, &c))
		return;
	in->header_len =
	    c.header_len <= in->stored_len && c.header_len <= UINT32_MAX
	    ? (uint32_t)c.header_len
	    : 0;
	in->attributes = c.flags;
	in->sent_at = c.sent_us;
	in->sent_zone = c.sent_zone;
	in->base_subject = c.base_subject;
	in->first_from = c.first_from;
	in->first_to = c.first_to;
	in->first_cc = c.first_cc;
	in->msgid_hash = (int64_t)c.message_id;
}

uint32_t
message_attributes(struct slice summary)
{
	struct summary_columns c;

	return summary_columns_read(summary, &c) ? c.flags : 0;
}

int
message_insert(struct db *db, const struct message_row *m)
{
	const struct segment_place *p = m->place;
	struct q_message_insert_in in = {
		.id = m->id,
		.segment = p->segment,
		.offset = p->offset,
		.body = p->body,
		.record_len = p->end - p->offset,
		.stored_len = p->stored_len,
		.raw_len = p->stored_len,
		.relay_from = m->relay_from,
		.checksum = slice_of(p->checksum, sizeof(p->checksum)),
		.received_at = m->received_at,
		.refs = m->refs,
		.sender = m->sender,
		.client = m->client,
		.helo = m->helo,
		.protocol = m->protocol,
		.envid = m->envid,
		.ret = m->ret,
		.is_8bit = m->is_8bit,
		.is_binary = m->is_binary,
		.is_smtputf8 = m->is_smtputf8,
		.requires_tls = m->requires_tls,
		.hold_until = m->hold_until,
		.deliver_by = m->deliver_by,
		.by_mode = m->by_mode,
		.by_trace = m->by_trace,
		.priority = m->priority,
		.summary = m->summary,
	};
	int r;

	set_columns(&in, m->summary);
	r = q_message_insert(db, &in);
	if (r != 0)
		return ERR_TRACE(r);
	if (db_changed(db) == 0)
		return DB_E_EXISTS;
	return ERR_TRACE(DB_EXEC(segment_add_record, db, .segment = p->segment,
	    .is_big = p->is_big, .end = p->end, .len = in.record_len));
}

int
message_ref(struct db *db, const struct id *id, int64_t d)
{
	struct q_message_ref row;
	struct q_message_drop gone;
	struct q_segment_drop_record segment;
	int r = DB_NONE;

	if (d < 0) /* mostly it is the last one */
		r = DB_ONE(message_drop, db, &gone, .id = *id, .d = d);
	if (r == 0)
		r = DB_ONE(segment_drop_record, db, &segment,
		    .segment = gone.segment, .len = gone.record_len);
	else if (r == DB_NONE)
		r = DB_ONE(message_ref, db, &row, .id = *id, .d = d);
	return ERR_TRACE(r);
}

/* Numbers of rows are taken from the counter in blocks. Those of a transaction
 * that is rolled back are not used (db_rollback): there are gaps. */
static int
next_row(struct db *db, uint64_t *ret)
{
	struct q_counter_next counter;
	int r;

	if (db->n_numbers == 0) {
		r = DB_ONE(counter_next, db, &counter, .name = SLICE("queue"),
		    .n = ROW_BLOCK);
		if (r != 0)
			return ERR_TRACE(r);
		db->n_numbers = ROW_BLOCK;
		db->next_number = counter.last - ROW_BLOCK + 1;
	}
	db->n_numbers--;
	*ret = db->next_number++;
	return 0;
}

int
queue_leave(struct db *db, struct slice route, uint8_t lane)
{
	struct q_destination_less left;
	int r = DB_ONE(destination_less, db, &left, .route = route,
	    .lane = lane, .n = 1);

	if (r == 0 && left.n_rows <= 0)
		r = DB_EXEC(destination_tidy, db, .route = route, .lane = lane);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
queue_add(struct db *db, struct queue_add *q)
{
	bool is_done = q->state == ROW_DELIVERED || q->state == ROW_EXPANDED;
	int64_t due = q->due > q->now ? q->due : q->now;
	bool is_held = q->hold.len > 0 &&
	    (q->state == ROW_WAITING || q->state == ROW_LOCAL);
	int64_t lifetime, warning, expires = q->expires;
	int r = next_row(db, &q->row);

	if (r == 0)
		r = store_terms_times(db, q->route, &lifetime, &warning);
	if (r == 0 && lifetime != TERMS_UNSET)
		expires = due + lifetime;
	if (r == 0)
		r = DB_EXEC(queue_insert, db, .message = q->message, .n = q->n,
		    .row = q->row, .tenant = q->tenant, .sender = q->sender,
		    .flow = fair_flow(q->sender), .rcpt = q->rcpt,
		    .rcpt_canon = q->rcpt_canon, .route = q->route,
		    .lane = q->lane, .state = q->state, .due = due,
		    .created = q->now, .late = due, .expires = expires,
		    .notify = q->notify, .orcpt = q->orcpt, .by_at = q->by,
		    .by_mode = q->by_mode, .priority = q->priority,
		    .rrvs = q->rrvs, .rrvs_continue = q->rrvs_continue,
		    .code = is_done ? 250 : 0, .class = is_done ? 2 : 0,
		    .hold = is_held, .text = is_held ? q->hold : SLICE(""),
		    .warned = warning == 0,
		    .warn_after = warning == TERMS_UNSET ? 0 : warning);
	if (r == 0 && db_changed(db) == 0)
		return DB_E_EXISTS;
	if (r == 0)
		r = DB_EXEC(destination_add, db, .route = q->route,
		    .lane = q->lane, .n = 1);
	return ERR_TRACE(r);
}

/* -- delivery
 * --------------------------------------------------------------------- */

/* The thread of the first reference that has one, else a new one, named by
 * the message's own id. All hashes then lead to it. */
static int
find_thread(struct db *db, const struct delivery *d, int64_t *ret)
{
	struct summary_columns c;
	struct q_thread_get row;
	int64_t thread = 0;
	int r = DB_NONE;

	for (size_t i = 0; i < 8; i++)
		thread = (int64_t)((uint64_t)thread << 8 | d->message.bytes[i]);
	*ret = thread;
	if (!summary_columns_read(d->summary, &c))
		return 0;
	for (size_t i = 0; i <= c.n_references && r == DB_NONE; i++) {
		uint64_t hash =
		    i < c.n_references ? c.references[i] : c.message_id;

		if (hash != 0)
			r = DB_ONE(thread_get, db, &row, .account = d->account,
			    .hash = (int64_t)hash);
	}
	if (r == 0)
		*ret = row.thread;
	else if (r != DB_NONE)
		return ERR_TRACE(r);
	for (size_t i = 0; i <= c.n_references; i++) {
		uint64_t hash =
		    i < c.n_references ? c.references[i] : c.message_id;

		if (hash == 0)
			continue;
		r = DB_EXEC(thread_set, db, .account = d->account,
		    .hash = (int64_t)hash, .thread = *ret);
		if (r != 0)
			return ERR_TRACE(r);
	}
	return 0;
}

static int
charge(struct db *db, struct delivery *d)
{
	struct q_account_charge row;
	struct q_account_get account;
	int r = DB_ONE(account_charge, db, &row, .account = d->account,
	    .size = d->size, .is_exempt = d->is_exempt);

	if (r == 0) {
		d->modseq = row.modseq;
		return 0;
	}
	if (r != DB_NONE)
		return ERR_TRACE(r);
	r = DB_ONE(account_get, db, &account, .account = d->account);
	if (r == DB_NONE)
		return STORE_E_NO_ACCOUNT;
	return r == 0 ? STORE_E_QUOTA : ERR_TRACE(r);
}

static int
find_inbox(struct db *db, struct delivery *d)
{
	struct q_mailbox_by_name row;
	int r;

	if (d->mailbox != 0)
		return 0;
	r = DB_ONE(mailbox_by_name, db, &row, .account = d->account,
	    .name = SLICE("INBOX"));
	if (r == 0)
		d->mailbox = row.mailbox;
	return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
}

static int
number(struct db *db, struct delivery *d)
{
	struct q_mailbox_deliver row;
	int r = DB_ONE(mailbox_deliver, db, &row, .account = d->account,
	    .mailbox = d->mailbox, .size = d->size,
	    .unseen = (d->flags & FLAG_SEEN) == 0,
	    .deleted = (d->flags & FLAG_DELETED) != 0, .modseq = d->modseq);

	if (r == 0) {
		d->uid = row.uid;
		d->uidvalidity = row.uidvalidity;
	}
	return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
}

int
mailbox_deliver(struct db *db, struct delivery *d)
{
	int64_t thread = d->thread;
	int r = charge(db, d);

	if (r == 0)
		r = find_inbox(db, d);
	if (r == 0)
		r = number(db, d);
	if (r == 0 && thread == 0)
		r = find_thread(db, d, &thread);
	if (r == 0)
		r = DB_EXEC(email_insert, db, .account = d->account,
		    .message = d->message,
		    .flags = d->flags & (uint8_t) ~(FLAG_DELETED | FLAG_RECENT),
		    .keywords = d->keywords, .thread = thread,
		    .saved_at = d->saved_at, .date = d->date, .zone = d->zone,
		    .size = d->size, .modseq = d->modseq);
	if (r == 0 && db_changed(db) == 0)
		return DB_E_EXISTS;
	if (r == 0)
		r = DB_EXEC(entry_insert, db, .mailbox = d->mailbox,
		    .uid = d->uid, .account = d->account, .message = d->message,
		    .deleted = (d->flags & FLAG_DELETED) != 0,
		    .modseq = d->modseq);
	return r <= 0 ? ERR_TRACE(r) : r;
}
