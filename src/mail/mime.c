/* SPDX-License-Identifier: ISC */
#include "mail/mime.h"

#include <string.h>

#include "base/limits.h"
#include "mail/header.h"
#include "mail/lex.h"
#include "mail/param.h"

enum {
	HELD_MAX = MIME_BOUNDARY + 4, /* "--", the boundary, "--" */
	FIELD_FIRST = 1024,           /* first size of the field buffer */
	TEXT_MAX = 8192               /* of an id, a description, ... */
};

enum state {
	STATE_HEADER, /* of the open part */
	STATE_BODY
};

/* What the current line still may be. */
enum line {
	LINE_UNDECIDED, /* begins like a boundary line; its octets are held */
	LINE_PLAIN,
	LINE_SKIPPED /* the rest of a boundary line */
};

struct node {
	struct mime_part part;
	struct node *up, *next; /* the part around it; the one made after it */
	uint16_t index, last_child;
	uint64_t body_at, body_lf; /* where the body begins; LFs before that */
	struct slice boundary;     /* empty: none */
	bool is_closed;            /* its close-delimiter has come */
	bool is_message, has_disposition, has_encoding;
};

struct mime {
	struct arena *arena;
	mime_field_fn *on_field;
	mime_inner_fn *on_inner;
	mime_body_fn *on_body;
	void *ctx;

	struct node *first, *last, *open;
	size_t n;
	struct mime_part alone; /* the tree when the arena has no more room */
	struct envelope *envelope; /* being filled, or NULL */
	bool truncated;
	enum state state;

	/* the line in hand */
	enum line line;
	uint64_t at, line_at; /* octets so far; before this line */
	uint64_t lf;          /* LFs before this line */
	unsigned line_end;    /* octets of the line end before this line */
	bool has_boundaries;  /* an open part has one */
	uint8_t last_octet;
	size_t n_held;
	uint8_t held[HELD_MAX];

	/* the field in hand */
	uint8_t *field;
	size_t field_len, field_size;
	size_t header_seen; /* octets of this header */
	uint64_t field_at, field_end;

	/* over all octets */
	bool has_8bit, has_nul, has_bare_lf, has_bare_cr, header_has_8bit;
	bool ends_in_cr; /* the octet before the next chunk is a CR */
};

/* -- parts ------------------------------------------------------------------
 */

static bool
is_type(const struct mime_part *p, struct slice type, struct slice subtype)
{
	return slice_equal_nocase(p->type, type) &&
	    slice_equal_nocase(p->subtype, subtype);
}

static void
note_boundaries(struct mime *m)
{
	m->has_boundaries = false;
	for (const struct node *n = m->open; n != NULL; n = n->up)
		m->has_boundaries |= n->boundary.len > 0 && !n->is_closed;
}

/* RFC 2046, 5.1.5 and RFC 2045, 5.2: what a part is that does not say it */
static void
set_default_type(struct node *n)
{
	static const struct mime_param charset = { SLICE("charset"),
		SLICE("us-ascii") };
	struct mime_part *p = &n->part;

	if (n->up != NULL && n->up->part.kind == MIME_MULTIPART &&
	    slice_equal_nocase(n->up->part.subtype, SLICE("digest"))) {
		p->type = SLICE("message");
		p->subtype = SLICE("rfc822");
		return;
	}
	p->type = SLICE("text");
	p->subtype = SLICE("plain");
	p->params = (struct mime_params){ &charset, 1 };
}

static void
begin_header(struct mime *m, bool is_message)
{
	m->state = STATE_HEADER;
	m->header_seen = 0;
	m->field_len = 0;
	m->envelope = NULL;
	if (!is_message)
		return;
	m->envelope = arena_alloc(m->arena, sizeof(*m->envelope));
	if (m->envelope == NULL)
		m->truncated = true;
}

/* A child of the open part, at `at`. False: a limit; nothing has changed. */
static bool
open_part(struct mime *m, uint64_t at, bool is_message)
{
	struct node *up = m->open, *n;

	if (m->n == MIME_PARTS ||
	    (up != NULL && up->part.depth == MIME_DEPTH) ||
	    (n = arena_alloc(m->arena, sizeof(*n))) == NULL) {
		m->truncated = true;
		return false;
	}
	*n = (struct node){
		.up = up, .index = (uint16_t)m->n, .last_child = MIME_NONE
	};
	n->is_message = is_message;
	n->part = (struct mime_part){ .parent = MIME_NONE,
		.first_child = MIME_NONE,
		.next_sibling = MIME_NONE,
		.offset = at,
		.encoding = SLICE("7bit") };
	if (up != NULL) {
		n->part.parent = up->index;
		n->part.depth = (uint8_t)(up->part.depth + 1);
	}
	set_default_type(n);
	if (m->last != NULL)
		m->last->next = n;
	else
		m->first = n;
	m->last = n;
	m->n++;
	m->open = n;
	begin_header(m, is_message);
	return true;
}

/* -- fields ------------------------------------------------------------------
 */

static struct slice
keep_text(struct mime *m, struct slice body)
{
	return lex_unfold(body, TEXT_MAX, m->arena, &m->truncated);
}

static void
on_type(struct mime *m, struct node *n, struct slice body)
{
	struct mime_params before = n->part.params;

	if (n->part.has_type) {
		n->part.is_odd = true;
		return;
	}
	n->part.has_type = true;
	n->part.params = (struct mime_params){ 0 };
	if (param_content_type(body, m->arena, &n->part, &m->truncated))
		return;
	n->part.params = before;
	n->part.is_odd = true;
}

static void
on_encoding(struct mime *m, struct node *n, struct slice body)
{
	if (n->has_encoding) {
		n->part.is_odd = true;
		return;
	}
	n->has_encoding = true;
	n->part.encoding_at = m->field_at;
	n->part.encoding_len = m->field_end - m->field_at;
	if (!param_token(body, m->arena, &n->part.encoding, &m->truncated))
		n->part.is_odd = true;
}

static void
on_disposition(struct mime *m, struct node *n, struct slice body)
{
	if (!n->has_disposition)
		(void)param_disposition(body, m->arena, &n->part,
		    &m->truncated);
	n->has_disposition = true;
}

static void
on_language(struct mime *m, struct node *n, struct slice body)
{
	if (n->part.languages == NULL)
		param_languages(body, m->arena, &n->part, &m->truncated);
}

static void
on_id(struct mime *m, struct node *n, struct slice body)
{
	if (n->part.id.at == NULL)
		n->part.id = keep_text(m, body);
}

static void
on_description(struct mime *m, struct node *n, struct slice body)
{
	if (n->part.description.at == NULL)
		n->part.description = keep_text(m, body);
}

static void
on_md5(struct mime *m, struct node *n, struct slice body)
{
	if (n->part.md5.at == NULL)
		n->part.md5 = keep_text(m, body);
}

static void
on_location(struct mime *m, struct node *n, struct slice body)
{
	if (n->part.location.at == NULL)
		n->part.location = keep_text(m, body);
}

static const struct content_field {
	struct slice name; /* behind "Content-" */
	void (*on)(struct mime *m, struct node *n, struct slice body);
} content_fields[] = {
	{ SLICE("Type"), on_type },
	{ SLICE("Transfer-Encoding"), on_encoding },
	{ SLICE("Disposition"), on_disposition },
	{ SLICE("Language"), on_language },
	{ SLICE("ID"), on_id },
	{ SLICE("Description"), on_description },
	{ SLICE("MD5"), on_md5 },
	{ SLICE("Location"), on_location },
};

static void
take_content_field(struct mime *m, struct slice name, struct slice body)
{
	if (slice_equal_nocase(name, SLICE("MIME-Version")))
		m->open->part.has_version = true;
	if (!slice_skip_nocase(&name, SLICE("Content-")))
		return;
	for (size_t i = 0;
	     i < sizeof(content_fields) / sizeof(content_fields[0]); i++)
		if (slice_equal_nocase(name, content_fields[i].name))
			content_fields[i].on(m, m->open, body);
}

static void
finish_field(struct mime *m)
{
	struct slice in = slice_of(m->field, m->field_len);
	struct header_field f;

	m->field_len = 0;
	if (in.len == 0 || !header_next(&in, &f))
		return;
	if (m->open == m->first) {
		m->header_has_8bit |= !slice_is_ascii(f.whole);
		if (m->on_field != NULL)
			m->on_field(m->ctx, f.name, f.body);
	} else if (m->on_inner != NULL) {
		m->on_inner(m->ctx, f.whole);
	}
	if (f.name.len == 0)
		m->open->part.is_odd = true;
	take_content_field(m, f.name, f.body);
	if (m->envelope != NULL)
		(void)envelope_add(m->envelope, f.name, f.body, m->arena,
		    &m->truncated);
}

/* False: the field is as long as it may be, or there is no memory. */
static bool
grow_field(struct mime *m, size_t want)
{
	size_t size = m->field_size == 0 ? FIELD_FIRST : m->field_size;
	uint8_t *at;

	while (size < want && size < MIME_FIELD)
		size *= 2;
	if (size == m->field_size)
		return want <= size;
	at = arena_alloc(m->arena, size);
	if (at == NULL)
		return false;
	if (m->field_len > 0)
		memcpy(at, m->field, m->field_len);
	m->field = at;
	m->field_size = size;
	return want <= size;
}

static void
take_header_bytes(struct mime *m, struct slice bytes, bool begins_line)
{
	if (begins_line && !ascii_is_space(bytes.at[0])) {
		finish_field(m);
		m->field_at = m->at - bytes.len;
	}
	m->field_end = m->at;
	if (bytes.len > LIMIT_HEADER - m->header_seen) {
		m->truncated = true;
		bytes = slice_upto(bytes, LIMIT_HEADER - m->header_seen);
	}
	m->header_seen += bytes.len;
	if (!grow_field(m, m->field_len + bytes.len)) {
		m->truncated = true;
		bytes = slice_upto(bytes, m->field_size - m->field_len);
	}
	if (bytes.len > 0)
		memcpy(m->field + m->field_len, bytes.at, bytes.len);
	m->field_len += bytes.len;
}

/* -- the ends of headers and bodies
 * ---------------------------------------------- */

static void
begin_multipart(struct mime *m, struct node *n)
{
	struct slice boundary;

	n->part.kind = MIME_MULTIPART;
	if (!mime_param_get(n->part.params, SLICE("boundary"), &boundary))
		return;
	if (boundary.len > MIME_BOUNDARY)
		m->truncated = true;
	else
		n->boundary = boundary;
	m->has_boundaries |= n->boundary.len > 0;
}

/* The header of the open part ends before `at`, `lf` LFs into the message. */
static void
end_header(struct mime *m, uint64_t at, uint64_t lf)
{
	static const struct envelope nothing; /* when the arena is full */
	struct node *n = m->open;
	struct mime_part *p = &n->part;

	finish_field(m);
	if (m->envelope != NULL)
		envelope_finish(m->envelope);
	if (n->is_message)
		p->envelope = m->envelope != NULL ? m->envelope : &nothing;
	m->envelope = NULL;
	p->header_len = at - p->offset;
	n->body_at = at;
	n->body_lf = lf;
	m->state = STATE_BODY;
	if (slice_equal_nocase(p->type, SLICE("multipart")))
		begin_multipart(m, n);
	else if (slice_equal_nocase(p->type, SLICE("text")))
		p->kind = MIME_TEXT;
	else if (is_type(p, SLICE("message"), SLICE("rfc822")) &&
	    open_part(m, at, true))
		p->kind = MIME_MESSAGE;
}

/* The part ends before `end`. Its header reaches beyond that when it ends with
 * the line end that belongs to the boundary line; it keeps that line end unless
 * a part around it inside the same boundary would then be too short. */
static void
close_part(struct node *n, uint64_t end, uint64_t lf, bool may_overlap)
{
	struct mime_part *p = &n->part;

	if (p->offset > end) {
		p->offset = end;
		p->header_len = 0;
		n->body_at = end;
	} else if (n->body_at > end && !may_overlap) {
		p->header_len = end - p->offset;
		n->body_at = end;
	}
	p->body_len = n->body_at > end ? 0 : end - n->body_at;
	p->lines = n->body_lf > lf ? 0 : lf - n->body_lf;
}

/* Closes what is open inside of `stop`, at a boundary line (or the end). */
static void
close_parts(struct mime *m, struct node *stop, uint64_t end, uint64_t lf)
{
	for (struct node *n = m->open; n != stop; n = n->up)
		close_part(n, end, lf,
		    n->up == stop && n->part.kind != MIME_MESSAGE);
	m->open = stop;
	note_boundaries(m);
}

/* The header of a part that has no body, because a boundary comes or the end;
 * a message in there has no header either. */
static void
end_headers(struct mime *m, uint64_t at, uint64_t lf)
{
	while (m->state == STATE_HEADER)
		end_header(m, at, lf);
}

static void
on_boundary(struct mime *m, struct node *multipart, bool is_close)
{
	struct node *top = m->open;
	uint64_t end = m->line_at, lf = m->lf;

	end_headers(m, m->line_at, m->lf);
	for (top = m->open; top != multipart && top->up != multipart;)
		top = top->up;
	/* The line end before belongs to the boundary (RFC 2046, 5.1.1), unless
	 * it ends the boundary line before. */
	if (top != multipart && end - top->part.offset >= m->line_end) {
		end -= m->line_end;
		lf -= m->line_end > 0;
	}
	close_parts(m, multipart, end, lf);
	multipart->is_closed = is_close;
	m->state = STATE_BODY;
	note_boundaries(m);
}

/* The open multipart to which the held line is a boundary: the longest that
 * fits, as one may begin like another. */
static struct node *
find_boundary(struct mime *m)
{
	struct slice line = slice_of(m->held, m->n_held);
	struct node *best = NULL;

	if (!slice_skip(&line, SLICE("--")))
		return NULL;
	for (struct node *n = m->open; n != NULL; n = n->up)
		if (n->boundary.len > 0 && !n->is_closed &&
		    slice_starts(line, n->boundary) &&
		    (best == NULL || n->boundary.len > best->boundary.len))
			best = n;
	return best;
}

/* -- lines
 * --------------------------------------------------------------------- */

static void
deliver(struct mime *m, struct slice bytes, bool begins_line)
{
	if (bytes.len == 0)
		return;
	if (m->state == STATE_HEADER)
		take_header_bytes(m, bytes, begins_line);
	else if (m->on_body != NULL &&
	    (m->open->part.kind == MIME_LEAF ||
		m->open->part.kind == MIME_TEXT))
		m->on_body(m->ctx, &m->open->part, bytes);
}

/* Enough of the line is held to say what it is. */
static void
decide(struct mime *m)
{
	struct node *multipart = find_boundary(m);
	struct slice rest;

	if (multipart == NULL) {
		m->line = LINE_PLAIN;
		deliver(m, slice_of(m->held, m->n_held), true);
		return;
	}
	rest = slice_from(slice_of(m->held, m->n_held),
	    2 + multipart->boundary.len);
	m->line = LINE_SKIPPED;
	on_boundary(m, multipart, slice_starts(rest, SLICE("--")));
}

/* The line in hand is whole; m->at stands behind its LF. */
static void
end_line(struct mime *m, bool has_cr)
{
	uint64_t len = m->at - m->line_at;
	bool was_boundary = m->line == LINE_SKIPPED;

	m->line_end = has_cr && len > 1 ? 2 : 1;
	m->has_bare_lf |= m->line_end == 1;
	m->lf++;
	m->line_at = m->at;
	m->n_held = 0;
	if (was_boundary) {
		if (!m->open->is_closed)
			(void)open_part(m, m->at, false);
	} else if (m->state == STATE_HEADER && len == m->line_end) {
		m->field_len = 0; /* the empty line is no field */
		end_header(m, m->at, m->lf);
	}
	m->line = LINE_PLAIN;
}

static struct slice
hold(struct mime *m, struct slice in)
{
	bool is_end = false;

	while (in.len > 0 && !is_end && m->n_held < HELD_MAX) {
		uint8_t c = in.at[0];

		m->held[m->n_held++] = c;
		in = slice_from(in, 1);
		m->at++;
		m->last_octet = c;
		is_end = c == '\n';
		if (m->n_held == 2 && c != '-')
			break;
	}
	if (is_end || m->n_held == HELD_MAX ||
	    (m->n_held == 2 && m->held[1] != '-'))
		decide(m);
	if (is_end)
		end_line(m, m->n_held > 1 && m->held[m->n_held - 2] == '\r');
	return in;
}

/* Takes octets up to the end of the line, or all. */
static struct slice
take_line(struct mime *m, struct slice in)
{
	size_t lf = slice_find_byte(in, '\n');
	struct slice run = slice_upto(in, lf == SIZE_MAX ? in.len : lf + 1);
	bool begins = m->at == m->line_at;
	bool has_cr;

	m->at += run.len;
	if (m->line == LINE_PLAIN)
		deliver(m, run, begins);
	has_cr =
	    run.len > 1 ? run.at[run.len - 2] == '\r' : m->last_octet == '\r';
	if (lf != SIZE_MAX)
		end_line(m, has_cr);
	else
		m->last_octet = run.at[run.len - 1];
	return slice_from(in, run.len);
}

static bool
has_high_bit(struct slice in)
{
	uint64_t word, all = 0;
	size_t i = 0;

	for (; i + sizeof(word) <= in.len; i += sizeof(word)) {
		memcpy(&word, in.at + i, sizeof(word));
		all |= word;
	}
	for (; i < in.len; i++)
		all |= in.at[i];
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

static bool
has_lone_cr(struct mime *m, struct slice in)
{
	size_t at;

	if (m->ends_in_cr && in.at[0] != '\n')
		return true;
	m->ends_in_cr = in.at[in.len - 1] == '\r';
	while ((at = slice_find_byte(in, '\r')) < in.len) {
		in = slice_from(in, at + 1);
		if (in.len > 0 && in.at[0] != '\n')
			return true;
	}
	return false;
}

/* What holds for all octets together; nothing is looked for twice. */
static void
scan(struct mime *m, struct slice in)
{
	m->has_8bit = m->has_8bit || has_high_bit(in);
	m->has_nul = m->has_nul || slice_find_byte(in, 0) != SIZE_MAX;
	m->has_bare_cr = m->has_bare_cr || has_lone_cr(m, in);
}

/* -- for everybody
 * ---------------------------------------------------------------- */

struct mime *
mime_new(struct arena *a)
{
	struct mime *m = arena_alloc(a, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->arena = a;
	m->line = LINE_PLAIN;
	return open_part(m, 0, true) ? m : NULL;
}

void
mime_watch(struct mime *m, mime_field_fn *field, mime_body_fn *body, void *ctx)
{
	m->on_field = field;
	m->on_body = body;
	m->ctx = ctx;
}

void
mime_watch_inner(struct mime *m, mime_inner_fn *inner)
{
	m->on_inner = inner;
}

void
mime_feed(struct mime *m, struct slice bytes)
{
	if (bytes.len == 0)
		return;
	scan(m, bytes);
	while (bytes.len > 0) {
		if (m->at == m->line_at && m->has_boundaries &&
		    bytes.at[0] == '-')
			m->line = LINE_UNDECIDED;
		if (m->line == LINE_UNDECIDED)
			bytes = hold(m, bytes);
		else
			bytes = take_line(m, bytes);
	}
}

/* Only the message itself, which is always there. */
static void
lay_out_alone(struct mime *m, struct mime_tree *ret)
{
	m->alone = m->first->part;
	if (m->alone.kind == MIME_MESSAGE)
		m->alone.kind = MIME_LEAF;
	m->truncated = true;
	ret->parts = &m->alone;
	ret->n = 1;
}

/* Where each part's children stand, and the parts in one row. */
static void
lay_out(struct mime *m, struct mime_tree *ret)
{
	struct mime_part *parts = arena_array(m->arena, m->n, sizeof(*parts));
	size_t i = 0;

	if (parts == NULL) {
		lay_out_alone(m, ret);
		return;
	}
	for (struct node *n = m->first; n != NULL; n = n->next) {
		parts[i++] = n->part;
		if (n->up == NULL)
			continue;
		if (n->up->last_child == MIME_NONE)
			parts[n->up->index].first_child = n->index;
		else
			parts[n->up->last_child].next_sibling = n->index;
		n->up->last_child = n->index;
		parts[n->up->index].n_children++;
	}
	ret->parts = parts;
	ret->n = m->n;
}

bool
mime_end(struct mime *m, struct mime_tree *ret)
{
	struct mime_tree tree = { .size = m->at, .lines = m->lf };

	if (m->line == LINE_UNDECIDED)
		decide(m);
	end_headers(m, m->at, m->lf);
	close_parts(m, NULL, m->at, m->lf);
	lay_out(m, &tree);
	tree.truncated = m->truncated;
	tree.has_8bit = m->has_8bit;
	tree.header_has_8bit = m->header_has_8bit;
	tree.has_nul = m->has_nul;
	tree.has_bare_lf = m->has_bare_lf;
	tree.has_bare_cr = m->has_bare_cr || m->ends_in_cr;
	*ret = tree;
	return true;
}

bool
mime_parse(struct slice message, struct arena *a, struct mime_tree *ret)
{
	struct mime *m = mime_new(a);

	if (m == NULL)
		return false;
	mime_feed(m, message);
	return mime_end(m, ret);
}

const struct mime_part *
mime_section(const struct mime_tree *tree, const uint32_t *numbers, size_t n)
{
	const struct mime_part *part = &tree->parts[0], *in;

	for (size_t i = 0; i < n; i++) {
		uint32_t left = numbers[i];
		uint16_t child;

		if (i > 0 && part->kind == MIME_MESSAGE)
			in = &tree->parts[part->first_child];
		else if (i == 0 || part->kind == MIME_MULTIPART)
			in = part;
		else
			return NULL;
		if (in->kind != MIME_MULTIPART) {
			if (left != 1)
				return NULL;
			part = in;
			continue;
		}
		if (left == 0)
			return NULL;
		for (child = in->first_child; child != MIME_NONE && --left > 0;)
			child = tree->parts[child].next_sibling;
		if (child == MIME_NONE)
			return NULL;
		part = &tree->parts[child];
	}
	return part;
}

bool
mime_param_get(struct mime_params params, struct slice name, struct slice *ret)
{
	for (size_t i = 0; i < params.n; i++) {
		if (!slice_equal_nocase(params.at[i].name, name))
			continue;
		*ret = params.at[i].value;
		return true;
	}
	return false;
}
