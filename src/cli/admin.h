/* SPDX-License-Identifier: ISC */
/*
 * cli/admin - asks the running server, by its admin socket (docs/admin.md)
 *
 * An admin_action says which command it is, what its operands and options are
 * called there, and how its rows are shown; admin_run does the rest. What
 * needs more (passwords, a story instead of a table) gives a function.
 */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include <jansson.h>

#include "cli/cli.h"
#include "cli/table.h"

enum {
	ADMIN_OPERANDS_MAX = 3
};

struct admin_action {
	const char *command; /* "account add" */
	struct {
		const char *name;
		enum cli_kind kind;
	} operands[ADMIN_OPERANDS_MAX];
	const struct table_column *columns; /* NULL: it answers with a text */
	/* Adds what the command line does not say; CLI_OK or exit status. */
	int (*prepare)(struct cli *cli, json_t *args);
	/* Instead of a table; returns the exit status. */
	int (*show)(struct cli *cli, const json_t *rows);
};

struct admin_answer {
	json_t *rows; /* an array */
	long code;
	char text[512];
};

int admin_run(struct cli *cli);

/* One question; `args` stays the caller's. CLI_OK when an answer came, be it a
 * refusal; else the trouble has been told. */
int admin_ask(struct cli *cli, const char *command, json_t *args,
    struct admin_answer *ret);
/* Asks, and leaves the connection open for what follows: cli/carry. */
int admin_open(struct cli *cli, const char *command, json_t *args, int *ret_fd);
void admin_answer_deinit(struct admin_answer *a);
/* Exit status by its code; tells a refusal on stderr. */
int admin_status(const struct admin_answer *a);
int admin_print_json(const json_t *value);
/* The `show` of an action whose answer is one row: a line for each of its
 * columns, or one JSON object. */
int admin_show_row(struct cli *cli, const json_t *rows);

#endif
