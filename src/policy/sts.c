/* SPDX-License-Identifier: ISC */
#include "policy/sts.h"

#include <errno.h>
#include <string.h>

#include "policy/dns.h"

static const char *const modes[] = { "none", "testing", "enforce" };
static const char *const results[] = { "", "sts-policy-fetch-error",
	"sts-policy-invalid", "sts-webpki-invalid" };

const char *
sts_mode_name(enum sts_mode mode)
{
	return modes[mode];
}

bool
sts_mode_parse(struct slice name, enum sts_mode *ret)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (slice_equal(name, slice_cstr(modes[i]))) {
			*ret = (enum sts_mode)i;
			return true;
		}
	return false;
}

const char *
sts_result_name(enum sts_result result)
{
	return results[result];
}

/* -- the TXT record (3.1)
 * ------------------------------------------------------------- */

enum {
	NAME_MAX_LEN = 32,
	TXT_MAX = 4096
};

static bool
is_name_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '_' || c == '-' || c == '.';
}

/* %x21-3A / %x3C / %x3E-7E: no "=", ";", SP */
static bool
is_value_char(uint8_t c)
{
	return c >= 0x21 && c <= 0x7e && c != '=' && c != ';';
}

/* (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".") */
static bool
take_name(struct slice *in, struct slice *ret)
{
	struct slice rest = *in;

	if (!slice_take_while(&rest, is_name_char, ret) ||
	    ret->len > NAME_MAX_LEN || !ascii_is_alnum(ret->at[0]))
		return false;
	*in = rest;
	return true;
}

static bool
is_id(struct slice value)
{
	if (value.len == 0 || value.len >= STS_ID)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_is_alnum(value.at[i]))
			return false;
	return true;
}

/* sts-field = sts-id / sts-extension; an id that is none is an error. */
static bool
take_field(struct slice *in, char id[STS_ID])
{
	struct slice name, value;

	if (!take_name(in, &name) || !slice_skip_byte(in, '=') ||
	    !slice_take_while(in, is_value_char, &value))
		return false;
	if (!slice_equal(name, SLICE("id")) || id[0] != '\0')
		return true; /* unknown, or a second one: passed over */
	if (!is_id(value))
		return false;
	(void)slice_to_cstr(value, id, STS_ID);
	return true;
}

/* *WSP ";" *WSP */
static bool
take_delimiter(struct slice *in)
{
	struct slice run, rest = *in;

	(void)slice_take_while(&rest, ascii_is_space, &run);
	if (!slice_skip_byte(&rest, ';'))
		return false;
	(void)slice_take_while(&rest, ascii_is_space, &run);
	*in = rest;
	return true;
}

int
sts_record_parse(struct slice text, char id[STS_ID])
{
	char got[STS_ID] = "";

	if (!slice_starts(text, SLICE("v=STSv1;")))
		return STS_E_ABSENT;
	text = slice_from(text, sizeof("v=STSv1") - 1);
	while (take_delimiter(&text) && text.len > 0)
		if (!take_field(&text, got))
			return STS_E_SYNTAX;
	if (text.len > 0 || got[0] == '\0')
		return STS_E_SYNTAX;
	memcpy(id, got, STS_ID);
	return STS_OK;
}

/* Its strings are one (3.1). False: not TXT rdata, or too long. */
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
sts_records_read(const struct slice *rdata, size_t n, char id[STS_ID])
{
	int result = STS_E_ABSENT;
	struct buf text;

	buf_init(&text, TXT_MAX);
	for (size_t i = 0; i < n; i++) {
		int r;

		buf_reset(&text, TXT_MAX);
		if (!join_strings(rdata[i], &text))
			continue;
		r = sts_record_parse(buf_slice(&text), id);
		if (r == STS_E_ABSENT)
			continue;
		/* one that is wrong counts, too: then they are two */
		result = result == STS_E_ABSENT ? r : STS_E_MANY;
	}
	buf_deinit(&text);
	return result;
}

/* -- the policy (3.2)
 * ----------------------------------------------------------------- */

struct reading {
	struct sts_policy policy;
	struct buf *mx;
	size_t from; /* of mx: where ours begin */
	bool has_version, has_mode, has_max_age;
	const char *why;
};

static bool
is_wrong(struct reading *r, const char *why)
{
	r->why = why;
	return false;
}

static bool
read_version(struct reading *r, struct slice value)
{
	if (r->has_version)
		return true;
	r->has_version = true;
	return slice_equal(value, SLICE("STSv1")) ||
	    is_wrong(r, "the version is not STSv1");
}

static bool
read_mode(struct reading *r, struct slice value)
{
	if (r->has_mode)
		return true;
	r->has_mode = true;
	return sts_mode_parse(value, &r->policy.mode) ||
	    is_wrong(r, "the mode is none of enforce, testing and none");
}

/* 1*10DIGIT. What is above the maximum is kept as long as the maximum. */
static bool
read_max_age(struct reading *r, struct slice value)
{
	uint64_t n;

	if (r->has_max_age)
		return true;
	r->has_max_age = true;
	if (value.len > 10 || !slice_to_u64(value, UINT64_MAX, &n))
		return is_wrong(r, "max_age is not a number of seconds");
	r->policy.max_age = n > STS_MAX_AGE ? STS_MAX_AGE : (uint32_t)n;
	return true;
}

static bool
is_pattern(struct slice value)
{
	struct slice rest = value;

	(void)slice_skip(&rest, SLICE("*."));
	return dns_name_is_valid(rest);
}

static bool
read_mx(struct reading *r, struct slice value)
{
	if (!is_pattern(value))
		return is_wrong(r, "a mail host in it is not a domain name");
	if (buf_room(r->mx) < value.len + 1 ||
	    r->mx->len - r->from + value.len + 1 > STS_MX)
		return is_wrong(r, "it names too many mail hosts");
	if (r->mx->len > r->from)
		(void)buf_add_byte(r->mx, ' ');
	for (size_t i = 0; i < value.len; i++)
		(void)buf_add_byte(r->mx, ascii_lower(value.at[i]));
	return true;
}

static const struct {
	struct slice name;
	bool (*read)(struct reading *r, struct slice value);
} fields[] = {
	{ { (const uint8_t *)"version", 7 }, read_version },
	{ { (const uint8_t *)"mode", 4 }, read_mode },
	{ { (const uint8_t *)"max_age", 7 }, read_max_age },
	{ { (const uint8_t *)"mx", 2 }, read_mx },
};

/* No controls; anything else that is UTF-8 (which the whole text is). */
static bool
is_ext_value(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] < 0x20 || value.at[i] == 0x7f)
			return false;
	return value.len > 0;
}

/* sts-policy-field: name ":" *WSP value */
static bool
read_line(struct reading *r, struct slice line)
{
	struct slice name, value;

	if (!take_name(&line, &name) || !slice_skip_byte(&line, ':'))
		return is_wrong(r, "a line is not of the form name: value");
	value = slice_trim(line);
	if (!is_ext_value(value))
		return is_wrong(r, "a value is empty or has control octets");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (slice_equal(name, fields[i].name))
			return fields[i].read(r, value);
	return true;
}

static bool
read_lines(struct reading *r, struct slice text)
{
	struct slice line;

	while (text.len > 0) {
		if (!slice_take_until(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		} else if (line.len > 0 && line.at[line.len - 1] == '\r') {
			line.len--;
		}
		/* an empty line says nothing, and many files end in one */
		if (slice_trim(line).len > 0 && !read_line(r, line))
			return false;
	}
	return true;
}

static const char *
missing(const struct reading *r)
{
	if (!r->has_version)
		return "it has no version";
	if (!r->has_mode)
		return "it has no mode";
	if (!r->has_max_age)
		return "it has no max_age";
	if (r->policy.mode != STS_NONE && r->mx->len == r->from)
		return "it names no mail host";
	return NULL;
}

int
sts_policy_parse(struct slice text, struct buf *mx, struct sts_policy *ret,
    const char **ret_why)
{
	struct reading r = { .mx = mx, .from = mx->len };
	uint8_t *at;

	*ret_why = "";
	if (buf_reserve(mx, STS_MX, &at) != BUF_OK)
		return -ENOMEM;
	if (text.len > LIMIT_STS_POLICY)
		r.why = "it is too large";
	else if (!slice_is_utf8(text))
		r.why = "it is not UTF-8";
	else if (read_lines(&r, text))
		r.why = missing(&r);
	if (r.why != NULL) {
		*ret_why = r.why;
		return STS_E_SYNTAX;
	}
	*ret = r.policy;
	return STS_OK;
}

/* -- hosts (4.1)
 * ----------------------------------------------------------------------- */

static bool
matches(struct slice pattern, struct slice host)
{
	struct slice label;

	if (!slice_skip(&pattern, SLICE("*.")))
		return slice_equal_nocase(pattern, host);
	return slice_take_until(&host, '.', &label) && label.len > 0 &&
	    slice_equal_nocase(pattern, host);
}

static bool
take_pattern(struct slice *mx, struct slice *ret)
{
	if (mx->len == 0)
		return false;
	if (!slice_take_until(mx, ' ', ret)) {
		*ret = *mx;
		mx->len = 0;
	}
	return true;
}

bool
sts_mx_matches(struct slice mx, struct slice host)
{
	struct slice pattern;

	if (host.len > 0 && host.at[host.len - 1] == '.')
		host.len--;
	while (take_pattern(&mx, &pattern))
		if (matches(pattern, host))
			return true;
	return false;
}

bool
sts_mx_is_valid(struct slice mx)
{
	struct slice pattern;

	if (mx.len > STS_MX)
		return false;
	while (take_pattern(&mx, &pattern))
		if (!is_pattern(pattern))
			return false;
	return true;
}

/* -- what to do (3.3, 5.1)
 * --------------------------------------------------------------- */

bool
sts_is_valid(const struct sts_state *s, int64_t now)
{
	return s->has_policy &&
	    now < s->fetched + (int64_t)s->max_age * TIME_SECOND;
}

/* A short-lived policy is fetched again in the middle of its life. */
static bool
is_fresh(const struct sts_state *s, int64_t now)
{
	int64_t half = (int64_t)s->max_age * TIME_SECOND / 2;

	return now < s->fetched + (half < STS_REFRESH ? half : STS_REFRESH) &&
	    now >= s->fetched - TIME_HOUR; /* else the clock was wrong */
}

static bool
may_try(const struct sts_state *s, int64_t now, const char *id)
{
	return !s->has_failed || now >= s->failed + STS_AGAIN ||
	    now < s->failed || (id != NULL && strcmp(s->failed_id, id) != 0);
}

enum sts_step
sts_decide(const struct sts_state *s, int64_t now, enum sts_txt txt,
    const char *id)
{
	bool is_valid = sts_is_valid(s, now);
	enum sts_step without_fetch = is_valid ? STS_USE : STS_WITHOUT;
	bool is_same = is_valid && txt == STS_TXT_ID && strcmp(s->id, id) == 0;

	if (txt != STS_TXT_ID)
		return without_fetch;
	if (is_same && is_fresh(s, now))
		return STS_USE;
	if (!may_try(s, now, id))
		return without_fetch;
	return is_same ? STS_USE_FETCH : STS_FETCH;
}

bool
sts_wants_refresh(const struct sts_state *s, int64_t now)
{
	return sts_is_valid(s, now) && !is_fresh(s, now) &&
	    may_try(s, now, NULL);
}
