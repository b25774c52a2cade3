/* SPDX-License-Identifier: ISC */
/*
 * roles/control/bulk - mails in and out over an admin's connection
 *
 * `ulak import` and `ulak export` send, after their request, one line of JSON
 * a mail; import's is followed by the bytes (docs/admin.md has the form). The
 * bytes go on to the store under its credit, and the summary is made here while
 * they stream: they are hostile, and whoever made the store read them would
 * have the disk. Nothing is held whole; what is on its way is bounded.
 */
#ifndef ROLES_CONTROL_BULK_H
#define ROLES_CONTROL_BULK_H

#include "roles/control/control.h"

struct bulk;

enum bulk_result {
	BULK_WAITING, /* for more input, or for the store */
	BULK_DONE,    /* the client has said that it was all */
	BULK_E_FORM,  /* not of the form */
	BULK_E_STORE  /* it cannot be asked now */
};

struct bulk *bulk_new(struct control *c, uint64_t session, bool is_export,
    struct slice address);
void bulk_free(struct bulk *b); /* NULL is harmless */
/* Takes what it can from the front of `in`; answers go to `out`. */
enum bulk_result bulk_go_on(struct bulk *b, struct buf *in, struct buf *out);
/* Whether it would take more input just now. */
bool bulk_wants(const struct bulk *b);
uint64_t bulk_done(const struct bulk *b); /* how many mails */

/* Answers of the store; then bulk_go_on. */
void bulk_on_done(struct bulk *b, uint32_t ticket, const struct wire_done *m,
    struct buf *out);
void bulk_on_credit(struct bulk *b, const struct wire_body_credit *m);
void bulk_on_refused(struct bulk *b, const struct wire_body_refused *m);
void bulk_on_data(struct bulk *b, uint32_t ticket,
    const struct wire_body_data *m, struct buf *out);

#endif
