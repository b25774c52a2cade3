/* SPDX-License-Identifier: ISC */
/*
 * cli/export - what the forms of `ulak export` share
 *
 *   export.c          the command: mailboxes, their mails, progress
 *   export_maildir.c  a Maildir (Maildir++), one file a mail
 *   export_mbox.c     one file a mailbox (mboxrd)
 *
 * A form is told of each mailbox and then of its mails, oldest uid first. It
 * may say that it has one already: then its bytes are not fetched.
 */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "cli/carry.h"

enum {
	EXPORT_PATH = 4096
};

struct export_mail {
	const char *id; /* 26 characters */
	uint32_t uid;
	uint8_t flags; /* FLAG_* */
	const char *keywords;
	int64_t date; /* microseconds */
};

struct exporter {
	struct cli *cli;
	const char *path;
	bool keeps_crlf;
	bool is_one; /* --mailbox: path is that mailbox */
	void *form;  /* the form's own, of the mailbox at hand */
	uint64_t n_mails, n_new, n_failed;
};

struct export_form {
	const char *prefix;
	/* 0 or the exit status, told. */
	int (*begin)(struct exporter *ex, const char *mailbox);
	/* Whether its bytes are wanted; it may change what is there. */
	bool (*wants)(struct exporter *ex, const struct export_mail *m);
	int (*put)(struct exporter *ex, const struct export_mail *m,
	    struct slice bytes);
	/* is_whole: else the mailbox is to be as it was, if that can be. */
	int (*end)(struct exporter *ex, bool is_whole);
};

extern const struct export_form export_maildir, export_mbox;

/* "a/b/c": all directories of it that are missing; told when it fails. */
int export_make_directories(const char *path);

#endif
