/* SPDX-License-Identifier: ISC */
/*
 * cli/import_imap_impl - what the files of `ulak import imap://` share
 *
 *   import_imap.c       mailbox by mailbox: what is new, changed, gone
 *   import_imap_open.c  the place, the login, and which mailboxes there are
 */
#ifndef CLI_IMPORT_IMAP_IMPL_H
#define CLI_IMPORT_IMAP_IMPL_H

#include "cli/imap_talk.h"
#include "cli/import.h"

enum {
	HOST = 256
};

struct remote_box {
	char *name;                /* as it was sent */
	char mailbox[IMPORT_NAME]; /* ours */
	bool is_subscribed;
};

struct remote_mail {
	uint32_t uid;
	uint8_t flags;
	bool is_known, is_there, has_come;
	uint64_t size;
	uint64_t words; /* a digest of the keywords */
	int64_t date;
	int zone;
};

struct copy {
	struct importer *im;
	struct imap_talk talk;
	char user[HOST], host[HOST], port[8];
	bool is_tls, has_starttls, refuses_login;
	struct remote_box *boxes;
	size_t n_boxes;
	/* of the mailbox at hand */
	const struct remote_box *box;
	struct id source;
	uint32_t validity;
	struct remote_mail *mails; /* ascending by uid, after the listing */
	size_t n_mails, size_mails;
	uint64_t n_flags, n_gone; /* of all */
};

/* "user@host:port". False: not of that form. */
bool import_imap_place(struct copy *c, const char *text);
/* Of an open connection: greeting, TLS, login, the list of mailboxes. */
int import_imap_begin(struct copy *c);

#endif
