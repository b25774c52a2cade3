/* SPDX-License-Identifier: ISC */
/*
 * roles/front/local - what the role `local` has beside its clients
 *
 * Who hands in mail is known by the kernel's word for it (env_addr_uid), and
 * may hand in `local.rate` messages in an hour. What was left in the spool
 * while nobody answered is handed in by the same way, as the user whose file
 * it is: spool.c.
 */
#ifndef ROLES_FRONT_LOCAL_H
#define ROLES_FRONT_LOCAL_H

#include "base/verdict.h"
#include "roles/front/front.h"

struct local;
struct spool_run;

int local_new(struct front *f, struct local **ret); /* before the sandbox */
void local_free(struct local *l);                   /* NULL is harmless */
void local_start(struct local *l);
void local_stop(struct local *l);

/* Counts a message of this client; 4yz when it has sent too many. */
struct verdict local_may_send(struct conn *c);
/* Somebody has come: a good moment to look into the spool. */
void local_wake(struct front *f);
/* The id of a message from the spool; false for any other client. */
bool local_take_id(struct conn *c, struct id *ret);

/* -- spool.c ----------------------------------------------------------------
 */

/* 0 also when there is no spool (*ret is NULL then). */
int spool_run_new(struct front *f, struct spool_run **ret);
void spool_run_free(struct spool_run *s);
void spool_run_start(struct spool_run *s); /* looks soon */
void spool_run_stop(struct spool_run *s);
/* The conn is its own; its message has this id. */
bool spool_run_owns(const struct spool_run *s, const struct conn *c,
    struct id *ret);

#endif
