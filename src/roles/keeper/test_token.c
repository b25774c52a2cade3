/* SPDX-License-Identifier: ISC */
/*
 * The file of the issuer's keys, as the keeper takes it: good, broken, gone,
 * changed while it runs; and what clients are told of a refusal.
 */
#include "base/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/keeper/keeper.h"
#include "sys/env_posix.h"

#define KEY                                                                    \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"                          \
	"\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

struct world {
	struct settings settings;
	struct role role;
	struct keeper keeper;
	char path[64];
};

static int
setup(void **state)
{
	static const struct env_posix_options options = {
		.role = "test", .log_fd = -1, .log_level = ENV_ERROR
	};
	struct world *w = calloc(1, sizeof(*w));
	int fd;

	if (w == NULL || env_posix_new(&options, &w->role.env) < 0)
		return -1;
	(void)snprintf(w->path, sizeof(w->path), "/tmp/ulak-keys-XXXXXX");
	fd = mkstemp(w->path);
	if (fd == -1)
		return -1;
	(void)close(fd);
	w->role.settings = &w->settings;
	w->keeper.role = &w->role;
	w->keeper.env = w->role.env;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	(void)unlink(w->path);
	keeper_token_deinit(&w->keeper);
	env_posix_free(w->role.env);
	free(w);
	return 0;
}

static const struct {
	const char *what;
	struct slice text;
	bool is_gone;
	size_t want;
} files[] = {
	{ "good", SLICE(KEY), false, 1 },
	{ "broken", SLICE("{\"keys\":["), false, 0 },
	{ "empty", SLICE(""), false, 0 },
	{ "not there", SLICE(""), true, 0 },
};

/* A server with a broken file starts, for mail has to go on. */
static void
at_the_start(void **state)
{
	struct world *w = *state;

	test_int(keeper_token_init(&w->keeper), 0);
	test_true(w->keeper.token_keys == NULL);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *f = fopen(w->path, "w");

		test_case(files[i].what);
		test_true(f != NULL &&
		    fwrite(files[i].text.at, 1, files[i].text.len, f) ==
			files[i].text.len);
		(void)fclose(f);
		(void)snprintf(w->settings.oauth_keys,
		    sizeof(w->settings.oauth_keys), "%s%s", w->path,
		    files[i].is_gone ? ".gone" : "");
		test_int(keeper_token_init(&w->keeper), 0);
		test_int(w->keeper.token_keys == NULL ? 0
						      : w->keeper.token_keys->n,
		    files[i].want);
		keeper_token_deinit(&w->keeper);
	}
}

static void
too_long(void **state)
{
	struct world *w = *state;
	static char text[LIMIT_TOKEN_KEYS + 1];

	memset(text, ' ', sizeof(text));
	memcpy(text, KEY, sizeof(KEY) - 1);
	(void)snprintf(w->settings.oauth_keys, sizeof(w->settings.oauth_keys),
	    "%s", w->path);
	for (size_t n = LIMIT_TOKEN_KEYS; n <= sizeof(text); n++) {
		FILE *f = fopen(w->path, "w");

		test_true(f != NULL && fwrite(text, 1, n, f) == n);
		(void)fclose(f);
		test_int(keeper_token_init(&w->keeper), 0);
		test_true((w->keeper.token_keys != NULL) ==
		    (n == LIMIT_TOKEN_KEYS));
		keeper_token_deinit(&w->keeper);
	}
}

static const struct {
	const char *what;
	enum sasl_mechanism mechanism;
	enum sasl_token_result why;
	const char *scope, *url;
	struct slice want;
} errors[] = {
	{ "least", SASL_OAUTHBEARER, SASL_TOKEN_EXPIRED, "", "",
	    SLICE("{\"status\":\"invalid_token\"}") },
	{ "all", SASL_OAUTHBEARER, SASL_TOKEN_SIGNATURE, "mail",
	    "https://id.example/.well-known/openid-configuration",
	    SLICE("{\"status\":\"invalid_token\",\"scope\":\"mail\","
		  "\"openid-configuration\":\"https://id.example/.well-known/"
		  "openid-configuration\"}") },
	{ "scope", SASL_OAUTHBEARER, SASL_TOKEN_SCOPE, "mail", "",
	    SLICE("{\"status\":\"insufficient_scope\",\"scope\":\"mail\"}") },
	{ "XOAUTH2", SASL_XOAUTH2, SASL_TOKEN_EXPIRED, "mail", "",
	    SLICE("{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":"
		  "\"mail\"}") },
	{ "XOAUTH2, scope", SASL_XOAUTH2, SASL_TOKEN_SCOPE, "", "",
	    SLICE("{\"status\":\"403\",\"schemes\":\"bearer\"}") },
};

static void
what_clients_hear(void **state)
{
	struct world *w = *state;
	struct settings *s = &w->settings;
	char at[SASL_CHALLENGE_MAX];

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		test_case(errors[i].what);
		(void)snprintf(s->oauth_scope, sizeof(s->oauth_scope), "%s",
		    errors[i].scope);
		(void)snprintf(s->oauth_configuration,
		    sizeof(s->oauth_configuration), "%s", errors[i].url);
		test_slice(keeper_token_error(&w->keeper, errors[i].mechanism,
			       errors[i].why, at),
		    errors[i].want);
	}
	/* The longest that the settings allow. */
	memset(s->oauth_scope, 's', sizeof(s->oauth_scope) - 1);
	memset(s->oauth_configuration, 'u', sizeof(s->oauth_configuration) - 1);
	test_true(keeper_token_error(&w->keeper, SASL_XOAUTH2, SASL_TOKEN_SCOPE,
		      at)
		      .len < sizeof(at));
}

TEST_MAIN(cmocka_unit_test_setup_teardown(at_the_start, setup, teardown),
    cmocka_unit_test_setup_teardown(too_long, setup, teardown),
    cmocka_unit_test_setup_teardown(what_clients_hear, setup, teardown))
