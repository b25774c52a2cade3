/* SPDX-License-Identifier: ISC */
/*
 * cli/import - what the sources of `ulak import` share
 *
 *   import.c          the command, what is known already, counts, progress
 *   import_maildir.c  a Maildir with its subfolders
 *   import_mbox.c     a file of mails, or a directory of such files
 *   import_imap.c     an account of another server (imap_talk.c)
 *
 * A mail of a file is named by a digest of its mailbox and its bytes and, of
 * several that are the same, by which one it is: so an import that is run
 * again, also after it was broken off, sends only what is not here yet.
 */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "base/map.h"
#include "cli/carry.h"

enum {
	IMPORT_NAME = LIMIT_MAILBOX_NAME + 1,
	IMPORT_PATH = 4096
};

struct import_known {
	struct id source;
	uint32_t uid;
};

struct importer {
	struct cli *cli;
	const char *address;
	const char *into; /* a mailbox in place of INBOX; or NULL */
	bool is_dry, shows_progress;
	const char *root; /* of a directory that is imported */
	int root_fd;
	struct carry *carry;
	struct import_known *known; /* sorted */
	size_t n_known, size_known;
	struct map seen; /* digest -> struct import_seen */
	uint64_t n_mails, n_new, n_known_mails;
	uint64_t n_flags, n_gone, n_missing; /* of import_imap */
	int64_t told;                        /* when progress was shown */
};

struct import_mail {
	const char *label, *mailbox;
	uint8_t flags; /* FLAG_* */
	const char *keywords;
	int64_t date;
	int zone;
	struct slice bytes;
};

/* CLI_OK, also when the server refused it for itself; else it is over. */
int import_put(struct importer *im, const struct import_mail *m);
/* Where a folder of the source goes: "" is its INBOX. False: too long. */
bool import_name(const struct importer *im, const char *folder,
    char ret[IMPORT_NAME]);
/* Makes it, and subscribes to it; it may be there. CLI_OK or exit status. */
int import_mailbox(struct importer *im, const char *mailbox);
int import_mailbox_make(struct importer *im, const char *mailbox,
    bool subscribes);
/* Sorted, without those that are none here, as many as there is room for. */
void import_clean_keywords(const char *in, char out[LIMIT_KEYWORDS]);
/*
 * A directory of mails is its owner's, and the import may run as root: below
 * the directory that was named no link is followed and nothing but files is
 * read, or its owner could have files of others put into his mailbox.
 */
int import_open_root(struct importer *im, const char *path);
/* path: root and what is below it. flags: O_DIRECTORY or 0. An fd, or -1 with
 * errno. */
int import_open(const struct importer *im, const char *path, int flags);
/* A whole file, malloc'd; its time, in microseconds. False: told. */
bool import_read_file(const struct importer *im, const char *path, char **ret,
    size_t *ret_len);
/* Told, and not more: the rest is imported. */
void import_skip(const char *what, const char *why);
void import_progress(struct importer *im, bool is_last);

int import_maildir(struct importer *im, const char *path);
int import_mbox(struct importer *im, const char *path);
int import_imap(struct importer *im, const char *place);
int import_imaps(struct importer *im, const char *place);

#endif
