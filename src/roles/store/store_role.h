/* SPDX-License-Identifier: ISC */
/*
 * roles/store/store_role - what the files of the store role share
 *
 * A peer is a channel with what belongs to it: bodies on their way in, mail
 * transactions with the recipients that were approved, handles. All of it goes
 * with the channel. Jobs in threads never hold a pointer to any of this: they
 * carry an asker (numbers), and an answer for the dead is dropped.
 *
 *   store.c      the role's life, peers, room on the disk
 *   accept*.c    MAIL, RCPT and COMMIT (accept_impl.h); bodies.c
 *   clients.c    CLIENT_ASK, CLIENT_NOTE: what networks do
 *   greylist_rows.c  what greylist.c remembers, in the database
 *   expander.c   large lists, behind the transaction
 *   handles.c    verifiers, grants, handles
 *   mailboxes.c  MAILBOX_*, flags, expunge, copy, APPEND
 *   scan.c       SCAN and CHANGED; views.c keeps rows in memory
 *   reads.c      summaries and bodies on their way out
 *   import*.c    what the admin puts into mailboxes
 *   undelete.c   what was expunged: swept, listed, brought back
 *   admin*.c     ADMIN_ASK (admin_impl.h; queue commands: outbound_admin.c)
 */
#ifndef ROLES_STORE_STORE_ROLE_H
#define ROLES_STORE_STORE_ROLE_H

#include "base/arena.h"
#include "base/ip.h"
#include "base/map.h"
#include "policy/rcpt.h"
#include "roles/role.h"
#include "roles/store/greylist.h"
#include "roles/store/outbound.h"
#include "roles/store/views.h"
#include "smtp/reply.h"
#include "store/account.h"
#include "store/events.h"
#include "store/mailbox.h"
#include "store/store.h"

struct expander;
struct reports;
struct indexer;

struct tls_key {
	struct list link;
	uint32_t number;
	bool is_default;
	struct slice names, sealed, chain; /* in `bytes` */
	uint8_t bytes[];
};

struct store_role {
	struct role *role;
	struct env *env;
	const struct settings *settings;
	struct env_dir *dir;
	struct store *store;
	struct outbound *outbound;
	struct expander *expander;
	struct map peers; /* by serial */
	struct list peer_list;
	uint64_t next_serial;
	struct ip_networks relay; /* may send anywhere without a login */
	struct map cache;         /* rcpt as typed -> struct cached */
	uint64_t n_forgotten;     /* times that the cache was emptied */
	/* until then nobody is suppressed, if nothing changes (accept_rcpt) */
	int64_t unsuppressed_until;
	uint64_t unsuppressed_changes;
	struct list cached;
	struct views views; /* rows of mailboxes that were selected lately */
	struct map watched; /* account -> struct watched */
	struct list notes;  /* scan.c: of what was told, not long written */
	size_t n_notes_done;
	struct map locks;  /* account -> struct handle, POP3's */
	struct rate *rate; /* clients.c */
	struct greylist *greylist;
	struct greylist_writer *greylist_writer;
	struct reports *reports;
	struct indexer *indexer;
	struct list keys;
	int64_t started;
	/* room on the disk */
	bool strangers, submission, disk_is_full;
	uint64_t reserve; /* bytes kept in the file of that name */
	struct env_timer tick;
	uint64_t n_ticks;
	bool is_stopping;
	bool is_sweeping; /* undelete.c */
	/* admin.c: a verify at work */
	bool is_verifying;
};

struct peer {
	struct channel c;
	struct store_role *role;
	struct list link;
	uint64_t serial;
	struct map bodies;  /* number -> struct incoming */
	struct map txns;    /* number -> struct txn */
	struct map handles; /* number -> struct handle */
	struct map clients; /* a front's session -> clients.c's */
	struct list reads;  /* struct body_read, scans: waiting for room */
	struct list bodies_reads; /* details.c */
	struct list additions;    /* mailbox_append.c: not whole yet */
	struct list waiting;
	uint32_t next_handle;
	unsigned n_held; /* scans whose rows wait to be sent */
};

struct handle {
	uint32_t number;
	struct peer *peer;
	uint64_t account, session;
	uint32_t scopes;
	struct list watchers;
	bool has_lock;
	char address[LIMIT_ADDRESS + 1];
};

/* Who asked, for an answer that comes later. */
struct asker {
	struct store_role *role;
	uint64_t peer;
	uint64_t session;
	uint32_t ticket;
};
static inline struct peer *
peer_of(struct channel *c)
{
	return LIST_ENTRY(c, struct peer, c);
}
struct asker asker_of(struct channel *c, const struct wire_head *h);
/* NULL: gone. */
struct channel *asker_channel(const struct asker *a);
/* A later piece of an answer waits until the channel has room. */
struct waiting {
	struct list link;
	void (*go)(struct waiting *w);
	void (*gone)(struct waiting *w); /* the channel ended */
};
/* Calls go now, or when there is room. */
void peer_when_room(const struct asker *a, struct waiting *w);

struct wire_verdict wire_verdict_of(const struct verdict *v);
struct wire_verdict wire_verdict_make(unsigned code, unsigned class,
    unsigned subject, unsigned detail, const char *text);
struct wire_verdict wire_say(enum smtp_say which);
/* What a front is told of a failed piece of mailbox work (store/flags.h). */
struct wire_verdict wire_verdict_box(int r);

/* -- store.c -- */
void store_role_send_state(struct store_role *s);
void store_role_no_room(struct store_role *s, int r);
int store_role_load_keys(struct store_role *s);
void store_role_announce_keys(struct store_role *s);

/* -- accept.c, bodies.c -- */
int on_body_open(struct channel *c, const struct wire_head *h,
    const struct wire_body_open *m);
int on_body_chunk(struct channel *c, const struct wire_head *h,
    const struct wire_body_chunk *m);
int on_body_piece(struct channel *c, const struct wire_head *h,
    const struct wire_body_piece *m);
int on_rcpt_drop(struct channel *c, const struct wire_head *h,
    const struct wire_rcpt_drop *m);
int on_body_drop(struct channel *c, const struct wire_head *h,
    const struct wire_body_drop *m);
int on_mail_ask(struct channel *c, const struct wire_head *h,
    const struct wire_mail_ask *m);
int on_rcpt_ask(struct channel *c, const struct wire_head *h,
    const struct wire_rcpt_ask *m);
int on_txn_drop(struct channel *c, const struct wire_head *h,
    const struct wire_txn_drop *m);
int on_commit(struct channel *c, const struct wire_head *h,
    const struct wire_commit *m);
/* Out of the peer's table; NULL when there is none. */
struct body *accept_take_body(struct peer *p, uint64_t number);
void accept_peer_lost(struct peer *p);
/* Addresses have changed. */
void accept_forget_addresses(struct store_role *s);
struct wire_verdict accept_verdict(struct store_role *s, int r);

/* -- clients.c -- */
int clients_make(struct store_role *s); /* -1: no memory */
int on_client_ask(struct channel *c, const struct wire_head *h,
    const struct wire_client_ask *m);
int on_client_note(struct channel *c, const struct wire_head *h,
    const struct wire_client_note *m);
void clients_peer_lost(struct peer *p);
/* -- greylist_rows.c -- */
int greylist_rows_new(struct store_role *s); /* reads them */
void greylist_rows_start(struct store_role *s);
void greylist_rows_stop(struct store_role *s); /* writes the rest */
void greylist_rows_free(struct store_role *s);
/* Rows have changed in memory, perhaps. */
void greylist_written_behind(struct store_role *s);
void greylist_allowed_changed(struct store_role *s);
/* -- sts.c -- */
int on_sts_keep(struct channel *c, const struct wire_head *h,
    const struct wire_sts_keep *m);
void sts_tell(struct peer *p); /* a fetcher: all that is kept */
/* -- reports.c, reports_daily.c -- */
int reports_new(struct store_role *s); /* 0 or -ENOMEM */
void reports_start(struct store_role *s);
void reports_stop(struct store_role *s); /* writes the rest */
void reports_free(struct store_role *s);
/* A fetcher is gone: what it was asked is asked again. */
void reports_peer_lost(struct peer *p);
/* Counts how TLS went in an attempt. */
void reports_count(struct store_role *s, const struct wire_attempt_result *m);
int on_rua_answer(struct channel *c, const struct wire_head *h,
    const struct wire_rua_answer *m);
int on_report_posted(struct channel *c, const struct wire_head *h,
    const struct wire_report_posted *m);
/* -- expander.c -- */
int expander_new(struct store_role *s);
void expander_free(struct store_role *s);
void expander_look(struct store_role *s); /* there may be something to do */

/* -- handles.c -- */
int on_certificate_get(struct channel *c, const struct wire_head *h,
    const struct wire_certificate_get *m);
int on_verifier_get(struct channel *c, const struct wire_head *h,
    const struct wire_verifier_get *m);
int on_grant(struct channel *c, const struct wire_head *h,
    const struct wire_grant *m);
int on_handle_drop(struct channel *c, const struct wire_head *h,
    const struct wire_handle_drop *m);
int on_rehashed(struct channel *c, const struct wire_head *h,
    const struct wire_rehashed *m);
/* NULL: no such handle here, or it does not reach that far. */
struct handle *handle_find(struct peer *p, uint32_t number, uint32_t scopes);
void handles_peer_lost(struct peer *p);
/* Its password is another one, or it is gone: all handles end. */
void handles_drop_account(struct store_role *s, uint64_t account);

/* -- mailboxes.c -- */
int on_mailbox_list(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_list *m);
int on_mailbox_status(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_status *m);
int on_mailbox_open(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_open *m);
int on_mailbox_close(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_close *m);
int on_annotation_get(struct channel *c, const struct wire_head *h,
    const struct wire_annotation_get *m);
int on_annotation_set(struct channel *c, const struct wire_head *h,
    const struct wire_annotation_set *m);
int on_quota_get(struct channel *c, const struct wire_head *h,
    const struct wire_quota_get *m);
int on_mailbox_change(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_change *m);
int on_flags_store(struct channel *c, const struct wire_head *h,
    const struct wire_flags_store *m);
int on_expunge(struct channel *c, const struct wire_head *h,
    const struct wire_expunge *m);
int on_copy(struct channel *c, const struct wire_head *h,
    const struct wire_copy *m);
/* -- mailbox_append.c -- */
void additions_peer_lost(struct peer *p);
int on_append_drop(struct channel *c, const struct wire_head *h,
    const struct wire_append_drop *m);
int on_append_commit(struct channel *c, const struct wire_head *h,
    const struct wire_append_commit *m);

/* -- scan.c -- */
int on_notices(struct channel *c, const struct wire_head *h,
    const struct wire_notices *m);
int on_scan(struct channel *c, const struct wire_head *h,
    const struct wire_scan *m);
/* The account's modseq is now this; whoever watches it hears so. */
void scan_changed(struct store_role *s, uint64_t account, uint64_t modseq);
/* Something of the account has changed that has no modseq. */
void scan_noticed(struct store_role *s, uint64_t account);
/* A view begins: not yet armed. */
int scan_watch(struct handle *h, uint64_t session, uint64_t mailbox,
    uint32_t uidnext, bool is_reader);
/* Messages of the mailbox below this uid are no longer \Recent; 0: no word. */
uint32_t scan_told(struct store_role *s, uint64_t account, uint64_t mailbox);
void scan_free_notes(struct store_role *s);
void scan_arm(struct store_role *s, const struct asker *a, uint32_t handle,
    uint64_t mailbox, uint64_t upto);
void scan_unwatch(struct handle *h, uint64_t mailbox); /* 0: all */

/* -- import.c -- */
int on_import(struct channel *c, const struct wire_head *h,
    const struct wire_import *m);
/* -- undelete.c -- */
/* What was expunged long enough ago goes, in the bulk lane. */
void undelete_look(struct store_role *s);

/* -- reads.c -- */
/* -- details.c -- */
int on_detail_read(struct channel *c, const struct wire_head *h,
    const struct wire_detail_read *m);
int on_bodies_read(struct channel *c, const struct wire_head *h,
    const struct wire_bodies_read *m);
void details_drop(struct channel *c, const struct wire_head *h);
void details_peer_lost(struct peer *p);

int on_summary_read(struct channel *c, const struct wire_head *h,
    const struct wire_summary_read *m);
int on_body_read(struct channel *c, const struct wire_head *h,
    const struct wire_body_read *m);
int on_message_read(struct channel *c, const struct wire_head *h,
    const struct wire_message_read *m);
int on_read_credit(struct channel *c, const struct wire_head *h,
    const struct wire_read_credit *m);
int on_read_drop(struct channel *c, const struct wire_head *h,
    const struct wire_read_drop *m);
void reads_peer_lost(struct peer *p);

/* -- admin.c -- */
int on_admin_ask(struct channel *c, const struct wire_head *h,
    const struct wire_admin_ask *m);

#endif
