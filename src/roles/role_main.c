/* SPDX-License-Identifier: ISC */
/*
 * roles/role_main - main of a process that the supervisor started
 *
 * Reads the configuration text from its sealed memory file and parses it
 * itself: the supervisor hands it on unread.
 */
#include "roles/role_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "roles/role.h"
#include "roles/supervisor/table.h"
#include "sys/env_posix.h"
#include "sys/spawn.h"

static const struct {
	const char *name, *comm;
	role_main_fn *main;
} roles[] = {
	{ "store", "ulak-store", role_store },
	{ "keeper", "ulak-keeper", role_keeper },
	{ "resolver", "ulak-resolver", role_resolver },
	{ "courier", "ulak-courier", role_courier },
	{ "control", "ulak-control", role_control },
	{ "hook", "ulak-hook", role_hook },
	{ "fetcher", "ulak-fetcher", role_fetcher },
	{ "sorter", "ulak-sorter", role_sorter },
	{ "mx", "ulak-mx", role_mx },
	{ "user", "ulak-user", role_user },
	{ "local", "ulak-local", role_local },
};

role_main_fn *
role_find(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, name) == 0) {
			(void)prctl(PR_SET_NAME, roles[i].comm);
			return roles[i].main;
		}
	return NULL;
}

/* An end comes from the supervisor, in order. What a terminal or a service
 * manager sends to all processes of the server at once is for it alone. */
static void
leave_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], SIG_IGN);
}

/* As many connections as we may have; no core files, which hold secrets. */
static void
set_limits(void)
{
	struct rlimit files, none = { 0, 0 };

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

static int
read_settings(const char *path, struct settings *ret)
{
	struct settings_error err = { 0 };
	struct slice text;
	int r = supervisor_config_read(SPAWN_CONFIG_FD, &text);

	if (r < 0)
		return r;
	r = settings_parse(text, path, ret, &err);
	free((void *)(uintptr_t)text.at);
	(void)close(SPAWN_CONFIG_FD);
	return r;
}

static int
run_role(const char *name, role_main_fn *main, const char *path)
{
	struct settings *s = calloc(1, sizeof(*s));
	struct env_posix_options o = { .role = name };
	struct env *env;
	int r;

	if (s == NULL)
		return ROLE_EXIT_TROUBLE;
	r = read_settings(path, s);
	if (r != 0) { /* the config child has said why, at the start */
		(void)fprintf(stderr, "ulak role %s: no configuration\n", name);
		free(s);
		return r < 0 ? ROLE_EXIT_TROUBLE : ROLE_EXIT_CONFIG;
	}
	o.log_level = s->log_level;
	r = env_posix_new(&o, &env);
	if (r == 0) {
		r = main(env, s, SPAWN_CHANNEL_FD);
		env_posix_free(env);
	} else {
		r = ROLE_EXIT_TROUBLE;
	}
	free(s);
	return r;
}

/* The parser is shut in before it looks at the text. */
static int
run_config(const char *path)
{
	struct env_posix_options o = { .role = "config" };
	struct sandbox_paths nothing = { 0 };
	struct sandbox_report report;
	struct env *env;
	int r = env_posix_new(&o, &env);

	if (r == 0) {
		r = sandbox_enter(env, WIRE_SUPERVISOR, &nothing, &report);
		if (r == 0)
			r = supervisor_config_main(SPAWN_CONFIG_FD,
			    SPAWN_CHANNEL_FD, path);
		else
			(void)fprintf(stderr, "ulak: sandbox: %s\n",
			    strerror(-r));
		env_posix_free(env);
	}
	return r < 0 ? ROLE_EXIT_TROUBLE : r;
}

int
ulak_role_main(const char *role_name)
{
	const char *path = getenv("ULAK_CONFIG");
	role_main_fn *main;

	if (path == NULL)
		path = "ulak.toml";
	set_limits();
	leave_signals();
	if (strcmp(role_name, "config") == 0)
		return run_config(path);
	main = role_find(role_name);
	if (main == NULL) {
		(void)fprintf(stderr, "ulak: there is no role \"%s\"\n",
		    role_name);
		return 2;
	}
	return run_role(role_name, main, path);
}
