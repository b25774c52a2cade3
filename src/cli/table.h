/* SPDX-License-Identifier: ISC */
/*
 * cli/table - rows for people, or for programs
 *
 * Rows come as they are on the admin socket: objects of texts (docs/admin.md).
 * As a table: columns as wide as they need to be on a terminal, numbers to the
 * right, control characters shown as \xNN, since much of it comes from
 * strangers. As JSON: numbers, times and truths as what they are.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "base/slice.h"

enum table_kind {
	TABLE_TEXT,
	TABLE_NUMBER,
	TABLE_SIZE,
	TABLE_QUOTA, /* a size; 0: none */
	TABLE_TIME,
	TABLE_BOOL
};

struct table_column {
	const char *name;  /* NULL ends the list */
	const char *title; /* NULL: only in JSON */
	enum table_kind kind;
};

enum {
	TABLE_CELL = 1100
};

/* Columns that a row has beside these stand at the end, in its own order. */
void table_print(const json_t *rows, const struct table_column *columns,
    FILE *to);
/* A new array. */
json_t *table_json(const json_t *rows, const struct table_column *columns);
/* A value as a person reads it. */
void table_cell(enum table_kind kind, const char *value, char out[TABLE_CELL]);
/* Without what a terminal would obey; cut at TABLE_CELL. */
void table_clean(struct slice text, char out[TABLE_CELL]);

#endif
