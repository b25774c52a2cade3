/* SPDX-License-Identifier: ISC */
#include "store/annotation.h"

#include "base/err.h"
#include "base/limits.h"

int
annotation_target(struct db *db, uint64_t account, struct slice name,
    uint64_t *ret_mailbox)
{
	struct q_mailbox_by_name box;
	struct mailbox_name n;
	int r;

	*ret_mailbox = 0;
	if (name.len == 0)
		return 0;
	if (mailbox_name_read(name, &n) != 0)
		return STORE_E_NO_MAILBOX;
	r = DB_ONE(mailbox_by_name, db, &box, .account = account,
	    .name = mailbox_name_slice(&n));
	if (r == 0)
		*ret_mailbox = box.mailbox;
	return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
}

/* A use is of one mailbox at a time; to give it the one that it has is
 * nothing. */
static int
set_use(struct db *db, uint64_t account, uint64_t mailbox, struct slice use)
{
	struct q_mailbox_use_taken row = { 0 };
	int r = 0;

	if (use.len > 0)
		r = DB_ONE(mailbox_use_taken, db, &row, .account = account,
		    .special_use = use, .mailbox = mailbox);
	if (r == 0 && row.n > 0)
		return STORE_E_USE;
	if (r == 0)
		r = DB_EXEC(mailbox_set_use, db, .mailbox = mailbox,
		    .special_use = use);
	return ERR_TRACE(r);
}

static int
set_one(struct db *db, uint64_t account, uint64_t mailbox,
    const struct annotation *a)
{
	if (mailbox != 0 && slice_equal(a->entry, SLICE("/private/specialuse")))
		return set_use(db, account, mailbox,
		    a->is_removed ? SLICE("") : a->value);
	if (a->is_removed)
		return ERR_TRACE(DB_EXEC(annotation_remove, db,
		    .account = account, .mailbox = mailbox, .entry = a->entry));
	return ERR_TRACE(DB_EXEC(annotation_put, db, .account = account,
	    .mailbox = mailbox, .entry = a->entry, .value = a->value));
}

int
annotation_set(struct db *db, uint64_t account, struct slice name,
    const struct annotation *all, size_t n)
{
	struct q_annotation_count count;
	uint64_t mailbox;
	int r = annotation_target(db, account, name, &mailbox);

	for (size_t i = 0; i < n && r == 0; i++)
		r = set_one(db, account, mailbox, &all[i]);
	if (r == 0)
		r = DB_ONE(annotation_count, db, &count, .account = account,
		    .mailbox = mailbox);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	return count.n > LIMIT_ANNOTATIONS - 1 ? STORE_E_TOO_MANY : 0;
}
