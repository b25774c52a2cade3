/* SPDX-License-Identifier: ISC */
#include "store/mailbox_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"

/* -- names
 * ------------------------------------------------------------------------ */

/* No control characters, no empty level, and INBOX in capitals. */
int
mailbox_name_read(struct slice name, struct mailbox_name *ret)
{
	struct slice inbox;

	if (name.len > 0 && name.at[name.len - 1] == '/')
		name.len--;
	if (name.len == 0 || name.len > LIMIT_MAILBOX_NAME ||
	    !slice_is_utf8(name) || name.at[0] == '/' ||
	    slice_find(name, SLICE("//")) != SIZE_MAX)
		return STORE_E_NAME;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] < 0x20 || name.at[i] == 0x7f)
			return STORE_E_NAME;
	memcpy(ret->text, name.at, name.len);
	ret->text[name.len] = '\0';
	ret->len = name.len;
	inbox = slice_upto(name, 5);
	if (slice_equal_nocase(inbox, SLICE("INBOX")) &&
	    (name.len == 5 || name.at[5] == '/'))
		memcpy(ret->text, "INBOX", 5);
	return 0;
}

struct slice
mailbox_name_slice(const struct mailbox_name *n)
{
	return slice_of(n->text, n->len);
}

bool
mailbox_is_inbox(struct slice name)
{
	return slice_equal(name, SLICE("INBOX"));
}

/* -- making and naming
 * ---------------------------------------------------------------- */

int
mailbox_touch(struct db *db, uint64_t account, uint64_t *ret)
{
	struct q_account_touch row;
	int r;

	if (*ret != 0)
		return 0;
	r = DB_ONE(account_touch, db, &row, .account = account);
	if (r == 0)
		*ret = row.modseq;
	return r == DB_NONE ? STORE_E_NO_ACCOUNT : ERR_TRACE(r);
}

static int
insert(struct db *db, uint64_t account, struct slice name,
    struct slice special_use, int64_t now, uint64_t *ret)
{
	struct q_counter_next number;
	struct q_account_uidvalidity validity;
	uint64_t modseq = 0;
	int r = mailbox_touch(db, account, &modseq);

	if (r == 0)
		r = DB_ONE(counter_next, db, &number, .name = SLICE("mailbox"),
		    .n = 1);
	if (r == 0)
		r = DB_ONE(account_uidvalidity, db, &validity,
		    .account = account);
	if (r == 0)
		r = DB_EXEC(mailbox_insert, db, .mailbox = number.last,
		    .account = account, .name = name,
		    .special_use = special_use,
		    .uidvalidity = validity.uidvalidity, .modseq = modseq,
		    .created = now);
	if (r == 0)
		*ret = number.last;
	return r == DB_E_EXISTS ? STORE_E_EXISTS : ERR_TRACE(r);
}

int
mailbox_make_defaults(struct db *db, uint64_t account, int64_t now)
{
	static const struct {
		const char *name, *special_use;
	} all[] = {
		{ "INBOX", "" },
		{ "Sent", "\\Sent" },
		{ "Drafts", "\\Drafts" },
		{ "Trash", "\\Trash" },
		{ "Junk", "\\Junk" },
		{ "Archive", "\\Archive" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct slice name = slice_cstr(all[i].name);
		uint64_t mailbox;
		int r = insert(db, account, name,
		    slice_cstr(all[i].special_use), now, &mailbox);

		if (r == 0)
			r = DB_EXEC(subscription_add, db, .account = account,
			    .name = name);
		if (r != 0)
			return ERR_TRACE(r);
	}
	return 0;
}

static int
make_parents(struct db *db, uint64_t account, struct slice name, int64_t now)
{
	for (size_t i = 0; i < name.len; i++) {
		uint64_t mailbox;
		int r;

		if (name.at[i] != '/')
			continue;
		r = insert(db, account, slice_upto(name, i), SLICE(""), now,
		    &mailbox);
		/* A mailbox that is there costs two numbers, no more. */
		if (r != 0 && r != STORE_E_EXISTS)
			return ERR_TRACE(r);
	}
	return 0;
}

static int
check_use(struct db *db, uint64_t account, struct slice special_use)
{
	struct q_mailbox_use_count row;
	int r;

	if (special_use.len == 0)
		return 0;
	r = DB_ONE(mailbox_use_count, db, &row, .account = account,
	    .special_use = special_use);
	if (r != 0)
		return ERR_TRACE(r);
	return row.n > 0 ? STORE_E_USE : 0;
}

int
mailbox_create_special(struct db *db, uint64_t account, struct slice name,
    struct slice special_use, int64_t now, uint64_t *ret_mailbox)
{
	struct mailbox_name n;
	int r = mailbox_name_read(name, &n);

	if (r == 0)
		r = check_use(db, account, special_use);
	if (r == 0)
		r = insert(db, account, mailbox_name_slice(&n), special_use,
		    now, ret_mailbox);
	if (r == 0)
		r = make_parents(db, account, mailbox_name_slice(&n), now);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
mailbox_create(struct db *db, uint64_t account, struct slice name, int64_t now)
{
	uint64_t made;

	return mailbox_create_special(db, account, name, SLICE(""), now, &made);
}

struct child {
	uint64_t mailbox;
	size_t len;
	char rest[LIMIT_MAILBOX_NAME]; /* behind the parent's name */
	struct slice special_use;
	char special_use_text[32];
};

static int
collect_children(struct db *db, uint64_t account, struct slice from,
    struct child **ret, size_t *ret_n)
{
	struct mailbox_name lo = { 0 }, hi;
	struct q_mailbox_children row;
	struct child *all = NULL;
	struct db_rows rows;
	size_t n = 0, size = 0;
	int r;

	/* All that begins with "from/" sorts between "from/" and "from0". */
	memcpy(lo.text, from.at, from.len);
	lo.text[from.len] = '/';
	lo.len = from.len + 1;
	hi = lo;
	hi.text[from.len] = '0';
	r = DB_MANY(mailbox_children, db, &rows, .account = account,
	    .from = mailbox_name_slice(&lo), .upto = mailbox_name_slice(&hi));
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_mailbox_children_next(&rows, &row)) == 0) {
		struct child *c;

		if (n == size) {
			size = size == 0 ? 16 : size * 2;
			c = realloc(all, size * sizeof(*all));
			if (c == NULL) {
				r = ERR_ORIGIN(-ENOMEM);
				break;
			}
			all = c;
		}
		c = &all[n++];
		c->mailbox = row.mailbox;
		c->len = row.name.len - from.len;
		memcpy(c->rest, row.name.at + from.len, c->len);
		(void)slice_to_cstr(row.special_use, c->special_use_text,
		    sizeof(c->special_use_text));
	}
	db_rows_close(&rows);
	if (r != DB_NONE) {
		free(all);
		return ERR_TRACE(r);
	}
	*ret = all;
	*ret_n = n;
	return 0;
}

static int
rename_children(struct db *db, const struct child *all, size_t n,
    struct slice to)
{
	for (size_t i = 0; i < n; i++) {
		struct mailbox_name name;
		int r;

		if (all[i].len > LIMIT_MAILBOX_NAME - to.len)
			return STORE_E_NAME;
		memcpy(name.text, to.at, to.len);
		memcpy(name.text + to.len, all[i].rest, all[i].len);
		name.len = to.len + all[i].len;
		r = DB_EXEC(mailbox_rename, db, .mailbox = all[i].mailbox,
		    .name = mailbox_name_slice(&name),
		    .special_use = slice_cstr(all[i].special_use_text));
		if (r != 0)
			return r == DB_E_EXISTS ? STORE_E_EXISTS : ERR_TRACE(r);
	}
	return 0;
}

/* box: NULL when only its children are there, a \Noselect name. */
static int
rename_tree(struct db *db, uint64_t account,
    const struct q_mailbox_by_name *box, struct slice from, struct slice to)
{
	struct child *children = NULL;
	size_t n = 0;
	int r = collect_children(db, account, from, &children, &n);

	if (r == 0 && box == NULL && n == 0)
		r = STORE_E_NO_MAILBOX;
	if (r == 0 && box != NULL)
		r = DB_EXEC(mailbox_rename, db, .mailbox = box->mailbox,
		    .name = to, .special_use = box->special_use);
	if (r == DB_E_EXISTS)
		r = STORE_E_EXISTS;
	if (r == 0)
		r = rename_children(db, children, n, to);
	free(children);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
mailbox_rename(struct db *db, uint64_t account, struct slice from,
    struct slice to, int64_t now)
{
	struct mailbox_name f, t;
	struct q_mailbox_by_name box, other;
	uint64_t modseq = 0;
	bool is_there;
	int r;

	if (mailbox_name_read(from, &f) != 0 || mailbox_name_read(to, &t) != 0)
		return STORE_E_NAME;
	from = mailbox_name_slice(&f);
	to = mailbox_name_slice(&t);
	if (mailbox_is_inbox(from)) /* mailbox_rename_inbox() */
		return STORE_E_FORBIDDEN;
	if (DB_ONE(mailbox_by_name, db, &other, .account = account,
		.name = to) == 0)
		return STORE_E_EXISTS;
	r = DB_ONE(mailbox_by_name, db, &box, .account = account, .name = from);
	is_there = r == 0;
	if (r == 0 || r == DB_NONE)
		r = mailbox_touch(db, account, &modseq);
	if (r == 0)
		r = rename_tree(db, account, is_there ? &box : NULL, from, to);
	if (r == 0)
		r = make_parents(db, account, to, now);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
mailbox_subscribe(struct db *db, uint64_t account, struct slice name, bool on)
{
	struct mailbox_name n;
	int r = mailbox_name_read(name, &n);

	if (r != 0)
		return r;
	r = on ? DB_EXEC(subscription_add, db, .account = account,
		     .name = mailbox_name_slice(&n))
	       : DB_EXEC(subscription_remove, db, .account = account,
		     .name = mailbox_name_slice(&n));
	return ERR_TRACE(r);
}
