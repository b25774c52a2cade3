/* SPDX-License-Identifier: ISC */
/* Any text as TOML: read, or refused at a place inside it; every node of the
 * tree lies where it may. */
#include <stdlib.h>

#include "config/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_node(const struct toml_node *node, struct slice text, unsigned depth)
{
	if (depth > 3 * TOML_DEPTH + 2 || node->type >= TOML_N_TYPES ||
	    node->value_at < text.at || node->value_at > text.at + text.len ||
	    !slice_is_utf8(node->key) || !slice_is_utf8(node->text))
		abort();
	for (const struct toml_node *c = node->first; c != NULL; c = c->next) {
		if (node->type == TOML_TABLE && toml_get(node, c->key) != c)
			abort(); /* a key stands once */
		check_node(c, text, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice text = slice_of(at, n);
	struct toml_node *root = NULL;
	struct toml_error err = { 0 };
	struct arena arena;
	int r;

	if (n > 64 * 1024)
		return 0;
	arena_init(&arena, 4 * 1024 * 1024);
	r = toml_parse(text, &arena, &root, &err);
	if (r == TOML_OK)
		check_node(root, text, 0);
	else if (r == TOML_E_SYNTAX && (err.line == 0 || err.text[0] == '\0'))
		abort();
	arena_reset(&arena);
	return 0;
}
