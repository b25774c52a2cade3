/* SPDX-License-Identifier: ISC */
/*
 * smtp/offer - what a server offers in its reply to EHLO (RFC 5321, 4.1.1.1)
 *
 * One line at a time, for the client. Known keywords become bits, and their
 * arguments numbers where they mean something to a client: SIZE (RFC 1870),
 * DELIVERBY (2852), LIMITS (9422), AUTH (4954). What is not of the form its RFC
 * gives it was not said: the server is a stranger, and repeats itself if it
 * wants to. Pure; holds no slices.
 */
#ifndef SMTP_OFFER_H
#define SMTP_OFFER_H

#include "base/slice.h"
#include "smtp/param.h"

struct smtp_offer {
	unsigned ext; /* SMTP_EXT_* */
	bool pipelining;
	unsigned auth;     /* SMTP_AUTH_* (smtp/auth.h) */
	uint64_t max_size; /* 0: none told */
	uint64_t min_by;   /* seconds; less is not taken with BY=;R */
	/* RFC 9422, 0: none told: of one mail, of one session */
	uint64_t max_rcpts, max_mails, max_domains;
};

/* A line of the reply behind the first, without code and CRLF. */
void smtp_offer_read(struct smtp_offer *o, struct slice line);

#endif
