/* SPDX-License-Identifier: ISC */
/*
 * store/sending - who may send as what, and how much
 *
 * Limits are messages and recipients in an hour and in a day, for an account
 * and for all accounts of a domain together. What was sent is counted in the
 * transaction that keeps the mail, in slots of ten minutes, so every front
 * counts in one place and nothing is forgotten by a restart; where no limit
 * is set nothing is counted. Inside run() or apply().
 */
#ifndef STORE_SENDING_H
#define STORE_SENDING_H

#include "store/account.h"

enum sending_kind { /* stored */
	SENDING_ACCOUNT,
	SENDING_DOMAIN
};
#define SENDING_SLOT (10 * TIME_MINUTE)
enum {
	SENDING_DEFAULT = -1, /* what the configuration says */
	SENDING_NAMES = 300   /* of sender_names, at most */
};

struct sending_limits { /* 0: none */
	int64_t messages_hour, messages_day, rcpts_hour, rcpts_day;
};

/* "messages_per_hour" and the like, with a number, "none" or "default". */
bool sending_limit_parse(struct slice key, struct slice value,
    struct sending_limits *limits);
/* SENDING_DEFAULT where nothing was set. */
int sending_limit_read(struct db *db, enum sending_kind kind, uint64_t who,
    struct sending_limits *ret);
int sending_limit_write(struct db *db, enum sending_kind kind, uint64_t who,
    const struct sending_limits *limits);
/* Nothing is left of an account or domain that goes. */
int sending_forget(struct db *db, enum sending_kind kind, uint64_t who);

struct sending {
	uint64_t account;
	struct sending_limits defaults; /* of accounts, from the settings */
	uint64_t n_rcpts;
	int64_t now;
	/* results of STORE_E_SENDING: which limit ("100 recipients an hour"),
	 * whose, and when there is room again (0: never for so many) */
	struct sending_limits limits;
	const char *what;
	bool is_domain;
	int64_t limit, opens;
};
enum {
	STORE_E_SENDING = 150
};
/* 0: so many more may be sent now. STORE_E_SENDING. DB_NONE: no account. */
int sending_check(struct db *db, struct sending *s);
/* The same, and counted. */
int sending_charge(struct db *db, struct sending *s);
/* What is used of the last hour and day, for people. */
struct sending_used {
	uint64_t messages_hour, messages_day, rcpts_hour, rcpts_day;
};
int sending_usage(struct db *db, enum sending_kind kind, uint64_t who,
    int64_t now, struct sending_used *ret);

/* May this account send as this address? Its own; an alias or a detail that
 * leads to it, in alias domains too; what was granted. 0: yes; DB_NONE: no. */
int sender_check(struct db *db, uint64_t account, struct slice sender);
/* The addresses that it may use, as far as they fit, for the one whose sender
 * was refused. */
int sender_names(struct db *db, uint64_t account, char ret[SENDING_NAMES]);
struct option;
/* Options of an account: name, quota and its limits. As domain_set
 * (store/domain.h). */
int account_set(struct db *db, struct slice address,
    const struct option *options, size_t n, const struct option **ret_bad);
/* "@domain" grants a whole domain of ours. */
int send_as_add(struct db *db, struct slice account, struct slice address,
    int64_t now);
int send_as_remove(struct db *db, struct slice account, struct slice address);

#endif
