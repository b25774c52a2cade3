/* SPDX-License-Identifier: ISC */
#include "smtp/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"

static const struct {
	struct slice name;
	unsigned bit;
	bool says_password;
} mechanisms[] = {
	/* the best first */
	{ SLICE("SCRAM-SHA-256"), SMTP_AUTH_SCRAM_SHA_256, false },
	{ SLICE("SCRAM-SHA-1"), SMTP_AUTH_SCRAM_SHA_1, false },
	{ SLICE("PLAIN"), SMTP_AUTH_PLAIN, true },
	{ SLICE("LOGIN"), SMTP_AUTH_LOGIN, true },
};
enum {
	N_MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]),
	PLAIN_MAX = 1300
};

unsigned
smtp_auth_of(struct slice word)
{
	for (size_t i = 0; i < N_MECHANISMS; i++)
		if (slice_equal_nocase(word, mechanisms[i].name))
			return mechanisms[i].bit;
	return 0;
}

const char *
smtp_auth_name(const struct smtp_auth *a)
{
	for (size_t i = 0; i < N_MECHANISMS; i++)
		if (mechanisms[i].bit == a->mechanism)
			return (const char *)mechanisms[i].name.at;
	return "?";
}

static int
choose(struct smtp_auth *a, const struct smtp_auth_input *in)
{
	bool is_clear = false;

	for (size_t i = 0; i < N_MECHANISMS; i++) {
		if ((in->offered & mechanisms[i].bit) == 0 ||
		    (!mechanisms[i].says_password && in->nonce == NULL))
			continue;
		if (mechanisms[i].says_password && !in->may_say_password) {
			is_clear = true;
			continue;
		}
		a->mechanism = mechanisms[i].bit;
		return SMTP_AUTH_SAY;
	}
	return is_clear ? SMTP_AUTH_E_CLEAR : SMTP_AUTH_E_NONE;
}

/* Behind what stands in the line. */
static int
put_base64(char line[SMTP_LOGIN_LINE], struct slice s)
{
	size_t at = strlen(line);

	if (BASE64_ENCODED(s.len) >= SMTP_LOGIN_LINE - at)
		return SMTP_AUTH_E_BAD;
	line[at + base64_encode(s, line + at)] = '\0';
	return SMTP_AUTH_SAY;
}

/* message = [authzid] NUL authcid NUL passwd (RFC 4616, 2) */
static int
put_plain(const struct smtp_auth_input *in, char line[SMTP_LOGIN_LINE])
{
	size_t n_user = strlen(in->user), n_password = strlen(in->password);
	uint8_t plain[PLAIN_MAX];
	int r;

	if (n_user + n_password + 2 > sizeof(plain))
		return SMTP_AUTH_E_BAD;
	plain[0] = plain[n_user + 1] = 0;
	memcpy(plain + 1, in->user, n_user);
	memcpy(plain + n_user + 2, in->password, n_password);
	r = put_base64(line, slice_of(plain, n_user + n_password + 2));
	explicit_bzero(plain, sizeof(plain));
	return r;
}

int
smtp_auth_begin(struct smtp_auth *a, const struct smtp_auth_input *in,
    char line[SMTP_LOGIN_LINE])
{
	int r;

	memset(a, 0, sizeof(*a));
	r = choose(a, in);
	if (r != SMTP_AUTH_SAY)
		return r;
	(void)snprintf(line, SMTP_LOGIN_LINE, "AUTH %s", smtp_auth_name(a));
	if (a->mechanism == SMTP_AUTH_LOGIN)
		return SMTP_AUTH_SAY;
	(void)strcat(line, " ");
	if (a->mechanism == SMTP_AUTH_PLAIN) {
		a->is_done = true;
		return put_plain(in, line);
	}
	if (sasl_scram_client_first(&a->scram,
		a->mechanism == SMTP_AUTH_SCRAM_SHA_1 ? SASL_SHA1 : SASL_SHA256,
		slice_cstr(in->user), slice_cstr(in->nonce)) != SASL_CLIENT_OK)
		return SMTP_AUTH_E_BAD;
	return put_base64(line, slice_of(a->scram.first, a->scram.first_len));
}

/* It asks for the name and then for the password; in which words, does not
 * matter. */
static int
go_on_login(struct smtp_auth *a, const struct smtp_auth_input *in,
    char line[SMTP_LOGIN_LINE])
{
	if (a->step > 2)
		return SMTP_AUTH_E_BAD;
	a->is_done = a->step == 2;
	return put_base64(line,
	    slice_cstr(a->step == 1 ? in->user : in->password));
}

static int
go_on_scram(struct smtp_auth *a, const struct smtp_auth_input *in,
    struct slice said, char line[SMTP_LOGIN_LINE])
{
	struct buf out;
	int r;

	if (a->step == 2) { /* v=...: nothing is left to be said */
		a->is_done = sasl_scram_client_is_server(&a->scram, said);
		return a->is_done ? SMTP_AUTH_SAY : SMTP_AUTH_E_BAD;
	}
	if (a->step > 2)
		return SMTP_AUTH_E_BAD;
	buf_init(&out, SASL_CLIENT_FINAL_MAX);
	r = sasl_scram_client_final(&a->scram, slice_cstr(in->password), said,
	    &out);
	if (r == SASL_CLIENT_OK)
		r = put_base64(line, buf_slice(&out));
	else
		r = SMTP_AUTH_E_BAD;
	buf_deinit(&out);
	return r;
}

int
smtp_auth_go_on(struct smtp_auth *a, const struct smtp_auth_input *in,
    struct slice challenge, char line[SMTP_LOGIN_LINE])
{
	uint8_t said[SASL_CLIENT_SERVER_MAX];
	size_t n = 0;

	line[0] = '\0';
	a->step++;
	if (a->mechanism == SMTP_AUTH_LOGIN)
		return go_on_login(a, in, line);
	/* PLAIN with an initial response has nothing more to say, and an empty
	 * challenge asks for it again (RFC 4954, 4) */
	if (a->mechanism == SMTP_AUTH_PLAIN)
		return a->step == 1 && challenge.len == 0 ? put_plain(in, line)
							  : SMTP_AUTH_E_BAD;
	if (!base64_decode(slice_trim(challenge), said, sizeof(said), &n))
		return SMTP_AUTH_E_BAD;
	return go_on_scram(a, in, slice_of(said, n), line);
}
