/* SPDX-License-Identifier: ISC */
/*
 * config/settings_listener - [[listener]]: one service at one place
 *
 * A place is an address and a port, or, for LMTP alone, a socket in the file
 * system: "unix:/path" with its mode and its owner. An array of addresses is
 * as many listeners. Nothing is resolved here: who the owner is asks the
 * supervisor.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/settings_table.h"

static bool
refuse(struct settings_table_error *err, const uint8_t *at, const char *why)
{
	err->at = at;
	(void)snprintf(err->text, sizeof(err->text), "listener.%s", why);
	return false;
}

static uint8_t
service_by_name(struct slice name)
{
	for (unsigned i = SERVICE_MX; i < SERVICE_CONTROL; i++)
		if (slice_equal(name, slice_cstr(settings_service_names[i])))
			return (uint8_t)i;
	return SERVICE_NONE;
}

/* -- one key each ----------------------------------------------------------
 */

static bool
read_service(struct settings_listener *l, const struct toml_node *n,
    struct settings_table_error *err)
{
	if (n->type == TOML_STRING)
		l->service = service_by_name(n->text);
	if (l->service == SERVICE_NONE)
		return refuse(err, n->value_at,
		    "service needs one of \"mx\", \"submission\", "
		    "\"submissions\", \"imap\", \"imaps\", \"pop3\", "
		    "\"pop3s\", \"lmtp\"");
	l->port = settings_service_ports[l->service];
	return true;
}

static bool
read_port(struct settings_listener *l, const struct toml_node *n,
    struct settings_table_error *err)
{
	if (n->type != TOML_INTEGER || n->integer < 1 || n->integer > 65535)
		return refuse(err, n->value_at,
		    "port needs a number from 1 to 65535");
	if (n->integer == 25 && l->service == SERVICE_LMTP)
		return refuse(err, n->value_at,
		    "port 25 is for SMTP between servers, never for LMTP (RFC "
		    "2033, 5)");
	l->port = (uint16_t)n->integer;
	return true;
}

/* mode = [ "0" ] 3octal: what chmod(1) takes; no set bits, no sticky one */
static bool
read_mode(struct settings_listener *l, const struct toml_node *n,
    struct settings_table_error *err)
{
	struct slice s = n->text;
	unsigned mode = 0;

	if (n->type == TOML_STRING && s.len == 4)
		(void)slice_skip_byte(&s, '0');
	for (size_t i = 0; n->type == TOML_STRING && s.len == 3 && i < 3; i++) {
		if (s.at[i] < '0' || s.at[i] > '7')
			break;
		mode = mode << 3 | (s.at[i] - '0');
		if (i == 2 && mode != 0) {
			l->mode = (uint16_t)mode;
			return true;
		}
	}
	return refuse(err, n->value_at,
	    "mode needs three octal digits in quotes, such as \"0660\"");
}

static bool
is_user_octet(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* owner = user [ ":" group ] / ":" group */
static bool
read_owner(struct settings_listener *l, const struct toml_node *n,
    struct settings_table_error *err)
{
	struct slice s = n->text, user = { 0 }, group = { 0 };
	bool is_right = n->type == TOML_STRING;

	(void)slice_take_while(&s, is_user_octet, &user);
	if (slice_skip_byte(&s, ':'))
		is_right =
		    is_right && slice_take_while(&s, is_user_octet, &group);
	if (is_right && s.len == 0 && user.len + group.len > 0 &&
	    slice_to_cstr(user, l->user, sizeof(l->user)) &&
	    slice_to_cstr(group, l->group, sizeof(l->group)))
		return true;
	return refuse(err, n->value_at,
	    "owner needs \"user\", \"user:group\" or \":group\"");
}

/* Read elsewhere: they need what the others have said. */
static bool
leave(struct settings_listener *l, const struct toml_node *n,
    struct settings_table_error *err)
{
	(void)l, (void)n, (void)err;
	return true;
}

static const struct key {
	const char *name;
	bool (*read)(struct settings_listener *l, const struct toml_node *n,
	    struct settings_table_error *err);
} keys[] = {
	{ "service", read_service },
	{ "port", read_port },
	{ "mode", read_mode },
	{ "owner", read_owner },
	{ "address", leave },
	{ "proxy", leave },
};
enum {
	N_KEYS = sizeof(keys) / sizeof(keys[0])
};

static bool
check_keys(const struct toml_node *table, struct settings_table_error *err)
{
	char why[SETTINGS_ERROR / 2];

	for (const struct toml_node *n = table->first; n != NULL; n = n->next) {
		size_t i = 0, len = 0;

		while (i < N_KEYS &&
		    !slice_equal(n->key, slice_cstr(keys[i].name)))
			i++;
		if (i < N_KEYS)
			continue;
		for (; len < n->key.len && len < 60; len++)
			why[len] = ascii_is_print(n->key.at[len])
			    ? (char)n->key.at[len]
			    : '?';
		why[len] = '\0';
		err->at = n->at;
		(void)snprintf(err->text, sizeof(err->text),
		    "unknown key listener.%s; a listener has service, "
		    "address, port and proxy, and at a unix: address mode and "
		    "owner",
		    why);
		return false;
	}
	return true;
}

/* -- places ----------------------------------------------------------------
 */

static bool
is_same_place(const struct settings_listener *a,
    const struct settings_listener *b)
{
	return a->family == b->family && a->port == b->port &&
	    memcmp(a->address, b->address, sizeof(a->address)) == 0 &&
	    strcmp(a->path, b->path) == 0;
}

static bool
add(const struct settings_listener *l, const uint8_t *at, struct settings *s,
    struct settings_table_error *err)
{
	err->at = at;
	for (uint32_t i = 0; i < s->n_listeners; i++)
		if (is_same_place(&s->listeners[i], l)) {
			(void)snprintf(err->text, sizeof(err->text),
			    "the listener on line %u has this %s already",
			    s->listeners[i].line,
			    l->family == 0 ? "path" : "address and port");
			return false;
		}
	if (s->n_listeners == LIMIT_LISTENERS) {
		(void)snprintf(err->text, sizeof(err->text),
		    "more than %d listeners", LIMIT_LISTENERS);
		return false;
	}
	s->listeners[s->n_listeners++] = *l;
	return true;
}

/* "unix:/path": whoever may open it is as trusted as who reaches a port, so
 * there it is for LMTP, which knows no login, and nothing else. */
static bool
add_local(const struct settings_listener *like, const struct toml_node *table,
    const struct toml_node *n, struct settings *s,
    struct settings_table_error *err)
{
	struct settings_listener l = *like;
	struct slice path = slice_from(n->text, 5);

	if (l.service != SERVICE_LMTP)
		return refuse(err, n->value_at,
		    "address: only lmtp listens at a unix: socket");
	if (!slice_starts(path, SLICE("/")) || slice_ends(path, SLICE("/")) ||
	    slice_find_byte(path, '\0') != SIZE_MAX ||
	    !slice_to_cstr(path, l.path, sizeof(l.path)))
		return refuse(err, n->value_at,
		    "address needs \"unix:/path/of/socket\", at most 107 "
		    "octets of path");
	if (toml_get(table, SLICE("port")) != NULL ||
	    toml_get(table, SLICE("proxy")) != NULL)
		return refuse(err, n->value_at,
		    "address: a unix: socket has no port and no proxy");
	l.port = 0;
	if (l.mode == 0)
		l.mode = 0660;
	return add(&l, table->at, s, err);
}

static bool
add_at(const struct settings_listener *like, const struct toml_node *table,
    const struct toml_node *n, struct settings *s,
    struct settings_table_error *err)
{
	struct settings_listener l = *like;

	if (n->type == TOML_STRING && slice_starts(n->text, SLICE("unix:")))
		return add_local(like, table, n, s, err);
	if (n->type != TOML_STRING || !settings_address_parse(n->text, &l))
		return refuse(err, n->value_at,
		    "address needs an IPv4 or IPv6 address in quotes, or an "
		    "array of such; for lmtp also \"unix:/path\"");
	if (l.mode != 0 || l.user[0] != '\0' || l.group[0] != '\0')
		return refuse(err, n->value_at,
		    "mode and owner are of unix: addresses alone");
	return add(&l, table->at, s, err);
}

/* Who speaks PROXY at the listeners from `first` on: those of one table. */
static bool
read_proxy(const struct toml_node *table, uint32_t first, struct settings *s,
    struct settings_table_error *err)
{
	const struct toml_node *proxy = toml_get(table, SLICE("proxy"));
	char why[SETTINGS_ERROR / 2], text[SETTINGS_ERROR - 16];

	for (uint32_t i = first; proxy != NULL && i < s->n_listeners; i++) {
		const struct settings_key key = { .kind = KIND_NETWORKS,
			.offset = offsetof(struct settings, listener_proxy) +
			    i * SETTINGS_PROXY,
			.size = SETTINGS_PROXY };

		if (settings_value_read(&key, proxy, s, why, sizeof(why)))
			continue;
		(void)snprintf(text, sizeof(text), "proxy %s", why);
		return refuse(err, proxy->value_at, text);
	}
	return true;
}

bool
settings_listener_read(const struct toml_node *table, uint32_t line,
    struct settings *s, struct settings_table_error *err)
{
	const struct toml_node *address = toml_get(table, SLICE("address"));
	struct settings_listener l = { .line = line };
	uint32_t first = s->n_listeners;

	if (!check_keys(table, err))
		return false;
	for (size_t i = 0; i < N_KEYS; i++) {
		const struct toml_node *n =
		    toml_get(table, slice_cstr(keys[i].name));

		if (n != NULL && !keys[i].read(&l, n, err))
			return false;
		/* the first row: others need it */
		if (l.service == SERVICE_NONE)
			return refuse(err, table->at,
			    "service is missing: mx, submission, submissions, "
			    "imap, imaps, pop3, pop3s or lmtp");
	}
	if (address == NULL)
		return refuse(err, table->at,
		    "address is missing; \"0.0.0.0\" is every IPv4 address of "
		    "this machine, \"::\" every IPv6 address");
	if (address->type != TOML_ARRAY)
		return add_at(&l, table, address, s, err) &&
		    read_proxy(table, first, s, err);
	for (const struct toml_node *a = address->first; a != NULL; a = a->next)
		if (!add_at(&l, table, a, s, err))
			return false;
	return read_proxy(table, first, s, err);
}

/* -- out ------------------------------------------------------------------- */

int
settings_listener_print(const struct settings_listener *l, struct buf *out)
{
	const uint8_t *a = l->address;
	int r = 0;

	if (l->family == 0)
		return buf_printf(out, "unix:%s", l->path);
	if (l->family == 4)
		return buf_printf(out, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	for (size_t i = 0; i < 16 && r == 0; i += 2)
		r = buf_printf(out, "%s%x", i == 0 ? "" : ":",
		    (unsigned)(a[i] << 8 | a[i + 1]));
	return r;
}

void
settings_owner_print(const struct settings_listener *l,
    char text[SETTINGS_OWNER])
{
	(void)snprintf(text, SETTINGS_OWNER, "%s%s%s", l->user,
	    l->group[0] != '\0' ? ":" : "", l->group);
}
