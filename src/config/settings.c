/* SPDX-License-Identifier: ISC */
/*
 * config/settings - from the text of ulak.toml to struct settings
 *
 * The TOML tree is walked once; every key must be a row of the table, or the
 * error names the row that is spelt most like it. Then what must be there is
 * looked for, and what must agree is compared. Nothing is taken over unless
 * all of it is right.
 */
#include "config/settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "config/settings_table.h"
#include "policy/dnsbl.h"

enum {
	CONFIG_ARENA = 8 * 1024 * 1024, /* TOML_NODES and the file's strings */
	CONTROL_PATH_MAX = 107,         /* of sun_path, unix(7) */
	NAME_MAX_COMPARED = 64
};

struct reader {
	struct slice text;
	struct settings s;
	struct settings_error *err;
	const struct toml_node *nodes[SETTINGS_KEYS_MAX];
};

static __attribute__((format(printf, 3, 4))) int
fail(struct reader *rd, const uint8_t *at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(rd->err->text, sizeof(rd->err->text), format, ap);
	va_end(ap);
	rd->err->line = rd->err->col = 0;
	if (at != NULL)
		toml_where(rd->text, at, &rd->err->line, &rd->err->col);
	return SETTINGS_E_INVALID;
}

/* A key from the file as it may be shown. */
static const char *
shown(struct slice key, char *out, size_t size)
{
	size_t n = 0;

	for (; n < key.len && n < size - 1; n++)
		out[n] = ascii_is_print(key.at[n]) ? (char)key.at[n] : '?';
	out[n] = '\0';
	return out;
}

/* -- the nearest known name ----------------------------------------------- */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many characters must be put, taken or changed (Levenshtein). */
static size_t
distance(struct slice a, struct slice b)
{
	size_t row[NAME_MAX_COMPARED + 1];

	a = slice_upto(a, NAME_MAX_COMPARED);
	b = slice_upto(b, NAME_MAX_COMPARED);
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t cost =
			    ascii_lower(a.at[i - 1]) == ascii_lower(b.at[j - 1])
			    ? 0
			    : 1;
			size_t here =
			    least(corner + cost, least(row[j], row[j - 1]) + 1);

			corner = row[j];
			row[j] = here;
		}
	}
	return row[b.len];
}

/* A name of another section counts as farther, so that the same short name
 * (idle, port) is first looked for at home. */
static const struct settings_key *
nearest_key(struct slice section, struct slice name)
{
	const struct settings_key *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < settings_keys_n; i++) {
		const struct settings_key *key = &settings_keys[i];
		size_t d = 2 * distance(name, slice_cstr(key->name)) +
		    distance(section, slice_cstr(key->section));

		if (d < best_distance) {
			best_distance = d;
			best = key;
		}
	}
	return best;
}

static int
fail_unknown_key(struct reader *rd, struct slice section,
    const struct toml_node *node)
{
	const struct settings_key *near = nearest_key(section, node->key);
	char name[NAME_MAX_COMPARED], in[NAME_MAX_COMPARED];

	return fail(rd, node->at,
	    "unknown key %s%s%s; the nearest known one is %s.%s",
	    shown(section, in, sizeof(in)), section.len > 0 ? "." : "",
	    shown(node->key, name, sizeof(name)), near->section, near->name);
}

static int
fail_unknown_section(struct reader *rd, const struct toml_node *node)
{
	const char *near = "listener";
	size_t best = distance(node->key, SLICE("listener"));
	char name[NAME_MAX_COMPARED];

	for (size_t i = 0; i < settings_keys_n; i++) {
		size_t d =
		    distance(node->key, slice_cstr(settings_keys[i].section));

		if (d < best) {
			best = d;
			near = settings_keys[i].section;
		}
	}
	return fail(rd, node->at,
	    "unknown section [%s]; the nearest known one is %s%s%s",
	    shown(node->key, name, sizeof(name)),
	    strcmp(near, "listener") == 0 ? "[[" : "[", near,
	    strcmp(near, "listener") == 0 ? "]]" : "]");
}

/* -- listeners and filters ------------------------------------------------ */

static int
read_listeners(struct reader *rd, const struct toml_node *array)
{
	struct settings_table_error err;
	uint32_t line, col;

	for (const struct toml_node *n = array->first; n != NULL; n = n->next) {
		if (n->type != TOML_TABLE)
			return fail(rd, n->at, "a listener is a table");
		toml_where(rd->text, n->at, &line, &col);
		if (!settings_listener_read(n, line, &rd->s, &err))
			return fail(rd, err.at, "%s", err.text);
	}
	return SETTINGS_OK;
}

static int
read_hooks(struct reader *rd, const struct toml_node *array)
{
	struct settings_table_error err;
	uint32_t col;

	for (const struct toml_node *n = array->first; n != NULL; n = n->next) {
		if (n->type != TOML_TABLE)
			return fail(rd, n->at, "a filter is a table");
		if (!settings_hook_read(n, &rd->s, &err))
			return fail(rd, err.at, "%s", err.text);
		toml_where(rd->text, n->at,
		    &rd->s.hooks[rd->s.n_hooks - 1].line, &col);
	}
	return SETTINGS_OK;
}

/* -- sections ------------------------------------------------------------- */

static bool
is_section(struct slice name)
{
	for (size_t i = 0; i < settings_keys_n; i++)
		if (slice_equal(name, slice_cstr(settings_keys[i].section)))
			return true;
	return false;
}

static int
read_key(struct reader *rd, struct slice section, const struct toml_node *node)
{
	char why[SETTINGS_ERROR - NAME_MAX_COMPARED];
	uint32_t col;

	for (size_t i = 0; i < settings_keys_n; i++) {
		const struct settings_key *key = &settings_keys[i];

		if (!slice_equal(section, slice_cstr(key->section)) ||
		    !slice_equal(node->key, slice_cstr(key->name)))
			continue;
		if (!settings_value_read(key, node, &rd->s, why, sizeof(why)))
			return fail(rd, node->value_at, "%s.%s %s",
			    key->section, key->name, why);
		toml_where(rd->text, node->at, &rd->s.lines[i], &col);
		rd->nodes[i] = node;
		return SETTINGS_OK;
	}
	return fail_unknown_key(rd, section, node);
}

static int
read_section(struct reader *rd, const struct toml_node *section)
{
	int r;

	if (slice_equal(section->key, SLICE("listener"))) {
		if (section->type != TOML_ARRAY)
			return fail(rd, section->at,
			    "each listener stands under [[listener]], with two "
			    "brackets");
		return read_listeners(rd, section);
	}
	if (slice_equal(section->key, SLICE("hook"))) {
		if (section->type != TOML_ARRAY)
			return fail(rd, section->at,
			    "each filter stands under [[hook]], with two "
			    "brackets");
		return read_hooks(rd, section);
	}
	if (section->type != TOML_TABLE && !is_section(section->key))
		return fail_unknown_key(rd, (struct slice){ 0 }, section);
	if (!is_section(section->key))
		return fail_unknown_section(rd, section);
	if (section->type != TOML_TABLE)
		return fail(rd, section->at, "a section is needed, not %s",
		    toml_type_name(section->type));
	for (const struct toml_node *n = section->first; n != NULL;
	     n = n->next) {
		r = read_key(rd, section->key, n);
		if (r != SETTINGS_OK)
			return r;
	}
	return SETTINGS_OK;
}

/* -- what must be there, and agree ---------------------------------------- */

static const uint8_t *
place_of(const struct reader *rd, size_t offset)
{
	for (size_t i = 0; i < settings_keys_n; i++)
		if (settings_keys[i].offset == offset && rd->nodes[i] != NULL)
			return rd->nodes[i]->value_at;
	return NULL;
}

static int
check_required(struct reader *rd)
{
	for (size_t i = 0; i < settings_keys_n; i++) {
		const struct settings_key *key = &settings_keys[i];

		if (key->preset == NULL &&
		    (rd->nodes[i] == NULL || rd->nodes[i]->text.len == 0))
			return fail(rd,
			    rd->nodes[i] == NULL ? NULL : rd->nodes[i]->at,
			    "%s.%s must be given", key->section, key->name);
	}
	return SETTINGS_OK;
}

/* 0, -ENOMEM, -EINVAL */
static int
try_lists(const char *lines)
{
	struct dnsbl_lists *lists;
	bool ok;

	if (lines[0] == '\0')
		return 0;
	lists = malloc(sizeof(*lists));
	if (lists == NULL)
		return -ENOMEM;
	ok = dnsbl_lists_parse(slice_cstr(lines), lists);
	free(lists);
	return ok ? 0 : -EINVAL;
}

/* scope-token, and what a URI may hold (RFC 6749, A.4; 3986): the client is
 * told them in a JSON text. */
static bool
is_quotable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text >= 0x7f || *text == '"' ||
		    *text == '\\')
			return false;
	return true;
}

static int
check_logins(struct reader *rd)
{
	const struct settings *s = &rd->s;

	if (!is_quotable(s->oauth_scope))
		return fail(rd,
		    place_of(rd, offsetof(struct settings, oauth_scope)),
		    "oauth.scope is one word, without quotes");
	if (!is_quotable(s->oauth_configuration))
		return fail(rd,
		    place_of(rd,
			offsetof(struct settings, oauth_configuration)),
		    "oauth.configuration is no URL");
	if (s->client_ca[0] != '\0' && !s->client_certificates)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, client_ca)),
		    "tls.client_ca needs tls.client_certificates = true");
	if (s->oauth_keys[0] == '\0')
		return SETTINGS_OK;
	if (s->oauth_issuer[0] == '\0' || s->oauth_audience[0] == '\0' ||
	    s->oauth_claim[0] == '\0')
		return fail(rd,
		    place_of(rd, offsetof(struct settings, oauth_keys)),
		    "oauth.keys needs oauth.issuer, oauth.audience and "
		    "oauth.claim beside it: tokens of others would be taken");
	return SETTINGS_OK;
}

static int
check_agreement(struct reader *rd)
{
	struct settings *s = &rd->s;
	int r = try_lists(s->dnsbl_lists);
	int d = try_lists(s->dnsbl_domain_lists);

	if (r == -ENOMEM || d == -ENOMEM)
		return -ENOMEM;
	if (s->retry_first > s->retry_max)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, retry_first)),
		    "outbound.retry_first is more than outbound.retry_max");
	if (s->retry_first > s->lifetime)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, lifetime)),
		    "outbound.lifetime is less than outbound.retry_first");
	if (s->greylist_delay >= s->greylist_window)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, greylist_delay)),
		    "greylist.delay is not less than greylist.window");
	if (r != 0)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, dnsbl_lists)),
		    "dnsbl.lists needs lines of a zone, a weight from -100 to "
		    "100 and replies, such as \"bl.example 2 "
		    "127.0.0.2-11\", at most %d",
		    LIMIT_DNSBL_LISTS);
	if (d != 0)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, dnsbl_domain_lists)),
		    "dnsbl.domain_lists needs lines like those of "
		    "dnsbl.lists, at most %d",
		    LIMIT_DNSBL_LISTS);
	r = check_logins(rd);
	if (r != SETTINGS_OK)
		return r;
	if (s->delay_warning >= s->lifetime)
		return fail(rd,
		    place_of(rd, offsetof(struct settings, delay_warning)),
		    "outbound.delay_warning is not less than "
		    "outbound.lifetime");
	return SETTINGS_OK;
}

/* What is not given lies in the data directory. */
static int
fill_path(struct reader *rd, char path[SETTINGS_PATH], const char *name)
{
	struct settings *s = &rd->s;
	size_t len = strlen(s->data), name_len = strlen(name) + 1;

	if (path[0] != '\0')
		return SETTINGS_OK;
	while (len > 1 && s->data[len - 1] == '/')
		len--;
	if (len + name_len > SETTINGS_PATH)
		return fail(rd, place_of(rd, offsetof(struct settings, data)),
		    "server.data is too long");
	memcpy(path, s->data, len);
	memcpy(path + len, name, name_len);
	return SETTINGS_OK;
}

static int
check_socket(struct reader *rd, const char *path, size_t offset,
    const char *what)
{
	if (strlen(path) <= CONTROL_PATH_MAX)
		return SETTINGS_OK;
	return fail(rd, place_of(rd, offset),
	    "the path of %s is longer than %d bytes", what, CONTROL_PATH_MAX);
}

static int
fill_paths(struct reader *rd)
{
	struct settings *s = &rd->s;
	int r = fill_path(rd, s->control, "/control.sock");

	if (r == SETTINGS_OK)
		r = fill_path(rd, s->local_socket, "/submit.sock");
	if (r == SETTINGS_OK)
		r = fill_path(rd, s->local_spool, "/spool");
	if (r == SETTINGS_OK)
		r = check_socket(rd, s->control,
		    offsetof(struct settings, control),
		    "the admin socket (server.control)");
	if (r == SETTINGS_OK)
		r = check_socket(rd, s->local_socket,
		    offsetof(struct settings, local_socket),
		    "the socket for local mail (local.socket)");
	return r;
}

static int
read_tree(struct reader *rd, const struct toml_node *root)
{
	int r = SETTINGS_OK;

	for (const struct toml_node *n = root->first;
	     n != NULL && r == SETTINGS_OK; n = n->next)
		r = read_section(rd, n);
	if (r == SETTINGS_OK)
		r = check_required(rd);
	if (r == SETTINGS_OK)
		r = check_agreement(rd);
	return r == SETTINGS_OK ? fill_paths(rd) : r;
}

void
settings_default(struct settings *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < settings_keys_n; i++)
		if (settings_keys[i].preset != NULL)
			(void)settings_value_preset(&settings_keys[i], ret);
}

int
settings_parse(struct slice text, const char *file, struct settings *ret,
    struct settings_error *err)
{
	struct reader rd = { .text = text };
	struct toml_node *root = NULL;
	struct toml_error where;
	struct arena arena;
	int r;

	rd.err = err;
	if (text.len > LIMIT_CONFIG_FILE)
		return fail(&rd, NULL, "larger than %d bytes",
		    LIMIT_CONFIG_FILE);
	settings_default(&rd.s);
	(void)slice_to_cstr(slice_cstr(file), rd.s.file, sizeof(rd.s.file));
	arena_init(&arena, CONFIG_ARENA);
	r = toml_parse(text, &arena, &root, &where);
	if (r == TOML_E_SYNTAX) {
		*err = (struct settings_error){ where.line, where.col, "" };
		(void)slice_to_cstr(slice_cstr(where.text), err->text,
		    sizeof(err->text));
		r = SETTINGS_E_INVALID;
	} else if (r == TOML_OK) {
		r = read_tree(&rd, root);
	}
	arena_reset(&arena);
	if (r == SETTINGS_OK)
		*ret = rd.s;
	return r;
}

int
settings_error_print(const struct settings_error *err, const char *file,
    struct buf *out)
{
	if (err->line == 0)
		return buf_printf(out, "%s: %s", file, err->text);
	return buf_printf(out, "%s:%u:%u: %s", file, err->line, err->col,
	    err->text);
}

/* -- the table, seen from outside ----------------------------------------- */

size_t
settings_n_keys(void)
{
	return settings_keys_n;
}

const char *
settings_key_section(size_t i)
{
	return settings_keys[i].section;
}

const char *
settings_key_name(size_t i)
{
	return settings_keys[i].name;
}

const char *
settings_key_sentence(size_t i)
{
	return settings_keys[i].sentence;
}

bool
settings_key_is_test(size_t i)
{
	return settings_keys[i].is_test;
}

bool
settings_key_is_default(const struct settings *s, size_t i)
{
	const struct settings_key *key = &settings_keys[i];
	struct settings preset;

	if (key->preset == NULL)
		return false;
	settings_default(&preset);
	return memcmp((const char *)s + key->offset,
		   (const char *)&preset + key->offset, key->size) == 0;
}

/* Networks have nothing in them that would need an escape. */
int
settings_proxy_print(const struct settings *s, size_t listener, struct buf *out)
{
	struct slice lines = slice_cstr(s->listener_proxy[listener]), line;
	int r = buf_add_cstr(out, "[");
	bool is_first = true;

	while (lines.len > 0 && r == 0) {
		if (!slice_take_until(&lines, '\n', &line)) {
			line = lines;
			lines.len = 0;
		}
		line = slice_trim(line);
		if (line.len == 0)
			continue;
		r = buf_printf(out, "%s\"%.*s\"", is_first ? "" : ", ",
		    SLICE_FMT(line));
		is_first = false;
	}
	return r == 0 ? buf_add_cstr(out, "]") : r;
}
