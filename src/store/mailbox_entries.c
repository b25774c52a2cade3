/* SPDX-License-Identifier: ISC */
/*
 * store/mailbox_entries - what is in mailboxes: flags, and leaving
 *
 * In slices of MAILBOX_BATCH, so that a large mailbox holds up nobody.
 */
#include "store/mailbox_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/undelete.h"

/* -- batches of entries
 * ---------------------------------------------------------------- */

struct item {
	struct id message;
	uint64_t modseq;
	uint32_t uid;
	bool deleted;
};
struct batch {
	size_t n;
	struct item items[MAILBOX_BATCH];
};

static int
read_batch(struct db *db, uint64_t account, uint64_t mailbox,
    struct uid_range range, size_t most, struct batch *b)
{
	struct q_entry_batch row;
	struct db_rows rows;
	int r = DB_MANY(entry_batch, db, &rows, .account = account,
	    .mailbox = mailbox, .lo = range.lo, .hi = range.hi,
	    .limit = (uint32_t)most);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_entry_batch_next(&rows, &row)) == 0 &&
	    b->n < MAILBOX_BATCH)
		b->items[b->n++] = (struct item){ row.message, row.modseq,
			row.uid, row.deleted };
	db_rows_close(&rows);
	return r == DB_NONE || r == 0 ? 0 : ERR_TRACE(r);
}

/* The next emails of the ranges; an empty batch is the end. */
static int
next_batch(struct db *db, struct mailbox_work *w, struct batch *b)
{
	b->n = 0;
	while (w->at < w->n_ranges && b->n < MAILBOX_BATCH) {
		struct uid_range range = w->ranges[w->at];
		size_t before = b->n, want = MAILBOX_BATCH - before;
		int r;

		if (range.lo < w->next)
			range.lo = w->next;
		r = range.lo > range.hi
		    ? 0
		    : read_batch(db, w->account, w->mailbox, range, want, b);
		if (r != 0)
			return ERR_TRACE(r);
		if (b->n - before < want) {
			w->at++;
			w->next = 0;
		} else {
			w->next = b->items[b->n - 1].uid + 1;
		}
	}
	return 0;
}

/* -- flags
 * -------------------------------------------------------------------------------
 */

static bool
is_keyword_byte(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '(' && c != ')' && c != '{' &&
	    c != '%' && c != '*' && c != '"' && c != '\\' && c != ']';
}

static bool
take_keyword(struct slice *in, struct slice *ret)
{
	while (slice_skip_byte(in, ' '))
		;
	return slice_take_while(in, is_keyword_byte, ret);
}

static bool
has_keyword(struct slice all, struct slice word)
{
	struct slice w;

	while (take_keyword(&all, &w))
		if (slice_equal_nocase(w, word))
			return true;
	return false;
}

static int
compare_words(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a,
	    *(const struct slice *)b);
}

bool
keywords_change(struct slice now, struct slice with, uint8_t mode,
    struct buf *ret)
{
	struct slice words[LIMIT_KEYWORDS / 2], w, in;
	size_t n = 0, len = 0;

	in = mode == FLAGS_SET ? slice_upto(now, 0) : now;
	while (n < LIMIT_KEYWORDS / 2 && take_keyword(&in, &w))
		if (mode != FLAGS_REMOVE || !has_keyword(with, w))
			words[n++] = w;
	if (mode != FLAGS_REMOVE) {
		in = with;
		while (take_keyword(&in, &w)) {
			bool known = false;

			for (size_t i = 0; i < n && !known; i++)
				known = slice_equal_nocase(words[i], w);
			if (known)
				continue;
			if (n == LIMIT_KEYWORDS / 2)
				return false;
			words[n++] = w;
		}
		if (in.len != 0)
			return false;
	}
	if (n > 0)
		qsort(words, n, sizeof(words[0]), compare_words);
	for (size_t i = 0; i < n; i++)
		len += words[i].len + (i > 0);
	if (len > LIMIT_KEYWORDS)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((i > 0 && buf_add_byte(ret, ' ') != BUF_OK) ||
		    buf_add(ret, words[i]) != BUF_OK)
			return false;
	return true;
}

static uint8_t
flags_change(uint8_t now, uint8_t with, uint8_t mode)
{
	switch (mode) {
	case FLAGS_SET:
		return with;
	case FLAGS_ADD:
		return now | with;
	default:
		return now & (uint8_t)~with;
	}
}

/* What the work has changed in its own mailbox, written once a slice. */
struct tally {
	int64_t messages, unseen, deleted, size;
};

static int
note_tally(struct db *db, const struct mailbox_work *w, const struct tally *t)
{
	if (w->modseq == 0)
		return 0;
	return ERR_TRACE(DB_EXEC(mailbox_count, db, .mailbox = w->mailbox,
	    .messages = t->messages, .unseen = t->unseen, .deleted = t->deleted,
	    .size = t->size, .modseq = w->modseq));
}

static int
move_change(struct db *db, uint64_t account, uint64_t mailbox, uint32_t uid,
    uint64_t from, uint64_t to)
{
	int r = DB_EXEC(change_delete, db, .account = account, .modseq = from,
	    .mailbox = mailbox, .uid = uid);

	if (r == 0)
		r = DB_EXEC(change_insert, db, .account = account, .modseq = to,
		    .mailbox = mailbox, .uid = uid);
	if (r == 0)
		r = DB_EXEC(entry_modseq, db, .mailbox = mailbox, .uid = uid,
		    .modseq = to);
	return ERR_TRACE(r);
}

struct place {
	uint64_t mailbox, modseq;
	uint32_t uid;
};
struct places {
	struct place *at;
	size_t n, size;
};

static int
add_place(struct places *p, const struct q_entry_of_email *row)
{
	if (p->n == p->size) {
		size_t size = p->size == 0 ? 8 : p->size * 2;
		struct place *at = reallocarray(p->at, size, sizeof(*at));

		if (at == NULL)
			return ERR_ORIGIN(-ENOMEM);
		p->at = at;
		p->size = size;
	}
	p->at[p->n++] = (struct place){ row->mailbox, row->modseq, row->uid };
	return 0;
}

/* Where the email lies; places are the caller's to free, whatever comes. */
static int
find_places(struct db *db, const struct mailbox_work *w,
    const struct id *message, struct places *places)
{
	struct q_entry_of_email row;
	struct db_rows rows;
	int r = DB_MANY(entry_of_email, db, &rows, .account = w->account,
	    .message = *message);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_entry_of_email_next(&rows, &row)) == 0) {
		r = add_place(places, &row);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

/* Every entry of the email, in whichever mailbox, is told, and every mailbox
 * counts it anew: there may be any number of them. */
static int
touch_entries(struct db *db, struct mailbox_work *w, const struct id *message,
    int64_t unseen, struct tally *t)
{
	struct places places = { 0 };
	int r = find_places(db, w, message, &places);

	for (size_t i = 0; i < places.n && r == 0; i++) {
		const struct place *p = &places.at[i];

		r = move_change(db, w->account, p->mailbox, p->uid, p->modseq,
		    w->modseq);
		if (r == 0 && p->mailbox == w->mailbox)
			t->unseen += unseen;
		else if (r == 0)
			r = DB_EXEC(mailbox_count, db, .mailbox = p->mailbox,
			    .unseen = unseen, .modseq = w->modseq);
	}
	free(places.at);
	return ERR_TRACE(r);
}

static int
set_deleted(struct db *db, struct mailbox_work *w, const struct item *it,
    bool deleted, struct tally *t)
{
	int r = DB_EXEC(entry_mark_deleted, db, .mailbox = w->mailbox,
	    .uid = it->uid, .deleted = deleted);

	t->deleted += deleted ? 1 : -1;
	if (r == 0)
		r = move_change(db, w->account, w->mailbox, it->uid, it->modseq,
		    w->modseq);
	return ERR_TRACE(r);
}

/* RFC 7162, 3.1.3: it has changed since the client looked. */
static int
note_modified(struct mailbox_work *w, uint32_t uid)
{
	struct uid_list *l = w->modified;

	if (w->n_modified > 0 && l->at[w->n_modified - 1].hi + 1 == uid) {
		l->at[w->n_modified - 1].hi = uid;
		return 0;
	}
	if (w->n_modified == l->size) {
		size_t size = l->size == 0 ? 64 : l->size * 2;
		struct uid_range *at = reallocarray(l->at, size, sizeof(*at));

		if (at == NULL)
			return ERR_ORIGIN(-ENOMEM);
		l->at = at;
		l->size = size;
	}
	l->at[w->n_modified++] = (struct uid_range){ uid, uid };
	return 0;
}

static int
change_one(struct db *db, struct mailbox_work *w, const struct item *it,
    struct buf *keywords, struct tally *t)
{
	struct q_email_get email;
	uint8_t now, want;
	bool same;
	int r = DB_ONE(email_get, db, &email, .account = w->account,
	    .message = it->message);

	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	now = email.flags | (it->deleted ? FLAG_DELETED : 0);
	want = flags_change(now, w->flags, w->mode);
	buf_reset(keywords, LIMIT_KEYWORDS);
	if (!keywords_change(email.keywords, w->keywords, w->mode, keywords))
		return STORE_E_FORBIDDEN;
	same = slice_equal(buf_slice(keywords), email.keywords);
	if (same && want == now)
		return 0;
	r = mailbox_touch(db, w->account, &w->modseq);
	if (r == 0 && ((want ^ now) & FLAG_DELETED) != 0)
		r = set_deleted(db, w, it, (want & FLAG_DELETED) != 0, t);
	if (r != 0 || (same && ((want ^ now) & (uint8_t)~FLAG_DELETED) == 0))
		return ERR_TRACE(r);
	r = DB_EXEC(email_flags, db, .account = w->account,
	    .message = it->message,
	    .flags = want & (uint8_t) ~(FLAG_DELETED | FLAG_RECENT),
	    .keywords = buf_slice(keywords), .modseq = w->modseq);
	if (r == 0)
		r = touch_entries(db, w, &it->message,
		    (now & FLAG_SEEN) == (want & FLAG_SEEN)
			? 0
			: ((want & FLAG_SEEN) != 0 ? -1 : 1),
		    t);
	return ERR_TRACE(r);
}

/* Each slice takes a modseq of its own: the account's may have moved on. */
int
mailbox_flags(struct db *db, struct mailbox_work *w)
{
	struct tally t = { 0 };
	struct batch b;
	struct buf keywords;
	uint64_t last = w->modseq;
	int r;

	w->modseq = 0;
	buf_init(&keywords, LIMIT_KEYWORDS + 1);
	r = next_batch(db, w, &b);
	for (size_t i = 0; i < b.n && r == 0; i++)
		r = w->modified != NULL &&
			b.items[i].modseq > w->unchanged_since
		    ? note_modified(w, b.items[i].uid)
		    : change_one(db, w, &b.items[i], &keywords, &t);
	if (r == 0)
		r = note_tally(db, w, &t);
	buf_deinit(&keywords);
	w->n += (uint32_t)b.n;
	if (w->modseq == 0)
		w->modseq = last;
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	return w->at < w->n_ranges ? STORE_AGAIN : 0;
}

/* -- leaving
 * -------------------------------------------------------------------------------
 */

/* The email goes with its last entry, and the message with its last email,
 * unless it is kept for `ulak undelete`. */
static int
drop_email(struct db *db, const struct mailbox_work *w,
    const struct id *message, uint64_t size)
{
	struct q_entry_count_of_email left;
	int r = DB_ONE(entry_count_of_email, db, &left, .account = w->account,
	    .message = *message);

	if (r != 0 || left.n > 0)
		return ERR_TRACE(r);
	r = w->kept_at != 0
	    ? undelete_keep(db, w->account, w->mailbox, message, w->kept_at)
	    : message_ref(db, message, -1);
	if (r == 0)
		r = DB_EXEC(email_delete, db, .account = w->account,
		    .message = *message);
	if (r == 0)
		r = DB_EXEC(account_discharge, db, .account = w->account,
		    .size = size, .n = 1);
	return ERR_TRACE(r);
}

static int
remove_one(struct db *db, struct mailbox_work *w, const struct item *it,
    struct tally *t)
{
	struct q_email_get email;
	int r = mailbox_touch(db, w->account, &w->modseq);

	if (r == 0)
		r = DB_ONE(email_get, db, &email, .account = w->account,
		    .message = it->message);
	if (r != 0)
		return r == DB_NONE ? ERR_ORIGIN(-EBADMSG) : ERR_TRACE(r);
	r = DB_EXEC(entry_delete, db, .mailbox = w->mailbox, .uid = it->uid);
	if (r == 0)
		r = DB_EXEC(tombstone_insert, db, .mailbox = w->mailbox,
		    .modseq = w->modseq, .uid = it->uid);
	if (r == 0)
		r = DB_EXEC(change_delete, db, .account = w->account,
		    .modseq = it->modseq, .mailbox = w->mailbox,
		    .uid = it->uid);
	t->messages--;
	t->unseen -= (email.flags & FLAG_SEEN) == 0;
	t->deleted -= it->deleted;
	t->size -= (int64_t)email.size;
	w->n++;
	if (r == 0)
		r = drop_email(db, w, &it->message, email.size);
	return ERR_TRACE(r);
}

int
mailbox_expunge(struct db *db, struct mailbox_work *w)
{
	struct tally t = { 0 };
	struct batch b;
	uint64_t last = w->modseq;
	int r;

	w->modseq = 0;
	r = next_batch(db, w, &b);
	for (size_t i = 0; i < b.n && r == 0; i++)
		if (b.items[i].deleted || w->any_flag)
			r = remove_one(db, w, &b.items[i], &t);
	if (r == 0)
		r = note_tally(db, w, &t);
	if (w->modseq == 0)
		w->modseq = last;
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	return w->at < w->n_ranges ? STORE_AGAIN : 0;
}

/* Empties it in slices, and then it is gone. */
static int
remove_mailbox(struct db *db, uint64_t account, uint64_t mailbox,
    int64_t kept_at, uint64_t *ret_modseq)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct mailbox_work w = { .account = account,
		.mailbox = mailbox,
		.ranges = &all,
		.n_ranges = 1,
		.kept_at = kept_at,
		.any_flag = true };
	int r = mailbox_expunge(db, &w);

	if (r == 0)
		r = mailbox_touch(db, account, &w.modseq);
	*ret_modseq = w.modseq;
	if (r != 0)
		return r;
	r = DB_EXEC(tombstone_delete_mailbox, db, .mailbox = mailbox);
	if (r == 0)
		r = DB_EXEC(change_delete_mailbox, db, .account = account,
		    .mailbox = mailbox);
	if (r == 0)
		r = DB_EXEC(annotation_delete_mailbox, db, .account = account,
		    .mailbox = mailbox);
	if (r == 0)
		r = DB_EXEC(mailbox_delete, db, .mailbox = mailbox);
	return ERR_TRACE(r);
}

int
mailbox_clear(struct db *db, uint64_t account, uint64_t mailbox)
{
	uint64_t modseq = 0;

	return remove_mailbox(db, account, mailbox, 0, &modseq);
}

int
mailbox_delete(struct db *db, uint64_t account, struct slice name,
    int64_t kept_at, uint64_t *ret_modseq)
{
	struct mailbox_name n;
	struct q_mailbox_by_name box;
	int r = mailbox_name_read(name, &n);

	if (r != 0)
		return STORE_E_NO_MAILBOX;
	name = mailbox_name_slice(&n);
	if (mailbox_is_inbox(name))
		return STORE_E_FORBIDDEN;
	r = DB_ONE(mailbox_by_name, db, &box, .account = account, .name = name);
	if (r != 0)
		return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
	return remove_mailbox(db, account, box.mailbox, kept_at, ret_modseq);
}
