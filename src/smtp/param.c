/* SPDX-License-Identifier: ISC */
#include "smtp/param.h"

#include "base/time.h"
#include "smtp/path.h"

#define NAME(text)                                                             \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}

static const struct slice ext_names[] = {
	NAME("SIZE"),
	NAME("8BITMIME"),
	NAME("AUTH"),
	NAME("STARTTLS"),
	NAME("CHUNKING"),
	NAME("BINARYMIME"),
	NAME("SMTPUTF8"),
	NAME("DSN"),
	NAME("REQUIRETLS"),
	NAME("FUTURERELEASE"),
	NAME("DELIVERBY"),
	NAME("MT-PRIORITY"),
	NAME("RRVS"),
	NAME("LIMITS"),
};

enum {
	N_EXTS = sizeof(ext_names) / sizeof(ext_names[0])
};
_Static_assert((1 << N_EXTS) - 1 == SMTP_EXT_ALL, "in the order of the bits");

unsigned
smtp_ext_named(struct slice name)
{
	for (unsigned i = 0; i < N_EXTS; i++)
		if (slice_equal_nocase(name, ext_names[i]))
			return 1u << i;
	return 0;
}

struct slice
smtp_ext_name(unsigned n)
{
	return n < N_EXTS ? ext_names[n] : (struct slice){ 0 };
}

/* In the order of enum smtp_kind. */
static const struct slice services[] = { NAME("mx"), NAME("submission"),
	NAME("submissions"), NAME("lmtp"), NAME("local") };

bool
smtp_withheld_parse(struct slice lines, unsigned kind, unsigned *ret)
{
	enum {
		N_SERVICES = sizeof(services) / sizeof(services[0])
	};
	unsigned withheld = 0, ext, of;

	while (lines.len > 0) {
		struct slice word = lines, service;

		if (!slice_take_until(&lines, '\n', &word))
			lines.len = 0;
		of = kind;
		if (slice_take_until(&word, ':', &service))
			for (of = 0; of < N_SERVICES; of++)
				if (slice_equal_nocase(service, services[of]))
					break;
		ext = smtp_ext_named(word);
		if (ext == 0 || of == N_SERVICES)
			return false;
		if (of == kind)
			withheld |= ext;
	}
	*ret = withheld;
	return true;
}

/* -- xtext (RFC 3461, 4) --------------------------------------------------- */

static bool
is_hex_upper(uint8_t c)
{
	return ascii_is_digit(c) || (c >= 'A' && c <= 'F');
}

static uint8_t
hex_value(uint8_t c)
{
	return (uint8_t)(ascii_is_digit(c) ? c - '0' : c - 'A' + 10);
}

/* "+" only before two upper-case hex digits; no octet above 127. is_text: what
 * they stand for must be graphic or white space (4.2, 4.4). */
static bool
is_xtext(struct slice value, bool is_text)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.at[i];

		if (c <= ' ' || c >= 0x7f || c == '=')
			return false;
		if (c != '+')
			continue;
		if (value.len - i < 3 || !is_hex_upper(value.at[i + 1]) ||
		    !is_hex_upper(value.at[i + 2]))
			return false;
		c = (uint8_t)(hex_value(value.at[i + 1]) << 4 |
		    hex_value(value.at[i + 2]));
		if (is_text && !ascii_is_print(c) && c != '\t')
			return false;
		i += 2;
	}
	return true;
}

/* -- values of MAIL -------------------------------------------------------- */

/* size-value = 1*20DIGIT (RFC 1870, 3); a number above 2^64 is still a number,
 * and too big. */
static int
read_size(struct slice value, struct smtp_mail_params *p)
{
	struct slice rest = value, digits;

	if (!slice_take_while(&rest, ascii_is_digit, &digits) || rest.len > 0 ||
	    digits.len > 20)
		return SMTP_PARAMS_E_VALUE;
	if (!slice_to_u64(value, UINT64_MAX, &p->size))
		p->size = UINT64_MAX;
	p->has_size = true;
	return SMTP_PARAMS_OK;
}

/* RFC 6152 3, RFC 3030 3 */
static int
read_body(struct slice value, struct smtp_mail_params *p)
{
	if (slice_equal_nocase(value, SLICE("7BIT")))
		p->body = SMTP_BODY_7BIT;
	else if (slice_equal_nocase(value, SLICE("8BITMIME")))
		p->body = SMTP_BODY_8BITMIME;
	else if (slice_equal_nocase(value, SLICE("BINARYMIME")))
		p->body = SMTP_BODY_BINARYMIME;
	else
		return SMTP_PARAMS_E_VALUE;
	return SMTP_PARAMS_OK;
}

/* What xtext stands for; `value` is xtext. */
static struct slice
decode_xtext(struct slice value, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		to[n++] = value.at[i];
		if (value.at[i] == '+') {
			to[n - 1] = (uint8_t)(hex_value(value.at[i + 1]) << 4 |
			    hex_value(value.at[i + 2]));
			i += 2;
		}
	}
	return slice_of(to, n);
}

/* "<>" / mailbox, as xtext. Kept and not believed (RFC 4954, 5 and 8). */
static int
read_auth(struct slice value, struct smtp_mail_params *p)
{
	uint8_t text[SMTP_AUTH_MAX];
	struct slice who;

	if (value.len > sizeof(text) || !is_xtext(value, false))
		return SMTP_PARAMS_E_VALUE;
	who = decode_xtext(value, text);
	if (!slice_equal(who, SLICE("<>")) && !smtp_address_is_valid(who))
		return SMTP_PARAMS_E_VALUE;
	p->auth = value;
	return SMTP_PARAMS_OK;
}

static int
read_smtputf8(struct slice value, struct smtp_mail_params *p)
{
	(void)value;
	p->is_smtputf8 = true;
	return SMTP_PARAMS_OK;
}

static int
read_requiretls(struct slice value, struct smtp_mail_params *p)
{
	(void)value;
	p->requires_tls = true;
	return SMTP_PARAMS_OK;
}

static int
read_ret(struct slice value, struct smtp_mail_params *p)
{
	if (slice_equal_nocase(value, SLICE("FULL")))
		p->ret = SMTP_RET_FULL;
	else if (slice_equal_nocase(value, SLICE("HDRS")))
		p->ret = SMTP_RET_HDRS;
	else
		return SMTP_PARAMS_E_VALUE;
	return SMTP_PARAMS_OK;
}

static int
read_envid(struct slice value, struct smtp_mail_params *p)
{
	if (value.len > SMTP_ENVID_MAX || !is_xtext(value, true))
		return SMTP_PARAMS_E_VALUE;
	p->envid = value;
	return SMTP_PARAMS_OK;
}

/* future-release-integer = %x31-39 *8DIGIT (RFC 4865, 3) */
static int
read_hold_for(struct slice value, struct smtp_mail_params *p)
{
	uint64_t n;

	if (p->hold_until != 0)
		return SMTP_PARAMS_E_CONFLICT;
	if (value.at[0] == '0' || !slice_to_u64(value, SMTP_SECONDS_MAX, &n))
		return SMTP_PARAMS_E_VALUE;
	p->hold_for = (uint32_t)n;
	return SMTP_PARAMS_OK;
}

/* Normalized to UTC: "Z" (RFC 4865, 3) */
static int
read_hold_until(struct slice value, struct smtp_mail_params *p)
{
	int64_t us;

	if (p->hold_for != 0)
		return SMTP_PARAMS_E_CONFLICT;
	if (ascii_upper(value.at[value.len - 1]) != 'Z' ||
	    !time_parse_rfc3339(value, &us) || us <= 0)
		return SMTP_PARAMS_E_VALUE;
	p->hold_until = us;
	return SMTP_PARAMS_OK;
}

/* by-value = ["-" / "+"] 1*9DIGIT ";" ("N" / "R") ["T"] (RFC 2852, 4) */
static int
read_by(struct slice value, struct smtp_mail_params *p)
{
	struct slice digits;
	bool is_past = slice_skip_byte(&value, '-');
	uint64_t n;

	if (!is_past)
		(void)slice_skip_byte(&value, '+');
	if (!slice_take_while(&value, ascii_is_digit, &digits) ||
	    digits.len > 9 || !slice_to_u64(digits, SMTP_SECONDS_MAX, &n) ||
	    !slice_skip_byte(&value, ';'))
		return SMTP_PARAMS_E_VALUE;
	if (slice_skip_nocase(&value, SLICE("R")))
		p->by_mode = SMTP_BY_RETURN;
	else if (slice_skip_nocase(&value, SLICE("N")))
		p->by_mode = SMTP_BY_NOTIFY;
	else
		return SMTP_PARAMS_E_VALUE;
	p->has_by_trace = slice_skip_nocase(&value, SLICE("T"));
	if (value.len > 0 ||
	    (p->by_mode == SMTP_BY_RETURN && (is_past || n == 0)))
		return SMTP_PARAMS_E_VALUE;
	if (p->by_mode == SMTP_BY_RETURN && n < SMTP_BY_MIN)
		return SMTP_PARAMS_E_TOO_SOON;
	p->by_seconds = is_past ? -(int64_t)n : (int64_t)n;
	return SMTP_PARAMS_OK;
}

/* priority-value = (["-"] NZDIGIT) / "0" (RFC 6710, 7) */
static int
read_priority(struct slice value, struct smtp_mail_params *p)
{
	bool is_negative = slice_skip_byte(&value, '-');

	if (value.len != 1 || !ascii_is_digit(value.at[0]) ||
	    (is_negative && value.at[0] == '0'))
		return SMTP_PARAMS_E_VALUE;
	p->priority = (int8_t)(value.at[0] - '0');
	if (is_negative)
		p->priority = (int8_t)-p->priority;
	p->has_priority = true;
	return SMTP_PARAMS_OK;
}

/* -- values of RCPT -------------------------------------------------------- */

static const struct {
	struct slice word;
	uint8_t bit;
} notifies[] = {
	{ NAME("NEVER"), SMTP_NOTIFY_NEVER },
	{ NAME("SUCCESS"), SMTP_NOTIFY_SUCCESS },
	{ NAME("FAILURE"), SMTP_NOTIFY_FAILURE },
	{ NAME("DELAY"), SMTP_NOTIFY_DELAY },
};

enum {
	N_NOTIFIES = sizeof(notifies) / sizeof(notifies[0])
};

static uint8_t
notify_bit(struct slice word)
{
	for (size_t i = 0; i < N_NOTIFIES; i++)
		if (slice_equal_nocase(word, notifies[i].word))
			return notifies[i].bit;
	return 0;
}

/* "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY") (RFC 3461, 4.1). The empty
 * elements that RFC 822 lets into such a list are sent by nobody and not
 * taken. */
static int
read_notify(struct slice value, struct smtp_rcpt_params *p)
{
	bool is_more = true;

	while (is_more) {
		struct slice word = value;
		uint8_t bit;

		is_more = slice_take_until(&value, ',', &word);
		bit = notify_bit(word);
		if (bit == 0)
			return SMTP_PARAMS_E_VALUE;
		p->notify |= bit;
	}
	if ((p->notify & SMTP_NOTIFY_NEVER) != 0 &&
	    p->notify != SMTP_NOTIFY_NEVER)
		return SMTP_PARAMS_E_VALUE;
	return SMTP_PARAMS_OK;
}

/* atext, RFC 5322 3.2.3, but "=", which no value may hold */
static bool
is_type_char(uint8_t c)
{
	return ascii_is_alnum(c) ||
	    (c != 0 &&
		slice_find_byte(SLICE("!#$%&'*+-/?^_`{|}~"), c) != SIZE_MAX);
}

static bool
is_hex_digit(uint8_t c)
{
	return is_hex_upper(c) || (c >= 'a' && c <= 'f');
}

/* "\x{" HEXPOINT "}": 2 to 6 digits, a code point that is no surrogate (RFC
 * 6533, 3) */
static bool
skip_embedded(struct slice *in)
{
	struct slice rest = *in, digits;
	uint32_t point = 0;

	if (!slice_skip(&rest, SLICE("\\x{")) ||
	    !slice_take_while(&rest, is_hex_digit, &digits) || digits.len < 2 ||
	    digits.len > 6 || !slice_skip_byte(&rest, '}'))
		return false;
	for (size_t i = 0; i < digits.len; i++)
		point = point << 4 | hex_value(ascii_upper(digits.at[i]));
	if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return false;
	*in = rest;
	return true;
}

/* utf-8-enc-addr (RFC 6533, 3) */
static bool
is_utf8_address(struct slice value)
{
	uint8_t c;

	if (!slice_is_utf8(value))
		return false;
	while (value.len > 0) {
		if (skip_embedded(&value))
			continue;
		(void)slice_take_byte(&value, &c);
		if (c <= ' ' || c == 0x7f || c == '\\' || c == '+' || c == '=')
			return false;
	}
	return true;
}

/* addr-type ";" xtext (RFC 3461, 4.2), or "utf-8;" (RFC 6533, 3) */
static int
read_orcpt(struct slice value, struct smtp_rcpt_params *p)
{
	struct slice rest = value, type;

	if (value.len > SMTP_ORCPT_MAX ||
	    !slice_take_while(&rest, is_type_char, &type) ||
	    !slice_skip_byte(&rest, ';') || rest.len == 0)
		return SMTP_PARAMS_E_VALUE;
	if (slice_equal_nocase(type, SLICE("utf-8")) ? !is_utf8_address(rest)
						     : !is_xtext(rest, true))
		return SMTP_PARAMS_E_VALUE;
	p->orcpt = value;
	return SMTP_PARAMS_OK;
}

/* date-time [";" ("C" / "R")] (RFC 7293, 3.1) */
static int
read_rrvs(struct slice value, struct smtp_rcpt_params *p)
{
	struct slice date = value, action = SLICE("R");

	if (slice_take_until(&value, ';', &date))
		action = value;
	p->rrvs_may_continue = slice_equal_nocase(action, SLICE("C"));
	if (!p->rrvs_may_continue && !slice_equal_nocase(action, SLICE("R")))
		return SMTP_PARAMS_E_VALUE;
	/* no fractions of a second (RFC 7293, 3.1) */
	if (slice_find_byte(date, '.') != SIZE_MAX ||
	    !time_parse_rfc3339(date, &p->rrvs))
		return SMTP_PARAMS_E_VALUE;
	if (p->rrvs <= 0)
		p->rrvs = 1; /* before there was mail; 0 is "not said" */
	return SMTP_PARAMS_OK;
}

/* -- the line -------------------------------------------------------------- */

static const struct mail_param {
	struct slice keyword;
	unsigned ext; /* part of it, SMTP_EXT_* */
	bool has_value;
	int (*read)(struct slice value, struct smtp_mail_params *p);
} mail_params[] = {
	{ NAME("SIZE"), SMTP_EXT_SIZE, true, read_size },
	{ NAME("BODY"), SMTP_EXT_8BITMIME, true, read_body },
	{ NAME("AUTH"), SMTP_EXT_AUTH, true, read_auth },
	{ NAME("SMTPUTF8"), SMTP_EXT_SMTPUTF8, false, read_smtputf8 },
	{ NAME("RET"), SMTP_EXT_DSN, true, read_ret },
	{ NAME("ENVID"), SMTP_EXT_DSN, true, read_envid },
	{ NAME("REQUIRETLS"), SMTP_EXT_REQUIRETLS, false, read_requiretls },
	{ NAME("HOLDFOR"), SMTP_EXT_FUTURERELEASE, true, read_hold_for },
	{ NAME("HOLDUNTIL"), SMTP_EXT_FUTURERELEASE, true, read_hold_until },
	{ NAME("BY"), SMTP_EXT_DELIVERBY, true, read_by },
	{ NAME("MT-PRIORITY"), SMTP_EXT_MT_PRIORITY, true, read_priority },
};

static const struct rcpt_param {
	struct slice keyword;
	unsigned ext;
	int (*read)(struct slice value, struct smtp_rcpt_params *p);
} rcpt_params[] = {
	{ NAME("NOTIFY"), SMTP_EXT_DSN, read_notify },
	{ NAME("ORCPT"), SMTP_EXT_DSN, read_orcpt },
	{ NAME("RRVS"), SMTP_EXT_RRVS, read_rrvs },
};

enum {
	N_MAIL_PARAMS = sizeof(mail_params) / sizeof(mail_params[0]),
	N_RCPT_PARAMS = sizeof(rcpt_params) / sizeof(rcpt_params[0])
};

static bool
is_keyword_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-';
}

/* esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii) */
static bool
is_value_char(uint8_t c)
{
	return c >= 33 && c != 127 && c != '=';
}

/*
 * esmtp-param = esmtp-keyword ["=" esmtp-value], each behind SP; the keyword
 * begins with a letter or digit. Returns false at the end of the line;
 * *ret_result is not OK when there is no parameter where one must be.
 */
static bool
next_param(struct slice *in, struct slice *ret_keyword, struct slice *ret_value,
    int *ret_result)
{
	struct slice keyword, value = { 0 };

	*ret_result = SMTP_PARAMS_OK;
	if (in->len == 0)
		return false;
	*ret_result = SMTP_PARAMS_E_SYNTAX;
	if (!slice_skip_byte(in, ' '))
		return false;
	while (slice_skip_byte(in, ' '))
		;
	if (in->len == 0) {
		*ret_result = SMTP_PARAMS_OK;
		return false;
	}
	if (!slice_take_while(in, is_keyword_char, &keyword) ||
	    keyword.at[0] == '-' ||
	    (slice_skip_byte(in, '=') &&
		!slice_take_while(in, is_value_char, &value)) ||
	    (in->len > 0 && in->at[0] != ' '))
		return false;
	*ret_result = SMTP_PARAMS_OK;
	*ret_keyword = keyword;
	*ret_value = value;
	return true;
}

static int
read_mail_param(const struct mail_param *row, struct slice value,
    unsigned offered, unsigned *seen, struct smtp_mail_params *p)
{
	unsigned bit = 1u << (row - mail_params);
	int r;

	if ((*seen & bit) != 0)
		return SMTP_PARAMS_E_TWICE;
	*seen |= bit;
	if (row->has_value != (value.len > 0))
		return SMTP_PARAMS_E_VALUE;
	r = row->read(value, p);
	if (p->body == SMTP_BODY_BINARYMIME &&
	    (offered & SMTP_EXT_BINARYMIME) == 0)
		return SMTP_PARAMS_E_VALUE;
	return r;
}

static int
find_mail_param(struct slice keyword, struct slice value, unsigned offered,
    unsigned *seen, struct smtp_mail_params *p)
{
	for (size_t i = 0; i < N_MAIL_PARAMS; i++) {
		if (!slice_equal_nocase(keyword, mail_params[i].keyword))
			continue;
		if ((offered & mail_params[i].ext) != 0)
			return read_mail_param(&mail_params[i], value, offered,
			    seen, p);
		return mail_params[i].ext == SMTP_EXT_REQUIRETLS &&
			(offered & SMTP_EXT_STARTTLS) != 0
		    ? SMTP_PARAMS_E_NEEDS_TLS
		    : SMTP_PARAMS_E_UNKNOWN;
	}
	return SMTP_PARAMS_E_UNKNOWN;
}

int
smtp_mail_params_parse(struct slice args, unsigned offered,
    struct smtp_mail_params *ret, struct slice *ret_name)
{
	struct smtp_mail_params p = { 0 };
	struct slice keyword, value;
	unsigned seen = 0;
	int r;

	*ret_name = (struct slice){ 0 };
	while (next_param(&args, &keyword, &value, &r)) {
		r = find_mail_param(keyword, value, offered, &seen, &p);
		if (r != SMTP_PARAMS_OK) {
			*ret_name = keyword;
			return r;
		}
	}
	if (r == SMTP_PARAMS_OK)
		*ret = p;
	return r;
}

static int
find_rcpt_param(struct slice keyword, struct slice value, unsigned offered,
    unsigned *seen, struct smtp_rcpt_params *p)
{
	for (size_t i = 0; i < N_RCPT_PARAMS; i++) {
		if (!slice_equal_nocase(keyword, rcpt_params[i].keyword) ||
		    (offered & rcpt_params[i].ext) == 0)
			continue;
		if ((*seen & 1u << i) != 0)
			return SMTP_PARAMS_E_TWICE;
		*seen |= 1u << i;
		return value.len > 0 ? rcpt_params[i].read(value, p)
				     : SMTP_PARAMS_E_VALUE;
	}
	return SMTP_PARAMS_E_UNKNOWN;
}

int
smtp_rcpt_params_parse(struct slice args, unsigned offered, bool is_smtputf8,
    struct smtp_rcpt_params *ret, struct slice *ret_name)
{
	struct smtp_rcpt_params p = { 0 };
	struct slice keyword, value;
	unsigned seen = 0;
	int r;

	*ret_name = (struct slice){ 0 };
	while (next_param(&args, &keyword, &value, &r)) {
		r = find_rcpt_param(keyword, value, offered, &seen, &p);
		if (r == SMTP_PARAMS_OK && !is_smtputf8 &&
		    !slice_is_ascii(p.orcpt))
			r = SMTP_PARAMS_E_NEEDS_UTF8;
		if (r != SMTP_PARAMS_OK) {
			*ret_name = keyword;
			return r;
		}
	}
	if (r == SMTP_PARAMS_OK)
		*ret = p;
	return r;
}
