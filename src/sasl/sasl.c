/* SPDX-License-Identifier: ISC */
#include "sasl/sasl.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/base64.h"
#include "policy/canon.h"

/* The only assignment to s->state. */
static void
enter(struct sasl *s, enum sasl_state state)
{
	assert(s->state != SASL_OVER);
	s->state = (uint8_t)state;
}

static enum sasl_want
end(struct sasl *s, enum sasl_want how)
{
	enter(s, SASL_OVER);
	return how;
}

static enum sasl_want
ask(struct sasl *s, enum sasl_want what)
{
	enter(s, SASL_AT_ANSWER);
	return what;
}

static enum sasl_want
say(struct sasl *s, struct slice challenge, enum sasl_state next)
{
	assert(challenge.len <= sizeof(s->challenge));
	if (challenge.len > 0)
		memcpy(s->challenge, challenge.at, challenge.len);
	s->challenge_len = challenge.len;
	enter(s, next);
	return SASL_SAY;
}

static bool
set_name(struct sasl *s, struct slice name, struct slice authzid)
{
	if (name.len == 0 || name.len > sizeof(s->name) ||
	    authzid.len > sizeof(s->authzid))
		return false;
	memcpy(s->name, name.at, name.len);
	s->name_len = name.len;
	if (authzid.len > 0)
		memcpy(s->authzid, authzid.at, authzid.len);
	s->authzid_len = authzid.len;
	return true;
}

static bool
set_password(struct sasl *s, struct slice password)
{
	if (password.len > sizeof(s->password))
		return false;
	if (password.len > 0)
		memcpy(s->password, password.at, password.len);
	s->password_len = password.len;
	return true;
}

/* Acting for somebody else is not offered (RFC 4616, section 2). Addresses are
 * compared as they are looked up; who is meant is the account either way. */
static bool
is_for_another(const struct sasl *s)
{
	struct slice authzid = slice_of(s->authzid, s->authzid_len);

	return authzid.len > 0 && !slice_equal(authzid, sasl_name(s)) &&
	    !canon_is_same(authzid, sasl_name(s));
}

/* -- PLAIN (RFC 4616), LOGIN -------------------------------------------------
 */

static enum sasl_want
plain_first(struct sasl *s, struct slice message)
{
	struct sasl_plain p;

	if (!sasl_plain_parse(message, &p) ||
	    !set_name(s, p.authcid, p.authzid) || !set_password(s, p.password))
		return end(s, SASL_MALFORMED);
	return ask(s, SASL_LOOK_UP);
}

static enum sasl_want
login_first(struct sasl *s, struct slice message)
{
	if (!set_name(s, message, SLICE("")) ||
	    slice_find_byte(message, 0) != SIZE_MAX)
		return end(s, SASL_MALFORMED);
	return say(s, SLICE("Password:"), SASL_AT_PASSWORD);
}

static enum sasl_want
password_looked_up(struct sasl *s, const struct sasl_stand_in *stand_in)
{
	(void)stand_in;
	return ask(s, SASL_CHECK);
}

/* -- SCRAM (RFC 5802) ---------------------------------------------------------
 */

static enum sasl_hash
scram_hash(const struct sasl *s)
{
	return s->mechanism == SASL_SCRAM_SHA_1 ||
		s->mechanism == SASL_SCRAM_SHA_1_PLUS
	    ? SASL_SHA1
	    : SASL_SHA256;
}

static enum sasl_want
scram_first(struct sasl *s, struct slice message)
{
	enum sasl_hash hash = scram_hash(s);
	unsigned plus = hash == SASL_SHA1 ? SASL_BIT(SASL_SCRAM_SHA_1_PLUS)
					  : SASL_BIT(SASL_SCRAM_SHA_256_PLUS);
	int r = sasl_scram_first(&s->scram, hash,
	    (SASL_BIT(s->mechanism) & SASL_MASK_PLUS) != 0,
	    (s->offered & plus) != 0, &s->binding, message);

	if (r != SASL_SCRAM_OK)
		return end(s,
		    r == SASL_SCRAM_E_SYNTAX ? SASL_MALFORMED : SASL_NO);
	if (!set_name(s, slice_of(s->scram.name, s->scram.name_len),
		slice_of(s->scram.authzid, s->scram.authzid_len)))
		return end(s, SASL_MALFORMED);
	return ask(s, SASL_LOOK_UP);
}

/* The salt that is said: of the first row that has one. All passwords of an
 * account have the same, so that one challenge serves them all. */
static void
scram_choose(const struct sasl *s, const struct sasl_stand_in *stand_in,
    struct sasl_keys *keys)
{
	for (size_t i = 0; i < s->n_rows; i++)
		if (sasl_set_keys(s->rows[i].set, s->scram.hash, keys))
			return;
	memset(keys, 0, sizeof(*keys));
	keys->hash = s->scram.hash;
	keys->iterations = SASL_ITERATIONS;
	keys->salt_len = SASL_SALT;
	memcpy(keys->salt, stand_in->salt, SASL_SALT);
}

static enum sasl_want
scram_looked_up(struct sasl *s, const struct sasl_stand_in *stand_in)
{
	struct sasl_keys keys;

	scram_choose(s, stand_in, &keys);
	sasl_scram_challenge(&s->scram, &keys, stand_in->nonce);
	return say(s, slice_of(s->scram.server, s->scram.server_len),
	    SASL_AT_FINAL);
}

/* Each row is tried, whichever was right, and one when there is none. */
static bool
scram_try(struct sasl *s, const struct sasl_scram_final *final,
    uint8_t signature[SASL_DIGEST_MAX])
{
	struct sasl_keys nobody = { .hash = s->scram.hash }, keys;
	uint8_t got[SASL_DIGEST_MAX];
	bool is_right = false;

	if (s->n_rows == 0)
		(void)sasl_scram_matches(&s->scram, final, &nobody, got);
	for (size_t i = 0; i < s->n_rows; i++) {
		bool has = sasl_set_keys(s->rows[i].set, s->scram.hash, &keys);

		if (!sasl_scram_matches(&s->scram, final, has ? &keys : &nobody,
			got) ||
		    !has || (s->rows[i].services & s->service) == 0 || is_right)
			continue;
		is_right = true;
		s->used = s->rows[i].n;
		memcpy(signature, got, SASL_DIGEST_MAX);
	}
	return is_right && !is_for_another(s);
}

static enum sasl_want
scram_final(struct sasl *s, struct slice message)
{
	char text[2 + BASE64_ENCODED(SASL_DIGEST_MAX)] = "v=";
	uint8_t signature[SASL_DIGEST_MAX] = { 0 };
	struct sasl_scram_final final;
	size_t n;
	int r = sasl_scram_final(&s->scram, message, &final);

	if (r == SASL_SCRAM_E_SYNTAX)
		return end(s, SASL_MALFORMED);
	if (r != SASL_SCRAM_OK || !scram_try(s, &final, signature))
		return end(s, SASL_NO);
	n = base64_encode(slice_of(signature, sasl_digest_len(s->scram.hash)),
	    text + 2);
	return say(s, slice_of(text, 2 + n), SASL_AT_END);
}

/* -- tokens (RFC 7628)
 * --------------------------------------------------------- */

static enum sasl_want
token_first(struct sasl *s, struct slice message)
{
	struct sasl_bearer b;

	if (s->mechanism == SASL_OAUTHBEARER
		? !sasl_oauthbearer_parse(message, &b)
		: !sasl_xoauth2_parse(message, &b))
		return end(s, SASL_MALFORMED);
	memcpy(s->token, b.token.at, b.token.len);
	s->token_len = b.token.len;
	memcpy(s->authzid, b.name, b.name_len);
	s->authzid_len = b.name_len;
	return ask(s, SASL_TOKEN);
}

/* Section 3.2.2; for XOAUTH2 in the form its clients know. */
static enum sasl_want
token_error(struct sasl *s)
{
	if (s->token_error.len > 0 &&
	    s->token_error.len <= sizeof(s->challenge))
		return say(s, s->token_error, SASL_AT_ERROR);
	return say(s,
	    s->mechanism == SASL_OAUTHBEARER
		? SLICE("{\"status\":\"invalid_token\"}")
		: SLICE("{\"status\":\"401\",\"schemes\":\"bearer\"}"),
	    SASL_AT_ERROR);
}

static enum sasl_want
owner_refused(struct sasl *s)
{
	return s->mechanism == SASL_EXTERNAL ? end(s, SASL_NO) : token_error(s);
}

enum sasl_want
sasl_owner_is(struct sasl *s, struct slice name)
{
	assert(s->state == SASL_AT_ANSWER);
	OPENSSL_cleanse(s->token, sizeof(s->token));
	if (name.len == 0 || name.len > sizeof(s->name))
		return owner_refused(s);
	memcpy(s->name, name.at, name.len);
	s->name_len = name.len;
	return ask(s, SASL_LOOK_UP);
}

static enum sasl_want
owner_looked_up(struct sasl *s, const struct sasl_stand_in *stand_in)
{
	(void)stand_in;
	return s->n_rows > 0 ? end(s, SASL_YES) : owner_refused(s);
}

/* -- EXTERNAL (RFC 4422, appendix A)
 * -------------------------------------------- */

static enum sasl_want
external_first(struct sasl *s, struct slice message)
{
	if (message.len > sizeof(s->authzid) || !slice_is_utf8(message) ||
	    slice_find_byte(message, 0) != SIZE_MAX)
		return end(s, SASL_MALFORMED);
	if (message.len > 0)
		memcpy(s->authzid, message.at, message.len);
	s->authzid_len = message.len;
	return ask(s, SASL_CERTIFICATE);
}

/* -- the table
 * ------------------------------------------------------------------ */

static const struct mechanism {
	const char *asks_first; /* when no initial response came */
	enum sasl_want (*first)(struct sasl *, struct slice);
	enum sasl_want (*looked_up)(struct sasl *,
	    const struct sasl_stand_in *);
} mechanisms[N_SASL_MECHANISMS] = {
	[SASL_SCRAM_SHA_256_PLUS] = { "", scram_first, scram_looked_up },
	[SASL_SCRAM_SHA_1_PLUS] = { "", scram_first, scram_looked_up },
	[SASL_SCRAM_SHA_256] = { "", scram_first, scram_looked_up },
	[SASL_SCRAM_SHA_1] = { "", scram_first, scram_looked_up },
	[SASL_EXTERNAL] = { "", external_first, owner_looked_up },
	[SASL_OAUTHBEARER] = { "", token_first, owner_looked_up },
	[SASL_XOAUTH2] = { "", token_first, owner_looked_up },
	[SASL_PLAIN] = { "", plain_first, password_looked_up },
	[SASL_LOGIN] = { "Username:", login_first, password_looked_up },
};

enum sasl_want
sasl_begin(struct sasl *s, enum sasl_mechanism mechanism, unsigned offered,
    uint32_t service, const struct sasl_binding *binding,
    const struct slice *initial)
{
	assert(mechanism < N_SASL_MECHANISMS);
	memset(s, 0, sizeof(*s));
	s->mechanism = (uint8_t)mechanism;
	s->offered = offered;
	s->service = service;
	s->binding = *binding;
	if (initial != NULL)
		return sasl_respond(s, *initial);
	return say(s, slice_cstr(mechanisms[mechanism].asks_first),
	    SASL_AT_FIRST);
}

enum sasl_want
sasl_respond(struct sasl *s, struct slice response)
{
	switch ((enum sasl_state)s->state) {
	case SASL_AT_FIRST:
		return mechanisms[s->mechanism].first(s, response);
	case SASL_AT_PASSWORD:
		if (!set_password(s, response))
			return end(s, SASL_MALFORMED);
		return ask(s, SASL_LOOK_UP);
	case SASL_AT_FINAL:
		return scram_final(s, response);
	case SASL_AT_END:
		return end(s, response.len == 0 ? SASL_YES : SASL_MALFORMED);
	case SASL_AT_ERROR: /* the client has nothing to add, whatever it is */
		return end(s, SASL_NO);
	case SASL_AT_ANSWER:
	case SASL_OVER:
		break;
	}
	assert(false);
	return SASL_NO;
}

enum sasl_want
sasl_looked_up(struct sasl *s, const struct sasl_row *rows, size_t n_rows,
    const struct sasl_stand_in *stand_in)
{
	assert(s->state == SASL_AT_ANSWER);
	s->rows = rows;
	s->n_rows = n_rows;
	return mechanisms[s->mechanism].looked_up(s, stand_in);
}

enum sasl_want
sasl_checked(struct sasl *s, bool is_right, uint32_t used)
{
	assert(s->state == SASL_AT_ANSWER);
	s->used = used;
	return end(s, is_right && !is_for_another(s) ? SASL_YES : SASL_NO);
}

bool
sasl_decode(struct slice base64, bool is_initial, uint8_t at[SASL_RESPONSE_MAX],
    size_t *ret_len)
{
	if (is_initial && slice_equal(base64, SLICE("="))) {
		*ret_len = 0;
		return true;
	}
	/* Without a byte it would be an AUTH that ends in a space. */
	return (!is_initial || base64.len > 0) &&
	    base64_decode(base64, at, SASL_RESPONSE_MAX, ret_len);
}

struct slice
sasl_name(const struct sasl *s)
{
	return slice_of(s->name, s->name_len);
}

struct slice
sasl_password(const struct sasl *s)
{
	return slice_of(s->password, s->password_len);
}

void
sasl_wipe(struct sasl *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}
