/* SPDX-License-Identifier: ISC */
#include "roles/store/views.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"

/* -- the cache --------------------------------------------------------------
 */

void
views_init(struct views *v, const uint8_t seed[MAP_SEED])
{
	map_init(&v->by_mailbox, seed);
	list_init(&v->all);
	v->bytes = 0;
}

void
view_clear(struct view *v)
{
	for (size_t i = 0; i < v->n; i++)
		buf_deinit(&v->pages[i].page.rows);
	free(v->pages);
	v->pages = NULL;
	v->n = v->size = 0;
	v->upto = 0;
}

static void
forget(struct views *all, struct view *v)
{
	(void)map_take_number(&all->by_mailbox, v->mailbox);
	list_remove(&v->link);
	all->bytes -= v->bytes;
	view_clear(v);
	free(v);
}

void
views_deinit(struct views *v)
{
	LIST_FOREACH_SAFE (it, tmp, &v->all)
		forget(v, LIST_ENTRY(it, struct view, link));
	map_deinit(&v->by_mailbox);
}

struct view *
views_take(struct views *all, uint64_t mailbox)
{
	struct view *v = map_get_number(&all->by_mailbox, mailbox);

	if (v == NULL) {
		v = calloc(1, sizeof(*v));
		if (v == NULL)
			return NULL;
		v->mailbox = mailbox;
		if (map_put_number(&all->by_mailbox, mailbox, v) != 0) {
			free(v);
			return NULL;
		}
		list_add_last(&all->all, &v->link);
	}
	if (v->is_taken)
		return NULL;
	v->is_taken = true;
	return v;
}

static size_t
count_bytes(const struct view *v)
{
	size_t n = sizeof(*v) + v->size * sizeof(v->pages[0]);

	for (size_t i = 0; i < v->n; i++)
		n += v->pages[i].page.rows.size;
	return n;
}

static void
make_room(struct views *all)
{
	LIST_FOREACH_SAFE (it, tmp, &all->all) {
		struct view *v = LIST_ENTRY(it, struct view, link);

		if (all->bytes <= LIMIT_VIEWS)
			return;
		if (!v->is_taken)
			forget(all, v);
	}
}

void
views_give(struct views *all, struct view *v, bool is_good)
{
	v->is_taken = false;
	if (!is_good) {
		forget(all, v);
		return;
	}
	all->bytes -= v->bytes;
	v->bytes = count_bytes(v);
	all->bytes += v->bytes;
	list_remove(&v->link);
	list_add_last(&all->all, &v->link);
	make_room(all);
}

/* -- the rows ---------------------------------------------------------------
 */

static struct view_page *
add_page(struct view *v)
{
	struct view_page *p;

	if (v->n == v->size) {
		size_t size = v->size == 0 ? 4 : v->size * 2;

		p = reallocarray(v->pages, size, sizeof(*p));
		if (p == NULL)
			return NULL;
		v->pages = p;
		v->size = size;
	}
	p = &v->pages[v->n++];
	*p = (struct view_page){ 0 };
	buf_init(&p->page.rows, LIMIT_FRAME);
	return p;
}

static int
put_row(struct view_page *p, const struct wire_entry *row)
{
	if (wire_entry_add(&p->page.rows, row) != 0)
		return ERR_ORIGIN(-ENOMEM);
	if (p->page.n++ == 0)
		p->lo = row->uid;
	p->hi = row->uid;
	return 0;
}

int
view_add(struct view *v, const struct wire_entry *row)
{
	struct view_page *p = v->n == 0 ? NULL : &v->pages[v->n - 1];

	if (p == NULL || p->page.n == VIEW_ROWS)
		p = add_page(v);
	return p == NULL ? ERR_ORIGIN(-ENOMEM) : put_row(p, row);
}

/* A walk over rows, or ranges, of an answer's pages. */
struct walk {
	const struct pages *in;
	size_t page;
	struct wire_list rest;
};

static bool
next_changed(struct walk *w, struct wire_entry *ret)
{
	while (!wire_entry_next(&w->rest, ret)) {
		if (w->page == w->in->n)
			return false;
		w->rest = page_list(&w->in->at[w->page++]);
	}
	return true;
}

static bool
next_gone(struct walk *w, struct wire_range *ret)
{
	while (!wire_range_next(&w->rest, ret)) {
		if (w->page == w->in->n)
			return false;
		w->rest = page_list(&w->in->at[w->page++]);
	}
	return true;
}

/* Where the two walks stand: what comes next of each. */
struct news {
	struct walk changed, gone;
	struct wire_entry row;
	struct wire_range range;
	bool has_row, has_range;
};

static bool
is_gone(struct news *n, uint32_t uid)
{
	while (n->has_range && n->range.hi < uid)
		n->has_range = next_gone(&n->gone, &n->range);
	return n->has_range && n->range.lo <= uid;
}

/* What changed below `uid` and is not in the view has left it again. */
static bool
has_changed(struct news *n, uint32_t uid)
{
	while (n->has_row && n->row.uid < uid)
		n->has_row = next_changed(&n->changed, &n->row);
	return n->has_row && n->row.uid == uid;
}

static bool
concerns(struct news *n, const struct view_page *p)
{
	while (n->has_range && n->range.hi < p->lo)
		n->has_range = next_gone(&n->gone, &n->range);
	while (n->has_row && n->row.uid < p->lo)
		n->has_row = next_changed(&n->changed, &n->row);
	return (n->has_range && n->range.lo <= p->hi) ||
	    (n->has_row && n->row.uid <= p->hi);
}

/* The page anew; empty when all of it has left. */
static int
change_page(struct view_page *p, struct news *n)
{
	struct wire_list rows = page_list(&p->page);
	struct view_page fresh = { 0 };
	struct wire_entry row;
	int r = 0;

	buf_init(&fresh.page.rows, LIMIT_FRAME);
	while (r == 0 && wire_entry_next(&rows, &row)) {
		if (is_gone(n, row.uid))
			continue;
		r = put_row(&fresh, has_changed(n, row.uid) ? &n->row : &row);
	}
	if (r != 0) {
		buf_deinit(&fresh.page.rows);
		return ERR_TRACE(r);
	}
	buf_deinit(&p->page.rows);
	*p = fresh;
	return 0;
}

int
view_change(struct view *v, const struct pages *rows, const struct pages *gone)
{
	struct news n = { .changed.in = rows, .gone.in = gone };
	size_t kept = 0;
	uint32_t last = v->n == 0 ? 0 : v->pages[v->n - 1].hi;
	int r = 0;

	n.has_row = next_changed(&n.changed, &n.row);
	n.has_range = next_gone(&n.gone, &n.range);
	for (size_t i = 0; i < v->n; i++) {
		if (r == 0 && concerns(&n, &v->pages[i]))
			r = change_page(&v->pages[i], &n);
		if (v->pages[i].page.n == 0)
			buf_deinit(&v->pages[i].page.rows);
		else
			v->pages[kept++] = v->pages[i];
	}
	v->n = kept;
	for (; r == 0 && n.has_row;
	     n.has_row = next_changed(&n.changed, &n.row)) {
		if (n.row.uid <= last)
			continue;
		r = view_add(v, &n.row);
	}
	return ERR_TRACE(r);
}
