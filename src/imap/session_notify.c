/* SPDX-License-Identifier: ISC */
/*
 * NOTIFY (RFC 5465): what happens is told while no command runs
 *
 * The store says that something of the account has changed, once, until it is
 * asked to say so again. Then all mailboxes are listed and compared with what
 * they were the last time: what differs, and is wanted, is told. So any number
 * of changes costs one comparison, and none can be missed. The selected
 * mailbox is synchronised as after a command. All this happens between
 * commands only, when nothing is left to be said. Owns s->notify.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/notify.h"
#include "imap/quote.h"
#include "imap/session_impl.h"

enum {
	OUT_MAX = 4 * 1024 * 1024
};

struct known_box {
	struct imap_box box;
	size_t name_at; /* in names, while they are gathered */
	bool was_met;
};

/* All mailboxes as they were at one moment. */
struct known {
	struct known_box *at;
	size_t n, size;
	struct buf names;
};

struct notify {
	struct arena arena;
	uint8_t *text;
	struct notify_set set;
	struct known was, is; /* is: being gathered */
	bool is_dirty;        /* something of the account has changed */
	bool is_asking;       /* LIST is under way, for a comparison */
	uint32_t fetched;     /* uids up to here are done with */
	uint64_t fetched_of;  /* in this mailbox */
};

/* -- life
 * ------------------------------------------------------------------------ */

static void
known_free(struct known *k)
{
	free(k->at);
	buf_deinit(&k->names);
	memset(k, 0, sizeof(*k));
	buf_init(&k->names, OUT_MAX);
}

static void
notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	known_free(&n->was);
	known_free(&n->is);
	arena_reset(&n->arena);
	free(n->text);
	free(n);
}

void
imap_notify_free(struct imap_session *s)
{
	notify_free(s->notify);
	notify_free(s->new_notify);
	s->notify = s->new_notify = NULL;
}

static struct notify *
notify_new(const struct imap_session *s)
{
	struct notify *n = calloc(1, sizeof(*n));
	struct slice raw = s->cmd.raw;
	struct imap_in in;

	if (n == NULL)
		return NULL;
	arena_init(&n->arena, LIMIT_IMAP_ARENA);
	known_free(&n->was);
	known_free(&n->is);
	n->text = malloc(raw.len + 1);
	if (n->text != NULL)
		memcpy(n->text, raw.at, raw.len);
	in = (struct imap_in){ .rest = slice_of(n->text, raw.len),
		.arena = &n->arena,
		.has_utf8 = imap_has_utf8_names(s) };
	if (n->text == NULL ||
	    imap_notify_read(&in, &n->set) != IMAP_COMMAND_OK) {
		notify_free(n);
		return NULL;
	}
	return n;
}

static void
ask_notices(struct imap_session *s, bool on)
{
	struct imap_ask ask = { .what = IMAP_ASK_NOTICES, .read_only = !on };

	(void)s->host->ask(s->ctx, &ask);
}

/* -- gathering
 * --------------------------------------------------------------------- */

static bool
known_add(struct known *k, const struct imap_box *box)
{
	struct known_box *b;

	if (k->n == LIMIT_NOTIFY_MAILBOXES)
		return false;
	if (k->n == k->size) {
		size_t size = k->size == 0 ? 16 : k->size * 2;
		void *at = reallocarray(k->at, size, sizeof(*k->at));

		if (at == NULL)
			return false;
		k->at = at;
		k->size = size;
	}
	b = &k->at[k->n];
	*b = (struct known_box){ .box = *box, .name_at = k->names.len };
	b->box.special_use = slice_of("", 0);
	if (buf_add(&k->names, box->name) != BUF_OK)
		return false;
	k->n++;
	return true;
}

/* The names have come to rest. */
static void
known_finish(struct known *k)
{
	struct slice all = buf_slice(&k->names);

	for (size_t i = 0; i < k->n; i++)
		k->at[i].box.name =
		    slice_upto(slice_from(all, k->at[i].name_at),
			k->at[i].box.name.len);
}

static struct known_box *
find(const struct known *k, const struct imap_box *box)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct imap_box *b = &k->at[i].box;

		if (b->exists == box->exists &&
		    (box->exists ? b->mailbox == box->mailbox
				 : slice_equal(b->name, box->name)))
			return &k->at[i];
	}
	return NULL;
}

static const struct imap_box *
find_name(const struct known *k, struct slice name)
{
	for (size_t i = 0; i < k->n; i++)
		if (slice_equal(k->at[i].box.name, name))
			return &k->at[i].box;
	return NULL;
}

static bool
is_selected(const struct imap_session *s, const struct imap_box *box)
{
	return s->has_view && box->exists && box->mailbox == s->mailbox;
}

/* -- telling of mailboxes
 * ---------------------------------------------------------- */

static bool
has_children(const struct known *k, struct slice name)
{
	for (size_t i = 0; i < k->n; i++) {
		struct slice other = k->at[i].box.name;

		if (k->at[i].box.exists && other.len > name.len &&
		    slice_starts(other, name) && other.at[name.len] == '/')
			return true;
	}
	return false;
}

/* old: its name before, or nothing. */
static void
say_list(struct imap_session *s, const struct known *k, struct slice name,
    struct slice old)
{
	const struct imap_box *box = find_name(k, name);
	struct buf b;

	buf_init(&b, 2 * IMAP_WIRE_NAME + 256);
	(void)buf_add_cstr(&b, "* LIST (");
	if (box == NULL || !box->exists)
		(void)buf_add_cstr(&b, "\\NonExistent");
	else
		(void)buf_add_cstr(&b,
		    has_children(k, name) ? "\\HasChildren"
					  : "\\HasNoChildren");
	if (box != NULL && box->is_subscribed)
		(void)buf_add_cstr(&b, " \\Subscribed");
	(void)buf_add_cstr(&b, ") \"/\" ");
	(void)imap_put_name(s, &b, name);
	if (old.len > 0) {
		(void)buf_add_cstr(&b, " (\"OLDNAME\" (");
		(void)imap_put_name(s, &b, old);
		(void)buf_add_cstr(&b, "))");
	}
	(void)buf_add_cstr(&b, "\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static unsigned
events_of(const struct notify *n, const struct imap_box *box)
{
	return imap_notify_events(&n->set, box->name, box->is_subscribed);
}

static struct slice
parent_of(struct slice name)
{
	size_t slash = slice_find_last_byte(name, '/');

	return slash == SIZE_MAX ? slice_of("", 0) : slice_upto(name, slash);
}

/* RFC 5465, 5.4: the name itself and its parent are affected. */
static void
tell_name(struct imap_session *s, struct notify *n, struct slice name,
    unsigned events)
{
	struct slice parent = parent_of(name);

	if ((events & NOTIFY_NAME) != 0)
		say_list(s, &n->is, name, slice_of("", 0));
	if (parent.len > 0 &&
	    (imap_notify_events(&n->set, parent, false) & NOTIFY_NAME) != 0)
		say_list(s, &n->is, parent, slice_of("", 0));
}

/* Its parent was renamed, and it with it: that says enough. */
static bool
moved_with_parent(const struct notify *n, const struct imap_box *was,
    const struct imap_box *is)
{
	struct slice old = parent_of(was->name), new = parent_of(is->name);
	const struct imap_box *before, *now;

	before = old.len == 0 ? NULL : find_name(&n->was, old);
	now = new.len == 0 ? NULL : find_name(&n->is, new);
	return before != NULL && now != NULL && before->exists &&
	    before->mailbox == now->mailbox &&
	    slice_equal(slice_from(was->name, old.len),
		slice_from(is->name, new.len));
}

static void
say_status(struct imap_session *s, const struct imap_box *box, unsigned items)
{
	unsigned own = s->cmd.status;

	s->cmd.status = items;
	imap_say_status(s, box);
	s->cmd.status = own;
}

static void
tell_messages(struct imap_session *s, const struct imap_box *was,
    const struct imap_box *is, unsigned events)
{
	bool has_modseq = (s->enabled & IMAP_ENABLED_CONDSTORE) != 0;
	unsigned items = 0;

	if (is->uidnext != was->uidnext || is->messages != was->messages)
		items |= IMAP_STATUS_UIDNEXT | IMAP_STATUS_MESSAGES;
	if (is->uidvalidity != was->uidvalidity)
		items |= IMAP_STATUS_UIDVALIDITY;
	if ((events & NOTIFY_FLAG) != 0 && is->unseen != was->unseen)
		items |= IMAP_STATUS_UNSEEN | IMAP_STATUS_UIDVALIDITY;
	if ((events & NOTIFY_FLAG) != 0 && has_modseq &&
	    is->modseq != was->modseq)
		items |= IMAP_STATUS_UIDVALIDITY;
	if (items != 0)
		say_status(s, is,
		    items | (has_modseq ? IMAP_STATUS_HIGHESTMODSEQ : 0));
}

static void
tell_box(struct imap_session *s, struct notify *n, const struct imap_box *is)
{
	struct known_box *was = find(&n->was, is);
	unsigned events = events_of(n, is);

	if (was == NULL) {
		const struct imap_box *other = find_name(&n->was, is->name);

		if (is->exists)
			tell_name(s, n, is->name, events);
		else if (other == NULL && (events & NOTIFY_SUBSCRIPTION) != 0)
			say_list(s, &n->is, is->name, slice_of("", 0));
		return;
	}
	was->was_met = true;
	events |= events_of(n, &was->box);
	if (!slice_equal(was->box.name, is->name)) {
		if ((events & NOTIFY_NAME) != 0 &&
		    !moved_with_parent(n, &was->box, is))
			say_list(s, &n->is, is->name, was->box.name);
	} else if (was->box.is_subscribed != is->is_subscribed &&
	    (events & NOTIFY_SUBSCRIPTION) != 0) {
		say_list(s, &n->is, is->name, slice_of("", 0));
	}
	if (is->exists && (events & NOTIFY_MESSAGE_EVENTS) != 0 &&
	    !is_selected(s, is))
		tell_messages(s, &was->box, is, events);
}

static void
tell_gone(struct imap_session *s, struct notify *n, const struct imap_box *was)
{
	const struct imap_box *is = find_name(&n->is, was->name);
	unsigned events = events_of(n, was);

	if (was->exists && (is == NULL || !is->exists))
		tell_name(s, n, was->name, events);
	else if (!was->exists && is == NULL &&
	    (events & NOTIFY_SUBSCRIPTION) != 0)
		say_list(s, &n->is, was->name, slice_of("", 0));
}

static void
compare(struct imap_session *s, struct notify *n)
{
	for (size_t i = 0; i < n->is.n; i++)
		tell_box(s, n, &n->is.at[i].box);
	for (size_t i = 0; i < n->was.n; i++)
		if (!n->was.at[i].was_met)
			tell_gone(s, n, &n->was.at[i].box);
}

static void
turn_page(struct notify *n)
{
	known_free(&n->was);
	n->was = n->is;
	memset(&n->is, 0, sizeof(n->is));
	buf_init(&n->is.names, OUT_MAX);
}

/* RFC 5465, 5.8 */
static void
overflow(struct imap_session *s)
{
	imap_notify_free(s);
	ask_notices(s, false);
	imap_say(s,
	    SLICE("* OK [NOTIFICATIONOVERFLOW] More than I can "
		  "watch\r\n"));
}

static void
then_compare(struct imap_session *s, const struct imap_answer *a)
{
	struct notify *n = s->notify;

	if (n == NULL)
		return;
	for (size_t i = 0; i < a->n_boxes && a->result == IMAP_OK; i++)
		if (!known_add(&n->is, &a->boxes[i])) {
			s->then = NULL;
			overflow(s);
			return;
		}
	if (a->more && a->result == IMAP_OK)
		return;
	s->then = NULL;
	n->is_asking = false;
	if (a->result != IMAP_OK) { /* it tells the next time */
		known_free(&n->is);
		return;
	}
	known_finish(&n->is);
	compare(s, n);
	turn_page(n);
}

/* -- telling of the selected mailbox
 * ------------------------------------------------ */

static void
pushed(struct imap_session *s)
{
	s->no_flags = false;
}

static void
push_selected(struct imap_session *s, const struct notify_group *g)
{
	s->may_expunge = g->filter == NOTIFY_SELECTED || s->is_idling;
	s->no_flags = (g->events & NOTIFY_FLAG) == 0;
	s->says_uid = true;
	imap_sync_start(s, pushed);
}

void
imap_push_done(struct imap_session *s)
{
	imap_fetch_free(s);
	free(s->ranges);
	s->ranges = NULL;
	s->picks = (struct imap_picks){ NULL, 0 };
	s->cmd = s->own_cmd;
	s->is_pushing = false;
	s->then = NULL;
	s->more = NULL;
}

/* What MessageNew asked for, of the messages that were told since. */
static bool
push_fetch(struct imap_session *s, struct notify *n,
    const struct notify_group *g)
{
	struct imap_view *v = &s->view;
	size_t from;

	if (n->fetched_of != s->mailbox) {
		n->fetched_of = s->mailbox;
		n->fetched = UINT32_MAX;
	}
	if (n->fetched == UINT32_MAX) /* those that SELECT told */
		n->fetched = v->n_told == 0 ? 0 : v->rows[v->n_told - 1].uid;
	from = imap_view_find(v, n->fetched + 1);
	if (from >= v->n_told)
		return false;
	n->fetched = v->rows[v->n_told - 1].uid;
	if (!g->has_fetch)
		return false;
	s->own_cmd = s->cmd;
	s->is_pushing = true;
	s->pushed = (struct imap_pick){ from, v->n_told - 1 };
	s->picks = (struct imap_picks){ &s->pushed, 1 };
	s->cmd.fetch = g->fetch;
	s->cmd.is_uid = true;
	memset(&s->cmd.sync, 0, sizeof(s->cmd.sync));
	imap_fetch_push(s);
	return true;
}

static bool
is_between_commands(const struct imap_session *s)
{
	return !imap_session_is_busy(s) && !s->is_pushing &&
	    (s->state & (IMAP_AUTH | IMAP_SELECTED)) != 0 &&
	    (s->is_idling || (s->reader == IMAP_READ_LINE && s->line.len == 0));
}

/* One step; true when something was begun or said. */
static bool
go(struct imap_session *s)
{
	struct notify *n = s->notify;
	const struct notify_group *g = imap_notify_selected(&n->set);
	struct imap_ask ask = { .what = IMAP_ASK_LIST };

	if (s->state == IMAP_SELECTED && g != NULL) {
		if (s->is_dirty) {
			push_selected(s, g);
			return true;
		}
		if (push_fetch(s, n, g))
			return true;
	}
	if (!n->is_dirty)
		return false;
	n->is_dirty = false;
	n->is_asking = true;
	ask_notices(s, true);
	s->then = then_compare;
	s->asked = ask.what;
	if (!s->host->ask(s->ctx, &ask)) {
		s->then = NULL;
		n->is_asking = false;
		return false;
	}
	return true;
}

bool
imap_notify_go(struct imap_session *s)
{
	return s->notify != NULL && is_between_commands(s) && go(s);
}

bool
imap_notify_wants_selected(const struct imap_session *s)
{
	return s->notify == NULL ||
	    imap_notify_selected(&s->notify->set) != NULL;
}

void
imap_session_noticed(struct imap_session *s)
{
	if (s->notify == NULL)
		return;
	s->notify->is_dirty = true;
	imap_session_pump(s);
}

/* -- the command
 * ----------------------------------------------------------------------- */

static void
say_first_status(struct imap_session *s, const struct notify *n)
{
	for (size_t i = 0; i < n->was.n; i++) {
		const struct imap_box *box = &n->was.at[i].box;
		unsigned events = events_of(n, box) & NOTIFY_MESSAGE_EVENTS;
		unsigned items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT |
		    IMAP_STATUS_UIDVALIDITY;

		if ((events & NOTIFY_FLAG) != 0 ||
		    (s->enabled & IMAP_ENABLED_CONDSTORE) != 0)
			items |= IMAP_STATUS_HIGHESTMODSEQ;
		if (events != 0 && box->exists && !is_selected(s, box))
			say_status(s, box, items);
	}
}

static void
then_begin(struct imap_session *s, const struct imap_answer *a)
{
	struct notify *n = s->new_notify;

	for (size_t i = 0; i < a->n_boxes && a->result == IMAP_OK; i++)
		if (!known_add(&n->is, &a->boxes[i])) {
			s->then = NULL;
			imap_notify_free(s);
			ask_notices(s, false);
			imap_done(s,
			    "NO [NOTIFICATIONOVERFLOW] More than I can watch");
			return;
		}
	if (a->more && a->result == IMAP_OK)
		return;
	s->then = NULL;
	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		return;
	}
	known_finish(&n->is);
	turn_page(n);
	if (n->set.wants_status)
		say_first_status(s, n);
	notify_free(s->notify);
	s->notify = n;
	s->new_notify = NULL;
	n->fetched_of = s->has_view ? s->mailbox : 0;
	n->fetched = UINT32_MAX;
	s->may_expunge = true;
	imap_sync_done(s, "OK You will hear", true);
}

void
imap_run_notify(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_LIST };
	struct notify *n = notify_new(s);

	if (n == NULL) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	if (imap_notify_has_unknown(&n->set)) {
		notify_free(n);
		imap_done(s,
		    "NO [BADEVENT (MessageNew MessageExpunge FlagChange "
		    "MailboxName SubscriptionChange)] Of these I can tell");
		return;
	}
	if (n->set.is_none) {
		notify_free(n);
		imap_notify_free(s);
		ask_notices(s, false);
		imap_sync_done(s, "OK Silence", false);
		return;
	}
	notify_free(s->new_notify);
	s->new_notify = n;
	ask_notices(s, true);
	(void)imap_ask(s, &ask, then_begin);
}
