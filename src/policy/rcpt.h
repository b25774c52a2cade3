/* SPDX-License-Identifier: ISC */
/*
 * policy/rcpt - who gets a mail that is addressed to this, and may it be so?
 *
 * A decision, without I/O: rcpt_resolve runs again from the top with the
 * answers so far and either asks one more question or has the targets.
 * rcpt_verdict then says what the peer hears. Aliases are followed to a fixed
 * depth and number; a circle is an error of the administrator's and told as
 * such. postmaster of a domain of ours always reaches somebody (RFC 5321,
 * 4.5.1).
 */
#ifndef POLICY_RCPT_H
#define POLICY_RCPT_H

#include "base/arena.h"
#include "base/verdict.h"

enum {
	RCPT_DEPTH = 10,
	RCPT_TARGETS = 500, /* design 3: more would be an `expand` row */
	RCPT_QUESTIONS = 2000,
	RCPT_STEPS = 4000 /* of one walk */
};

enum rcpt_need {
	RCPT_DECIDED,
	RCPT_NEED_ANSWER,
	RCPT_NO_MEMORY
};

enum rcpt_ask {
	RCPT_ASK_ADDRESS,      /* who is this canonical address? */
	RCPT_ASK_FIRST_ACCOUNT /* the first account of this domain */
};
struct rcpt_question {
	enum rcpt_ask ask;
	struct slice what;
};

enum rcpt_is {
	RCPT_IS_FOREIGN, /* its domain is not ours */
	RCPT_IS_NOBODY,  /* a domain of ours, and no such address */
	RCPT_IS_ACCOUNT,
	RCPT_IS_ALIAS
};
struct rcpt_name { /* an address as typed and canonical */
	struct slice typed, canonical;
};
struct rcpt_answer {
	enum rcpt_ask ask;
	struct slice what; /* the question's */
	enum rcpt_is is;
	uint64_t account;
	bool disabled, is_full;
	const struct rcpt_name *targets; /* of an alias */
	size_t n_targets;
};

struct rcpt_target {
	uint64_t account; /* 0: foreign, by its name */
	struct rcpt_name name;
};
enum rcpt_outcome {
	RCPT_FOUND,
	RCPT_FOREIGN, /* itself, not through an alias */
	RCPT_NOBODY,
	RCPT_DISABLED,
	RCPT_FULL,
	RCPT_LOOP,
	RCPT_TOO_MANY
};
struct rcpt_result {
	enum rcpt_outcome outcome;
	struct rcpt_target *targets; /* in the arena; of FOUND and FOREIGN */
	size_t n_targets;
};

/* The question, when it needs one, points into what was given. */
enum rcpt_need rcpt_resolve(const struct rcpt_name *rcpt,
    const struct rcpt_answer *answers, size_t n_answers, struct arena *arena,
    struct rcpt_question *ret_ask, struct rcpt_result *ret);

/* What RCPT hears. may_relay: the sender has logged in. */
struct verdict rcpt_verdict(enum rcpt_outcome outcome, bool may_relay);

#endif
