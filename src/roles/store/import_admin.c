/* SPDX-License-Identifier: ISC */
/*
 * roles/store/import_admin - what `ulak import` and `ulak export` ask
 *
 * Which mailboxes an account has and what is in them, page by page; what was
 * imported before; changed flags and mails that have gone where an account is
 * copied from. The bytes go another way (IMPORT, MESSAGE_READ).
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"

enum {
	PAGE = 1000,
	FORGET_SLICE = 500
};

static int
find_account(struct db *db, struct admin_job *j, uint64_t *ret)
{
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, ret);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r;
}

static bool
read_number(const struct admin_job *j, const char *name, uint64_t most,
    uint64_t *ret)
{
	struct slice text = arg(j, name);

	*ret = 0;
	return text.len == 0 || slice_to_u64(text, most, ret);
}

static bool
read_id(const struct admin_job *j, const char *name, struct id *ret)
{
	*ret = (struct id){ 0 };
	return arg(j, name).len == 0 || id_parse(arg(j, name), ret);
}

static int
put_id(struct admin_job *j, const char *name, const struct id *id)
{
	char text[ID_TEXT + 1];

	id_print(id, text);
	return put_text(j, name, slice_of(text, ID_TEXT));
}

/* -- what there is
 * ------------------------------------------------------------------ */

int
list_export_mailboxes(struct db *db, struct admin_job *j)
{
	struct q_mailbox_list row;
	struct db_rows rows;
	uint64_t account;
	int r = find_account(db, j, &account);

	if (r != 0)
		return r;
	r = DB_MANY(mailbox_list, db, &rows, .account = account,
	    .after = arg(j, "after"));
	if (r != 0)
		return ERR_TRACE(r);
	for (size_t n = 0; n < PAGE; n++) {
		r = q_mailbox_list_next(&rows, &row);
		if (r != 0)
			break;
		r = put_text(j, "mailbox", row.name);
		r |= put_number(j, "number", row.mailbox);
		r |= put_number(j, "messages", row.messages);
		r |= put_number(j, "size", row.size);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
put_entry(struct admin_job *j, const struct q_export_entries *row)
{
	int r = put_number(j, "uid", row->uid);

	r |= put_id(j, "id", &row->message);
	r |= put_number(j, "flags",
	    row->flags | (row->deleted ? FLAG_DELETED : 0u));
	r |= put_text(j, "keywords", row->keywords);
	r |= put_number(j, "date", (uint64_t)row->date);
	r |= put_number(j, "size", row->size);
	end_row(j);
	return r != 0 ? ERR_ORIGIN(-ENOMEM) : 0;
}

int
list_export_entries(struct db *db, struct admin_job *j)
{
	struct q_export_entries row;
	struct db_rows rows;
	uint64_t account, mailbox, after;
	int r = find_account(db, j, &account);

	if (r == 0 &&
	    (!read_number(j, "number", INT64_MAX, &mailbox) ||
		!read_number(j, "after", UINT32_MAX, &after)))
		r = ACCOUNT_E_VALUE;
	if (r != 0)
		return r;
	r = DB_MANY(export_entries, db, &rows, .account = account,
	    .mailbox = mailbox, .after = (uint32_t)after, .limit = PAGE);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_export_entries_next(&rows, &row)) == 0)
		if ((r = put_entry(j, &row)) != 0)
			break;
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

/* -- what came before
 * --------------------------------------------------------------- */

int
list_import_known(struct db *db, struct admin_job *j)
{
	struct q_import_note_files row;
	struct db_rows rows;
	uint64_t account, uid;
	struct id source;
	int r = find_account(db, j, &account);

	if (r == 0 &&
	    (!read_id(j, "source", &source) ||
		!read_number(j, "uid", UINT32_MAX, &uid)))
		r = ACCOUNT_E_VALUE;
	if (r != 0)
		return r;
	r = DB_MANY(import_note_files, db, &rows, .account = account,
	    .source = source, .uid = (uint32_t)uid, .limit = PAGE);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_import_note_files_next(&rows, &row)) == 0) {
		r = put_id(j, "source", &row.source);
		r |= put_number(j, "uid", row.uid);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
list_import_notes(struct db *db, struct admin_job *j)
{
	struct q_import_note_list row;
	struct db_rows rows;
	uint64_t account, uid, validity;
	struct id source;
	int r = find_account(db, j, &account);

	if (r == 0 &&
	    (!read_id(j, "source", &source) ||
		!read_number(j, "validity", UINT32_MAX, &validity) ||
		!read_number(j, "uid", UINT32_MAX, &uid)))
		r = ACCOUNT_E_VALUE;
	if (r != 0)
		return r;
	r = DB_MANY(import_note_list, db, &rows, .account = account,
	    .source = source, .validity = (uint32_t)validity,
	    .uid = (uint32_t)uid, .limit = PAGE);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_import_note_list_next(&rows, &row)) == 0) {
		r = put_number(j, "uid", row.uid);
		r |= put_number(j, "flags", row.flags);
		r |= put_text(j, "keywords", row.keywords);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

int
forget_imports(struct db *db, struct admin_job *j)
{
	uint64_t account;
	int r = find_account(db, j, &account);

	if (r == 0)
		r = DB_EXEC(import_note_forget, db, .account = account,
		    .limit = FORGET_SLICE);
	if (r == 0 && db_changed(db) == FORGET_SLICE)
		return STORE_AGAIN;
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- where an account is copied from, things have changed
 * --------------------------- */

/* Every entry of the message: a change of flags reaches all by one of them,
 * leaving must be told to each. */
static int
first_entry(struct db *db, uint64_t account, const struct id *message,
    struct q_entry_of_email *ret)
{
	struct db_rows rows;
	int r = DB_MANY(entry_of_email, db, &rows, .account = account,
	    .message = *message);

	if (r != 0)
		return ERR_TRACE(r);
	r = q_entry_of_email_next(&rows, ret);
	db_rows_close(&rows);
	return r;
}

struct source_mail {
	uint64_t account, validity, uid, flags;
	struct id source;
	struct q_import_note_get note;
};

static int
read_source(struct db *db, struct admin_job *j, struct source_mail *m)
{
	int r = find_account(db, j, &m->account);

	if (r != 0)
		return r;
	if (!read_id(j, "source", &m->source) ||
	    !read_number(j, "validity", UINT32_MAX, &m->validity) ||
	    !read_number(j, "uid", UINT32_MAX, &m->uid) ||
	    !read_number(j, "flags", UINT8_MAX, &m->flags))
		return ACCOUNT_E_VALUE;
	r = DB_ONE(import_note_get, db, &m->note, .account = m->account,
	    .source = m->source, .validity = (uint32_t)m->validity,
	    .uid = (uint32_t)m->uid);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
}

static int
work_on_it(struct db *db, struct admin_job *j, struct source_mail *m,
    struct mailbox_work *w, int (*act)(struct db *, struct mailbox_work *))
{
	struct q_entry_of_email entry;
	struct uid_range one;
	int r = first_entry(db, m->account, &m->note.message, &entry);

	if (r != 0) /* its owner has removed it here */
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	one = (struct uid_range){ entry.uid, entry.uid };
	w->account = m->account;
	w->mailbox = entry.mailbox;
	w->ranges = &one;
	w->n_ranges = 1;
	r = act(db, w);
	j->next.filter.account = m->account; /* admin.c tells who watches */
	j->next.modseq = w->modseq;
	return r == STORE_AGAIN ? 0 : r;
}

int
sync_import_flags(struct db *db, struct admin_job *j)
{
	struct mailbox_work w = { .mode = FLAGS_SET };
	struct source_mail m;
	int r = read_source(db, j, &m);

	if (r != 0)
		return r;
	w.flags = (uint8_t)m.flags & (uint8_t)~FLAG_RECENT;
	w.keywords = arg(j, "keywords");
	r = work_on_it(db, j, &m, &w, mailbox_flags);
	if (r == 0)
		r = DB_EXEC(import_note_put, db, .account = m.account,
		    .source = m.source, .validity = (uint32_t)m.validity,
		    .uid = (uint32_t)m.uid, .message = m.note.message,
		    .flags = (uint8_t)m.flags, .keywords = arg(j, "keywords"));
	return r == STORE_E_FORBIDDEN ? ACCOUNT_E_VALUE
	    : r < 0                   ? ERR_TRACE(r)
				      : r;
}

/* What is expunged over there, is here: kept as any expunged mail. */
int
sync_import_gone(struct db *db, struct admin_job *j)
{
	struct mailbox_work w = { .any_flag = true };
	struct source_mail m;
	int r = read_source(db, j, &m);

	if (r != 0)
		return r;
	w.kept_at = j->asker.role->settings->keep_expunged > 0 ? j->now : 0;
	r = work_on_it(db, j, &m, &w, mailbox_expunge);
	if (r == 0)
		r = DB_EXEC(import_note_delete, db, .account = m.account,
		    .source = m.source, .validity = (uint32_t)m.validity,
		    .uid = (uint32_t)m.uid);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* Makes it if need be. */
int
make_import_mailbox(struct db *db, struct admin_job *j)
{
	struct slice name = arg(j, "mailbox");
	uint64_t account;
	int r = find_account(db, j, &account);

	if (r != 0)
		return r;
	r = slice_equal_nocase(name, SLICE("INBOX"))
	    ? 0
	    : mailbox_create(db, account, name, j->now);
	if (r == STORE_E_NAME) {
		say(j, "that is no name for a mailbox");
		return ACCOUNT_E_VALUE;
	}
	if (r == STORE_E_EXISTS)
		r = 0;
	if (r == 0 && arg(j, "subscribe").len > 0)
		r = mailbox_subscribe(db, account, name, true);
	return r < 0 ? ERR_TRACE(r) : r;
}
