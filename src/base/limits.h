/* SPDX-License-Identifier: ISC */
/*
 * base/limits - every bound on what a peer can make us do, with its reason
 *
 * Each of these has a reply and a test. Bytes and counts unless a unit is
 * named. What an operator may change stands in config/settings instead and
 * takes its bounds from here.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
	/* SMTP server */
	LIMIT_SMTP_COMMAND = 4096,    /* CRLF included. RFC 5321 4.5.3.1.4 asks
				       * for 512; extensions add (AUTH: 12,288 with
				       * RFC 4954 4, its own limit below) */
	LIMIT_SMTP_AUTH_LINE = 12288, /* RFC 4954, section 4 */
	LIMIT_SMTP_JUNK = 64 * 1024,  /* of a line without end, then 421 */
	LIMIT_SMTP_REPLY_LINE = 512,  /* RFC 5321 4.5.3.1.5, ours outgoing */
	LIMIT_SMTP_RCPTS = 1000,      /* RFC 5321 4.5.3.1.8 asks for >= 100 */
	LIMIT_LMTP_RCPTS = 100,       /* the same of LMTP: each has a reply */
	LIMIT_EXPN = 100,             /* members told; more: 252 */
	LIMIT_SMTP_ERRORS = 20,       /* bad commands in a session, then 421 */
	LIMIT_SMTP_NOOPS = 500,       /* commands that move no mail, then 421 */
	LIMIT_SMTP_MESSAGES = 10000,  /* messages in one session, then 421 */
	LIMIT_SMTP_AUTHS = 5,         /* failed logins in a session, then 421 */
	LIMIT_MESSAGE_SIZE = 50 * 1024 * 1024, /* default of max_size */
	LIMIT_MESSAGE_SIZE_MAX = 1024 * 1024 * 1024,
	LIMIT_RECEIVED = 100,      /* hops, then it is a loop (6.3) */
	LIMIT_RECEIVED_OWN = 10,   /* of them by ourselves */
	LIMIT_HEADER = 512 * 1024, /* bytes of a header section that the
				    * summary looks at */

	/* SMTP client: what a remote server can make us read */
	LIMIT_REPLY_LINE = 4096,
	LIMIT_REPLY_LINES = 100,
	LIMIT_REPLY_TEXT = 8192,
	LIMIT_DIALOGUE = 16 * 1024,         /* kept of one attempt */
	LIMIT_CONVERT_MEMORY = 1024 * 1024, /* the parts of a mail that is made
					     * 7-bit (mail/convert) */

	/* IMAP and POP3 */
	LIMIT_IMAP_LINE = 64 * 1024,    /* a command without its literals */
	LIMIT_IMAP_LITERAL = 64 * 1024, /* other than APPEND's message */
	LIMIT_IMAP_APPENDS = 1000, /* messages in one APPEND */
	LIMIT_IMAP_ARENA = 512 * 1024,  /* one parsed command */
	LIMIT_IMAP_TEXTS = 500,  /* text keys of one search: each is looked for
				  * in each message */
	LIMIT_IMAP_CONTEXTS = 8, /* searches told further on; bits of a row */
	LIMIT_IMAP_SORT = 256 * 1024 * 1024, /* what one SORT or THREAD knows of
					      * its messages: a million */
	LIMIT_IMAP_ERRORS = 50,
	LIMIT_IMAP_AUTHS = 5,
	LIMIT_IMAP_NESTING = 64,  /* search keys, body sections */
	LIMIT_NOTIFY_MAILBOXES = 2000, /* watched by one session (RFC 5465) */
	LIMIT_IMAP_SET = 10000,   /* ranges in a sequence set */
	LIMIT_MAILBOX_NAME = 512, /* UTF-8 octets */
	LIMIT_ANNOTATIONS = 65,   /* of a mailbox, its use among them */
	LIMIT_ANNOTATION = 4096,  /* octets of a value */
	LIMIT_ANNOTATION_ENTRY = 255,
	LIMIT_KEYWORDS = 1024, /* octets of all keywords of an email */
	LIMIT_POP3_LINE = 512, /* RFC 2449, section 4: 255 with CRLF */
	LIMIT_POP3_ERRORS = 20,

	/* logins */
	LIMIT_APP_PASSWORDS = 32,     /* of one account; each is tried */
	LIMIT_TOKEN_KEYS = 32 * 1024, /* the file of a token issuer's keys */
	LIMIT_CLIENT_CA = 128 * 1024, /* the file tls.client_ca */
	LIMIT_CERTIFICATES = 32,      /* of clients, of one account */

	/* buffers of one connection */
	LIMIT_CONN_IN = 64 * 1024,   /* read ahead before the session eats */
	LIMIT_CONN_OUT = 128 * 1024, /* replies a slow reader has not taken */

	/* What one connection may cost a front: CONN_IN, CONN_OUT, what is
	 * known of its mail by now (mail/summary.h, 320 KiB at most), 20 KiB
	 * for session and TLS; idle 3 KiB, 20 in TLS. At the store: CREDIT for
	 * the body that is on its way, TXN_ARENA for its recipients. A client
	 * (address, or /64) beyond this hears 421; so the default of
	 * max_per_client fits whatever its connections do. */
	LIMIT_CLIENT_MEMORY = 64 * 1024 * 1024,
	LIMIT_FRONT_MEMORY = 512 * 1024 * 1024, /* all connections of a front;
						 * then they are dropped */

	/* between roles */
	LIMIT_CHUNK = 64 * 1024,   /* one BODY_CHUNK or BODY_DATA */
	LIMIT_CREDIT = 256 * 1024, /* of one body on its way */
	LIMIT_FRAME = 1024 * 1024, /* one message on a channel; the generator
				    * refuses a schema that needs more */
	LIMIT_CHANNEL_OUT = 16 * 1024 * 1024, /* queued in a channel; above
					       * half of it senders pause */

	/* store */
	LIMIT_SMALL_BODY = 256 * 1024, /* larger: a segment file of its own */
	LIMIT_SUMMARY = 16 * 1024,
	LIMIT_VIEWS = 64 * 1024 * 1024, /* rows of mailboxes kept in memory */
	LIMIT_BOUNCE_CONTENT = 128 * 1024, /* RET=FULL: larger mail comes back
					    * as its header (RFC 3461, 6.2) */
	LIMIT_GROUP = 1024,                /* writes in one transaction */
	LIMIT_GROUP_BYTES = 16 * 1024 * 1024,
	LIMIT_ADDRESS = 320, /* local part, @, domain */
	LIMIT_DOMAIN = 255,
	LIMIT_EXPAND = 500, /* targets of one address in the transaction that
			     * accepts it; more are worked off behind it */
	LIMIT_TXN_TARGETS = 1500, /* of all its recipients; then 452 */
	LIMIT_ADMIN_NAMES = 200,  /* addresses in one write of an admin's: about
				   * 5 ms, so that nobody's 250 waits */

	/* from whom (policy/, roles/front/origin, roles/store/clients) */
	LIMIT_PROXY_HEADER = 4096, /* of a proxy; its TLVs are rarely 300 */
	LIMIT_RATE_ROWS = 32768,   /* networks that are counted: 2 MiB */
	LIMIT_DNSBL_LISTS = 16,
	LIMIT_GREYLIST = 100000, /* rows in memory and on disk */
	LIMIT_GREYLIST_BYTES = 32 * 1024 * 1024, /* of them in memory; 150 a
						  * row is usual */
	LIMIT_GREYLIST_ALLOWED = 1000, /* who never waits; each is compared */
	LIMIT_THROTTLES = 10000, /* senders, tenants and routes together */
	LIMIT_WARMUPS = 64,      /* source addresses at a time */
	LIMIT_TERMS = 10000,     /* destinations with terms of their own */
	/* content filters (milter, Rspamd, clamd) */
	LIMIT_HOOKS = 8,                    /* filters that are configured */
	LIMIT_MILTER_PACKET = 64 * 1024,    /* libmilter's is 65,535 and one */
	LIMIT_HOOK_FIELDS = 10000,          /* of a header while it is edited */
	LIMIT_HOOK_ARENA = 2 * 1024 * 1024, /* the same, with what is added */
	LIMIT_HOOK_EDITS = 100, /* of the envelope, by one message */
	LIMIT_HOOK_MEMORY = 256 * 1024 * 1024, /* all sessions of the role */
	LIMIT_HOOK_SILENCE_S = 10,   /* the role says nothing: it is lost */
	LIMIT_HOOK_QUESTION_S = 570, /* RFC 5321 4.5.3.2.6: clients wait for
				      * ten minutes; the role has nine */
	/* a front's patience with its peers (roles/front/peer_watch.h) */
	LIMIT_STORE_SILENCE_S = 60, /* a question; clients wait five minutes */
	LIMIT_COMMIT_SILENCE_S = 300, /* of a mail; they wait ten behind it */
	LIMIT_PEER_LOST_S = 30,       /* a channel has ended and none comes */
	LIMIT_HTTP_LINE = 8192,
	LIMIT_HTTP_HEAD = 64 * 1024,
	LIMIT_HTTP_CONTENT = 1024 * 1024, /* Rspamd's reply */

	/* DNS as the courier sees it */
	LIMIT_DNS_RECORDS = 200,
	LIMIT_MX_HOSTS = 20,           /* hosts tried for one attempt */
	LIMIT_FRESH = 8 * 1024 * 1024, /* mail that has just come, in memory */
	LIMIT_ROUTES = 1000,           /* that an operator has set */
	LIMIT_ROUTE_PATTERNS = 20000,
	LIMIT_ROUTE_TABLE = 64 * 1024 * 1024, /* all of them, in memory */

	/* MTA-STS (policy/sts, roles/fetcher) and TLS reports (policy/tlsrpt)
	 */
	LIMIT_STS_POLICY = 64 * 1024,      /* RFC 8461, 3.3 */
	LIMIT_STS_DOMAINS = 10000,         /* whose policy is kept */
	LIMIT_STS_BYTES = 2 * 1024 * 1024, /* of them, told to a new fetcher:
					    * 100 a domain is usual */
	LIMIT_REPORT_MAIL = 1024 * 1024,   /* of others about TLS; 20 KiB is
					    * much already */

	/* configuration */
	LIMIT_CONFIG_FILE = 256 * 1024,
	LIMIT_LISTENERS = 32
};

#endif
