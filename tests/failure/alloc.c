/* SPDX-License-Identifier: ISC */
#include "alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LIVE_MAX = 1 << 16, /* places; a power of two */
	RUNS_MAX = 100000
};

static unsigned depth;
static size_t n_made, fails_at; /* 0: never */
static bool fails_on, has_failed;
static const void *live[LIVE_MAX]; /* open addressing; NULL: free */
static size_t n_live;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t n);
void __real_free(void *at);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t n);
void *__wrap_reallocarray(void *at, size_t n, size_t size);
void __wrap_free(void *at);

void
alloc_enter(void)
{
	depth++;
}

void
alloc_leave(void)
{
	depth--;
}

unsigned
alloc_pause(void)
{
	unsigned was = depth;

	depth = 0;
	return was;
}

void
alloc_resume(unsigned was)
{
	depth = was;
}

bool
alloc_has_failed(void)
{
	return has_failed;
}

static bool
is_to_fail(void)
{
	if (depth == 0)
		return false;
	n_made++;
	if (fails_at == 0 || n_made < fails_at ||
	    (n_made > fails_at && !fails_on))
		return false;
	has_failed = true;
	return true;
}

static size_t
place_of(const void *at)
{
	return (size_t)(((uintptr_t)at >> 4) * UINT64_C(0x9e3779b97f4a7c15) >>
		   48) &
	    (LIVE_MAX - 1);
}

static void
note(const void *at)
{
	size_t i = place_of(at);

	if (at == NULL || depth == 0)
		return;
	if (++n_live == LIVE_MAX / 2)
		abort();
	while (live[i] != NULL)
		i = (i + 1) & (LIVE_MAX - 1);
	live[i] = at;
}

/* Closes the gap, so that no grave is needed. */
static bool
forget(const void *at)
{
	size_t i = place_of(at), k;

	while (live[i] != at) {
		if (live[i] == NULL)
			return false;
		i = (i + 1) & (LIVE_MAX - 1);
	}
	n_live--;
	live[i] = NULL;
	for (k = (i + 1) & (LIVE_MAX - 1); live[k] != NULL;
	     k = (k + 1) & (LIVE_MAX - 1)) {
		const void *moved = live[k];
		size_t to = place_of(moved);

		live[k] = NULL;
		while (live[to] != NULL)
			to = (to + 1) & (LIVE_MAX - 1);
		live[to] = moved;
	}
	return true;
}

void *
__wrap_malloc(size_t n)
{
	void *at = is_to_fail() ? NULL : __real_malloc(n);

	note(at);
	return at;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	void *at = is_to_fail() ? NULL : __real_calloc(n, size);

	note(at);
	return at;
}

/* Who was noted stays noted, wherever it moves to. */
void *
__wrap_realloc(void *at, size_t n)
{
	unsigned was = depth;
	bool is_known;
	void *moved;

	if (is_to_fail())
		return NULL;
	is_known = at != NULL && forget(at);
	moved = __real_realloc(at, n);
	if (is_known)
		depth = 1;
	note(moved != NULL ? moved : at);
	depth = was;
	return moved;
}

void *
__wrap_reallocarray(void *at, size_t n, size_t size)
{
	return size != 0 && n > SIZE_MAX / size ? NULL
						: __wrap_realloc(at, n * size);
}

void
__wrap_free(void *at)
{
	if (at != NULL)
		(void)forget(at);
	__real_free(at);
}

static void
stop(const char *what, const char *why)
{
	(void)fprintf(stderr, "%s: allocation %zu fails%s: %s\n", what,
	    fails_at, fails_on ? ", and all after it" : "", why);
	abort();
}

/* False when nothing was left to fail. */
static bool
run_once(const char *what, bool (*run)(void *ctx), void *ctx)
{
	bool is_well;

	n_made = 0;
	has_failed = false;
	depth = 0;
	is_well = run(ctx);
	if (depth != 0)
		stop(what, "the test does not leave what it enters");
	if (n_live != 0)
		stop(what, "memory was not given back");
	if (!has_failed && !is_well)
		stop(what, "nothing failed, and yet it did not go well");
	return has_failed;
}

size_t
alloc_each(const char *what, bool (*run)(void *ctx), void *ctx)
{
	size_t n;

	fails_at = 0;
	(void)run_once(what, run, ctx);
	n = n_made;
	for (int mode = 0; mode < 2; mode++) {
		fails_on = mode == 1;
		for (fails_at = 1; run_once(what, run, ctx); fails_at++)
			if (fails_at == RUNS_MAX)
				stop(what, "there is no end to it");
	}
	fails_at = 0;
	return n;
}
