/* SPDX-License-Identifier: ISC */
/*
 * cli/pairs - KEY=VALUE operands, and files with an address on each line
 *
 * A table says which keys a command has; a key that is not in it is refused
 * here, with those that are. In keys "-" is as good as "_". Values are judged
 * by the store, but for sizes, which become numbers of bytes.
 */
#ifndef CLI_PAIRS_H
#define CLI_PAIRS_H

#include <jansson.h>

#include "cli/cli.h"

struct cli_pair {
	const char *key;    /* NULL ends the list */
	enum cli_kind kind; /* CLI_TEXT; CLI_SIZE: also "none" */
};
/* The operands from `first` on become arguments. CLI_OK or exit status. */
int cli_pairs_add(struct cli *cli, size_t first, const struct cli_pair *keys,
    json_t *args);

/* The operands from `first` on become one argument, a line each. */
int cli_names_add(struct cli *cli, size_t first, const char *name,
    json_t *args);
/*
 * Operands: what they are added to, and a file ("-": standard input) with one
 * address a line; empty lines and those that begin with "#" do not count. Asked
 * in parts, so that a long file holds nobody up: each part is kept as a whole,
 * and giving the file once more does no harm.
 */
int cli_names_import(struct cli *cli, const char *command, const char *whole,
    const char *name);

#endif
