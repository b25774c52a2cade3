/* SPDX-License-Identifier: ISC */
/*
 * roles/front/origin - where a connection comes from, and what follows of that
 *
 * Before the session begins (the gate): a proxy's header, where one is
 * demanded; the store's word whether the network may have one more connection;
 * on port 25 the wait in which nobody may speak. Meanwhile and behind that, in
 * the background: the client's name, and what lists in the DNS say of it. The
 * first recipient waits for those, at most settings.lookup_timeout from the
 * connection on; whatever is missing then is unknown, and nobody is refused
 * for it. Counts go to the store once a second at most, and at the end.
 *
 * Every function does nothing, or says yes, for a conn without an origin.
 * Owned by the conn; memory: a few hundred bytes, 1.5 KiB while the DNS is
 * asked.
 */
#ifndef ROLES_FRONT_ORIGIN_H
#define ROLES_FRONT_ORIGIN_H

#include "base/verdict.h"
#include "policy/rate.h"
#include "roles/front/conn.h"
#include "smtp/xclient.h"

/* -- of a front ------------------------------------------------------------ */

bool origin_rules_make(struct front *f); /* from its settings */
void origin_rules_free(struct front *f);
/* A proxy of that listener, which must say for whom it speaks. */
bool origin_is_proxy(const struct ip_networks *proxy,
    const struct env_addr *peer);

/* -- for conn.c and handlers.c --------------------------------------------- */

/* Opens the gate at once when nothing is to be asked. False: no memory. */
bool origin_begin(struct conn *c, const struct ip_networks *proxy);
void origin_leave(struct conn *c); /* tells the store, frees it */
size_t origin_cost(const struct conn *c);
bool origin_wants_input(const struct conn *c);
void origin_on_input(struct conn *c);
void origin_on_client_answer(struct conn *c, uint32_t ticket,
    const struct wire_client_answer *m);
void origin_on_dns_answer(struct conn *c, uint32_t ticket,
    const struct wire_dns_answer *m);
void origin_peer_lost(struct conn *c, enum wire_role peer);

/* -- for protocols --------------------------------------------------------- */

/* Exempt networks, and local sockets: no tarpit and the like. */
bool origin_is_exempt(const struct conn *c);
/* It spoke before the greeting. */
bool origin_is_early(const struct conn *c);
/* A mail begins: lists of domains are asked about its names. */
void origin_on_mail(struct conn *c, struct slice helo, struct slice sender);
/* All is known that recipients wait for; otherwise origin_known() comes. */
bool origin_is_known(const struct conn *c);
/* The confirmed name, or empty. */
struct slice origin_rdns(const struct conn *c);
/* For "X-Ulak-Lists:", or empty. In `out`, which is at least that large. */
enum {
	ORIGIN_TAG = 512
};
struct slice origin_tag(const struct conn *c, char out[ORIGIN_TAG]);

/* What policy says of the client, once it is known: false, and the reply.
 * Recipients that must always be reached (postmaster, abuse) are not asked
 * about. ret->text points into `text`. */
enum {
	ORIGIN_SAY = 768
};
bool origin_check_rcpt(struct conn *c, struct slice rcpt, struct verdict *ret,
    char text[ORIGIN_SAY]);
/* The network has gone beyond a limit: false, and a 421. */
bool origin_check_rate(const struct conn *c, struct verdict *ret);
void origin_count(struct conn *c, enum rate_thing thing, uint32_t n);

/* XCLIENT: offered to this client? */
bool origin_may_xclient(const struct conn *c);
/* It is somebody else now: all is asked anew, except for the gate. False: that
 * one has too many connections. */
bool origin_become(struct conn *c, const struct smtp_xclient *x);
/* The name that XCLIENT gave for HELO, or NULL. */
const char *origin_helo(const struct conn *c);

#endif
