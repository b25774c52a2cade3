/* SPDX-License-Identifier: ISC */
#include "mail/preview.h"

#include <string.h>

#include "mail/lex.h"

enum {
	PIECE = 512 /* octets decoded at a time */
};

void
preview_init(struct preview *p)
{
	*p = (struct preview){ 0 };
	buf_init(&p->text, PREVIEW_HTML + PIECE + 128);
}

void
preview_deinit(struct preview *p)
{
	buf_deinit(&p->text);
}

static void
choose(struct preview *p, const struct mime_part *part, bool is_html)
{
	struct slice charset = SLICE("");

	(void)mime_param_get(part->params, SLICE("charset"), &charset);
	if (charset.len > PREVIEW_CHARSET)
		charset = SLICE("unknown");
	p->part = part;
	p->is_html = is_html;
	decoder_init(&p->decoder, encoding_of(part->encoding));
	buf_reset(&p->text, PREVIEW_HTML);
	p->charset_len = charset.len;
	if (charset.len > 0)
		memcpy(p->charset, charset.at, charset.len);
}

static bool
is_wanted(const struct preview *p, const struct mime_part *part)
{
	bool plain, html;

	if (part == p->part)
		return true;
	plain = slice_equal_nocase(part->subtype, SLICE("plain"));
	html = slice_equal_nocase(part->subtype, SLICE("html"));
	return part->kind == MIME_TEXT && (plain || html) &&
	    !slice_equal_nocase(part->disposition, SLICE("attachment")) &&
	    (p->part == NULL || (plain && p->is_html));
}

void
preview_feed(struct preview *p, const struct mime_part *part,
    struct slice bytes)
{
	size_t enough;

	if (!is_wanted(p, part))
		return;
	if (part != p->part)
		choose(p, part,
		    slice_equal_nocase(part->subtype, SLICE("html")));
	enough = p->is_html ? PREVIEW_HTML : PREVIEW_TEXT;
	while (bytes.len > 0 && p->text.len < enough) {
		struct slice piece = slice_upto(bytes, PIECE);

		if (decoder_feed(&p->decoder, piece, &p->text) != BUF_OK)
			return;
		bytes = slice_from(bytes, piece.len);
	}
}

struct slice
utf8_upto(struct slice s, size_t max)
{
	struct slice cut = slice_upto(s, max);

	if (cut.len == s.len)
		return s;
	while (cut.len > 0 && (s.at[cut.len] & 0xc0) == 0x80)
		cut.len--;
	return cut;
}

static const struct entity {
	struct slice name, text;
} entities[] = {
	{ SLICE("amp;"), SLICE("&") },
	{ SLICE("lt;"), SLICE("<") },
	{ SLICE("gt;"), SLICE(">") },
	{ SLICE("quot;"), SLICE("\"") },
	{ SLICE("apos;"), SLICE("'") },
	{ SLICE("#39;"), SLICE("'") },
	{ SLICE("nbsp;"), SLICE(" ") },
	{ SLICE("zwnj;"), SLICE("") },
	{ SLICE("auml;"), SLICE("\xc3\xa4") },
	{ SLICE("ouml;"), SLICE("\xc3\xb6") },
	{ SLICE("uuml;"), SLICE("\xc3\xbc") },
	{ SLICE("szlig;"), SLICE("\xc3\x9f") },
};

static int
add_entity(struct slice *in, struct buf *ret)
{
	*in = slice_from(*in, 1);
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (slice_skip(in, entities[i].name))
			return buf_add(ret, entities[i].text);
	return buf_add_byte(ret, '&');
}

/* Elements whose content is not text. */
static bool
skip_element(struct slice *in, struct slice begin, struct slice end)
{
	size_t at;

	if (!slice_starts_nocase(*in, begin))
		return false;
	at = slice_find_nocase(*in, end);
	*in = at == SIZE_MAX ? slice_from(*in, in->len) : slice_from(*in, at);
	return true;
}

static void
skip_tag(struct slice *in)
{
	struct slice inside;

	if (slice_starts(*in, SLICE("<!--"))) {
		size_t at = slice_find(*in, SLICE("-->"));

		*in = slice_from(*in, at == SIZE_MAX ? in->len : at + 3);
		return;
	}
	if (skip_element(in, SLICE("<style"), SLICE("</style")) ||
	    skip_element(in, SLICE("<script"), SLICE("</script")) ||
	    skip_element(in, SLICE("<title"), SLICE("</title")))
		if (in->len == 0)
			return;
	if (!slice_take_until(in, '>', &inside))
		*in = slice_from(*in, in->len);
}

static bool
is_html_text(uint8_t c)
{
	return c != '<' && c != '&';
}

int
html_text(struct slice html, struct buf *ret)
{
	struct slice run;
	int r = BUF_OK;

	while (r == BUF_OK && html.len > 0) {
		if (slice_take_while(&html, is_html_text, &run)) {
			r = buf_add(ret, run);
		} else if (html.at[0] == '&') {
			r = add_entity(&html, ret);
		} else {
			skip_tag(&html);
			r = buf_add_byte(ret, ' ');
		}
	}
	return r;
}

static bool
is_visible(uint8_t c)
{
	return c > ' ' && c != 0x7f;
}

/* Controls and runs of blanks become one space; stops when there is enough. */
static int
squeeze(struct slice in, size_t enough, struct buf *out)
{
	struct slice word;
	int r = BUF_OK;

	while (r == BUF_OK && in.len > 0 && out->len <= enough) {
		if (!slice_take_while(&in, is_visible, &word)) {
			in = slice_from(in, 1);
			continue;
		}
		if (out->len > 0)
			r = buf_add_byte(out, ' ');
		if (r == BUF_OK)
			r = buf_add(out, word);
	}
	return r;
}

/* The kept octets may end inside of a character; the U+FFFD which that would
 * become is nobody's text. */
static struct slice
without_split_end(struct slice s)
{
	size_t back = 0;

	while (back < 3 && back < s.len &&
	    (s.at[s.len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < s.len && s.at[s.len - 1 - back] >= 0xc0 &&
	    !slice_is_utf8(slice_from(s, s.len - 1 - back)))
		s.len -= back + 1;
	return s;
}

int
preview_end(struct preview *p, size_t max, struct buf *ret)
{
	struct slice charset = slice_of(p->charset, p->charset_len), raw;
	struct buf text, visible, words;
	int r;

	if (p->part == NULL)
		return BUF_OK;
	buf_init(&text, 4 * (size_t)PREVIEW_HTML);
	buf_init(&visible, 4 * (size_t)PREVIEW_HTML);
	buf_init(&words, 5 * (size_t)PREVIEW_HTML);
	r = decoder_end(&p->decoder, &p->text);
	raw = buf_slice(&p->text);
	if (raw.len >= PREVIEW_TEXT)
		raw = without_split_end(raw);
	if (r == BUF_OK)
		r = charset_to_utf8(charset, raw, &text);
	if (r == BUF_OK && p->is_html)
		r = html_text(buf_slice(&text), &visible);
	if (r == BUF_OK)
		r = squeeze(buf_slice(p->is_html ? &visible : &text), max,
		    &words);
	if (r == BUF_OK)
		r = buf_add(ret, utf8_upto(buf_slice(&words), max));
	buf_deinit(&text);
	buf_deinit(&visible);
	buf_deinit(&words);
	return r < 0 ? r : BUF_OK;
}
