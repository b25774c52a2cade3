/* SPDX-License-Identifier: ISC */
/* What ulak.toml may say, what is said when it is wrong, and that what is
 * printed can be read again. */
#include "base/test.h"
#include "base/time.h"
#include "config/settings_table.h"

#define MUST "[server]\nhostname='mx.one.example'\ndata='/srv/ulak'\n"

static int
parse(struct slice text, struct settings *s, struct settings_error *err)
{
	struct slice copy = test_exact_copy(text);
	int r = settings_parse(copy, "ulak.toml", s, err);

	test_free_copy(copy);
	return r;
}

static void
fills_from_the_file(void **state)
{
	struct settings_error err = { 0 };
	struct settings s;

	(void)state;
	test_int(parse(SLICE(MUST "sandbox=false\n"
				  "[smtp]\nidle='1m30s'\nmax_size='1MiB'\n"
				  "[outbound]\nport=2525\n"
				  "[resolver]\nstubs=['a b@53', 'c d@5']\n"
				  "[[listener]]\nservice='imaps'\n"
				  "address=['127.0.0.1','::1']\nport=9993\n"
				  "[[listener]]\nservice='mx'\n"
				  "address='0.0.0.0'\n"),
		     &s, &err),
	    SETTINGS_OK);
	test_slice(slice_cstr(s.hostname), SLICE("mx.one.example"));
	test_slice(slice_cstr(s.control), SLICE("/srv/ulak/control.sock"));
	test_int(s.sandbox, false);
	test_int(s.drop_users, true);
	test_int(s.smtp_idle, 90 * TIME_SECOND);
	test_int(s.max_size, 1024 * 1024);
	test_int(s.outbound_port, 2525);
	test_slice(slice_cstr(s.resolver_stubs), SLICE("a b@53\nc d@5"));
	test_int(s.n_listeners, 3);
	test_int(s.listeners[0].service, SERVICE_IMAPS);
	test_int(s.listeners[0].family, 4);
	test_int(s.listeners[0].address[0], 127);
	test_int(s.listeners[0].port, 9993);
	test_int(s.listeners[1].family, 6);
	test_int(s.listeners[1].address[15], 1);
	test_int(s.listeners[2].port, 25);
	test_int(s.listeners[2].line, 16);
	test_slice(slice_cstr(s.file), SLICE("ulak.toml"));
	for (size_t i = 0; i < settings_n_keys(); i++)
		if (strcmp(settings_key_name(i), "sandbox") == 0)
			test_int(s.lines[i], 4);
		else if (strcmp(settings_key_name(i), "fronts") == 0)
			test_int(s.lines[i], 0);
}

static const struct {
	struct slice in;
	uint32_t line, col;
	const char *parts[3];
} bad[] = {
	{ SLICE("[server]\nhostnam='x'"), 2, 1,
	    { "server.hostnam", "nearest", "server.hostname" } },
	{ SLICE("[sever]\n"), 1, 2, { "[sever]", "[server]" } },
	{ SLICE("[listner]\n"), 1, 2, { "[listner]", "[[listener]]" } },
	{ SLICE("[listener]\n"), 1, 2, { "[[listener]]" } },
	{ SLICE("max_size=1"), 1, 1, { "max_size", "smtp.max_size" } },
	{ SLICE("[imap]\nidel='1m'"), 2, 1, { "imap.idel", "imap.idle" } },
	{ SLICE("[outbound]\nprot=1"), 2, 1, { "outbound.port" } },
	{ SLICE("server=1"), 1, 1, { "section", "integer" } },
	{ SLICE("[smtp]\nmax_size='ten'"), 2, 10, { "max_size", "50MiB" } },
	{ SLICE("[smtp]\nmax_size='2GiB'"), 2, 10,
	    { "out of its range", "64KiB", "1GiB" } },
	{ SLICE("[smtp]\nmax_size=-1"), 2, 10, { "out of its range" } },
	{ SLICE("[smtp]\nidle=5"), 2, 6,
	    { "smtp.idle", "duration", "an integer" } },
	{ SLICE("[smtp]\nidle='5'"), 2, 6, { "duration" } },
	{ SLICE("[smtp]\nidle='5m 3s'"), 2, 6, { "duration" } },
	{ SLICE("[smtp]\nidle='3s5m'"), 2, 6, { "duration" } },
	{ SLICE("[smtp]\nidle='99999999999999w'"), 2, 6, { "duration" } },
	{ SLICE("[smtp]\nidle=''"), 2, 6, { "duration" } },
	{ SLICE("[server]\nsandbox='yes'"), 2, 9, { "true or false" } },
	{ SLICE("[server]\nfronts=0"), 2, 8, { "out of its range", "1 to" } },
	{ SLICE("[server]\nlog_level='loud'"), 2, 11, { "debug" } },
	{ SLICE("[server]\nhostname='a b'"), 2, 10, { "domain name" } },
	{ SLICE("[server]\nhostname='-a.example'"), 2, 10, { "domain name" } },
	{ SLICE("[server]\nhostname='a..example'"), 2, 10, { "domain name" } },
	{ SLICE("[server]\nhostname='a.example.'"), 2, 10, { "domain name" } },
	{ SLICE("[server]\nhostname=''"), 2, 1, { "must be given" } },
	{ SLICE("[server]\ndata='x'"), 2, 6, { "absolute path" } },
	{ SLICE("[server]\ndata='/x'"), 0, 0, { "hostname", "must be given" } },
	{ SLICE("[resolver]\nserver='ns.example'"), 2, 8, { "address" } },
	{ SLICE("[resolver]\nstubs=['a', 1]"), 2, 7, { "array" } },
	{ SLICE("[resolver]\ntrust_anchor=\"a\\u0000b\""), 2, 14, { "NUL" } },
	{ SLICE("[[listener]]\nservice='mx'\naddress='127.0.0.1'\nport=0"), 4,
	    6, { "port", "65535" } },
	{ SLICE("[[listener]]\nservice='lmtp'\naddress='127.0.0.1'\nport=25"),
	    4, 6, { "listener.port", "2033" } },
	{ SLICE("[smtp]\nwithheld=['CHUNKING','DSM']"), 2, 10,
	    { "smtp.withheld", "CHUNKING" } },
	{ SLICE("[[listener]]\nservice='smtp'"), 2, 9,
	    { "service", "\"mx\"" } },
	{ SLICE("[[listener]]\nservice='none'"), 2, 9, { "service" } },
	{ SLICE("[[listener]]\nservice='control'"), 2, 9, { "service" } },
	{ SLICE("[[listener]]\nservice='mx'"), 1, 3, { "address is missing" } },
	{ SLICE("[[listener]]\nservice='mx'\naddress='localhost'"), 3, 9,
	    { "IPv4 or IPv6" } },
	{ SLICE("[[listener]]\nservice='mx'\naddres='::'"), 3, 1,
	    { "listener.addres", "address" } },
	{ SLICE("[[listener]]\nservice='mx'\naddress='::'\n"
		"[[listener]]\nservice='imap'\nport=25\naddress='::'"),
	    4, 3, { "line 1" } },
	{ SLICE("[[listener]]\nservice='mx'\naddress='::'\nproxy=['10.0.0.1/"
		"8']"),
	    4, 7, { "listener.proxy", "network" } },
	{ SLICE("[[listener]]\nservice='mx'\naddress='::'\nproxy=true"), 4, 7,
	    { "listener.proxy", "network" } },
	{ SLICE("[clients]\nexempt='everybody'"), 2, 8, { "network" } },
	{ SLICE("[smtp]\nxclient=['10.0.0.0/8', '10.0.0.0/33']"), 2, 9,
	    { "network" } },
	{ SLICE(MUST "[dnsbl]\nlists=['bl.example x']"), 5, 7,
	    { "dnsbl.lists", "weight" } },
	{ SLICE(MUST "[dnsbl]\ndomain_lists=['bl.example x']"), 5, 14,
	    { "dnsbl.domain_lists" } },
	{ SLICE(MUST "[greylist]\ndelay='1d'\nwindow='1h'"), 5, 7,
	    { "greylist.delay" } },
	{ SLICE(MUST "[oauth]\nkeys='/k'\naudience='x'"), 5, 6,
	    { "oauth.keys", "oauth.issuer" } },
	{ SLICE(MUST "[oauth]\nkeys='/k'\nissuer='x'"), 5, 6,
	    { "oauth.keys", "oauth.audience" } },
	{ SLICE(MUST "[tls]\nclient_ca='/ca'"), 5, 11,
	    { "tls.client_ca", "tls.client_certificates" } },
	{ SLICE(MUST "[oauth]\nscope='a b'"), 5, 7, { "oauth.scope", "word" } },
	{ SLICE(MUST "[oauth]\nconfiguration='https://x/\"'"), 5, 15,
	    { "oauth.configuration", "URL" } },
	{ SLICE(MUST "[outbound]\nretry_first='5h'"), 5, 13,
	    { "retry_first", "retry_max" } },
	{ SLICE(MUST "[outbound]\ndelay_warning='5d'"), 5, 15,
	    { "delay_warning", "lifetime" } },
	{ SLICE(MUST "control='/0123456789012345678901234567890123456789012345"
		     "67890123456789012345678901234567890123456789012345678901"
		     "2345678'"),
	    4, 9, { "admin socket", "107" } },
};

static void
tells_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings_error err = { 0 };
		struct settings s, before;
		char what[256];

		(void)snprintf(what, sizeof(what), "%.*s",
		    SLICE_FMT(bad[i].in));
		test_case(what);
		memset(&s, 0x5a, sizeof(s));
		before = s;
		test_int(parse(bad[i].in, &s, &err), SETTINGS_E_INVALID);
		for (size_t j = 0; j < 3 && bad[i].parts[j] != NULL; j++) {
			if (strstr(err.text, bad[i].parts[j]) == NULL)
				print_error("said \"%s\"\n", err.text);
			test_true(strstr(err.text, bad[i].parts[j]) != NULL);
		}
		test_int(err.line, bad[i].line);
		test_int(err.col, bad[i].col);
		test_true(memcmp(&s, &before, sizeof(s)) == 0);
	}
}

static void
prints_places(void **state)
{
	struct settings_error at = { 3, 7, "no" }, whole = { 0, 0, "no" };
	struct buf out;

	(void)state;
	buf_init(&out, 256);
	test_int(settings_error_print(&at, "u.toml", &out), 0);
	test_slice(buf_slice(&out), SLICE("u.toml:3:7: no"));
	buf_reset(&out, 0);
	test_int(settings_error_print(&whole, "u.toml", &out), 0);
	test_slice(buf_slice(&out), SLICE("u.toml: no"));
	buf_deinit(&out);
}

static void
bounds_the_file(void **state)
{
	static uint8_t text[LIMIT_CONFIG_FILE + 1];
	struct settings_error err = { 0 };
	struct settings s;

	(void)state;
	memset(text, ' ', sizeof(text));
	test_int(settings_parse(slice_of(text, sizeof(text)), "x", &s, &err),
	    SETTINGS_E_INVALID);
	test_true(strstr(err.text, "larger than") != NULL);
}

/* Every row of the table: printed, then read again, gives the same. */
static void
prints_what_it_reads(void **state)
{
	struct settings_error err = { 0 };
	struct settings s, again;
	struct buf text;

	(void)state;
	test_int(parse(SLICE(MUST
			   "[smtp]\nidle='61s'\nmax_size=70001\n"
			   "[outbound]\nretry_first='1500ms'\n"
			   "[resolver]\ntrust_anchor=\"a \\\"b\\\\\\n\\t\"\n"),
		     &s, &err),
	    SETTINGS_OK);
	buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < settings_n_keys(); i++) {
		if (i == 0 ||
		    strcmp(settings_key_section(i),
			settings_key_section(i - 1)) != 0)
			test_int(buf_printf(&text, "[%s]\n",
				     settings_key_section(i)),
			    0);
		test_int(buf_printf(&text, "%s = ", settings_key_name(i)), 0);
		test_int(settings_value_print(&s, i, &text), 0);
		test_int(buf_add_cstr(&text, "\n"), 0);
	}
	test_int(settings_parse(buf_slice(&text), "ulak.toml", &again, &err),
	    SETTINGS_OK);
	memcpy(again.lines, s.lines, sizeof(s.lines));
	test_true(memcmp(&s, &again, sizeof(s)) == 0);
	buf_deinit(&text);
}

TEST_MAIN(cmocka_unit_test(fills_from_the_file),
    cmocka_unit_test(tells_what_is_wrong), cmocka_unit_test(prints_places),
    cmocka_unit_test(bounds_the_file), cmocka_unit_test(prints_what_it_reads))
