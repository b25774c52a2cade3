/* SPDX-License-Identifier: ISC */
/*
 * roles/store/annotations - fronts read and write annotations (RFC 5464)
 *
 * Reading in the READ lane, writing in the interactive one, as one
 * transaction; the account is the handle's. One answer holds all of a
 * mailbox: LIMIT_ANNOTATIONS bounds it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "roles/store/store_role.h"
#include "store/annotation.h"

enum {
	USE_MAX = 32
};

struct notes_look {
	struct store_read read;
	struct asker asker;
	uint64_t account;
	size_t name_len;
	char name[LIMIT_MAILBOX_NAME];
	struct buf rows;
	uint32_t n;
};

static int
add_note(struct notes_look *l, struct slice entry, struct slice value)
{
	struct wire_annotation row = { .entry = entry, .value = value };

	if (wire_annotation_add(&l->rows, &row) != 0)
		return ERR_ORIGIN(-ENOMEM);
	l->n++;
	return 0;
}

static int
add_use(struct db *db, struct notes_look *l, uint64_t mailbox)
{
	struct q_mailbox_use row;
	int r;

	if (mailbox == 0)
		return 0;
	r = DB_ONE(mailbox_use, db, &row, .mailbox = mailbox);
	if (r == 0 && row.special_use.len > 0)
		r = add_note(l, SLICE("/private/specialuse"), row.special_use);
	return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
}

static int
run_look(struct db *db, struct store_read *read)
{
	struct notes_look *l = LIST_ENTRY(read, struct notes_look, read);
	struct q_annotation_list row;
	struct db_rows rows;
	uint64_t mailbox;
	int r = annotation_target(db, l->account,
	    slice_of(l->name, l->name_len), &mailbox);

	if (r == 0)
		r = add_use(db, l, mailbox);
	if (r == 0)
		r = DB_MANY(annotation_list, db, &rows, .account = l->account,
		    .mailbox = mailbox);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	while (l->n < LIMIT_ANNOTATIONS &&
	    (r = q_annotation_list_next(&rows, &row)) == 0) {
		r = add_note(l, row.entry, row.value);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static void
done_look(struct store_read *read, int r)
{
	struct notes_look *l = LIST_ENTRY(read, struct notes_look, read);
	struct channel *c = asker_channel(&l->asker);
	struct wire_annotations m = { .verdict = wire_verdict_box(r) };

	if (r == 0)
		m.rows = (struct wire_list){ buf_slice(&l->rows), l->n };
	if (c != NULL)
		(void)wire_send_annotations(c, l->asker.session,
		    l->asker.ticket, &m);
	buf_deinit(&l->rows);
	free(l);
}

int
on_annotation_get(struct channel *c, const struct wire_head *h,
    const struct wire_annotation_get *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct notes_look *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_ORIGIN(-ENOMEM);
	l->asker = asker_of(c, h);
	buf_init(&l->rows, LIMIT_FRAME / 2);
	l->name_len = m->name.len;
	memcpy(l->name, m->name.at, m->name.len);
	l->read.run = run_look;
	l->read.done = done_look;
	if (of == NULL) {
		done_look(&l->read, -ENOENT);
		return 0;
	}
	l->account = of->account;
	store_read(peer_of(c)->role->store, &l->read);
	return 0;
}

/* -- ANNOTATION_SET ----------------------------------------------------------
 */

/* The texts that all[] points to lie behind it. */
struct notes_change {
	struct store_write write;
	struct asker asker;
	uint64_t account;
	struct slice name;
	size_t n;
	struct annotation all[LIMIT_ANNOTATIONS];
	uint8_t texts[];
};

static int
apply_change(struct db *db, struct store_write *w)
{
	struct notes_change *n = LIST_ENTRY(w, struct notes_change, write);

	return annotation_set(db, n->account, n->name, n->all, n->n);
}

static void
done_change(struct store_write *w, int r)
{
	struct notes_change *n = LIST_ENTRY(w, struct notes_change, write);
	struct channel *c = asker_channel(&n->asker);
	struct wire_mailbox_done m = { .verdict = wire_verdict_box(r) };

	store_role_no_room(n->asker.role, r);
	if (c != NULL)
		(void)wire_send_mailbox_done(c, n->asker.session,
		    n->asker.ticket, &m);
	free(n);
}

static struct slice
keep(uint8_t **at, struct slice s)
{
	struct slice ret = slice_of(*at, s.len);

	if (s.len > 0)
		memcpy(*at, s.at, s.len);
	*at += s.len;
	return ret;
}

/* False: a use that is longer than a column of it. */
static bool
take_rows(struct notes_change *n, const struct wire_annotation_set *m)
{
	struct wire_list rows = m->rows;
	struct wire_annotation_change row;
	uint8_t *at = n->texts;

	n->name = keep(&at, m->name);
	while (n->n < LIMIT_ANNOTATIONS &&
	    wire_annotation_change_next(&rows, &row)) {
		n->all[n->n++] =
		    (struct annotation){ .entry = keep(&at, row.entry),
			    .value = keep(&at, row.value),
			    .is_removed = row.removes };
		if (m->name.len > 0 && row.value.len > USE_MAX &&
		    slice_equal(row.entry, SLICE("/private/specialuse")))
			return false;
	}
	return true;
}

int
on_annotation_set(struct channel *c, const struct wire_head *h,
    const struct wire_annotation_set *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_WRITE);
	struct notes_change *n =
	    calloc(1, sizeof(*n) + m->name.len + m->rows.raw.len);

	if (n == NULL)
		return ERR_ORIGIN(-ENOMEM);
	n->asker = asker_of(c, h);
	n->account = of == NULL ? 0 : of->account;
	n->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_change,
		.done = done_change };
	if (!take_rows(n, m))
		done_change(&n->write, STORE_E_FORBIDDEN);
	else if (of == NULL)
		done_change(&n->write, -ENOENT);
	else
		store_submit(peer_of(c)->role->store, &n->write);
	return 0;
}
