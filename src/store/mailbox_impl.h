/* SPDX-License-Identifier: ISC */
/*
 * store/mailbox_impl - what mailbox.c and mailbox_entries.c share
 */
#ifndef STORE_MAILBOX_IMPL_H
#define STORE_MAILBOX_IMPL_H

#include "store/mailbox.h"

bool mailbox_is_inbox(struct slice name);
/* The account's next modseq, once: when *ret is 0. STORE_E_NO_ACCOUNT. */
int mailbox_touch(struct db *db, uint64_t account, uint64_t *ret);

#endif
