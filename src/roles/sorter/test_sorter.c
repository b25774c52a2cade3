/* SPDX-License-Identifier: ISC */
/* A sorter is given messages as a store gives them: whole, in pieces, cut off
 * by others, and in an order that no store has. */
#include "base/test.h"
#include "base/time.h"
#include "mail/terms.h"
#include "roles/sorter/sorter.h"
#include "sys/env_posix.h"

struct world {
	struct env *env;
	struct role role;
	struct channel store;
	bool is_lost;
	unsigned n_more, n_sorted;
	struct id id;
	bool is_partial;
	char body[4096], header[4096];
};

static int
on_more(struct channel *c, const struct wire_head *h,
    const struct wire_sort_more *m)
{
	struct world *w = c->ctx;

	(void)h;
	(void)m;
	w->n_more++;
	env_stop(w->env);
	return 0;
}

/* Their terms, one space around each. */
static void
spell(struct slice text, char *to, size_t size)
{
	struct slice term;
	size_t at = 0;

	to[at++] = ' ';
	while (terms_next(&text, &term) && at + term.len + 2 < size) {
		memcpy(to + at, term.at, term.len);
		at += term.len;
		to[at++] = ' ';
	}
	to[at] = '\0';
}

static int
on_sorted(struct channel *c, const struct wire_head *h,
    const struct wire_sorted *m)
{
	struct world *w = c->ctx;

	(void)h;
	w->n_sorted++;
	w->id = m->id;
	w->is_partial = m->is_partial;
	spell(m->body, w->body, sizeof(w->body));
	spell(m->header, w->header, sizeof(w->header));
	env_stop(w->env);
	return 0;
}

static const struct wire_store_handlers handlers = { .sort_more = on_more,
	.sorted = on_sorted };

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static void
on_closed(struct channel *c)
{
	struct world *w = c->ctx;

	w->is_lost = true;
	env_stop(w->env);
}

static const struct channel_ops channel_ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static void
join(struct world *w)
{
	int fds[2];

	test_int(env_pair(w->env, fds), 0);
	w->is_lost = false;
	sorter_ops.on_peer(&w->role, WIRE_STORE, 1, PEER_CHANNEL, fds[0]);
	test_int(channel_open(&w->store, w->env, w, fds[1], WIRE_STORE,
		     WIRE_SORTER, 1, &channel_ops),
	    0);
}

static void
begin(struct world *w)
{
	struct env_posix_options o = { .role = "test" };

	*w = (struct world){ 0 };
	test_int(env_posix_new(&o, &w->env), 0);
	w->role = (struct role){
		.env = w->env, .ops = &sorter_ops, .ctx = sorter_new()
	};
	assert_non_null(w->role.ctx);
	test_int(sorter_ops.prepare(&w->role), 0);
	join(w);
}

static void
end(struct world *w)
{
	channel_close(&w->store);
	sorter_ops.deinit(&w->role);
	free(w->role.ctx);
	env_posix_free(w->env);
}

static void
sort(struct world *w, uint8_t n, const char *text, bool last)
{
	struct wire_sort m = {
		.id = { .bytes = { n } }, .data = slice_cstr(text), .last = last
	};

	test_int(wire_send_sort(&w->store, 7, 0, &m), 0);
	test_int(env_run(w->env), 0);
}

static void
go_on(struct world *w, const char *text, bool last)
{
	struct wire_sort_body m = { .data = slice_cstr(text), .last = last };

	test_int(wire_send_sort_body(&w->store, 7, 0, &m), 0);
	test_int(env_run(w->env), 0);
}

static void
answers(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	sort(&w, 1, "Subject: One\r\n\r\nGr\xc3\xbc\xc3\x9f\r\n", true);
	test_int(w.n_sorted, 1);
	test_int(w.id.bytes[0], 1);
	test_true(strstr(w.header, " one ") != NULL);
	/* in pieces */
	sort(&w, 2, "Subject: Tw", false);
	test_int(w.n_more, 1);
	go_on(&w, "o\r\n\r\nbo", false);
	test_int(w.n_more, 2);
	go_on(&w, "dy\r\n", true);
	test_int(w.n_sorted, 2);
	test_int(w.id.bytes[0], 2);
	test_true(strstr(w.header, " two ") != NULL);
	test_true(strstr(w.body, " body ") != NULL);
	test_true(strstr(w.header, " one ") == NULL);
	/* one that is given up for another */
	sort(&w, 3, "Subject: three\r\n\r\nthree", false);
	sort(&w, 4, "Subject: four\r\n\r\nfour", true);
	test_int(w.id.bytes[0], 4);
	test_true(strstr(w.body, "three") == NULL);
	end(&w);
}

/* The rest of nothing: the channel ends; the next store is served. */
static void
out_of_order(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	go_on(&w, "x", true);
	test_true(w.is_lost);
	channel_close(&w.store);
	join(&w);
	sort(&w, 1, "Subject: again\r\n\r\n", true);
	test_int(w.n_sorted, 1);
	end(&w);
}

TEST_MAIN(cmocka_unit_test(answers), cmocka_unit_test(out_of_order))
