/* SPDX-License-Identifier: ISC */
#include "queue/page.h"

#include "mail/date.h"
#include "queue/retry.h"

enum {
	QP_LINE = 76 /* RFC 2045, 6.7 */
};

void
page_put(struct page *p, struct slice s)
{
	if (p->r == 0)
		p->r = buf_add(p->out, s);
}

void
page_text(struct page *p, const char *text)
{
	page_put(p, slice_cstr(text));
}

void
page_number(struct page *p, unsigned n)
{
	if (p->r == 0)
		p->r = buf_printf(p->out, "%u", n);
}

void
page_date(struct page *p, int64_t us)
{
	char text[DATE_RFC5322];

	date_print(us, 0, text);
	page_text(p, text);
}

void
page_id(struct page *p, const struct id *id)
{
	char text[ID_TEXT + 1];

	id_print(id, text);
	page_text(p, text);
}

void
page_esc(struct page *p, const struct esc *esc)
{
	page_number(p, esc->class);
	page_text(p, ".");
	page_number(p, esc->subject);
	page_text(p, ".");
	page_number(p, esc->detail);
}

void
page_clean(struct page *p, struct slice s, size_t max)
{
	if (p->r == 0)
		p->r = retry_clean(p->out, s, max);
}

static bool
has_controls(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < ' ' || s.at[i] == 127 ||
		    /* C1, U+2028 and U+2029 */
		    (s.at[i] == 0xc2 && s.len - i > 1 && s.at[i + 1] < 0xa0) ||
		    (s.at[i] == 0xe2 && s.len - i > 2 && s.at[i + 1] == 0x80 &&
			(s.at[i + 2] == 0xa8 || s.at[i + 2] == 0xa9)))
			return true;
	return false;
}

void
page_utf8(struct page *p, struct slice s, size_t max)
{
	if (s.len <= max && slice_is_utf8(s) && !has_controls(s))
		page_put(p, s);
	else
		page_clean(p, s, max);
}

static bool
qp_is_plain(struct slice line, size_t i)
{
	uint8_t c = line.at[i];

	if (c == ' ' || c == '\t')
		return i + 1 < line.len; /* not at the end of a line */
	return ascii_is_print(c) && c != '=' && !(c == '-' && i == 0);
}

void
page_quoted_printable(struct page *p, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";
	struct slice line;

	while (p->r == 0 && slice_take_crlf_line(&text, &line)) {
		size_t column = 0;

		for (size_t i = 0; i < line.len; i++) {
			uint8_t c = line.at[i];
			char code[3] = { '=', hex[c >> 4], hex[c & 15] };

			if (column > QP_LINE - 4) {
				page_text(p, "=\r\n");
				column = 0;
			}
			if (qp_is_plain(line, i)) {
				page_put(p, slice_of(&c, 1));
				column++;
			} else {
				page_put(p, slice_of(code, sizeof(code)));
				column += sizeof(code);
			}
		}
		page_text(p, "\r\n");
	}
}
