/* SPDX-License-Identifier: ISC */
/*
 * config/settings_value - values by kind: from the file, and as text again
 *
 * One row a kind in `kinds`. What is printed can be read again and gives the
 * same value. Durations and sizes are strings with units, so that no number
 * has to be guessed at: "90s", "1h30m", "50MiB".
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ip.h"
#include "base/time.h"
#include "config/settings_table.h"
#include "policy/tls_policy.h"
#include "sasl/mechanism.h"
#include "smtp/param.h"

struct unit {
	struct slice name;
	uint64_t factor;
};

/* Greatest first: printing takes the first that divides. */
static const struct unit duration_units[] = {
	{ SLICE("w"), 7 * (uint64_t)TIME_DAY },
	{ SLICE("d"), (uint64_t)TIME_DAY },
	{ SLICE("h"), (uint64_t)TIME_HOUR },
	{ SLICE("m"), (uint64_t)TIME_MINUTE },
	{ SLICE("s"), (uint64_t)TIME_SECOND },
	{ SLICE("ms"), (uint64_t)TIME_MS },
};
static const struct unit size_units[] = {
	{ SLICE("TiB"), UINT64_C(1) << 40 },
	{ SLICE("GiB"), UINT64_C(1) << 30 },
	{ SLICE("MiB"), UINT64_C(1) << 20 },
	{ SLICE("KiB"), UINT64_C(1) << 10 },
	{ SLICE("TB"), UINT64_C(1000000000000) },
	{ SLICE("GB"), UINT64_C(1000000000) },
	{ SLICE("MB"), UINT64_C(1000000) },
	{ SLICE("kB"), UINT64_C(1000) },
	{ SLICE("B"), 1 },
};
static const char *const levels[] = { "error", "warn", "info", "debug" };

/* DIGITS and one of the units, exactly; false on overflow above max. */
static bool
take_quantity(struct slice *in, const struct unit *units, size_t n_units,
    uint64_t max, uint64_t *ret, size_t *ret_unit)
{
	struct slice rest = *in, name;
	uint64_t n;

	if (!slice_take_u64(&rest, UINT64_MAX, &n) ||
	    !slice_take_while(&rest, ascii_is_alpha, &name))
		return false;
	for (size_t i = 0; i < n_units; i++) {
		if (!slice_equal(name, units[i].name))
			continue;
		if (n > max / units[i].factor)
			return false;
		*ret = n * units[i].factor;
		*ret_unit = i;
		*in = rest;
		return true;
	}
	return false;
}

/* 1*( DIGITS unit ), each unit smaller than the one before */
bool
settings_duration_parse(struct slice s, int64_t *ret_us)
{
	const size_t n_units =
	    sizeof(duration_units) / sizeof(duration_units[0]);
	uint64_t sum = 0, part = 0;
	size_t next = 0, unit = 0;

	do {
		if (!take_quantity(&s, duration_units, n_units, INT64_MAX,
			&part, &unit) ||
		    unit < next || part > INT64_MAX - sum)
			return false;
		sum += part;
		next = unit + 1;
	} while (s.len > 0);
	*ret_us = (int64_t)sum;
	return true;
}

bool
settings_size_parse(struct slice s, uint64_t *ret)
{
	const size_t n_units = sizeof(size_units) / sizeof(size_units[0]);
	struct slice rest = s;
	uint64_t n = 0;
	size_t unit;

	if (slice_to_u64(s, INT64_MAX, &n)) {
		*ret = n;
		return true;
	}
	if (!take_quantity(&rest, size_units, n_units, INT64_MAX, &n, &unit) ||
	    rest.len > 0)
		return false;
	*ret = n;
	return true;
}

bool
settings_address_parse(struct slice s, struct settings_listener *ret)
{
	char text[64];
	struct settings_listener l = *ret;

	memset(l.address, 0, sizeof(l.address));
	if (memchr(s.at, 0, s.len) != NULL ||
	    !slice_to_cstr(s, text, sizeof(text)))
		return false;
	if (inet_pton(AF_INET, text, l.address) == 1)
		l.family = 4;
	else if (inet_pton(AF_INET6, text, l.address) == 1)
		l.family = 6;
	else
		return false;
	*ret = l;
	return true;
}

/* -- texts --------------------------------------------------------------------
 */

/* let-dig *( [ "-" ] let-dig ), dots between; a label has at most 63 */
static bool
is_host(struct slice s)
{
	size_t label = 0;

	if (s.len == 0 || s.len > 253)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool is_edge =
		    label == 0 || i + 1 == s.len || s.at[i + 1] == '.';

		if (s.at[i] == '.') {
			if (label == 0 || i + 1 == s.len)
				return false;
			label = 0;
			continue;
		}
		if (!ascii_is_alnum(s.at[i]) && (s.at[i] != '-' || is_edge))
			return false;
		if (++label > 63)
			return false;
	}
	return true;
}

static bool
check_host(struct slice s, char *err, size_t size)
{
	if (s.len == 0 || is_host(s)) /* who must be given is asked later */
		return true;
	(void)snprintf(err, size,
	    "needs a domain name of letters, digits, hyphens and dots");
	return false;
}

static bool
check_path(struct slice s, char *err, size_t size)
{
	if (s.len == 0 || s.at[0] == '/')
		return true;
	(void)snprintf(err, size, "needs an absolute path, from / on");
	return false;
}

static bool
check_text(struct slice s, char *err, size_t size)
{
	(void)s, (void)err, (void)size;
	return true;
}

static bool
check_address(struct slice s, char *err, size_t size)
{
	struct settings_listener l = { 0 };

	if (s.len == 0 || settings_address_parse(s, &l))
		return true;
	(void)snprintf(err, size, "needs an IPv4 or IPv6 address");
	return false;
}

static bool
check_networks(struct slice s, char *err, size_t size)
{
	struct ip_networks list;

	if (ip_networks_parse(s, &list))
		return true;
	(void)snprintf(err, size,
	    "needs networks such as \"192.0.2.0/24\" or \"2001:db8::/32\", "
	    "with "
	    "no bit behind the prefix, at most %d",
	    IP_NETWORKS);
	return false;
}

static bool
check_mechanisms(struct slice s, char *err, size_t size)
{
	unsigned mask;

	if (s.len == 0 || sasl_mechanisms_parse(s, &mask))
		return true;
	(void)snprintf(err, size,
	    "needs names such as \"SCRAM-SHA-256 PLAIN\", see ulak.toml(5)");
	return false;
}

static bool
check_extensions(struct slice s, char *err, size_t size)
{
	unsigned mask;

	if (smtp_withheld_parse(s, 0, &mask))
		return true;
	(void)snprintf(err, size,
	    "needs extensions such as \"CHUNKING\", or \"lmtp:CHUNKING\" for "
	    "one service, see ulak.toml(5)");
	return false;
}

static bool
keep_text(const struct settings_key *key, struct slice s, struct settings *to,
    char *err, size_t size)
{
	char *at = (char *)to + key->offset;

	if (memchr(s.at == NULL ? (const void *)"" : s.at, 0, s.len) != NULL ||
	    s.len >= key->size) {
		(void)snprintf(err, size,
		    "is longer than %zu bytes, or has a NUL in it",
		    key->size - 1);
		return false;
	}
	memset(at, 0, key->size);
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	return true;
}

/* -- numbers -------------------------------------------------------------- */

static bool
parse_bool(struct slice s, int64_t *ret)
{
	*ret = slice_equal(s, SLICE("true"));
	return *ret != 0 || slice_equal(s, SLICE("false"));
}

static bool
parse_number(struct slice s, int64_t *ret)
{
	uint64_t n = 0;

	if (!slice_to_u64(s, INT64_MAX, &n))
		return false;
	*ret = (int64_t)n;
	return true;
}

static bool
parse_size(struct slice s, int64_t *ret)
{
	uint64_t n = 0;

	if (!settings_size_parse(s, &n))
		return false;
	*ret = (int64_t)n;
	return true;
}

static bool
parse_level(struct slice s, int64_t *ret)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (slice_equal(s, slice_cstr(levels[i]))) {
			*ret = (int64_t)i;
			return true;
		}
	return false;
}

static const char *const tolds[] = { [SMTP_TOLD_NO] = "no",
	[SMTP_TOLD_LOGIN] = "login",
	[SMTP_TOLD_YES] = "yes" };

/* enum search_index */
static const char *const indexes[] = { "off", "on-demand", "always" };

static bool
parse_index(struct slice s, int64_t *ret)
{
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
		if (slice_equal(s, slice_cstr(indexes[i]))) {
			*ret = (int64_t)i;
			return true;
		}
	return false;
}

static int
print_index(int64_t value, struct buf *out)
{
	return buf_printf(out, "\"%s\"", indexes[value]);
}

/* enum route_families (policy/route.h) */
static const char *const families[] = { "both", "ipv4-first", "ipv4", "ipv6" };

static bool
parse_families(struct slice s, int64_t *ret)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (slice_equal(s, slice_cstr(families[i]))) {
			*ret = (int64_t)i;
			return true;
		}
	return false;
}

static int
print_families(int64_t value, struct buf *out)
{
	return buf_printf(out, "\"%s\"", families[value]);
}

static bool
parse_told(struct slice s, int64_t *ret)
{
	for (size_t i = 0; i < sizeof(tolds) / sizeof(tolds[0]); i++)
		if (slice_equal(s, slice_cstr(tolds[i]))) {
			*ret = (int64_t)i;
			return true;
		}
	return false;
}

static int
print_told(int64_t value, struct buf *out)
{
	return buf_printf(out, "\"%s\"", tolds[value]);
}

static bool
parse_minimum(struct slice s, int64_t *ret)
{
	uint8_t m;

	if (!tls_minimum_parse(s, &m))
		return false;
	*ret = m;
	return true;
}

static int
print_minimum(int64_t value, struct buf *out)
{
	return buf_printf(out, "\"%.*s\"",
	    SLICE_FMT(tls_minimum_name((enum tls_minimum)value)));
}

static int
print_units(int64_t value, const struct unit *units, size_t n_units,
    struct buf *out)
{
	uint64_t n = (uint64_t)value;

	for (size_t i = 0; i < n_units; i++)
		if (n > 0 && n % units[i].factor == 0)
			return buf_printf(out, "\"%" PRIu64 "%.*s\"",
			    n / units[i].factor, SLICE_FMT(units[i].name));
	return n == 0 ? buf_add_cstr(out, "\"0s\"")
		      : buf_printf(out, "\"%" PRIu64 "us\"", n);
}

static int
print_duration(int64_t value, struct buf *out)
{
	return print_units(value, duration_units,
	    sizeof(duration_units) / sizeof(duration_units[0]), out);
}

static int
print_size(int64_t value, struct buf *out)
{
	if (value == 0)
		return buf_add_cstr(out, "0");
	return print_units(value, size_units,
	    sizeof(size_units) / sizeof(size_units[0]), out);
}

static int
print_number(int64_t value, struct buf *out)
{
	return buf_printf(out, "%" PRId64, value);
}

static int
print_bool(int64_t value, struct buf *out)
{
	return buf_add_cstr(out, value != 0 ? "true" : "false");
}

static int
print_level(int64_t value, struct buf *out)
{
	return buf_printf(out, "\"%s\"", levels[value]);
}

/* -- the kinds ------------------------------------------------------------ */

static const struct kind {
	const char *needs; /* "needs ..." when it is of another type */
	unsigned types;    /* bits of enum toml_type */
	/* numbers */
	bool (*parse)(struct slice, int64_t *);
	int (*print)(int64_t, struct buf *);
	/* texts */
	bool (*check)(struct slice, char *, size_t);
} kinds[N_KINDS] = {
	[KIND_HOST] = { "a domain name in quotes", 1u << TOML_STRING, NULL,
	    NULL, check_host },
	[KIND_PATH] = { "a path in quotes", 1u << TOML_STRING, NULL, NULL,
	    check_path },
	[KIND_TEXT] = { "text in quotes, or an array of such",
	    1u << TOML_STRING | 1u << TOML_ARRAY, NULL, NULL, check_text },
	[KIND_ADDRESS] = { "an address in quotes", 1u << TOML_STRING, NULL,
	    NULL, check_address },
	[KIND_NETWORKS] = { "a network in quotes, or an array of such",
	    1u << TOML_STRING | 1u << TOML_ARRAY, NULL, NULL, check_networks },
	[KIND_MECHANISMS] = { "names in quotes, or an array of such",
	    1u << TOML_STRING | 1u << TOML_ARRAY, NULL, NULL,
	    check_mechanisms },
	[KIND_EXTENSIONS] = { "names in quotes, or an array of such",
	    1u << TOML_STRING | 1u << TOML_ARRAY, NULL, NULL,
	    check_extensions },
	[KIND_BOOL] = { "true or false", 1u << TOML_BOOL, parse_bool,
	    print_bool, NULL },
	[KIND_COUNT] = { "a whole number", 1u << TOML_INTEGER, parse_number,
	    print_number, NULL },
	[KIND_PERCENT] = { "a whole number", 1u << TOML_INTEGER, parse_number,
	    print_number, NULL },
	[KIND_PORT] = { "a port number", 1u << TOML_INTEGER, parse_number,
	    print_number, NULL },
	[KIND_SIZE] = { "a size such as \"50MiB\"",
	    1u << TOML_STRING | 1u << TOML_INTEGER, parse_size, print_size,
	    NULL },
	[KIND_DURATION] = { "a duration such as \"90s\", \"5m\" or \"1h30m\"",
	    1u << TOML_STRING, settings_duration_parse, print_duration, NULL },
	[KIND_LEVEL] = { "\"error\", \"warn\", \"info\" or \"debug\"",
	    1u << TOML_STRING, parse_level, print_level, NULL },
	[KIND_TOLD] = { "\"no\", \"login\" or \"yes\"", 1u << TOML_STRING,
	    parse_told, print_told, NULL },
	[KIND_INDEX] = { "\"on-demand\", \"always\" or \"off\"",
	    1u << TOML_STRING, parse_index, print_index, NULL },
	[KIND_FAMILIES] = { "\"both\", \"ipv4-first\", \"ipv4\" or \"ipv6\"",
	    1u << TOML_STRING, parse_families, print_families, NULL },
	[KIND_MINIMUM] = { "\"none\", \"may\", \"encrypt\", \"verify\" or "
			   "\"dane\"",
	    1u << TOML_STRING, parse_minimum, print_minimum, NULL },
};

int
settings_number_print(enum settings_kind kind, int64_t value, struct buf *out)
{
	return kinds[kind].print(value, out);
}

static void
keep_number(const struct settings_key *key, int64_t n, struct settings *to)
{
	uint8_t *at = (uint8_t *)to + key->offset;
	uint64_t wide = (uint64_t)n;

	/* Members are little- or big-endian integers, or bool, of any width. */
	switch (key->size) {
	case sizeof(uint8_t):
		*at = (uint8_t)wide;
		return;
	case sizeof(uint16_t):
		memcpy(at, &(uint16_t){ (uint16_t)wide }, sizeof(uint16_t));
		return;
	case sizeof(uint32_t):
		memcpy(at, &(uint32_t){ (uint32_t)wide }, sizeof(uint32_t));
		return;
	default:
		memcpy(at, &wide, sizeof(wide));
	}
}

static int64_t
number_at(const struct settings_key *key, const struct settings *s)
{
	const uint8_t *at = (const uint8_t *)s + key->offset;
	uint16_t n16;
	uint32_t n32;
	int64_t n64;

	switch (key->size) {
	case sizeof(uint8_t):
		return *at;
	case sizeof(uint16_t):
		memcpy(&n16, at, sizeof(n16));
		return n16;
	case sizeof(uint32_t):
		memcpy(&n32, at, sizeof(n32));
		return n32;
	default:
		memcpy(&n64, at, sizeof(n64));
		return n64;
	}
}

static bool
keep_checked_number(const struct settings_key *key, int64_t n,
    struct settings *to, char *err, size_t size)
{
	struct buf range;

	if (key->kind == KIND_BOOL || (n >= key->min && n <= key->max)) {
		keep_number(key, n, to);
		return true;
	}
	buf_init(&range, 128);
	if (settings_number_print(key->kind, key->min, &range) == 0 &&
	    buf_add_cstr(&range, " to ") == 0 &&
	    settings_number_print(key->kind, key->max, &range) == 0)
		(void)snprintf(err, size, "is out of its range, %.*s",
		    SLICE_FMT(buf_slice(&range)));
	else
		(void)snprintf(err, size, "is out of its range");
	buf_deinit(&range);
	return false;
}

bool
settings_value_preset(const struct settings_key *key, struct settings *s)
{
	struct slice preset = slice_cstr(key->preset);
	char err[SETTINGS_ERROR];
	int64_t n = 0;

	if (kinds[key->kind].parse == NULL)
		return keep_text(key, preset, s, err, sizeof(err));
	return kinds[key->kind].parse(preset, &n) &&
	    keep_checked_number(key, n, s, err, sizeof(err));
}

/* An array of strings is its lines. */
static bool
read_lines(const struct settings_key *key, const struct toml_node *array,
    struct settings *s, char *err, size_t size)
{
	struct buf lines;
	bool ok = true;

	buf_init(&lines, key->size);
	for (const struct toml_node *n = array->first; ok && n != NULL;
	     n = n->next) {
		if (n->type != TOML_STRING) {
			(void)snprintf(err, size, "needs %s",
			    kinds[key->kind].needs);
			ok = false;
			break;
		}
		ok = (lines.len == 0 || buf_add_byte(&lines, '\n') == 0) &&
		    buf_add(&lines, n->text) == 0;
		if (!ok)
			(void)snprintf(err, size, "is longer than %zu bytes",
			    key->size - 1);
	}
	ok = ok && kinds[key->kind].check(buf_slice(&lines), err, size) &&
	    keep_text(key, buf_slice(&lines), s, err, size);
	buf_deinit(&lines);
	return ok;
}

bool
settings_value_read(const struct settings_key *key,
    const struct toml_node *node, struct settings *s, char *err, size_t size)
{
	const struct kind *k = &kinds[key->kind];
	int64_t n = 0;

	if ((k->types & 1u << node->type) == 0) {
		(void)snprintf(err, size, "needs %s, not %s", k->needs,
		    toml_type_name(node->type));
		return false;
	}
	if (node->type == TOML_ARRAY)
		return read_lines(key, node, s, err, size);
	if (k->parse == NULL)
		return k->check(node->text, err, size) &&
		    keep_text(key, node->text, s, err, size);
	if (node->type == TOML_BOOL)
		n = node->is_true;
	else if (node->type == TOML_INTEGER)
		n = node->integer;
	else if (!k->parse(node->text, &n)) {
		(void)snprintf(err, size, "needs %s", k->needs);
		return false;
	}
	return keep_checked_number(key, n, s, err, size);
}

/* -- printing ------------------------------------------------------------- */

/* A basic string of TOML. */
static int
print_text(struct slice s, struct buf *out)
{
	int r = buf_add_byte(out, '"');

	for (size_t i = 0; i < s.len && r == 0; i++) {
		uint8_t c = s.at[i];

		if (c == '"' || c == '\\')
			r = buf_printf(out, "\\%c", c);
		else if (c == '\n')
			r = buf_add_cstr(out, "\\n");
		else if (c < 0x20 || c == 0x7f)
			r = buf_printf(out, "\\u%04x", c);
		else
			r = buf_add_byte(out, c);
	}
	return r == 0 ? buf_add_byte(out, '"') : r;
}

int
settings_value_print(const struct settings *s, size_t i, struct buf *out)
{
	const struct settings_key *key = &settings_keys[i];

	if (kinds[key->kind].parse == NULL)
		return print_text(slice_cstr((const char *)s + key->offset),
		    out);
	return settings_number_print(key->kind, number_at(key, s), out);
}

int
settings_default_print(size_t i, struct buf *out)
{
	const struct settings_key *key = &settings_keys[i];
	int64_t n = 0;

	if (key->preset == NULL)
		return 0;
	if (kinds[key->kind].parse == NULL)
		return print_text(slice_cstr(key->preset), out);
	if (!kinds[key->kind].parse(slice_cstr(key->preset), &n))
		return 0;
	return settings_number_print(key->kind, n, out);
}

int
settings_range_print(size_t i, struct buf *out)
{
	const struct settings_key *key = &settings_keys[i];
	int r = buf_add_cstr(out, kinds[key->kind].needs);

	if (kinds[key->kind].parse == NULL || key->kind == KIND_BOOL ||
	    key->kind == KIND_LEVEL || key->kind == KIND_TOLD ||
	    key->kind == KIND_FAMILIES || key->kind == KIND_INDEX ||

	    key->kind == KIND_MINIMUM)
		return r;
	if (r == 0)
		r = buf_add_cstr(out, ", from ");
	if (r == 0)
		r = settings_number_print(key->kind, key->min, out);
	if (r == 0)
		r = buf_add_cstr(out, " to ");
	return r == 0 ? settings_number_print(key->kind, key->max, out) : r;
}
