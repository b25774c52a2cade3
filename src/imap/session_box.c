/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/quote.h"
#include "imap/session_impl.h"
#include "imap/utf7.h"

enum {
	WIRE_NAME = IMAP_UTF7_MAX(LIMIT_MAILBOX_NAME),
	PATTERN_MAX = 2 * LIMIT_MAILBOX_NAME
};

/* A mailbox name as it goes out. */
static int
put_name(struct buf *b, struct slice name)
{
	uint8_t wire[WIRE_NAME];
	size_t n;

	if (!imap_utf7_encode(name, wire, sizeof(wire), &n))
		return imap_put_astring(b, SLICE("?"));
	return imap_put_astring(b, slice_of(wire, n));
}

/* -- SELECT and EXAMINE ------------------------------------------------------
 */

static void
say_selected(struct imap_session *s)
{
	struct imap_view *v = &s->view;
	size_t unseen = 0;

	v->n_told = v->n;
	imap_say_flags(s);
	imap_printf(s, "* %zu EXISTS\r\n* %zu RECENT\r\n", v->n,
	    imap_view_count_recent(v));
	while (unseen < v->n && (v->rows[unseen].flags & IMAP_SEEN) != 0)
		unseen++;
	if (unseen < v->n)
		imap_printf(s, "* OK [UNSEEN %zu] First unseen\r\n",
		    unseen + 1);
	imap_printf(s,
	    "* OK [UIDVALIDITY %u] UIDs valid\r\n"
	    "* OK [UIDNEXT %u] Next UID\r\n",
	    s->uidvalidity, s->uidnext);
	imap_say_highest(s);
	if (s->state == IMAP_LOGGED_OUT) /* no memory: it ended above */
		return;
	s->state = IMAP_SELECTED;
	s->done = s->is_read_only ? "OK [READ-ONLY] Selected"
				  : "OK [READ-WRITE] Selected";
	if (s->resync != NULL)
		imap_resync_select(s);
	else
		imap_done(s, s->done);
}

static void
then_first_scan(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		s->then = NULL;
		imap_leave_mailbox(s);
		imap_no(s, a->result);
		return;
	}
	if (s->resync != NULL)
		imap_resync_gone(s, a);
	if (imap_take_rows(s, a) && !a->more)
		say_selected(s);
}

static bool
keep_name(struct imap_session *s, struct slice name)
{
	uint8_t *copy = malloc(name.len);

	if (copy == NULL)
		return false;
	memcpy(copy, name.at, name.len);
	s->selected = slice_of(copy, name.len);
	return true;
}

static void
then_open(struct imap_session *s, const struct imap_answer *a)
{
	struct imap_ask ask = { .what = IMAP_ASK_SCAN };
	const struct imap_box *box = a->boxes;

	if (a->result != IMAP_OK || a->n_boxes != 1) {
		imap_no(s, a->result == IMAP_OK ? IMAP_TROUBLE : a->result);
		return;
	}
	imap_view_init(&s->view, s->config->seed);
	s->view.tells_modseq = (s->enabled & IMAP_ENABLED_CONDSTORE) != 0;
	s->has_view = true;
	s->mailbox = box->mailbox;
	s->uidvalidity = box->uidvalidity;
	s->uidnext = box->uidnext;
	/* Without the store's word, what comes from now on is recent. */
	s->view.recent = box->recent != 0 ? box->recent : box->uidnext;
	s->upto = 0;
	if (!keep_name(s, s->cmd.name)) {
		imap_fatal(s, "Out of memory");
		return;
	}
	if (s->cmd.sync.qresync && s->cmd.sync.uidvalidity == s->uidvalidity) {
		ask.gone_since = s->cmd.sync.modseq;
		if (!imap_resync_begin(s)) {
			imap_leave_mailbox(s);
			return;
		}
	}
	if (!imap_ask(s, &ask, then_first_scan))
		imap_leave_mailbox(s);
}

/* RFC 3501, 6.3.1: the mailbox selected before is left even when this fails. */
void
imap_run_select(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_OPEN, .name = s->cmd.name };

	if (s->cmd.sync.qresync && (s->enabled & IMAP_ENABLED_QRESYNC) == 0) {
		imap_done(s, "BAD QRESYNC is not enabled");
		return;
	}
	if (s->has_view) /* RFC 7162, 3.2.11 */
		imap_say(s, SLICE("* OK [CLOSED] That was the last one\r\n"));
	imap_leave_mailbox(s);
	if (s->cmd.sync.condstore)
		imap_condstore_on(s);
	s->is_read_only = s->cmd.verb == IMAP_EXAMINE;
	ask.read_only = s->is_read_only;
	(void)imap_ask(s, &ask, then_open);
}

void
imap_run_unselect(struct imap_session *s)
{
	imap_leave_mailbox(s);
	imap_done(s, "OK Left");
}

/* -- CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE --------------------------
 */

/* The selected mailbox has another name now. Without memory for it the old
 * one goes on to be thought of, which matters to DELETE alone: that ends with
 * the view's next scan. */
static void
follow_rename(struct imap_session *s)
{
	struct slice old = s->selected;

	if (keep_name(s, s->cmd.to))
		free((void *)(uintptr_t)old.at);
}

static void
then_changed(struct imap_session *s, const struct imap_answer *a)
{
	bool is_mine;

	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		return;
	}
	is_mine = s->has_view && slice_equal(s->cmd.name, s->selected);
	if (s->cmd.verb == IMAP_DELETE && is_mine)
		imap_leave_mailbox(s);
	if (s->cmd.verb == IMAP_RENAME && is_mine &&
	    !slice_equal(s->selected, SLICE("INBOX")))
		follow_rename(s);
	/* Of a renamed INBOX the mail left. */
	imap_sync_done(s, "OK Done", is_mine);
}

static void
change(struct imap_session *s, enum imap_change what)
{
	struct imap_ask ask = { .what = IMAP_ASK_CHANGE,
		.change = what,
		.name = s->cmd.name,
		.to = s->cmd.to };

	(void)imap_ask(s, &ask, then_changed);
}

void
imap_run_create(struct imap_session *s)
{
	change(s, IMAP_CHANGE_CREATE);
}

void
imap_run_delete(struct imap_session *s)
{
	change(s, IMAP_CHANGE_DELETE);
}

void
imap_run_rename(struct imap_session *s)
{
	change(s, IMAP_CHANGE_RENAME);
}

void
imap_run_subscribe(struct imap_session *s)
{
	change(s, IMAP_CHANGE_SUBSCRIBE);
}

void
imap_run_unsubscribe(struct imap_session *s)
{
	change(s, IMAP_CHANGE_UNSUBSCRIBE);
}

/* -- STATUS -------------------------------------------------------------------
 */

/* About: not all of these need still be there. */
static uint32_t
guess_recent(const struct imap_box *box)
{
	uint32_t n = box->recent == 0 || box->uidnext < box->recent
	    ? 0
	    : box->uidnext - box->recent;

	return n < box->messages ? n : box->messages;
}

static void
then_status(struct imap_session *s, const struct imap_answer *a)
{
	const struct imap_box *box = a->boxes;
	const char *sep = "";
	struct buf b;

	if (a->result != IMAP_OK || a->n_boxes != 1) {
		imap_no(s, a->result == IMAP_OK ? IMAP_TROUBLE : a->result);
		return;
	}
	const struct {
		const char *name;
		uint64_t value;
	} items[] = {
		{ "MESSAGES", box->messages },
		{ "RECENT", guess_recent(box) },
		{ "UIDNEXT", box->uidnext },
		{ "UIDVALIDITY", box->uidvalidity },
		{ "UNSEEN", box->unseen },
		{ "HIGHESTMODSEQ", box->modseq },
	};

	if ((s->cmd.status & IMAP_STATUS_HIGHESTMODSEQ) != 0)
		imap_condstore_on(s);

	buf_init(&b, WIRE_NAME + 512);
	(void)buf_add_cstr(&b, "* STATUS ");
	(void)put_name(&b, s->cmd.name);
	(void)buf_add_cstr(&b, " (");
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if ((s->cmd.status & 1U << i) == 0)
			continue;
		(void)buf_printf(&b, "%s%s %" PRIu64, sep, items[i].name,
		    items[i].value);
		sep = " ";
	}
	(void)buf_add_cstr(&b, ")\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
	imap_sync_done(s, "OK Done", false);
}

void
imap_run_status(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_STATUS, .name = s->cmd.name };

	(void)imap_ask(s, &ask, then_status);
}

/* -- LIST and LSUB
 * ------------------------------------------------------------- */

/* One row in s->boxes; the name and the use follow it. */
struct packed {
	uint16_t name_len;
	uint8_t use_len;
	bool is_subscribed, exists;
};

struct listed {
	struct slice name, use;
	bool is_wanted; /* exists, or is subscribed where that is asked */
	bool exists, is_subscribed;
};

static bool
pack(struct imap_session *s, const struct imap_box *box)
{
	struct packed p = { .name_len = (uint16_t)box->name.len,
		.use_len = (uint8_t)box->special_use.len,
		.is_subscribed = box->is_subscribed,
		.exists = box->exists };

	if (box->name.len > LIMIT_MAILBOX_NAME || box->special_use.len > 32)
		return true;
	return buf_add(&s->boxes, slice_of(&p, sizeof(p))) == BUF_OK &&
	    buf_add(&s->boxes, box->name) == BUF_OK &&
	    buf_add(&s->boxes, box->special_use) == BUF_OK;
}

/* "/" sorts before everything else, so that children follow their parent. */
static int
compare_names(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int x = a.at[i] == '/' ? 0 : a.at[i];
		int y = b.at[i] == '/' ? 0 : b.at[i];

		if (x != y)
			return x - y;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

static int
compare_listed(const void *a, const void *b)
{
	return compare_names(((const struct listed *)a)->name,
	    ((const struct listed *)b)->name);
}

/* '*' is anything, '%' anything but "/" (RFC 3501, 6.3.8). The last of each is
 * remembered; going back to it is enough, since '%' cannot leave its level. */
static bool
matches(struct slice pattern, struct slice name, bool nocase)
{
	size_t p = 0, n = 0;
	size_t star = SIZE_MAX, star_n = 0, level = SIZE_MAX, level_n = 0;

	for (;;) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			star_n = n;
			level = SIZE_MAX;
		} else if (p < pattern.len && pattern.at[p] == '%') {
			level = ++p;
			level_n = n;
		} else if (p < pattern.len && n < name.len &&
		    (pattern.at[p] == name.at[n] ||
			(nocase && ascii_upper(pattern.at[p]) == name.at[n]))) {
			p++;
			n++;
		} else if (p == pattern.len && n == name.len) {
			return true;
		} else if (level != SIZE_MAX && level_n < name.len &&
		    name.at[level_n] != '/') {
			p = level;
			n = ++level_n;
		} else if (star != SIZE_MAX && star_n < name.len) {
			p = star;
			n = ++star_n;
			level = SIZE_MAX;
		} else {
			return false;
		}
	}
}

struct list_run {
	struct listed *rows;
	size_t n;
	struct slice pattern;
	struct slice parent; /* the last that was said for its children */
	bool is_lsub;
};

/* words: attributes that are not there are "". */
static void
say_box(struct imap_session *s, const struct list_run *run, struct slice name,
    const struct slice *words, size_t n)
{
	const char *sep = "";
	struct buf b;

	buf_init(&b, WIRE_NAME + 512);
	(void)buf_add_cstr(&b, run->is_lsub ? "* LSUB (" : "* LIST (");
	for (size_t i = 0; i < n; i++) {
		if (words[i].len == 0)
			continue;
		(void)buf_printf(&b, "%s%.*s", sep, SLICE_FMT(words[i]));
		sep = " ";
	}
	(void)buf_add_cstr(&b, ") \"/\" ");
	(void)put_name(&b, name);
	(void)buf_add(&b, SLICE("\r\n"));
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static const struct listed *
find_listed(const struct list_run *run, struct slice name)
{
	struct listed key = { .name = name };

	return run->n == 0 ? NULL
			   : bsearch(&key, run->rows, run->n,
				 sizeof(run->rows[0]), compare_listed);
}

/* Levels above a wanted name that are not there themselves: \Noselect. */
static void
say_parents(struct imap_session *s, struct list_run *run, struct slice name)
{
	static const struct slice words[] = {
		{ (const uint8_t *)"\\Noselect", 9 },
		{ (const uint8_t *)"\\HasChildren", 12 },
	};

	for (size_t i = 1; i < name.len; i++) {
		struct slice parent = slice_upto(name, i);
		const struct listed *row;

		if (name.at[i] != '/')
			continue;
		row = find_listed(run, parent);
		if ((row != NULL && row->is_wanted) ||
		    (slice_starts(run->parent, parent) &&
			(run->parent.len == i || run->parent.at[i] == '/')))
			continue;
		if (matches(run->pattern, parent, false))
			say_box(s, run, parent, words, run->is_lsub ? 1 : 2);
	}
}

static bool
has_children(const struct list_run *run, size_t i)
{
	struct slice name = run->rows[i].name;

	for (size_t j = i + 1; j < run->n; j++) {
		struct slice next = run->rows[j].name;

		if (!slice_starts(next, name) || next.at[name.len] != '/')
			return false;
		if (run->rows[j].exists)
			return true;
	}
	return false;
}

static void
say_attributes(struct imap_session *s, struct list_run *run, size_t i)
{
	const struct listed *row = &run->rows[i];
	bool tells =
	    (s->cmd.list &
		(IMAP_LIST_TELLS_SUBSCRIBED | IMAP_LIST_SUBSCRIBED)) != 0;
	struct slice words[3] = { SLICE(""), row->use, SLICE("") };

	if (!row->exists)
		words[0] =
		    run->is_lsub ? SLICE("\\Noselect") : SLICE("\\NonExistent");
	else
		words[0] = has_children(run, i) ? SLICE("\\HasChildren")
						: SLICE("\\HasNoChildren");
	if (tells && row->is_subscribed)
		words[2] = SLICE("\\Subscribed");
	say_box(s, run, row->name, words, 3);
}

/* RFC 3501, 6.3.9: LSUB shows a parent only for a name that the pattern does
 * not reach. With options for selecting, LIST shows no parents. */
static void
say_row(struct imap_session *s, struct list_run *run, size_t i)
{
	struct listed *row = &run->rows[i];
	size_t slash = slice_find_last_byte(row->name, '/');
	bool is_match;

	if (!row->is_wanted)
		return;
	is_match = matches(run->pattern, row->name,
	    slice_equal(row->name, SLICE("INBOX")));
	if (slash != SIZE_MAX && !(run->is_lsub && is_match) &&
	    (s->cmd.list & ~(unsigned)IMAP_LIST_TELLS_SUBSCRIBED) == 0) {
		say_parents(s, run, row->name);
		run->parent = slice_upto(row->name, slash);
	}
	if (is_match)
		say_attributes(s, run, i);
}

static void
list_more(struct imap_session *s)
{
	struct list_run *run = s->list;

	for (int i = 0; i < 50 && s->box_at < run->n; i++)
		say_row(s, run, s->box_at++);
	if (s->state == IMAP_LOGGED_OUT || s->box_at < run->n)
		return;
	s->more = NULL;
	imap_sync_done(s, "OK Done", false);
}

static bool
is_wanted(const struct imap_session *s, const struct packed *p)
{
	if (s->cmd.verb == IMAP_LSUB)
		return p->is_subscribed;
	if ((s->cmd.list & IMAP_LIST_SPECIAL_USE) != 0 && p->use_len == 0)
		return false;
	return (s->cmd.list & IMAP_LIST_SUBSCRIBED) != 0 ? p->is_subscribed
							 : p->exists;
}

static bool
unpack(struct imap_session *s, struct list_run *run)
{
	struct slice rest = buf_slice(&s->boxes), head, name, use;
	struct packed p;

	/* The arena's cap bounds how many mailboxes can be listed. */
	run->rows =
	    arena_array(&s->arena, s->n_boxes + 1, sizeof(run->rows[0]));
	if (run->rows == NULL)
		return false;
	while (slice_take(&rest, sizeof(p), &head)) {
		memcpy(&p, head.at, sizeof(p));
		(void)slice_take(&rest, p.name_len, &name);
		(void)slice_take(&rest, p.use_len, &use);
		run->rows[run->n++] = (struct listed){ .name = name,
			.use = use,
			.exists = p.exists,
			.is_subscribed = p.is_subscribed,
			.is_wanted = is_wanted(s, &p) };
	}
	if (run->n > 0)
		qsort(run->rows, run->n, sizeof(run->rows[0]), compare_listed);
	return true;
}

/* Reference and pattern become one, in UTF-8. */
static bool
make_pattern(struct imap_session *s, struct slice *ret)
{
	uint8_t wire[PATTERN_MAX];
	uint8_t *at = arena_alloc(&s->arena, PATTERN_MAX);
	struct slice ref = s->cmd.reference, pattern = s->cmd.pattern;
	size_t n = 0;

	if (pattern.len > 0 && pattern.at[0] == '/')
		ref.len = 0;
	if (at == NULL || ref.len + pattern.len > sizeof(wire))
		return false;
	if (ref.len > 0)
		memcpy(wire, ref.at, ref.len);
	memcpy(wire + ref.len, pattern.at, pattern.len);
	if (!imap_utf7_decode(slice_of(wire, ref.len + pattern.len), at,
		PATTERN_MAX, &n))
		return false;
	if (n > 5 && slice_equal_nocase(slice_of(at, 6), SLICE("INBOX/")))
		memcpy(at, "INBOX", 5);
	*ret = slice_of(at, n);
	return true;
}

static void
start_list(struct imap_session *s)
{
	struct list_run *run = arena_alloc(&s->arena, sizeof(*run));

	if (run == NULL) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	run->is_lsub = s->cmd.verb == IMAP_LSUB;
	if (!make_pattern(s, &run->pattern)) {
		/* Nothing can have a name like that. */
		imap_sync_done(s, "OK Done", false);
		return;
	}
	if (!unpack(s, run)) {
		imap_done(s, "NO [LIMIT] More mailboxes than I can list");
		return;
	}
	s->list = run;
	s->box_at = 0;
	s->more = list_more;
}

static void
then_list(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		s->then = NULL;
		imap_no(s, a->result);
		return;
	}
	for (size_t i = 0; i < a->n_boxes; i++) {
		if (pack(s, &a->boxes[i])) {
			s->n_boxes++;
			continue;
		}
		s->then = NULL;
		imap_done(s, "NO [LIMIT] More mailboxes than I can list");
		return;
	}
	if (!a->more)
		start_list(s);
}

void
imap_run_list(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_LIST };

	s->n_boxes = 0;
	/* RFC 3501, 6.3.8: asks for the delimiter and the root. */
	if (s->cmd.pattern.len == 0 && s->cmd.verb == IMAP_LIST) {
		imap_say(s, SLICE("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		imap_sync_done(s, "OK Done", false);
		return;
	}
	(void)imap_ask(s, &ask, then_list);
}
