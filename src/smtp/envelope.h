/* SPDX-License-Identifier: ISC */
/*
 * smtp/envelope - what a client says of a mail, and whether it may say it
 *
 * A mail carries wishes of its sender. Each is passed on to a server that
 * offers the extension (RFC 5321 4.1.1.2 and 3): BODY (6152, 3030), SMTPUTF8
 * (6531), REQUIRETLS (8689), RET ENVID NOTIFY ORCPT (3461, 6533), BY (2852),
 * MT-PRIORITY (6710), RRVS (7293), SIZE (1870). To one that does not, a mail
 * goes without those that are only asked for, and not at all where its sender
 * insists: the checks below say so, with the code that his report will have.
 *
 * Pure; what is printed is one line without its end.
 */
#ifndef SMTP_ENVELOPE_H
#define SMTP_ENVELOPE_H

#include "base/verdict.h"
#include "mail/convert.h"
#include "smtp/offer.h"

enum {
	SMTP_ENVELOPE_LINE = 1280 /* of MAIL or RCPT, with a NUL */
};

/* Of one recipient. */
struct smtp_rcpt_wish {
	uint8_t notify;     /* SMTP_NOTIFY_*; 0: not said */
	bool rrvs_continue; /* also where RRVS is not known */
	int64_t rrvs;       /* us since 1970; 0: not said */
	struct slice orcpt; /* "rfc822;..." as it was given; empty: not said */
};

struct smtp_client_mail {
	struct slice sender; /* local@domain, or empty */
	const struct slice
	    *rcpts;     /* borrowed until MAIL_DONE, with their bytes */
	size_t n_rcpts; /* 1 to SMTP_CLIENT_RCPTS */
	const struct smtp_rcpt_wish *wishes; /* n_rcpts of them, or NULL */
	uint64_t size;                       /* for SIZE=, 0: not known */
	bool is_8bit;
	bool is_binary; /* RFC 3030: goes out by BDAT */
	bool is_smtputf8;
	/* What the three above say is true after mail/convert, and it is fit
	 * for this server; or it cannot be: why, with all that is to be said.
	 */
	bool is_converted;
	struct slice unfit;
	bool requires_tls;
	/* The server's name comes from a signed answer of the DNS, and TLS has
	 * shown a certificate for it that we trust (RFC 8689, 4.2.1). */
	bool is_verified;
	uint8_t notify;     /* of recipients when there are no wishes */
	uint8_t ret;        /* enum smtp_ret */
	uint8_t by_mode;    /* enum smtp_by */
	bool by_trace;      /* RFC 2852 */
	int64_t by_seconds; /* from now; may be negative */
	int8_t priority;    /* -9 to 9 */
	struct slice envid; /* xtext; empty: not said */
};

/* Why this server cannot be given the mail, or this recipient of it; code 0: it
 * can. All are of our own making: the server was not asked. */
struct verdict smtp_envelope_check(const struct smtp_offer *o,
    const struct smtp_client_mail *m);
struct verdict smtp_envelope_check_rcpt(const struct smtp_offer *o,
    const struct smtp_client_mail *m, size_t i);
/* It can go only if it is converted; how. */
bool smtp_envelope_converts(const struct smtp_offer *o,
    const struct smtp_client_mail *m, enum convert_goal *ret);
/* Only what REQUIRETLS asks for: another host of the route may have it. */
struct verdict smtp_envelope_check_tls(const struct smtp_offer *o,
    const struct smtp_client_mail *m);

void smtp_envelope_mail(const struct smtp_offer *o,
    const struct smtp_client_mail *m, char line[SMTP_ENVELOPE_LINE]);
void smtp_envelope_rcpt(const struct smtp_offer *o,
    const struct smtp_client_mail *m, size_t i, char line[SMTP_ENVELOPE_LINE]);

#endif
