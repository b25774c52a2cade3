/* SPDX-License-Identifier: ISC */
/*
 * smtp/param - what may stand behind the path of MAIL and RCPT
 *
 * One table of extensions, one table of parameters: each with its reader, which
 * takes what its RFC allows and nothing else. RFC 5321 4.1.2 (the grammar),
 * 1870 SIZE, 6152 and 3030 BODY, 4954 5 AUTH, 6531 SMTPUTF8, 3461 RET ENVID
 * NOTIFY ORCPT, 6533 ORCPT=utf-8, 8689 REQUIRETLS, 4865 HOLDFOR HOLDUNTIL, 2852
 * BY, 6710 MT-PRIORITY, 7293 RRVS. Pure; slices point into the caller's line.
 */
#ifndef SMTP_PARAM_H
#define SMTP_PARAM_H

#include "base/slice.h"

/* The extensions that a session may or may not offer. */
enum smtp_ext {
	SMTP_EXT_SIZE = 1,
	SMTP_EXT_8BITMIME = 2,
	SMTP_EXT_AUTH = 4, /* also its parameter of MAIL */
	SMTP_EXT_STARTTLS = 8,
	SMTP_EXT_CHUNKING = 16,
	SMTP_EXT_BINARYMIME = 32,
	SMTP_EXT_SMTPUTF8 = 64,
	SMTP_EXT_DSN = 128,
	SMTP_EXT_REQUIRETLS = 256,
	SMTP_EXT_FUTURERELEASE = 512,
	SMTP_EXT_DELIVERBY = 1024,
	SMTP_EXT_MT_PRIORITY = 2048,
	SMTP_EXT_RRVS = 4096,
	SMTP_EXT_LIMITS = 8192,
	SMTP_EXT_ALL = 16383
};

enum smtp_body {
	SMTP_BODY_NONE, /* not said: 7BIT */
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME,
	SMTP_BODY_BINARYMIME
};
enum smtp_ret { /* RFC 3461, 4.3; as in COMMIT */
	SMTP_RET_NONE,
	SMTP_RET_FULL,
	SMTP_RET_HDRS
};
enum smtp_by { /* RFC 2852; as MAIL_BY_* (store/flags.h) */
	SMTP_BY_NONE,
	SMTP_BY_RETURN,
	SMTP_BY_NOTIFY
};
enum { /* RFC 3461, 4.1; bits, as in RCPT_ASK and the queue */
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8
};
enum {
	SMTP_AUTH_MAX = 1000, /* xtext; more than any address needs */
	SMTP_ENVID_MAX = 100, /* RFC 3461, 4.4; as xtext */
	SMTP_ORCPT_MAX = 500, /* RFC 3461, 4.2 */
	SMTP_BY_MIN = 60,     /* seconds; less cannot be promised with BY=;R */
	SMTP_SECONDS_MAX = 999999999, /* RFC 4865, 2852: nine digits */
	SMTP_PRIORITY_MAX = 9
};

struct smtp_mail_params {
	bool has_size, is_smtputf8, requires_tls, has_by_trace, has_priority;
	uint8_t body;       /* enum smtp_body */
	uint8_t ret;        /* enum smtp_ret */
	uint8_t by_mode;    /* enum smtp_by */
	int8_t priority;    /* -9 to 9 */
	uint64_t size;      /* what the client announces */
	uint32_t hold_for;  /* seconds; 0: not said */
	int64_t hold_until; /* us since 1970; 0: not said */
	int64_t by_seconds; /* from now; with by_mode */
	struct slice auth;  /* xtext as sent, or "<>"; empty: not given */
	struct slice envid; /* xtext as sent */
};

struct smtp_rcpt_params {
	uint8_t notify;         /* SMTP_NOTIFY_*; 0: not said */
	bool rrvs_may_continue; /* ";C": also where RRVS is not known */
	int64_t rrvs;           /* us since 1970; 0: not said */
	struct slice orcpt;     /* "type;address" as sent */
};

enum {
	SMTP_PARAMS_OK,
	SMTP_PARAMS_E_SYNTAX,     /* 501: not a parameter at all */
	SMTP_PARAMS_E_VALUE,      /* 501 */
	SMTP_PARAMS_E_TWICE,      /* 501 */
	SMTP_PARAMS_E_CONFLICT,   /* 501: with another one that is there */
	SMTP_PARAMS_E_TOO_SOON,   /* 555: BY with less than SMTP_BY_MIN */
	SMTP_PARAMS_E_UNKNOWN,    /* 555 */
	SMTP_PARAMS_E_NEEDS_TLS,  /* 530: REQUIRETLS, and TLS could be had */
	SMTP_PARAMS_E_NEEDS_UTF8, /* 553: ORCPT in UTF-8 without SMTPUTF8 */
	SMTP_PARAMS_N
};

/* What stands after the path, to the end of the line. offered: SMTP_EXT_*.
 * ret_name: the keyword that is at fault, when not OK; may be empty. */
int smtp_mail_params_parse(struct slice args, unsigned offered,
    struct smtp_mail_params *ret, struct slice *ret_name);
int smtp_rcpt_params_parse(struct slice args, unsigned offered,
    bool is_smtputf8, struct smtp_rcpt_params *ret, struct slice *ret_name);

/* Who is told what an address is (RFC 5321, 3.5.3 and 7.3). */
enum smtp_told {
	SMTP_TOLD_NO,
	SMTP_TOLD_LOGIN, /* who has logged in */
	SMTP_TOLD_YES
};

/* Lines of "CHUNKING" or "lmtp:CHUNKING": what is withheld of that service.
 * kind: enum smtp_kind. False when a line is none. */
bool smtp_withheld_parse(struct slice lines, unsigned kind, unsigned *ret);

/* "CHUNKING" in any case; 0: none of this name. */
unsigned smtp_ext_named(struct slice name);
/* The n-th, from 0; empty behind the last. */
struct slice smtp_ext_name(unsigned n);

#endif
