/* SPDX-License-Identifier: ISC */
/*
 * mail/mbox - mails one after the other in a file, and line ends (RFC 4155)
 *
 * A mail begins with a line "From ", at the beginning of the file or after an
 * empty line, that ends in a date as asctime(3) writes it; other lines "From "
 * belong to the mail (mboxo writers forget to quote). Content-Length decides
 * where it ends only when such a line, or the end of the file, stands there.
 * Where the mail has a line that a writer should have quoted and has not, its
 * quoting is left alone (mboxcl2); elsewhere one ">" is taken off (mboxrd).
 *
 * Status, X-Status, X-Keywords, X-UID, X-IMAP and X-IMAPbase of the header are
 * the mailbox's words about the mail: they become flags and are taken out. All
 * else stays; LF becomes CRLF. Pure; what is read points into the caller's
 * file.
 */
#ifndef MAIL_MBOX_H
#define MAIL_MBOX_H

#include "base/buf.h"
#include "base/slice.h"

enum { /* as in store/flags.h */
	MBOX_SEEN = 1,
	MBOX_ANSWERED = 2,
	MBOX_FLAGGED = 4,
	MBOX_DRAFT = 8,
	MBOX_DELETED = 16
};

struct mbox_mail {
	struct slice raw; /* behind the From line, up to the next */
	bool is_quoted;   /* ">From " stands for "From " */
	bool has_date;
	int64_t date; /* microseconds UTC */
	int zone;     /* minutes */
};

/* The next one; false at the end, or where no mail begins. */
bool mbox_next(struct slice *rest, struct mbox_mail *ret);

struct mbox_words {
	uint8_t flags;
	bool is_internal;    /* a note of UW-IMAP or Alpine, no mail */
	struct buf keywords; /* one space between; the caller's to init */
};
/* Appends the mail as it is to be stored, and takes its words. BUF_* or
 * -ENOMEM. */
int mbox_read(const struct mbox_mail *m, struct buf *ret,
    struct mbox_words *words);
/* Appends it as it stands in a file (mboxrd), its From line and the empty
 * line behind it included. */
int mbox_print(struct slice mail, int64_t date, uint8_t flags,
    struct slice keywords, struct buf *ret);

/* LF becomes CRLF, but not where it is one; CR alone stays. */
int mbox_to_crlf(struct slice text, struct buf *ret);
/* And back. */
int mbox_to_lf(struct slice text, struct buf *ret);

#endif
