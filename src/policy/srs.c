/* SPDX-License-Identifier: ISC */
#include "policy/srs.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/time.h"

enum {
	HASH_CHARS = 6, /* of 5 bits each */
	DAY_CHARS = 2,
	DAYS = 1024, /* what they can tell apart */
	LOCAL_MAX = 64,
	TEXT_MAX = 512
};

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

/* -- forms
 * ------------------------------------------------------------------- */

/* RFC 5322, 3.2.3 */
static bool
is_atext(uint8_t c)
{
	return ascii_is_alnum(c) ||
	    (c < 128 && c != 0 && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool
is_dot_atom(struct slice s)
{
	bool was_dot = true;

	for (size_t i = 0; i < s.len; i++) {
		if (!is_atext(s.at[i]) || (was_dot && s.at[i] == '.'))
			return false;
		was_dot = s.at[i] == '.';
	}
	return !was_dot;
}

static bool
is_domain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.at[i]) && s.at[i] != '-' &&
		    s.at[i] != '.')
			return false;
	return is_dot_atom(s);
}

/* "SRS0=": the first separator may be another ("SRS0+"); false leaves `in`
 * alone. */
static bool
skip_tag(struct slice *in, struct slice tag)
{
	struct slice rest = *in;

	if (!slice_skip_nocase(&rest, tag) || rest.len == 0 ||
	    (rest.at[0] != '=' && rest.at[0] != '+' && rest.at[0] != '-'))
		return false;
	*in = slice_from(rest, 1);
	return true;
}

bool
srs_is_form(struct slice local)
{
	return skip_tag(&local, SLICE("SRS0")) ||
	    skip_tag(&local, SLICE("SRS1"));
}

/* -- hash and day
 * ---------------------------------------------------------------------- */

static void
make_hash(const struct srs *s, struct slice text, char hash[HASH_CHARS])
{
	uint8_t lower[TEXT_MAX], mac[EVP_MAX_MD_SIZE] = { 0 };
	unsigned n = sizeof(mac);

	text = slice_upto(text, sizeof(lower));
	for (size_t i = 0; i < text.len; i++)
		lower[i] = ascii_lower(text.at[i]);
	(void)HMAC(EVP_sha256(), s->secret.at, (int)s->secret.len, lower,
	    text.len, mac, &n);
	for (size_t i = 0; i < HASH_CHARS; i++)
		hash[i] = digits[mac[i] & 31];
}

static bool
has_hash(const struct srs *s, struct slice hash, struct slice text)
{
	char want[HASH_CHARS], got[HASH_CHARS];

	if (hash.len != HASH_CHARS || text.len > TEXT_MAX)
		return false;
	make_hash(s, text, want);
	for (size_t i = 0; i < HASH_CHARS; i++)
		got[i] = (char)ascii_lower(hash.at[i]);
	return CRYPTO_memcmp(want, got, HASH_CHARS) == 0;
}

static unsigned
day_of(int64_t now)
{
	return (unsigned)(now / TIME_DAY % DAYS);
}

static bool
take_day(struct slice text, unsigned *ret)
{
	unsigned day = 0;

	if (text.len != DAY_CHARS)
		return false;
	for (size_t i = 0; i < DAY_CHARS; i++) {
		const char *at = text.at[i] == 0
		    ? NULL
		    : strchr(digits, ascii_lower(text.at[i]));

		if (at == NULL)
			return false;
		day = day * 32 + (unsigned)(at - digits);
	}
	*ret = day;
	return true;
}

/* A day of tomorrow is good, too: clocks differ. */
static bool
is_fresh(const struct srs *s, unsigned day)
{
	unsigned age = (day_of(s->now) + 1 + DAYS - day) % DAYS;

	return age <= SRS_DAYS + 1;
}

/* -- forward
 * -------------------------------------------------------------------- */

/* TAG=HASH=text@domain, when it fits. */
static enum srs_result
put(const struct srs *s, const char *tag, struct slice text,
    struct slice domain, struct buf *out)
{
	char hash[HASH_CHARS];

	if (strlen(tag) + HASH_CHARS + 1 + text.len > LOCAL_MAX)
		return SRS_NONE;
	make_hash(s, text, hash);
	return buf_add_cstr(out, tag) == BUF_OK &&
		buf_add(out, slice_of(hash, HASH_CHARS)) == BUF_OK &&
		buf_add_byte(out, '=') == BUF_OK &&
		buf_add(out, text) == BUF_OK &&
		buf_add_byte(out, '@') == BUF_OK &&
		buf_add(out, domain) == BUF_OK
	    ? SRS_OK
	    : SRS_NONE;
}

static bool
join(struct buf *to, struct slice a, char between, struct slice b)
{
	return buf_add(to, a) == BUF_OK &&
	    buf_add_byte(to, (uint8_t)between) == BUF_OK &&
	    buf_add(to, b) == BUF_OK;
}

/* SRS0 of another: what it says goes on behind his name, "=" first. */
static bool
behind_srs0(struct slice local, struct slice domain, struct buf *text)
{
	struct slice rest = slice_from(local, 4); /* with its separator */

	return join(text, domain, '=', rest);
}

/* SRS1 of another: only the hash is his. */
static bool
behind_srs1(struct slice local, struct buf *text)
{
	struct slice hash;

	return skip_tag(&local, SLICE("SRS1")) &&
	    slice_take_until(&local, '=', &hash) && local.len > 0 &&
	    buf_add(text, local) == BUF_OK;
}

static bool
plain(const struct srs *s, struct slice local, struct slice domain,
    struct buf *text)
{
	unsigned day = day_of(s->now);

	return buf_add_byte(text, (uint8_t)digits[day / 32]) == BUF_OK &&
	    buf_add_byte(text, (uint8_t)digits[day % 32]) == BUF_OK &&
	    buf_add_byte(text, '=') == BUF_OK && join(text, domain, '=', local);
}

enum srs_result
srs_forward(const struct srs *s, struct slice sender, struct slice domain,
    struct buf *out)
{
	size_t at = slice_find_last_byte(sender, '@');
	struct slice local = slice_upto(sender, at == SIZE_MAX ? 0 : at), from,
		     tag = local;
	enum srs_result r = SRS_NONE;
	const char *kind = "SRS0=";
	struct buf text;
	bool is_made;

	if (at == SIZE_MAX)
		return SRS_NONE;
	from = slice_from(sender, at + 1);
	if (!is_dot_atom(local) || !is_domain(from))
		return SRS_NONE;
	buf_init(&text, TEXT_MAX);
	if (skip_tag(&tag, SLICE("SRS1"))) {
		kind = "SRS1=";
		is_made = behind_srs1(local, &text);
	} else if (skip_tag(&tag, SLICE("SRS0"))) {
		kind = "SRS1=";
		is_made = behind_srs0(local, from, &text);
	} else {
		is_made = plain(s, local, from, &text);
	}
	if (is_made)
		r = put(s, kind, buf_slice(&text), domain, out);
	buf_deinit(&text);
	return r;
}

/* -- back
 * --------------------------------------------------------------------- */

/* TT=domain=local */
static enum srs_result
undo_srs0(const struct srs *s, struct slice text, struct buf *out)
{
	struct slice day_text, domain;
	unsigned day;

	if (!slice_take_until(&text, '=', &day_text) ||
	    !slice_take_until(&text, '=', &domain) ||
	    !take_day(day_text, &day) || !is_domain(domain) ||
	    !is_dot_atom(text))
		return SRS_FORGED;
	if (!is_fresh(s, day))
		return SRS_STALE;
	return join(out, text, '@', domain) ? SRS_OK : SRS_NONE;
}

/* domain, then what stands behind "SRS0" there, with its separator: its age is
 * his to know. */
static enum srs_result
undo_srs1(struct slice text, struct buf *out)
{
	struct slice domain;

	if (!slice_take_until(&text, '=', &domain) || !is_domain(domain) ||
	    !is_dot_atom(text) ||
	    (text.at[0] != '=' && text.at[0] != '+' && text.at[0] != '-'))
		return SRS_FORGED;
	return buf_add_cstr(out, "SRS0") == BUF_OK &&
		join(out, text, '@', domain)
	    ? SRS_OK
	    : SRS_NONE;
}

enum srs_result
srs_reverse(const struct srs *s, struct slice local, struct buf *out)
{
	struct slice rest = local, hash;
	bool is_first = skip_tag(&rest, SLICE("SRS0"));

	if (!is_first && !skip_tag(&rest, SLICE("SRS1")))
		return SRS_NONE;
	if (!slice_take_until(&rest, '=', &hash) || !has_hash(s, hash, rest))
		return SRS_FORGED;
	return is_first ? undo_srs0(s, rest, out) : undo_srs1(rest, out);
}
