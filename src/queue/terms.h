/* SPDX-License-Identifier: ISC */
/*
 * queue/terms - on what terms a destination is served
 *
 * An admin sets them for a pattern: a domain ("two.example"), all below one
 * (".two.example"), or every domain ("*"). Each term is looked up by itself:
 * the pattern that names the destination most closely and sets it counts, and
 * where none does, the configuration. So "*" can set a rate and "two.example"
 * only its concurrency.
 *
 * Pure. A table is owned by one loop; the database has the same rows
 * (delivery_policy), and is asked by the same patterns (terms_pattern_next).
 */
#ifndef QUEUE_TERMS_H
#define QUEUE_TERMS_H

#include "base/map.h"

enum terms_key {
	TERMS_RETRY_FIRST,   /* us */
	TERMS_RETRY_MAX,     /* us */
	TERMS_RETRY_GROWTH,  /* percent */
	TERMS_LIFETIME,      /* us */
	TERMS_DELAY_WARNING, /* us; 0: never */
	TERMS_CONCURRENCY,   /* attempts at a time */
	TERMS_MAILS,         /* on one connection */
	TERMS_RCPTS,         /* in one transaction */
	TERMS_RATE,          /* messages a minute; 0: no limit */
	TERMS_BURST,         /* messages at once, of that rate */
	TERMS_TLS,           /* enum tls_minimum (policy/tls_policy.h) */
	TERMS_N
};

#define TERMS_UNSET INT64_C(-1)
enum {
	TERMS_PATTERN_MAX = 256, /* a dot and a domain */
	TERMS_TEXT_MAX = 32
};

struct terms {
	int64_t value[TERMS_N]; /* or TERMS_UNSET */
};

/* As it is called on the command line and in the database. */
const char *terms_key_name(enum terms_key key);
/* TERMS_N: there is none of that name. */
enum terms_key terms_key_find(struct slice name);
/* "default" is TERMS_UNSET. False: not a value of that key. */
bool terms_value_parse(enum terms_key key, struct slice text, int64_t *ret);
void terms_value_print(enum terms_key key, int64_t value,
    char text[TERMS_TEXT_MAX]);
/* What a value may be, for people. */
const char *terms_value_help(enum terms_key key);

/* Lower case, a form that can match; false: it is no pattern. */
bool terms_pattern_make(struct slice text, char ret[TERMS_PATTERN_MAX + 1]);
/* The patterns that a route answers to, the closest first: start with an empty
 * *pattern; false at the end. The route is in lower case, as in the queue. */
bool terms_pattern_next(struct slice route, struct slice *pattern);

struct terms_row {
	struct terms terms;
	size_t len;
	char pattern[TERMS_PATTERN_MAX + 1];
};

struct terms_table {
	struct map by_pattern;
};

void terms_table_init(struct terms_table *t, const uint8_t seed[MAP_SEED]);
void terms_table_deinit(struct terms_table *t);
/* 0, -ENOMEM, -EINVAL for what is no pattern. */
int terms_table_put(struct terms_table *t, struct slice pattern,
    const struct terms *terms);
/* What holds for a route; from[]: the pattern that said so, empty for what
 * nobody has set. from may be NULL. */
void terms_table_find(const struct terms_table *t, struct slice route,
    struct terms *ret, struct slice from[TERMS_N]);

#endif
