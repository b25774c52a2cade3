/* SPDX-License-Identifier: ISC */
/*
 * cli/cli - what the command line is made of: commands, actions, options
 *
 * A table says what there is (cli.c); from it come the parsing, every --help
 * and the errors. One file a command fills its actions. Nothing here is kept
 * between commands: the program runs one and ends.
 *
 * Exit status: 0 done; 1 refused, or it could not be done; 2 wrong arguments,
 * nothing was tried; 3 it would have to wait. Errors are one line on stderr,
 * beginning "ulak: ".
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/slice.h"
#include "config/settings.h"

enum {
	CLI_OK = 0,
	CLI_REFUSED = 1,
	CLI_USAGE = 2,
	CLI_WAITS = 3 /* `ulak route ADDRESS`: not now */
};
enum {
	CLI_OPERANDS_MAX = 1024,
	CLI_OPTIONS_MAX = 16,
	CLI_PASSWORD_MAX = 1024 /* as in HASH_ASK */
};

/* What an option's value or an operand must be. */
enum cli_kind {
	CLI_TEXT,
	CLI_NUMBER,
	CLI_SIZE, /* "50MiB"; becomes a number of bytes */
	CLI_FLAG, /* an option without a value */
	CLI_ID    /* 26 characters */
};

struct cli_option {
	const char *name; /* without "--"; NULL ends the list */
	char letter;      /* 0: none */
	enum cli_kind kind;
	const char *value; /* how help calls it: "FILE" */
	const char *sentence;
	bool is_local; /* of an admin action: not an argument for the server */
};

struct cli;

struct cli_action {
	const char *name;     /* NULL: the command itself */
	const char *operands; /* for help: "ADDRESS [NAME]" */
	size_t min, max;      /* how many operands */
	const char *sentence;
	const struct cli_option *options; /* may be NULL */
	int (*run)(struct cli *cli);
	const struct admin_action *admin; /* of admin_run */
};

struct cli_command {
	const char *name, *sentence;
	const struct cli_action *actions;
	size_t n_actions;
	const char *more;       /* a paragraph for --help; may be NULL */
	const char *of_address; /* the action when an address stands there */
	/* Instead of actions: all words behind the command are its own. */
	int (*raw)(struct cli *cli, int argc, char **argv);
};

struct cli {
	const char *config; /* path of ulak.toml */
	bool json;
	const struct cli_command *command;
	const struct cli_action *action;
	const char *operands[CLI_OPERANDS_MAX];
	size_t n_operands;
	const char *values[CLI_OPTIONS_MAX]; /* by place in action->options */
};

int cli_main(int argc, char **argv);

/* The value of an option of the present action ("" for a flag), or NULL. */
const char *cli_option(const struct cli *cli, const char *name);
/* "ulak: ..." on stderr; returns `status`. */
int cli_fail(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Checks a value of `kind`; CLI_OK, or says what is wrong with it. */
int cli_check_value(enum cli_kind kind, const char *name, const char *value);

/* Reads and parses cli->config; CLI_OK, or CLI_REFUSED with the error told. */
int cli_settings(struct cli *cli, struct settings *ret);
/* From --password-file FILE ("-": standard input), --password-stdin, or asked
 * for on a terminal. The last line end is taken off. The caller wipes it. */
int cli_password(struct cli *cli, const char *whose,
    char password[CLI_PASSWORD_MAX + 1]);
/* A whole file (or standard input, "-") up to cap, into memory to be freed. */
int cli_read_file(const char *path, size_t cap, char **ret, size_t *ret_len);

#define CLI_ACTIONS(a) .actions = (a), .n_actions = sizeof(a) / sizeof((a)[0])

/* One a file. */
extern const struct cli_command cli_account, cli_address, cli_alias, cli_config,
    cli_domain, cli_destination, cli_greylist, cli_export, cli_group,
    cli_import, cli_init, cli_key, cli_queue, cli_reports, cli_role, cli_route,
    cli_send, cli_sendmail, cli_serve, cli_status, cli_sts, cli_suppress,
    cli_throttle, cli_token, cli_trace, cli_undelete, cli_verify, cli_warmup;

#endif
