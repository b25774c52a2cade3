/* SPDX-License-Identifier: ISC */
/*
 * store/domain - what a domain makes of its addresses: its options
 *
 * Read and changed as key and value (docs/admin.md has the list), several at
 * once or none. Inside run() or apply(). What is read lies in the caller's
 * arena.
 */
#ifndef STORE_DOMAIN_H
#define STORE_DOMAIN_H

#include "store/account.h"

enum { /* stored */
	DOMAIN_LOCAL,
	DOMAIN_RELAY,
	DOMAIN_ALIAS
};

struct domain_options {
	uint64_t domain, tenant;
	uint8_t kind;
	bool keeps_case;
	uint64_t quota;   /* of accounts that are made without one */
	uint8_t greylist; /* enum greylist_switch (policy/greylist.h) */
	bool srs_is_off;  /* senders stay as they are (policy/srs.h) */
	int64_t created;
	struct slice name, canonical, target, separators, catch_all,
	    catch_all_canonical;
};

struct option {
	struct slice key, value;
};

/* 0; ACCOUNT_E_NO_DOMAIN; ACCOUNT_E_ADDRESS; -errno. */
int domain_read(struct db *db, struct slice typed, struct arena *arena,
    struct domain_options *ret);
/* All of them or none. ACCOUNT_E_VALUE with *ret_bad at the one that is not
 * understood; ACCOUNT_E_IN_USE for a case rule that addresses stand under. */
int domain_set(struct db *db, struct slice typed, const struct option *options,
    size_t n, const struct option **ret_bad);
const char *domain_kind_text(uint8_t kind);
const char *domain_greylist_text(uint8_t greylist);

/* Addresses that are known in a relay domain; "*": any. An address is given
 * whole, or without its domain. */
int relay_rcpt_add(struct db *db, struct slice domain, struct slice address,
    int64_t now);
int relay_rcpt_remove(struct db *db, struct slice domain, struct slice address);

#endif
