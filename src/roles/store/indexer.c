/* SPDX-License-Identifier: ISC */
#include "roles/store/indexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/indexer_impl.h"

enum {
	ALONE = 64 /* messages that go one by one after a death */
};
#define LOOK_AFTER (30 * TIME_SECOND) /* at accounts that have changed */
#define BUSY_PAUSE (20 * TIME_MS)     /* while mail is being written */
#define TROUBLE_PAUSE (60 * TIME_SECOND)

static void go_on(struct indexer *x);

/* -- accounts that wait ---------------------------------------------------- */

static void
put_in(struct map *known, struct list *list, uint64_t account)
{
	struct index_account *a = map_get_number(known, account);

	if (a != NULL)
		return;
	a = calloc(1, sizeof(*a));
	if (a == NULL || map_put_number(known, account, a) != 0) {
		free(a); /* the next search asks again */
		return;
	}
	a->account = account;
	list_add_last(list, &a->link);
}

static uint64_t
take_out(struct map *known, struct list *list)
{
	struct list *link = list_take_first(list);
	struct index_account *a;
	uint64_t account;

	if (link == NULL)
		return 0;
	a = LIST_ENTRY(link, struct index_account, link);
	account = a->account;
	(void)map_take_number(known, account);
	free(a);
	return account;
}

void
indexer_want(struct store_role *s, uint64_t account)
{
	struct indexer *x = s->indexer;

	if (x == NULL || x->search == NULL || account == x->account)
		return;
	put_in(&x->known, &x->waiting, account);
	go_on(x);
}

void
indexer_changed(struct store_role *s, uint64_t account)
{
	struct indexer *x = s->indexer;

	if (x == NULL || !x->is_always || x->is_stopping)
		return;
	if (list_is_empty(&x->changes))
		(void)env_timer_set(s->env, &x->look,
		    env_now(s->env) + LOOK_AFTER);
	put_in(&x->changed, &x->changes, account);
}

static void
on_look(struct env_timer *t)
{
	struct indexer *x = LIST_ENTRY(t, struct indexer, look);
	uint64_t account;

	while ((account = take_out(&x->changed, &x->changes)) != 0)
		indexer_want(x->role, account);
}

/* -- trouble --------------------------------------------------------------- */

static void
pause_for(struct indexer *x, int64_t time)
{
	x->is_pausing = env_timer_set(x->role->env, &x->pause,
			    env_now(x->role->env) + time) == 0;
}

static void
on_pause(struct env_timer *t)
{
	struct indexer *x = LIST_ENTRY(t, struct indexer, pause);

	x->is_pausing = false;
	go_on(x);
}

/* Forgets the account at work; what was written stays. */
static void
leave_account(struct indexer *x)
{
	if (x->builder != NULL)
		slab_builder_reset(x->builder);
	id_set_free(&x->ids);
	x->has_ids = x->is_scanned = x->is_done = false;
	x->n_todo = x->at = x->n_items = x->n_results = x->n_open = 0;
	x->offset = x->n_live = 0;
	x->after = (struct id){ 0 };
	x->account = 0;
	buf_reset(&x->terms, 0);
}

void
indexer_is_bad(struct store_role *s, int r)
{
	struct indexer *x = s->indexer;

	if (r == -ENOMEM || r == -ENOSPC || r == -EDQUOT)
		return;
	if (!x->is_bad)
		env_log(s->env, ENV_WARN, "search-index-bad",
		    "errno=%d hint=\"it is made anew\"", r < 0 ? -r : 0);
	x->is_bad = true;
	go_on(x);
}

static void
make_anew(struct indexer *x)
{
	int r;

	leave_account(x);
	x->is_bad = false;
	r = search_drop(x->search);
	if (r == 0)
		return;
	env_log(x->role->env, ENV_ERROR, "search-index-off", "errno=%d", -r);
	search_close(x->search);
	x->search = NULL;
}

/* -- the sorter ------------------------------------------------------------ */

static int
send_item(struct indexer *x, const struct index_item *it)
{
	struct wire_sort first = { .id = it->id, .last = it->is_last };
	struct wire_sort_body more = { .last = it->is_last };

	first.data = more.data = slice_of(x->data + it->at, it->len);
	return it->is_first
	    ? wire_send_sort(x->sorter, x->batch, 0, &first)
	    : wire_send_sort_body(x->sorter, x->batch, 0, &more);
}

static void
send_items(struct indexer *x)
{
	x->batch++;
	x->n_answered = 0;
	x->n_open = x->n_items;
	for (size_t i = 0; i < x->n_items && x->sorter != NULL; i++)
		if (send_item(x, &x->items[i]) != 0)
			return; /* the channel ends: indexer_peer_lost */
}

/* Of this batch, and of what kind we wait for. */
static struct index_item *
item_of(struct indexer *x, const struct wire_head *h, bool is_last)
{
	struct index_item *it = &x->items[x->n_answered];

	if (x->is_stepping || x->n_open == 0 || h->session != x->batch)
		return NULL;
	return it->is_last == is_last ? it : NULL;
}

static void
answered(struct indexer *x)
{
	x->n_answered++;
	if (--x->n_open == 0)
		go_on(x);
}

int
on_sort_more(struct channel *c, const struct wire_head *h,
    const struct wire_sort_more *m)
{
	struct indexer *x = peer_of(c)->role->indexer;

	(void)m;
	if (h->session != x->batch)
		return 0; /* of a batch that was given up */
	if (item_of(x, h, false) == NULL)
		return WIRE_E_BAD;
	answered(x);
	return 0;
}

/* Without memory, and with more than is taken, it is one that always may
 * contain what is looked for. */
static void
keep_result(struct indexer *x, const struct id *id, const struct wire_sorted *m)
{
	struct index_result *one = &x->results[x->n_results++];

	*one = (struct index_result){ .id = *id,
		.at = x->terms.len,
		.len = { m->body.len, m->header.len },
		.is_partial = m->is_partial };
	if (one->is_partial || buf_add(&x->terms, m->body) != BUF_OK ||
	    buf_add(&x->terms, m->header) != BUF_OK) {
		one->is_partial = true;
		one->len[SLAB_BODY] = one->len[SLAB_HEADER] = 0;
	}
}

int
on_sorted(struct channel *c, const struct wire_head *h,
    const struct wire_sorted *m)
{
	struct indexer *x = peer_of(c)->role->indexer;
	struct index_item *it;

	if (h->session != x->batch)
		return 0;
	it = item_of(x, h, true);
	if (it == NULL || !id_equal(&it->id, &m->id))
		return WIRE_E_BAD;
	keep_result(x, &it->id, m);
	if (x->n_alone > 0)
		x->n_alone--;
	answered(x);
	return 0;
}

void
indexer_on_peer(struct peer *p)
{
	struct indexer *x = p->role->indexer;

	x->sorter = &p->c;
	go_on(x);
}

/* It died while it had these: they go to the next one, one by one; and one
 * that it dies of when it is alone is not given to it again. */
static void
take_back(struct indexer *x)
{
	struct id id = x->items[x->n_answered].id;

	x->n_results = 0;
	buf_reset(&x->terms, LIMIT_FRAME);
	x->at = x->batch_from;
	x->offset = 0;
	x->n_open = 0;
	x->batch++;
	if (x->n_alone > 0 && id_equal(&id, &x->suspect)) {
		env_log(x->role->env, ENV_WARN, "sorter-died-of",
		    "hint=\"this message is searched without the index\"");
		x->results[x->n_results++] =
		    (struct index_result){ .id = id, .is_partial = true };
		x->at++;
	}
	x->suspect = id;
	x->n_alone = ALONE;
}

void
indexer_peer_lost(struct peer *p)
{
	struct indexer *x = p->role->indexer;

	if (x->sorter != &p->c)
		return;
	x->sorter = NULL;
	if (x->n_open > 0 && !x->is_stepping)
		take_back(x);
}

/* -- steps ----------------------------------------------------------------- */

static bool
has_room_on_disk(const struct indexer *x)
{
	return !x->role->disk_is_full && x->role->submission;
}

static void
done_step(struct store_read *read, int r)
{
	struct indexer *x = LIST_ENTRY(read, struct indexer, step);

	x->is_stepping = false;
	if (x->is_stopping)
		return;
	if (r != 0) {
		leave_account(x);
		indexer_is_bad(x->role, r);
		pause_for(x, TROUBLE_PAUSE);
		return;
	}
	if (x->is_done) {
		env_log(x->role->env, ENV_INFO, "search-indexed",
		    "account=%llu messages=%zu",
		    (unsigned long long)x->account, x->ids.n);
		leave_account(x);
	} else if (x->n_items > 0 && x->sorter == NULL) {
		/* it has left meanwhile: the same once more */
		x->at = x->batch_from;
		x->offset = 0;
	} else if (x->n_items > 0) {
		send_items(x);
		return;
	}
	go_on(x);
}

static void
start_step(struct indexer *x)
{
	x->is_stepping = true;
	x->step = (struct store_read){ .run = indexer_step, .done = done_step };
	store_read(x->role->store, &x->step);
}

/* The next thing, when there is one and nobody is in the way. */
static void
go_on(struct indexer *x)
{
	if (x->search == NULL || x->is_stepping || x->n_open > 0 ||
	    x->is_stopping)
		return;
	if (x->is_bad) {
		if (!x->is_finding)
			make_anew(x);
		if (x->is_finding || x->search == NULL)
			return;
	}
	if (x->is_pausing || (x->sorter == NULL && !x->is_dropped))
		return;
	if (x->account == 0)
		x->account = take_out(&x->known, &x->waiting);
	if (x->account == 0)
		return;
	if (!has_room_on_disk(x))
		pause_for(x, TROUBLE_PAUSE);
	else if (!committer_is_idle(store_committer(x->role->store)))
		pause_for(x, BUSY_PAUSE);
	if (!x->is_pausing)
		start_step(x);
}

/* -- life ------------------------------------------------------------------ */

struct search *
indexer_search(struct store_role *s)
{
	return s->indexer->is_bad ? NULL : s->indexer->search;
}

static void
init_map(struct store_role *s, struct map *m)
{
	uint8_t seed[MAP_SEED];

	env_random(s->env, seed, sizeof(seed));
	map_init(m, seed);
}

int
indexer_new(struct store_role *s)
{
	struct indexer *x = calloc(1, sizeof(*x));
	int r;

	if (x == NULL)
		return ERR_ORIGIN(-ENOMEM);
	x->role = s;
	x->look.fire = on_look;
	x->pause.fire = on_pause;
	x->is_always = s->settings->search_index == SEARCH_INDEX_ALWAYS;
	x->ids.seed = env_random_u64(s->env);
	list_init(&x->waiting);
	list_init(&x->changes);
	list_init(&x->finds);
	init_map(s, &x->known);
	init_map(s, &x->changed);
	buf_init(&x->terms, INDEX_TERMS);
	s->indexer = x;
	if (s->settings->search_index == SEARCH_INDEX_OFF)
		return 0;
	r = search_open(s->store, &x->search);
	if (r < 0) /* without it everything works, slower */
		env_log(s->env, ENV_ERROR, "search-index-off", "errno=%d", -r);
	return 0;
}

void
indexer_stop(struct store_role *s)
{
	struct indexer *x = s->indexer;

	x->is_stopping = true;
	env_timer_stop(s->env, &x->look);
	env_timer_stop(s->env, &x->pause);
}

bool
indexer_is_idle(const struct store_role *s)
{
	return !s->indexer->is_stepping && !s->indexer->is_finding;
}

void
indexer_free(struct store_role *s)
{
	struct indexer *x = s->indexer;

	if (x == NULL)
		return;
	while (take_out(&x->known, &x->waiting) != 0)
		continue;
	while (take_out(&x->changed, &x->changes) != 0)
		continue;
	map_deinit(&x->known);
	map_deinit(&x->changed);
	search_close(x->search);
	slab_builder_free(x->builder);
	id_set_free(&x->ids);
	buf_deinit(&x->terms);
	free(x->todo);
	free(x->data);
	free(x);
	s->indexer = NULL;
}
