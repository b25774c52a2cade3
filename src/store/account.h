/* SPDX-License-Identifier: ISC */
/*
 * store/account - domains, accounts, aliases and keys: what is served
 *
 * Changed inside apply(), by the admin's commands and by init; asked inside
 * run() and apply(). Conditions: ACCOUNT_E_*. Addresses come as typed; what is
 * compared is canonical (policy/canon).
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "base/arena.h"
#include "policy/rcpt.h"
#include "store/store.h"

enum {
	ACCOUNT_E_ADDRESS = 200, /* not an address, or not a domain */
	ACCOUNT_E_NO_DOMAIN,     /* its domain is not ours */
	ACCOUNT_E_EXISTS,
	ACCOUNT_E_ABSENT,
	ACCOUNT_E_IN_USE, /* a domain with accounts or aliases */
	ACCOUNT_E_LIMIT,
	ACCOUNT_E_VALUE, /* no such option, or not a value of it */
	ACCOUNT_E_LOOP,  /* an address that would lead to itself */
	ACCOUNT_E_DEEP,  /* an address behind too many others */
	ACCOUNT_E_KIND   /* not for a domain of this kind */
};
#define ACCOUNT_QUOTA_DEFAULT UINT64_MAX /* what its domain says */
const char *account_text(int r);         /* one line for the admin */

/* An address in both forms; the canonical one depends on whether its domain
 * is ours. */
struct address {
	struct slice typed, canonical, domain; /* domain: canonical */
	bool is_ours;
	uint8_t kind; /* DOMAIN_*, when it is ours */
	uint64_t domain_number, tenant;
	char text[LIMIT_ADDRESS + 1];
};
int address_read(struct db *db, struct slice typed, struct address *ret);
/* Its slices point into itself: not by assignment. */
void address_copy(const struct address *from, struct address *ret);
/* 0, or ACCOUNT_E_EXISTS when an account, a group or (for what is no further
 * target of one) an alias has it. */
int address_is_free(struct db *db, struct slice canonical, bool of_aliases);

/* The canonical form of a domain. 0; ACCOUNT_E_ADDRESS; -errno. */
int account_read_domain(struct slice typed, char text[LIMIT_ADDRESS + 1],
    size_t *ret_len);

int domain_add(struct db *db, struct slice name, int64_t now);
/* A slice of it; STORE_AGAIN until its relay recipients are gone. */
int domain_remove(struct db *db, struct slice name);
int account_add(struct db *db, struct slice address, struct slice name,
    struct slice verifier, uint64_t quota, int64_t now, uint64_t *ret_account);
/* A slice of it; STORE_AGAIN until everything of the account is gone. */
int account_remove(struct db *db, struct slice address);
int account_set_password(struct db *db, struct slice address,
    struct slice verifier, int64_t now);
/* A password for one application of the account's owner. services: SASL_FOR_*
 * (sasl/sasl.h); expires 0: never. *ret_n: its number. ACCOUNT_E_EXISTS: the
 * name is used; ACCOUNT_E_LIMIT. */
int account_add_app(struct db *db, struct slice address, struct slice name,
    struct slice verifier, uint32_t services, int64_t expires, int64_t now,
    uint32_t *ret_n);
/* which: its number, or its name. */
int account_remove_app(struct db *db, struct slice address, struct slice which);
/* fingerprint: 64 digits of lower-case hex. */
int account_add_certificate(struct db *db, struct slice address,
    struct slice fingerprint, struct slice name, int64_t now);
int account_remove_certificate(struct db *db, struct slice address,
    struct slice fingerprint);
int account_set_quota(struct db *db, struct slice address, uint64_t quota);
int account_set_disabled(struct db *db, struct slice address, bool disabled);
int alias_add(struct db *db, struct slice address, struct slice target,
    int64_t now);
/* An empty target: all of them. */
int alias_remove(struct db *db, struct slice address, struct slice target);
int tls_key_add(struct db *db, struct slice names, struct slice sealed,
    struct slice chain, bool is_default, int64_t now, uint64_t *ret_key);

/* Who gets what is addressed to this: policy/rcpt, with its questions answered
 * from the database. 0; ACCOUNT_E_ADDRESS; -errno. */
enum {
	LIMIT_LOOKUP = 16 * 1024 * 1024 /* memory of one */
};
struct rcpt_request {
	struct slice typed;
	struct slice sender; /* of the mail, as typed */
	uint64_t account;    /* the login, or 0 */
	bool is_member;      /* of a list that the mail was taken for */
	bool stops_at_lists, wants_steps;
	int64_t now; /* 0: what a sender was rewritten to is nobody */
};
int rcpt_lookup(struct db *db, const struct rcpt_request *ask,
    struct arena *arena, struct rcpt_result *ret);
/* "postmaster" of this host: of its name's nearest domain that is served here,
 * else of the first one. DB_NONE: none is served. */
int postmaster_find(struct db *db, const char *hostname,
    char ret[LIMIT_ADDRESS + 1]);

#endif
