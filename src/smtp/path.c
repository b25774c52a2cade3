/* SPDX-License-Identifier: ISC */
#include "smtp/path.h"

/* atext, RFC 5322, 3.2.3, and any of UTF-8 (RFC 6531, 3.3) */
static bool
is_atom(uint8_t c)
{
	return ascii_is_alnum(c) || c >= 0x80 ||
	    (c != 0 &&
		slice_find_byte(SLICE("!#$%&'*+-/=?^_`{|}~"), c) != SIZE_MAX);
}

/* Also "_", which is in names that mail is really sent from and to
 * (docs/decisions/0007). */
static bool
is_label(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c >= 0x80;
}

static bool
is_qtext(uint8_t c)
{
	return (ascii_is_print(c) && c != '"' && c != '\\') || c >= 0x80;
}

static bool
is_hex(uint8_t c)
{
	return ascii_is_digit(c) || (c >= 'a' && c <= 'f') ||
	    (c >= 'A' && c <= 'F');
}

/* dot-string = atom *("." atom) */
static bool
take_dot_string(struct slice *in, struct slice *ret_run)
{
	struct slice rest = *in, part;

	do {
		if (!slice_take_while(&rest, is_atom, &part))
			return false;
	} while (slice_skip_byte(&rest, '.'));

	*ret_run = slice_upto(*in, in->len - rest.len);
	*in = rest;
	return true;
}

/* quoted-string = DQUOTE *(qtextSMTP / "\" %d32-126) DQUOTE */
static bool
take_quoted(struct slice *in, struct slice *ret_run)
{
	struct slice rest = *in, part;
	uint8_t c;

	if (!slice_skip_byte(&rest, '"'))
		return false;
	while (!slice_skip_byte(&rest, '"')) {
		if (slice_take_while(&rest, is_qtext, &part))
			continue;
		if (!slice_skip_byte(&rest, '\\') ||
		    !slice_take_byte(&rest, &c) || !ascii_is_print(c))
			return false;
	}
	*ret_run = slice_upto(*in, in->len - rest.len);
	*in = rest;
	return true;
}

/* sub-domain = label [*(label / "-") label] / U-label, label = Let-dig / "_".
 * A U-label has no limit of its own in octets; its A-label has. */
static bool
take_label(struct slice *in)
{
	struct slice rest = *in, label;

	if (!slice_take_while(&rest, is_label, &label) || label.at[0] == '-' ||
	    label.at[label.len - 1] == '-' ||
	    (label.len > SMTP_LABEL_MAX && slice_is_ascii(label)))
		return false;
	*in = rest;
	return true;
}

/* Snum 3("." Snum), Snum = 1*3DIGIT 0 to 255 */
static bool
skip_ipv4(struct slice *in)
{
	struct slice rest = *in, digits;
	uint64_t n;

	for (int i = 0; i < 4; i++) {
		if (i > 0 && !slice_skip_byte(&rest, '.'))
			return false;
		if (!slice_take_while(&rest, ascii_is_digit, &digits) ||
		    digits.len > 3 || !slice_to_u64(digits, 255, &n))
			return false;
	}
	*in = rest;
	return true;
}

/* What follows "IPv6:": groups of 1*4HEXDIG, at most one "::" (which stands
 * for at least two groups, 4.1.3), the last two perhaps as IPv4. */
static bool
skip_ipv6(struct slice *in)
{
	struct slice rest = *in, group;
	bool has_gap = slice_skip(&rest, SLICE("::")), needs_group = !has_gap;
	int n_groups = 0;

	for (;;) {
		if (skip_ipv4(&rest)) {
			n_groups += 2;
			break;
		}
		if (!slice_take_while(&rest, is_hex, &group)) {
			if (needs_group)
				return false;
			break;
		}
		if (group.len > 4 || ++n_groups > 8)
			return false;
		if (slice_skip(&rest, SLICE("::"))) {
			if (has_gap)
				return false;
			has_gap = true;
			needs_group = false;
		} else if (slice_skip_byte(&rest, ':')) {
			needs_group = true;
		} else {
			break;
		}
	}
	if (has_gap ? n_groups > 6 : n_groups != 8)
		return false;
	*in = rest;
	return true;
}

/* "[" IPv4 / "IPv6:" IPv6 "]"; no other tag is registered. */
static bool
skip_literal(struct slice *in)
{
	struct slice rest = *in;

	if (!slice_skip_byte(&rest, '['))
		return false;
	if (slice_skip_nocase(&rest, SLICE("IPv6:"))) {
		if (!skip_ipv6(&rest))
			return false;
	} else if (!skip_ipv4(&rest)) {
		return false;
	}
	if (!slice_skip_byte(&rest, ']'))
		return false;
	*in = rest;
	return true;
}

static bool
take_domain(struct slice *in, struct slice *ret_domain)
{
	struct slice rest = *in;

	if (!skip_literal(&rest)) {
		do {
			if (!take_label(&rest))
				return false;
		} while (slice_skip_byte(&rest, '.'));
	}
	*ret_domain = slice_upto(*in, in->len - rest.len);
	*in = rest;
	return true;
}

/* A-d-l ":" with A-d-l = "@" Domain *("," "@" Domain) */
static bool
skip_source_route(struct slice *in)
{
	struct slice rest = *in, domain;

	do {
		if (!slice_skip_byte(&rest, '@') ||
		    !take_domain(&rest, &domain))
			return false;
	} while (slice_skip_byte(&rest, ','));
	if (!slice_skip_byte(&rest, ':'))
		return false;
	*in = rest;
	return true;
}

/* Mailbox = (Dot-string / Quoted-string) "@" (Domain / address-literal) */
static bool
take_mailbox(struct slice *in, struct smtp_path *ret_path)
{
	struct slice rest = *in;
	struct smtp_path path;

	if (!take_quoted(&rest, &path.local) &&
	    !take_dot_string(&rest, &path.local))
		return false;
	if (!slice_skip_byte(&rest, '@') || !take_domain(&rest, &path.domain))
		return false;
	path.address = slice_upto(*in, in->len - rest.len);
	*ret_path = path;
	*in = rest;
	return true;
}

int
smtp_path_parse(struct slice *in, struct smtp_path *ret_path)
{
	struct slice rest = *in;
	struct smtp_path path = { 0 };

	if (!slice_skip_byte(&rest, '<'))
		return SMTP_PATH_E_SYNTAX;
	if (!slice_skip_byte(&rest, '>')) {
		(void)skip_source_route(&rest);
		if (!take_mailbox(&rest, &path) || !slice_skip_byte(&rest, '>'))
			return SMTP_PATH_E_SYNTAX;
	}
	if (path.local.len > SMTP_LOCAL_MAX ||
	    path.domain.len > SMTP_DOMAIN_MAX ||
	    in->len - rest.len > SMTP_PATH_MAX)
		return SMTP_PATH_E_TOO_LONG;
	path.is_ascii = slice_is_ascii(path.address);
	if (!slice_is_utf8(path.local) || !slice_is_utf8(path.domain))
		return SMTP_PATH_E_SYNTAX;

	*ret_path = path;
	*in = rest;
	return SMTP_PATH_OK;
}

int
smtp_path_parse_rcpt(struct slice *in, struct smtp_path *ret_path)
{
	struct slice rest = *in, name = slice_upto(slice_from(*in, 1), 10);

	if (slice_skip_nocase(&rest, SLICE("<postmaster>"))) {
		*ret_path = (struct smtp_path){
			.address = name, .local = name, .is_ascii = true
		};
		*in = rest;
		return SMTP_PATH_OK;
	}
	if (slice_starts(*in, SLICE("<>")))
		return SMTP_PATH_E_SYNTAX;
	return smtp_path_parse(in, ret_path);
}

bool
smtp_domain_is_valid(struct slice s)
{
	struct slice domain;

	return s.len <= SMTP_DOMAIN_MAX && slice_is_ascii(s) &&
	    take_domain(&s, &domain) && s.len == 0;
}

static bool
is_helo_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

bool
smtp_helo_is_valid(struct slice s)
{
	struct slice rest = s, run;

	if (smtp_domain_is_valid(s))
		return true;
	return s.len <= SMTP_DOMAIN_MAX &&
	    slice_take_while(&rest, is_helo_char, &run) && rest.len == 0 &&
	    run.at[0] != '.' && run.at[0] != '-' &&
	    run.at[run.len - 1] != '.' &&
	    slice_find(run, SLICE("..")) == SIZE_MAX;
}

bool
smtp_address_is_valid(struct slice s)
{
	struct smtp_path path;

	return take_mailbox(&s, &path) && s.len == 0 &&
	    path.local.len <= SMTP_LOCAL_MAX &&
	    path.domain.len <= SMTP_DOMAIN_MAX &&
	    path.address.len + 2 <= SMTP_PATH_MAX &&
	    slice_is_utf8(path.address);
}
