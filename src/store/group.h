/* SPDX-License-Identifier: ISC */
/*
 * store/group - groups: one address, many members (RFC 5321, 3.9.2)
 *
 * A group has an address of its own, which is no account and no alias, members
 * (ours, others', other groups), a rule who may send to it, and perhaps an
 * owner: then failures of what goes through it go to "owner-NAME@DOMAIN", that
 * is to the owner, and not to the sender. Inside run() or apply().
 */
#ifndef STORE_GROUP_H
#define STORE_GROUP_H

#include "store/account.h"

enum group_post { /* stored */
	GROUP_ANYONE,
	GROUP_MEMBERS,
	GROUP_DOMAIN,
	GROUP_OWNER,
	GROUP_N_POSTS
};
extern const char *const group_post_texts[GROUP_N_POSTS];

/* owner, post: empty for none and "anyone". ACCOUNT_E_*. */
int group_add(struct db *db, struct slice address, struct slice name,
    struct slice owner, struct slice post, int64_t now);
/* NULL: it stays as it is. */
int group_set(struct db *db, struct slice address, const struct slice *name,
    const struct slice *owner, const struct slice *post);
/* A slice of it; STORE_AGAIN until the members are gone. */
int group_remove(struct db *db, struct slice address);
/* ACCOUNT_E_LOOP: that group would be in itself. */
int group_member_add(struct db *db, struct slice address, struct slice member,
    int64_t now);
int group_member_remove(struct db *db, struct slice address,
    struct slice member);
/* An account or group that is removed leaves all groups, and owns none. */
int group_forget(struct db *db, struct slice canonical);

/* Whether this sender may: `account` is the login, 0 for a stranger. */
int group_may_post(struct db *db, const struct q_list_by_address *list,
    const struct address *sender, uint64_t account, bool *ret_may);

#endif
