/* SPDX-License-Identifier: ISC */
/*
 * roles/courier - what its files share
 *
 *   main.c     channels, slots, what arrives
 *   attempt*.c one message for recipients of one route: routing, the body,
 *              which host next, the result (attempt.h)
 *   hop.c      what the operator's route says of the next hop
 *   carrier*.c one connection to a mail host: socket, TLS, the SMTP client
 *              (carrier.h)
 *   sts.c      the domain's MTA-STS policy, from the fetcher
 *   security.c what is demanded of a host's TLS, and what became of it
 *   notice.c   bounces: composed here, streamed to the store
 *
 * An attempt has at most one carrier at a time; a carrier without attempt is
 * idle and waits a few seconds for more work of its route. Whoever ends first
 * clears the other's pointer.
 */
#ifndef ROLES_COURIER_COURIER_H
#define ROLES_COURIER_COURIER_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "policy/route.h"
#include "policy/tls_policy.h"
#include "policy/turns.h"
#include "queue/retry.h"
#include "roles/role.h"
#include "smtp/client.h"
#include "sys/tls.h"

enum {
	COURIER_SLOTS = 400, /* attempts and bounces at a time; ~150 KiB each */
	COURIER_IDLE = 100,  /* connections kept without work */
	COURIER_TRIES = 40,  /* addresses knocked at in one attempt */
	COURIER_OWN = 256,   /* addresses at which we answer ourselves */
	COURIER_TURNS = 32,  /* routes with several hosts */
	COURIER_PLAIN = 64,  /* hosts that get no BDAT */
	COURIER_QUESTIONS = 3 * ROUTE_QUESTIONS,
	SECURITY_FACTS = 8, /* as in ATTEMPT_RESULT */
	SECURITY_TEXT = 420,
	COURIER_UNHEARD = 3, /* times that a connection is tried again */
	ATTEMPT_ARENA = 1024 * 1024,
	ATTEMPT_REMOTE = 320,
	ATTEMPT_TLS = 128,
	ATTEMPT_UNFIT = 200,
	ATTEMPT_AHEAD = 128 * 1024, /* of the body, in memory */
	ATTEMPT_BODY = 256 * 1024   /* cap of that buffer */
};
#define COURIER_IDLE_TIME (5 * TIME_SECOND)
#define COURIER_QUIT_TIME (5 * TIME_SECOND)
#define COURIER_STOP_TIME (3 * TIME_SECOND)
#define ATTEMPT_DNS_TIME (45 * TIME_SECOND)

/* What is remembered of a route with several hosts. */
struct courier_turns {
	uint64_t key; /* 0: free */
	int64_t used;
	struct turns turns;
};

struct courier {
	struct role *role;
	struct env *env;
	const struct settings *settings;
	/* NULL: none just now */
	struct channel *store, *resolver, *fetcher, *keeper;
	struct tls_client *tls;
	struct id_source ids;
	struct map attempts;  /* by their number; all belong to `store` */
	struct list carriers; /* with an attempt, or leaving */
	struct list idle;     /* oldest first */
	size_t n_idle;
	struct list notices;
	struct env_timer stop_timer;
	struct route_own own[COURIER_OWN];
	size_t n_own;
	struct courier_turns turns[COURIER_TURNS];
	struct env_addr without_chunks[COURIER_PLAIN]; /* a ring; chunks.c */
	size_t next_without_chunks;
	uint64_t next_body;
	uint32_t next_ticket;
	bool is_stopping;
};

/* -- chunks.c: who offers CHUNKING and does not know it
 * --------------------------------------------------- */

bool courier_may_chunk(const struct courier *c, const struct env_addr *host);
void courier_chunks_failed(struct courier *c, const struct env_addr *host);

/* -- attempts
 * ------------------------------------------------------------------ */

struct attempt_rcpt {
	uint64_t row;
	bool is_done, is_ours;  /* the verdict: our words, not the host's */
	struct verdict verdict; /* text in the arena */
};

/* What the operator's route says; slices in the attempt's arena. */
struct attempt_hop {
	uint8_t kind; /* HOP_* */
	uint8_t tls;  /* HOP_TLS_*, never DEFAULT */
	bool is_implicit, auth_clear;
	uint16_t port; /* 0: the usual one */
	struct slice name, user, secret;
	struct hop_host hosts[HOP_HOSTS];
	size_t n_hosts;
	const char *helo; /* NULL: our host name */
	char *login;      /* user as a string; NULL: no login */
	char *password;   /* HOP_PASSWORD; NULL until it came; wiped */
	uint32_t ticket;  /* of SECRET_ASK; 0: not asked */
	struct env_addr source4, source6;
	bool has_source4, has_source6;
	struct verdict reply; /* of HOP_ERROR */
};

struct attempt {
	struct courier *courier;
	uint64_t number;
	struct arena arena; /* everything below that is a slice */
	struct slice sender, domain;
	struct slice key; /* whose connections it may have */
	struct attempt_hop hop;
	struct attempt_rcpt rcpts[SMTP_CLIENT_RCPTS];
	struct slice addresses[SMTP_CLIENT_RCPTS];
	size_t n_rcpts;
	struct smtp_rcpt_wish wishes[SMTP_CLIENT_RCPTS];
	struct slice envid;
	uint64_t size;
	uint32_t mails;     /* on one connection, then QUIT */
	int64_t deliver_by; /* env_wall; RFC 2852 */
	uint8_t ret, by_mode;
	int8_t priority;
	bool is_8bit, is_binary, is_smtputf8, requires_tls, by_trace;
	bool offers_dsn, offers_deliverby; /* the host that was given it last */
	bool is_refused;   /* the last host failed before a mail was begun */
	int64_t lease_end; /* env_now */
	uint64_t seed;
	int64_t began;          /* env_now */
	struct env_timer timer; /* for the DNS */

	struct route_answer *answers;
	uint32_t tickets[COURIER_QUESTIONS]; /* 0: it is there */
	size_t n_answers, n_missing;
	bool is_routed, waits_for_go;
	uint64_t hosts; /* which set; as the store knows it, until then */
	uint32_t hosts_most;
	bool not_v4, not_v6; /* that source address has had its mails */
	bool is_warming;     /* for that alone an address was passed by */
	bool has_knocked;    /* a connection was begun */
	struct route route;
	size_t host, address; /* the next to be tried */
	unsigned n_tries;
	bool has_tried_idle;
	uint64_t turns_key;
	uint8_t turn; /* of which of the hop's hosts; 1 is the first; 0: any */
	uint8_t asked_turn; /* that has not answered yet */
	bool is_clear_next; /* the last address once more, without TLS */
	bool is_patient;    /* at those of the host that were given up early */
	uint16_t given_up;  /* which: a bit for each address */
	bool is_full_next;  /* the same, with no session to be resumed */
	bool is_again_next; /* the same: nothing was heard of it, or by DATA */
	uint8_t n_unheard;

	/* security.c */
	uint8_t tls_minimum;  /* as ATTEMPT says it */
	bool tls_optional;    /* "TLS-Required: No" */
	bool is_report;       /* about TLS: nothing is told of its sessions */
	bool is_without_dane; /* optional, and the DNS does not answer */
	bool has_demand;      /* of hosts[demand_host] */
	size_t demand_host;
	struct dane dane;
	struct tls_demand demand;
	struct buf tls_facts; /* rows of ATTEMPT_RESULT */
	uint32_t n_tls_facts;

	/* sts.c */
	struct {
		bool is_asked, is_known;
		uint32_t ticket;
		uint8_t mode, result; /* enum sts_mode, sts_result */
		uint32_t max_age;     /* seconds */
		struct slice mx;      /* in the arena */
		char why[STS_WHY];    /* what `result` came from */
	} sts;

	struct buf body; /* from body_from on */
	size_t body_at;  /* given to the client */
	uint64_t body_asked, body_got;
	uint32_t body_ticket;    /* answers to others are of a former try */
	struct convert *convert; /* NULL but for a mail that needs it */
	enum {
		CONVERT_STATE_NONE,
		CONVERT_STATE_READING, /* the client waits */
		CONVERT_STATE_DONE,
		CONVERT_STATE_UNFIT
	} convert_state;
	struct buf converted;      /* to be given to the client */
	char unfit[ATTEMPT_UNFIT]; /* why: all that is to be said */

	struct verdict failure; /* of the last host, if nothing better comes */
	bool failure_is_ours;
	bool is_soon; /* a lookup failed, and no host has said no since */
	char remote[ATTEMPT_REMOTE], tls[ATTEMPT_TLS];
	char source[ENV_ADDR_TEXT]; /* from which a mail was begun last */
	struct buf dialogue;
	struct carrier *carrier;
};

/* -- hop.c -- */

/* 0; -ENOMEM; -EINVAL: what is said of the next hop makes no sense. */
int attempt_hop_fill(struct attempt *a, const struct wire_attempt *m);
/* Where mail is not carried at all: the verdict for all recipients. */
bool attempt_hop_ends(const struct attempt *a, struct verdict *ret);
void attempt_hop_route(const struct attempt *a, struct route_input *ret);
/* Wipes what must not stay. */
void attempt_hop_free(struct attempt *a);
/* Asks for the password where one is needed and not there: true, then
 * attempt_on_secret goes on. */
bool attempt_hop_ask(struct attempt *a);
void attempt_hop_on_secret(struct attempt *a, uint32_t ticket,
    const struct wire_secret *m);
void attempt_hop_on_keeper_lost(struct attempt *a);
/* For who has waited for it. */
void attempt_secret_came(struct attempt *a);
void attempt_secret_failed(struct attempt *a, const char *why);
/* What EHLO says. */
const char *attempt_hop_helo(const struct attempt *a);
/* NULL: the system chooses. */
const struct env_addr *attempt_hop_source(const struct attempt *a,
    uint8_t family);
bool attempt_hop_is_implicit(const struct attempt *a, uint16_t port);
/* A handshake that failed may be followed by mail in the clear. */
bool attempt_hop_may_be_clear(const struct attempt *a);
/* Its login was refused: for whoever looks after the route. */
struct verdict attempt_hop_login_failed(struct attempt *a,
    const struct verdict *said);

int attempt_start(struct courier *c, uint64_t number,
    const struct wire_attempt *m);
void attempt_on_dns(struct attempt *a, uint32_t ticket,
    const struct wire_dns_answer *m);
void attempt_on_data(struct attempt *a, uint32_t ticket,
    const struct wire_attempt_data *m);
void attempt_on_sts(struct attempt *a, uint32_t ticket,
    const struct wire_sts_answer *m);
/* The store says whether it may go to the hosts that it has found; it may be
 * gone then. */
void attempt_on_go(struct attempt *a, bool ok);
/* No answer will come to what was asked of the DNS. */
void attempt_on_resolver_lost(struct attempt *a);
/* Without a result: the store is gone. */
void attempt_drop(struct attempt *a);

/* What a carrier tells its attempt. After attempt_on_* the carrier has no
 * attempt any more, and the attempt may be gone. */
void attempt_fill_mail(struct attempt *a, struct smtp_client_mail *ret);
/* Makes the mail fit for the server, or says in it why it is not. False: it is
 * being read; carrier_go_on comes. */
bool attempt_make_fit(struct attempt *a, const struct smtp_offer *o,
    struct smtp_client_mail *mail);
/* The client wants the body: gives it what is there, ends it when it is whole.
 * False: the lease is over, nothing more may be sent. */
bool attempt_give_body(struct attempt *a, struct smtp_client *client);
/* Of the address that is being connected to. */
bool attempt_give_up_soon(const struct attempt *a);
void attempt_gave_up(struct attempt *a);
/* Another host may be asked instead of the present one. */
bool attempt_has_more(const struct attempt *a);
/* The host was not good enough: on to the next. */
void attempt_on_unfit(struct attempt *a);
void attempt_settle(struct attempt *a, size_t i, const struct verdict *v,
    bool is_ours);
/* All recipients that will be are settled; the others get `failure`. */
void attempt_on_outcomes(struct attempt *a, const struct verdict *failure,
    bool is_ours);
/* The connection ended without outcomes. */
enum attempt_failure {
	ATTEMPT_CONNECT,    /* no connection, no greeting, refused EHLO */
	ATTEMPT_UNHEARD,    /* no greeting: its queue was full; once more */
	ATTEMPT_TLS_FAILED, /* once more in the clear, if that is allowed */
	ATTEMPT_RESUMPTION, /* the handshake, with an old session */
	ATTEMPT_CHUNKS,     /* BDAT is not known: once more with DATA */
	ATTEMPT_SESSION,    /* later */
	ATTEMPT_DOT         /* the last reply is lost: the remote may have it */
};
void attempt_on_failed(struct attempt *a, enum attempt_failure what,
    const struct verdict *why, bool is_ours);

/* One more question to the DNS; the answer makes the attempt go on. 0 or < 0.
 */
int attempt_ask(struct attempt *a, const struct route_question *q);
/* Of those recipients of whom nothing better is learnt. */
void attempt_set_failure(struct attempt *a, const struct verdict *why);

/* Lines of our own, and what a client noted, for the dialogue; all with the
 * milliseconds since the attempt began. */
uint32_t attempt_clock(const struct attempt *a);
void attempt_note(struct attempt *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void attempt_note_client(struct attempt *a, const struct smtp_client *client);

/* -- carriers
 * ------------------------------------------------------------------ */

struct carrier_target {
	struct slice host; /* name of the MX or literal */
	struct env_addr address;
	bool is_literal, is_local, in_the_clear;
	bool is_full; /* no session is resumed */
	uint8_t turn; /* of which of the route's hosts; 0: of none */
};

/* Begins to connect for the attempt: 0, or -errno at once. */
int carrier_open(struct attempt *a, const struct carrier_target *t);
/* An idle one of that route begins with the attempt; false: there is none. */
bool carrier_reuse(struct attempt *a);
/* Something for the client: body data. */
void carrier_go_on(struct carrier *k);
/* Closes it at once; its attempt is told nothing. */
void carrier_drop(struct carrier *k);
/* When all connections that its hosts bear are made, one that is idle ends. */
void carrier_make_room(const struct attempt *a);
void carrier_drop_idle(struct courier *c);
void carrier_drop_all(struct courier *c);

/* -- MTA-STS ----------------------------------------------------------------
 */

/* Asks, once. Afterwards sts_is_missing until the answer is there. */
void sts_begin(struct attempt *a);
bool sts_is_missing(const struct attempt *a);
/* False: it is not the answer that is waited for. */
bool sts_on_answer(struct attempt *a, uint32_t ticket,
    const struct wire_sts_answer *m);
void sts_ask_again(struct courier *c); /* there is a new fetcher */
/* What the policy says of one of the hosts. */
struct sts_verdict sts_verdict_of(const struct attempt *a, struct slice host);
void sts_print_lines(const struct attempt *a, struct buf *out);
/* -- TLS: what is demanded, and what became of it
 * ------------------------------------------- */

enum security {
	SECURITY_READY,  /* a->demand is that of hosts[a->host] */
	SECURITY_WAIT,   /* for the DNS */
	SECURITY_REFUSED /* the host is not to be used; a->failure says why */
};

struct security_peer {
	struct env_addr remote, local;
};

enum security security_decide(struct attempt *a);
uint8_t security_minimum(const struct attempt *a); /* never DEFAULT */
void security_fill_wish(const struct attempt *a, struct tls_wish *wish,
    struct tls_tlsa tlsa[TLS_TLSA]);
/* Whether the session will do; else *ret says why not, in `text`. */
bool security_on_handshake(struct attempt *a, const struct security_peer *peer,
    const struct tls_facts *f, char text[SECURITY_TEXT], struct verdict *ret);
/* The handshake failed, or TLS broke before its first reply. */
struct verdict security_on_broken(struct attempt *a,
    const struct security_peer *peer, const char *why,
    char text[SECURITY_TEXT]);
/* said: what the server said to STARTTLS; NULL: it does not offer it. */
struct verdict security_on_no_tls(struct attempt *a,
    const struct security_peer *peer, const struct verdict *said,
    char text[SECURITY_TEXT]);
/* A row for the result; peer NULL: nobody was connected to. */
void security_fact(struct attempt *a, enum tls_result result,
    const struct security_peer *peer, const char *info);

/* -- bounces
 * ------------------------------------------------------------------- */

struct notice {
	struct courier *courier;
	struct list link;
	uint64_t number; /* the store's */
	uint64_t body_number;
	struct buf body, summary;
	struct id id;
	size_t sent;
	uint64_t credit;
	bool is_committed, is_smtputf8;
};

int notice_start(struct courier *c, uint64_t number,
    const struct wire_bounce_make *m);
void notice_on_credit(struct courier *c, const struct wire_body_credit *m);
void notice_on_refused(struct courier *c, const struct wire_body_refused *m);
void notice_on_done(struct courier *c, uint64_t number);
void notice_on_room(struct courier *c);
void notice_drop(struct notice *n);

/* -- main.c
 * -------------------------------------------------------------------- */

uint32_t courier_ticket(struct courier *c); /* never 0 */
/* One slot is free again. */
void courier_slot_free(struct courier *c);

#endif
