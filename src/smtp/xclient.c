/* SPDX-License-Identifier: ISC */
#include "smtp/xclient.h"

#include <string.h>

#include "smtp/path.h"

struct value {
	enum smtp_xclient_is is;
	struct slice text;
};

static bool
hex_upper(uint8_t c, uint8_t *ret)
{
	if (ascii_is_digit(c))
		*ret = (uint8_t)(c - '0');
	else if (c >= 'A' && c <= 'F')
		*ret = (uint8_t)(c - 'A' + 10);
	else
		return false;
	return true;
}

/* xtext = *( %x21-2A / %x2C-3C / %x3E-7E / "+" 2HEXDIG ), decoded; what comes
 * out must be printable. */
static bool
decode_xtext(struct slice in, uint8_t *out, size_t size, size_t *ret_n)
{
	size_t n = 0;
	uint8_t c, high, low;

	while (slice_take_byte(&in, &c)) {
		if (c == '=' || c == ' ' || !ascii_is_print(c) || n == size)
			return false;
		if (c == '+') {
			if (in.len < 2 || !hex_upper(in.at[0], &high) ||
			    !hex_upper(in.at[1], &low))
				return false;
			c = (uint8_t)(high << 4 | low);
			in = slice_from(in, 2);
			if (!ascii_is_print(c))
				return false;
		}
		out[n++] = c;
	}
	*ret_n = n;
	return n > 0;
}

/* "192.0.2.1" or "IPV6:2001:db8::1" */
static bool
read_ip(struct slice text, struct ip *ret)
{
	bool is_ipv6 = slice_skip_nocase(&text, SLICE("IPV6:"));
	struct ip ip;

	if (!ip_parse(text, &ip) || (ip.family == 6) != is_ipv6)
		return false;
	*ret = ip_unmapped(ip);
	return true;
}

static bool
read_port(struct slice text, uint16_t *ret)
{
	uint64_t n;

	if (!slice_to_u64(text, 65535, &n))
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* let-dig, '-', '_' and '.': as a PTR record gives it */
static bool
is_host(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alnum(text.at[i]) && text.at[i] != '-' &&
		    text.at[i] != '_' && text.at[i] != '.')
			return false;
	return text.len > 0 && text.len <= LIMIT_DOMAIN;
}

static bool
on_name(struct smtp_xclient *x, const struct value *v)
{
	x->name_is = (uint8_t)v->is;
	return v->is != SMTP_XCLIENT_SAID ||
	    (is_host(v->text) &&
		slice_to_cstr(v->text, x->name, sizeof(x->name)));
}

static bool
on_addr(struct smtp_xclient *x, const struct value *v)
{
	x->addr_is = (uint8_t)v->is;
	return v->is != SMTP_XCLIENT_SAID || read_ip(v->text, &x->addr);
}

static bool
on_port(struct smtp_xclient *x, const struct value *v)
{
	x->port_is = (uint8_t)v->is;
	return v->is != SMTP_XCLIENT_SAID || read_port(v->text, &x->port);
}

static bool
on_proto(struct smtp_xclient *x, const struct value *v)
{
	x->proto_is = (uint8_t)v->is;
	x->is_esmtp = slice_equal_nocase(v->text, SLICE("ESMTP"));
	return v->is == SMTP_XCLIENT_SAID &&
	    (x->is_esmtp || slice_equal_nocase(v->text, SLICE("SMTP")));
}

static bool
on_helo(struct smtp_xclient *x, const struct value *v)
{
	x->helo_is = (uint8_t)v->is;
	return v->is != SMTP_XCLIENT_SAID ||
	    (smtp_helo_is_valid(v->text) &&
		slice_to_cstr(v->text, x->helo, sizeof(x->helo)));
}

static bool
on_dest_addr(struct smtp_xclient *x, const struct value *v)
{
	x->dest_is = (uint8_t)v->is;
	return v->is != SMTP_XCLIENT_SAID || read_ip(v->text, &x->dest);
}

static bool
on_dest_port(struct smtp_xclient *x, const struct value *v)
{
	x->dest_port_is = (uint8_t)v->is;
	return v->is != SMTP_XCLIENT_SAID || read_port(v->text, &x->dest_port);
}

#define NAME(text)                                                             \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}
static const struct attribute {
	struct slice name;
	bool (*read)(struct smtp_xclient *, const struct value *);
} attributes[] = {
	{ NAME("NAME"), on_name },
	{ NAME("ADDR"), on_addr },
	{ NAME("PORT"), on_port },
	{ NAME("PROTO"), on_proto },
	{ NAME("HELO"), on_helo },
	{ NAME("DESTADDR"), on_dest_addr },
	{ NAME("DESTPORT"), on_dest_port },
};

static int
read_attribute(struct slice name, struct slice text, struct smtp_xclient *x,
    unsigned *seen)
{
	uint8_t decoded[LIMIT_DOMAIN];
	struct value v = { .is = SMTP_XCLIENT_SAID };
	size_t n = 0;

	if (slice_equal_nocase(text, SLICE("[UNAVAILABLE]")))
		v.is = SMTP_XCLIENT_UNAVAILABLE;
	else if (slice_equal_nocase(text, SLICE("[TEMPUNAVAIL]")))
		v.is = SMTP_XCLIENT_TEMPUNAVAIL;
	else if (!decode_xtext(text, decoded, sizeof(decoded), &n))
		return SMTP_XCLIENT_E_VALUE;
	v.text = slice_of(decoded, n);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]);
	     i++) {
		if (!slice_equal_nocase(name, attributes[i].name))
			continue;
		if ((*seen & 1u << i) != 0)
			return SMTP_XCLIENT_E_ATTRIBUTE;
		*seen |= 1u << i;
		return attributes[i].read(x, &v) ? SMTP_XCLIENT_OK
						 : SMTP_XCLIENT_E_VALUE;
	}
	return SMTP_XCLIENT_E_ATTRIBUTE;
}

static bool
not_space(uint8_t c)
{
	return c != ' ';
}

int
smtp_xclient_parse(struct slice args, struct smtp_xclient *ret)
{
	struct smtp_xclient x = { 0 };
	struct slice word, name;
	unsigned seen = 0;

	do {
		int r;

		if (!slice_take_while(&args, not_space, &word) ||
		    !slice_take_until(&word, '=', &name) || name.len == 0)
			return SMTP_XCLIENT_E_SYNTAX;
		r = read_attribute(name, word, &x, &seen);
		if (r != SMTP_XCLIENT_OK)
			return r;
	} while (slice_skip_byte(&args, ' '));
	if (args.len > 0)
		return SMTP_XCLIENT_E_SYNTAX;
	*ret = x;
	return SMTP_XCLIENT_OK;
}
