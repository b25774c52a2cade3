/* SPDX-License-Identifier: ISC */
/*
 * cli/carry - mails to and from the server, over its admin socket
 *
 * What `ulak import` and `ulak export` share: a connection on which mails are
 * put or fetched one after the other, many on their way at a time
 * (roles/control/bulk.h, docs/admin.md). A mail is put as a whole or not at
 * all; what was there already is counted apart, by the source that names it.
 */
#ifndef CLI_CARRY_H
#define CLI_CARRY_H

#include "base/buf.h"
#include "base/id.h"
#include "cli/admin.h"

struct carry;

struct carry_mail {
	const char *label; /* how a refusal calls it: a path, a uid */
	const char *mailbox;
	uint8_t flags; /* FLAG_* */
	const char *keywords;
	int64_t date; /* microseconds; 0: now */
	int zone;     /* minutes */
	struct id source;
	uint32_t validity, uid;
	struct slice bytes;
};

struct carry_counts {
	uint64_t n_new, n_known, n_refused, bytes;
};

/* command: "import" or "export". CLI_OK, or the trouble has been told. */
int carry_open(struct cli *cli, const char *command, const char *address,
    struct carry **ret);
void carry_close(struct carry *c); /* NULL is harmless */

/* CLI_OK; CLI_REFUSED when nothing more can be put, which has been told. A
 * mail that is refused for itself is told and counted. */
int carry_put(struct carry *c, const struct carry_mail *m);
/* Waits for what is on its way. */
int carry_finish(struct carry *c);
const struct carry_counts *carry_counts(const struct carry *c);

/* Asks for a mail (at most CARRY_AHEAD beyond what was taken), and takes the
 * bytes of the one asked for first; its code when the server has no bytes. */
enum {
	CARRY_AHEAD = 16
};
int carry_ask(struct carry *c, const char *id);
int carry_take(struct carry *c, struct buf *ret, long *ret_code);

#endif
