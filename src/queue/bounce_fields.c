/* SPDX-License-Identifier: ISC */
#include "queue/bounce_fields.h"

#include "queue/classify.h"

enum {
	FIELD_TEXT = 600, /* of a remote's words in one field */
	ADDRESS_MAX = 320,
	DECODED_MAX = 512 /* of xtext: as long as what may be given */
};

/* RFC 3464, 2.3.3 */
static const char *const successes[] = {
	[BOUNCE_DELIVERED] = "delivered",
	[BOUNCE_RELAYED] = "relayed",
	[BOUNCE_EXPANDED] = "expanded",
};

/* RFC 3463, 3.5 */
static const struct esc late = { 4, 4, 7 };

/* -- what came encoded
 * ----------------------------------------------------------- */

static bool
take_hex(struct slice *in, uint32_t *ret)
{
	struct slice digits = SLICE("0123456789ABCDEF");
	size_t n;

	if (in->len == 0)
		return false;
	n = slice_find_byte(digits, in->at[0]);
	if (n == SIZE_MAX)
		return false;
	*in = slice_from(*in, 1);
	*ret = *ret << 4 | (uint32_t)n;
	return true;
}

/* "+2B" of RFC 3461, 4 */
static bool
take_xtext(struct slice *in, uint32_t *ret)
{
	struct slice rest = *in;
	uint32_t c = 0;

	if (!slice_skip_byte(&rest, '+') || !take_hex(&rest, &c) ||
	    !take_hex(&rest, &c))
		return false;
	*ret = c;
	*in = rest;
	return true;
}

/* "\x{E9}" of RFC 6533, 3 */
static bool
take_unitext(struct slice *in, uint32_t *ret)
{
	struct slice rest = *in;
	uint32_t c = 0;
	unsigned n = 0;

	if (!slice_skip(&rest, SLICE("\\x{")))
		return false;
	while (n < 6 && take_hex(&rest, &c))
		n++;
	if (n < 2 || !slice_skip_byte(&rest, '}'))
		return false;
	*ret = c;
	*in = rest;
	return true;
}

/* Whatever is no character is found out by who looks at the whole. */
static size_t
encode_utf8(uint32_t c, uint8_t at[4])
{
	if (c < 0x80) {
		at[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		at[0] = (uint8_t)(0xc0 | c >> 6);
		at[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		at[0] = (uint8_t)(0xe0 | c >> 12);
		at[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		at[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	at[0] = (uint8_t)(0xf0 | (c >> 18 & 0x0f));
	at[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	at[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	at[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* What is not of the encoding's form stays as it is. */
static struct slice
decode_xtext(struct slice s, uint8_t at[DECODED_MAX])
{
	size_t n = 0;
	uint32_t c;

	while (s.len > 0 && n < DECODED_MAX) {
		if (!take_xtext(&s, &c)) {
			c = s.at[0];
			s = slice_from(s, 1);
		}
		at[n++] = (uint8_t)c;
	}
	return slice_of(at, n);
}

static struct slice
decode_unitext(struct slice s, uint8_t at[DECODED_MAX])
{
	size_t n = 0;
	uint32_t c;

	while (s.len > 0 && DECODED_MAX - n >= 4) {
		if (take_unitext(&s, &c)) {
			n += encode_utf8(c, at + n);
			continue;
		}
		at[n++] = s.at[0];
		s = slice_from(s, 1);
	}
	return slice_of(at, n);
}

/* -- of a recipient
 * --------------------------------------------------------------- */

static void
put_original_rcpt(struct page *p, struct slice orcpt)
{
	uint8_t plain[DECODED_MAX];
	struct slice type, address;

	if (!slice_take_until(&orcpt, ';', &type) || type.len == 0)
		return;
	page_text(p, "Original-Recipient: ");
	page_clean(p, type, 60);
	page_text(p, "; ");
	if (slice_equal_nocase(type, SLICE("utf-8"))) {
		address = decode_unitext(orcpt, plain);
		/* what is none is copied as it came (RFC 6533, 3) */
		page_utf8(p, slice_is_utf8(address) ? address : orcpt,
		    DECODED_MAX);
	} else {
		page_clean(p, decode_xtext(orcpt, plain), 400);
	}
	page_text(p, "\r\n");
}

static void
put_final_rcpt(struct page *p, struct slice address)
{
	page_text(p,
	    slice_is_ascii(address) ? "Final-Recipient: rfc822; "
				    : "Final-Recipient: utf-8; ");
	page_utf8(p, address, ADDRESS_MAX);
	page_text(p, "\r\n");
}

static void
put_diagnostic(struct page *p, const struct bounce_rcpt *r)
{
	struct slice rest = r->remote, host;
	struct esc esc = r->verdict.esc;
	bool is_said;

	if (!slice_take_until(&rest, ' ', &host))
		host = r->remote;
	if (host.len == 0 && r->verdict.text.len == 0)
		return; /* it is in a mailbox here, and that is all */
	if (host.len > 0) {
		page_text(p, "Remote-MTA: dns; ");
		page_clean(p, host, 255);
		page_text(p, "\r\n");
	}
	is_said = host.len > 0 && !r->is_ours;
	page_text(p,
	    is_said ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: x-ulak; ");
	page_number(p, r->verdict.code);
	page_text(p, " ");
	/* X.0.0 stands for none that fits the code: the server has not said
	 * so; what was 5yz to a mail that is only late was said as 5yz */
	if (!is_said || esc.subject != 0 || esc.detail != 0) {
		if (is_said)
			esc.class = (uint8_t)(r->verdict.code / 100);
		page_esc(p, &esc);
		page_text(p, " ");
	}
	page_clean(p, r->verdict.text, FIELD_TEXT);
	page_text(p, "\r\n");
}

static void
put_rcpt(struct page *p, const struct bounce *b, const struct bounce_rcpt *r)
{
	page_text(p, "\r\n");
	put_original_rcpt(p, r->orcpt);
	put_final_rcpt(p, r->address);
	page_text(p, "Action: ");
	page_text(p,
	    b->is_success       ? successes[r->action]
		: b->is_delayed ? "delayed"
				: "failed");
	page_text(p, "\r\nStatus: ");
	page_esc(p, r->is_late ? &late : &r->verdict.esc);
	page_text(p, "\r\n");
	put_diagnostic(p, r);
	if (r->last_at != 0) {
		page_text(p, "Last-Attempt-Date: ");
		page_date(p, r->last_at);
		page_text(p, "\r\n");
	}
	if (!b->is_success) { /* the last who had it are we */
		page_text(p, "Final-Log-ID: ");
		page_id(p, &b->original);
		page_text(p, "\r\n");
	}
	if (b->is_delayed) {
		page_text(p, "Will-Retry-Until: ");
		page_date(p, b->expires);
		page_text(p, "\r\n");
	}
	if (!b->is_success) {
		page_text(p, "X-Ulak-Class: ");
		page_text(p, reply_class_name(reply_classify(&r->verdict)));
		page_text(p, "\r\n");
	}
}

/* -- of the message
 * --------------------------------------------------------------- */

void
bounce_fields(struct page *p, const struct bounce *b)
{
	uint8_t plain[DECODED_MAX];

	if (b->envid.len > 0) {
		page_text(p, "Original-Envelope-Id: ");
		page_clean(p, decode_xtext(b->envid, plain), 100);
		page_text(p, "\r\n");
	}
	page_text(p, "Reporting-MTA: dns; ");
	page_clean(p, b->hostname, 255);
	page_text(p, "\r\nArrival-Date: ");
	page_date(p, b->arrived);
	if (b->deliver_by != 0) {
		page_text(p, "\r\nDeliver-By-Date: ");
		page_date(p, b->deliver_by);
	}
	page_text(p, "\r\nX-Ulak-Message: ");
	page_id(p, &b->original);
	page_text(p, "\r\n");
	for (size_t i = 0; i < b->n_rcpts; i++)
		put_rcpt(p, b, &b->rcpts[i]);
}
