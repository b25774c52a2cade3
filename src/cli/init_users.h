/* SPDX-License-Identifier: ISC */
/*
 * cli/init_users - the system users that roles become, and who owns what
 *
 * Only for root. packaging/ulak.sysusers says the same to systemd; here they
 * are made with the useradd(8) and groupadd(8) of the system, which know its
 * databases. Root of a user namespace with a single user cannot become others
 * and is treated like an ordinary user.
 */
#ifndef CLI_INIT_USERS_H
#define CLI_INIT_USERS_H

/* Makes those that are missing; CLI_OK, or the trouble has been told. */
int init_users_make(void);
/* Gives the data directory to ulak-store, keys/ to ulak-keeper, both for the
 * group ulak to enter. */
int init_users_own(const char *data);

#endif
