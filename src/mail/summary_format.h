/* SPDX-License-Identifier: ISC */
/*
 * mail/summary_format - the records of a summary, for its writer and reader
 *
 * A blob is: version, marks, records. The types stay what they are for ever;
 * new ones are added at the end, and readers skip those they do not know.
 */
#ifndef MAIL_SUMMARY_FORMAT_H
#define MAIL_SUMMARY_FORMAT_H

enum {
	/* marks: what was left out */
	SUMMARY_CUT_ENVELOPE = 1, /* the message's own envelope is not whole */
	SUMMARY_CUT_TREE = 2      /* there is no tree, or not all of it */
};

enum summary_type {
	SUMMARY_T_NUMBERS = 1, /* size, lines, header_len, flags */
	SUMMARY_T_SENT,        /* signed microseconds, signed minutes */
	SUMMARY_T_SUBJECT,     /* is_reply, base subject */
	SUMMARY_T_FROM,        /* first address */
	SUMMARY_T_TO,
	SUMMARY_T_CC,
	SUMMARY_T_PREVIEW,
	SUMMARY_T_IDS,      /* message id, list id, n, references */
	SUMMARY_T_ENVELOPE, /* date, subject, in-reply-to, message-id, from,
			     * sender, reply-to, to, cc, bcc */
	SUMMARY_T_TREE,     /* n, then n parts; an envelope inside of each part
			     * that is a message, except the first */
	N_SUMMARY_TYPES
};

#endif
