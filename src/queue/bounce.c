/* SPDX-License-Identifier: ISC */
#include "queue/bounce.h"

#include "mail/date.h"
#include "queue/retry.h"

enum {
	FIELD_TEXT = 600, /* of a remote's words in one field */
	LINE_MAX = 998,   /* RFC 5322, 2.1.1 */
	QP_LINE = 76      /* RFC 2045, 6.7 */
};

/* Output that remembers its first failure, so that composing reads as a list
 * of what is written. */
struct page {
	struct buf *out;
	int r;
};

static void
put(struct page *p, struct slice s)
{
	if (p->r == 0)
		p->r = buf_add(p->out, s);
}

static void
put_text(struct page *p, const char *text)
{
	put(p, slice_cstr(text));
}

static void
put_clean(struct page *p, struct slice s, size_t max)
{
	if (p->r == 0)
		p->r = retry_clean(p->out, s, max);
}

static void
put_number(struct page *p, unsigned n)
{
	if (p->r == 0)
		p->r = buf_printf(p->out, "%u", n);
}

static void
put_date(struct page *p, int64_t us)
{
	char text[DATE_RFC5322];

	date_print(us, 0, text);
	put_text(p, text);
}

static void
put_id(struct page *p, const struct id *id)
{
	char text[ID_TEXT + 1];

	id_print(id, text);
	put_text(p, text);
}

static void
put_esc(struct page *p, const struct esc *esc)
{
	put_number(p, esc->class);
	put_text(p, ".");
	put_number(p, esc->subject);
	put_text(p, ".");
	put_number(p, esc->detail);
}

/* "=_" stands in no quoted-printable text, and nobody could know the id when
 * the original's header was written. */
static void
put_boundary(struct page *p, const struct bounce *b, const char *before,
    const char *after)
{
	put_text(p, before);
	put_text(p, "=_");
	put_id(p, &b->id);
	put_text(p, after);
}

/* -- the words
 * ------------------------------------------------------------------ */

/* What a person makes of an enhanced code (RFC 3463). detail 1000: any. */
static const struct {
	uint16_t subject, detail;
	const char *words;
} meanings[] = {
	{ 1, 1,
	    "There is no such mailbox there. Is the address spelt "
	    "right?" },
	{ 1, 2,
	    "The part behind the @ is no domain that takes mail. Is it "
	    "spelt right?" },
	{ 1, 3, "The address is not of a form that the server understands." },
	{ 1, 10, "That domain says that it accepts no mail at all." },
	{ 2, 1, "The mailbox is switched off." },
	{ 2, 2, "The mailbox is full." },
	{ 2, 3, "The message is too large for this mailbox." },
	{ 3, 4, "The message is too large for that server." },
	{ 4, 4, "The domain names no server that could be reached for mail." },
	{ 4, 6, "The mail would go round in a circle." },
	{ 4, 1000, "The server for this address could not be reached." },
	{ 6, 3, "The message has 8-bit text, which that server cannot take." },
	{ 7, 1000,
	    "The server refused the message for reasons of its own "
	    "policy." },
};

/* RFC 3464, 2.3.3 */
static const struct {
	const char *field, *words;
} successes[] = {
	[BOUNCE_DELIVERED] = { "delivered", "It is in the mailbox." },
	[BOUNCE_RELAYED] = { "relayed",
	    "The next server has it; that one sends no such notices." },
	[BOUNCE_EXPANDED] = { "expanded",
	    "It went on to the addresses behind this one." },
};

static const char *
meaning_of(const struct verdict *v)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].subject == v->esc.subject &&
		    (meanings[i].detail == v->esc.detail ||
			meanings[i].detail == 1000))
			return meanings[i].words;
	return verdict_is_permanent(v)
	    ? "The server refused the message."
	    : "The server could not take the message so far.";
}

static void
put_rcpt_words(struct page *p, const struct bounce *b,
    const struct bounce_rcpt *r)
{
	put_text(p, "  <");
	put_clean(p, r->address, 320);
	put_text(p, ">\r\n    ");
	put_text(p,
	    b->is_success ? successes[r->action].words
			  : meaning_of(&r->verdict));
	put_text(p, "\r\n");
	if (r->verdict.text.len > 0) {
		put_text(p,
		    r->remote.len > 0 ? "    The server said: "
				      : "    In detail: ");
		if (r->remote.len > 0) {
			put_number(p, r->verdict.code);
			put_text(p, " ");
		}
		put_clean(p, r->verdict.text, FIELD_TEXT);
		put_text(p, "\r\n");
	}
	if (!b->is_delayed && !b->is_success &&
	    !verdict_is_permanent(&r->verdict)) {
		put_text(p, "    It was tried again and again since ");
		put_date(p, b->arrived);
		put_text(p, ".\r\n");
	}
	put_text(p, "\r\n");
}

static void
put_words(struct page *p, const struct bounce *b)
{
	put_boundary(p, b, "\r\n--",
	    "\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	put_text(p, "This is the mail server at ");
	put_clean(p, b->hostname, 255);
	put_text(p, ".\r\n\r\n");
	if (b->is_delayed)
		put_text(p,
		    "Your message could not be delivered YET to the "
		    "addresses below. You need not\r\ndo anything: it is "
		    "kept and tried again until ");
	else if (b->is_success)
		put_text(p,
		    "You asked to be told: your message reached the addresses "
		    "below.\r\n\r\n");
	else
		put_text(p,
		    "I am sorry: your message could not be delivered to the "
		    "addresses below.\r\nIt will not be tried again; to "
		    "others it may have been delivered.\r\n\r\n");
	if (b->is_delayed) {
		put_date(p, b->expires);
		put_text(p, ".\r\n\r\n");
	}
	for (size_t i = 0; i < b->n_rcpts; i++)
		put_rcpt_words(p, b, &b->rcpts[i]);
	put_text(p, "The server knows the message as ");
	put_id(p, &b->original);
	put_text(p,
	    "; whoever runs it can find\r\nthe message's whole way "
	    "under this name. The header of your message is "
	    "attached.\r\n");
}

/* -- the fields (RFC 3464, 2.2 and 2.3)
 * -------------------------------------------- */

/* xtext of RFC 3461, 4, decoded; what is not of its form stays as it is. */
static void
put_xtext(struct page *p, struct slice s, size_t max)
{
	uint8_t plain[512];
	size_t n = 0;

	for (size_t i = 0; i < s.len && n < sizeof(plain); i++) {
		struct slice digits = SLICE("0123456789ABCDEF");
		size_t high = SIZE_MAX, low = SIZE_MAX;

		if (s.at[i] == '+' && s.len - i > 2) {
			high = slice_find_byte(digits, s.at[i + 1]);
			low = slice_find_byte(digits, s.at[i + 2]);
		}
		if (high != SIZE_MAX && low != SIZE_MAX) {
			plain[n++] = (uint8_t)(high << 4 | low);
			i += 2;
		} else {
			plain[n++] = s.at[i];
		}
	}
	put_clean(p, slice_of(plain, n), max);
}

static void
put_original_rcpt(struct page *p, struct slice orcpt)
{
	struct slice type;

	if (!slice_take_until(&orcpt, ';', &type) || type.len == 0)
		return;
	put_text(p, "Original-Recipient: ");
	put_clean(p, type, 60);
	put_text(p, "; ");
	put_xtext(p, orcpt, 400);
	put_text(p, "\r\n");
}

static void
put_diagnostic(struct page *p, const struct bounce_rcpt *r)
{
	struct slice rest = r->remote, host;

	if (!slice_take_until(&rest, ' ', &host))
		host = r->remote;
	if (host.len > 0) {
		put_text(p, "Remote-MTA: dns; ");
		put_clean(p, host, 255);
		put_text(p, "\r\n");
	}
	put_text(p,
	    host.len > 0 ? "Diagnostic-Code: smtp; "
			 : "Diagnostic-Code: x-ulak; ");
	put_number(p, r->verdict.code);
	put_text(p, " ");
	put_esc(p, &r->verdict.esc);
	put_text(p, " ");
	put_clean(p, r->verdict.text, FIELD_TEXT);
	put_text(p, "\r\n");
}

static void
put_rcpt_fields(struct page *p, const struct bounce *b,
    const struct bounce_rcpt *r)
{
	put_text(p, "\r\n");
	put_original_rcpt(p, r->orcpt);
	put_text(p, "Final-Recipient: rfc822; ");
	put_clean(p, r->address, 320);
	put_text(p, "\r\nAction: ");
	put_text(p,
	    b->is_success       ? successes[r->action].field
		: b->is_delayed ? "delayed"
				: "failed");
	put_text(p, "\r\nStatus: ");
	put_esc(p, &r->verdict.esc);
	put_text(p, "\r\n");
	put_diagnostic(p, r);
	put_text(p, "Last-Attempt-Date: ");
	put_date(p, b->now);
	put_text(p, "\r\n");
	if (b->is_delayed) {
		put_text(p, "Will-Retry-Until: ");
		put_date(p, b->expires);
		put_text(p, "\r\n");
	}
}

static void
put_fields(struct page *p, const struct bounce *b)
{
	put_boundary(p, b, "\r\n--",
	    "\r\n"
	    "Content-Type: message/delivery-status\r\n\r\n");
	if (b->envid.len > 0) {
		put_text(p, "Original-Envelope-Id: ");
		put_xtext(p, b->envid, 100);
		put_text(p, "\r\n");
	}
	put_text(p, "Reporting-MTA: dns; ");
	put_clean(p, b->hostname, 255);
	put_text(p, "\r\nX-Ulak-Message: ");
	put_id(p, &b->original);
	put_text(p, "\r\nArrival-Date: ");
	put_date(p, b->arrived);
	put_text(p, "\r\n");
	for (size_t i = 0; i < b->n_rcpts; i++)
		put_rcpt_fields(p, b, &b->rcpts[i]);
}

/* -- the original's header
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
			if (!ascii_is_print(line.at[i]) && line.at[i] != '\t')
				return false;
	}
	return true;
}

static bool
qp_is_plain(struct slice line, size_t i)
{
	uint8_t c = line.at[i];

	if (c == ' ' || c == '\t')
		return i + 1 < line.len; /* not at the end of a line */
	return ascii_is_print(c) && c != '=' && !(c == '-' && i == 0);
}

/* RFC 2045, 6.7 */
static void
put_quoted_printable(struct page *p, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";
	struct slice line;

	while (p->r == 0 && slice_take_crlf_line(&text, &line)) {
		size_t column = 0;

		for (size_t i = 0; i < line.len; i++) {
			uint8_t c = line.at[i];
			char code[3] = { '=', hex[c >> 4], hex[c & 15] };

			if (column > QP_LINE - 4) {
				put_text(p, "=\r\n");
				column = 0;
			}
			if (qp_is_plain(line, i)) {
				put(p, slice_of(&c, 1));
				column++;
			} else {
				put(p, slice_of(code, sizeof(code)));
				column += sizeof(code);
			}
		}
		put_text(p, "\r\n");
	}
}

static void
put_header(struct page *p, const struct bounce *b)
{
	struct slice header = header_whole(b->header);

	put_boundary(p, b, "\r\n--",
	    "\r\nContent-Type: text/rfc822-headers\r\n");
	if (header_is_plain(header)) {
		put_text(p, "\r\n");
		put(p, header);
	} else {
		put_text(p,
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		put_quoted_printable(p, header);
	}
	put_boundary(p, b, "\r\n--", "--\r\n");
}

int
bounce_compose(const struct bounce *b, struct buf *out)
{
	struct page p = { out, 0 };

	put_text(&p,
	    "Return-Path: <>\r\nFrom: Mail Delivery System "
	    "<MAILER-DAEMON@");
	put_clean(&p, b->hostname, 255);
	put_text(&p, ">\r\nTo: <");
	put_clean(&p, b->sender, 320);
	put_text(&p, ">\r\nDate: ");
	put_date(&p, b->now);
	put_text(&p,
	    b->is_success       ? "\r\nSubject: Your message has arrived"
		: b->is_delayed ? "\r\nSubject: Your message is late"
				: "\r\nSubject: Your message could not be "
				  "delivered");
	put_text(&p, "\r\nMessage-ID: <");
	put_id(&p, &b->id);
	put_text(&p, "@");
	put_clean(&p, b->hostname, 255);
	put_text(&p,
	    ">\r\nAuto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; "
	    "report-type=delivery-status;\r\n");
	put_boundary(&p, b, "\tboundary=\"", "\"\r\n");
	put_words(&p, b);
	put_fields(&p, b);
	put_header(&p, b);
	return p.r;
}
