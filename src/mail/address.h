/* SPDX-License-Identifier: ISC */
/*
 * mail/address - address lists of header fields (RFC 5322, 3.4 and 4.4)
 *
 * Reads mailboxes, groups, comments, quoted strings and source routes as IMAP
 * and JMAP want them: quoting and comments removed, encoded words (RFC 2047)
 * left alone. Total and bounded: what is no address is still shown, as a local
 * part without a host, so that the reader of a mail sees what stood there.
 * What it returns lies in the caller's arena.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/slice.h"

enum address_kind {
	ADDRESS_MAILBOX,
	ADDRESS_GROUP, /* begin of a group; its name is in `local` */
	ADDRESS_GROUP_END
};

/* at == NULL: there is none (NIL). No slice holds a CR or LF; NUL and other
 * octets may stand in them. */
struct address {
	uint8_t kind;
	struct slice name; /* display name, or the comment behind the address */
	struct slice route; /* "@a,@b", obsolete */
	struct slice local; /* without quotes */
	struct slice host;  /* never NULL in a mailbox; empty: none was given */
};

struct address_list {
	const struct address *at;
	size_t n;
};

enum {
	ADDRESS_MAX = 100,      /* kept of one field */
	ADDRESS_PART_MAX = 1024 /* octets of one name, local part, host */
};

enum {
	ADDRESS_OK,
	ADDRESS_E_TRUNCATED /* something was left out; *ret holds the rest */
};

/* The body of a From, To, ... field. ADDRESS_OK, ADDRESS_E_TRUNCATED (limits,
 * or the arena is full). */
int address_parse(struct slice body, struct arena *a, size_t max,
    struct address_list *ret);

#endif
