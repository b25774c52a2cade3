/* SPDX-License-Identifier: ISC */
/*
 * roles/store/reports - reports about TLS (RFC 8460): counted, composed, sent
 *
 *   reports.c       facts of attempts are counted in memory, for domains that
 *                   want reports, and written behind
 *   reports_daily.c what was counted on a day becomes reports, and those go:
 *                   into the queue, or to a web server through the fetcher
 *
 * A restart loses at most REPORTS_FLUSH of counting. A report is made and its
 * counts are gone in one transaction; it is in the queue and marked so in one.
 */
#ifndef ROLES_STORE_REPORTS_H
#define ROLES_STORE_REPORTS_H

#include "policy/tlsrpt.h"
#include "roles/store/admin_impl.h"

enum {
	REPORTS_DOMAINS = 20000, /* known to want them, or not to, today */
	REPORTS_ROWS = 100,      /* different ones of a domain between writes */
	REPORTS_DAY_ROWS = 500,  /* of a domain and day, on disk */
	REPORTS_BATCH = 200      /* rows written at a time */
};
#define REPORTS_FLUSH (10 * TIME_SECOND)
#define REPORTS_TICK TIME_MINUTE
#define REPORTS_KEPT (30 * TIME_DAY) /* rows about what became of one */

struct reports;

/* Writes what was counted now; `then` (may be NULL) when it is on disk. */
void reports_flush(struct reports *r, void (*then)(struct reports *r));

struct reports_daily *reports_daily(struct reports *r);

/* -- reports_daily.c -- */

int reports_daily_new(struct store_role *s, struct reports_daily **ret);
void reports_daily_free(struct reports_daily *d);
/* Something may be due. all: also of today, and without waiting. */
void reports_daily_look(struct reports_daily *d, bool all);
/* The fetcher is gone: what it was to post is tried again. */
void reports_fetcher_lost(struct reports_daily *d);

#endif
