/* SPDX-License-Identifier: ISC */
/*
 * imap/command_impl - what the readers of arguments share
 *
 * command.c has the table of commands and the small forms, args_box.c those
 * with names of mailboxes, args_msg.c, fetch_args.c and search_args.c those
 * about messages. Each reads to the last byte of the command and gives one of
 * IMAP_COMMAND_*. Not for anybody else.
 */
#ifndef IMAP_COMMAND_IMPL_H
#define IMAP_COMMAND_IMPL_H

#include "imap/command.h"

/* args_metadata.c: into c->notes */
bool imap_take_entries(struct imap_in *in, struct imap_command *c);

typedef int imap_args_fn(struct imap_in *in, struct imap_command *c);

/* TOO_MUCH when a limit was passed, else BAD. */
int imap_args_bad(const struct imap_in *in);
/* OK when nothing is left. */
int imap_args_end(const struct imap_in *in);
/* A name as it came on the wire: OK, NAME or TOO_MUCH. */
int imap_read_mailbox(struct imap_in *in, struct slice wire, struct slice *ret);
int imap_take_mailbox(struct imap_in *in, struct slice *ret);

imap_args_fn imap_args_notify;
imap_args_fn imap_args_compress, imap_args_language;
imap_args_fn imap_args_copy, imap_args_create,
    imap_args_expunge, imap_args_getmetadata, imap_args_setmetadata,
    imap_args_getquota, imap_args_setquota, imap_args_list, imap_args_lsub,
    imap_args_mailbox, imap_args_rename, imap_args_select, imap_args_status,
    imap_args_store;

#endif
