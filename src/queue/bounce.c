/* SPDX-License-Identifier: ISC */
#include "queue/bounce.h"

#include "mail/header.h"
#include "queue/bounce_fields.h"
#include "queue/bounce_talk.h"
#include "queue/classify.h"
#include "queue/page.h"

enum {
	FIELD_TEXT = 600, /* of a remote's words */
	LINE_MAX = 998,   /* RFC 5322, 2.1.1 */
	MESSAGE_ID_MAX = 250
};

/* "=_" stands in no quoted-printable text, and nobody could know the id when
 * the original was written. */
static void
put_boundary(struct page *p, const struct bounce *b, const char *before,
    const char *after)
{
	page_text(p, before);
	page_text(p, "=_");
	page_id(p, &b->id);
	page_text(p, after);
}

/* -- the parts
 * ------------------------------------------------------------------ */

/* UTF-8 may stand in it as it is: nobody on its way is without SMTPUTF8, or it
 * goes nowhere anyway. */
static bool
may_be_8bit(const struct bounce *b)
{
	return b->takes_8bit || !slice_is_ascii(b->sender);
}

static void
put_type(struct page *p, const struct bounce *b, const char *type,
    const char *encoding)
{
	put_boundary(p, b, "\r\n--", "\r\nContent-Type: ");
	page_text(p, type);
	page_text(p, encoding);
	page_text(p, "\r\n\r\n");
}

#define ENCODING "\r\nContent-Transfer-Encoding: "

/* Of a type that may be encoded. is_plain: its form needs none. */
static void
put_part(struct page *p, const struct bounce *b, const char *type,
    struct slice text, bool is_plain)
{
	bool is_ascii = slice_is_ascii(text);

	if (is_plain && (is_ascii || may_be_8bit(b))) {
		put_type(p, b, type, is_ascii ? "" : ENCODING "8bit");
		page_put(p, text);
	} else {
		put_type(p, b, type, ENCODING "quoted-printable");
		page_quoted_printable(p, text);
	}
}

/* What `write` writes, in the type for ASCII or the one for UTF-8. */
static void
put_written(struct page *p, const struct bounce *b,
    void (*write)(struct page *, const struct bounce *), const char *type,
    const char *type_utf8)
{
	struct buf text;
	struct page inner = { &text, 0 };

	buf_init(&text, BOUNCE_MAX);
	write(&inner, b);
	if (inner.r == 0)
		put_part(p, b,
		    slice_is_ascii(buf_slice(&text)) ? type : type_utf8,
		    buf_slice(&text), true);
	else if (p->r == 0)
		p->r = inner.r;
	buf_deinit(&text);
}

/* -- the original
 * ----------------------------------------------------------- */

/* Only whole lines, and nothing behind the empty one. */
static struct slice
header_whole(struct slice header)
{
	struct slice rest = header, line;

	while (slice_take_crlf_line(&rest, &line) && line.len > 0)
		;
	return slice_upto(header, header.len - rest.len);
}

static bool
header_is_plain(struct slice header)
{
	struct slice line;

	while (slice_take_crlf_line(&header, &line)) {
		if (line.len > LINE_MAX ||
		    (line.len >= 2 && line.at[0] == '-' && line.at[1] == '-'))
			return false;
		for (size_t i = 0; i < line.len; i++)
			if (line.at[i] < 128 && !ascii_is_print(line.at[i]) &&
			    line.at[i] != '\t')
				return false;
	}
	return true;
}

/* As RFC 2045, 2.7 and 2.8 want it for 7bit and 8bit. */
static bool
content_is_plain(struct slice content)
{
	struct slice line;

	if (slice_find_byte(content, '\0') != SIZE_MAX)
		return false;
	while (slice_take_crlf_line(&content, &line))
		if (line.len > LINE_MAX ||
		    slice_find_byte(line, '\n') != SIZE_MAX ||
		    slice_find_byte(line, '\r') != SIZE_MAX)
			return false;
	return content.len <= LINE_MAX &&
	    slice_find_byte(content, '\n') == SIZE_MAX &&
	    slice_find_byte(content, '\r') == SIZE_MAX;
}

static bool
is_global(const struct bounce *b)
{
	return b->is_smtputf8 && !slice_is_ascii(header_whole(b->content)) &&
	    slice_is_utf8(header_whole(b->content));
}

/* A message/rfc822 is sent as it is or not at all (RFC 2046, 5.2.1); message/
 * global may be encoded (RFC 6532, 3.7), which needs a last line with its end.
 */
static bool
is_sent_whole(const struct bounce *b)
{
	if (!b->is_full || b->requires_tls)
		return false;
	if (content_is_plain(b->content) &&
	    (slice_is_ascii(b->content) || may_be_8bit(b)))
		return true;
	return is_global(b) && slice_ends(b->content, SLICE("\r\n"));
}

static void
put_whole(struct page *p, const struct bounce *b)
{
	put_part(p, b, is_global(b) ? "message/global" : "message/rfc822",
	    b->content, content_is_plain(b->content));
}

static void
put_header(struct page *p, const struct bounce *b)
{
	struct slice header = header_whole(b->content);
	bool is_utf8 = is_global(b);

	put_part(p, b,
	    is_utf8 ? "message/global-headers" : "text/rfc822-headers", header,
	    header_is_plain(header) && (is_utf8 || slice_is_ascii(header)));
}

/* Its sender wants no TLS where that is in the way (RFC 8689, 3), nor then for
 * what is told of it (6). */
static bool
wants_no_tls(const struct bounce *b)
{
	struct slice header = header_whole(b->content), line;

	while (!b->requires_tls && slice_take_crlf_line(&header, &line))
		if (slice_skip_nocase(&line, SLICE("TLS-Required:")))
			return slice_equal_nocase(slice_trim(line),
			    SLICE("No"));
	return false;
}

static bool
is_of_id(uint8_t c)
{
	return c > ' ' && c < 127 && c != '<' && c != '>';
}

/* Its Message-ID, if it is one (RFC 5322, 3.6.4) and in one line: whatever
 * else stands there is not ours to repeat. */
static struct slice
original_name(const struct bounce *b)
{
	struct header_field field;
	struct slice id, part;

	if (!header_find(header_whole(b->content), SLICE("Message-ID"), &field))
		return SLICE("");
	(void)slice_skip(&field.body, SLICE("\r\n")); /* folded before it */
	id = part = slice_trim(field.body);
	if (id.len > MESSAGE_ID_MAX || !slice_skip_byte(&part, '<') ||
	    !slice_take_while(&part, is_of_id, &id) ||
	    !slice_equal(part, SLICE(">")) ||
	    slice_find_byte(id, '@') == SIZE_MAX)
		return SLICE("");
	return id;
}

static void
put_thread(struct page *p, const struct bounce *b)
{
	static const char *const names[] = { "\r\nIn-Reply-To: <",
		"\r\nReferences: <" };
	struct slice name = original_name(b);

	for (size_t i = 0; name.len > 0 && i < 2; i++) {
		page_text(p, names[i]);
		page_put(p, name);
		page_text(p, ">");
	}
}

/* -- the words
 * ------------------------------------------------------------------ */

/* Where an enhanced code (RFC 3463) says more than its class does. */
static const struct {
	uint16_t subject, detail;
	enum reply_class class; /* as the reply's own, else it is not meant */
	const char *words;
} meanings[] = {
	{ 1, 2, REPLY_DNS,
	    "The part behind the @ is no domain that takes mail." },
	{ 1, 3, REPLY_UNKNOWN_USER,
	    "The address is not of a form that the server understands." },
	{ 1, 10, REPLY_DNS,
	    "That domain says that it accepts no mail at all." },
	{ 2, 1, REPLY_UNKNOWN_USER, "The mailbox is switched off." },
	{ 2, 3, REPLY_CONTENT, "The message is too large for this mailbox." },
	{ 3, 4, REPLY_CONTENT, "The message is too large for that server." },
	{ 4, 4, REPLY_DNS,
	    "The domain names no server that could be reached for mail." },
	{ 4, 7, REPLY_OTHER, "It could not be there in time." },
	{ 4, 6, REPLY_OTHER, "The mail would go round in a circle." },
	{ 6, 3, REPLY_CONTENT,
	    "The message has 8-bit text, which that server cannot take." },
	{ 6, 7, REPLY_CONTENT,
	    "The message or an address in it is not in ASCII, which that "
	    "server cannot take." },
	{ 6, 9, REPLY_CONTENT,
	    "The header of the message is not in ASCII, which that server "
	    "cannot take." },
	{ 7, 10, REPLY_TLS,
	    "You asked for verified TLS all the way, and there is none to "
	    "that server." },
	{ 7, 30, REPLY_TLS,
	    "You asked for verified TLS all the way, and that server does "
	    "not promise it." },
	{ 7, 17, REPLY_POLICY,
	    "The mailbox has another owner than the one you know." },
	{ 7, 19, REPLY_POLICY,
	    "You asked who owns the mailbox, and that server cannot tell." },
};

static const char *const success_words[] = {
	[BOUNCE_DELIVERED] = "It is in the mailbox.",
	[BOUNCE_RELAYED] =
	    "The next server has it; that one sends no such notices.",
	[BOUNCE_EXPANDED] = "It went on to the addresses behind this one.",
};

static const char *
meaning_of(const struct verdict *v, enum reply_class class)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].subject == v->esc.subject &&
		    meanings[i].detail == v->esc.detail &&
		    meanings[i].class == class)
			return meanings[i].words;
	return reply_class_meaning(class);
}

/* Whose words they are, and that they are only quoted. */
static void
put_said(struct page *p, const struct bounce_rcpt *r)
{
	bool is_theirs = r->remote.len > 0 && !r->is_ours;

	if (r->verdict.text.len == 0)
		return;
	page_text(p, is_theirs ? "    The server said: " : "    In detail: ");
	if (is_theirs) {
		page_number(p, r->verdict.code);
		page_text(p, " ");
	}
	page_clean(p, r->verdict.text, FIELD_TEXT);
	page_text(p, "\r\n");
}

static void
put_rcpt_words(struct page *p, const struct bounce *b,
    const struct bounce_rcpt *r)
{
	enum reply_class class = reply_classify(&r->verdict);

	page_text(p, "  <");
	page_utf8(p, r->address, 320);
	page_text(p, ">\r\n    ");
	page_text(p,
	    b->is_success ? success_words[r->action]
			  : meaning_of(&r->verdict, class));
	page_text(p, "\r\n");
	put_said(p, r);
	if (!b->is_delayed && !b->is_success) {
		if (r->is_late || r->verdict.esc.class == 4) {
			page_text(p, "    It was tried again and again since ");
			page_date(p, b->arrived);
			page_text(p, ".\r\n");
		}
		page_text(p, "    ");
		page_text(p, reply_class_advice(class));
		page_text(p, "\r\n");
	}
	page_text(p, "\r\n");
}

static void
write_what(struct page *p, const struct bounce *b)
{
	if (b->is_delayed) {
		page_text(p,
		    "Your message could not be delivered YET to the "
		    "addresses below. You need not\r\ndo anything: it is "
		    "kept and tried again until ");
		page_date(p, b->expires);
		page_text(p, ".\r\n\r\n");
	} else if (b->is_success) {
		page_text(p,
		    "You asked to be told: your message reached the addresses "
		    "below.\r\n\r\n");
	} else {
		page_text(p,
		    "I am sorry: your message could not be delivered to the "
		    "addresses below.\r\nIt will not be tried again; to "
		    "others it may have been delivered.\r\n\r\n");
	}
}

static void
write_words(struct page *p, const struct bounce *b)
{
	page_text(p, "This is the mail server at ");
	page_clean(p, b->hostname, 255);
	page_text(p, ".\r\n\r\n");
	write_what(p, b);
	for (size_t i = 0; i < b->n_rcpts; i++)
		put_rcpt_words(p, b, &b->rcpts[i]);
	bounce_talk(p, b);
	page_text(p, "The server knows the message as ");
	page_id(p, &b->original);
	page_text(p,
	    "; whoever runs it can find\r\nthe message's whole way "
	    "under this name. ");
	page_text(p,
	    is_sent_whole(b) ? "Your message is attached.\r\n"
			     : "The header of your message is attached.\r\n");
}

/* -- the whole
 * ------------------------------------------------------------------ */

static void
put_head(struct page *p, const struct bounce *b)
{
	page_text(p,
	    "Return-Path: <>\r\nFrom: Mail Delivery System "
	    "<MAILER-DAEMON@");
	page_clean(p, b->hostname, 255);
	page_text(p, ">\r\nTo: <");
	page_utf8(p, b->sender, 320);
	page_text(p, ">\r\nDate: ");
	page_date(p, b->now);
	page_text(p,
	    b->is_success       ? "\r\nSubject: Your message has arrived"
		: b->is_delayed ? "\r\nSubject: Your message is late"
				: "\r\nSubject: Your message could not be "
				  "delivered");
	page_text(p, "\r\nMessage-ID: <");
	page_id(p, &b->id);
	page_text(p, "@");
	page_clean(p, b->hostname, 255);
	page_text(p, ">");
	put_thread(p, b); /* RFC 3834, 3.1.5 */
	page_text(p, "\r\nAuto-Submitted: auto-replied\r\n");
	if (wants_no_tls(b))
		page_text(p, "TLS-Required: No\r\n");
	page_text(p,
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; "
	    "report-type=delivery-status;\r\n");
	put_boundary(p, b, "\tboundary=\"", "\"\r\n");
}

int
bounce_compose(const struct bounce *b, struct buf *out)
{
	struct page p = { out, 0 };

	put_head(&p, b);
	put_written(&p, b, write_words, "text/plain; charset=us-ascii",
	    "text/plain; charset=utf-8");
	put_written(&p, b, bounce_fields, "message/delivery-status",
	    "message/global-delivery-status");
	if (is_sent_whole(b))
		put_whole(&p, b);
	else
		put_header(&p, b);
	put_boundary(&p, b, "\r\n--", "--\r\n");
	return p.r;
}
