/* SPDX-License-Identifier: ISC */
#include "sasl/scram.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/base64.h"

enum {
	AUTH_MESSAGE_MAX = SASL_SCRAM_FIRST_MAX + SASL_SCRAM_SERVER_FIRST_MAX +
	    SASL_SCRAM_FINAL_MAX + 2
};

/* -- pieces (RFC 5802, section 7) ------------------------------------------ */

/* printable = %x21-2B / %x2D-7E */
static bool
is_nonce_byte(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != ',';
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool
is_binding_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '.' || c == '-';
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D") */
static bool
take_name(struct slice *in, char *at, size_t *ret_len)
{
	struct slice rest = *in;
	size_t n = 0;
	uint8_t c;

	while (rest.len > 0 && rest.at[0] != ',') {
		if (slice_skip(&rest, SLICE("=2C")))
			c = ',';
		else if (slice_skip(&rest, SLICE("=3D")))
			c = '=';
		else if (!slice_take_byte(&rest, &c) || c == '=' || c == 0)
			return false;
		if (n == LIMIT_ADDRESS)
			return false;
		at[n++] = (char)c;
	}
	if (n == 0 || !slice_is_utf8(slice_of(at, n)))
		return false;
	*ret_len = n;
	*in = rest;
	return true;
}

/* attr-val = ALPHA "=" value; what we do not know may be passed over, but not
 * what is mandatory (section 5.1, "m"). */
static bool
skip_extensions(struct slice *in)
{
	struct slice rest = *in;

	while (slice_skip_byte(&rest, ',')) {
		size_t end = slice_find_byte(rest, ',');
		struct slice one =
		    slice_upto(rest, end == SIZE_MAX ? rest.len : end);

		if (one.len < 3 || !ascii_is_alpha(one.at[0]) ||
		    one.at[1] != '=' || one.at[0] == 'm' ||
		    slice_find_byte(one, 0) != SIZE_MAX)
			return false;
		rest = slice_from(rest, one.len);
	}
	if (rest.len > 0)
		return false;
	*in = rest;
	return true;
}

/* -- the client's first -----------------------------------------------------
 */

/* gs2-cbind-flag. False: not of that form; *ret_flag, *ret_name otherwise */
static bool
take_flag(struct slice *in, char *ret_flag, struct slice *ret_name)
{
	struct slice rest = *in;
	uint8_t flag;

	*ret_name = (struct slice){ 0 };
	if (!slice_take_byte(&rest, &flag))
		return false;
	if (flag == 'p') {
		if (!slice_skip_byte(&rest, '=') ||
		    !slice_take_while(&rest, is_binding_byte, ret_name))
			return false;
	} else if (flag != 'n' && flag != 'y') {
		return false;
	}
	if (!slice_skip_byte(&rest, ','))
		return false;
	*ret_flag = (char)flag;
	*in = rest;
	return true;
}

/* Section 6: who may say what about binding. */
static bool
bind_channel(struct sasl_scram *s, char flag, struct slice name,
    bool plus_is_offered, const struct sasl_binding *b)
{
	if (s->is_plus != (flag == 'p'))
		return false;
	if (flag != 'p')
		return flag == 'n' || !plus_is_offered;
	if (slice_equal(name, SLICE("tls-exporter"))) {
		s->binding_len = b->exporter_len;
		memcpy(s->binding, b->exporter, sizeof(s->binding));
	} else if (slice_equal(name, SLICE("tls-server-end-point"))) {
		s->binding_len = b->end_point_len;
		memcpy(s->binding, b->end_point, sizeof(s->binding));
	} else if (slice_equal(name, SLICE("tls-unique"))) {
		s->binding_len = b->unique_len;
		memcpy(s->binding, b->unique, sizeof(s->binding));
	}
	return s->binding_len > 0;
}

/* client-first-message-bare = "n=" saslname "," "r=" nonce [extensions] */
static bool
take_bare(struct sasl_scram *s, struct slice in)
{
	struct slice nonce;

	if (!slice_skip(&in, SLICE("n=")) ||
	    !take_name(&in, s->name, &s->name_len) ||
	    !slice_skip(&in, SLICE(",r=")) ||
	    !slice_take_while(&in, is_nonce_byte, &nonce) ||
	    nonce.len > SASL_SCRAM_NONCE_MAX || !skip_extensions(&in))
		return false;
	/* The server's message begins with it. */
	s->server[0] = 'r';
	s->server[1] = '=';
	memcpy(s->server + 2, nonce.at, nonce.len);
	s->nonce_len = nonce.len;
	return true;
}

int
sasl_scram_first(struct sasl_scram *s, enum sasl_hash hash, bool is_plus,
    bool plus_is_offered, const struct sasl_binding *binding,
    struct slice message)
{
	struct slice in = message, name;
	char flag;

	memset(s, 0, sizeof(*s));
	s->hash = hash;
	s->is_plus = is_plus;
	if (message.len > SASL_SCRAM_FIRST_MAX || !take_flag(&in, &flag, &name))
		return SASL_SCRAM_E_SYNTAX;
	if (slice_skip(&in, SLICE("a=")) &&
	    !take_name(&in, s->authzid, &s->authzid_len))
		return SASL_SCRAM_E_SYNTAX;
	if (!slice_skip_byte(&in, ','))
		return SASL_SCRAM_E_SYNTAX;
	s->gs2_len = message.len - in.len;
	s->first_len = message.len;
	memcpy(s->first, message.at, message.len);
	if (slice_starts(in, SLICE("m=")))
		return SASL_SCRAM_E_REFUSED;
	if (!take_bare(s, in))
		return SASL_SCRAM_E_SYNTAX;
	return bind_channel(s, flag, name, plus_is_offered, binding)
	    ? SASL_SCRAM_OK
	    : SASL_SCRAM_E_REFUSED;
}

/* -- ours --------------------------------------------------------------------
 */

static void
add(struct sasl_scram *s, const void *at, size_t n)
{
	assert(n <= sizeof(s->server) - s->server_len);
	memcpy(s->server + s->server_len, at, n);
	s->server_len += n;
}

void
sasl_scram_challenge(struct sasl_scram *s, const struct sasl_keys *keys,
    const char nonce[SASL_SCRAM_NONCE])
{
	char text[BASE64_ENCODED(SASL_SALT_MAX) + 16], digits[10];
	uint32_t n = keys->iterations;
	size_t at = sizeof(digits);

	s->server_len = 2 + s->nonce_len;
	add(s, nonce, SASL_SCRAM_NONCE);
	s->nonce_len += SASL_SCRAM_NONCE;
	add(s, ",s=", 3);
	add(s, text, base64_encode(slice_of(keys->salt, keys->salt_len), text));
	add(s, ",i=", 3);
	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	add(s, digits + at, sizeof(digits) - at);
}

/* -- the client's last -------------------------------------------------------
 */

/* channel-binding = "c=" base64: exactly what it said first, and what binds */
static bool
is_same_binding(const struct sasl_scram *s, struct slice base64)
{
	uint8_t at[SASL_SCRAM_FIRST_MAX + SASL_BINDING_MAX];
	size_t n;

	return base64_decode(base64, at, sizeof(at), &n) &&
	    n == s->gs2_len + s->binding_len &&
	    memcmp(at, s->first, s->gs2_len) == 0 &&
	    CRYPTO_memcmp(at + s->gs2_len, s->binding, s->binding_len) == 0;
}

/* client-final-message = "c=" base64 ",r=" nonce [extensions] ",p=" base64 */
int
sasl_scram_final(const struct sasl_scram *s, struct slice message,
    struct sasl_scram_final *ret)
{
	struct slice in = message, binding, nonce, proof;
	size_t comma = slice_find_last_byte(message, ','), n;
	struct sasl_scram_final final;

	memset(&final, 0, sizeof(final));
	if (message.len > SASL_SCRAM_FINAL_MAX || comma == SIZE_MAX)
		return SASL_SCRAM_E_SYNTAX;
	final.without_proof = slice_upto(message, comma);
	proof = slice_from(message, comma + 1);
	in = final.without_proof;
	if (!slice_skip(&in, SLICE("c=")) ||
	    !slice_take_until(&in, ',', &binding) ||
	    !slice_skip(&in, SLICE("r=")) ||
	    !slice_take_while(&in, is_nonce_byte, &nonce) ||
	    !skip_extensions(&in) || !slice_skip(&proof, SLICE("p=")) ||
	    !base64_decode(proof, final.proof, sizeof(final.proof), &n) ||
	    n != sasl_digest_len(s->hash))
		return SASL_SCRAM_E_SYNTAX;
	if (!slice_equal(nonce, slice_of(s->server + 2, s->nonce_len)) ||
	    !is_same_binding(s, binding))
		return SASL_SCRAM_E_REFUSED;
	*ret = final;
	return SASL_SCRAM_OK;
}

/* client-first-message-bare "," server-first-message "," the last */
static struct slice
auth_message(const struct sasl_scram *s, struct slice without_proof,
    uint8_t at[AUTH_MESSAGE_MAX])
{
	struct slice bare =
	    slice_of(s->first + s->gs2_len, s->first_len - s->gs2_len);
	size_t n = 0;

	memcpy(at, bare.at, bare.len);
	n = bare.len;
	at[n++] = ',';
	memcpy(at + n, s->server, s->server_len);
	n += s->server_len;
	at[n++] = ',';
	memcpy(at + n, without_proof.at, without_proof.len);
	return slice_of(at, n + without_proof.len);
}

bool
sasl_scram_matches(const struct sasl_scram *s,
    const struct sasl_scram_final *final, const struct sasl_keys *keys,
    uint8_t signature[SASL_DIGEST_MAX])
{
	uint8_t at[AUTH_MESSAGE_MAX], client[SASL_DIGEST_MAX] = { 0 },
				      stored[SASL_DIGEST_MAX] = { 0 };
	struct slice all = auth_message(s, final->without_proof, at);
	size_t n = sasl_digest_len(s->hash);
	bool matches;

	assert(keys->hash == s->hash);
	sasl_hmac(s->hash, slice_of(keys->stored, n), all, client);
	for (size_t i = 0; i < n; i++)
		client[i] ^= final->proof[i]; /* ClientKey */
	sasl_digest(s->hash, slice_of(client, n), stored);
	matches = CRYPTO_memcmp(stored, keys->stored, n) == 0;
	OPENSSL_cleanse(client, sizeof(client));
	sasl_hmac(s->hash, slice_of(keys->server, n), all, signature);
	return matches;
}
