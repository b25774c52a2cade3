/* SPDX-License-Identifier: ISC */
/*
 * config/settings_table - every setting there is
 *
 * The order here is the order of `ulak config show` and of ulak.toml(5).
 * Sections stand together. A sentence begins with a capital, says what the
 * value does and names the RFC that bounds it; the range and the default are
 * added by whoever prints it.
 */
#include "config/settings_table.h"

#include "base/time.h"

#define MEMBER(m)                                                              \
	offsetof(struct settings, m), sizeof(((struct settings *)0)->m)

const char *const settings_service_names[N_SERVICES] = {
	[SERVICE_NONE] = "none",
	[SERVICE_MX] = "mx",
	[SERVICE_SUBMISSION] = "submission",
	[SERVICE_SUBMISSIONS] = "submissions",
	[SERVICE_IMAP] = "imap",
	[SERVICE_IMAPS] = "imaps",
	[SERVICE_POP3] = "pop3",
	[SERVICE_POP3S] = "pop3s",
	[SERVICE_LMTP] = "lmtp",
	[SERVICE_CONTROL] = "control",
	[SERVICE_LOCAL] = "local",
};

const uint16_t settings_service_ports[N_SERVICES] = {
	[SERVICE_MX] = 25,
	[SERVICE_SUBMISSION] = 587,
	[SERVICE_SUBMISSIONS] = 465,
	[SERVICE_IMAP] = 143,
	[SERVICE_IMAPS] = 993,
	[SERVICE_POP3] = 110,
	[SERVICE_POP3S] = 995,
	[SERVICE_LMTP] = 24,
};

const struct settings_key settings_keys[] = {
	{ "server", "hostname", KIND_HOST, MEMBER(hostname), NULL, 0, 0, false,
	    "The name of this machine in the mail system: said in greetings, "
	    "EHLO and Received fields." },
	{ "server", "data", KIND_PATH, MEMBER(data), NULL, 0, 0, false,
	    "The data directory, as made by ulak init." },
	{ "server", "control", KIND_PATH, MEMBER(control), "", 0, 0, false,
	    "The admin socket. When empty: control.sock in the data "
	    "directory." },
	{ "server", "drop_users", KIND_BOOL, MEMBER(drop_users), "true", 0, 0,
	    false,
	    "When started as root, each role becomes its own system user." },
	{ "server", "sandbox", KIND_BOOL, MEMBER(sandbox), "true", 0, 0, false,
	    "Each role closes its seccomp and Landlock sandbox before it reads "
	    "from outside. Turn it off only to find a fault." },
	{ "server", "fronts", KIND_COUNT, MEMBER(fronts), "1", 1, 16, false,
	    "How many processes serve each kind of client (mx and user)." },
	{ "server", "events_keep", KIND_DURATION, MEMBER(events_keep), "90d", 0,
	    3650 * TIME_DAY, false,
	    "How long the lives of messages are kept for \"ulak trace\", in "
	    "whole "
	    "days; \"0s\" is for ever." },
	{ "server", "log_level", KIND_LEVEL, MEMBER(log_level), "info", 0, 3,
	    false,
	    "The least important lines that are still logged: error, warn, "
	    "info or debug." },

	{ "smtp", "max_size", KIND_SIZE, MEMBER(max_size), "50MiB", 64 * 1024,
	    LIMIT_MESSAGE_SIZE_MAX, false,
	    "The largest message that is taken (RFC 1870)." },
	{ "smtp", "idle", KIND_DURATION, MEMBER(smtp_idle), "5m", 100 * TIME_MS,
	    TIME_DAY, false,
	    "How long a client may be silent between commands. RFC 5321, "
	    "4.5.3.2.7 asks for 5 minutes." },
	{ "smtp", "data_idle", KIND_DURATION, MEMBER(smtp_data_idle), "3m",
	    100 * TIME_MS, TIME_DAY, false,
	    "How long a client may be silent within a message." },
	{ "smtp", "max_connections", KIND_COUNT, MEMBER(max_connections),
	    "5000", 1, 1000000, false,
	    "Connections of all protocols that one front process keeps." },
	{ "smtp", "max_per_client", KIND_COUNT, MEMBER(max_per_client), "100",
	    1, 1000000, false,
	    "Connections that one client address may have at a front "
	    "process." },

	{ "smtp", "max_hold", KIND_DURATION, MEMBER(max_hold), "30d", 0,
	    365 * TIME_DAY, false,
	    "How long a client that logged in may have its mail held back "
	    "(FUTURERELEASE, RFC 4865); 0s: not at all." },
	{ "smtp", "max_priority", KIND_COUNT, MEMBER(max_priority), "4", 0, 9,
	    false,
	    "The highest priority that a client that logged in is given "
	    "(MT-PRIORITY, RFC 6710); what asks for more gets this." },

	{ "smtp", "vrfy", KIND_TOLD, MEMBER(vrfy), "no", 0, 2, false,
	    "Whom VRFY tells whether mail for an address would be taken; "
	    "\"login\" is who logged in. The others hear 252, neither yes nor "
	    "no (RFC 5321, 7.3)." },
	{ "smtp", "expn", KIND_TOLD, MEMBER(expn), "no", 0, 2, false,
	    "Whom EXPN tells the members of a group or alias. The others hear "
	    "252 (RFC 5321, 7.3)." },
	{ "smtp", "withheld", KIND_EXTENSIONS, MEMBER(withheld), "", 0, 0,
	    false,
	    "Extensions that are not offered, and refused: \"CHUNKING\" of all "
	    "services, \"lmtp:CHUNKING\" of one. There are SIZE, 8BITMIME, "
	    "AUTH, STARTTLS, CHUNKING, BINARYMIME, SMTPUTF8, DSN, REQUIRETLS, "
	    "FUTURERELEASE, DELIVERBY, MT-PRIORITY, RRVS and LIMITS." },

	{ "smtp", "greet_delay", KIND_DURATION, MEMBER(greet_delay), "0s", 0,
	    TIME_MINUTE, false,
	    "How long the greeting is held back on port 25; who speaks before "
	    "it is no mail server. Without, nobody is refused for that." },
	{ "smtp", "refuse_early_talkers", KIND_BOOL, MEMBER(refuse_early),
	    "true", 0, 0, false,
	    "Clients of port 25 that speak before the greeting (RFC 5321, "
	    "4.3.1) are greeted with 554 when there is a greet_delay; "
	    "otherwise "
	    "it is only logged." },
	{ "smtp", "strict_pipelining", KIND_BOOL, MEMBER(strict_pipelining),
	    "false", 0, 0, false,
	    "Refuses commands that are sent before the reply to EHLO or "
	    "STARTTLS, or in a batch after HELO (RFC 2920, 3.1); otherwise it "
	    "is only logged." },
	{ "smtp", "tarpit_after", KIND_COUNT, MEMBER(tarpit_after), "10", 0,
	    1000, false,
	    "After so many errors and refused recipients of one session each "
	    "further reply is held back; 0 is never." },
	{ "smtp", "tarpit_delay", KIND_DURATION, MEMBER(tarpit_delay), "200ms",
	    0, 10 * TIME_SECOND, false,
	    "How long the first such reply is held back; each further one by "
	    "as "
	    "much longer, up to ten times." },
	{ "smtp", "xclient", KIND_NETWORKS, MEMBER(xclient), "", 0, 0, false,
	    "Networks whose hosts may say by XCLIENT who their client is. Who "
	    "may do so may claim any address." },
	{ "smtp", "reverse_dns", KIND_BOOL, MEMBER(reverse_dns), "true", 0, 0,
	    false,
	    "Asks for the names of clients, in the background; a name counts "
	    "when it points back." },
	{ "smtp", "require_reverse_dns", KIND_BOOL, MEMBER(require_reverse_dns),
	    "false", 0, 0, false,
	    "Puts off mail at port 25 from clients without a name that points "
	    "back (450 4.7.25)." },
	{ "smtp", "lookup_timeout", KIND_DURATION, MEMBER(lookup_timeout), "5s",
	    100 * TIME_MS, TIME_MINUTE, false,
	    "How long the first recipient waits for what the DNS says of the "
	    "client, from its connection on." },

	{ "clients", "exempt", KIND_NETWORKS, MEMBER(clients_exempt),
	    "127.0.0.0/8\n::1/128", 0, 0, false,
	    "Networks without the limits of this section, tarpit, early-talker "
	    "check, DNS lists and greylisting." },
	{ "clients", "open", KIND_COUNT, MEMBER(clients_open), "5000", 0,
	    1000000, false,
	    "Connections at a time that a network (/24 of IPv4, /64 of IPv6) "
	    "may have at port 25, over all fronts; 0 is any number." },
	{ "clients", "open_users", KIND_COUNT, MEMBER(clients_open_users),
	    "10000", 0, 1000000, false,
	    "The same for submission, IMAP and POP3 together." },
	{ "clients", "connections", KIND_COUNT, MEMBER(clients_connections),
	    "60000", 0, 1000000, false,
	    "New connections of a network to port 25 in a minute; 0 is any "
	    "number." },
	{ "clients", "connections_users", KIND_COUNT,
	    MEMBER(clients_connections_users), "60000", 0, 1000000, false,
	    "The same for submission, IMAP and POP3 together." },
	{ "clients", "mails", KIND_COUNT, MEMBER(clients_mails), "200000", 0,
	    1000000, false,
	    "Mails of a network in a minute; 0 is any number." },
	{ "clients", "recipients", KIND_COUNT, MEMBER(clients_rcpts), "1000000",
	    0, 1000000, false,
	    "Recipients that a network asks for in a minute; 0 is any "
	    "number." },
	{ "clients", "unknown_recipients", KIND_COUNT, MEMBER(clients_unknown),
	    "5000", 0, 1000000, false,
	    "Recipients that do not exist which a network asks for in a "
	    "minute; "
	    "more is a harvest of addresses. 0 is any number." },
	{ "clients", "errors", KIND_COUNT, MEMBER(clients_errors), "20000", 0,
	    1000000, false,
	    "Errors of a network's sessions in a minute; 0 is any number." },

	{ "dnsbl", "lists", KIND_TEXT, MEMBER(dnsbl_lists), "", 0, 0, false,
	    "Lists of senders in the DNS (RFC 5782), one a line: zone, weight "
	    "(default 1; negative for a list of good ones), replies that count "
	    "(default 127.0.0.0/8 but 127.255.255.0/24), as in \"bl.example 2 "
	    "127.0.0.2-11,127.0.1.0/24\"." },
	{ "dnsbl", "domain_lists", KIND_TEXT, MEMBER(dnsbl_domain_lists), "", 0,
	    0, false,
	    "The same of domains: asked about the name in HELO, the domain of "
	    "the sender, and the client's confirmed name. Their weights add to "
	    "those of dnsbl.lists." },
	{ "dnsbl", "threshold", KIND_COUNT, MEMBER(dnsbl_threshold), "1", 1,
	    1000, false,
	    "From this sum of weights on a client is refused (554 5.7.1)." },
	{ "dnsbl", "tag", KIND_BOOL, MEMBER(dnsbl_tag), "true", 0, 0, false,
	    "Mail of a listed client that is taken all the same says so in a "
	    "field X-Ulak-Lists." },
	{ "dnsbl", "contact", KIND_TEXT, MEMBER(dnsbl_contact), "", 0, 0, false,
	    "Where somebody who is refused may ask, said in the reply. When "
	    "empty: postmaster at server.hostname, which is never refused." },

	{ "greylist", "enabled", KIND_BOOL, MEMBER(greylist), "false", 0, 0,
	    false,
	    "Mail from somebody new to a recipient is put off once (451 "
	    "4.7.1); a domain's option greylist may say otherwise for it." },
	{ "greylist", "delay", KIND_DURATION, MEMBER(greylist_delay), "5m", 0,
	    TIME_DAY, false, "How long it is put off." },
	{ "greylist", "window", KIND_DURATION, MEMBER(greylist_window), "2d",
	    TIME_SECOND, 30 * TIME_DAY, false,
	    "Until when, from the first try on, a retry counts as such." },
	{ "greylist", "lifetime", KIND_DURATION, MEMBER(greylist_lifetime),
	    "36d", TIME_SECOND, 365 * TIME_DAY, false,
	    "How long somebody is known after his last mail." },
	{ "greylist", "enough", KIND_COUNT, MEMBER(greylist_enough), "5", 0,
	    1000, false,
	    "A client (organisation or network) that has passed for so many "
	    "senders and recipients is put off no more; 0 is never." },

	{ "search", "index", KIND_INDEX, MEMBER(search_index), "on-demand", 0,
	    2, false,
	    "The index of words for SEARCH in IMAP: on-demand begins it with "
	    "the first search of an account for text, always keeps it for all "
	    "accounts, off has none." },
	{ "imap", "idle", KIND_DURATION, MEMBER(imap_idle), "30m",
	    100 * TIME_MS, TIME_DAY, false,
	    "How long a client may be silent. RFC 3501, 5.4 asks for at least "
	    "30 minutes." },
	{ "pop3", "idle", KIND_DURATION, MEMBER(pop3_idle), "10m",
	    100 * TIME_MS, TIME_DAY, false,
	    "How long a client may be silent. RFC 1939, 3 asks for at least "
	    "10 minutes." },
	{ "mailbox", "keep_expunged", KIND_DURATION, MEMBER(keep_expunged),
	    "7d", 0, 3650 * TIME_DAY, false,
	    "How long mail that its owner has expunged can be brought back "
	    "with \"ulak undelete\"; its room is taken that long. 0s: it is "
	    "gone at once." },
	{ "local", "socket", KIND_PATH, MEMBER(local_socket), "", 0, 0, false,
	    "The socket at which programs of this machine hand in mail (ulak "
	    "sendmail). When empty: submit.sock in the data directory." },
	{ "local", "spool", KIND_PATH, MEMBER(local_spool), "", 0, 0, false,
	    "The directory in which their mail waits while the server is down. "
	    "When empty: spool in the data directory." },
	{ "local", "domain", KIND_HOST, MEMBER(local_domain), "", 0, 0, false,
	    "What follows a name without a domain, such as root, in mail of "
	    "this machine. When empty: server.hostname." },
	{ "local", "rate", KIND_COUNT, MEMBER(local_rate), "3600", 0, 10000000,
	    false,
	    "How many messages one user of this machine may hand in within an "
	    "hour; 0 is no limit. More wait in the spool." },
	{ "tls", "client_certificates", KIND_BOOL, MEMBER(client_certificates),
	    "false", 0, 0, false,
	    "Asks mail programs for a certificate, which they need not have, "
	    "and lets them log in with it (EXTERNAL)." },
	{ "tls", "client_ca", KIND_PATH, MEMBER(client_ca), "", 0, 0, false,
	    "PEM with the certificates of those who may vouch for clients, "
	    "and their revocation lists: such a certificate is good for the "
	    "address in it. When empty: only those named by ulak account "
	    "certificate add. Read at the start." },
	{ "tls", "plain_auth", KIND_BOOL, MEMBER(plain_auth), "false", 0, 0,
	    true,
	    "Takes passwords over connections without TLS. For tests only." },

	{ "auth", "mechanisms", KIND_MECHANISMS, MEMBER(mechanisms), "", 0, 0,
	    false,
	    "The ways to log in (RFC 4422) that are offered, of: "
	    "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 "
	    "EXTERNAL OAUTHBEARER XOAUTH2 PLAIN LOGIN. When empty: all that "
	    "make sense on the connection." },

	{ "oauth", "keys", KIND_PATH, MEMBER(oauth_keys), "", 0, 0, false,
	    "The public keys of who issues tokens: a file with a JWK Set or "
	    "with PEM, which every user may read. When given, OAUTHBEARER and "
	    "XOAUTH2 are offered within TLS. It is read at the start and by "
	    "ulak token reload." },
	{ "oauth", "issuer", KIND_TEXT, MEMBER(oauth_issuer), "", 0, 0, false,
	    "What a token must say in iss, to the letter. Needed with "
	    "oauth.keys." },
	{ "oauth", "audience", KIND_TEXT, MEMBER(oauth_audience), "", 0, 0,
	    false,
	    "What a token must say in aud: the name under which the issuer "
	    "knows this server. Needed with oauth.keys." },
	{ "oauth", "claim", KIND_TEXT, MEMBER(oauth_claim), "email", 0, 0,
	    false,
	    "The claim that holds the address of the account. Of email it is "
	    "not taken when email_verified says otherwise than true." },
	{ "oauth", "scope", KIND_TEXT, MEMBER(oauth_scope), "", 0, 0, false,
	    "A scope that a token must have. When empty: none." },
	{ "oauth", "configuration", KIND_TEXT, MEMBER(oauth_configuration), "",
	    0, 0, false,
	    "The URL of the issuer's OpenID configuration, told to clients "
	    "whose token is refused (RFC 7628, 3.2.2); nothing is fetched "
	    "from there." },
	{ "oauth", "skew", KIND_DURATION, MEMBER(oauth_skew), "1m", 0,
	    10 * TIME_MINUTE, false,
	    "How much the issuer's clock may differ from ours." },

	{ "submission", "messages_per_hour", KIND_COUNT,
	    MEMBER(send_messages_hour), "0", 0, INT32_MAX, false,
	    "Messages that an account may send in an hour, unless ulak account "
	    "set says otherwise; 0 is any number." },
	{ "submission", "messages_per_day", KIND_COUNT,
	    MEMBER(send_messages_day), "0", 0, INT32_MAX, false,
	    "The same in a day." },
	{ "submission", "recipients_per_hour", KIND_COUNT,
	    MEMBER(send_rcpts_hour), "0", 0, INT32_MAX, false,
	    "Recipients that an account may send to in an hour; 0 is any "
	    "number." },
	{ "submission", "recipients_per_day", KIND_COUNT,
	    MEMBER(send_rcpts_day), "0", 0, INT32_MAX, false,
	    "The same in a day." },

	{ "relay", "networks", KIND_NETWORKS, MEMBER(relay_networks), "", 0, 0,
	    false,
	    "Networks whose hosts may send to any address through port 25 "
	    "without a login. Who can speak from there is believed." },
	{ "relay", "own_senders", KIND_BOOL, MEMBER(relay_own_senders), "true",
	    0, 0, false,
	    "What they send beyond our domains must have a sender of a domain "
	    "that is served here, or none." },
	{ "relay", "lifetime", KIND_DURATION, MEMBER(relay_lifetime), "14d",
	    100 * TIME_MS, 365 * TIME_DAY, false,
	    "How long mail for a domain of kind relay waits for its own "
	    "servers." },

	{ "outbound", "port", KIND_PORT, MEMBER(outbound_port), "25", 1, 65535,
	    true,
	    "The port of other servers. Anything but 25 is for tests and "
	    "laptops." },
	{ "outbound", "permit_loopback", KIND_BOOL,
	    MEMBER(outbound_permit_loopback), "false", 0, 0, true,
	    "Other servers may be on a loopback address. For tests and "
	    "laptops." },
	{ "outbound", "authorities", KIND_PATH, MEMBER(outbound_authorities),
	    "/etc/ssl/certs/ca-certificates.crt", 0, 0, false,
	    "Whose word is taken for the certificates of other servers, where "
	    "a sender requires TLS all the way (REQUIRETLS): a file of "
	    "certificates in PEM. Without it such mail comes back. Other mail "
	    "goes encrypted to whoever answers." },
	{ "outbound", "convert_8bit", KIND_BOOL, MEMBER(convert_8bit), "true",
	    0, 0, false,
	    "Mail that is 8-bit or binary is converted for a server that does "
	    "not take it: its parts become quoted-printable or base64, and "
	    "decode "
	    "to the same octets. A DKIM signature of its body is broken by "
	    "that. With false such mail comes back (5.6.3)." },
	{ "outbound", "chunking", KIND_BOOL, MEMBER(chunking), "true", 0, 0,
	    false,
	    "Mail goes by BDAT (RFC 3030) to a server that offers CHUNKING, as "
	    "one chunk. One that offers it and does not know it gets DATA "
	    "instead. With false only binary mail goes by BDAT." },
	{ "outbound", "mta_sts", KIND_BOOL, MEMBER(mta_sts), "true", 0, 0,
	    false,
	    "Looks for the MTA-STS policies of domains (RFC 8461) and keeps "
	    "them: where one is enforced, mail goes only to the hosts that it "
	    "names, with a certificate that outbound.authorities vouch for." },
	{ "outbound", "mta_sts_timeout", KIND_DURATION, MEMBER(mta_sts_timeout),
	    "60s", 100 * TIME_MS, TIME_HOUR, false,
	    "How long fetching a policy may take (RFC 8461, 3.3)." },
	{ "outbound", "mta_sts_wait", KIND_DURATION, MEMBER(mta_sts_wait),
	    "10s", 10 * TIME_MS, TIME_HOUR, false,
	    "How long mail waits for a policy that is being fetched; then it "
	    "goes by the one that is kept, or as if there were none." },
	{ "outbound", "tls", KIND_MINIMUM, MEMBER(outbound_tls), "may", 1, 5,
	    false,
	    "What is asked of other servers' TLS at least: none (never use "
	    "it), may (when they have it), encrypt (never in the clear), "
	    "verify (with a certificate for the server or the domain by one of "
	    "the authorities) or dane (RFC 7672 with signed TLSA records). "
	    "What a domain demands of its own accord by DANE or MTA-STS is "
	    "kept beside it. ulak destination sets it for single domains." },
	{ "outbound", "connect_timeout", KIND_DURATION, MEMBER(connect_timeout),
	    "30s", 100 * TIME_MS, TIME_HOUR, false,
	    "How long a connection to one address may take to be made." },
	{ "outbound", "fallback_delay", KIND_DURATION, MEMBER(fallback_delay),
	    "2s", 100 * TIME_MS, TIME_HOUR, false,
	    "How long an address may take to answer while its host has "
	    "another one; it has its whole time behind the last." },
	{ "outbound", "addresses", KIND_FAMILIES, MEMBER(outbound_families),
	    "both", 0, 3, false,
	    "Which addresses of a mail host are tried: both (IPv6 first), "
	    "ipv4-first, ipv4 or ipv6." },
	{ "outbound", "hostname", KIND_HOST, MEMBER(outbound_hostname), "", 0,
	    0, false,
	    "The name that EHLO says to other servers; server.hostname when "
	    "empty. A route may say another." },
	{ "outbound", "source_ipv4", KIND_ADDRESS, MEMBER(outbound_source4), "",
	    0, 0, false,
	    "From which address of ours mail goes out over IPv4; a route may "
	    "say another." },
	{ "outbound", "source_ipv6", KIND_ADDRESS, MEMBER(outbound_source6), "",
	    0, 0, false, "The same over IPv6." },
	{ "outbound", "own_addresses", KIND_NETWORKS, MEMBER(outbound_own), "",
	    0, 0, false,
	    "Addresses at which the world reaches this server and which no "
	    "interface here has, because something in front translates them "
	    "or passes connections on. Mail that would be carried there would "
	    "come back to us: such mail hosts count as ourselves, like the "
	    "addresses that port 25 listens at." },
	{ "outbound", "greeting_timeout", KIND_DURATION,
	    MEMBER(greeting_timeout), "5m", 100 * TIME_MS, TIME_HOUR, false,
	    "How long the greeting is waited for (RFC 5321, 4.5.3.2.1)." },
	{ "outbound", "command_timeout", KIND_DURATION, MEMBER(command_timeout),
	    "5m", 100 * TIME_MS, TIME_HOUR, false,
	    "How long the reply to a command is waited for, other than those "
	    "that follow." },
	{ "outbound", "mail_timeout", KIND_DURATION, MEMBER(mail_timeout), "5m",
	    100 * TIME_MS, TIME_HOUR, false,
	    "How long the reply to MAIL is waited for (RFC 5321, "
	    "4.5.3.2.2)." },
	{ "outbound", "rcpt_timeout", KIND_DURATION, MEMBER(rcpt_timeout), "5m",
	    100 * TIME_MS, TIME_HOUR, false,
	    "How long the reply to a RCPT is waited for (RFC 5321, "
	    "4.5.3.2.3)." },
	{ "outbound", "data_start_timeout", KIND_DURATION,
	    MEMBER(data_start_timeout), "2m", 100 * TIME_MS, TIME_HOUR, false,
	    "How long the reply to DATA is waited for (RFC 5321, "
	    "4.5.3.2.4)." },
	{ "outbound", "data_timeout", KIND_DURATION, MEMBER(data_timeout), "3m",
	    100 * TIME_MS, TIME_HOUR, false,
	    "How long a block of the message may take to be sent (RFC 5321, "
	    "4.5.3.2.5)." },
	{ "outbound", "dot_timeout", KIND_DURATION, MEMBER(dot_timeout), "10m",
	    100 * TIME_MS, TIME_HOUR, false,
	    "How long the reply to the end of the message is waited for (RFC "
	    "5321, 4.5.3.2.6)." },
	{ "outbound", "retry_first", KIND_DURATION, MEMBER(retry_first), "5m",
	    10 * TIME_MS, 30 * TIME_DAY, false,
	    "The wait after the first failed attempt." },
	{ "outbound", "retry_max", KIND_DURATION, MEMBER(retry_max), "4h",
	    10 * TIME_MS, 30 * TIME_DAY, false,
	    "The longest wait between two attempts." },
	{ "outbound", "retry_growth", KIND_PERCENT, MEMBER(retry_growth), "200",
	    100, 1000, false,
	    "Each wait in percent of the one before; 200 doubles it." },
	{ "outbound", "lifetime", KIND_DURATION, MEMBER(lifetime), "5d",
	    100 * TIME_MS, 365 * TIME_DAY, false,
	    "How long delivery is tried before the sender hears that it failed "
	    "(RFC 5321, 4.5.4.1 asks for 4 to 5 days)." },
	{ "outbound", "delay_warning", KIND_DURATION, MEMBER(delay_warning),
	    "0s", 0, 365 * TIME_DAY, false,
	    "After how long the sender hears that delivery is late; \"0s\" is "
	    "never." },
	{ "outbound", "suppress_after", KIND_COUNT, MEMBER(suppress_after), "0",
	    0, 1000, false,
	    "Mail of a login to a recipient elsewhere is refused when his "
	    "server has said so often that there is nobody, to senders of the "
	    "same domain; 0: never (\"ulak suppress\" shows them all the "
	    "same)." },
	{ "outbound", "suppress_for", KIND_DURATION, MEMBER(suppress_for),
	    "30d", TIME_SECOND, 3650 * TIME_DAY, false,
	    "How long such a recipient is remembered after the last time." },
	{ "outbound", "per_destination", KIND_COUNT, MEMBER(per_destination),
	    "20", 1, 1000, false, "Connections to one destination at a time." },
	{ "outbound", "per_hosts", KIND_COUNT, MEMBER(per_hosts), "100", 1,
	    1000, false,
	    "Connections at a time to mail hosts that are the same of several "
	    "destinations, for all of these together, and for one of them "
	    "when it is less than outbound.per_destination; where "
	    "'ulak destination' sets a concurrency, that counts." },
	{ "outbound", "per_connection", KIND_COUNT, MEMBER(per_connection),
	    "100", 1, 10000, false,
	    "Messages on one connection before it is ended." },
	{ "outbound", "per_message", KIND_COUNT, MEMBER(per_mail), "100", 1,
	    100, false,
	    "Recipients of one message in one transaction (RFC 5321, "
	    "4.5.3.1.8: any server takes 100)." },

	{ "reports", "tls", KIND_BOOL, MEMBER(reports_tls), "true", 0, 0, false,
	    "Counts how TLS goes with the hosts of domains that want to hear "
	    "of it, and sends them a report each day (RFC 8460)." },
	{ "reports", "contact", KIND_TEXT, MEMBER(reports_contact), "", 0, 0,
	    false,
	    "The address that reports come from and name. When empty: "
	    "postmaster of the first domain that is served here." },
	{ "reports", "tls_mailbox", KIND_TEXT, MEMBER(reports_tls_mailbox), "",
	    0, 0, false,
	    "The account of ours to which others send their reports about TLS "
	    "(rua= of our _smtp._tls records): 'ulak reports tls received' "
	    "shows what is in its inbox." },

	{ "resolver", "server", KIND_ADDRESS, MEMBER(resolver_server), "", 0, 0,
	    true,
	    "Asks the DNS server at this address for everything. When empty, "
	    "the resolver works from the root itself." },
	{ "resolver", "port", KIND_PORT, MEMBER(resolver_port), "53", 1, 65535,
	    true, "The port of resolver.server." },
	{ "resolver", "root_hints", KIND_PATH, MEMBER(resolver_root_hints), "",
	    0, 0, true,
	    "A file of root hints instead of those that are built in." },
	{ "resolver", "trust_anchor", KIND_TEXT, MEMBER(resolver_trust_anchor),
	    "", 0, 0, true,
	    "DS or DNSKEY records to trust instead of the anchor of the public "
	    "root that is built in; one a line. A line that begins with / is "
	    "the path of a file of such records, read at the start." },
	{ "resolver", "permit_loopback", KIND_BOOL,
	    MEMBER(resolver_permit_loopback), "false", 0, 0, true,
	    "DNS servers may be on a loopback address. For tests and "
	    "laptops." },
	{ "resolver", "stubs", KIND_TEXT, MEMBER(resolver_stubs), "", 0, 0,
	    true,
	    "Zones that are asked of a given server: \"zone address@port\", "
	    "one a line." },

	{ "store", "min_free_percent", KIND_PERCENT, MEMBER(min_free_percent),
	    "5", 0, 90, false,
	    "Below this share of free space no mail is taken from "
	    "strangers." },
};
const size_t settings_keys_n = sizeof(settings_keys) / sizeof(settings_keys[0]);

_Static_assert(sizeof(settings_keys) / sizeof(settings_keys[0]) <=
	SETTINGS_KEYS_MAX,
    "SETTINGS_KEYS_MAX is too small");
