/* SPDX-License-Identifier: ISC */
/*
 * imap/list_match - patterns of LIST, and the order in which names are told
 *
 * Names are UTF-8 with "/" between levels, patterns too: decoded from the wire
 * by the caller. Matching costs no memory, and time at most the product of
 * both lengths. Pure.
 */
#ifndef IMAP_LIST_MATCH_H
#define IMAP_LIST_MATCH_H

#include "base/slice.h"

/* '*' is anything, '%' anything but "/" (RFC 9051, 6.3.9). nocase: the name
 * is in upper case and the pattern in any. */
bool imap_list_matches(struct slice pattern, struct slice name, bool nocase);

/* "/" sorts before everything else: what is below a name follows it. */
int imap_names_compare(struct slice a, struct slice b);

/* `name` is below `parent`, at any depth. */
bool imap_name_is_below(struct slice name, struct slice parent);

#endif
