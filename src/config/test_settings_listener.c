/* SPDX-License-Identifier: ISC */
/* [[listener]] at a socket in the file system; ports stand in test_settings. */
#include "base/test.h"
#include "config/settings.h"

#define HEAD "[server]\nhostname='mx.one.example'\ndata='/d'\n"
#define LMTP HEAD "[[listener]]\nservice='lmtp'\n"

#define TEN "abcdefghij"
/* 101 octets, so that with its slash what follows begins at 103 */
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "2"

static const struct {
	const char *what, *text;
	const char *path, *user, *group; /* path NULL: refused, for `why` */
	unsigned mode;
	const char *why;
} rows[] = {
	{ "only the path", LMTP "address='unix:/run/l'", "/run/l", "", "", 0660,
	    NULL },
	{ "all there is",
	    LMTP "address='unix:/run/l'\nmode='0666'\nowner='a-b.c:d_e'",
	    "/run/l", "a-b.c", "d_e", 0666, NULL },
	{ "three digits, a user",
	    LMTP "address='unix:/l'\nmode='600'\nowner='postfix'", "/l",
	    "postfix", "", 0600, NULL },
	{ "a group alone", LMTP "address='unix:/l'\nowner=':mail'", "/l", "",
	    "mail", 0660, NULL },
	{ "another service",
	    HEAD "[[listener]]\nservice='mx'\naddress='unix:/l'", NULL, NULL,
	    NULL, 0, "only lmtp" },
	{ "not from the root on", LMTP "address='unix:run/l'", NULL, NULL, NULL,
	    0, "unix:/path" },
	{ "a directory", LMTP "address='unix:/run/'", NULL, NULL, NULL, 0,
	    "unix:/path" },
	{ "a NUL in it", LMTP "address=\"unix:/r\\u0000\"", NULL, NULL, NULL, 0,
	    "unix:/path" },
	{ "as long as a sockaddr takes",
	    LMTP "address='unix:/" HUNDRED "34567'", "/" HUNDRED "34567", "",
	    "", 0660, NULL },
	{ "too long for a sockaddr", LMTP "address='unix:/" HUNDRED "345678'",
	    NULL, NULL, NULL, 0, "107" },
	{ "a port", LMTP "address='unix:/l'\nport=24", NULL, NULL, NULL, 0,
	    "no port" },
	{ "proxies", LMTP "address='unix:/l'\nproxy='192.0.2.0/24'", NULL, NULL,
	    NULL, 0, "no proxy" },
	{ "a number for a mode", LMTP "address='unix:/l'\nmode=660", NULL, NULL,
	    NULL, 0, "listener.mode" },
	{ "not octal", LMTP "address='unix:/l'\nmode='0668'", NULL, NULL, NULL,
	    0, "listener.mode" },
	{ "a set bit", LMTP "address='unix:/l'\nmode='4660'", NULL, NULL, NULL,
	    0, "listener.mode" },
	{ "for nobody", LMTP "address='unix:/l'\nmode='000'", NULL, NULL, NULL,
	    0, "listener.mode" },
	{ "an owner of nothing", LMTP "address='unix:/l'\nowner=':'", NULL,
	    NULL, NULL, 0, "listener.owner" },
	{ "an owner with a space", LMTP "address='unix:/l'\nowner='a b'", NULL,
	    NULL, NULL, 0, "listener.owner" },
	{ "an owner's name is too long",
	    LMTP
	    "address='unix:/l'\nowner='abcdefghijklmnopqrstuvwxyz12345678'",
	    NULL, NULL, NULL, 0, "listener.owner" },
	{ "a mode at a port", LMTP "address='127.0.0.1'\nmode='0660'", NULL,
	    NULL, NULL, 0, "unix:" },
	{ "twice", LMTP "address=['unix:/l', 'unix:/l']", NULL, NULL, NULL, 0,
	    "line 4 has this path already" },
};

static void
reads(void **state)
{
	struct settings *s = calloc(1, sizeof(*s));

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct settings_listener *l = &s->listeners[0];
		struct settings_error err = { 0 };
		int r;

		test_case(rows[i].what);
		r = settings_parse(slice_cstr(rows[i].text), "f", s, &err);
		if (rows[i].path == NULL) {
			test_int(r, SETTINGS_E_INVALID);
			test_true(strstr(err.text, rows[i].why) != NULL);
			continue;
		}
		test_int(r, SETTINGS_OK);
		test_int(s->n_listeners, 1);
		test_int(l->service, SERVICE_LMTP);
		test_int(l->family, 0);
		test_int(l->port, 0);
		test_int(l->mode, rows[i].mode);
		test_slice(slice_cstr(l->path), slice_cstr(rows[i].path));
		test_slice(slice_cstr(l->user), slice_cstr(rows[i].user));
		test_slice(slice_cstr(l->group), slice_cstr(rows[i].group));
	}
	free(s);
}

static void
prints(void **state)
{
	struct settings_listener l = { .path = "/run/l", .group = "g" };
	char owner[SETTINGS_OWNER];
	struct buf out;

	(void)state;
	buf_init(&out, 256);
	test_int(settings_listener_print(&l, &out), 0);
	test_slice(buf_slice(&out), SLICE("unix:/run/l"));
	settings_owner_print(&l, owner);
	test_slice(slice_cstr(owner), SLICE(":g"));
	(void)strcpy(l.user, "u");
	settings_owner_print(&l, owner);
	test_slice(slice_cstr(owner), SLICE("u:g"));
	buf_deinit(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
