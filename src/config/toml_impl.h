/* SPDX-License-Identifier: ISC */
/*
 * config/toml_impl - what the three files of the TOML reader share
 *
 * toml.c: lines, keys, tables, arrays. toml_string.c: the four kinds of
 * strings. toml_word.c: numbers, dates, truth. Everything borrows from the
 * parser's text and allocates from the caller's arena.
 */
#ifndef CONFIG_TOML_IMPL_H
#define CONFIG_TOML_IMPL_H

#include "config/toml.h"

struct parser {
	struct slice text, in;
	struct arena *arena;
	struct toml_error *err;
	struct toml_node *root;
	unsigned depth, n_nodes;
};

/* A key or word as it can stand in a message: short, and printable. */
struct shown {
	char text[48];
};
struct shown toml_show(struct slice s);

/* Notes the error and its place; returns TOML_E_SYNTAX. */
int toml_fail(struct parser *p, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void toml_skip_blank(struct parser *p);
bool toml_skip_newline(struct parser *p);
bool toml_at_newline(const struct parser *p);
bool toml_is_text(uint8_t c);  /* what comments and strings may hold */
int toml_hex_digit(uint8_t c); /* -1: none */

/* The parser stands at the first quote. */
int toml_take_string(struct parser *p, struct slice *ret);
/* A value without quotes, brackets or braces. */
int toml_take_word(struct parser *p, struct toml_node *node);

#endif
