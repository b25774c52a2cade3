/* SPDX-License-Identifier: ISC */
/*
 * cli/sendmail - what the files of `ulak sendmail` share
 *
 * sendmail.c: the command, and the way of a message to the server;
 * sendmail_options.c: the command line as sendmail(1) has it;
 * sendmail_spool.c: the files that wait while the server is down;
 * sendmail_session.c: -bs. All of it runs as whoever calls it and has no
 * privilege; what the server believes of it is what the kernel says.
 */
#ifndef CLI_SENDMAIL_H
#define CLI_SENDMAIL_H

#include <sysexits.h>

#include "cli/cli.h"
#include "mail/inject.h"
#include "mail/spool.h"

enum sendmail_mode {
	SENDMAIL_DELIVER, /* -bm */
	SENDMAIL_SESSION, /* -bs */
	SENDMAIL_QUEUE,   /* -bp, mailq */
	SENDMAIL_ALIASES, /* -bi, newaliases */
	SENDMAIL_RUN,     /* -q */
	SENDMAIL_HELP
};

enum {
	SENDMAIL_RCPTS = 1000, /* of one call */
	SENDMAIL_ERROR = 200
};

struct sendmail_options {
	enum sendmail_mode mode;
	bool takes_rcpts; /* -t */
	bool ignores_dot; /* -i */
	bool is_verbose;
	const char *sender; /* -f, -r; NULL: who calls */
	const char *name;   /* -F */
	const char *config; /* -C */
	uint8_t notify;     /* -N: RFC 3461 bits */
	uint8_t ret;        /* -R: 1 FULL, 2 HDRS */
	const char *envid;  /* -V */
	const char *rcpts[SENDMAIL_RCPTS];
	size_t n_rcpts;
};

/* EX_OK, or EX_USAGE with a sentence in `error`. argv[0] may name another
 * mode: mailq, newaliases. */
int sendmail_options_parse(int argc, char **argv, struct sendmail_options *ret,
    char error[SENDMAIL_ERROR]);
void sendmail_help(void);

/* Everything of one message. */
struct sendmail_mail {
	struct slice sender;
	struct slice *rcpts; /* at most SPOOL_RCPTS in a file */
	size_t n_rcpts;
	struct slice header, body;
	bool is_8bit, is_utf8;
	uint8_t notify, ret;
	struct slice envid;
};

/* All files or none. 0 when they are on the disk for good; -errno. */
int sendmail_spool(const char *dir, const struct sendmail_mail *mail);

/* -bs. */
int sendmail_session(const struct settings *s);

/* The command, from the words behind it. */
int sendmail_main(struct cli *cli, int argc, char **argv);
/* Whether a program of that name is this command. */
bool sendmail_is_name(const char *argv0);

#endif
