/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/fake_store.h"
#include "imap/harvest.h"
#include "mail/header.h"
#include "mail/summary.h"

/* The clock of the world: 2026-11-23 06:00 UTC. */
static const int64_t FAKE_WALL = INT64_C(1795413600) * 1000000;

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static void
copy_text(char *dst, size_t size, struct slice s)
{
	(void)slice_to_cstr(s, dst, size);
}

/* -- the store ----------------------------------------------------------------
 */

static struct fake_box *
new_box(struct fake_store *f, struct slice name, const char *use)
{
	struct fake_box *b;

	if (f->n_boxes == FAKE_BOXES)
		return NULL;
	b = &f->boxes[f->n_boxes++];
	memset(b, 0, sizeof(*b));
	copy_text(b->name, sizeof(b->name), name);
	copy_text(b->use, sizeof(b->use), slice_cstr(use));
	b->exists = true;
	b->uidvalidity = ++f->next_validity;
	b->uidnext = 1;
	return b;
}

void
fake_store_init(struct fake_store *f)
{
	static const char *const names[][2] = { { "INBOX", "" },
		{ "Sent", "\\Sent" }, { "Trash", "\\Trash" } };

	memset(f, 0, sizeof(*f));
	f->modseq = 1;
	f->has_summaries = true;
	f->next_validity = 1000;
	for (size_t i = 0; i < 3; i++)
		new_box(f, slice_cstr(names[i][0]), names[i][1])
		    ->is_subscribed = true;
}

void
fake_store_create(struct fake_store *f, struct slice name)
{
	(void)new_box(f, name, "");
}

void
fake_store_deinit(struct fake_store *f)
{
	for (size_t i = 0; i < f->n_messages; i++) {
		free(f->messages[i].bytes);
		free(f->messages[i].summary);
	}
}

struct fake_box *
fake_store_box(struct fake_store *f, struct slice name)
{
	for (size_t i = 0; i < f->n_boxes; i++)
		if (slice_equal(name, slice_cstr(f->boxes[i].name)))
			return &f->boxes[i];
	return NULL;
}

static uint32_t
add_entry(struct fake_store *f, struct fake_box *b, size_t message)
{
	struct fake_entry *e;

	if (b->n_entries == FAKE_ENTRIES)
		return 0;
	e = &b->entries[b->n_entries++];
	*e = (struct fake_entry){
		.uid = b->uidnext++, .message = message, .modseq = ++f->modseq
	};
	return e->uid;
}

static struct fake_message *
new_message(struct fake_store *f, struct slice bytes)
{
	struct fake_message *m;
	struct buf summary;

	if (f->n_messages == FAKE_MESSAGES)
		return NULL;
	m = &f->messages[f->n_messages++];
	memset(m, 0, sizeof(*m));
	m->bytes = must(malloc(bytes.len + 1));
	memcpy(m->bytes, bytes.at, bytes.len);
	m->len = bytes.len;
	m->date = INT64_C(1795000000) * 1000000;
	m->zone = 120;
	buf_init(&summary, LIMIT_SUMMARY);
	if (f->has_summaries && summary_make(bytes, &summary) == BUF_OK) {
		m->summary = must(malloc(summary.len + 1));
		m->summary_len = summary.len;
		memcpy(m->summary, buf_slice(&summary).at, summary.len);
	}
	buf_deinit(&summary);
	return m;
}

uint32_t
fake_store_add(struct fake_store *f, const char *box, struct slice bytes,
    uint8_t flags)
{
	struct fake_box *b = fake_store_box(f, slice_cstr(box));
	struct fake_message *m = b == NULL ? NULL : new_message(f, bytes);
	uint32_t uid;

	if (m == NULL)
		return 0;
	m->flags = flags & (uint8_t)~IMAP_DELETED;
	uid = add_entry(f, b, f->n_messages - 1);
	if (uid != 0)
		b->entries[b->n_entries - 1].is_deleted =
		    (flags & IMAP_DELETED) != 0;
	return uid;
}

static struct fake_entry *
find_entry(struct fake_box *b, uint32_t uid)
{
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entries[i].uid == uid && !b->entries[i].is_gone)
			return &b->entries[i];
	return NULL;
}

void
fake_store_expunge(struct fake_store *f, const char *box, uint32_t uid)
{
	struct fake_box *b = fake_store_box(f, slice_cstr(box));
	struct fake_entry *e = b == NULL ? NULL : find_entry(b, uid);

	if (e == NULL)
		return;
	e->is_gone = true;
	e->modseq = ++f->modseq;
}

void
fake_store_flag(struct fake_store *f, const char *box, uint32_t uid,
    uint8_t flags)
{
	struct fake_box *b = fake_store_box(f, slice_cstr(box));
	struct fake_entry *e = b == NULL ? NULL : find_entry(b, uid);

	if (e == NULL)
		return;
	f->messages[e->message].flags = flags & (uint8_t)~IMAP_DELETED;
	e->is_deleted = (flags & IMAP_DELETED) != 0;
	e->modseq = ++f->modseq;
}

/* -- answers
 * ------------------------------------------------------------------- */

static struct fake_answer *
new_answer(struct fake_client *c, enum imap_question what)
{
	struct fake_answer *a;

	if (c->n_answers == FAKE_ANSWERS)
		abort();
	a = &c->answers[(c->first_answer + c->n_answers++) % FAKE_ANSWERS];
	memset(a, 0, sizeof(*a));
	a->a.what = what;
	return a;
}

static void
free_answer(struct fake_answer *a)
{
	free(a->boxes);
	free(a->entries);
	free(a->gone);
	free(a->pairs);
	free(a->notes);
	free(a->details);
	free(a->ranges);
	free(a->bytes);
	memset(a, 0, sizeof(*a));
}

static uint64_t
box_modseq(const struct fake_box *b)
{
	uint64_t ret = 1;

	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entries[i].modseq > ret)
			ret = b->entries[i].modseq;
	return ret;
}

void
fake_store_trim(struct fake_store *f)
{
	for (size_t i = 0; i < f->n_boxes; i++)
		f->boxes[i].floor = f->modseq;
}

static struct imap_box
tell_box(struct fake_store *f, struct fake_box *b)
{
	struct imap_box box = { .name = slice_cstr(b->name),
		.special_use = slice_cstr(b->use),
		.mailbox = (uint64_t)(b - f->boxes) + 1,
		.uidvalidity = b->uidvalidity,
		.uidnext = b->uidnext,
		.recent = b->recent == 0 ? 1 : b->recent,
		.modseq = box_modseq(b),
		.is_subscribed = b->is_subscribed,
		.exists = b->exists };

	for (size_t i = 0; i < b->n_entries; i++)
		if (!b->entries[i].is_gone) {
			const struct fake_entry *e = &b->entries[i];

			box.messages++;
			box.deleted += e->is_deleted;
			box.deleted_size +=
			    e->is_deleted ? f->messages[e->message].len : 0;
			box.size += f->messages[e->message].len;
			box.unseen +=
			    (f->messages[b->entries[i].message].flags &
				IMAP_SEEN) == 0;
		}
	return box;
}

static void
ask_login(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	(void)c;
	a->a.result = slice_equal(ask->user, SLICE("alice@one.example")) &&
		slice_equal(ask->secret, SLICE("correct horse"))
	    ? IMAP_OK
	    : IMAP_REFUSED;
}

static void
tell_auth(struct fake_client *c, enum sasl_want want, struct fake_answer *a)
{
	static const enum imap_result results[] = {
		[SASL_SAY] = IMAP_CHALLENGE,
		[SASL_YES] = IMAP_OK,
		[SASL_NO] = IMAP_REFUSED,
		[SASL_MALFORMED] = IMAP_MALFORMED,
	};

	a->a.result = results[want];
	if (want == SASL_SAY)
		a->a.bytes = fake_keeper_challenge(&c->keeper);
}

static void
ask_auth(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	if (c->keeper.is_there)
		abort();
	tell_auth(c,
	    fake_keeper_start64(&c->keeper, ask->mechanism,
		c->config->mechanisms, SASL_FOR_IMAP,
		ask->has_initial ? &ask->bytes : NULL),
	    a);
}

static void
ask_respond(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	if (!c->keeper.is_there)
		abort();
	tell_auth(c, fake_keeper_step64(&c->keeper, ask->bytes), a);
}

static void
ask_list(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	(void)ask;
	a->boxes = must(calloc(FAKE_BOXES, sizeof(*a->boxes)));
	for (size_t i = 0; i < c->store->n_boxes; i++)
		if (c->store->boxes[i].exists ||
		    c->store->boxes[i].is_subscribed)
			a->boxes[a->a.n_boxes++] =
			    tell_box(c->store, &c->store->boxes[i]);
	a->a.boxes = a->boxes;
}

static void
ask_status(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = fake_store_box(c->store, ask->name);

	if (b == NULL || !b->exists) {
		a->a.result = IMAP_NONEXISTENT;
		return;
	}
	a->box = tell_box(c->store, b);
	a->a.boxes = &a->box;
	a->a.n_boxes = 1;
	if (ask->what != IMAP_ASK_OPEN)
		return;
	c->open = b - c->store->boxes;
	if (!ask->read_only)
		b->recent = b->uidnext;
}

static bool
has_use(struct fake_store *f, struct slice use)
{
	for (size_t i = 0; i < f->n_boxes; i++)
		if (use.len > 0 && f->boxes[i].exists &&
		    slice_equal(use, slice_cstr(f->boxes[i].use)))
			return true;
	return false;
}

/* NULL: no such mailbox. An empty name: the server. */
static struct fake_note *
find_notes(struct fake_store *f, struct slice name)
{
	struct fake_box *b = name.len == 0 ? NULL : fake_store_box(f, name);

	if (name.len == 0)
		return f->notes;
	return b == NULL || !b->exists ? NULL : b->notes;
}

static void
ask_notes(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_note *notes = find_notes(c->store, ask->name);
	struct fake_box *b = fake_store_box(c->store, ask->name);

	if (notes == NULL) {
		a->a.result = IMAP_NONEXISTENT;
		return;
	}
	a->notes = must(calloc(FAKE_NOTES + 1, sizeof(*a->notes)));
	a->a.notes = a->notes;
	if (b != NULL && b->use[0] != '\0')
		a->notes[a->a.n_notes++] =
		    (struct imap_note){ SLICE("/private/specialuse"),
			    slice_cstr(b->use), false };
	for (size_t i = 0; i < FAKE_NOTES; i++)
		if (notes[i].entry[0] != '\0')
			a->notes[a->a.n_notes++] =
			    (struct imap_note){ slice_cstr(notes[i].entry),
				    slice_cstr(notes[i].value), false };
}

static bool
set_note(struct fake_note *notes, const struct imap_note *n)
{
	struct fake_note *free_one = NULL;

	for (size_t i = 0; i < FAKE_NOTES; i++) {
		if (slice_equal(n->entry, slice_cstr(notes[i].entry))) {
			free_one = &notes[i];
			break;
		}
		if (notes[i].entry[0] == '\0' && free_one == NULL)
			free_one = &notes[i];
	}
	if (n->is_removed) {
		if (free_one != NULL)
			free_one->entry[0] = '\0';
		return true;
	}
	if (free_one == NULL)
		return false;
	copy_text(free_one->entry, sizeof(free_one->entry), n->entry);
	copy_text(free_one->value, sizeof(free_one->value), n->value);
	return true;
}

static void
ask_set_notes(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_note *notes = find_notes(c->store, ask->name),
			 now[FAKE_NOTES];
	struct fake_box *b = fake_store_box(c->store, ask->name);

	if (notes == NULL) {
		a->a.result = IMAP_NONEXISTENT;
		return;
	}
	memcpy(now, notes, sizeof(now));
	for (size_t i = 0; i < ask->n_notes; i++)
		if (b != NULL &&
		    slice_equal(ask->notes[i].entry,
			SLICE("/private/specialuse")))
			copy_text(b->use, sizeof(b->use), ask->notes[i].value);
		else if (!set_note(now, &ask->notes[i]))
			a->a.result = IMAP_TOO_MANY;
	if (a->a.result == IMAP_OK)
		memcpy(notes, now, sizeof(now));
}

static void
ask_quota(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_store *f = c->store;

	(void)ask;
	a->a.quota = (struct imap_quota){ .used_messages = f->n_messages,
		.limit_messages = FAKE_MESSAGES,
		.limit_bytes = 1024 * 1024 };
	for (size_t i = 0; i < f->n_messages; i++)
		a->a.quota.used_bytes += f->messages[i].len;
}

static void
ask_change(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_store *f = c->store;
	struct fake_box *b = fake_store_box(f, ask->name);
	bool exists = b != NULL && b->exists;

	if (ask->change == IMAP_CHANGE_CREATE) {
		if (exists)
			a->a.result = IMAP_EXISTS;
		else if (b != NULL)
			b->exists = true;
		else if (has_use(f, ask->use))
			a->a.result = IMAP_USEATTR;
		else if (new_box(f, ask->name, "") == NULL)
			a->a.result = IMAP_OVERQUOTA;
		if (a->a.result == IMAP_OK) {
			b = fake_store_box(f, ask->name);
			copy_text(b->use, sizeof(b->use), ask->use);
			a->a.mailbox = (uint64_t)(b - f->boxes) + 1;
		}
		return;
	}
	if (ask->change == IMAP_CHANGE_SUBSCRIBE ||
	    ask->change == IMAP_CHANGE_UNSUBSCRIBE) {
		/* RFC 9051, 6.3.7: any name */
		if (b == NULL && (b = new_box(f, ask->name, "")) != NULL)
			b->exists = false;
		if (b == NULL)
			return;
		b->is_subscribed = ask->change == IMAP_CHANGE_SUBSCRIBE;
		return;
	}
	if (!exists) {
		a->a.result = IMAP_NONEXISTENT;
		return;
	}
	if (slice_equal(ask->name, SLICE("INBOX"))) {
		a->a.result = IMAP_CANNOT;
		return;
	}
	if (ask->change == IMAP_CHANGE_RENAME) {
		if (fake_store_box(f, ask->to) != NULL)
			a->a.result = IMAP_EXISTS;
		else
			copy_text(b->name, sizeof(b->name), ask->to);
		return;
	}
	b->exists = false;
	b->n_entries = 0;
}

static struct fake_box *
asked_box(struct fake_client *c, const struct imap_ask *ask)
{
	return &c->store->boxes[ask->mailbox != 0 ? (long)ask->mailbox - 1
						  : c->open];
}

static bool
tells_gone(const struct imap_ask *ask, const struct fake_box *b,
    const struct fake_entry *e)
{
	return e->modseq > b->floor &&
	    ((ask->since > 0 && e->modseq > ask->since) ||
		(ask->gone_since > 0 && e->modseq > ask->gone_since));
}

static void
ask_scan(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_store *f = c->store;
	struct fake_box *b;

	if (ask->mailbox == 0 && (c->open < 0 || !f->boxes[c->open].exists)) {
		a->a.result = IMAP_NONEXISTENT;
		return;
	}
	b = asked_box(c, ask);
	a->entries = must(calloc(FAKE_ENTRIES, sizeof(*a->entries)));
	a->gone = must(calloc(FAKE_ENTRIES, sizeof(*a->gone)));
	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];
		struct fake_message *m = &f->messages[e->message];

		if (e->is_gone) {
			if (tells_gone(ask, b, e))
				a->gone[a->a.n_gone++] =
				    (struct imap_range){ e->uid, e->uid };
			continue;
		}
		if (e->modseq <= ask->since)
			continue;
		a->entries[a->a.n_entries++] = (struct imap_entry){
			.uid = e->uid,
			.size = (uint32_t)m->len,
			.date = m->date,
			.zone = m->zone,
			.modseq = e->modseq,
			.flags = m->flags |
			    (e->is_deleted ? (uint8_t)IMAP_DELETED : 0),
			.keywords = slice_cstr(m->keywords),
		};
	}
	a->a.entries = a->entries;
	a->a.gone = a->gone;
	a->a.upto = f->modseq;
	a->a.modseq = box_modseq(b);
	a->a.floor = b->floor;
	a->a.uidnext = b->uidnext;
}

static bool
is_asked(const struct imap_ask *ask, uint32_t uid)
{
	for (size_t i = 0; i < ask->n_uids; i++)
		if (ask->uids[i].lo <= uid && uid <= ask->uids[i].hi)
			return true;
	return false;
}

/* One answer a message, and a last one without any. */
static void
ask_summary(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = &c->store->boxes[c->open];

	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];
		struct fake_message *m = &c->store->messages[e->message];

		if (e->is_gone || !is_asked(ask, e->uid))
			continue;
		a->a.uid = e->uid;
		a->a.more = true;
		a->a.bytes = slice_of(m->summary, m->summary_len);
		a = new_answer(c, ask->what);
	}
}

static void
ask_details(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = asked_box(c, ask);

	a->details = must(calloc(FAKE_ENTRIES, sizeof(*a->details)));
	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];
		struct fake_message *m = &c->store->messages[e->message];
		struct imap_detail *d = &a->details[a->a.n_details];

		if (e->is_gone || !is_asked(ask, e->uid))
			continue;
		*d = (struct imap_detail){ .uid = e->uid,
			.thread = e->message + 1,
			.saved_at = FAKE_WALL - INT64_C(3600000000),
			.size = m->len,
			.summary =
			    slice_upto(slice_of(m->summary, m->summary_len),
				(size_t)ask->length) };
		d->id.bytes[ID_SIZE - 1] = (uint8_t)(e->message + 1);
		a->a.n_details++;
	}
	a->a.details = a->details;
}

/* Each message in two pieces, as a real store may; a last one without any. */
static void
ask_bodies(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = asked_box(c, ask);

	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];
		struct fake_message *m = &c->store->messages[e->message];
		struct slice all = slice_of(m->bytes, m->len);

		if (e->is_gone || !is_asked(ask, e->uid))
			continue;
		if (ask->headers)
			all = slice_upto(all, header_len(all));
		for (int piece = 0; piece < 2; piece++) {
			a->a.uid = e->uid;
			a->a.more = true;
			a->a.ends = piece == 1;
			a->a.bytes = piece == 0 ? slice_upto(all, all.len / 2)
						: slice_from(all, all.len / 2);
			a = new_answer(c, ask->what);
		}
	}
}

/* -- an index -------------------------------------------------------------- */

static bool
fits(struct slice term, const struct terms_demand *d)
{
	struct slice text = slice_of(d->text, d->len);

	return slice_find(term, text) != SIZE_MAX &&
	    (!d->is_begin || slice_starts(term, text)) &&
	    (!d->is_end || slice_ends(term, text));
}

static bool
may_contain(const struct terms_set *set, struct slice needle)
{
	struct terms_demand demands[TERMS_DEMANDS];
	size_t n = terms_demands(needle, demands);

	for (size_t i = 0; i < n; i++) {
		struct slice rest = buf_slice(&set->text), term;
		bool found = false;

		while (!found && terms_next(&rest, &term))
			found = fits(term, &demands[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool
is_candidate(const struct fake_message *m, const struct imap_needle *needle)
{
	struct harvest *h = must(malloc(sizeof(*h)));
	bool ret;

	harvest_init(h, 1);
	harvest_begin(h);
	harvest_feed(h, slice_of(m->bytes, m->len));
	harvest_end(h);
	ret = h->is_partial ||
	    (needle->part != IMAP_FIND_HEADER &&
		may_contain(&h->body, needle->text)) ||
	    (needle->part != IMAP_FIND_BODY &&
		may_contain(&h->header, needle->text));
	harvest_deinit(h);
	free(h);
	return ret;
}

/* The first needle alone; of the others nothing is known. */
static void
ask_find(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = asked_box(c, ask);
	struct imap_range *at = must(calloc(FAKE_ENTRIES, sizeof(*at)));

	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];

		if (!e->is_gone &&
		    is_candidate(&c->store->messages[e->message],
			&ask->needles[0]))
			at[a->a.n_ranges++] =
			    (struct imap_range){ e->uid, e->uid };
	}
	a->a.ranges = a->ranges = at;
}

static void
ask_pause(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	(void)c;
	(void)ask;
	(void)a;
}

static void
ask_body(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_entry *e = find_entry(asked_box(c, ask), ask->uid);
	struct slice all;

	if (e == NULL) {
		a->a.result = IMAP_EXPUNGED;
		return;
	}
	all = slice_of(c->store->messages[e->message].bytes,
	    c->store->messages[e->message].len);
	all = slice_upto(slice_from(all, (size_t)ask->offset),
	    (size_t)ask->length);
	/* In two pieces, as a real store may. */
	a->a.bytes = slice_upto(all, all.len / 2);
	a->a.more = true;
	a = new_answer(c, ask->what);
	a->a.bytes = slice_from(all, all.len / 2);
}

static void
change_keywords(struct fake_message *m, const struct imap_ask *ask)
{
	struct imap_view v;
	uint8_t seed[MAP_SEED] = { 0 };
	struct imap_row row = { 0 };
	struct imap_flags flags = { ask->flags, ask->keywords };
	int set;

	imap_view_init(&v, seed);
	set = imap_view_set(&v, slice_cstr(m->keywords));
	row.keywords = (uint16_t)(set < 0 ? 0 : set);
	if (imap_view_apply(&v, &row, (int)ask->mode, &flags) == 0)
		copy_text(m->keywords, sizeof(m->keywords),
		    row.keywords == 0 ? slice_of("", 0) : v.sets[row.keywords]);
	imap_view_deinit(&v);
}

static uint8_t
change_bits(uint8_t old, const struct imap_ask *ask)
{
	return ask->mode == IMAP_STORE_SET ? ask->flags
	    : ask->mode == IMAP_STORE_ADD  ? old | ask->flags
					   : old & (uint8_t)~ask->flags;
}

static void
ask_flags(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = &c->store->boxes[c->open];

	a->gone = must(calloc(FAKE_ENTRIES, sizeof(*a->gone)));
	a->a.gone = a->gone;
	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];
		struct fake_message *m = &c->store->messages[e->message];
		uint8_t flags =
		    m->flags | (e->is_deleted ? (uint8_t)IMAP_DELETED : 0);

		if (e->is_gone || !is_asked(ask, e->uid))
			continue;
		if (ask->is_conditional && e->modseq > ask->since) {
			a->gone[a->a.n_gone++] =
			    (struct imap_range){ e->uid, e->uid };
			continue;
		}
		flags = change_bits(flags, ask);
		m->flags = flags & (uint8_t)~IMAP_DELETED;
		e->is_deleted = (flags & IMAP_DELETED) != 0;
		change_keywords(m, ask);
		e->modseq = ++c->store->modseq;
	}
}

static void
ask_expunge(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = &c->store->boxes[c->open];

	(void)a;
	for (size_t i = 0; i < b->n_entries; i++) {
		struct fake_entry *e = &b->entries[i];

		if (e->is_gone || !is_asked(ask, e->uid) ||
		    (!ask->any_flag && !e->is_deleted))
			continue;
		e->is_gone = true;
		e->modseq = ++c->store->modseq;
	}
}

/* All or nothing: what cannot be taken is put back. */
static void
ask_copy(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *from = &c->store->boxes[c->open];
	struct fake_box *to = fake_store_box(c->store, ask->to);
	size_t n = from->n_entries, before;

	if (to == NULL || !to->exists) {
		a->a.result = IMAP_NONEXISTENT;
		return;
	}
	before = to->n_entries;
	a->pairs = must(calloc(FAKE_ENTRIES, sizeof(*a->pairs)));
	for (size_t i = 0; i < n; i++) {
		struct fake_entry *e = &from->entries[i];
		uint32_t uid;

		if (e->is_gone || !is_asked(ask, e->uid))
			continue;
		uid = add_entry(c->store, to, e->message);
		if (uid == 0) {
			to->n_entries = before;
			a->a.n_pairs = 0;
			a->a.result = IMAP_OVERQUOTA;
			return;
		}
		to->entries[to->n_entries - 1].is_deleted = e->is_deleted;
		a->pairs[a->a.n_pairs++] = (struct imap_pair){ e->uid, uid };
	}
	for (size_t i = 0; i < n && ask->is_move; i++)
		if (!from->entries[i].is_gone &&
		    is_asked(ask, from->entries[i].uid)) {
			from->entries[i].is_gone = true;
			from->entries[i].modseq = ++c->store->modseq;
		}
	a->a.pairs = a->pairs;
	a->a.uidvalidity = to->uidvalidity;
}

static void
keep_pending(struct fake_client *c, const struct imap_ask *ask)
{
	struct slice bytes = buf_slice(&c->body);
	struct fake_pending *p;

	if (c->n_pending == FAKE_PENDING)
		abort();
	p = &c->pending[c->n_pending++];
	*p = (struct fake_pending){ .bytes = must(malloc(bytes.len + 1)),
		.len = bytes.len,
		.flags = ask->flags,
		.date = ask->date,
		.zone = ask->zone };
	memcpy(p->bytes, bytes.at, bytes.len);
	buf_reset(&c->body, 0);
}

static void
forget_pending(struct fake_client *c)
{
	while (c->n_pending > 0)
		free(c->pending[--c->n_pending].bytes);
}

static uint32_t
add_pending(struct fake_client *c, struct slice name,
    const struct fake_pending *p)
{
	char text[512];
	uint32_t uid;

	copy_text(text, sizeof(text), name);
	uid = fake_store_add(c->store, text, slice_of(p->bytes, p->len),
	    p->flags);
	if (uid != 0 && p->date != 0) {
		c->store->messages[c->store->n_messages - 1].date = p->date;
		c->store->messages[c->store->n_messages - 1].zone = p->zone;
	}
	return uid;
}

static void
ask_append(struct fake_client *c, const struct imap_ask *ask,
    struct fake_answer *a)
{
	struct fake_box *b = fake_store_box(c->store, ask->name);

	keep_pending(c, ask);
	if (b == NULL)
		a->a.result = IMAP_NONEXISTENT;
	else if (b->n_entries + c->n_pending > FAKE_ENTRIES)
		a->a.result = IMAP_OVERQUOTA;
	for (size_t i = 0; a->a.result == IMAP_OK && i < c->n_pending; i++)
		a->a.uid = add_pending(c, ask->name, &c->pending[i]);
	if (a->a.result == IMAP_OK) {
		a->a.uidvalidity = b->uidvalidity;
		if (ask->uid != 0)
			fake_store_expunge(c->store,
			    c->store->boxes[c->open].name, ask->uid);
	}
	forget_pending(c);
}

static void (*const questions[])(struct fake_client *, const struct imap_ask *,
    struct fake_answer *) = {
	[IMAP_ASK_LOGIN] = ask_login,
	[IMAP_ASK_AUTH] = ask_auth,
	[IMAP_ASK_RESPOND] = ask_respond,
	[IMAP_ASK_LIST] = ask_list,
	[IMAP_ASK_STATUS] = ask_status,
	[IMAP_ASK_OPEN] = ask_status,
	[IMAP_ASK_NOTES] = ask_notes,
	[IMAP_ASK_SET_NOTES] = ask_set_notes,
	[IMAP_ASK_QUOTA] = ask_quota,
	[IMAP_ASK_CHANGE] = ask_change,
	[IMAP_ASK_SCAN] = ask_scan,
	[IMAP_ASK_SUMMARY] = ask_summary,
	[IMAP_ASK_DETAILS] = ask_details,
	[IMAP_ASK_BODIES] = ask_bodies,
	[IMAP_ASK_FIND] = ask_find,
	[IMAP_ASK_PAUSE] = ask_pause,
	[IMAP_ASK_BODY] = ask_body,
	[IMAP_ASK_FLAGS] = ask_flags,
	[IMAP_ASK_EXPUNGE] = ask_expunge,
	[IMAP_ASK_COPY] = ask_copy,
	[IMAP_ASK_APPEND] = ask_append,
};

/* -- the host
 * --------------------------------------------------------------------- */

static size_t
host_room(void *ctx)
{
	struct fake_client *c = ctx;

	return c->room;
}

static void
host_say(void *ctx, struct slice bytes)
{
	struct fake_client *c = ctx;

	if (bytes.len > c->room || buf_add(&c->out, bytes) != BUF_OK)
		abort();
	c->room -= bytes.len;
}

static bool
host_ask(void *ctx, const struct imap_ask *ask)
{
	struct fake_client *c = ctx;
	struct fake_answer *a;

	if (c->store->is_down)
		return false;
	switch (ask->what) {
	case IMAP_ASK_CLOSE:
		c->open = -1;
		return true;
	case IMAP_ASK_LEAVE:
		return true;
	case IMAP_ASK_NOTICES:
		c->wants_notice = !ask->read_only;
		return true;
	case IMAP_ASK_ABORT:
		if (!c->keeper.is_there)
			abort();
		c->keeper.is_there = false;
		return true;
	case IMAP_ASK_APPEND_DROP:
		forget_pending(c);
		return true;
	case IMAP_ASK_APPEND:
		if (!ask->more)
			break;
		keep_pending(c, ask);
		return true;
	case IMAP_ASK_BODY_OPEN:
	case IMAP_ASK_BODY_DROP:
		buf_reset(&c->body, 0);
		return true;
	default:
		break;
	}
	a = new_answer(c, ask->what);
	if (c->store->fails && ask->what > IMAP_ASK_ABORT)
		a->a.result = IMAP_TROUBLE;
	else
		questions[ask->what](c, ask, a);
	return true;
}

static size_t
host_body_room(void *ctx)
{
	(void)ctx;
	return 1000;
}

static void
host_body(void *ctx, struct slice bytes)
{
	struct fake_client *c = ctx;

	if (buf_add(&c->body, bytes) != BUF_OK)
		abort();
}

static void
host_start_tls(void *ctx)
{
	((struct fake_client *)ctx)->wants_tls = true;
}

static int64_t
host_wall(void *ctx)
{
	(void)ctx;
	return FAKE_WALL;
}

static bool
host_compress(void *ctx, bool now)
{
	((struct fake_client *)ctx)->is_compressed = now;
	return true;
}

static void
host_end(void *ctx)
{
	((struct fake_client *)ctx)->is_over = true;
}

static const struct imap_host host = { host_room, host_say, host_ask,
	host_body_room, host_body, host_start_tls, host_compress, host_wall,
	host_end };

void
fake_client_init(struct fake_client *c, struct fake_store *f,
    const struct imap_config *config, bool has_tls, size_t room)
{
	memset(c, 0, sizeof(*c));
	c->store = f;
	c->config = config;
	fake_keeper_init(&c->keeper);
	c->keeper.has_certificate = true;
	c->open = -1;
	c->room = room;
	buf_init(&c->out, 64 * 1024 * 1024);
	buf_init(&c->body, 64 * 1024 * 1024);
	c->session = must(imap_session_new(&host, c, config));
	imap_session_start(c->session, has_tls);
}

void
fake_client_deinit(struct fake_client *c)
{
	imap_session_free(c->session);
	for (; c->n_answers > 0; c->n_answers--)
		free_answer(&c->answers[c->first_answer++ % FAKE_ANSWERS]);
	forget_pending(c);
	buf_deinit(&c->out);
	buf_deinit(&c->body);
}

void
fake_client_run(struct fake_client *c)
{
	enum {
		ROOM = 5000
	};
	bool was_moved = true;

	while (was_moved) {
		was_moved = false;
		if (c->room < ROOM) {
			c->room = ROOM;
			imap_session_pump(c->session);
			was_moved = c->room < ROOM;
		}
		if (c->n_answers > 0) {
			struct fake_answer *a =
			    &c->answers[c->first_answer++ % FAKE_ANSWERS];

			c->n_answers--;
			imap_session_answer(c->session, &a->a);
			free_answer(a);
			was_moved = true;
		}
	}
}

void
fake_client_feed(struct fake_client *c, struct slice bytes)
{
	for (;;) {
		size_t n = imap_session_input(c->session, bytes);
		/* Like a real host: it comes again only after an event. */
		bool has_event =
		    c->n_answers > 0 || imap_session_is_busy(c->session);

		bytes = slice_from(bytes, n);
		fake_client_run(c);
		if (bytes.len == 0 || !has_event || c->is_over || c->wants_tls)
			return;
	}
}
