/* SPDX-License-Identifier: ISC */
/*
 * cli/reports_read - what others report about TLS, read behind walls
 *
 * Whoever knows the address can send such a report: gzip, JSON and MIME of a
 * stranger. They are opened in a child process that may open no file and no
 * socket any more (the walls of the role keeper), has only their bytes and
 * prints what it found.
 */
#ifndef CLI_REPORTS_READ_H
#define CLI_REPORTS_READ_H

#include "base/slice.h"
#include "cli/cli.h"

struct report_file {
	struct slice bytes;
	const char *name;     /* of a file; NULL: a mail of a mailbox */
	const char *received; /* of a mail: microseconds, as a number */
};

/* A file must be a report; of mails those are told that are, each report once
 * (RFC 8460, 5.3), and the others counted. The exit status. */
int reports_print(struct cli *cli, const struct report_file *files, size_t n);
/* `ulak reports tls received` */
int reports_received(struct cli *cli);

#endif
