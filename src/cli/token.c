/* SPDX-License-Identifier: ISC */
/*
 * cli/token - the keys of who issues tokens: tried here, told to the server
 *
 * The file is read by who gives the command; the keeper, which can open none,
 * gets its text by way of the admin socket.
 */
#include "cli/token.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/admin.h"
#include "sasl/message.h"
#include "sasl/token.h"

static int
load(const char *path, char **ret_text, size_t *ret_len,
    struct sasl_token_keys **ret)
{
	char why[SASL_KEYS_WHY] = "out of memory";
	int r = cli_read_file(path, LIMIT_TOKEN_KEYS, ret_text, ret_len);

	if (r < 0)
		return cli_fail(CLI_REFUSED, "oauth.keys: %s: %s", path,
		    r == -EFBIG ? "longer than 32 KiB" : strerror(-r));
	if (sasl_token_keys_parse(slice_of(*ret_text, *ret_len), ret, why) ==
	    SASL_KEYS_OK)
		return CLI_OK;
	free(*ret_text);
	*ret_text = NULL;
	return cli_fail(CLI_REFUSED, "oauth.keys: %s: %s", path, why);
}

int
token_check_keys(const struct settings *s)
{
	struct sasl_token_keys *keys = NULL;
	char *text = NULL;
	size_t len;
	int r;

	if (s->oauth_keys[0] == '\0')
		return CLI_OK;
	r = load(s->oauth_keys, &text, &len, &keys);
	sasl_token_keys_free(keys);
	free(text);
	return r;
}

static int
need_keys(struct cli *cli, struct settings *s)
{
	int r = cli_settings(cli, s);

	if (r == CLI_OK && s->oauth_keys[0] == '\0')
		r = cli_fail(CLI_REFUSED, "%s: oauth.keys is not set",
		    cli->config);
	return r;
}

/* -- reload -----------------------------------------------------------------
 */

static int
tell(struct cli *cli, const char *text, size_t len)
{
	struct admin_answer answer;
	json_t *args = json_pack("{s:s%}", "token-keys", text, len);
	int r;

	if (args == NULL)
		return cli_fail(CLI_REFUSED, "oauth.keys is not UTF-8");
	r = admin_ask(cli, "token reload", args, &answer);
	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&answer);
	if (r == CLI_OK && cli->json)
		(void)printf("{\"text\": \"%s\"}\n", answer.text);
	else if (r == CLI_OK)
		(void)printf("%s\n", answer.text);
	admin_answer_deinit(&answer);
	return r;
}

static int
run_reload(struct cli *cli)
{
	struct sasl_token_keys *keys = NULL;
	struct settings s;
	char *text = NULL;
	size_t len;
	int r = need_keys(cli, &s);

	if (r == CLI_OK)
		r = load(s.oauth_keys, &text, &len, &keys);
	if (r == CLI_OK)
		r = tell(cli, text, len);
	sasl_token_keys_free(keys);
	free(text);
	return r;
}

/* -- check ------------------------------------------------------------------
 */

static int
show(struct cli *cli, enum sasl_token_result r,
    const struct sasl_token_owner *owner)
{
	json_t *out;

	if (cli->json) {
		out = json_pack("{s:b, s:s, s:s%}", "good",
		    r == SASL_TOKEN_GOOD, "reason", sasl_token_problem(r),
		    "account", owner->name, owner->len);
		(void)admin_print_json(out);
		json_decref(out);
	} else if (r == SASL_TOKEN_GOOD) {
		(void)printf("good for %.*s\n", (int)owner->len, owner->name);
	}
	if (r == SASL_TOKEN_GOOD)
		return CLI_OK;
	return cli->json
	    ? CLI_REFUSED
	    : cli_fail(CLI_REFUSED, "refused: %s", sasl_token_problem(r));
}

static int
try(struct cli *cli, const struct settings *s,
    const struct sasl_token_keys *keys, struct slice token)
{
	struct sasl_token_rules rules = {
		.issuer = slice_cstr(s->oauth_issuer),
		.audience = slice_cstr(s->oauth_audience),
		.claim = slice_cstr(s->oauth_claim),
		.scope = slice_cstr(s->oauth_scope),
		.skew = s->oauth_skew,
	};
	struct sasl_token_owner owner = { 0 };
	struct timespec now;

	while (token.len > 0 && ascii_is_print(token.at[token.len - 1]) == 0)
		token.len--;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return show(cli,
	    sasl_token_check(token, keys, &rules,
		(int64_t)now.tv_sec * TIME_SECOND, &owner),
	    &owner);
}

static int
run_check(struct cli *cli)
{
	const char *path = cli->n_operands > 0 ? cli->operands[0] : "-";
	struct sasl_token_keys *keys = NULL;
	struct settings s;
	char *text = NULL, *token = NULL;
	size_t len, token_len;
	int r = need_keys(cli, &s), e;

	if (r == CLI_OK)
		r = load(s.oauth_keys, &text, &len, &keys);
	if (r == CLI_OK) {
		e = cli_read_file(path, SASL_TOKEN_MAX + 2, &token, &token_len);
		r = e < 0 ? cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-e))
			  : try(cli, &s, keys, slice_of(token, token_len));
	}
	sasl_token_keys_free(keys);
	free(text);
	free(token);
	return r;
}

static const struct cli_action actions[] = {
	{ "reload", NULL, 0, 0, "has the server use oauth.keys as it is now",
	    NULL, run_reload, NULL },
	{ "check", "[FILE]", 0, 1,
	    "whether a token would be taken, and whose it is", NULL, run_check,
	    NULL },
};

const struct cli_command cli_token = { "token",
	"tokens that people log in with (OAUTHBEARER)", CLI_ACTIONS(actions),
	NULL };
