/* SPDX-License-Identifier: ISC */
/*
 * config/toml - a reader of TOML 1.0, whole, that says where it stumbled
 *
 * Makes a tree in the caller's arena; strings without escapes point into the
 * text, which must live as long as the tree. Pure. The text is the operator's,
 * but it is read by the same rules as a stranger's: nothing is repaired, depth
 * and number of nodes are bounded, and the first error ends the reading.
 * Floats and times are checked and kept as they are written: no setting is
 * one. Dates are checked against the calendar.
 */
#ifndef CONFIG_TOML_H
#define CONFIG_TOML_H

#include "base/arena.h"
#include "base/slice.h"

enum {
	TOML_DEPTH = 32,   /* arrays and inline tables inside each other */
	TOML_NODES = 8192, /* keys and values of one file */
	TOML_ERROR = 256
};

enum {
	TOML_OK,
	TOML_E_SYNTAX
};

enum toml_type {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_TIME,
	TOML_N_TYPES
};

struct toml_node {
	struct toml_node *next; /* its sibling, in the order of the file */
	struct toml_node *first, *last; /* of a table or an array */
	const uint8_t *at; /* where its key stands; in an array, its value */
	const uint8_t *value_at;
	struct slice key;
	struct slice text; /* STRING: its value; FLOAT, TIME: as written */
	int64_t integer;
	enum toml_type type;
	bool is_true;
	uint8_t origin; /* toml.c's own: how a table came to be */
};

struct toml_error {
	uint32_t line, col; /* from 1; a column is a character, not a byte */
	char text[TOML_ERROR];
};

/* TOML_OK, TOML_E_SYNTAX with *err filled, or -ENOMEM when the arena is full.
 */
int toml_parse(struct slice text, struct arena *arena,
    struct toml_node **ret_root, struct toml_error *err);

/* NULL when there is none. */
const struct toml_node *toml_get(const struct toml_node *table,
    struct slice key);

/* Which line and column of `text` a place in it is. */
void toml_where(struct slice text, const uint8_t *at, uint32_t *ret_line,
    uint32_t *ret_col);

const char *toml_type_name(enum toml_type type); /* "a string" */

#endif
