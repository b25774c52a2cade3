/* SPDX-License-Identifier: ISC */
#include "policy/dns.h"

#include <stdio.h>
#include <string.h>

enum {
	PACKET_HEAD = 12,
	LABEL_MAX = 63,
	POINTERS_MAX = 64, /* in one name; each goes backwards */
	SECTION_MAX = 1000 /* records looked at in an answer section */
};

struct name {
	uint8_t
	    bytes[DNS_NAME_WIRE]; /* labels with their lengths, lower case */
	size_t len;               /* the root's zero included */
};

struct record {
	struct name owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t rdata_at, rdata_len;
};

static bool
take_u16(struct slice packet, size_t *at, uint16_t *ret)
{
	if (packet.len < 2 || *at > packet.len - 2)
		return false;
	*ret = (uint16_t)(packet.at[*at] << 8 | packet.at[*at + 1]);
	*at += 2;
	return true;
}

static bool
take_u32(struct slice packet, size_t *at, uint32_t *ret)
{
	uint16_t high, low;

	if (!take_u16(packet, at, &high) || !take_u16(packet, at, &low))
		return false;
	*ret = (uint32_t)high << 16 | low;
	return true;
}

static bool
add_label(struct name *n, const uint8_t *label, size_t len)
{
	if (len + 1 > sizeof(n->bytes) - n->len)
		return false;
	n->bytes[n->len++] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		n->bytes[n->len++] = ascii_lower(label[i]);
	return true;
}

/* RFC 1035, 4.1.4. A pointer must go to an earlier place than any before it,
 * so that no chain of them can turn in a ring. */
static bool
take_name(struct slice packet, size_t *at, struct name *ret)
{
	size_t i = *at, end = 0, least = *at;
	unsigned pointers = 0;

	ret->len = 0;
	while (i < packet.len) {
		uint8_t len = packet.at[i];

		if ((len & 0xc0) == 0xc0) {
			size_t to;

			if (i + 1 >= packet.len || ++pointers > POINTERS_MAX)
				return false;
			to = (size_t)(len & 0x3f) << 8 | packet.at[i + 1];
			if (to >= least)
				return false;
			if (end == 0)
				end = i + 2;
			least = i = to;
			continue;
		}
		if (len > LABEL_MAX || len >= packet.len - i ||
		    !add_label(ret, packet.at + i + 1, len))
			return false;
		i += 1u + len;
		if (len == 0) {
			*at = end != 0 ? end : i;
			return true;
		}
	}
	return false;
}

static bool
name_equal(const struct name *a, const struct name *b)
{
	return slice_equal(slice_of(a->bytes, a->len),
	    slice_of(b->bytes, b->len));
}

static bool
is_name_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* Text to labels; only of names that dns_name_is_valid. */
static bool
name_from_text(struct slice text, struct name *ret)
{
	struct slice label;

	ret->len = 0;
	while (text.len > 0) {
		if (!slice_take_until(&text, '.', &label)) {
			label = text;
			text.len = 0;
		}
		if (label.len == 0 || label.len > LABEL_MAX ||
		    !add_label(ret, label.at, label.len))
			return false;
	}
	return add_label(ret, NULL, 0);
}

static bool
take_record(struct slice packet, size_t *at, struct record *ret)
{
	uint16_t len;

	if (!take_name(packet, at, &ret->owner) ||
	    !take_u16(packet, at, &ret->type) ||
	    !take_u16(packet, at, &ret->class) ||
	    !take_u32(packet, at, &ret->ttl) || !take_u16(packet, at, &len) ||
	    len > packet.len - *at)
		return false;
	ret->rdata_at = *at;
	ret->rdata_len = len;
	*at += len;
	return true;
}

/* Which rdata holds a name, after how many other bytes, and how many names
 * (RFC 1035 3.3; RFC 2782). What follows the names is copied as it is. */
static const struct form {
	uint16_t type;
	size_t before, names;
} forms[] = {
	{ DNS_NS, 0, 1 },
	{ DNS_CNAME, 0, 1 },
	{ DNS_PTR, 0, 1 },
	{ DNS_MX, 2, 1 },
	{ DNS_SRV, 6, 1 },
	{ DNS_SOA, 0, 2 },
};

static const struct form *
form_of(uint16_t type)
{
	static const struct form plain = { 0, 0, 0 };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].type == type)
			return &forms[i];
	return &plain;
}

static bool
rdata_expand(struct slice packet, const struct record *r, struct arena *arena,
    struct slice *ret, bool *ret_is_full)
{
	uint8_t out[DNS_RDATA];
	const struct form *form = form_of(r->type);
	struct slice whole = slice_upto(packet, r->rdata_at + r->rdata_len);
	size_t at = r->rdata_at + form->before, n = form->before, rest;
	struct name name;

	*ret_is_full = false;
	if (r->rdata_len < form->before)
		return false;
	memcpy(out, packet.at + r->rdata_at, form->before);
	for (size_t i = 0; i < form->names; i++) {
		if (!take_name(whole, &at, &name))
			return false;
		memcpy(out + n, name.bytes, name.len);
		n += name.len;
	}
	rest = whole.len - at;
	if (rest > sizeof(out) - n)
		return false;
	memcpy(out + n, packet.at + at, rest);
	*ret_is_full = !arena_copy(arena, slice_of(out, n + rest), ret);
	return !*ret_is_full;
}

/* The answer section, walked from its start: the chain of CNAMEs may stand in
 * any order, so each link is looked for anew. */
static bool
find_cname(struct slice packet, size_t at, size_t n, const struct name *owner,
    struct name *ret, uint32_t *ttl)
{
	struct record r;

	for (size_t i = 0; i < n; i++) {
		size_t rdata;

		if (!take_record(packet, &at, &r))
			return false;
		if (r.type != DNS_CNAME || r.class != 1 ||
		    !name_equal(&r.owner, owner))
			continue;
		rdata = r.rdata_at;
		if (!take_name(slice_upto(packet, r.rdata_at + r.rdata_len),
			&rdata, ret))
			return false;
		*ttl = r.ttl < *ttl ? r.ttl : *ttl;
		return true;
	}
	return false;
}

/* Where the next record goes. When all places are taken, a mail host that is
 * better than the worst has that one's; others are left out: NULL. */
static struct slice *
place_for(struct slice packet, const struct record *r, struct dns_answer *ret)
{
	struct slice *worst = &ret->records[0];

	if (ret->n_records < LIMIT_DNS_RECORDS)
		return &ret->records[ret->n_records++];
	if (r->type != DNS_MX || r->rdata_len < 2)
		return NULL;
	for (size_t i = 1; i < ret->n_records; i++)
		if (memcmp(ret->records[i].at, worst->at, 2) > 0)
			worst = &ret->records[i];
	return memcmp(packet.at + r->rdata_at, worst->at, 2) < 0 ? worst : NULL;
}

static int
collect(struct slice packet, size_t at, size_t n, const struct name *owner,
    uint16_t type, struct arena *arena, struct dns_answer *ret)
{
	struct record r;
	struct slice rdata, *place;
	bool is_full;

	ret->records =
	    arena_array(arena, LIMIT_DNS_RECORDS, sizeof(*ret->records));
	if (ret->records == NULL)
		return DNS_E_MEMORY;
	for (size_t i = 0; i < n; i++) {
		if (!take_record(packet, &at, &r))
			return DNS_E_FORM;
		if (r.type != type || r.class != 1 ||
		    !name_equal(&r.owner, owner) ||
		    r.rdata_len > DNS_RDATA - 2 * DNS_NAME_WIRE)
			continue;
		place = place_for(packet, &r, ret);
		if (place == NULL)
			continue;
		if (!rdata_expand(packet, &r, arena, &rdata, &is_full))
			return is_full ? DNS_E_MEMORY : DNS_E_FORM;
		*place = rdata;
		ret->ttl = r.ttl < ret->ttl ? r.ttl : ret->ttl;
	}
	return DNS_OK;
}

int
dns_packet_parse(struct slice packet, struct slice name, uint16_t type,
    struct arena *arena, struct dns_answer *ret)
{
	struct dns_answer got = { .ttl = UINT32_MAX };
	struct name owner, next;
	char text[DNS_NAME_TEXT];
	uint16_t flags, n_questions, n_answers, asked, class;
	size_t at = 2;
	int r;

	if (!name_from_text(name, &owner) || packet.len < PACKET_HEAD ||
	    !take_u16(packet, &at, &flags) ||
	    !take_u16(packet, &at, &n_questions) ||
	    !take_u16(packet, &at, &n_answers) || n_questions > 1 ||
	    n_answers > SECTION_MAX)
		return DNS_E_FORM;
	at = PACKET_HEAD;
	if (n_questions == 1) {
		if (!take_name(packet, &at, &next) ||
		    !take_u16(packet, &at, &asked) ||
		    !take_u16(packet, &at, &class) ||
		    !name_equal(&next, &owner) || asked != type || class != 1)
			return DNS_E_FORM;
	}
	got.rcode = flags & 0xf;
	for (unsigned i = 0; i < DNS_CHAIN && type != DNS_CNAME; i++) {
		if (!find_cname(packet, at, n_answers, &owner, &next, &got.ttl))
			break;
		owner = next;
	}
	r = collect(packet, at, n_answers, &owner, type, arena, &got);
	if (r != DNS_OK)
		return r;
	if (got.ttl == UINT32_MAX)
		got.ttl = 0;
	{
		struct slice wire = slice_of(owner.bytes, owner.len);

		if (!dns_name_take(&wire, text))
			return DNS_E_FORM;
	}
	if (!arena_copy(arena, slice_cstr(text), &got.canonical))
		return DNS_E_MEMORY;
	*ret = got;
	return DNS_OK;
}

bool
dns_name_take(struct slice *rdata, char text[DNS_NAME_TEXT])
{
	size_t n = 0, i = 0;

	while (i < rdata->len && rdata->at[i] != 0) {
		size_t len = rdata->at[i++];

		if (len > LABEL_MAX || len > rdata->len - i ||
		    len + 2 > DNS_NAME_TEXT - n)
			return false;
		if (n > 0)
			text[n++] = '.';
		for (size_t end = i + len; i < end; i++) {
			if (!is_name_byte(rdata->at[i]))
				return false;
			text[n++] = (char)ascii_lower(rdata->at[i]);
		}
	}
	if (i == rdata->len)
		return false;
	text[n] = '\0';
	*rdata = slice_from(*rdata, i + 1);
	return true;
}

bool
dns_name_is_valid(struct slice text)
{
	struct slice label;

	if (text.len == 0 || text.len > 253)
		return false;
	for (;;) {
		if (!slice_take_while(&text, is_name_byte, &label) ||
		    label.len > LABEL_MAX)
			return false;
		if (text.len == 0)
			return true;
		if (!slice_skip_byte(&text, '.'))
			return false;
	}
}

bool
dns_reverse_name(const struct ip *ip, const char *zone,
    char name[DNS_NAME_TEXT])
{
	char text[4 * 16 + 1];
	size_t n = 0;
	int r;

	text[0] = '\0';
	for (size_t i = ip->family == 4 ? 4 : 16; i-- > 0;)
		n += (size_t)(ip->family == 4
			? snprintf(text + n, sizeof(text) - n, "%u.",
			      ip->bytes[i])
			: snprintf(text + n, sizeof(text) - n, "%x.%x.",
			      ip->bytes[i] & 0xf, ip->bytes[i] >> 4));
	if (zone == NULL)
		zone = ip->family == 4 ? "in-addr.arpa" : "ip6.arpa";
	r = snprintf(name, DNS_NAME_TEXT, "%s%s", text, zone);
	return r > 0 && r < DNS_NAME_TEXT &&
	    dns_name_is_valid(slice_cstr(name));
}

bool
dns_mx_parse(struct slice rdata, uint16_t *ret_preference,
    char host[DNS_NAME_TEXT])
{
	struct slice preference;
	char text[DNS_NAME_TEXT];

	if (!slice_take(&rdata, 2, &preference) ||
	    !dns_name_take(&rdata, text) || rdata.len != 0)
		return false;
	*ret_preference = (uint16_t)(preference.at[0] << 8 | preference.at[1]);
	memcpy(host, text, sizeof(text));
	return true;
}
