/* SPDX-License-Identifier: ISC */
/*
 * config/toml - lines, keys, tables and arrays; see toml.h
 *
 * Recursive descent under TOML_DEPTH. What makes TOML more than a grammar is
 * who may add to a table: each table remembers how it came to be (enum
 * origin), and enter_dotted, enter_header, define_table and define_element are
 * the only places that decide.
 */
#include "config/toml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "config/toml_impl.h"

enum origin {
	ORIGIN_VALUE,   /* no table, or one in braces: closed */
	ORIGIN_PARENT,  /* named on the way by a header; may still be defined */
	ORIGIN_HEADER,  /* [it] */
	ORIGIN_DOTTED,  /* it.key = value */
	ORIGIN_ELEMENTS /* the array of [[it]] */
};

static int parse_value(struct parser *p, struct toml_node *node);

void
toml_where(struct slice text, const uint8_t *at, uint32_t *ret_line,
    uint32_t *ret_col)
{
	uint32_t line = 1, col = 1;

	for (const uint8_t *b = text.at; b < at; b++) {
		if (*b == '\n') {
			line++;
			col = 1;
		} else if ((*b & 0xc0) != 0x80) {
			col++;
		}
	}
	*ret_line = line;
	*ret_col = col;
}

const char *
toml_type_name(enum toml_type type)
{
	static const char *const names[TOML_N_TYPES] = { "a table", "an array",
		"a string", "an integer", "a float", "true or false",
		"a date or time" };

	return names[type];
}

static struct toml_node *
find_child(const struct toml_node *table, struct slice key)
{
	for (struct toml_node *n = table->first; n != NULL; n = n->next)
		if (slice_equal(n->key, key))
			return n;
	return NULL;
}

const struct toml_node *
toml_get(const struct toml_node *table, struct slice key)
{
	return find_child(table, key);
}

int
toml_fail(struct parser *p, const uint8_t *at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(p->err->text, sizeof(p->err->text), format, ap);
	va_end(ap);
	toml_where(p->text, at, &p->err->line, &p->err->col);
	return TOML_E_SYNTAX;
}

struct shown
toml_show(struct slice s)
{
	struct shown shown;
	size_t n = 0;

	for (size_t i = 0; i < s.len && n < sizeof(shown.text) - 4; i++)
		shown.text[n++] = ascii_is_print(s.at[i]) ? (char)s.at[i] : '?';
	for (int i = 0; i < 3 && n < s.len; i++)
		shown.text[n++] = '.';
	shown.text[n] = '\0';
	return shown;
}

int
toml_hex_digit(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* -- nodes ---------------------------------------------------------------- */

static int
new_node(struct parser *p, const uint8_t *at, struct slice key,
    struct toml_node **ret)
{
	struct toml_node *node = NULL;

	if (p->n_nodes == TOML_NODES)
		return toml_fail(p, at, "more than %d keys and values",
		    TOML_NODES);
	node = arena_alloc(p->arena, sizeof(*node));
	if (node == NULL)
		return ERR_ORIGIN(-ENOMEM);
	p->n_nodes++;
	node->at = node->value_at = at;
	node->key = key;
	*ret = node;
	return TOML_OK;
}

static void
add_child(struct toml_node *parent, struct toml_node *node)
{
	if (parent->last == NULL)
		parent->first = node;
	else
		parent->last->next = node;
	parent->last = node;
}

static int
add_table(struct parser *p, struct toml_node *parent, const uint8_t *at,
    struct slice key, enum origin origin, struct toml_node **ret)
{
	struct toml_node *node = NULL;
	int r = new_node(p, at, key, &node);

	if (r != TOML_OK)
		return r;
	node->type = TOML_TABLE;
	node->origin = (uint8_t)origin;
	add_child(parent, node);
	*ret = node;
	return TOML_OK;
}

/* -- white space, comments, line ends ------------------------------------- */

void
toml_skip_blank(struct parser *p)
{
	struct slice run;

	(void)slice_take_while(&p->in, ascii_is_space, &run);
}

/* newline = LF / CRLF */
bool
toml_skip_newline(struct parser *p)
{
	return slice_skip_byte(&p->in, '\n') ||
	    slice_skip(&p->in, SLICE("\r\n"));
}

bool
toml_at_newline(const struct parser *p)
{
	return slice_starts(p->in, SLICE("\n")) ||
	    slice_starts(p->in, SLICE("\r\n"));
}

bool
toml_is_text(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* comment = "#" *( tab / whatever is no control character ) */
static int
skip_comment(struct parser *p)
{
	struct slice run;

	if (!slice_skip_byte(&p->in, '#'))
		return TOML_OK;
	(void)slice_take_while(&p->in, toml_is_text, &run);
	if (p->in.len > 0 && !toml_at_newline(p))
		return toml_fail(p, p->in.at,
		    "a control character in a comment");
	return TOML_OK;
}

static int
skip_line_end(struct parser *p)
{
	int r;

	toml_skip_blank(p);
	r = skip_comment(p);
	if (r != TOML_OK)
		return r;
	if (p->in.len > 0 && !toml_skip_newline(p))
		return toml_fail(p, p->in.at,
		    "nothing more may stand on this line");
	return TOML_OK;
}

/* ws-comment-newline, between the values of an array */
static int
skip_filler(struct parser *p)
{
	int r;

	do {
		toml_skip_blank(p);
		r = skip_comment(p);
		if (r != TOML_OK)
			return r;
	} while (toml_skip_newline(p));
	return TOML_OK;
}

/* -- keys ----------------------------------------------------------------- */

static bool
is_bare_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* simple-key = quoted-key / unquoted-key */
static int
take_key(struct parser *p, struct slice *ret_key)
{
	if (slice_starts(p->in, SLICE("\"\"\"")) ||
	    slice_starts(p->in, SLICE("'''")))
		return toml_fail(p, p->in.at, "a key stands on one line");
	if (slice_starts(p->in, SLICE("\"")) || slice_starts(p->in, SLICE("'")))
		return toml_take_string(p, ret_key);
	if (!slice_take_while(&p->in, is_bare_byte, ret_key))
		return toml_fail(p, p->in.at, "a key is missing here");
	return TOML_OK;
}

static bool
skip_dot(struct parser *p)
{
	toml_skip_blank(p);
	if (!slice_skip_byte(&p->in, '.'))
		return false;
	toml_skip_blank(p);
	return true;
}

static int
fail_taken(struct parser *p, const uint8_t *at, const struct toml_node *node)
{
	uint32_t line, col;

	toml_where(p->text, node->at, &line, &col);
	return toml_fail(p, at, "\"%s\" is already there, on line %u",
	    toml_show(node->key).text, line);
}

/* The part of a dotted key before its last: makes a table, or goes into one
 * that no header defined. */
static int
enter_dotted(struct parser *p, struct toml_node **table, const uint8_t *at,
    struct slice key)
{
	struct toml_node *node = find_child(*table, key);

	if (node == NULL)
		return add_table(p, *table, at, key, ORIGIN_DOTTED, table);
	if (node->origin != ORIGIN_DOTTED && node->origin != ORIGIN_PARENT)
		return fail_taken(p, at, node);
	node->origin = ORIGIN_DOTTED;
	*table = node;
	return TOML_OK;
}

/* The part of a header before its last: through tables, and into the last
 * element of an array of tables. */
static int
enter_header(struct parser *p, struct toml_node **table, const uint8_t *at,
    struct slice key)
{
	struct toml_node *node = find_child(*table, key);

	if (node == NULL)
		return add_table(p, *table, at, key, ORIGIN_PARENT, table);
	if (node->origin == ORIGIN_VALUE)
		return fail_taken(p, at, node);
	*table = node->origin == ORIGIN_ELEMENTS ? node->last : node;
	return TOML_OK;
}

/* The last part of [header]. */
static int
define_table(struct parser *p, struct toml_node **table, const uint8_t *at,
    struct slice key)
{
	struct toml_node *node = find_child(*table, key);

	if (node == NULL)
		return add_table(p, *table, at, key, ORIGIN_HEADER, table);
	if (node->origin != ORIGIN_PARENT)
		return fail_taken(p, at, node);
	node->origin = ORIGIN_HEADER;
	node->at = at;
	*table = node;
	return TOML_OK;
}

/* The last part of [[header]]. */
static int
define_element(struct parser *p, struct toml_node **table, const uint8_t *at,
    struct slice key)
{
	struct toml_node *node = find_child(*table, key);
	int r;

	if (node == NULL) {
		r = add_table(p, *table, at, key, ORIGIN_ELEMENTS, &node);
		if (r != TOML_OK)
			return r;
		node->type = TOML_ARRAY;
	} else if (node->origin != ORIGIN_ELEMENTS) {
		return fail_taken(p, at, node);
	}
	return add_table(p, node, at, (struct slice){ 0 }, ORIGIN_HEADER,
	    table);
}

/* -- values made of values ------------------------------------------------ */

/* key *( "." key ): all but the last are entered. */
static int
take_path(struct parser *p, struct toml_node **table,
    int (*enter)(struct parser *, struct toml_node **, const uint8_t *,
	struct slice),
    const uint8_t **ret_at, struct slice *ret_key)
{
	int r;

	for (unsigned n = 0; n < TOML_DEPTH; n++) {
		*ret_at = p->in.at;
		r = take_key(p, ret_key);
		if (r != TOML_OK || !skip_dot(p))
			return r;
		r = enter(p, table, *ret_at, *ret_key);
		if (r != TOML_OK)
			return r;
	}
	return toml_fail(p, *ret_at, "a key of more than %d parts", TOML_DEPTH);
}

/* keyval = key "=" val */
static int
parse_keyval(struct parser *p, struct toml_node *table)
{
	struct toml_node *node = NULL, *there;
	const uint8_t *at = NULL;
	struct slice key = { 0 };
	int r;

	r = take_path(p, &table, enter_dotted, &at, &key);
	if (r != TOML_OK)
		return r;
	if (!slice_skip_byte(&p->in, '='))
		return toml_fail(p, p->in.at,
		    "\"=\" is missing after the key \"%s\"",
		    toml_show(key).text);
	there = find_child(table, key);
	if (there != NULL)
		return fail_taken(p, at, there);
	r = new_node(p, at, key, &node);
	if (r != TOML_OK)
		return r;
	toml_skip_blank(p);
	r = parse_value(p, node);
	if (r == TOML_OK)
		add_child(table, node);
	return r;
}

/* array = "[" [ value *( "," value ) [ "," ] ] "]", lines broken anywhere */
static int
parse_array(struct parser *p, struct toml_node *array)
{
	const uint8_t *start = p->in.at - 1;
	struct toml_node *node = NULL;
	int r;

	array->type = TOML_ARRAY;
	for (;;) {
		r = skip_filler(p);
		if (r != TOML_OK)
			return r;
		if (slice_skip_byte(&p->in, ']'))
			return TOML_OK;
		if (p->in.len == 0)
			return toml_fail(p, start, "the array does not end");
		r = new_node(p, p->in.at, (struct slice){ 0 }, &node);
		if (r == TOML_OK)
			r = parse_value(p, node);
		if (r != TOML_OK)
			return r;
		add_child(array, node);
		r = skip_filler(p);
		if (r != TOML_OK)
			return r;
		if (!slice_skip_byte(&p->in, ',') &&
		    !slice_starts(p->in, SLICE("]")))
			return toml_fail(p, p->in.len == 0 ? start : p->in.at,
			    "\",\" or \"]\" is missing in the array");
	}
}

/* A table in braces is whole: nothing may be added later. */
static void
close_tables(struct toml_node *table)
{
	table->origin = ORIGIN_VALUE;
	for (struct toml_node *n = table->first; n != NULL; n = n->next)
		if (n->type == TOML_TABLE)
			close_tables(n);
}

/* inline-table = "{" [ keyval *( "," keyval ) ] "}", on one line */
static int
parse_inline(struct parser *p, struct toml_node *table)
{
	int r;

	table->type = TOML_TABLE;
	toml_skip_blank(p);
	if (slice_skip_byte(&p->in, '}'))
		return TOML_OK;
	do {
		toml_skip_blank(p);
		r = parse_keyval(p, table);
		if (r != TOML_OK)
			return r;
		toml_skip_blank(p);
	} while (slice_skip_byte(&p->in, ','));
	if (!slice_skip_byte(&p->in, '}'))
		return toml_fail(p, p->in.at, "\",\" or \"}\" is missing");
	close_tables(table);
	return TOML_OK;
}

static int
parse_value(struct parser *p, struct toml_node *node)
{
	int r;

	node->value_at = p->in.at;
	if (slice_starts(p->in, SLICE("\"")) ||
	    slice_starts(p->in, SLICE("'"))) {
		node->type = TOML_STRING;
		return toml_take_string(p, &node->text);
	}
	if (p->depth == TOML_DEPTH)
		return toml_fail(p, p->in.at, "nested deeper than %d",
		    TOML_DEPTH);
	p->depth++;
	if (slice_skip_byte(&p->in, '['))
		r = parse_array(p, node);
	else if (slice_skip_byte(&p->in, '{'))
		r = parse_inline(p, node);
	else
		r = toml_take_word(p, node);
	p->depth--;
	return r;
}

/* table = "[" key "]" / "[[" key "]]" */
static int
parse_header(struct parser *p, struct toml_node **ret_table)
{
	struct toml_node *table = p->root;
	bool is_element = slice_skip(&p->in, SLICE("[["));
	const uint8_t *at = NULL;
	struct slice key = { 0 };
	int r;

	if (!is_element)
		(void)slice_skip_byte(&p->in, '[');
	toml_skip_blank(p);
	r = take_path(p, &table, enter_header, &at, &key);
	if (r != TOML_OK)
		return r;
	if (!slice_skip(&p->in, is_element ? SLICE("]]") : SLICE("]")))
		return toml_fail(p, p->in.at, "\"%s\" is missing",
		    is_element ? "]]" : "]");
	r = is_element ? define_element(p, &table, at, key)
		       : define_table(p, &table, at, key);
	if (r == TOML_OK)
		*ret_table = table;
	return r;
}

/* What is not UTF-8 is told by its place before anything is read. */
static int
check_utf8(struct parser *p)
{
	struct slice rest = p->text, line;

	if (slice_is_utf8(p->text))
		return TOML_OK;
	while (slice_take_until(&rest, '\n', &line))
		if (!slice_is_utf8(line))
			return toml_fail(p, line.at, "not UTF-8 on this line");
	return toml_fail(p, rest.at, "not UTF-8 on this line");
}

int
toml_parse(struct slice text, struct arena *arena, struct toml_node **ret_root,
    struct toml_error *err)
{
	struct parser p = { .text = text, .in = text, .arena = arena };
	struct toml_node *table;
	int r;

	if (text.at == NULL)
		p.text = p.in = SLICE("");
	p.err = err;
	r = check_utf8(&p);
	if (r == TOML_OK)
		r = new_node(&p, p.text.at, (struct slice){ 0 }, &p.root);
	if (r != TOML_OK)
		return r;
	p.root->origin = ORIGIN_HEADER;
	table = p.root;
	while (p.in.len > 0) {
		toml_skip_blank(&p);
		if (slice_starts(p.in, SLICE("[")))
			r = parse_header(&p, &table);
		else if (p.in.len > 0 && p.in.at[0] != '#' &&
		    !toml_at_newline(&p))
			r = parse_keyval(&p, table);
		if (r == TOML_OK)
			r = skip_line_end(&p);
		if (r != TOML_OK)
			return r;
	}
	*ret_root = p.root;
	return TOML_OK;
}
