/* SPDX-License-Identifier: ISC */
/*
 * policy/rcpt - who gets a mail that is addressed to this, and may it be so?
 *
 * A decision, without I/O: rcpt_resolve runs again from the top with the
 * answers so far and either asks one more question or has the targets.
 * rcpt_verdict then says what the peer hears.
 *
 *   what an address is, in this order: an account, an alias or a group of that
 *   name; the owner of a group ("owner-x", "x-owner", "x-request"); the name
 *   without its detail ("user+x"); in an alias domain the same name in the
 *   other one; postmaster and abuse, which always reach somebody (RFC 5321,
 *   4.5.1; RFC 2142), also when what has that name reaches nobody; the
 *   domain's catch-all
 *
 * An alias keeps the sender (RFC 5321, 3.9.1) and is as good as its targets; a
 * group has an owner, who hears of failures (3.9.2), and a member that cannot
 * be reached does not keep the others from it. Both are followed to a fixed
 * depth and number. What is larger becomes one target `is_list`, to be worked
 * off later. A circle is an error of the administrator's and told as such.
 */
#ifndef POLICY_RCPT_H
#define POLICY_RCPT_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/verdict.h"

enum {
	RCPT_DEPTH = 10,
	RCPT_TARGETS = LIMIT_EXPAND,
	RCPT_QUESTIONS = 2000,
	RCPT_STEPS = 4000 /* of one walk */
};

enum rcpt_need {
	RCPT_DECIDED,
	RCPT_NEED_ANSWER,
	RCPT_NO_MEMORY
};

enum rcpt_ask {
	RCPT_ASK_DOMAIN,       /* what is this canonical domain to us? */
	RCPT_ASK_ADDRESS,      /* who is this canonical address? */
	RCPT_ASK_FIRST_ACCOUNT /* the first account of this domain, or of all */
};
struct rcpt_question {
	enum rcpt_ask ask;
	struct slice what;
};

enum rcpt_is {
	RCPT_IS_FOREIGN, /* a domain that is not ours */
	RCPT_IS_LOCAL,   /* a domain of ours */
	RCPT_IS_RELAY,   /* a domain whose mail is passed on; one of the
			  * addresses that are known in such a domain */
	RCPT_IS_OTHER,   /* a domain that stands for another */
	RCPT_IS_NOBODY,
	RCPT_IS_ACCOUNT,
	RCPT_IS_ALIAS,
	RCPT_IS_GROUP
};
struct rcpt_name { /* an address as typed and canonical */
	struct slice typed, canonical;
};
struct rcpt_answer {
	enum rcpt_ask ask;
	struct slice what; /* the question's */
	enum rcpt_is is;
	/* a domain */
	struct slice separators;    /* each byte ends a user's name */
	struct slice target;        /* OTHER: its domain; RELAY: a route */
	struct rcpt_name catch_all; /* empty: none */
	uint8_t greylist;           /* enum greylist_switch */
	/* an account */
	uint64_t account;
	bool disabled;
	uint64_t room; /* bytes until its quota */
	int64_t created;
	bool is_in_domain; /* the first one: of the domain that was asked for */
	/* an alias or a group */
	const struct rcpt_name *targets;
	size_t n_targets;
	struct rcpt_name owner; /* of a group; empty: none */
	struct slice sender;    /* the envelope sender its owner hears by */
	bool may_not_post;      /* this sender, to this group */
};

enum rcpt_via { /* bits: how a target was reached */
	RCPT_VIA_ALIAS = 1,
	RCPT_VIA_DETAIL = 2,
	RCPT_VIA_DOMAIN = 4, /* an alias domain */
	RCPT_VIA_GROUP = 8,
	RCPT_VIA_ROLE = 16, /* postmaster, abuse, an owner */
	RCPT_VIA_CATCH_ALL = 32
};
struct rcpt_target {
	uint64_t account; /* 0: foreign or a list, by its name */
	bool is_list;     /* an alias or group, to be expanded later */
	bool is_relay;    /* to a domain that we pass on for */
	bool is_exempt;   /* from the quota */
	uint8_t via;
	struct rcpt_name name;
	struct slice sender; /* instead of the mail's; empty: that one */
	struct slice route;  /* instead of the name's domain; empty: that */
	uint64_t room;
	int64_t created;
};
enum rcpt_outcome {
	RCPT_FOUND,
	RCPT_FOREIGN, /* itself, not through an alias */
	RCPT_NOBODY,
	RCPT_DISABLED,
	RCPT_FULL,
	RCPT_LOOP,
	RCPT_DEEP, /* no circle as far as it was followed */
	RCPT_MAY_NOT_POST,
	RCPT_EMPTY,    /* a group without a member that can be reached */
	RCPT_NEW_OWNER /* RFC 7293: it was somebody else's */
};

/* For people: how it came to the result. */
enum rcpt_step_kind {
	RCPT_STEP_ACCOUNT,
	RCPT_STEP_ALIAS,
	RCPT_STEP_GROUP,
	RCPT_STEP_DETAIL,
	RCPT_STEP_OTHER,
	RCPT_STEP_OWNER,
	RCPT_STEP_ROLE,
	RCPT_STEP_CATCH_ALL,
	RCPT_STEP_RELAY,
	RCPT_STEP_FOREIGN,
	RCPT_STEP_AGAIN, /* reached already */
	RCPT_STEP_NOBODY,
	RCPT_STEP_DISABLED,
	RCPT_STEP_LOOP,
	RCPT_STEP_EMPTY,
	RCPT_STEP_LARGE,
	RCPT_STEP_DEEP,
	RCPT_N_STEP_KINDS
};
extern const char *const rcpt_step_texts[RCPT_N_STEP_KINDS];
struct rcpt_step {
	unsigned depth;
	enum rcpt_step_kind kind;
	struct slice name; /* canonical */
};

struct rcpt_input {
	struct rcpt_name rcpt;
	uint8_t via;         /* how it was reached */
	bool stops_at_lists; /* an alias or group is a target, not followed */
	bool wants_steps;
};
struct rcpt_result {
	enum rcpt_outcome outcome;
	struct rcpt_target *targets; /* in the arena; of FOUND and FOREIGN */
	size_t n_targets;
	bool depends_on_sender; /* not to be remembered for others */
	uint8_t greylist;       /* of its domain, as asked about */
	struct rcpt_step *steps;
	size_t n_steps;
};

/* The question, when it needs one, points into what was given. */
enum rcpt_need rcpt_resolve(const struct rcpt_input *in,
    const struct rcpt_answer *answers, size_t n_answers, struct arena *arena,
    struct rcpt_question *ret_ask, struct rcpt_result *ret);

/* FOUND becomes FULL when a mail of this size (0: not known) does not fit into
 * a mailbox that would get it, and NEW_OWNER when an account is younger than
 * since (RFC 7293, microseconds; 0: not said). Members of groups do not count:
 * what is full waits, and is nobody else's affair. */
enum rcpt_outcome rcpt_weigh(const struct rcpt_result *result, uint64_t size,
    int64_t since);

/* What RCPT hears. may_relay: the sender has logged in, or its network may. */
struct verdict rcpt_verdict(enum rcpt_outcome outcome, bool may_relay);

/* The name before its detail, by one of the separators, the longest first:
 * called with *at of the length of the local part, gives the next shorter one.
 * False: there is none. A quoted local part has no detail. */
bool rcpt_detail_next(struct slice local, struct slice separators, size_t *at);

#endif
