/* SPDX-License-Identifier: ISC */
#include "mail/received.h"

#include "mail/date.h"

enum {
	NAME_MAX_LEN = 255,
	TLS_MAX_LEN = 120,
	RCPT_MAX_LEN = 320
};

static bool
is_name_octet(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.';
}

static bool
is_literal_octet(uint8_t c)
{
	return ascii_is_alnum(c) || c == '.' || c == ':';
}

static bool
is_all(struct slice s, bool (*wanted)(uint8_t))
{
	for (size_t i = 0; i < s.len; i++)
		if (!wanted(s.at[i]))
			return false;
	return s.len > 0;
}

/* A domain or an address literal by its letters; whether it is the client's
 * own nobody has asked. */
static bool
is_plain_helo(struct slice helo)
{
	if (helo.len > NAME_MAX_LEN)
		return false;
	if (is_all(helo, is_name_octet))
		return ascii_is_alnum(helo.at[0]);
	return helo.len > 2 && helo.at[0] == '[' &&
	    helo.at[helo.len - 1] == ']' &&
	    is_all(slice_of(helo.at + 1, helo.len - 2), is_literal_octet);
}

/* Inside a comment: no octet that could end it, the line or the field. */
static int
add_masked(struct buf *ret, struct slice s, size_t max)
{
	int r = BUF_OK;

	s = slice_upto(s, max);
	for (size_t i = 0; r == BUF_OK && i < s.len; i++) {
		uint8_t c = s.at[i];
		bool fine = ascii_is_print(c) && c != '(' && c != ')' &&
		    c != '\\' && c != '"';

		r = buf_add_byte(ret, fine ? c : '?');
	}
	return r;
}

/* No address: the peer is on this machine. */
static bool
is_local(struct slice client)
{
	return slice_starts(client, SLICE("uid:")) ||
	    slice_equal(client, SLICE("local"));
}

/* TCP-info and address-literal say IPv6 by a tag (RFC 5321, 4.1.3). */
static int
add_literal(struct buf *ret, struct slice client)
{
	int r;

	if (is_local(client))
		return add_masked(ret, client, NAME_MAX_LEN);
	r = buf_add_cstr(ret,
	    slice_find_byte(client, ':') == SIZE_MAX ? "[" : "[IPv6:");
	if (r == BUF_OK)
		r = add_masked(ret, client, NAME_MAX_LEN);
	return r == BUF_OK ? buf_add_byte(ret, ']') : r;
}

/* From-domain = "FROM" FWS Extended-Domain. A name that is none stands as a
 * comment behind the address. */
static int
add_from(struct buf *ret, const struct received *r)
{
	bool plain = is_plain_helo(r->helo) || is_local(r->client);
	struct slice name =
	    is_plain_helo(r->helo) ? r->helo : SLICE("localhost");
	int e = buf_add_cstr(ret, "Received: from ");

	if (e == BUF_OK)
		e = plain ? buf_add(ret, name) : add_literal(ret, r->client);
	if (e == BUF_OK)
		e = buf_add_cstr(ret, plain ? " (" : " (helo=");
	if (e == BUF_OK && !plain)
		e = add_masked(ret, r->helo, NAME_MAX_LEN);
	if (e == BUF_OK && !plain && r->rdns.len > 0)
		e = buf_add_cstr(ret, " rdns=");
	if (e == BUF_OK && r->rdns.len > 0)
		e = add_masked(ret, r->rdns, NAME_MAX_LEN);
	if (e == BUF_OK && plain && r->rdns.len > 0)
		e = buf_add_byte(ret, ' ');
	if (e == BUF_OK && plain)
		e = add_literal(ret, r->client);
	return e == BUF_OK ? buf_add_cstr(ret, ")\r\n") : e;
}

static int
add_tls(struct buf *ret, struct slice tls)
{
	int r;

	if (tls.len == 0)
		return BUF_OK;
	r = buf_add_cstr(ret, "\t(using ");
	if (r == BUF_OK)
		r = add_masked(ret, tls, TLS_MAX_LEN);
	return r == BUF_OK ? buf_add_cstr(ret, ")\r\n") : r;
}

/* By-domain and the optional with, id */
static int
add_by(struct buf *ret, const struct received *r)
{
	int e = buf_add_cstr(ret, "\tby ");

	if (e == BUF_OK)
		e = add_masked(ret, r->by, NAME_MAX_LEN);
	if (e == BUF_OK)
		e = buf_add_cstr(ret, " with ");
	if (e == BUF_OK)
		e = add_masked(ret, r->protocol, 16);
	if (e == BUF_OK)
		e = buf_add_cstr(ret, " id ");
	return e == BUF_OK ? add_masked(ret, r->id, 64) : e;
}

/* For = "FOR" FWS ( Path / Mailbox ). As it is or not at all: a masked
 * address would be another one. */
static int
add_for(struct buf *ret, struct slice rcpt)
{
	int r;

	if (rcpt.len > RCPT_MAX_LEN || !is_all(rcpt, ascii_is_print))
		return BUF_OK;
	r = buf_add_cstr(ret, "\r\n\tfor <");
	if (r == BUF_OK)
		r = buf_add(ret, rcpt);
	return r == BUF_OK ? buf_add_byte(ret, '>') : r;
}

static int
add_date(struct buf *ret, int64_t wall_us)
{
	char text[DATE_RFC5322];

	date_print(wall_us, 0, text);
	return buf_printf(ret, ";\r\n\t%s\r\n", text);
}

int
received_print(const struct received *r, struct buf *ret)
{
	struct buf work;
	int e;

	buf_init(&work, RECEIVED_MAX);
	e = add_from(&work, r);
	if (e == BUF_OK)
		e = add_tls(&work, r->tls);
	if (e == BUF_OK)
		e = add_by(&work, r);
	if (e == BUF_OK)
		e = add_for(&work, r->rcpt);
	if (e == BUF_OK)
		e = add_date(&work, r->wall_us);
	if (e == BUF_OK)
		e = buf_add(ret, buf_slice(&work));
	buf_deinit(&work);
	return e;
}
