/* SPDX-License-Identifier: ISC */
#include "policy/tlsrpt.h"

#include <string.h>

#include "base/time.h"
#include "policy/dns.h"

enum {
	NAME_LEN = 32,
	TXT_MAX = 4096
};

/* -- the TXT record (section 3) -------------------------------------------- */

static bool
is_name_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '_' || c == '-' || c == '.';
}

/* Of a URI, with the comma between two: the semicolon ends the field. */
static bool
is_value_char(uint8_t c)
{
	return (c >= 0x21 && c <= 0x7e && c != ';') || ascii_is_space(c);
}

static bool
has_scheme(struct slice uri)
{
	return slice_starts_nocase(uri, SLICE("mailto:")) ||
	    slice_starts_nocase(uri, SLICE("https:"));
}

/* tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri) */
static bool
read_rua(struct slice value, struct tlsrpt_uris *ret)
{
	struct slice one;
	bool is_last = false;

	while (!is_last) {
		if (!slice_take_until(&value, ',', &one)) {
			one = value;
			is_last = true;
		}
		one = slice_trim(one);
		if (one.len == 0 || slice_find_byte(one, ' ') != SIZE_MAX ||
		    slice_find_byte(one, '\t') != SIZE_MAX)
			return false;
		if (has_scheme(one) && one.len <= TLSRPT_URI &&
		    ret->n < TLSRPT_URIS)
			ret->uris[ret->n++] = one;
	}
	return true;
}

static bool
take_field(struct slice *in, struct tlsrpt_uris *ret, bool *has_rua)
{
	struct slice name, value;

	if (!slice_take_while(in, is_name_char, &name) || name.len > NAME_LEN ||
	    !ascii_is_alnum(name.at[0]) || !slice_skip_byte(in, '=') ||
	    !slice_take_while(in, is_value_char, &value))
		return false;
	if (!slice_equal(name, SLICE("rua")) || *has_rua)
		return true;
	*has_rua = true;
	return read_rua(value, ret);
}

/* *WSP ";" *WSP */
static bool
take_delimiter(struct slice *in)
{
	struct slice run;

	(void)slice_take_while(in, ascii_is_space, &run);
	if (!slice_skip_byte(in, ';'))
		return false;
	(void)slice_take_while(in, ascii_is_space, &run);
	return true;
}

int
tlsrpt_record_parse(struct slice text, struct tlsrpt_uris *ret)
{
	bool has_rua = false;

	*ret = (struct tlsrpt_uris){ 0 };
	if (!slice_starts(text, SLICE("v=TLSRPTv1;")))
		return TLSRPT_E_ABSENT;
	text = slice_from(text, sizeof("v=TLSRPTv1") - 1);
	while (take_delimiter(&text) && text.len > 0)
		if (!take_field(&text, ret, &has_rua))
			return TLSRPT_E_SYNTAX;
	return text.len == 0 && has_rua ? TLSRPT_OK : TLSRPT_E_SYNTAX;
}

static bool
join_strings(struct slice rdata, struct buf *out)
{
	struct slice part;
	uint8_t len;

	while (slice_take_byte(&rdata, &len))
		if (!slice_take(&rdata, len, &part) ||
		    buf_add(out, part) != BUF_OK)
			return false;
	return true;
}

int
tlsrpt_records_read(const struct slice *rdata, size_t n, struct buf *out)
{
	struct tlsrpt_uris uris;
	int result = TLSRPT_E_ABSENT;
	struct buf text;

	buf_init(&text, TXT_MAX);
	for (size_t i = 0; i < n && result != TLSRPT_E_SYNTAX; i++) {
		buf_reset(&text, TXT_MAX);
		if (!join_strings(rdata[i], &text) ||
		    !slice_starts(buf_slice(&text), SLICE("v=TLSRPTv1;")))
			continue;
		result = result == TLSRPT_OK
		    ? TLSRPT_E_SYNTAX /* two are none */
		    : tlsrpt_record_parse(buf_slice(&text), &uris);
		if (result == TLSRPT_OK &&
		    buf_add(out, buf_slice(&text)) != BUF_OK)
			result = TLSRPT_E_FULL;
	}
	buf_deinit(&text);
	return result;
}

/* -- URIs ------------------------------------------------------------------ */

static int
hex_of(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An address as we are willing to send to: plain, with one @, in ASCII. What
 * follows a "?" (RFC 6068) is none of our business. */
static bool
read_address(struct slice in, char *at, size_t size)
{
	size_t n = 0, query = slice_find_byte(in, '?'), n_ats = 0;

	in = slice_upto(in, query);
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.at[i];

		if (c == '%') {
			if (in.len - i < 3 || hex_of(in.at[i + 1]) < 0 ||
			    hex_of(in.at[i + 2]) < 0)
				return false;
			c = (uint8_t)(hex_of(in.at[i + 1]) << 4 |
			    hex_of(in.at[i + 2]));
			i += 2;
		}
		if (c <= ' ' || c >= 0x7f || strchr("<>,;:\\\"()[]", c) ||
		    n + 1 >= size)
			return false;
		n_ats += c == '@';
		at[n++] = (char)c;
	}
	at[n] = '\0';
	return n_ats == 1 && at[0] != '@' &&
	    dns_name_is_valid(slice_cstr(strchr(at, '@') + 1));
}

static bool
is_url_char(uint8_t c)
{
	return c > 0x20 && c < 0x7f && strchr("<>\"{}|\\^`#", c) == NULL;
}

/* HOST [":" PORT] [ "/" or "?" ...] */
static bool
read_url(struct slice uri, struct slice rest, struct tlsrpt_target *ret)
{
	struct slice host = rest, run = { 0 };
	size_t end = 0, colon;
	uint64_t port = 443;

	if (!slice_take_while(&rest, is_url_char, &run) || rest.len > 0)
		return false;
	while (end < host.len && host.at[end] != '/' && host.at[end] != '?')
		end++;
	host = slice_upto(host, end);
	colon = slice_find_byte(host, ':');
	if (colon != SIZE_MAX &&
	    (!slice_to_u64(slice_from(host, colon + 1), 65535, &port) ||
		port == 0))
		return false;
	host = slice_upto(host, colon);
	if (!dns_name_is_valid(host) ||
	    !slice_to_cstr(host, ret->host, sizeof(ret->host)) ||
	    !slice_to_cstr(uri, ret->url, sizeof(ret->url)))
		return false;
	ret->port = (uint16_t)port;
	return true;
}

bool
tlsrpt_uri_parse(struct slice uri, struct tlsrpt_target *ret)
{
	struct slice rest = uri;

	*ret = (struct tlsrpt_target){ .scheme = TLSRPT_MAILTO };
	if (uri.len > TLSRPT_URI)
		return false;
	if (slice_skip_nocase(&rest, SLICE("mailto:")))
		return read_address(rest, ret->address, sizeof(ret->address));
	ret->scheme = TLSRPT_HTTPS;
	return slice_skip_nocase(&rest, SLICE("https://")) &&
	    read_url(uri, rest, ret);
}

/* -- when ------------------------------------------------------------------ */

int64_t
tlsrpt_jitter(struct slice domain)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < domain.len; i++)
		h = (h ^ domain.at[i]) * 16777619u;
	return (int64_t)(h % (uint32_t)(TLSRPT_JITTER / TIME_SECOND)) *
	    TIME_SECOND;
}

bool
tlsrpt_retry(uint32_t tries, int64_t created, int64_t now, int64_t *ret_due)
{
	enum {
		DOUBLED = 7
	}; /* then a pause is nearly a day */
	int64_t due =
	    now + (TLSRPT_FIRST_PAUSE << (tries < DOUBLED ? tries : DOUBLED));

	*ret_due = due;
	return due <= created + TLSRPT_GIVE_UP;
}
