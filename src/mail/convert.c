/* SPDX-License-Identifier: ISC */
#include "mail/convert.h"

#include <stdio.h>
#include <string.h>

enum {
	LINE_MOST = 998, /* without its end (RFC 5321, 4.5.3.1.6) */
	FIELDS_ROOM = 200,
	PIECES_OF_PART = 6
};

enum phase {
	PHASE_PARTS,
	PHASE_OCTETS,
	PHASE_READY,
	PHASE_REFUSED
};

enum piece_kind {
	PIECE_BETWEEN, /* delimiters, what stands before and behind them */
	PIECE_HEADER,
	PIECE_FIELD, /* Content-Transfer-Encoding */
	PIECE_EMPTY, /* the line behind a header */
	PIECE_BODY   /* of a leaf */
};

/* What was seen in a piece. */
enum {
	HAS_8BIT = 1,
	HAS_NUL = 2,
	HAS_BARE = 4, /* CR or LF */
	HAS_LONG = 8, /* a line */
	HAS_NO_END = 16
};
#define HAS_BINARY (HAS_NUL | HAS_BARE | HAS_LONG)

/* What becomes of a leaf, or of the field that says it. */
enum form {
	FORM_KEPT,
	FORM_7BIT,
	FORM_8BIT,
	FORM_QP,
	FORM_BASE64
};

static const char *const form_names[] = {
	[FORM_7BIT] = "7bit",
	[FORM_8BIT] = "8bit",
	[FORM_QP] = "quoted-printable",
	[FORM_BASE64] = "base64",
};

#define FIELD_ENCODING "Content-Transfer-Encoding: "
#define FIELD_VERSION "MIME-Version: 1.0\r\n"
#define FIELD_TYPE "Content-Type: text/plain; charset=unknown-8bit\r\n"

struct convert_piece {
	uint64_t end; /* of the message's octets */
	uint16_t part;
	uint8_t kind; /* enum piece_kind */
	uint8_t seen; /* HAS_* */
	uint8_t form; /* BODY: enum form. FIELD, EMPTY: of the field instead of
		       * it, or before it; KEPT: none */
	bool adds_version, adds_type; /* EMPTY: these before it */
	bool adds_end;                /* the last piece: a CRLF behind it */
	uint64_t qp_size;             /* BODY of text */
};

static enum convert_need
refuse(struct convert *c, const char *why)
{
	c->phase = PHASE_REFUSED;
	c->why = why;
	return CONVERT_REFUSED;
}

/* -- the pieces ------------------------------------------------------------ */

static void
add_piece(struct convert *c, enum piece_kind kind, size_t part, uint64_t end)
{
	uint64_t at = c->n_pieces == 0 ? 0 : c->pieces[c->n_pieces - 1].end;

	if (end <= at)
		return;
	c->pieces[c->n_pieces++] = (struct convert_piece){
		.end = end, .part = (uint16_t)part, .kind = (uint8_t)kind
	};
}

static bool
is_leaf(const struct mime_part *p)
{
	return p->kind == MIME_LEAF || p->kind == MIME_TEXT;
}

/* A part whose header ends at the end of the part has no empty line. */
static void
add_part(struct convert *c, size_t i)
{
	const struct mime_part *p = &c->tree.parts[i];
	uint64_t body = p->offset + p->header_len;
	uint64_t field = p->encoding_at + p->encoding_len;

	add_piece(c, PIECE_BETWEEN, i, p->offset);
	if (p->encoding_len > 0 && p->encoding_at >= p->offset &&
	    field <= body) {
		add_piece(c, PIECE_HEADER, i, p->encoding_at);
		add_piece(c, PIECE_FIELD, i, field);
	}
	if (p->body_len > 0 && p->header_len >= 2)
		add_piece(c, PIECE_HEADER, i, body - 2);
	add_piece(c, p->body_len > 0 ? PIECE_EMPTY : PIECE_HEADER, i, body);
	if (is_leaf(p))
		add_piece(c, PIECE_BODY, i, body + p->body_len);
}

static enum convert_need
begin_octets(struct convert *c)
{
	if (!mime_end(c->mime, &c->tree) || c->tree.truncated)
		return refuse(c, "it has too many parts, or too long a header");
	c->pieces = arena_array(&c->arena, c->tree.n * PIECES_OF_PART + 1,
	    sizeof(*c->pieces));
	if (c->pieces == NULL)
		return refuse(c, "it has too many parts");
	for (size_t i = 0; i < c->tree.n; i++)
		add_part(c, i);
	add_piece(c, PIECE_BETWEEN, 0, c->length);
	c->phase = PHASE_OCTETS;
	c->at = 0;
	return CONVERT_AGAIN;
}

/* -- what is in them ------------------------------------------------------- */

static void
begin_piece(struct convert *c)
{
	c->line = 0;
	c->last = '\0';
	transfer_init(&c->transfer, false, NULL);
}

static void
see_octet(struct convert *c, struct convert_piece *piece, uint8_t octet)
{
	bool was_cr = c->last == '\r';

	if (octet >= 0x80)
		piece->seen |= HAS_8BIT;
	if (octet == '\0')
		piece->seen |= HAS_NUL;
	if (was_cr != (octet == '\n'))
		piece->seen |= HAS_BARE;
	if (c->line < sizeof(c->begin))
		c->begin[c->line] = octet;
	c->line = octet == '\n' ? 0 : c->line + 1;
	if (c->line > LINE_MOST + (octet == '\r'))
		piece->seen |= HAS_LONG;
	c->last = octet;
}

static void
see(struct convert *c, struct convert_piece *piece, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		see_octet(c, piece, bytes.at[i]);
	if (piece->kind == PIECE_BODY)
		transfer_add(&c->transfer, bytes);
}

/* The line in hand is the last delimiter of a multipart: a line end that is
 * added to it ends the message, and to any other may begin a part. */
static bool
is_last_delimiter(const struct convert *c)
{
	struct slice line = slice_of(c->begin, (size_t)c->line), boundary;

	if (c->line > sizeof(c->begin) || !slice_skip(&line, SLICE("--")) ||
	    !slice_ends(line, SLICE("--")))
		return false;
	line.len -= 2;
	for (size_t i = 0; i < c->tree.n; i++)
		if (c->tree.parts[i].kind == MIME_MULTIPART &&
		    mime_param_get(c->tree.parts[i].params, SLICE("boundary"),
			&boundary) &&
		    slice_equal(boundary, line))
			return true;
	return false;
}

static void
end_piece(struct convert *c, struct convert_piece *piece)
{
	bool is_last = piece->end == c->length;

	if (c->last == '\r')
		piece->seen |= HAS_BARE;
	if (is_last && c->last != '\n')
		piece->seen |= HAS_NO_END;
	piece->adds_end = (piece->seen & HAS_NO_END) != 0 &&
	    piece->kind == PIECE_BETWEEN && is_last_delimiter(c);
	if (piece->kind == PIECE_BODY) {
		transfer_end(&c->transfer, is_last);
		piece->qp_size = c->transfer.size;
	}
}

/* The part of the bytes that lies in the piece in hand. */
static struct slice
in_piece(const struct convert *c, struct slice bytes)
{
	uint64_t left = c->pieces[c->piece].end - c->at;

	return slice_upto(bytes, left < bytes.len ? (size_t)left : bytes.len);
}

static void
read_octets(struct convert *c, struct slice bytes)
{
	while (bytes.len > 0) {
		struct convert_piece *piece = &c->pieces[c->piece];
		struct slice run = in_piece(c, bytes);

		if (c->piece == 0 ? c->at == 0 : c->at == piece[-1].end)
			begin_piece(c);
		see(c, piece, run);
		c->at += run.len;
		bytes = slice_from(bytes, run.len);
		if (c->at == piece->end) {
			end_piece(c, piece);
			c->piece++;
		}
	}
}

/* -- what becomes of them -------------------------------------------------- */

static const struct mime_part *
part_around(const struct convert *c, const struct mime_part *p)
{
	return p->parent == MIME_NONE ? NULL : &c->tree.parts[p->parent];
}

static bool
is_identity(const struct mime_part *p)
{
	return slice_equal_nocase(p->encoding, SLICE("7bit")) ||
	    slice_equal_nocase(p->encoding, SLICE("8bit")) ||
	    slice_equal_nocase(p->encoding, SLICE("binary"));
}

/* RFC 1847: what is inside is as it was signed or encrypted, to the octet. */
static bool
is_signed(const struct mime_part *p)
{
	return p->kind == MIME_MULTIPART &&
	    (slice_equal_nocase(p->subtype, SLICE("signed")) ||
		slice_equal_nocase(p->subtype, SLICE("encrypted")));
}

/* Why nothing in it may be changed, its own field aside; NULL: it may. */
static const char *
why_sealed(const struct convert *c, const struct mime_part *p)
{
	while ((p = part_around(c, p)) != NULL) {
		if (is_signed(p))
			return "it has a signed part";
		if (!is_identity(p))
			return "it has parts in a part that is encoded";
		if (p->is_odd)
			return "the header of a part is broken";
	}
	return NULL;
}

/* RFC 6532, 3.7: message/global may be encoded; of the others RFC 2046, 5.2
 * and RFC 3464 say that they are 7-bit. */
static bool
is_encodable(const struct mime_part *p)
{
	return !slice_equal_nocase(p->type, SLICE("message")) ||
	    slice_starts_nocase(p->subtype, SLICE("global"));
}

static const char *
why_not_encoded(const struct convert *c, const struct mime_part *p)
{
	const char *why = why_sealed(c, p);

	if (why != NULL)
		return why;
	if (p->is_odd)
		return "the header of a part is broken";
	if (!is_identity(p))
		return "a part is not encoded as it says";
	if (!is_encodable(p))
		return "it has a part of a type that must be 7-bit";
	return NULL;
}

static bool
is_text(const struct mime_part *p)
{
	return p->kind == MIME_TEXT ||
	    slice_equal_nocase(p->type, SLICE("message"));
}

static uint64_t
base64_size(uint64_t n, bool is_last)
{
	uint64_t text = (n + 2) / 3 * 4;

	return text + (text - 1) / 76 * 2 + (is_last ? 2 : 0);
}

static uint64_t
length_of(const struct convert *c, const struct convert_piece *piece)
{
	return piece->end - (piece == c->pieces ? 0 : piece[-1].end);
}

/* Text stays legible where that is not much longer; what is no text has no
 * lines (RFC 2045, 6.7). */
static enum form
form_of(const struct convert *c, const struct convert_piece *piece)
{
	const struct mime_part *p = &c->tree.parts[piece->part];
	uint64_t size =
	    base64_size(length_of(c, piece), piece->end == c->length);

	if (!is_text(p) || (piece->seen & (HAS_NUL | HAS_BARE)) != 0 ||
	    piece->qp_size * 4 > size * 5)
		return FORM_BASE64;
	return FORM_QP;
}

/* What the next server does not take: in the body of a leaf, around it. */
static const struct goal {
	uint8_t body, header;
} goals[] = {
	[CONVERT_7BIT] = { HAS_BINARY | HAS_8BIT, HAS_BINARY | HAS_8BIT },
	[CONVERT_8BIT] = { HAS_BINARY, HAS_BINARY },
	[CONVERT_ASCII_HEADER] = { HAS_BINARY, HAS_BINARY | HAS_8BIT },
};

static enum form
plain_form(const struct convert *c)
{
	return c->goal == CONVERT_7BIT ? FORM_7BIT : FORM_8BIT;
}

/* A field that says more than will be true. */
static bool
says_too_much(const struct convert *c, const struct mime_part *p)
{
	return slice_equal_nocase(p->encoding, SLICE("binary")) ||
	    (c->goal == CONVERT_7BIT &&
		slice_equal_nocase(p->encoding, SLICE("8bit")));
}

/* Everything but the body of a leaf. */
static const char *
why_not_kept(const struct convert *c, const struct convert_piece *piece)
{
	bool is_between = piece->kind == PIECE_BETWEEN;

	if ((piece->seen & HAS_NO_END) != 0 && !piece->adds_end)
		return "it ends within a line";
	if ((piece->seen & HAS_BINARY) != 0)
		return "it has other than lines around its parts";
	if ((piece->seen & goals[c->goal].header) == 0)
		return NULL;
	return is_between ? "it has 8-bit octets between its parts"
			  : "it has 8-bit octets in a header";
}

/* The form of each leaf. */
static const char *
decide_body(struct convert *c, struct convert_piece *piece)
{
	const struct mime_part *p = &c->tree.parts[piece->part];
	const char *why;

	if ((piece->seen & (goals[c->goal].body | HAS_NO_END)) == 0)
		return NULL;
	why = why_not_encoded(c, p);
	if (why == NULL) {
		piece->form = (uint8_t)form_of(c, piece);
		c->n_encoded++;
	}
	return why;
}

/* What the header of a leaf says must fit it; a part around others has the
 * form that they have now. */
static enum form
field_of(const struct convert *c, const struct mime_part *p, enum form body)
{
	if (body != FORM_KEPT)
		return body;
	if (p->is_odd || !says_too_much(c, p) || why_sealed(c, p) != NULL)
		return FORM_KEPT;
	return plain_form(c);
}

/* The message that the part is of, and those around it, must say that they
 * are MIME for the field to have a meaning. */
static void
mark_messages(const struct convert *c, const struct mime_part *p, bool *marks)
{
	for (; p != NULL; p = part_around(c, p))
		if (p->envelope != NULL)
			marks[p - c->tree.parts] = true;
}

static const char *
decide_fields(struct convert *c)
{
	uint8_t *forms = arena_array(&c->arena, c->tree.n, 1);
	bool *marks = arena_array(&c->arena, c->tree.n, sizeof(bool));

	if (forms == NULL || marks == NULL)
		return "it has too many parts";
	for (size_t i = 0; i < c->n_pieces; i++)
		if (c->pieces[i].kind == PIECE_BODY)
			forms[c->pieces[i].part] = c->pieces[i].form;
	for (size_t i = 0; i < c->tree.n; i++) {
		const struct mime_part *p = &c->tree.parts[i];

		forms[i] = (uint8_t)field_of(c, p, forms[i]);
		if (forms[i] != FORM_KEPT)
			mark_messages(c, p, marks);
	}
	for (size_t i = 0; i < c->n_pieces; i++) {
		struct convert_piece *piece = &c->pieces[i];
		const struct mime_part *p = &c->tree.parts[piece->part];
		bool is_field = piece->kind == PIECE_FIELD;

		if (!is_field && piece->kind != PIECE_EMPTY)
			continue;
		if (is_field == (p->encoding_len > 0))
			piece->form = forms[piece->part];
		if (is_field || !marks[piece->part])
			continue;
		piece->adds_version = !p->has_version;
		piece->adds_type = !p->has_type && p->depth == 0 &&
		    forms[piece->part] >= FORM_QP;
	}
	return NULL;
}

/* -- what is written for a piece ------------------------------------------- */

/* The fields instead of it, or before it; returns their length. */
static size_t
print_fields(const struct convert_piece *piece, char text[FIELDS_ROOM])
{
	int n = snprintf(text, FIELDS_ROOM, "%s%s",
	    piece->adds_version ? FIELD_VERSION : "",
	    piece->adds_type ? FIELD_TYPE : "");

	if (piece->form != FORM_KEPT)
		n += snprintf(text + n, FIELDS_ROOM - (size_t)n,
		    FIELD_ENCODING "%s\r\n", form_names[piece->form]);
	return (size_t)n;
}

static bool
is_dropped(const struct convert_piece *piece)
{
	return piece->kind == PIECE_FIELD && piece->form != FORM_KEPT;
}

static bool
is_encoded(const struct convert_piece *piece)
{
	return piece->kind == PIECE_BODY && piece->form != FORM_KEPT;
}

static uint64_t
size_of(const struct convert *c, const struct convert_piece *piece)
{
	uint64_t n = length_of(c, piece) + (piece->adds_end ? 2 : 0);
	char text[FIELDS_ROOM];

	if (is_encoded(piece))
		return piece->form == FORM_QP
		    ? piece->qp_size
		    : base64_size(n, piece->end == c->length);
	if (piece->kind == PIECE_BODY)
		return n;
	return (is_dropped(piece) ? 0 : n) + print_fields(piece, text);
}

static enum convert_need
decide(struct convert *c)
{
	const char *why = NULL;

	for (size_t i = 0; why == NULL && i < c->n_pieces; i++) {
		struct convert_piece *piece = &c->pieces[i];

		if (piece->kind == PIECE_BODY) {
			why = decide_body(c, piece);
			continue;
		}
		why = why_not_kept(c, piece);
	}
	if (why == NULL)
		why = decide_fields(c);
	if (why != NULL)
		return refuse(c, why);
	for (size_t i = 0; i < c->n_pieces; i++) {
		c->size += size_of(c, &c->pieces[i]);
		c->is_8bit |= (c->pieces[i].seen & HAS_8BIT) != 0 &&
		    !is_encoded(&c->pieces[i]) && !is_dropped(&c->pieces[i]);
	}
	c->phase = PHASE_READY;
	return CONVERT_READY;
}

/* -- for everybody --------------------------------------------------------- */

void
convert_init(struct convert *c, enum convert_goal goal, uint64_t length)
{
	*c = (struct convert){ .goal = (uint8_t)goal, .length = length };
	arena_init(&c->arena, LIMIT_CONVERT_MEMORY);
	c->mime = mime_new(&c->arena);
}

void
convert_deinit(struct convert *c)
{
	arena_reset(&c->arena);
}

enum convert_need
convert_read(struct convert *c, struct slice bytes)
{
	if (c->phase == PHASE_REFUSED || c->mime == NULL)
		return refuse(c, c->mime == NULL ? "out of memory" : c->why);
	bytes = slice_upto(bytes, (size_t)(c->length - c->at));
	if (c->phase == PHASE_PARTS) {
		mime_feed(c->mime, bytes);
		c->at += bytes.len;
		return c->at < c->length ? CONVERT_MORE : begin_octets(c);
	}
	read_octets(c, bytes);
	return c->at < c->length ? CONVERT_MORE : decide(c);
}

void
convert_begin(struct convert *c)
{
	c->at = 0;
	c->piece = 0;
}

static void
write_run(struct convert *c, const struct convert_piece *piece,
    struct slice run, struct buf *out)
{
	char text[FIELDS_ROOM];
	bool is_first = c->piece == 0 ? c->at == 0 : c->at == piece[-1].end;

	if (is_first && piece->kind != PIECE_BODY)
		(void)buf_add(out, slice_of(text, print_fields(piece, text)));
	if (is_first && is_encoded(piece))
		transfer_init(&c->transfer, piece->form == FORM_BASE64, out);
	if (is_encoded(piece))
		transfer_add(&c->transfer, run);
	else if (!is_dropped(piece))
		(void)buf_add(out, run);
	c->at += run.len;
	if (c->at < piece->end)
		return;
	if (is_encoded(piece))
		transfer_end(&c->transfer, piece->end == c->length);
	if (piece->adds_end)
		(void)buf_add(out, SLICE("\r\n"));
	c->piece++;
}

size_t
convert_write(struct convert *c, struct slice bytes, struct buf *out)
{
	size_t n = 0;

	while (n < bytes.len && c->piece < c->n_pieces) {
		struct slice run = in_piece(c, slice_from(bytes, n));
		size_t room = buf_room(out);

		if (room < FIELDS_ROOM + TRANSFER_REST + TRANSFER_GROWTH)
			break;
		room = (room - FIELDS_ROOM - TRANSFER_REST) / TRANSFER_GROWTH;
		run = slice_upto(run, room);
		write_run(c, &c->pieces[c->piece], run, out);
		n += run.len;
	}
	return n;
}
