/* SPDX-License-Identifier: ISC */
/*
 * imap/session_list - LIST and LSUB (RFC 9051, 6.3.9; 5258, 5819, 6154)
 *
 * All mailboxes of the account come from the store and are kept, packed, in
 * s->boxes while the command runs; s->tree has one row for each name, also for
 * those of parents that are not there, sorted so that what is below a name
 * follows it. Which names are told is one function, judge(). Bounded by the
 * caps of both buffers: more is NO [LIMIT].
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/list_match.h"
#include "imap/quote.h"
#include "imap/session_impl.h"
#include "imap/utf7.h"

enum {
	PATTERN_MAX = 2 * LIMIT_MAILBOX_NAME,
	USE_MAX = 32,
	ROWS_AT_ONCE = 50
};

/* One mailbox in s->boxes; its counts (when STATUS was asked), its use and its
 * name follow. */
struct packed {
	uint64_t mailbox;
	uint16_t name_len;
	uint8_t use_len;
	bool has_counts, is_subscribed, exists;
};

struct counts {
	uint64_t size, modseq, deleted_size;
	uint32_t uidvalidity, uidnext, messages, unseen, recent, deleted;
};

/* One name in s->tree; NULL packed: a parent that nobody made. */
struct row {
	const uint8_t *name;
	const uint8_t *packed;
	uint16_t len;
	bool exists, is_subscribed, is_selected, is_match;
};

struct list_run {
	const struct row *rows;
	size_t n;
	struct slice *patterns;
	size_t n_patterns;
	bool is_lsub;
};

static struct slice
name_of(const struct row *row)
{
	return slice_of(row->name, row->len);
}

/* -- gathering ------------------------------------------------------------- */

static int
pack_counts(struct imap_session *s, const struct imap_box *box)
{
	struct counts c = { .size = box->size,
		.modseq = box->modseq,
		.deleted_size = box->deleted_size,
		.uidvalidity = box->uidvalidity,
		.uidnext = box->uidnext,
		.messages = box->messages,
		.unseen = box->unseen,
		.recent = box->recent,
		.deleted = box->deleted };

	return buf_add(&s->boxes, slice_of(&c, sizeof(c)));
}

static bool
pack(struct imap_session *s, const struct imap_box *box)
{
	struct packed p = { .mailbox = box->mailbox,
		.name_len = (uint16_t)box->name.len,
		.use_len = (uint8_t)box->special_use.len,
		.has_counts = s->cmd.status != 0 && box->exists,
		.is_subscribed = box->is_subscribed,
		.exists = box->exists };

	if (box->name.len > LIMIT_MAILBOX_NAME ||
	    box->special_use.len > USE_MAX)
		return true;
	if (buf_add(&s->boxes, slice_of(&p, sizeof(p))) != BUF_OK ||
	    (p.has_counts && pack_counts(s, box) != BUF_OK))
		return false;
	s->n_boxes++;
	return buf_add(&s->boxes, box->special_use) == BUF_OK &&
	    buf_add(&s->boxes, box->name) == BUF_OK;
}

/* What follows the head. */
static struct imap_box
unpack(const uint8_t *at, size_t *ret_len)
{
	struct packed p;
	struct counts c = { 0 };
	size_t n = sizeof(p);
	struct imap_box box;

	memcpy(&p, at, sizeof(p));
	if (p.has_counts) {
		memcpy(&c, at + n, sizeof(c));
		n += sizeof(c);
	}
	box = (struct imap_box){ .mailbox = p.mailbox,
		.special_use = slice_of(at + n, p.use_len),
		.name = slice_of(at + n + p.use_len, p.name_len),
		.size = c.size,
		.modseq = c.modseq,
		.deleted_size = c.deleted_size,
		.uidvalidity = c.uidvalidity,
		.uidnext = c.uidnext,
		.messages = c.messages,
		.unseen = c.unseen,
		.recent = c.recent,
		.deleted = c.deleted,
		.is_subscribed = p.is_subscribed,
		.exists = p.exists };
	*ret_len = n + p.use_len + p.name_len;
	return box;
}

/* RFC 5258, 3.1: SUBSCRIBED takes names that are no mailboxes, too. */
static bool
is_selected(const struct imap_session *s, const struct imap_box *box)
{
	if (s->cmd.verb == IMAP_LSUB)
		return box->is_subscribed;
	if ((s->cmd.list & IMAP_LIST_SPECIAL_USE) != 0 &&
	    box->special_use.len == 0)
		return false;
	return (s->cmd.list & IMAP_LIST_SUBSCRIBED) != 0 ? box->is_subscribed
							 : box->exists;
}

static bool
is_match(const struct list_run *run, struct slice name)
{
	bool nocase = slice_equal(name, SLICE("INBOX"));

	for (size_t i = 0; i < run->n_patterns; i++)
		if (run->patterns[i].len > 0 &&
		    imap_list_matches(run->patterns[i], name, nocase))
			return true;
	return false;
}

static bool
add_row(struct imap_session *s, const struct row *row)
{
	return buf_add(&s->tree, slice_of(row, sizeof(*row))) == BUF_OK;
}

static int
compare_rows(const void *a, const void *b)
{
	return imap_names_compare(name_of(a), name_of(b));
}

/* The rows lie in a buffer from malloc: aligned for anything. */
static struct row *
tree_rows(struct imap_session *s, size_t *ret_n)
{
	struct slice all = buf_slice(&s->tree);

	*ret_n = all.len / sizeof(struct row);
	return (struct row *)(uintptr_t)all.at;
}

static bool
add_boxes(struct imap_session *s, const struct list_run *run)
{
	struct slice all = buf_slice(&s->boxes);
	size_t n;

	for (; all.len > 0; all = slice_from(all, n)) {
		struct imap_box box = unpack(all.at, &n);
		struct row row = { .name = box.name.at,
			.packed = all.at,
			.len = (uint16_t)box.name.len,
			.exists = box.exists,
			.is_subscribed = box.is_subscribed,
			.is_selected = is_selected(s, &box),
			.is_match = is_match(run, box.name) };

		if (!add_row(s, &row))
			return false;
	}
	return true;
}

/* The levels above `row` that the row before it is neither on nor below. */
static bool
add_parents_of(struct imap_session *s, const struct list_run *run,
    const struct row *row, struct slice before)
{
	struct slice name = name_of(row);

	for (size_t i = 1; i < name.len; i++) {
		struct slice parent = slice_upto(name, i);
		struct row p = { .name = parent.at, .len = (uint16_t)i };

		if (name.at[i] != '/' || slice_equal(before, parent) ||
		    imap_name_is_below(before, parent))
			continue;
		p.is_match = is_match(run, parent);
		if (!add_row(s, &p))
			return false;
	}
	return true;
}

static void
sort_tree(struct imap_session *s)
{
	size_t n;
	struct row *rows = tree_rows(s, &n);

	if (n > 1)
		qsort(rows, n, sizeof(*rows), compare_rows);
}

static bool
add_parents(struct imap_session *s, const struct list_run *run)
{
	struct slice before = SLICE("");
	size_t n;

	(void)tree_rows(s, &n);
	for (size_t i = 0; i < n; i++) {
		size_t now;
		struct row row = tree_rows(s, &now)[i];

		if (!add_parents_of(s, run, &row, before))
			return false;
		before = name_of(&row);
	}
	return true;
}

static bool
build_tree(struct imap_session *s, struct list_run *run)
{
	if (!add_boxes(s, run))
		return false;
	sort_tree(s);
	if (!add_parents(s, run))
		return false;
	sort_tree(s);
	run->rows = tree_rows(s, &run->n);
	return true;
}

/* -- saying ---------------------------------------------------------------- */

/* What is below a row. */
struct below {
	bool exists;          /* some mailbox */
	bool is_selected;     /* one that is asked for */
	bool is_out_of_reach; /* one of those, and no pattern matches it */
};

static struct below
look_below(const struct list_run *run, size_t i)
{
	struct below b = { 0 };
	struct slice name = name_of(&run->rows[i]);

	for (size_t j = i + 1; j < run->n && !b.is_out_of_reach; j++) {
		const struct row *row = &run->rows[j];

		if (!imap_name_is_below(name_of(row), name))
			break;
		b.exists |= row->exists;
		b.is_selected |= row->is_selected;
		b.is_out_of_reach |= row->is_selected && !row->is_match;
	}
	return b;
}

/* RFC 3501, 6.3.8 and 6.3.9: LIST tells the levels above what is there; LSUB
 * those above a name that the pattern does not reach. RFC 5258, 3.3: the same
 * with RECURSIVEMATCH, and without it what was selected alone. */
static bool
judge(const struct imap_session *s, const struct row *row,
    const struct below *below)
{
	if (!row->is_match)
		return false;
	if (row->is_selected)
		return true;
	if (s->cmd.verb == IMAP_LSUB ||
	    (s->cmd.list & IMAP_LIST_RECURSIVE) != 0)
		return below->is_out_of_reach;
	return (s->cmd.list & IMAP_LIST_SELECTS) == 0 && below->exists;
}

static void
put_word(struct buf *b, const char **sep, struct slice word)
{
	if (word.len == 0)
		return;
	(void)buf_printf(b, "%s%.*s", *sep, SLICE_FMT(word));
	*sep = " ";
}

static void
put_attributes(const struct imap_session *s, struct buf *b,
    const struct row *row, const struct below *below, struct slice use)
{
	const char *sep = "";
	bool is_lsub = s->cmd.verb == IMAP_LSUB;
	bool is_extended = (s->cmd.list & IMAP_LIST_EXTENDED) != 0;
	bool tells =
	    (s->cmd.list &
		(IMAP_LIST_TELLS_SUBSCRIBED | IMAP_LIST_SUBSCRIBED)) != 0;

	if (is_lsub && !(row->exists && row->is_subscribed)) {
		put_word(b, &sep, SLICE("\\Noselect"));
		return;
	}
	if (!row->exists)
		put_word(b, &sep,
		    is_extended ? SLICE("\\NonExistent") : SLICE("\\Noselect"));
	put_word(b, &sep,
	    below->exists ? SLICE("\\HasChildren") : SLICE("\\HasNoChildren"));
	put_word(b, &sep, use);
	if (tells && row->is_subscribed)
		put_word(b, &sep, SLICE("\\Subscribed"));
}

/* RFC 5258, 3.5: the options that something below meets. */
static void
put_child_info(const struct imap_session *s, struct buf *b)
{
	const char *sep = "";

	(void)buf_add_cstr(b, " (\"CHILDINFO\" (");
	if ((s->cmd.list & IMAP_LIST_SUBSCRIBED) != 0)
		put_word(b, &sep, SLICE("\"SUBSCRIBED\""));
	if ((s->cmd.list & IMAP_LIST_SPECIAL_USE) != 0)
		put_word(b, &sep, SLICE("\"SPECIAL-USE\""));
	(void)buf_add_cstr(b, "))");
}

static void
say_line(struct imap_session *s, const struct row *row,
    const struct below *below, struct slice use)
{
	struct buf b;

	buf_init(&b, IMAP_WIRE_NAME + 512);
	(void)buf_add_cstr(&b,
	    s->cmd.verb == IMAP_LSUB ? "* LSUB (" : "* LIST (");
	put_attributes(s, &b, row, below, use);
	(void)buf_add_cstr(&b, ") \"/\" ");
	(void)imap_put_name(s, &b, name_of(row));
	if ((s->cmd.list & IMAP_LIST_RECURSIVE) != 0 && below->is_selected)
		put_child_info(s, &b);
	(void)buf_add(&b, SLICE("\r\n"));
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

/* False: it was not to be told. */
static bool
say_row(struct imap_session *s, const struct list_run *run, size_t i)
{
	const struct row *row = &run->rows[i];
	struct imap_box box = { .special_use = SLICE("") };
	struct below below;
	size_t n;

	if (!row->is_match)
		return false;
	below = look_below(run, i);
	if (!judge(s, row, &below))
		return false;
	if (row->packed != NULL)
		box = unpack(row->packed, &n);
	say_line(s, row, &below, box.special_use);
	if (s->cmd.status != 0 && row->exists)
		imap_say_status(s, &box);
	return true;
}

static imap_more_fn list_more;

/* RFC 9590: what cannot be had is left out; the LIST goes on. */
static void
then_list_metadata(struct imap_session *s, const struct imap_answer *a)
{
	const struct list_run *run = s->list;

	if (a->result == IMAP_OK)
		(void)imap_say_metadata(s, name_of(&run->rows[s->box_at - 1]),
		    a);
	s->more = list_more;
}

/* The store is asked for the annotations of each name that was told. */
static bool
ask_metadata(struct imap_session *s, const struct row *row)
{
	struct imap_ask ask = { .what = IMAP_ASK_NOTES, .name = name_of(row) };

	if ((s->cmd.list & IMAP_LIST_METADATA) == 0 || !row->exists)
		return false;
	(void)imap_ask(s, &ask, then_list_metadata);
	return true;
}

static void
list_more(struct imap_session *s)
{
	const struct list_run *run = s->list;

	for (int i = 0; i < ROWS_AT_ONCE && s->box_at < run->n; i++) {
		const struct row *row = &run->rows[s->box_at];

		if (say_row(s, run, s->box_at++) && ask_metadata(s, row))
			return;
	}
	if (s->state == IMAP_LOGGED_OUT || s->box_at < run->n)
		return;
	s->more = NULL;
	imap_sync_done(s, "OK Done", false);
}

/* -- the commands ---------------------------------------------------------- */

/* Reference and pattern become one, in UTF-8. False: nothing can have a name
 * like that, or memory is short. */
static bool
make_pattern(struct imap_session *s, struct slice pattern, struct slice *ret)
{
	uint8_t wire[IMAP_WIRE_NAME];
	uint8_t *at = arena_alloc(&s->arena, PATTERN_MAX);
	struct slice ref = s->cmd.reference;
	size_t n = 0;

	if (pattern.len > 0 && pattern.at[0] == '/')
		ref.len = 0;
	if (at == NULL || ref.len + pattern.len > sizeof(wire))
		return false;
	if (ref.len > 0)
		memcpy(wire, ref.at, ref.len);
	memcpy(wire + ref.len, pattern.at, pattern.len);
	if (!imap_name_from_wire(slice_of(wire, ref.len + pattern.len),
		imap_has_utf8_names(s), at, PATTERN_MAX, &n))
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

	if (run != NULL)
		run->patterns = arena_array(&s->arena, s->cmd.n_patterns,
		    sizeof(run->patterns[0]));
	if (run == NULL || run->patterns == NULL) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	for (size_t i = 0; i < s->cmd.n_patterns; i++)
		if (make_pattern(s, s->cmd.patterns[i],
			&run->patterns[run->n_patterns]))
			run->n_patterns++;
	if (!build_tree(s, run)) {
		imap_done(s, "NO [LIMIT] More mailboxes than I can list");
		return;
	}
	if ((s->cmd.status & IMAP_STATUS_HIGHESTMODSEQ) != 0)
		imap_condstore_on(s);
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
		if (pack(s, &a->boxes[i]))
			continue;
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
	struct imap_ask ask = { .what = IMAP_ASK_LIST,
		.sums_deleted =
		    (s->cmd.status & IMAP_STATUS_DELETED_STORAGE) != 0 };

	s->n_boxes = 0;
	/* RFC 3501, 6.3.8: asks for the delimiter and the root; RFC 5258, 3:
	 * not so when the command is extended. */
	if (s->cmd.verb == IMAP_LIST && s->cmd.patterns[0].len == 0 &&
	    (s->cmd.list & IMAP_LIST_EXTENDED) == 0) {
		imap_say(s, SLICE("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		imap_sync_done(s, "OK Done", false);
		return;
	}
	(void)imap_ask(s, &ask, then_list);
}
