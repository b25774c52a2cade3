/* SPDX-License-Identifier: ISC */
/*
 * roles/store/mailbox_change - fronts change mailboxes and what is in them
 *
 * Changes run in the writer's interactive lane, slice by slice. Every request
 * names a handle of the channel it came on; the account is the handle's, never
 * the front's to say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/pages.h"
#include "roles/store/store_role.h"

enum {
	PAIRS_ROWS = 1024,
	MODIFIED_ROWS = 1024
};

/* -- changing
 * ------------------------------------------------------------------------- */

/* One request, with copies of all that it names. */
struct change {
	struct store_write write;
	struct asker asker;
	int (*run)(struct db *db, struct change *c);
	void (*answer)(struct change *c, struct channel *to, int r);
	uint64_t account, modseq, made;
	int64_t now;
	char use[32];
	size_t use_len;
	struct mailbox_work work, next; /* next: when this slice is kept */
	struct mailbox_copy copy;
	struct uid_list modified;
	uint8_t what;
	struct mailbox_name name, to; /* not read, only kept */
	char keywords[LIMIT_KEYWORDS];
	struct uid_range ranges[];
};

static int
apply_change(struct db *db, struct store_write *w)
{
	struct change *c = LIST_ENTRY(w, struct change, write);

	return c->run(db, c);
}

static void
change_free(struct change *c)
{
	free(c->copy.pairs);
	free(c->modified.at);
	free(c);
}

static void
done_change(struct store_write *w, int r)
{
	struct change *c = LIST_ENTRY(w, struct change, write);
	struct channel *to = asker_channel(&c->asker);

	store_role_no_room(c->asker.role, r);
	if (to != NULL)
		c->answer(c, to, r);
	/* After the answer, so that who changed it hears of it in order. */
	if (r == 0 && c->modseq != 0)
		scan_changed(c->asker.role, c->account, c->modseq);
	/* Names and subscriptions have no modseq. */
	if (r == 0 && c->name.len > 0)
		scan_noticed(c->asker.role, c->account);
	change_free(c);
}

static struct change *
change_new(struct channel *c, const struct wire_head *h, uint32_t handle,
    uint64_t mailbox, const struct wire_list *uids)
{
	struct handle *of = handle_find(peer_of(c), handle, GRANT_WRITE);
	struct wire_list in = uids == NULL ? (struct wire_list){ 0 } : *uids;
	struct change *n =
	    calloc(1, sizeof(*n) + (in.n + 1) * sizeof(n->ranges[0]));
	struct wire_range range;
	size_t k = 0;

	if (n == NULL)
		return NULL;
	n->asker = asker_of(c, h);
	n->account = of == NULL ? 0 : of->account;
	n->now = env_wall(n->asker.role->env);
	while (wire_range_next(&in, &range))
		n->ranges[k++] = (struct uid_range){ range.lo, range.hi };
	n->work = (struct mailbox_work){ .account = n->account,
		.mailbox = mailbox,
		.ranges = n->ranges,
		.n_ranges = k,
		.kept_at =
		    n->asker.role->settings->keep_expunged > 0 ? n->now : 0 };
	n->copy = (struct mailbox_copy){ .account = n->account,
		.mailbox = mailbox,
		.ranges = n->ranges,
		.n_ranges = k,
		.now = n->now };
	n->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_change,
		.done = done_change };
	return n;
}

static int
change_submit(struct channel *c, struct change *n)
{
	if (n == NULL)
		return ERR_ORIGIN(-ENOMEM);
	if (n->account == 0)
		done_change(&n->write, -ENOENT);
	else
		store_submit(peer_of(c)->role->store, &n->write);
	return 0;
}

static void
keep_name(struct mailbox_name *n, struct slice name)
{
	name = slice_upto(name, LIMIT_MAILBOX_NAME);
	memcpy(n->text, name.at, name.len);
	n->len = name.len;
}

/* A slice goes on from where the last kept one ended. */
static void
begin_slice(struct change *c)
{
	if (c->write.was_kept)
		c->work = c->next;
	c->write.was_kept = false;
	c->next = c->work;
}

/* -- MAILBOX_CHANGE -- */

static int
run_rename(struct db *db, struct change *c, struct slice name, struct slice to)
{
	int r;

	if (!slice_equal_nocase(name, SLICE("INBOX")))
		return mailbox_rename(db, c->account, name, to, c->now);
	c->copy.to = to;
	r = mailbox_rename_inbox(db, &c->copy);
	c->modseq = c->copy.modseq;
	return r;
}

static int
run_box(struct db *db, struct change *c)
{
	struct slice name = mailbox_name_slice(&c->name);
	struct slice to = mailbox_name_slice(&c->to);

	switch (c->what) {
	case MAILBOX_CREATE:
		return mailbox_create_special(db, c->account, name,
		    slice_of(c->use, c->use_len), c->now, &c->made);
	case MAILBOX_DELETE:
		return mailbox_delete(db, c->account, name, c->work.kept_at,
		    &c->modseq);
	case MAILBOX_RENAME:
		return run_rename(db, c, name, to);
	case MAILBOX_SUBSCRIBE:
	case MAILBOX_UNSUBSCRIBE:
		return mailbox_subscribe(db, c->account, name,
		    c->what == MAILBOX_SUBSCRIBE);
	default:
		return STORE_E_FORBIDDEN;
	}
}

static void
answer_box(struct change *c, struct channel *to, int r)
{
	struct wire_mailbox_done m = { .verdict = wire_verdict_box(r),
		.mailbox = r == 0 ? c->made : 0 };

	(void)wire_send_mailbox_done(to, c->asker.session, c->asker.ticket, &m);
}

int
on_mailbox_change(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_change *m)
{
	struct change *n = change_new(c, h, m->handle, 0, NULL);

	if (n != NULL) {
		n->what = m->what;
		keep_name(&n->name, m->name);
		keep_name(&n->to, m->to);
		n->use_len = m->special_use.len;
		memcpy(n->use, m->special_use.at, n->use_len);
		n->run = run_box;
		n->answer = answer_box;
	}
	return change_submit(c, n);
}

/* -- FLAGS_STORE, EXPUNGE -- */

static int
run_slice(struct db *db, struct change *c,
    int (*slice)(struct db *, struct mailbox_work *))
{
	int r;

	begin_slice(c);
	r = slice(db, &c->next);
	c->modseq = c->next.modseq;
	return r;
}

static int
run_flags(struct db *db, struct change *c)
{
	return run_slice(db, c, mailbox_flags);
}

static void
answer_flags(struct change *c, struct channel *to, int r)
{
	struct wire_flags_done m = { .verdict = wire_verdict_box(r),
		.modseq = c->modseq };
	size_t n = r == 0 ? c->next.n_modified : 0, i = 0;
	struct buf rows;

	buf_init(&rows, LIMIT_FRAME);
	do {
		uint32_t k = 0;

		buf_reset(&rows, LIMIT_FRAME);
		for (; i < n && k < MODIFIED_ROWS; i++, k++) {
			struct wire_range range = { c->modified.at[i].lo,
				c->modified.at[i].hi };

			(void)wire_range_add(&rows, &range);
		}
		m.modified = (struct wire_list){ buf_slice(&rows), k };
		m.more = i < n;
		(void)wire_send_flags_done(to, c->asker.session,
		    c->asker.ticket, &m);
	} while (m.more);
	buf_deinit(&rows);
}

int
on_flags_store(struct channel *c, const struct wire_head *h,
    const struct wire_flags_store *m)
{
	struct change *n = change_new(c, h, m->handle, m->mailbox, &m->uids);

	if (n != NULL) {
		n->work.mode = m->mode;
		n->work.flags = m->flags & (uint8_t)~FLAG_RECENT;
		n->work.modified = m->is_conditional ? &n->modified : NULL;
		n->work.unchanged_since = m->unchanged_since;
		memcpy(n->keywords, m->keywords.at, m->keywords.len);
		n->work.keywords = slice_of(n->keywords, m->keywords.len);
		n->run = run_flags;
		n->answer = answer_flags;
	}
	return change_submit(c, n);
}

static int
run_expunge(struct db *db, struct change *c)
{
	return run_slice(db, c, mailbox_expunge);
}

static void
answer_expunge(struct change *c, struct channel *to, int r)
{
	struct wire_expunged m = { .verdict = wire_verdict_box(r),
		.modseq = c->modseq,
		.n = c->next.n };

	(void)wire_send_expunged(to, c->asker.session, c->asker.ticket, &m);
}

int
on_expunge(struct channel *c, const struct wire_head *h,
    const struct wire_expunge *m)
{
	struct change *n = change_new(c, h, m->handle, m->mailbox, &m->uids);

	if (n != NULL) {
		n->work.any_flag = m->any_flag;
		n->run = run_expunge;
		n->answer = answer_expunge;
	}
	return change_submit(c, n);
}

/* -- COPY -- */

static int
run_copy(struct db *db, struct change *c)
{
	int r;

	r = mailbox_copy(db, &c->copy);
	c->modseq = c->copy.modseq;
	return r;
}

static void
answer_copy(struct change *c, struct channel *to, int r)
{
	struct wire_copied m = { .verdict = wire_verdict_box(r),
		.uidvalidity = c->copy.uidvalidity };
	struct buf rows;
	size_t i = 0;

	buf_init(&rows, LIMIT_FRAME);
	do {
		uint32_t n = 0;

		buf_reset(&rows, LIMIT_FRAME);
		while (r == 0 && i < c->copy.n_pairs && n < PAIRS_ROWS) {
			struct wire_uid_pair pair = { c->copy.pairs[i].from,
				c->copy.pairs[i].to };

			(void)wire_uid_pair_add(&rows, &pair);
			n++;
			i++;
		}
		m.pairs = (struct wire_list){ buf_slice(&rows), n };
		m.more = r == 0 && i < c->copy.n_pairs;
		(void)wire_send_copied(to, c->asker.session, c->asker.ticket,
		    &m);
	} while (m.more);
	buf_deinit(&rows);
}

int
on_copy(struct channel *c, const struct wire_head *h, const struct wire_copy *m)
{
	struct change *n = change_new(c, h, m->handle, m->mailbox, &m->uids);

	if (n != NULL) {
		keep_name(&n->to, m->to);
		n->copy.to = mailbox_name_slice(&n->to);
		n->copy.is_move = m->is_move;
		n->run = run_copy;
		n->answer = answer_copy;
	}
	return change_submit(c, n);
}
