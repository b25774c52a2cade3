/* SPDX-License-Identifier: ISC */
/* What `ulak init` makes, that it overwrites nothing, and that it takes away
 * what it had made when a step fails. */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "cli/cli.h"

enum {
	TEXT_MAX = 16 * 1024,
	ARGS_MAX = 16
};

struct place {
	char dir[64], data[96], config[96], out[96], password[96];
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
place_init(struct place *p)
{
	FILE *f;

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/ulak-test-XXXXXX");
	test_true(mkdtemp(p->dir) != NULL);
	(void)snprintf(p->data, sizeof(p->data), "%s/data", p->dir);
	(void)snprintf(p->config, sizeof(p->config), "%s/u.toml", p->dir);
	(void)snprintf(p->out, sizeof(p->out), "%s/out", p->dir);
	(void)snprintf(p->password, sizeof(p->password), "%s/pw", p->dir);
	f = fopen(p->password, "w");
	test_true(f != NULL && fputs("secret word\n", f) > 0);
	(void)fclose(f);
}

static void
place_deinit(struct place *p)
{
	(void)nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct slice
read_file(const char *path, char *text)
{
	FILE *f = fopen(path, "r");
	size_t n = f == NULL ? 0 : fread(text, 1, TEXT_MAX, f);

	if (f != NULL)
		(void)fclose(f);
	return slice_of(text, n);
}

/* "DATA", "CONFIG" and "PW" stand for the paths; output of both kinds. */
static int
run(const struct place *p, const char *const words[ARGS_MAX])
{
	const char *argv[ARGS_MAX + 3] = { "ulak", "init", "--no-users" };
	int argc = 3, status = 0;
	pid_t pid;

	for (size_t i = 0; i < ARGS_MAX && words[i] != NULL; i++)
		argv[argc++] = strcmp(words[i], "DATA") == 0 ? p->data
		    : strcmp(words[i], "CONFIG") == 0        ? p->config
		    : strcmp(words[i], "PW") == 0            ? p->password
							     : words[i];
	pid = fork();
	if (pid == 0) {
		int fd = open(p->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)dup2(fd, STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
		status = cli_main(argc, (char **)(uintptr_t)argv);
		(void)fflush(stdout);
		_exit(status);
	}
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define WHOLE                                                                  \
	"--data", "DATA", "-c", "CONFIG", "--hostname", "mx.one.example",      \
	    "--domain", "one.example"

static bool
has(struct slice text, const char *part)
{
	return slice_find(text, slice_cstr(part)) != SIZE_MAX;
}

static mode_t
mode_of(const struct place *p, const char *name)
{
	char path[160];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", p->data, name);
	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void
makes_a_server(void **state)
{
	static const char *const words[ARGS_MAX] = { WHOLE, "--account",
		"a@one.example", "--port-offset", "1000" };
	static char text[TEXT_MAX];
	struct settings_error err = { 0 };
	struct settings s;
	struct place p;

	(void)state;
	place_init(&p);
	test_int(run(&p, words), 0);
	test_true(has(read_file(p.out, text), "password  "));
	test_int(mode_of(&p, "."), 0700);
	test_int(mode_of(&p, "keys"), 0700);
	test_int(mode_of(&p, "keys/master"), 0600);
	test_int(mode_of(&p, "ulak.db"), 0600);
	test_int(settings_parse(read_file(p.config, text), p.config, &s, &err),
	    SETTINGS_OK);
	test_slice(slice_cstr(s.hostname), SLICE("mx.one.example"));
	test_slice(slice_cstr(s.data), slice_cstr(p.data));
	test_true(s.n_listeners >= 7);
	test_int(s.listeners[0].service, SERVICE_MX);
	test_int(s.listeners[0].port, 1025);
	place_deinit(&p);
}

static const struct {
	const char *what;
	const char *words[ARGS_MAX];
	int status;
	const char *said;
	bool leaves_data;
} failures[] = {
	{ "the same again", { WHOLE, "--account", "a@one.example" }, 1,
	    "there already", true },
	{ "another configuration, the same data",
	    { "--data", "DATA", "-c", "/nonexistent/u.toml", "--hostname",
		"mx.one.example", "--domain", "one.example", "--account",
		"a@one.example" },
	    1, "there already", true },
	{ "an account elsewhere", { WHOLE, "--account", "a@two.example" }, 2,
	    "NAME@one.example", false },
	{ "no account", { WHOLE }, 2, "--account is missing", false },
	{ "no domain name",
	    { "--data", "DATA", "-c", "CONFIG", "--hostname", "mx.one.example",
		"--domain", "one example", "--account", "a@one example",
		"--password-file", "PW" },
	    1, "not a domain name", false },
	{ "no host name",
	    { "--data", "DATA", "-c", "CONFIG", "--hostname", "a..b",
		"--domain", "one.example", "--account", "a@one.example" },
	    2, "domain name", false },
	{ "a port beyond all",
	    { WHOLE, "--account", "a@one.example", "--port-offset", "65000" },
	    2, "--port-offset", false },
	{ "nowhere to write the configuration",
	    { "--data", "DATA", "-c", "/proc/u.toml", "--hostname",
		"mx.one.example", "--domain", "one.example", "--account",
		"a@one.example" },
	    1, "/proc/u.toml", false },
	{ "no such password file",
	    { WHOLE, "--account", "a@one.example", "--password-file",
		"/nonexistent" },
	    1, "/nonexistent", false },
};

static void
leaves_nothing_behind(void **state)
{
	static const char *const words[ARGS_MAX] = { WHOLE, "--account",
		"a@one.example" };
	static char text[TEXT_MAX], before[TEXT_MAX];
	struct place p;

	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct slice config = { 0 };

		test_case(failures[i].what);
		place_init(&p);
		if (failures[i].leaves_data) {
			test_int(run(&p, words), 0);
			config = read_file(p.config, before);
		}
		test_int(run(&p, failures[i].words), failures[i].status);
		test_true(has(read_file(p.out, text), "ulak: "));
		if (!has(read_file(p.out, text), failures[i].said))
			print_error("said \"%.*s\"\n",
			    SLICE_FMT(read_file(p.out, text)));
		test_true(has(read_file(p.out, text), failures[i].said));
		test_int(access(p.data, F_OK) == 0, failures[i].leaves_data);
		test_slice(read_file(p.config, text), config);
		place_deinit(&p);
	}
}

TEST_MAIN(cmocka_unit_test(makes_a_server),
    cmocka_unit_test(leaves_nothing_behind))
