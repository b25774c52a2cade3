/* SPDX-License-Identifier: ISC */
/*
 * sasl/fake_keeper - a keeper in memory, for tests of sessions
 *
 * Knows alice@one.example with "correct horse", and for her an application
 * password "just-for-imap" that is good for IMAP alone; the token "good-token"
 * is hers, and so is the certificate of a connection with has_certificate. Its
 * nonces and salts are always the same, so that a transcript can hold a whole
 * conversation. Used by the transcripts of SMTP, IMAP and POP3 and by fuzzers;
 * never linked into the program.
 */
#ifndef SASL_FAKE_KEEPER_H
#define SASL_FAKE_KEEPER_H

#include "sasl/sasl.h"

struct fake_keeper {
	struct sasl sasl;
	struct sasl_row rows[2];
	char sets[2][512];
	bool is_there; /* sasl is in use */
	bool has_certificate;
	struct sasl_binding binding;
};

void fake_keeper_init(struct fake_keeper *k);
/* SASL_SAY, SASL_YES, SASL_NO or SASL_MALFORMED. */
enum sasl_want fake_keeper_start(struct fake_keeper *k,
    enum sasl_mechanism mechanism, unsigned offered, uint32_t service,
    const struct slice *initial);
enum sasl_want fake_keeper_step(struct fake_keeper *k, struct slice response);
/* The same as a front does it, with base 64 from the wire. */
enum sasl_want fake_keeper_start64(struct fake_keeper *k,
    enum sasl_mechanism mechanism, unsigned offered, uint32_t service,
    const struct slice *initial);
enum sasl_want fake_keeper_step64(struct fake_keeper *k, struct slice response);
struct slice fake_keeper_challenge(const struct fake_keeper *k);

#endif
