/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include <utf8proc.h>

#include "base/err.h"
#include "base/limits.h"
#include "imap/match.h"
#include "mail/address.h"
#include "mail/header.h"

enum {
	MATCH_PIECE = 32 * 1024,       /* decoded octets looked at in one go */
	TEXT_MAX = 1024 * 1024,        /* folded: up to 18 octets from one */
	MATCH_ADDRESSES = 1024 * 1024, /* parsed addresses of one header */
	FOLDED_MAX = 32                /* code points one can become */
};

static int
fold_one(utf8proc_int32_t c, struct buf *out)
{
	utf8proc_int32_t folded[FOLDED_MAX];
	utf8proc_uint8_t bytes[4];
	int state = 0, r = BUF_OK;
	utf8proc_ssize_t n = utf8proc_decompose_char(c, folded, FOLDED_MAX,
	    UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD, &state);

	if (n < 0 || n > FOLDED_MAX)
		return BUF_OK; /* unassigned: matches nothing */
	for (utf8proc_ssize_t i = 0; i < n && r == BUF_OK; i++) {
		utf8proc_ssize_t len = utf8proc_encode_char(folded[i], bytes);

		r = buf_add(out, slice_of(bytes, (size_t)len));
	}
	return r;
}

/* Upper-case letters among eight octets of ASCII become lower-case ones: an
 * octet's high bit is set where it is at least 'A' and not beyond 'Z'. */
static uint64_t
lower_eight(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t from_a = eight + ones * (0x80 - 'A');
	uint64_t beyond_z = eight + ones * (0x7f - 'Z');

	return eight | ((from_a ^ beyond_z) & (ones * 0x80)) >> 2;
}

/* The ASCII in front of `in`, of which nearly all text is; *ret_n: how much. */
static int
fold_ascii(struct slice in, struct buf *out, size_t *ret_n)
{
	uint64_t eight;
	uint8_t *at;
	size_t n = 0;
	int r = buf_reserve(out, in.len, &at);

	if (r != BUF_OK)
		return r;
	for (; in.len - n >= sizeof(eight); n += sizeof(eight)) {
		memcpy(&eight, in.at + n, sizeof(eight));
		if ((eight & UINT64_C(0x8080808080808080)) != 0)
			break;
		eight = lower_eight(eight);
		memcpy(at + n, &eight, sizeof(eight));
	}
	for (; n < in.len && in.at[n] < 0x80; n++)
		at[n] = ascii_lower(in.at[n]);
	buf_grew(out, n);
	*ret_n = n;
	return BUF_OK;
}

int
match_fold(struct slice in, struct buf *out)
{
	int r = BUF_OK;

	while (in.len > 0 && r == BUF_OK) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n;
		size_t run = 1;

		if (in.at[0] < 0x80) {
			r = fold_ascii(in, out, &run);
			in = slice_from(in, run);
			continue;
		}
		n = utf8proc_iterate(in.at, (utf8proc_ssize_t)in.len, &c);
		if (n > 0)
			r = fold_one(c, out);
		in = slice_from(in, n > 0 ? (size_t)n : 1);
	}
	return r;
}

static int
collate_one(utf8proc_int32_t c, struct buf *out)
{
	utf8proc_int32_t parts[FOLDED_MAX];
	utf8proc_uint8_t bytes[4];
	int state = 0, r = BUF_OK;
	utf8proc_ssize_t n = utf8proc_decompose_char(utf8proc_totitle(c), parts,
	    FOLDED_MAX, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE, &state);

	if (n < 0 || n > FOLDED_MAX)
		return BUF_OK;
	for (utf8proc_ssize_t i = 0; i < n && r == BUF_OK; i++) {
		utf8proc_ssize_t len = utf8proc_encode_char(parts[i], bytes);

		r = buf_add(out, slice_of(bytes, (size_t)len));
	}
	return r;
}

int
match_collate(struct slice in, struct buf *out)
{
	size_t i = 0;
	int r = BUF_OK;

	while (i < in.len && r == BUF_OK) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n;
		uint8_t byte = in.at[i];

		if (byte < 0x80) {
			bool is_lower = byte >= 'a' && byte <= 'z';

			r = buf_add_byte(out,
			    is_lower ? (uint8_t)(byte - 'a' + 'A') : byte);
			i++;
			continue;
		}
		n = utf8proc_iterate(in.at + i, (utf8proc_ssize_t)(in.len - i),
		    &c);
		if (n <= 0) {
			r = buf_add_byte(out, byte);
			i++;
			continue;
		}
		i += (size_t)n;
		r = collate_one(c, out);
	}
	return r;
}

/* One line of ASCII without encoded words, as most fields are: it stands there
 * as it is compared, but for the case of its letters. */
static bool
is_plain(struct slice body)
{
	for (size_t i = 0; i < body.len; i++)
		if (body.at[i] >= 0x80 || body.at[i] == '\r' ||
		    body.at[i] == '\n' ||
		    (body.at[i] == '=' && i + 1 < body.len &&
			body.at[i + 1] == '?'))
			return false;
	return true;
}

/* needle: in folded case */
static bool
plain_contains(struct slice body, struct slice needle)
{
	if (needle.len == 0)
		return true;
	for (size_t i = 0; i + needle.len <= body.len; i++) {
		size_t k = 0;

		while (k < needle.len &&
		    ascii_lower(body.at[i + k]) == needle.at[k])
			k++;
		if (k == needle.len)
			return true;
	}
	return false;
}

int
match_field_text(struct slice body, struct buf *ret)
{
	struct buf flat, decoded;
	int r;

	buf_init(&flat, LIMIT_HEADER);
	buf_init(&decoded, TEXT_MAX);
	buf_init(ret, TEXT_MAX);
	r = header_unfold(body, &flat);
	if (r == BUF_OK)
		r = encoded_words_decode(buf_slice(&flat), &decoded);
	if (r == BUF_OK)
		r = match_fold(buf_slice(&decoded), ret);
	buf_deinit(&flat);
	buf_deinit(&decoded);
	return r;
}

/* 1, 0, or -ENOMEM. What is too long to be folded contains nothing. */
static int
field_contains(struct slice body, struct slice needle)
{
	struct buf folded;
	bool found;
	int r;

	if (is_plain(slice_trim(body)))
		return plain_contains(slice_trim(body), needle);
	r = match_field_text(body, &folded);
	found =
	    r == BUF_OK && slice_find(buf_slice(&folded), needle) != SIZE_MAX;
	buf_deinit(&folded);
	return r < 0 ? r : found;
}

int
match_header(struct slice section, struct slice name, struct slice needle)
{
	struct header_field field;
	int r;

	while (header_next(&section, &field)) {
		if (name.len > 0 && !slice_equal_nocase(field.name, name))
			continue;
		if (needle.len == 0)
			return 1;
		r = field_contains(name.len > 0 ? field.body : field.whole,
		    needle);
		if (r != 0)
			return r;
	}
	return 0;
}

/* "name <local@host>" without quotes and comments. */
static int
address_contains(const struct address *a, struct slice needle)
{
	struct buf text, folded;
	bool found = false;
	int r;

	buf_init(&text, 8 * (size_t)ADDRESS_PART_MAX);
	buf_init(&folded, TEXT_MAX);
	r = encoded_words_decode(a->name, &text);
	if (r == BUF_OK)
		r = buf_printf(&text, " <%.*s@%.*s>", SLICE_FMT(a->local),
		    SLICE_FMT(a->host));
	if (r == BUF_OK)
		r = match_fold(buf_slice(&text), &folded);
	if (r == BUF_OK)
		found = slice_find(buf_slice(&folded), needle) != SIZE_MAX;
	buf_deinit(&text);
	buf_deinit(&folded);
	return r < 0 ? r : found;
}

/* Written as the envelope shows it: nothing else can be found there. */
static bool
is_as_shown(struct slice body)
{
	static const char *const pairs[] = { "@ ", " @", "< ", " >", "\t" };

	body = slice_trim(body);
	if (!is_plain(body))
		return false;
	for (const char *at = "(\"\\:"; *at != '\0'; at++)
		if (slice_find_byte(body, (uint8_t)*at) != SIZE_MAX)
			return false;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (slice_find(body, slice_cstr(pairs[i])) != SIZE_MAX)
			return false;
	return true;
}

int
match_addresses(struct slice section, struct slice name, struct slice needle)
{
	struct header_field field;
	struct address_list list;
	struct arena arena;
	int r = 0;

	arena_init(&arena, MATCH_ADDRESSES);
	while (r == 0 && header_next(&section, &field)) {
		if (!slice_equal_nocase(field.name, name) ||
		    is_as_shown(field.body))
			continue;
		(void)address_parse(field.body, &arena, ADDRESS_MAX, &list);
		for (size_t i = 0; i < list.n && r == 0; i++)
			if (list.at[i].kind == ADDRESS_MAILBOX)
				r = address_contains(&list.at[i], needle);
		if (r == 0 && arena.starved)
			r = ERR_ORIGIN(-ENOMEM);
		arena_reset(&arena);
	}
	arena_reset(&arena);
	return r;
}

/* -- bodies
 * -------------------------------------------------------------------- */

void
match_body_init(struct match_body *m, const struct match_needle *needles,
    size_t n)
{
	memset(m, 0, sizeof(*m));
	m->needles = needles;
	m->n = n;
	for (size_t i = 0; i < n; i++)
		if (needles[i].folded.len > m->longest)
			m->longest = needles[i].folded.len;
	buf_init(&m->raw, 2 * (size_t)LIMIT_CHUNK + MATCH_PIECE);
	buf_init(&m->text, TEXT_MAX * 4);
}

void
match_body_deinit(struct match_body *m)
{
	buf_deinit(&m->raw);
	buf_deinit(&m->text);
}

static void
look(struct match_body *m)
{
	struct slice text = buf_slice(&m->text);

	for (size_t i = 0; i < m->n; i++)
		if (!*m->needles[i].found &&
		    slice_find(text, m->needles[i].folded) != SIZE_MAX)
			*m->needles[i].found = true;
	/* A needle may begin here and end in the next piece. */
	if (m->longest == 0)
		buf_eat(&m->text, text.len);
	else if (text.len >= m->longest)
		buf_eat(&m->text, text.len - (m->longest - 1));
}

/* The first n octets of m->raw. */
static void
digest(struct match_body *m, size_t n)
{
	struct slice raw = slice_upto(buf_slice(&m->raw), n);
	size_t before = m->text.len;
	struct buf utf8;
	int r;

	buf_init(&utf8, TEXT_MAX);
	r = charset_to_utf8(m->charset, raw, &utf8);
	if (r == CHARSET_E_UNKNOWN)
		r = buf_add(&utf8, raw); /* its ASCII can still be found */
	if (r == BUF_OK)
		r = match_fold(buf_slice(&utf8), &m->text);
	if (r != BUF_OK)
		m->is_broken = true;
	else if (m->sink != NULL)
		m->sink->text(m->sink->ctx,
		    slice_from(buf_slice(&m->text), before));
	buf_deinit(&utf8);
	buf_eat(&m->raw, n);
	look(m);
}

void
match_body_end(struct match_body *m)
{
	if (m->part == NULL)
		return;
	if (decoder_end(&m->decoder, &m->raw) != BUF_OK)
		m->is_broken = true;
	digest(m, m->raw.len);
	if (m->sink != NULL)
		m->sink->text_end(m->sink->ctx);
	buf_reset(&m->text, MATCH_PIECE);
	m->part = NULL;
}

/* The fields of a report, too (RFC 3464, 6533): they are what a person looks
 * for who remembers an address. */
static bool
is_readable(const struct mime_part *part)
{
	return part->kind == MIME_TEXT ||
	    (part->kind == MIME_LEAF &&
		slice_equal_nocase(part->type, SLICE("message")));
}

static void
begin_part(struct match_body *m, const struct mime_part *part)
{
	match_body_end(m);
	m->part = part;
	m->charset = part->kind == MIME_TEXT ? slice_of("", 0) : SLICE("utf-8");
	(void)mime_param_get(part->params, SLICE("charset"), &m->charset);
	decoder_init(&m->decoder, encoding_of(part->encoding));
}

/* Behind a line, so as not to cut a character of several octets. It depends on
 * the decoded text alone, not on how its bytes came: who makes an index of it
 * and who looks again see the same, whatever a cut does to a character. */
static size_t
end_of_piece(const struct match_body *m)
{
	size_t at =
	    slice_find_last_byte(slice_upto(buf_slice(&m->raw), MATCH_PIECE),
		'\n');

	return at == SIZE_MAX ? MATCH_PIECE : at + 1;
}

void
match_body_feed(void *ctx, const struct mime_part *part, struct slice bytes)
{
	struct match_body *m = ctx;

	if (!is_readable(part))
		return;
	if (part != m->part)
		begin_part(m, part);
	while (bytes.len > 0) {
		struct slice piece = slice_upto(bytes, MATCH_PIECE);

		bytes = slice_from(bytes, piece.len);
		if (decoder_feed(&m->decoder, piece, &m->raw) != BUF_OK) {
			m->is_broken = true;
			return;
		}
		while (m->raw.len >= MATCH_PIECE)
			digest(m, end_of_piece(m));
	}
}

/* RFC 3501, 6.4.4: TEXT is in the header or the body of the message, and the
 * header of an enclosed message is in its body. BODY is kept to what a reader
 * reads. */
void
match_body_inner(void *ctx, struct slice field)
{
	struct match_body *m = ctx;

	if (m->sink != NULL)
		m->sink->field(m->sink->ctx, field);
	for (size_t i = 0; i < m->n; i++) {
		const struct match_needle *n = &m->needles[i];
		int r;

		if (!n->is_text || *n->found)
			continue;
		r = field_contains(field, n->folded);
		m->is_broken |= r < 0;
		*n->found = r > 0;
	}
}
