/* SPDX-License-Identifier: ISC */
#include "mail/inject.h"

#include "base/base64.h"
#include "base/limits.h"
#include "mail/address.h"
#include "mail/header.h"

enum {
	WORD_OCTETS =
	    42 /* of text in one encoded word: 75 characters, 2047 2 */
};

/* -- lines ------------------------------------------------------------------
 */

/* The first line without its end; *text is behind it. */
static struct slice
take_line(struct slice *text)
{
	size_t n = 0;
	struct slice line;

	while (n < text->len && text->at[n] != '\r' && text->at[n] != '\n')
		n++;
	line = slice_upto(*text, n);
	*text = slice_from(*text, n);
	if (!slice_skip(text, SLICE("\r\n")) && !slice_skip_byte(text, '\r'))
		(void)slice_skip_byte(text, '\n');
	return line;
}

int
inject_lines(struct slice text, bool dot_ends, struct buf *out)
{
	int r = 0;

	while (text.len > 0 && r == 0) {
		struct slice line = take_line(&text);

		if (dot_ends && slice_equal(line, SLICE(".")))
			break;
		r = buf_add(out, line);
		if (r == 0)
			r = buf_add(out, SLICE("\r\n"));
	}
	return r;
}

struct slice
inject_skip_mbox(struct slice text)
{
	if (slice_starts(text, SLICE("From ")))
		(void)take_line(&text);
	return text;
}

/* -- addresses --------------------------------------------------------------
 */

static bool
is_atext(uint8_t c)
{
	return ascii_is_alnum(c) || c >= 0x80 ||
	    slice_find_byte(SLICE("!#$%&'*+-/=?^_`{|}~"), c) != SIZE_MAX;
}

/* Dot-string (RFC 5321, 4.1.2; RFC 6531, 3.3) */
static bool
is_dot_string(struct slice s)
{
	bool was_dot = true;

	for (size_t i = 0; i < s.len; i++) {
		bool is_dot = s.at[i] == '.';

		if ((is_dot && was_dot) || (!is_dot && !is_atext(s.at[i])))
			return false;
		was_dot = is_dot;
	}
	return !was_dot;
}

static int
add_quoted(struct buf *out, struct slice s)
{
	int r = buf_add_byte(out, '"');

	for (size_t i = 0; i < s.len && r == 0; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			r = buf_add_byte(out, '\\');
		if (r == 0)
			r = buf_add_byte(out, s.at[i]);
	}
	return r == 0 ? buf_add_byte(out, '"') : r;
}

int
inject_address_print(struct slice local, struct slice domain, struct buf *out)
{
	int r =
	    is_dot_string(local) ? buf_add(out, local) : add_quoted(out, local);

	if (r == 0)
		r = buf_add_byte(out, '@');
	return r == 0 ? buf_add(out, domain) : r;
}

static bool
has_rcpt(const struct inject_rcpts *rcpts, struct slice address)
{
	for (size_t i = 0; i < rcpts->n; i++)
		if (slice_equal(rcpts->at[i], address))
			return true;
	return false;
}

/* False: it must not be left out silently, so the whole is refused. */
static bool
add_rcpt(const struct address *from, struct slice domain, struct arena *a,
    struct inject_rcpts *rcpts)
{
	struct slice host = from->host.len > 0 ? from->host : domain, copy;
	struct buf text;
	bool is_ok;

	if (from->local.len == 0 && from->host.len == 0)
		return true; /* ",," and the like */
	buf_init(&text, (size_t)4 * ADDRESS_PART_MAX);
	is_ok = inject_address_print(from->local, host, &text) == 0;
	if (is_ok && !has_rcpt(rcpts, buf_slice(&text))) {
		is_ok = rcpts->n < rcpts->max &&
		    arena_copy(a, buf_slice(&text), &copy);
		if (is_ok)
			rcpts->at[rcpts->n++] = copy;
	}
	buf_deinit(&text);
	return is_ok;
}

int
inject_rcpts_add(struct slice list, struct slice domain, struct arena *a,
    struct inject_rcpts *rcpts)
{
	struct address_list parsed;

	/* a group of one member is three of its items */
	if (address_parse(list, a, 3 * rcpts->max, &parsed) != ADDRESS_OK)
		rcpts->is_cut = true;
	for (size_t i = 0; i < parsed.n && !rcpts->is_cut; i++)
		if (parsed.at[i].kind == ADDRESS_MAILBOX &&
		    !add_rcpt(&parsed.at[i], domain, a, rcpts))
			rcpts->is_cut = true;
	return rcpts->is_cut ? INJECT_E_RCPTS : INJECT_OK;
}

/* -- the From field ---------------------------------------------------------
 */

static bool
is_phrase_byte(uint8_t c)
{
	return c == ' ' || (c < 0x80 && is_atext(c));
}

/* How much of UTF-8 text fits into one encoded word: no character is cut. */
static size_t
word_len(struct slice s)
{
	size_t n = s.len < WORD_OCTETS ? s.len : WORD_OCTETS;

	while (n > 1 && n < s.len && (s.at[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static int
add_encoded(struct buf *out, struct slice s)
{
	char text[2 * WORD_OCTETS];
	int r = 0;

	while (s.len > 0 && r == 0) {
		struct slice part = slice_upto(s, word_len(s));
		size_t n = base64_encode(part, text);

		s = slice_from(s, part.len);
		r = buf_printf(out, "=?utf-8?B?%.*s?=%s", (int)n, text,
		    s.len > 0 ? "\r\n " : "");
	}
	return r;
}

static int
add_name(struct buf *out, struct slice name)
{
	bool is_phrase = true, is_text = true;

	for (size_t i = 0; i < name.len; i++) {
		is_phrase = is_phrase && is_phrase_byte(name.at[i]);
		is_text = is_text && ascii_is_print(name.at[i]);
	}
	if (is_phrase)
		return buf_add(out, name);
	if (is_text)
		return add_quoted(out, name);
	return slice_is_utf8(name) ? add_encoded(out, name) : BUF_OK;
}

int
inject_from_print(struct slice name, struct slice address, struct buf *out)
{
	int r = buf_add_cstr(out, "From: ");

	name = slice_trim(slice_upto(name, ADDRESS_PART_MAX));
	if (r == 0 && name.len > 0) {
		r = add_name(out, name);
		if (r == 0)
			r = buf_add_byte(out, ' ');
	}
	if (r == 0)
		r = buf_add_byte(out, '<');
	if (r == 0)
		r = buf_add(out, address);
	return r == 0 ? buf_add_cstr(out, ">\r\n") : r;
}

/* -- the header -------------------------------------------------------------
 */

static const struct slice dropped[] = { SLICE("Bcc"), SLICE("Resent-Bcc"),
	SLICE("Return-Path") };
static const struct slice to_fields[] = { SLICE("To"), SLICE("Cc"),
	SLICE("Bcc") };
static const struct slice resent_fields[] = { SLICE("Resent-To"),
	SLICE("Resent-Cc"), SLICE("Resent-Bcc") };

static bool
is_one_of(struct slice name, const struct slice *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal_nocase(name, names[i]))
			return true;
	return false;
}
#define IS_ONE_OF(name, names)                                                 \
	is_one_of((name), (names), sizeof(names) / sizeof((names)[0]))

/* ftext (RFC 5322, 3.6.8): what is no field name belongs to the body. */
static bool
is_field(const struct header_field *f)
{
	for (size_t i = 0; i < f->name.len; i++)
		if (f->name.at[i] <= 0x20 || f->name.at[i] >= 0x7f)
			return false;
	return f->name.len > 0;
}

/* Length of the fields at the beginning of the message. */
static size_t
fields_len(struct slice message)
{
	struct slice rest = message, before;
	struct header_field f;

	do
		before = rest;
	while (header_next(&rest, &f) && is_field(&f));
	return message.len - before.len;
}

static int
take_rcpts(struct slice section, const struct inject_options *o,
    struct arena *a, struct inject_rcpts *rcpts)
{
	struct slice rest = section;
	struct header_field f;
	bool is_resent = false;
	int r = INJECT_OK;

	while (header_next(&rest, &f))
		is_resent = is_resent || IS_ONE_OF(f.name, resent_fields);
	rest = section;
	while (r == INJECT_OK && header_next(&rest, &f))
		if (is_resent ? IS_ONE_OF(f.name, resent_fields)
			      : IS_ONE_OF(f.name, to_fields))
			r = inject_rcpts_add(f.body, o->domain, a, rcpts);
	return r;
}

static int
add_missing(struct buf *out, struct slice section, struct slice name,
    struct slice field)
{
	struct header_field f;

	return header_find(section, name, &f) ? 0 : buf_add(out, field);
}

/* Who sends a message on says so in a block of fields that begins the header,
 * with a date and a name (RFC 5322, 3.6.6). */
static int
add_resent(struct buf *out, struct slice section,
    const struct inject_options *o)
{
	const struct {
		struct slice name, field;
	} wanted[] = {
		{ SLICE("Resent-Date"), o->date },
		{ SLICE("Resent-From"), o->from },
		{ SLICE("Resent-Message-ID"), o->message_id },
	};
	struct slice rest = section;
	struct header_field f;
	bool is_resent = false;
	int r = 0;

	while (!is_resent && header_next(&rest, &f))
		is_resent = slice_starts_nocase(f.name, SLICE("Resent-"));
	for (size_t i = 0; is_resent && r == 0 && i < 3; i++) {
		if (header_find(section, wanted[i].name, &f))
			continue;
		r = buf_add(out, SLICE("Resent-"));
		if (r == 0)
			r = buf_add(out, wanted[i].field);
	}
	return r;
}

static int
write_header(struct buf *out, struct slice section,
    const struct inject_options *o)
{
	struct slice rest = section;
	struct header_field f;
	int r = add_resent(out, section, o);

	while (r == 0 && header_next(&rest, &f))
		if (!IS_ONE_OF(f.name, dropped))
			r = buf_add(out, f.whole);
	if (r == 0)
		r = add_missing(out, section, SLICE("From"), o->from);
	if (r == 0)
		r = add_missing(out, section, SLICE("Date"), o->date);
	if (r == 0)
		r = add_missing(out, section, SLICE("Message-ID"),
		    o->message_id);
	return r == 0 ? buf_add(out, SLICE("\r\n")) : r;
}

void
inject_init(struct inject *j, size_t cap)
{
	buf_init(&j->lines, cap);
	buf_init(&j->header, cap);
	j->body = (struct slice){ 0 };
}

void
inject_deinit(struct inject *j)
{
	buf_deinit(&j->lines);
	buf_deinit(&j->header);
}

int
inject_message(struct inject *j, struct slice text,
    const struct inject_options *o, struct arena *a, struct inject_rcpts *rcpts)
{
	struct slice message, section;
	int r = inject_lines(inject_skip_mbox(text), o->dot_ends, &j->lines);

	if (r == 0) {
		message = buf_slice(&j->lines);
		section = slice_upto(message, fields_len(message));
		j->body = slice_from(message, section.len);
		(void)slice_skip(&j->body, SLICE("\r\n")); /* the empty line */
		if (o->takes_rcpts)
			r = take_rcpts(section, o, a, rcpts);
		if (r != INJECT_OK)
			return r;
		r = write_header(&j->header, section, o);
	}
	return r == BUF_E_FULL ? INJECT_E_FULL : r;
}
