/* SPDX-License-Identifier: ISC */
/*
 * smtp/path - the <local@domain> of MAIL FROM and RCPT TO (RFC 5321, 4.1.2)
 *
 * The one place that decides what an envelope address looks like. Pure: reads
 * the caller's line, allocates nothing, and what it returns points into it.
 * Nothing is completed or rewritten: a source route is read over (RFC 5321,
 * appendix C), quotes stay, case stays. UTF-8 stands where RFC 6531 lets it;
 * whether it may be said is the caller's to ask. One liberty: labels of a
 * domain may have underscores (docs/decisions/0007).
 */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include "base/slice.h"

enum {
	SMTP_PATH_MAX = 256,   /* 4.5.3.1.3, brackets included */
	SMTP_LOCAL_MAX = 64,   /* 4.5.3.1.1 */
	SMTP_DOMAIN_MAX = 255, /* 4.5.3.1.2 */
	SMTP_LABEL_MAX = 63    /* RFC 1035, 2.3.4 */
};

/* What the caller answers for. Never passed further up. */
enum {
	SMTP_PATH_OK,
	SMTP_PATH_E_SYNTAX,
	SMTP_PATH_E_TOO_LONG
};

struct smtp_path {
	struct slice address; /* local@domain; empty: the null path <> */
	struct slice local;   /* as sent, quotes included */
	struct slice domain;  /* empty too for the lone <postmaster> */
	bool is_ascii;        /* else it needs SMTPUTF8 (RFC 6531, 3.3) */
};

/* On SMTP_PATH_OK `in` is past the '>'. Otherwise both are as they were. */
int smtp_path_parse(struct slice *in, struct smtp_path *ret_path);
/* RCPT's: also <postmaster> in any case (4.1.1.3), but not <>. */
int smtp_path_parse_rcpt(struct slice *in, struct smtp_path *ret_path);

/* ASCII only. The whole slice is a domain name or an address literal
 * (4.1.2, 4.1.3). */
bool smtp_domain_is_valid(struct slice s);
/* What EHLO and HELO name: also a label that ends in a hyphen, and one of any
 * length; such names stand in the configuration of too many machines. */
bool smtp_helo_is_valid(struct slice s);
/* The whole slice is local@domain within the limits; UTF-8 too. */
bool smtp_address_is_valid(struct slice s);

#endif
