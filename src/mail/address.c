/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include <string.h>

#include "mail/lex.h"

/* A text being put together; what goes beyond is cut off and noted. */
struct text {
	size_t n;
	bool cut;
	uint8_t at[ADDRESS_PART_MAX];
};

struct reader {
	struct slice rest;
	struct arena *arena;
	struct address *list;
	size_t n, max;
	bool in_group, cut;
	/* of the element in hand */
	bool has_comment, has_words;
	struct text phrase, local, host, comment;
};

static void
text_add(struct text *t, uint8_t c)
{
	if (t->n == sizeof(t->at))
		t->cut = true;
	else
		t->at[t->n++] = c;
}

static uint8_t
text_last(const struct text *t)
{
	return t->n == 0 ? 0 : t->at[t->n - 1];
}

/* What ends a word; other specials stand for themselves when they come where
 * RFC 5322 has no place for them. */
static bool
is_delimiter(uint8_t c)
{
	return lex_is_blank(c) || c == '(' || c == '<' || c == '>' ||
	    c == ',' || c == ';' || c == ':' || c == '@' || c == '"';
}

static bool
next_is(const struct reader *r, uint8_t c)
{
	return r->rest.len > 0 && r->rest.at[0] == c;
}

static void
step(struct reader *r)
{
	r->rest = slice_from(r->rest, 1);
}

/* comment = "(" *([FWS] (ctext / quoted-pair / comment)) [FWS] ")"; one that
 * is not closed goes to the end. The text of the last one is kept. */
static void
take_comment(struct reader *r)
{
	size_t depth = 0;

	r->comment.n = 0;
	r->has_comment = true;
	for (; r->rest.len > 0; step(r)) {
		uint8_t c = r->rest.at[0];

		if (c == '\r' || c == '\n')
			continue;
		if (c == '\\' && r->rest.len > 1) {
			step(r);
			c = r->rest.at[0];
			if (c != '\r' && c != '\n')
				text_add(&r->comment, c);
			continue;
		}
		if (c == '(' && depth++ == 0)
			continue;
		if (c == ')' && --depth == 0) {
			step(r);
			return;
		}
		text_add(&r->comment, c);
	}
}

/* True when there was anything. */
static bool
skip_cfws(struct reader *r)
{
	size_t before = r->rest.len;

	while (r->rest.len > 0) {
		if (lex_is_blank(r->rest.at[0]))
			step(r);
		else if (next_is(r, '('))
			take_comment(r);
		else
			break;
	}
	return r->rest.len != before;
}

/* quoted-string without its quotes; one that is not closed goes to the end */
static void
take_quoted(struct reader *r, struct text *one, struct text *other)
{
	step(r);
	for (; r->rest.len > 0; step(r)) {
		uint8_t c = r->rest.at[0];

		if (c == '"') {
			step(r);
			return;
		}
		if (c == '\\' && r->rest.len > 1) {
			step(r);
			c = r->rest.at[0];
		}
		if (c == '\r' || c == '\n')
			continue;
		text_add(one, c);
		if (other != NULL)
			text_add(other, c);
	}
}

/* A blank between words: one space in a name; in a local part only where no
 * dot stands beside it (obs-local-part allows blanks around dots). */
static void
add_gap(struct reader *r)
{
	if (r->phrase.n > 0)
		text_add(&r->phrase, ' ');
	if (r->local.n > 0 && text_last(&r->local) != '.' && !next_is(r, '.'))
		text_add(&r->local, ' ');
}

/* word = atom / quoted-string, into the name and the local part alike: which
 * of them it is shows later. */
static void
take_word(struct reader *r, bool colon_is_plain)
{
	r->has_words = true;
	if (next_is(r, '"')) {
		take_quoted(r, &r->phrase, &r->local);
		return;
	}
	do {
		text_add(&r->phrase, r->rest.at[0]);
		text_add(&r->local, r->rest.at[0]);
		step(r);
	} while (r->rest.len > 0 &&
	    (!is_delimiter(r->rest.at[0]) ||
		(colon_is_plain && next_is(r, ':'))));
}

static void
take_words(struct reader *r)
{
	for (;;) {
		bool gap = skip_cfws(r);
		bool stop = r->rest.len == 0 || next_is(r, '<') ||
		    next_is(r, '@') || next_is(r, ',') || next_is(r, ';') ||
		    (next_is(r, ':') && !r->in_group);

		if (stop)
			return;
		if (gap)
			add_gap(r);
		take_word(r, r->in_group);
	}
}

/* domain = dot-atom / domain-literal / obs-domain */
static void
take_domain(struct reader *r, struct text *host)
{
	(void)skip_cfws(r);
	if (next_is(r, '[')) {
		while (r->rest.len > 0 && !next_is(r, '>')) {
			uint8_t c = r->rest.at[0];

			if (!lex_is_blank(c))
				text_add(host, c);
			step(r);
			if (c == ']')
				return;
		}
		return;
	}
	for (;;) {
		while (r->rest.len > 0 && !is_delimiter(r->rest.at[0])) {
			text_add(host, r->rest.at[0]);
			step(r);
		}
		if (!skip_cfws(r))
			return;
		if (!next_is(r, '.') && text_last(host) != '.')
			return;
		if (r->rest.len == 0 || is_delimiter(r->rest.at[0]))
			return;
	}
}

/* An empty text is there all the same: at != NULL. */
static struct slice
keep(struct reader *r, struct text *t)
{
	struct slice kept = SLICE("");

	if (t->cut || !arena_copy(r->arena, slice_of(t->at, t->n), &kept))
		r->cut = true;
	if (t->cut)
		(void)arena_copy(r->arena, slice_of(t->at, t->n), &kept);
	return kept;
}

static struct slice
keep_if_any(struct reader *r, struct text *t)
{
	return t->n == 0 ? (struct slice){ 0 } : keep(r, t);
}

/* There is room: the caller has looked. */
static void
push(struct reader *r, struct address address)
{
	r->list[r->n++] = address;
}

static void
push_mailbox(struct reader *r, struct slice route)
{
	struct address address = { .kind = ADDRESS_MAILBOX, .route = route };

	if (r->n == r->max) {
		r->cut = true;
		return;
	}
	address.local = keep(r, &r->local);
	address.host = keep(r, &r->host);
	if (r->phrase.n > 0)
		address.name = keep(r, &r->phrase);
	else if (r->has_comment)
		address.name = keep_if_any(r, &r->comment);
	push(r, address);
}

/* What follows an address up to the next one is nobody's. */
static void
skip_rest_of_element(struct reader *r)
{
	struct text nowhere = { 0 };

	while (r->rest.len > 0 && !next_is(r, ',') && !next_is(r, ';')) {
		if (next_is(r, '"'))
			take_quoted(r, &nowhere, NULL);
		else if (!skip_cfws(r))
			step(r);
	}
}

/* obs-route = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":" */
static struct slice
take_route(struct reader *r)
{
	struct text route = { 0 };
	struct slice before = r->rest;

	while (next_is(r, '@')) {
		text_add(&route, '@');
		step(r);
		take_domain(r, &route);
		while (next_is(r, ',') || skip_cfws(r)) {
			if (!next_is(r, ','))
				continue;
			text_add(&route, ',');
			step(r);
		}
	}
	if (next_is(r, ':')) {
		step(r);
		return keep_if_any(r, &route);
	}
	r->rest = before;
	return (struct slice){ 0 };
}

/* angle-addr = [CFWS] "<" [obs-route] addr-spec ">" [CFWS] */
static void
take_angle(struct reader *r)
{
	struct slice route;

	step(r);
	r->local.n = r->host.n = 0;
	r->local.cut = r->host.cut = false;
	(void)skip_cfws(r);
	route = take_route(r);
	for (;;) {
		bool gap = skip_cfws(r);

		if (r->rest.len == 0 || next_is(r, '>') || next_is(r, '@') ||
		    next_is(r, ',') || next_is(r, ';'))
			break;
		if (gap && r->local.n > 0 && text_last(&r->local) != '.' &&
		    !next_is(r, '.'))
			text_add(&r->local, ' ');
		if (next_is(r, '"')) {
			take_quoted(r, &r->local, NULL);
			continue;
		}
		text_add(&r->local, r->rest.at[0]);
		step(r);
	}
	if (next_is(r, '@')) {
		step(r);
		take_domain(r, &r->host);
	}
	skip_rest_of_element(r);
	push_mailbox(r, route);
}

/* addr-spec; many write one, unquoted, as the name before the true one */
static void
take_spec(struct reader *r)
{
	step(r);
	r->phrase.n = 0;
	r->phrase.cut = false;
	take_domain(r, &r->host);
	(void)skip_cfws(r);
	if (!next_is(r, '<')) {
		skip_rest_of_element(r);
		push_mailbox(r, (struct slice){ 0 });
		return;
	}
	for (size_t i = 0; i < r->local.n; i++)
		text_add(&r->phrase, r->local.at[i]);
	text_add(&r->phrase, '@');
	for (size_t i = 0; i < r->host.n; i++)
		text_add(&r->phrase, r->host.at[i]);
	take_angle(r);
}

static void
begin_group(struct reader *r)
{
	struct address group = { .kind = ADDRESS_GROUP };

	step(r);
	if (r->n == r->max) {
		r->cut = true;
		return;
	}
	group.local = keep(r, &r->phrase);
	push(r, group);
	r->in_group = true;
}

static void
end_group(struct reader *r)
{
	if (!r->in_group)
		return;
	if (r->n == r->max) { /* address_parse has kept a place for it */
		r->cut = true;
		return;
	}
	push(r, (struct address){ .kind = ADDRESS_GROUP_END });
	r->in_group = false;
}

/* address = mailbox / group, up to its separator */
static void
take_element(struct reader *r)
{
	r->has_comment = r->has_words = false;
	r->phrase.n = r->local.n = r->host.n = r->comment.n = 0;
	r->phrase.cut = r->local.cut = r->host.cut = r->comment.cut = false;
	take_words(r);
	if (next_is(r, '<')) {
		take_angle(r);
	} else if (next_is(r, '@')) {
		take_spec(r);
	} else if (next_is(r, ':')) {
		begin_group(r);
	} else if (r->has_words) {
		r->phrase.n = 0;
		push_mailbox(r, (struct slice){ 0 });
	}
}

/* More elements than separators there cannot be; a group has two. */
static size_t
count_most(struct slice body)
{
	size_t n = 3;

	for (size_t i = 0; i < body.len; i++)
		n += body.at[i] == ';'                       ? 2
		    : body.at[i] == ',' || body.at[i] == ':' ? 1
							     : 0;
	return n;
}

int
address_parse(struct slice body, struct arena *a, size_t max,
    struct address_list *ret)
{
	struct reader r = { .rest = body, .arena = a };
	size_t most = count_most(body);

	*ret = (struct address_list){ 0 };
	r.max = most < max ? most : max;
	/* One more, so that a group that was begun always has its end. */
	r.list = arena_array(a, r.max + 1, sizeof(*r.list));
	if (r.list == NULL)
		return ADDRESS_E_TRUNCATED;
	while (r.rest.len > 0 && !r.cut) {
		take_element(&r);
		if (next_is(&r, ';'))
			end_group(&r);
		if (next_is(&r, ';') || next_is(&r, ','))
			step(&r);
	}
	r.max++;
	end_group(&r);
	*ret = (struct address_list){ r.list, r.n };
	return r.cut ? ADDRESS_E_TRUNCATED : ADDRESS_OK;
}
