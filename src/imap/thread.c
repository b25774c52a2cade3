/* SPDX-License-Identifier: ISC */
#include "imap/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imap/merge.h"

enum {
	STEPS_MAX = 50 * 1000 * 1000 /* of the search for rings */
};

void
threads_init(struct threads *t, const uint8_t seed[MAP_SEED])
{
	*t = (struct threads){ .first = THREAD_NONE, .last = THREAD_NONE };
	map_init(&t->index, seed);
}

void
threads_deinit(struct threads *t)
{
	free(t->nodes);
	map_deinit(&t->index);
	memset(t, 0, sizeof(*t));
}

/* THREAD_NONE: no memory. */
static uint32_t
new_node(struct threads *t, uint32_t message)
{
	if (t->n == t->size) {
		size_t size = t->size == 0 ? 64 : t->size * 2;
		struct thread_node *at = realloc(t->nodes, size * sizeof(*at));

		if (at == NULL || size >= THREAD_NONE) {
			t->nodes = at == NULL ? t->nodes : at;
			return THREAD_NONE;
		}
		t->nodes = at;
		t->size = size;
	}
	t->nodes[t->n] = (struct thread_node){ .parent = THREAD_NONE,
		.first = THREAD_NONE,
		.last = THREAD_NONE,
		.next = THREAD_NONE,
		.message = message };
	return (uint32_t)t->n++;
}

static uint32_t
find_id(const struct threads *t, uint64_t id)
{
	uintptr_t at = (uintptr_t)map_get_number(&t->index, id);

	return at == 0 ? THREAD_NONE : (uint32_t)(at - 1);
}

static uint32_t
new_with_id(struct threads *t, uint64_t id, uint32_t message)
{
	uint32_t node = new_node(t, message);

	if (node == THREAD_NONE ||
	    map_put_number(&t->index, id, (void *)((uintptr_t)node + 1)) != 0)
		return THREAD_NONE;
	return node;
}

static uint32_t
node_of_reference(struct threads *t, uint64_t id)
{
	uint32_t node = find_id(t, id);

	return node != THREAD_NONE ? node : new_with_id(t, id, THREAD_NONE);
}

/* Of several messages with one id the first has it, the others have none. */
static uint32_t
node_of_message(struct threads *t, uint32_t i)
{
	uint64_t id = t->messages[i].id;
	uint32_t node = id == 0 ? THREAD_NONE : find_id(t, id);

	if (id == 0)
		return new_node(t, i);
	if (node == THREAD_NONE)
		return new_with_id(t, id, i);
	if (t->nodes[node].message != THREAD_NONE)
		return new_node(t, i);
	t->nodes[node].message = i;
	return node;
}

/* Would `child` below `parent` close a ring? */
static bool
is_ring(struct threads *t, uint32_t parent, uint32_t child)
{
	for (uint32_t n = parent; n != THREAD_NONE; n = t->nodes[n].parent)
		if (n == child || ++t->n_steps > STEPS_MAX)
			return true;
	return false;
}

/* -- step 1: links ----------------------------------------------------------
 */

static int
link_message(struct threads *t, uint32_t i)
{
	const struct thread_message *m = &t->messages[i];
	uint32_t own = node_of_message(t, i), before = THREAD_NONE;

	if (own == THREAD_NONE)
		return ERR_ORIGIN(-ENOMEM);
	for (size_t k = 0; k < m->n_references; k++) {
		uint32_t node = node_of_reference(t, m->references[k]);

		if (node == THREAD_NONE)
			return ERR_ORIGIN(-ENOMEM);
		if (before != THREAD_NONE &&
		    t->nodes[node].parent == THREAD_NONE &&
		    !is_ring(t, before, node))
			t->nodes[node].parent = before;
		before = node;
	}
	/* What it says of itself counts more than what others said. */
	t->nodes[own].parent = THREAD_NONE;
	if (before != THREAD_NONE && !is_ring(t, before, own))
		t->nodes[own].parent = before;
	return 0;
}

/* -- step 3: dummies --------------------------------------------------------
 *
 * A dummy goes, and its children stand where it stood; but a dummy that is a
 * thread itself stays when it has several. So the parent of a message becomes
 * the nearest message above it, or else the uppermost dummy. */

static bool
is_dummy(const struct threads *t, uint32_t node)
{
	return t->nodes[node].message == THREAD_NONE;
}

/* What stands above node in the end; the way there is made short. */
static uint32_t
settle(struct threads *t, uint32_t node)
{
	uint32_t up = t->nodes[node].parent, at = node;

	while (up != THREAD_NONE && is_dummy(t, up) &&
	    t->nodes[up].parent != THREAD_NONE)
		up = t->nodes[up].parent;
	while (at != up && t->nodes[at].parent != THREAD_NONE &&
	    (at == node || is_dummy(t, at))) {
		uint32_t next = t->nodes[at].parent;

		t->nodes[at].parent = up;
		at = next;
	}
	return up;
}

static void
drop_dummies(struct threads *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t up = is_dummy(t, i) ? THREAD_NONE : settle(t, i);

		if (up != THREAD_NONE && is_dummy(t, up))
			t->nodes[up].n_children++;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t up = t->nodes[i].parent;

		if (!is_dummy(t, i) && up != THREAD_NONE && is_dummy(t, up) &&
		    t->nodes[up].n_children == 1) {
			t->nodes[i].parent = THREAD_NONE;
			t->nodes[up].n_children = 0;
		}
	}
}

/* -- order ------------------------------------------------------------------
 */

struct dated {
	uint32_t node, message; /* of a dummy: of its first child */
	int64_t sent;
};

static bool
is_before(const void *a, const void *b, void *ctx)
{
	const struct dated *x = a, *y = b;

	(void)ctx;
	return x->sent != y->sent ? x->sent < y->sent : x->message < y->message;
}

/* A dummy is as old as its first child. */
static void
date_dummies(const struct threads *t, struct dated *of)
{
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t up = t->nodes[i].parent;
		struct dated *d;

		if (is_dummy(t, i) || up == THREAD_NONE || !is_dummy(t, up))
			continue;
		d = &of[up];
		if (d->message == THREAD_NONE || is_before(&of[i], d, NULL)) {
			d->message = of[i].message;
			d->sent = of[i].sent;
		}
	}
}

/* All messages, and the dummies that are threads, by date. NULL: no memory. */
static struct dated *
sort_all(const struct threads *t, size_t *ret_n)
{
	struct dated *of = calloc(t->n + 1, sizeof(*of));
	size_t n = 0;

	if (of == NULL)
		return NULL;
	for (uint32_t i = 0; i < t->n; i++) {
		of[i] =
		    (struct dated){ .node = i, .message = t->nodes[i].message };
		if (!is_dummy(t, i))
			of[i].sent = t->messages[of[i].message].sent;
	}
	date_dummies(t, of);
	for (uint32_t i = 0; i < t->n; i++)
		if (of[i].message != THREAD_NONE &&
		    (!is_dummy(t, i) || t->nodes[i].n_children > 0))
			of[n++] = of[i];
	*ret_n = n;
	if (merge_sort(of, n, sizeof(*of), is_before, NULL))
		return of;
	free(of);
	return NULL;
}

/* -- step 5: one subject, one thread ----------------------------------------
 */

/* The root that stands for a subject is a dummy, or else no reply. */
static void
note_subject(struct map *subjects, const struct threads *t,
    const struct dated *d, bool *ret_lost)
{
	const struct thread_message *m = &t->messages[d->message];
	void *value = (void *)((uintptr_t)d->node + 1);
	uintptr_t was = (uintptr_t)map_get(subjects, m->subject);
	uint32_t known = (uint32_t)(was - 1);

	if (was == 0) {
		*ret_lost |= map_put(subjects, m->subject, value) != 0;
		return;
	}
	if (is_dummy(t, known))
		return;
	if (is_dummy(t, d->node) ||
	    (t->messages[t->nodes[known].message].is_reply && !m->is_reply)) {
		(void)map_take(subjects, m->subject);
		*ret_lost |= map_put(subjects, m->subject, value) != 0;
	}
}

/* A new dummy above both, which stands for the subject from now on. */
static int
join_below_new(struct threads *t, struct map *subjects, struct slice subject,
    uint32_t a, uint32_t b)
{
	uint32_t dummy = new_node(t, THREAD_NONE);

	if (dummy == THREAD_NONE)
		return ERR_ORIGIN(-ENOMEM);
	t->nodes[a].parent = t->nodes[b].parent = dummy;
	t->nodes[dummy].n_children = 2;
	(void)map_take(subjects, subject);
	return ERR_TRACE(map_put(subjects, subject,
	    (void *)((uintptr_t)dummy + 1)));
}

static int
join_subject(struct threads *t, struct map *subjects, const struct dated *d,
    uint32_t *moved)
{
	const struct thread_message *m = &t->messages[d->message];
	uint32_t known =
	    (uint32_t)((uintptr_t)map_get(subjects, m->subject) - 1);

	if (known == d->node)
		return 0;
	if (is_dummy(t, d->node)) {
		moved[d->node] = known; /* its children, and it is no more */
		t->nodes[known].n_children += t->nodes[d->node].n_children;
		t->nodes[d->node].n_children = 0;
		return 0;
	}
	if (!is_dummy(t, known) &&
	    (!m->is_reply || t->messages[t->nodes[known].message].is_reply))
		return join_below_new(t, subjects, m->subject, d->node, known);
	t->nodes[d->node].parent = known;
	t->nodes[known].n_children++;
	return 0;
}

static int
join_subjects(struct threads *t, const struct dated *all, size_t n,
    struct map *subjects)
{
	size_t n_before = t->n;
	uint32_t *moved = calloc(t->n + 1, sizeof(*moved));
	int r = 0;

	if (moved == NULL)
		return ERR_ORIGIN(-ENOMEM);
	memset(moved, 0xff, (t->n + 1) * sizeof(*moved));
	for (size_t i = 0; i < n && r == 0; i++)
		if (t->nodes[all[i].node].parent == THREAD_NONE &&
		    t->messages[all[i].message].subject.len > 0)
			r = join_subject(t, subjects, &all[i], moved);
	for (size_t i = 0; i < n_before; i++) {
		uint32_t up = t->nodes[i].parent;

		if (up != THREAD_NONE && up < n_before &&
		    moved[up] != THREAD_NONE)
			t->nodes[i].parent = moved[up];
	}
	free(moved);
	return r;
}

static int
gather_subjects(struct threads *t)
{
	struct map subjects;
	size_t n;
	struct dated *all = sort_all(t, &n);
	bool is_lost = false;
	int r = 0;

	if (all == NULL)
		return ERR_ORIGIN(-ENOMEM);
	map_init(&subjects, t->index.seed);
	for (size_t i = 0; i < n; i++)
		if (t->nodes[all[i].node].parent == THREAD_NONE &&
		    t->messages[all[i].message].subject.len > 0)
			note_subject(&subjects, t, &all[i], &is_lost);
	r = is_lost ? ERR_ORIGIN(-ENOMEM) : join_subjects(t, all, n, &subjects);
	map_deinit(&subjects);
	free(all);
	return r;
}

/* -- step 6: the forest ------------------------------------------------------
 */

static void
append_child(struct threads *t, uint32_t node)
{
	uint32_t up = t->nodes[node].parent;
	uint32_t *first = up == THREAD_NONE ? &t->first : &t->nodes[up].first;
	uint32_t *last = up == THREAD_NONE ? &t->last : &t->nodes[up].last;

	if (*last == THREAD_NONE)
		*first = node;
	else
		t->nodes[*last].next = node;
	*last = node;
}

/* In the order of their dates into the lists of their parents. */
static int
plant(struct threads *t)
{
	size_t n;
	struct dated *all = sort_all(t, &n);

	if (all == NULL)
		return ERR_ORIGIN(-ENOMEM);
	for (size_t i = 0; i < t->n; i++)
		t->nodes[i].n_children = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t up = t->nodes[all[i].node].parent;

		append_child(t, all[i].node);
		if (up != THREAD_NONE)
			t->nodes[up].n_children++;
	}
	free(all);
	t->at = t->first;
	return 0;
}

int
threads_by_references(struct threads *t, const struct thread_message *messages,
    size_t n)
{
	int r = 0;

	t->messages = messages;
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = link_message(t, i);
	if (r != 0)
		return ERR_TRACE(r);
	drop_dummies(t);
	r = gather_subjects(t);
	return r != 0 ? ERR_TRACE(r) : ERR_TRACE(plant(t));
}

/* -- ORDEREDSUBJECT ----------------------------------------------------------
 */

/* Each subject's first message is a thread, and the others are its children. */
int
threads_by_subject(struct threads *t, const struct thread_message *messages,
    size_t n_messages)
{
	struct map subjects;
	struct dated *all;
	size_t n;
	int r = 0;

	t->messages = messages;
	for (uint32_t i = 0; i < n_messages; i++)
		if (new_node(t, i) == THREAD_NONE)
			return ERR_ORIGIN(-ENOMEM);
	all = sort_all(t, &n);
	if (all == NULL)
		return ERR_ORIGIN(-ENOMEM);
	map_init(&subjects, t->index.seed);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct slice subject = messages[all[i].message].subject;
		uintptr_t was;

		if (subject.len == 0)
			subject = SLICE("");
		was = (uintptr_t)map_get(&subjects, subject);
		if (was != 0)
			t->nodes[all[i].node].parent = (uint32_t)(was - 1);
		else
			r = map_put(&subjects, subject,
			    (void *)((uintptr_t)all[i].node + 1));
	}
	map_deinit(&subjects);
	free(all);
	return r != 0 ? ERR_TRACE(r) : ERR_TRACE(plant(t));
}

/* -- printing ----------------------------------------------------------------
 */

/* It begins a list of its own: not so an only child of a message. */
static bool
has_parens(const struct threads *t, uint32_t node)
{
	uint32_t up = t->nodes[node].parent;

	return up == THREAD_NONE || t->nodes[up].n_children > 1 ||
	    is_dummy(t, up);
}

static void
print_node(const struct threads *t, uint32_t node, struct buf *b)
{
	const struct thread_node *n = &t->nodes[node];

	/* A message before it, on the same level. */
	if (n->parent != THREAD_NONE && !is_dummy(t, n->parent) &&
	    t->nodes[n->parent].first == node)
		(void)buf_add_byte(b, ' ');
	if (has_parens(t, node))
		(void)buf_add_byte(b, '(');
	if (n->message != THREAD_NONE)
		(void)buf_printf(b, "%u", t->messages[n->message].number);
}

/* The next one in the order of printing; closes what ends before it. */
static uint32_t
next_node(const struct threads *t, uint32_t node, struct buf *b)
{
	if (t->nodes[node].first != THREAD_NONE)
		return t->nodes[node].first;
	while (node != THREAD_NONE) {
		if (has_parens(t, node))
			(void)buf_add_byte(b, ')');
		if (t->nodes[node].next != THREAD_NONE)
			return t->nodes[node].next;
		node = t->nodes[node].parent;
	}
	return THREAD_NONE;
}

bool
threads_print(struct threads *t, size_t most, struct buf *b)
{
	for (size_t i = 0; i < most && t->at != THREAD_NONE; i++) {
		print_node(t, t->at, b);
		t->at = next_node(t, t->at, b);
	}
	return t->at != THREAD_NONE;
}
