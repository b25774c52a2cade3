/* SPDX-License-Identifier: ISC */
/*
 * cli/config - what the configuration says, and whether it is right
 *
 * Reads the file as the server would; the server need not run.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/certificate.h"
#include "cli/token.h"

static void
print_origin(const struct settings *s, uint32_t line)
{
	if (line == 0)
		(void)printf("  # default");
	else
		(void)printf("  # %s:%" PRIu32, s->file, line);
}

/* What stands only at a socket in the file system, or only elsewhere. */
static void
print_place(const struct settings_listener *l, struct slice proxy)
{
	char owner[SETTINGS_OWNER];

	if (l->family != 0)
		(void)printf("port = %u\n", l->port);
	else
		(void)printf("mode = \"%04o\"\n", l->mode);
	settings_owner_print(l, owner);
	if (owner[0] != '\0')
		(void)printf("owner = \"%s\"\n", owner);
	if (proxy.len > 2)
		(void)printf("proxy = %.*s\n", SLICE_FMT(proxy));
}

static int
print_listener(const struct settings *s, const struct settings_listener *l,
    bool with_origin)
{
	struct buf address, proxy;
	int r;

	buf_init(&address, 256);
	buf_init(&proxy, 8 * SETTINGS_PROXY);
	r = settings_listener_print(l, &address);
	if (r == 0)
		r = settings_proxy_print(s, (size_t)(l - s->listeners), &proxy);
	if (r == 0) {
		(void)printf("\n[[listener]]");
		if (with_origin)
			print_origin(s, l->line);
		(void)printf("\nservice = \"%s\"\naddress = \"%.*s\"\n",
		    settings_service_names[l->service],
		    SLICE_FMT(buf_slice(&address)));
		print_place(l, buf_slice(&proxy));
	}
	buf_deinit(&proxy);
	buf_deinit(&address);
	return r;
}

static int
print_hook(const struct settings *s, const struct settings_hook *h,
    bool with_origin)
{
	struct buf text;
	int r;

	buf_init(&text, SETTINGS_TEXT);
	r = settings_hook_print(h, &text);
	if (r == 0) {
		(void)printf("\n[[hook]]");
		if (with_origin)
			print_origin(s, h->line);
		(void)printf("\n%.*s", SLICE_FMT(buf_slice(&text)));
	}
	buf_deinit(&text);
	return r;
}

static int
print_key(const struct settings *s, size_t i, bool with_origin)
{
	struct buf value;
	int r;

	buf_init(&value, 8 * SETTINGS_TEXT);
	r = settings_value_print(s, i, &value);
	if (r == 0) {
		(void)printf("%s = %.*s", settings_key_name(i),
		    SLICE_FMT(buf_slice(&value)));
		if (with_origin)
			print_origin(s, s->lines[i]);
		(void)putchar('\n');
	}
	buf_deinit(&value);
	return r;
}

static int
show_toml(const struct settings *s, bool with_origin)
{
	const char *section = "";
	int r = 0;

	for (size_t i = 0; i < settings_n_keys() && r == 0; i++) {
		if (strcmp(section, settings_key_section(i)) != 0) {
			section = settings_key_section(i);
			(void)printf("%s[%s]\n", i == 0 ? "" : "\n", section);
		}
		r = print_key(s, i, with_origin);
	}
	for (uint32_t i = 0; i < s->n_listeners && r == 0; i++)
		r = print_listener(s, &s->listeners[i], with_origin);
	for (uint32_t i = 0; i < s->n_hooks && r == 0; i++)
		r = print_hook(s, &s->hooks[i], with_origin);
	return r == 0 ? CLI_OK : cli_fail(CLI_REFUSED, "out of memory");
}

static json_t *
key_json(const struct settings *s, size_t i)
{
	struct buf value;
	json_t *key = NULL;

	buf_init(&value, 8 * SETTINGS_TEXT);
	if (settings_value_print(s, i, &value) == 0)
		key = json_pack("{s:s, s:s, s:o, s:s, s:i}", "section",
		    settings_key_section(i), "key", settings_key_name(i),
		    "value",
		    json_loadb((const char *)buf_slice(&value).at, value.len,
			JSON_DECODE_ANY, NULL),
		    "file", s->lines[i] == 0 ? "" : s->file, "line",
		    (int)s->lines[i]);
	buf_deinit(&value);
	return key;
}

static bool
add_owner_json(const struct settings_listener *l, json_t *listener)
{
	char owner[SETTINGS_OWNER], mode[8];

	settings_owner_print(l, owner);
	(void)snprintf(mode, sizeof(mode), "%04o", l->mode);
	return json_object_set_new(listener, "owner", json_string(owner)) ==
	    0 &&
	    json_object_set_new(listener, "mode", json_string(mode)) == 0;
}

static json_t *
listener_json(const struct settings *s, const struct settings_listener *l)
{
	struct buf address, proxy;
	json_t *listener = NULL;

	buf_init(&address, 256);
	buf_init(&proxy, 8 * SETTINGS_PROXY);
	if (settings_listener_print(l, &address) == 0 &&
	    settings_proxy_print(s, (size_t)(l - s->listeners), &proxy) == 0)
		listener = json_pack("{s:s, s:s, s:s%, s:i, s:o, s:s, s:i}",
		    "section", "listener", "service",
		    settings_service_names[l->service], "address",
		    (const char *)buf_slice(&address).at, address.len, "port",
		    (int)l->port, "proxy",
		    json_loadb((const char *)buf_slice(&proxy).at, proxy.len, 0,
			NULL),
		    "file", s->file, "line", (int)l->line);
	if (listener != NULL && l->family == 0 &&
	    !add_owner_json(l, listener)) {
		json_decref(listener);
		listener = NULL;
	}
	buf_deinit(&proxy);
	buf_deinit(&address);
	return listener;
}

static json_t *
hook_json(const struct settings *s, const struct settings_hook *h)
{
	struct buf address;
	json_t *hook = NULL;

	buf_init(&address, 256);
	if (settings_hook_address_print(h, &address) == 0)
		hook = json_pack("{s:s, s:s, s:s, s:s%, s:b, s:b, s:s, s:b, "
				 "s:i, s:s, s:i}",
		    "section", "hook", "name", h->name, "kind",
		    settings_hook_kinds[h->kind], "address",
		    (const char *)buf_slice(&address).at, address.len, "mx",
		    (h->services & HOOK_OF_MX) != 0, "submission",
		    (h->services & HOOK_OF_SUBMISSION) != 0, "on_failure",
		    h->accepts_on_failure ? "accept" : "tempfail",
		    "quarantines", h->quarantines, "max", (int)h->max, "file",
		    s->file, "line", (int)h->line);
	buf_deinit(&address);
	return hook;
}

static int
show_json(const struct settings *s)
{
	json_t *all = json_array();
	int r;

	for (size_t i = 0; i < settings_n_keys(); i++)
		(void)json_array_append_new(all, key_json(s, i));
	for (uint32_t i = 0; i < s->n_listeners; i++)
		(void)json_array_append_new(all,
		    listener_json(s, &s->listeners[i]));
	for (uint32_t i = 0; i < s->n_hooks; i++)
		(void)json_array_append_new(all, hook_json(s, &s->hooks[i]));
	r = admin_print_json(all);
	json_decref(all);
	return r;
}

static int
run_show(struct cli *cli)
{
	struct settings s;
	int r = cli_settings(cli, &s);

	if (r != CLI_OK)
		return r;
	return cli->json ? show_json(&s)
			 : show_toml(&s, cli_option(cli, "origin") != NULL);
}

static int
run_check(struct cli *cli)
{
	struct settings s;
	int r = cli_settings(cli, &s);

	if (r == CLI_OK)
		r = token_check_keys(&s);
	if (r == CLI_OK)
		r = certificate_check_ca(&s);
	if (r == CLI_OK)
		(void)printf("%s is right: %" PRIu32 " listeners, data in %s\n",
		    cli->config, s.n_listeners, s.data);
	return r;
}

static int
run_manual(struct cli *cli)
{
	struct buf text;
	int r;

	(void)cli;
	buf_init(&text, 256 * 1024);
	r = settings_man_print(&text);
	if (r == 0)
		(void)printf("%.*s", SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
	return r == 0 ? CLI_OK : cli_fail(CLI_REFUSED, "out of memory");
}

static const struct cli_option show_options[] = {
	{ "origin", 0, CLI_FLAG, NULL, "with where each value comes from",
	    true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct cli_action actions[] = {
	{ "show", NULL, 0, 0, "every setting with its value", show_options,
	    run_show, NULL },
	{ "check", NULL, 0, 0, "whether the file is right", NULL, run_check,
	    NULL },
	{ "manual", NULL, 0, 0, "the list of settings for ulak.toml(5)", NULL,
	    run_manual, NULL },
};

const struct cli_command cli_config = { "config",
	"the configuration of this machine", CLI_ACTIONS(actions), NULL };
