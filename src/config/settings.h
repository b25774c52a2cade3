/* SPDX-License-Identifier: ISC */
/*
 * config/settings - what ulak.toml says about this machine
 *
 * Filled from one table (settings.c), which also makes the man page and
 * `ulak config show`. What is served (domains, accounts, aliases, keys) is not
 * here: that is in the store.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"

enum service {
	SERVICE_NONE,
	SERVICE_MX,          /* 25: SMTP from other servers */
	SERVICE_SUBMISSION,  /* 587: SMTP with STARTTLS and AUTH */
	SERVICE_SUBMISSIONS, /* 465: the same inside TLS */
	SERVICE_IMAP,        /* 143 */
	SERVICE_IMAPS,       /* 993 */
	SERVICE_POP3,        /* 110 */
	SERVICE_POP3S,       /* 995 */
	SERVICE_LMTP,        /* 24: LMTP, for this machine's own mail */
	SERVICE_CONTROL,     /* the local admin socket */
	SERVICE_LOCAL,       /* the socket of `ulak sendmail` */
	N_SERVICES
};

enum search_index {
	SEARCH_INDEX_OFF,
	SEARCH_INDEX_ON_DEMAND,
	SEARCH_INDEX_ALWAYS
};

extern const char *const settings_service_names[N_SERVICES]; /* "imaps" */
extern const uint16_t settings_service_ports[N_SERVICES];

/* Fixed size: this is what the supervisor takes from the unprivileged child
 * that parses the file. */
struct settings_listener {
	uint8_t service;
	uint8_t family;      /* 4, 6, or 0: the socket at `path` */
	uint8_t address[16]; /* IPv4 in the first four */
	uint16_t port;
	uint16_t mode; /* of the socket at `path` */
	uint32_t line; /* where it stands in the file */
	char path[108];
	char user[33], group[33]; /* its owner; empty: whoever makes it */
};

enum settings_hook_kind {
	HOOK_MILTER,
	HOOK_RSPAMD,
	HOOK_CLAMD,
	N_HOOK_KINDS
};
enum {
	HOOK_OF_MX = 1,
	HOOK_OF_SUBMISSION = 2
};

/* A content filter: [[hook]]. */
struct settings_hook {
	char name[32];
	uint8_t kind;        /* enum settings_hook_kind */
	uint8_t family;      /* 4, 6, or 0: the socket at `path` */
	uint8_t address[16]; /* IPv4 in the first four */
	uint16_t port;
	char path[108];
	uint8_t services;                              /* HOOK_OF_* */
	int64_t connect_timeout, timeout, end_timeout; /* us */
	bool accepts_on_failure;                       /* or 451 */
	bool quarantines; /* what it finds, instead of 554 */
	uint32_t max;     /* connections */
	uint32_t line;
	uint64_t max_size; /* of what a scanner is shown; 0: any */
};

enum {
	SETTINGS_PATH = 256,
	SETTINGS_NAME = 256,
	SETTINGS_CLAIM = 64,
	SETTINGS_TEXT = 4096,
	SETTINGS_PROXY = 512,
	SETTINGS_OWNER = 80
};
enum {
	SETTINGS_KEYS_MAX = 256,
	SETTINGS_ERROR = 320
};

struct settings {
	/* [server] */
	char hostname[SETTINGS_NAME]; /* said in greetings and HELO */
	char data[SETTINGS_PATH];     /* data directory */
	char control[SETTINGS_PATH];  /* path of the admin socket */
	bool drop_users;   /* as root: each role becomes its system user */
	bool sandbox;      /* close seccomp and Landlock */
	uint32_t fronts;   /* processes of each front kind */
	uint8_t log_level; /* enum env_level */

	/* [[listener]] */
	struct settings_listener listeners[LIMIT_LISTENERS];
	uint32_t n_listeners;
	/* Networks that speak PROXY there (base/ip.h), one a line; by place in
	 * listeners. Not for the supervisor. */
	char listener_proxy[LIMIT_LISTENERS][SETTINGS_PROXY];

	/* [[hook]], in the order of the file */
	struct settings_hook hooks[LIMIT_HOOKS];
	uint32_t n_hooks;

	/* [smtp] */
	uint64_t max_size;        /* bytes of one message */
	int64_t smtp_idle;        /* us; RFC 5321 4.5.3.2.7 asks for 5 min */
	int64_t smtp_data_idle;   /* us between blocks of DATA */
	uint32_t max_connections; /* of one front */
	uint32_t max_per_client;  /* connections of one address at a front */
	int64_t max_hold;         /* us */
	uint32_t max_priority;    /* RFC 6710; -9 is always to be had */
	uint8_t vrfy, expn;       /* enum smtp_told */
	char withheld[SETTINGS_NAME]; /* smtp_withheld_parse */
	int64_t greet_delay;          /* us */
	bool refuse_early;            /* who speaks before the greeting */
	bool strict_pipelining;       /* who pipelines what may not be */
	uint32_t tarpit_after;        /* errors; 0: never */
	int64_t tarpit_delay;         /* us, for the first one behind that */
	char xclient[SETTINGS_TEXT];  /* networks */
	bool reverse_dns, require_reverse_dns;
	int64_t lookup_timeout; /* us, of all questions about a client */
	/* [clients]: of a network, over all fronts; 0: any number */
	char clients_exempt[SETTINGS_TEXT]; /* networks */
	uint32_t clients_open, clients_open_users;
	uint32_t clients_connections, clients_connections_users, clients_mails,
	    clients_rcpts, clients_unknown, clients_errors; /* a minute */
	/* [dnsbl] */
	char dnsbl_lists[SETTINGS_TEXT]; /* policy/dnsbl.h */
	char dnsbl_domain_lists[SETTINGS_TEXT];
	uint32_t dnsbl_threshold;
	bool dnsbl_tag;                    /* a field in the mail */
	char dnsbl_contact[SETTINGS_NAME]; /* said in refusals */
	/* [greylist] */
	bool greylist;
	int64_t greylist_delay, greylist_window, greylist_lifetime; /* us */
	uint32_t greylist_enough;
	/* [search] */
	uint8_t search_index; /* enum search_index */
	/* [imap] */
	int64_t imap_idle; /* us; RFC 3501 5.4 asks for at least 30 min */
	/* [pop3] */
	int64_t pop3_idle; /* us; RFC 1939 3 asks for at least 10 min */
	/* [local] */
	char local_socket[SETTINGS_PATH]; /* where sendmail hands in */
	char local_spool[SETTINGS_PATH];  /* and leaves it when nobody is up */
	char local_domain[SETTINGS_NAME]; /* behind a name that has none */
	uint32_t local_rate;              /* mails of a user in an hour */

	/* [tls] */
	bool client_certificates;      /* clients are asked for one */
	char client_ca[SETTINGS_PATH]; /* who may sign them, or empty */
	bool plain_auth; /* LOGIN and AUTH without TLS, for tests only */
	/* [auth] */
	char mechanisms[SETTINGS_NAME]; /* names, or empty: all */
	/* [oauth]: tokens as logins; sasl/token.h */
	char oauth_keys[SETTINGS_PATH]; /* the issuer's; empty: no tokens */
	char oauth_issuer[SETTINGS_NAME], oauth_audience[SETTINGS_NAME];
	char oauth_claim[SETTINGS_CLAIM]; /* which names the account */
	char oauth_scope[SETTINGS_CLAIM]; /* one that is needed, or empty */
	char oauth_configuration[SETTINGS_NAME]; /* URL, told to clients */
	int64_t oauth_skew;                      /* us */

	/* [submission] 0: no limit */
	uint32_t send_messages_hour, send_messages_day, send_rcpts_hour,
	    send_rcpts_day;
	/* [relay] */
	char relay_networks[SETTINGS_TEXT]; /* may send anywhere without a
					     * login */
	bool relay_own_senders; /* but only as somebody of our domains */
	int64_t relay_lifetime; /* us; of mail for a domain of kind relay */

	/* [outbound] */
	uint16_t outbound_port;                   /* 25 */
	bool outbound_permit_loopback;            /* for tests and laptops */
	char outbound_authorities[SETTINGS_PATH]; /* PEM; may be empty */
	int64_t fallback_delay;                   /* us */
	char outbound_hostname[SETTINGS_NAME];    /* for EHLO */
	uint8_t outbound_families;                /* enum route_families */
	char outbound_source4[64], outbound_source6[64]; /* may be empty */
	char outbound_own[SETTINGS_TEXT]; /* networks: ours, outside a NAT */
	bool convert_8bit;                /* mail/convert */
	bool chunking;                    /* RFC 3030, on the way out */
	bool mta_sts;                     /* RFC 8461 */
	int64_t mta_sts_timeout, mta_sts_wait; /* us */
	uint8_t outbound_tls; /* enum tls_minimum, never DEFAULT */
	int64_t mail_timeout, rcpt_timeout, data_start_timeout; /* the same */
	int64_t connect_timeout, greeting_timeout, command_timeout,
	    data_timeout, dot_timeout;  /* us, RFC 5321 4.5.3.2 */
	int64_t retry_first, retry_max; /* us */
	uint32_t retry_growth;          /* percent; 200 doubles */
	int64_t lifetime;               /* us until a row expires: 5 days */
	int64_t delay_warning;          /* us; 0: none */
	uint32_t suppress_after;        /* refusals; 0: never */
	int64_t suppress_for;           /* us */
	int64_t events_keep;            /* us; 0: for ever */
	int64_t keep_expunged;          /* us; 0: not at all */
	uint32_t per_destination;       /* connections */
	uint32_t per_hosts;             /* the same, for all that share hosts */
	uint32_t per_connection;        /* messages */
	uint32_t per_mail;              /* recipients */

	/* [reports] */
	bool reports_tls;                        /* RFC 8460 */
	char reports_contact[SETTINGS_NAME];     /* an address, or empty */
	char reports_tls_mailbox[SETTINGS_NAME]; /* the same */

	/* [resolver] */
	char resolver_server[64]; /* ask this address instead of the roots */
	uint16_t resolver_port;
	char resolver_root_hints[SETTINGS_PATH];
	char resolver_trust_anchor[SETTINGS_TEXT]; /* DS or DNSKEY lines */
	bool resolver_permit_loopback; /* servers on loopback may be asked */
	char resolver_stubs[SETTINGS_TEXT]; /* "zone address@port" a line */

	/* [store] */
	uint32_t min_free_percent; /* below: no mail from strangers */

	/* where each value came from */
	char file[SETTINGS_PATH];
	uint32_t
	    lines[SETTINGS_KEYS_MAX]; /* by place in the table; 0: default */
};

struct settings_error {
	uint32_t line, col; /* from 1; 0: about the file as a whole */
	char text[SETTINGS_ERROR];
};

enum {
	SETTINGS_OK,
	SETTINGS_E_INVALID
};

/* `file` is only for messages and for settings.file. SETTINGS_OK,
 * SETTINGS_E_INVALID with *err filled and *ret untouched, or -ENOMEM. */
int settings_parse(struct slice text, const char *file, struct settings *ret,
    struct settings_error *err);
/* Every key at its default; hostname, data and listeners are empty. */
void settings_default(struct settings *ret);
/* "file:line:col: text" */
int settings_error_print(const struct settings_error *err, const char *file,
    struct buf *out);

/* -- the table, for `ulak config show` and the man page ---------------------
 */

size_t settings_n_keys(void);
/* "outbound.port"; the pointers live for ever. */
const char *settings_key_section(size_t i);
const char *settings_key_name(size_t i);
const char *settings_key_sentence(size_t i);
/* Off by default and meant for tests and laptops. */
bool settings_key_is_test(size_t i);
bool settings_key_is_default(const struct settings *s, size_t i);
/* These write text as it may stand in the file. 0, BUF_E_FULL, -ENOMEM. */
int settings_value_print(const struct settings *s, size_t i, struct buf *out);
int settings_default_print(size_t i, struct buf *out);
/* "a duration from \"1s\" to \"24h\"" */
int settings_range_print(size_t i, struct buf *out);
int settings_listener_print(const struct settings_listener *l,
    struct buf *out); /* 127.0.0.1 */
/* "user:group", "user", ":group", or nothing. */
void settings_owner_print(const struct settings_listener *l,
    char text[SETTINGS_OWNER]);
/* ["192.0.2.0/24"], of the listener at that place; [] for none. */
int settings_proxy_print(const struct settings *s, size_t listener,
    struct buf *out);
extern const char *const settings_hook_kinds[N_HOOK_KINDS];
/* As it may stand in the file, from name = on. */
int settings_hook_print(const struct settings_hook *h, struct buf *out);
/* "inet:127.0.0.1:8891" or "unix:/run/x.sock", without quotes. */
int settings_hook_address_print(const struct settings_hook *h, struct buf *out);
/* Whether any filter looks at what this service takes. */
bool settings_has_hook(const struct settings *s, unsigned service);
bool settings_hook_is_of(const struct settings_hook *h, unsigned service);

/* The option list of ulak.toml(5), in mdoc. */
int settings_man_print(struct buf *out);

#endif
