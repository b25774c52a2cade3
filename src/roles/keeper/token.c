/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/token - the keys of who issues tokens, and what they admit
 *
 * The keys lie in a file of this machine (oauth.keys): nobody is asked at a
 * login, so an issuer that is slow, dead or lies costs and gains nothing. Read
 * before the sandbox closes, as this user; later an admin's command brings the
 * file's text (TOKEN_KEYS). Keys that cannot be used change nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "roles/keeper/keeper.h"

static void
complain(struct keeper *k, const char *why)
{
	env_log(k->env, ENV_ERROR, "token-keys-unusable",
	    "file=%s old=%zu reason=\"%s\"", k->role->settings->oauth_keys,
	    k->token_keys == NULL ? 0 : k->token_keys->n, why);
}

/* SASL_KEYS_OK: they are in use. */
static int
take_keys(struct keeper *k, struct slice text, char why[SASL_KEYS_WHY])
{
	struct sasl_token_keys *keys = NULL;
	int r = sasl_token_keys_parse(text, &keys, why);

	if (r < 0)
		(void)snprintf(why, SASL_KEYS_WHY, "out of memory");
	if (r != SASL_KEYS_OK) {
		complain(k, why);
		return r;
	}
	sasl_token_keys_free(k->token_keys);
	k->token_keys = keys;
	env_log(k->env, ENV_INFO, "token-keys", "n=%zu", keys->n);
	return SASL_KEYS_OK;
}

int
keeper_token_init(struct keeper *k)
{
	const char *path = k->role->settings->oauth_keys;
	char why[SASL_KEYS_WHY];
	uint8_t *at;
	size_t seed, n = 0;
	int r;

	/* Its own seed would come from a file, or from the clock. */
	env_random(k->env, &seed, sizeof(seed));
	json_object_seed(seed);
	if (path[0] != '/')
		return 0;
	at = malloc(LIMIT_TOKEN_KEYS);
	if (at == NULL)
		return -ENOMEM;
	r = role_read_file(k->env, path, at, LIMIT_TOKEN_KEYS, &n);
	if (r == 0)
		(void)take_keys(k, slice_of(at, n), why);
	else
		complain(k, r == -EFBIG ? "longer than 32 KiB" : strerror(-r));
	free(at);
	return 0;
}

void
keeper_token_deinit(struct keeper *k)
{
	sasl_token_keys_free(k->token_keys);
	k->token_keys = NULL;
}

int
keeper_token_on_keys(struct channel *c, const struct wire_head *h,
    const struct wire_token_keys *m)
{
	struct keeper *k = c->ctx;
	struct wire_token_keys_taken answer = { .ok = false };
	char why[SASL_KEYS_WHY] = "oauth.keys is not set";

	if (k->role->settings->oauth_keys[0] != '\0')
		answer.ok = take_keys(k, m->text, why) == SASL_KEYS_OK;
	if (answer.ok)
		answer.n = (uint32_t)k->token_keys->n;
	else
		answer.why = slice_cstr(why);
	(void)wire_send_token_keys_taken(c, h->session, h->ticket, &answer);
	return 0;
}

enum sasl_token_result
keeper_token_check(const struct keeper *k, struct slice token,
    struct sasl_token_owner *ret)
{
	const struct settings *s = k->role->settings;
	struct sasl_token_rules rules = {
		.issuer = slice_cstr(s->oauth_issuer),
		.audience = slice_cstr(s->oauth_audience),
		.claim = slice_cstr(s->oauth_claim),
		.scope = slice_cstr(s->oauth_scope),
		.skew = s->oauth_skew,
	};

	return sasl_token_check(token, k->token_keys, &rules, env_wall(k->env),
	    ret);
}

/* The settings hold nothing that JSON would have to escape. */
struct slice
keeper_token_error(const struct keeper *k, enum sasl_mechanism mechanism,
    enum sasl_token_result why, char at[SASL_CHALLENGE_MAX])
{
	const struct settings *s = k->role->settings;
	const char *status =
	    why == SASL_TOKEN_SCOPE ? "insufficient_scope" : "invalid_token";
	size_t n;

	_Static_assert(SASL_CHALLENGE_MAX > 96 + SETTINGS_CLAIM + SETTINGS_NAME,
	    "all of it fits");
	if (mechanism == SASL_XOAUTH2)
		n = (size_t)snprintf(at, SASL_CHALLENGE_MAX,
		    "{\"status\":\"%s\",\"schemes\":\"bearer\"",
		    why == SASL_TOKEN_SCOPE ? "403" : "401");
	else
		n = (size_t)snprintf(at, SASL_CHALLENGE_MAX,
		    "{\"status\":\"%s\"", status);
	if (s->oauth_scope[0] != '\0')
		n += (size_t)snprintf(at + n, SASL_CHALLENGE_MAX - n,
		    ",\"scope\":\"%s\"", s->oauth_scope);
	if (s->oauth_configuration[0] != '\0')
		n += (size_t)snprintf(at + n, SASL_CHALLENGE_MAX - n,
		    ",\"openid-configuration\":\"%s\"", s->oauth_configuration);
	n += (size_t)snprintf(at + n, SASL_CHALLENGE_MAX - n, "}");
	return slice_of(at, n);
}
