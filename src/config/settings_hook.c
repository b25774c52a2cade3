/* SPDX-License-Identifier: ISC */
/*
 * config/settings_hook - [[hook]]: the content filters of this machine
 *
 * Each table is one filter; the order of the file is the order in which they
 * are asked. A table of keys reads the values; what must agree is compared
 * when all of them are there.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "config/settings_table.h"

const char *const settings_hook_kinds[N_HOOK_KINDS] = {
	[HOOK_MILTER] = "milter",
	[HOOK_RSPAMD] = "rspamd",
	[HOOK_CLAMD] = "clamd",
};

struct trouble {
	char *text;
	size_t size;
};

static bool
refuse(const struct trouble *t, const char *why)
{
	(void)snprintf(t->text, t->size, "%s", why);
	return false;
}

static bool
is_name_octet(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool
read_name(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	struct slice s = n->text, run;

	if (n->type != TOML_STRING ||
	    !slice_take_while(&s, is_name_octet, &run) || s.len > 0 ||
	    !slice_to_cstr(run, h->name, sizeof(h->name)))
		return refuse(t,
		    "needs 1 to 31 letters, digits, - and _ in quotes");
	return true;
}

static bool
read_kind(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	for (unsigned i = 0; i < N_HOOK_KINDS; i++)
		if (n->type == TOML_STRING &&
		    slice_equal(n->text, slice_cstr(settings_hook_kinds[i]))) {
			h->kind = (uint8_t)i;
			return true;
		}
	return refuse(t, "needs one of \"milter\", \"rspamd\", \"clamd\"");
}

/* inet = "inet:" ( IPv4 / "[" IPv6 "]" ) ":" port */
static bool
read_inet(struct settings_hook *h, struct slice s)
{
	size_t colon = slice_find_last_byte(s, ':');
	struct settings_listener l = { 0 };
	struct slice host = slice_upto(s, colon);
	uint64_t port;

	if (colon == SIZE_MAX ||
	    !slice_to_u64(slice_from(s, colon + 1), 65535, &port) || port == 0)
		return false;
	if (slice_skip_byte(&host, '[')) {
		if (!slice_ends(host, SLICE("]")))
			return false;
		host.len--;
	}
	if (!settings_address_parse(host, &l) ||
	    (l.family == 6) != slice_starts(s, SLICE("[")))
		return false;
	h->family = l.family;
	h->port = (uint16_t)port;
	memcpy(h->address, l.address, sizeof(h->address));
	return true;
}

static bool
read_address(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	struct slice s = n->text;

	if (n->type == TOML_STRING && slice_skip(&s, SLICE("inet:")) &&
	    read_inet(h, s))
		return true;
	if (n->type == TOML_STRING && slice_skip(&s, SLICE("unix:")) &&
	    slice_starts(s, SLICE("/")) &&
	    slice_find_byte(s, '\0') == SIZE_MAX &&
	    slice_to_cstr(s, h->path, sizeof(h->path)))
		return true;
	return refuse(t,
	    "needs \"inet:192.0.2.1:8891\", \"inet:[2001:db8::1]:8891\" or "
	    "\"unix:/path/of/socket\" (at most 107 octets)");
}

static bool
read_services(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	h->services = 0;
	if (n->type == TOML_ARRAY)
		for (const struct toml_node *s = n->first; s != NULL;
		     s = s->next) {
			if (s->type == TOML_STRING &&
			    slice_equal(s->text, SLICE("mx")))
				h->services |= HOOK_OF_MX;
			else if (s->type == TOML_STRING &&
			    slice_equal(s->text, SLICE("submission")))
				h->services |= HOOK_OF_SUBMISSION;
			else
				break;
			if (s->next == NULL)
				return true;
		}
	return refuse(t, "needs an array of \"mx\" and \"submission\"");
}

static bool
read_time(const struct toml_node *n, int64_t *ret, const struct trouble *t)
{
	int64_t us;

	if (n->type != TOML_STRING || !settings_duration_parse(n->text, &us) ||
	    us < 10 * TIME_MS || us > 9 * TIME_MINUTE)
		return refuse(t, "needs a duration from \"10ms\" to \"9m\"");
	*ret = us;
	return true;
}

static bool
read_connect_timeout(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	return read_time(n, &h->connect_timeout, t);
}

static bool
read_timeout(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	return read_time(n, &h->timeout, t);
}

static bool
read_end_timeout(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	return read_time(n, &h->end_timeout, t);
}

static bool
read_one_of(const struct toml_node *n, const char *no, const char *yes,
    bool *ret, const struct trouble *t)
{
	bool is_yes =
	    n->type == TOML_STRING && slice_equal(n->text, slice_cstr(yes));

	if (!is_yes &&
	    !(n->type == TOML_STRING && slice_equal(n->text, slice_cstr(no)))) {
		(void)snprintf(t->text, t->size, "needs \"%s\" or \"%s\"", no,
		    yes);
		return false;
	}
	*ret = is_yes;
	return true;
}

static bool
read_on_failure(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	return read_one_of(n, "tempfail", "accept", &h->accepts_on_failure, t);
}

static bool
read_on_found(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	return read_one_of(n, "reject", "quarantine", &h->quarantines, t);
}

static bool
read_max(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	if (n->type != TOML_INTEGER || n->integer < 1 || n->integer > 10000)
		return refuse(t, "needs a number from 1 to 10000");
	h->max = (uint32_t)n->integer;
	return true;
}

static bool
read_max_size(struct settings_hook *h, const struct toml_node *n,
    const struct trouble *t)
{
	if (h->kind == HOOK_MILTER)
		return refuse(t, "is for rspamd and clamd");
	if (n->type != TOML_STRING ||
	    !settings_size_parse(n->text, &h->max_size) || h->max_size == 0)
		return refuse(t, "needs a size such as \"25MiB\"");
	return true;
}

static const struct {
	const char *name;
	bool must;
	bool (*read)(struct settings_hook *h, const struct toml_node *n,
	    const struct trouble *t);
} keys[] = {
	{ "name", true, read_name },
	{ "kind", true, read_kind },
	{ "address", true, read_address },
	{ "services", false, read_services },
	{ "connect_timeout", false, read_connect_timeout },
	{ "timeout", false, read_timeout },
	{ "end_timeout", false, read_end_timeout },
	{ "on_failure", false, read_on_failure },
	{ "on_found", false, read_on_found },
	{ "max", false, read_max },
	{ "max_size", false, read_max_size },
};
enum {
	N_KEYS = sizeof(keys) / sizeof(keys[0])
};

static bool
is_key(struct slice name)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (slice_equal(name, slice_cstr(keys[i].name)))
			return true;
	return false;
}

static bool
read_keys(struct settings_hook *h, const struct toml_node *table,
    struct settings_table_error *err)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		const struct toml_node *n =
		    toml_get(table, slice_cstr(keys[i].name));
		char why[SETTINGS_ERROR / 2] = "must be given";
		const struct trouble t = { why, sizeof(why) };

		if (n == NULL ? !keys[i].must : keys[i].read(h, n, &t))
			continue;
		err->at = n == NULL ? table->at : n->value_at;
		(void)snprintf(err->text, sizeof(err->text), "hook.%s %s",
		    keys[i].name, why);
		return false;
	}
	return true;
}

bool
settings_hook_read(const struct toml_node *table, struct settings *s,
    struct settings_table_error *err)
{
	struct settings_hook h = { .services = HOOK_OF_MX,
		.connect_timeout = 5 * TIME_SECOND,
		.timeout = 30 * TIME_SECOND,
		.end_timeout = 2 * TIME_MINUTE,
		.max = 100 };

	err->at = table->at;
	for (const struct toml_node *n = table->first; n != NULL; n = n->next)
		if (!is_key(n->key)) {
			err->at = n->at;
			(void)snprintf(err->text, sizeof(err->text),
			    "a [[hook]] has no such key: it has name, kind, "
			    "address, services, connect_timeout, timeout, "
			    "end_timeout, on_failure, on_found, max and "
			    "max_size");
			return false;
		}
	if (!read_keys(&h, table, err))
		return false;
	for (uint32_t i = 0; i < s->n_hooks; i++)
		if (strcmp(s->hooks[i].name, h.name) == 0) {
			(void)snprintf(err->text, sizeof(err->text),
			    "two [[hook]]s are named %s", h.name);
			return false;
		}
	if (s->n_hooks == LIMIT_HOOKS) {
		(void)snprintf(err->text, sizeof(err->text),
		    "more than %d [[hook]]s", LIMIT_HOOKS);
		return false;
	}
	s->hooks[s->n_hooks++] = h;
	return true;
}

/* -- out ------------------------------------------------------------------- */

int
settings_hook_address_print(const struct settings_hook *h, struct buf *out)
{
	struct settings_listener l = { .family = h->family };
	int r;

	if (h->family == 0)
		return buf_printf(out, "unix:%s", h->path);
	memcpy(l.address, h->address, sizeof(l.address));
	r = buf_add_cstr(out, h->family == 6 ? "inet:[" : "inet:");
	if (r == 0)
		r = settings_listener_print(&l, out);
	return r != 0
	    ? r
	    : buf_printf(out, "%s:%u", h->family == 6 ? "]" : "", h->port);
}

static int
print_number(const char *name, enum settings_kind kind, int64_t value,
    struct buf *out)
{
	int r = buf_printf(out, "%s = ", name);

	if (r == 0)
		r = settings_number_print(kind, value, out);
	return r == 0 ? buf_add_cstr(out, "\n") : r;
}

int
settings_hook_print(const struct settings_hook *h, struct buf *out)
{
	int r = buf_printf(out, "name = \"%s\"\nkind = \"%s\"\naddress = \"",
	    h->name, settings_hook_kinds[h->kind]);

	if (r == 0)
		r = settings_hook_address_print(h, out);
	if (r == 0)
		r = buf_printf(out, "\"\nservices = [%s%s%s]\n",
		    (h->services & HOOK_OF_MX) != 0 ? "\"mx\"" : "",
		    h->services == (HOOK_OF_MX | HOOK_OF_SUBMISSION) ? ", "
								     : "",
		    (h->services & HOOK_OF_SUBMISSION) != 0 ? "\"submission\""
							    : "");
	if (r == 0)
		r = print_number("connect_timeout", KIND_DURATION,
		    h->connect_timeout, out);
	if (r == 0)
		r = print_number("timeout", KIND_DURATION, h->timeout, out);
	if (r == 0)
		r = print_number("end_timeout", KIND_DURATION, h->end_timeout,
		    out);
	if (r == 0)
		r = buf_printf(out,
		    "on_failure = \"%s\"\non_found = \"%s\"\nmax = %u\n",
		    h->accepts_on_failure ? "accept" : "tempfail",
		    h->quarantines ? "quarantine" : "reject", h->max);
	if (r == 0 && h->max_size > 0)
		r = print_number("max_size", KIND_SIZE, (int64_t)h->max_size,
		    out);
	return r;
}

bool
settings_hook_is_of(const struct settings_hook *h, unsigned service)
{
	unsigned bit = service == SERVICE_MX ? HOOK_OF_MX
	    : service == SERVICE_SUBMISSION || service == SERVICE_SUBMISSIONS
	    ? HOOK_OF_SUBMISSION
	    : 0;

	return (h->services & bit) != 0;
}

bool
settings_has_hook(const struct settings *s, unsigned service)
{
	for (uint32_t i = 0; i < s->n_hooks; i++)
		if (settings_hook_is_of(&s->hooks[i], service))
			return true;
	return false;
}
