/* SPDX-License-Identifier: ISC */
/*
 * policy/route_table - which of the operator's routes a mail takes
 *
 * A route has a name, says what the next hop is (policy/hop), and matches by
 * patterns. The first of these that matches decides (docs/decisions/0037):
 *
 *   1. the target of a relay domain, set with the domain itself
 *   2. to    example.org     the recipient's domain
 *   3. to    .example.org    a domain above it, the nearest first
 *   4. from  jo@one.example  the sender
 *   5. from  one.example     the sender's domain, then .domains above it
 *   6. to    *               everything else
 *
 * What says where a domain lives comes before who sends; who sends comes before
 * what is true of everything. A bounce (the null sender) is from "<>".
 *
 * Pure, and in memory: the store reads it from its rows at the start and after
 * each change. Slices lie in the table's own arena. Limits: LIMIT_ROUTES.
 */
#ifndef POLICY_ROUTE_TABLE_H
#define POLICY_ROUTE_TABLE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/verdict.h"
#include "policy/hop.h"

enum {
	ROUTE_NAME_MAX = 32,
	ROUTE_PATTERN_MAX = 256,
	ROUTE_KEY_MAX = 255 /* as queue.route */
};

/* What a route says; empty and 0: nothing. */
struct route_rule {
	struct slice name, hosts, user, secret, helo, source4, source6, reply;
	uint16_t port, reply_code;
	uint8_t kind, tls; /* HOP_*, HOP_TLS_* */
	bool is_implicit, auth_clear;
};

struct route_table {
	struct arena arena;
	struct map rules;    /* by name */
	struct map patterns; /* "to:example.org" and so on: their rule */
	struct map targets;  /* relay domains: struct route_target */
	/* patterns by domain, and by sender: three questions for each mail are
	 * short where there are none */
	size_t n_to, n_from;
};

enum route_why {
	ROUTE_WHY_MX, /* no route: the mail hosts of the domain */
	ROUTE_WHY_TARGET,
	ROUTE_WHY_DOMAIN,
	ROUTE_WHY_PARENT,
	ROUTE_WHY_SENDER,
	ROUTE_WHY_SENDER_DOMAIN,
	ROUTE_WHY_ALL,
	ROUTE_WHYS
};

struct route_choice {
	const struct route_rule *rule; /* NULL: as if there were none */
	struct slice domain;           /* whose mail hosts, for HOP_MX */
	/* What queue.route says: the domain, or "route:NAME". Points into
	 * the table or the caller's domain, or is key_text. */
	struct slice key;
	struct slice pattern; /* that matched, without "to:"; in the table */
	uint8_t why;          /* enum route_why */
};

extern const char *const route_whys[ROUTE_WHYS];

void route_table_init(struct route_table *t, const uint8_t seed[MAP_SEED]);
void route_table_deinit(struct route_table *t);
bool route_table_is_empty(const struct route_table *t);

/* What is there already stays. 0, or -ENOMEM. */
int route_table_add(struct route_table *t, const struct route_rule *rule);
/* pattern: as route_pattern_read gives it; of a rule that is there. */
int route_table_match(struct route_table *t, struct slice pattern,
    struct slice name);
/* target: a domain, or "route:NAME". */
int route_table_target(struct route_table *t, struct slice domain,
    struct slice target);

/* sender: as in the envelope; domain: the recipient's, canonical, or a
 * literal; it outlives the choice. */
void route_table_find(const struct route_table *t, struct slice sender,
    struct slice domain, struct route_choice *ret);

/* What a route of kind error says; code 0 and no text: something general. */
struct verdict route_reply(uint16_t code, struct slice text);

/* 1*32(lower-case letter, digit, "-", "_", ".") */
bool route_name_is_valid(struct slice name);
/* What an operator writes behind to= or from=, made "to:..." or "from:...";
 * false, and why, when it can match nothing. */
bool route_pattern_read(struct slice text, bool is_from,
    char ret[ROUTE_PATTERN_MAX + 8], const char **ret_why);

#endif
