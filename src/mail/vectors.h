/* SPDX-License-Identifier: ISC */
/*
 * mail/vectors - for tests: files below tests/corpus, one after the other
 *
 * A test that finds no file fails: vectors_each returns how many it saw.
 */
#ifndef MAIL_VECTORS_H
#define MAIL_VECTORS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/slice.h"

enum {
	VECTOR_MAX = 4 * 1024 * 1024
};

typedef void vector_fn(void *ctx, const char *path, struct slice bytes);

/* The caller frees *ret.at. */
static inline bool
vector_read(const char *path, struct slice *ret)
{
	FILE *f = fopen(path, "rb");
	uint8_t *at = malloc(VECTOR_MAX);
	size_t n;

	if (f == NULL || at == NULL)
		abort();
	n = fread(at, 1, VECTOR_MAX, f);
	(void)fclose(f);
	at = realloc(at, n == 0 ? 1 : n); /* exact: ASan guards the edge */
	if (at == NULL)
		abort();
	*ret = slice_of(at, n);
	return true;
}

static inline void
vector_free(struct slice s)
{
	free((void *)(uintptr_t)s.at);
}

/* Below tests/corpus; every file whose name ends like that. */
static inline size_t
vectors_below(const char *dir, const char *end, vector_fn *fn, void *ctx)
{
	struct dirent *e;
	struct slice bytes;
	char path[4096];
	struct stat st;
	size_t n = 0;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			n += vectors_below(path, end, fn, ctx);
			continue;
		}
		if (!slice_ends(slice_cstr(path), slice_cstr(end)))
			continue;
		(void)vector_read(path, &bytes);
		fn(ctx, path, bytes);
		vector_free(bytes);
		n++;
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static inline size_t
vectors_each(const char *dir, const char *end, vector_fn *fn, void *ctx)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/tests/corpus/%s",
	    root == NULL ? "." : root, dir);
	return vectors_below(path, end, fn, ctx);
}

/* \n \r \t \\ become what they stand for. In place. */
static inline struct slice
vector_unescape(struct slice s)
{
	uint8_t *at = (uint8_t *)(uintptr_t)s.at;
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = at[i];

		if (c == '\\' && i + 1 < s.len) {
			c = at[++i];
			c = c == 'n'   ? '\n'
			    : c == 'r' ? '\r'
			    : c == 't' ? '\t'
				       : c;
		}
		at[n++] = c;
	}
	return slice_of(at, n);
}

#endif
