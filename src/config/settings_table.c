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
	[SERVICE_CONTROL] = "control",
};

const uint16_t settings_service_ports[N_SERVICES] = {
	[SERVICE_MX] = 25,
	[SERVICE_SUBMISSION] = 587,
	[SERVICE_SUBMISSIONS] = 465,
	[SERVICE_IMAP] = 143,
	[SERVICE_IMAPS] = 993,
	[SERVICE_POP3] = 110,
	[SERVICE_POP3S] = 995,
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

	{ "imap", "idle", KIND_DURATION, MEMBER(imap_idle), "30m",
	    100 * TIME_MS, TIME_DAY, false,
	    "How long a client may be silent. RFC 3501, 5.4 asks for at least "
	    "30 minutes." },
	{ "pop3", "idle", KIND_DURATION, MEMBER(pop3_idle), "10m",
	    100 * TIME_MS, TIME_DAY, false,
	    "How long a client may be silent. RFC 1939, 3 asks for at least "
	    "10 minutes." },
	{ "tls", "plain_auth", KIND_BOOL, MEMBER(plain_auth), "false", 0, 0,
	    true,
	    "Takes passwords over connections without TLS. For tests only." },

	{ "outbound", "port", KIND_PORT, MEMBER(outbound_port), "25", 1, 65535,
	    true,
	    "The port of other servers. Anything but 25 is for tests and "
	    "laptops." },
	{ "outbound", "permit_loopback", KIND_BOOL,
	    MEMBER(outbound_permit_loopback), "false", 0, 0, true,
	    "Other servers may be on a loopback address. For tests and "
	    "laptops." },
	{ "outbound", "connect_timeout", KIND_DURATION, MEMBER(connect_timeout),
	    "30s", 100 * TIME_MS, TIME_HOUR, false,
	    "How long a connection to one address may take to be made." },
	{ "outbound", "greeting_timeout", KIND_DURATION,
	    MEMBER(greeting_timeout), "5m", 100 * TIME_MS, TIME_HOUR, false,
	    "How long the greeting is waited for (RFC 5321, 4.5.3.2.1)." },
	{ "outbound", "command_timeout", KIND_DURATION, MEMBER(command_timeout),
	    "5m", 100 * TIME_MS, TIME_HOUR, false,
	    "How long the reply to a command is waited for (RFC 5321, "
	    "4.5.3.2.2 and 4.5.3.2.3)." },
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
	{ "outbound", "per_destination", KIND_COUNT, MEMBER(per_destination),
	    "20", 1, 1000, false, "Connections to one destination at a time." },

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
	    "root that is built in; one a line." },
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
