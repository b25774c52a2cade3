/* SPDX-License-Identifier: ISC */
/* [[hook]]: what is read, what is refused, and that it prints as it reads. */
#include "base/test.h"
#include "base/time.h"
#include "config/settings.h"

#define HEAD "[server]\nhostname='mx.one.example'\ndata='/d'\n"

static void
reads(void **state)
{
	static const char text[] =
	    HEAD "[[hook]]\nname='sign'\nkind='milter'\n"
		 "address='inet:[::1]:8891'\nservices=['mx','submission']\n"
		 "timeout='2s'\non_failure='accept'\nmax=7\n"
		 "[[hook]]\nname='virus'\nkind='clamd'\n"
		 "address='unix:/run/clamd'\non_found='quarantine'\n"
		 "max_size='25MiB'\n";
	struct settings *s = calloc(1, sizeof(*s)), *again;
	struct settings_error err;
	struct buf out;

	(void)state;
	again = calloc(1, sizeof(*again));
	assert_non_null(s);
	assert_non_null(again);
	test_int(settings_parse(slice_cstr(text), "f", s, &err), SETTINGS_OK);
	test_int(s->n_hooks, 2);
	test_int(s->hooks[0].kind, HOOK_MILTER);
	test_int(s->hooks[0].family, 6);
	test_int(s->hooks[0].port, 8891);
	test_int(s->hooks[0].timeout, 2 * TIME_SECOND);
	test_int(s->hooks[0].connect_timeout, 5 * TIME_SECOND);
	test_int(s->hooks[0].max, 7);
	test_int(s->hooks[0].max_size, 0);
	test_int(s->hooks[1].max_size, 25 * 1024 * 1024);
	test_true(s->hooks[0].accepts_on_failure);
	test_true(s->hooks[1].quarantines && !s->hooks[0].quarantines);
	test_slice(slice_cstr(s->hooks[1].path), SLICE("/run/clamd"));
	test_true(settings_has_hook(s, SERVICE_MX));
	test_true(settings_hook_is_of(&s->hooks[0], SERVICE_SUBMISSIONS));
	test_true(!settings_hook_is_of(&s->hooks[1], SERVICE_SUBMISSION));
	test_true(!settings_has_hook(s, SERVICE_IMAP));

	buf_init(&out, 8192);
	test_int(buf_add_cstr(&out, HEAD), 0);
	for (uint32_t i = 0; i < 2; i++) {
		test_int(buf_add_cstr(&out, "[[hook]]\n"), 0);
		test_int(settings_hook_print(&s->hooks[i], &out), 0);
	}
	test_int(settings_parse(buf_slice(&out), "f", again, &err),
	    SETTINGS_OK);
	for (uint32_t i = 0; i < 2; i++)
		again->hooks[i].line = s->hooks[i].line;
	test_true(memcmp(s->hooks, again->hooks, sizeof(s->hooks)) == 0);
	buf_deinit(&out);
	free(again);
	free(s);
}

#define HOOK(rest) HEAD "[[hook]]\nname='a'\nkind='milter'\n" rest
#define AT "address='inet:127.0.0.1:1'\n"

static const struct {
	const char *text, *why;
	uint32_t line;
} wrong[] = {
	{ HEAD "[hook]\nname='a'\n", "[[hook]]", 4 },
	{ HEAD "[[hook]]\nkind='milter'\n" AT, "hook.name must be given", 4 },
	{ HOOK(""), "hook.address must be given", 4 },
	{ HOOK("address='inet:localhost:1'\n"), "hook.address needs", 7 },
	{ HOOK("address='inet:127.0.0.1'\n"), "hook.address needs", 7 },
	{ HOOK("address='inet:127.0.0.1:0'\n"), "hook.address needs", 7 },
	{ HOOK("address='inet:::1:25'\n"), "hook.address needs", 7 },
	{ HOOK("address='inet:[127.0.0.1]:25'\n"), "hook.address needs", 7 },
	{ HOOK("address='unix:relative'\n"), "hook.address needs", 7 },
	{ HOOK("address=7\n"), "hook.address needs", 7 },
	{ HOOK(AT "services=[]\n"), "hook.services needs", 8 },
	{ HOOK(AT "services=['imap']\n"), "hook.services needs", 8 },
	{ HOOK(AT "timeout='31m'\n"), "hook.timeout needs", 8 },
	{ HOOK(AT "on_failure='reject'\n"), "hook.on_failure needs", 8 },
	{ HOOK(AT "on_found='keep'\n"), "hook.on_found needs", 8 },
	{ HOOK(AT "max=0\n"), "hook.max needs", 8 },
	{ HOOK(AT "maximum=1\n"), "no such key", 8 },
	{ HOOK(AT "max_size='1MiB'\n"), "hook.max_size is for", 8 },
	{ HEAD "[[hook]]\nname='a'\nkind='clamd'\n" AT "max_size=1\n",
	    "hook.max_size needs", 8 },
	{ HOOK(AT) "[[hook]]\nname='a'\nkind='clamd'\n" AT, "two [[hook]]s",
	    8 },
	{ HEAD "[[hook]]\nname='a b'\nkind='clamd'\n" AT, "hook.name needs",
	    5 },
	{ HEAD "[[hook]]\nname='a'\nkind='spamd'\n" AT, "hook.kind needs", 6 },
};

static void
refuses(void **state)
{
	struct settings *s = calloc(1, sizeof(*s));

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct settings_error err = { 0 };

		test_case(wrong[i].text);
		test_int(settings_parse(slice_cstr(wrong[i].text), "f", s,
			     &err),
		    SETTINGS_E_INVALID);
		test_int(err.line, wrong[i].line);
		test_true(strstr(err.text, wrong[i].why) != NULL);
		test_int(s->n_hooks, 0);
	}
	free(s);
}

static void
not_too_many(void **state)
{
	struct settings *s = calloc(1, sizeof(*s));
	struct settings_error err;
	struct buf text;

	(void)state;
	assert_non_null(s);
	buf_init(&text, 8192);
	(void)buf_add_cstr(&text, HEAD);
	for (int i = 0; i <= LIMIT_HOOKS; i++) {
		test_int(settings_parse(buf_slice(&text), "f", s, &err),
		    SETTINGS_OK);
		(void)buf_printf(&text,
		    "[[hook]]\nname='h%d'\nkind='clamd'\n" AT, i);
	}
	test_int(settings_parse(buf_slice(&text), "f", s, &err),
	    SETTINGS_E_INVALID);
	buf_deinit(&text);
	free(s);
}

TEST_MAIN(cmocka_unit_test(reads), cmocka_unit_test(refuses),
    cmocka_unit_test(not_too_many))
