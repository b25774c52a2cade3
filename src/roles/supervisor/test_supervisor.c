/* SPDX-License-Identifier: ISC */
/*
 * A whole server of roles that do nothing but say what they are given: start,
 * death and restart, the end in order, and what stops a start.
 *
 * The test program is also the program that the supervisor starts: it holds
 * roles of its own under the names that role_main looks for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/test.h"
#include "base/time.h"
#include "roles/role.h"
#include "roles/role_main.h"
#include "roles/supervisor/supervisor.h"
#include "roles/supervisor/table.h"
#include "sys/listen.h"

/* -- the roles
 * ------------------------------------------------------------------ */

static void
say_peer(struct role *r, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	env_log(r->env, ENV_INFO, "given-peer", "peer=%s purpose=%u of=%u",
	    wire_role_name(peer), purpose, instance);
	env_close(r->env, fd, false);
}

static void
say_listener(struct role *r, unsigned service, uint16_t port, int fd)
{
	env_log(r->env, ENV_INFO, "given-listener", "service=%u port=%u",
	    service, port);
	(void)fd; /* kept open until the end */
}

static int
say_started(struct role *r)
{
	env_log(r->env, ENV_INFO, "has-started", "instance=%u pid=%d",
	    r->instance, (int)getpid());
	return 0;
}

/* The host name says how the store shall behave. */
static int
obey(struct role *r)
{
	if (r->ops->self != WIRE_STORE)
		return 0;
	if (strcmp(r->settings->hostname, "config.example") == 0)
		return ROLE_EXIT_CONFIG;
	return 0;
}

static void
say_stop(struct role *r)
{
	env_log(r->env, ENV_INFO, "was-stopped", "x=%s",
	    wire_role_name(r->ops->self));
	env_stop(r->env);
}

#define ROLE(name, which)                                                      \
	int role_##name(struct env *env, const struct settings *s,             \
	    int supervisor_fd)                                                 \
	{                                                                      \
		static const struct role_ops ops = { .self = which,            \
			.prepare = obey,                                       \
			.on_peer = say_peer,                                   \
			.on_listener = say_listener,                           \
			.started = say_started,                                \
			.stop = say_stop };                                    \
		return role_run(env, s, supervisor_fd, &ops, NULL);            \
	}
ROLE(store, WIRE_STORE)
ROLE(keeper, WIRE_KEEPER)
ROLE(resolver, WIRE_RESOLVER)
ROLE(courier, WIRE_COURIER)
ROLE(control, WIRE_CONTROL)
ROLE(local, WIRE_LOCAL)
ROLE(fetcher, WIRE_FETCHER)
ROLE(sorter, WIRE_SORTER)
ROLE(mx, WIRE_MX)
ROLE(user, WIRE_USER)

/* -- the server
 * ------------------------------------------------------------------ */

enum {
	LOG_MAX = 256 * 1024
};

struct server {
	char dir[64], config[96], control[96];
	uint16_t port;
	pid_t pid;
	int err;
	char log[LOG_MAX];
	size_t len;
};

static bool
is_free(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free = bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0;

	(void)close(fd);
	return is_free;
}

/* It and the next one. Below those that the system gives out: on a busy machine
 * another's connection takes such a port before the server listens. */
static uint16_t
free_ports(void)
{
	uint16_t port;

	do {
		uint16_t any;

		test_int(getrandom(&any, sizeof(any), 0), sizeof(any));
		port = (uint16_t)(10000 + any % 20000);
	} while (!is_free(port) || !is_free((uint16_t)(port + 1)));
	return port;
}

static void
write_config(struct server *s, const char *hostname, const char *more)
{
	FILE *f = fopen(s->config, "w");

	test_true(f != NULL);
	(void)fprintf(f,
	    "[server]\nhostname = \"%s\"\ndata = \"%s\"\ncontrol = \"%s\"\n"
	    "drop_users = false\nsandbox = false\nfronts = 2\n%s\n"
	    "[[listener]]\nservice = \"mx\"\naddress = \"127.0.0.1\"\n"
	    "port = %u\n"
	    "[[listener]]\nservice = \"imap\"\naddress = \"127.0.0.1\"\n"
	    "port = %u\n",
	    hostname, s->dir, s->control, more, s->port, s->port + 1);
	test_int(fclose(f), 0);
}

static void
set_up(struct server *s, const char *hostname, const char *more)
{
	memset(s, 0, sizeof(*s));
	(void)strcpy(s->dir, "/tmp/ulak-super-XXXXXX");
	test_true(mkdtemp(s->dir) != NULL);
	test_int(chmod(s->dir, 0755), 0);
	(void)snprintf(s->config, sizeof(s->config), "%s/toml", s->dir);
	(void)snprintf(s->control, sizeof(s->control), "%s/control", s->dir);
	s->port = free_ports();
	write_config(s, hostname, more);
}

static void
start(struct server *s)
{
	int fds[2];

	test_int(pipe2(fds, O_CLOEXEC), 0);
	s->pid = fork();
	test_true(s->pid != -1);
	if (s->pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		_exit(supervisor_run(s->config, NULL));
	}
	(void)close(fds[1]);
	s->err = fds[0];
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads the log until `text` stands in it n times (after `from`). */
static bool
wait_for(struct server *s, size_t from, const char *text, int n)
{
	int64_t end = now_ms() + 20000;

	for (;;) {
		struct pollfd p = { .fd = s->err, .events = POLLIN };
		const char *at = s->log + from;
		int seen = 0;
		ssize_t got;

		while ((at = strstr(at, text)) != NULL) {
			seen++;
			at++;
		}
		if (seen >= n)
			return true;
		if (now_ms() > end || s->len == LOG_MAX - 1)
			break;
		if (poll(&p, 1, 200) != 1)
			continue;
		got = read(s->err, s->log + s->len, LOG_MAX - 1 - s->len);
		if (got <= 0)
			break;
		s->len += (size_t)got;
	}
	print_error("waited for \"%s\"; log:\n%s\n", text, s->log + from);
	return false;
}

static int
finish(struct server *s)
{
	int status = -1;
	char path[128];
	ssize_t got;

	while ((got = read(s->err, s->log + s->len, LOG_MAX - 1 - s->len)) > 0)
		s->len += (size_t)got;
	test_int(waitpid(s->pid, &status, 0), s->pid);
	(void)close(s->err);
	(void)unlink(s->config);
	test_int(access(s->control, F_OK), -1);
	(void)snprintf(path, sizeof(path), "%s/spool", s->dir);
	(void)rmdir(path);
	test_int(rmdir(s->dir), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The last number after `key` in a line that holds `a` and `b`. */
static int
number_in(const struct server *s, const char *a, const char *b, const char *key)
{
	const char *line = s->log, *end;
	int n = -1;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char copy[512];
		const char *at;

		(void)slice_to_cstr(slice_of(line, (size_t)(end - line)), copy,
		    sizeof(copy));
		at = strstr(copy, key);
		if (at != NULL && strstr(copy, a) != NULL &&
		    strstr(copy, b) != NULL)
			n = atoi(at + strlen(key));
	}
	return n;
}

static bool
can_connect(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	r = connect(fd, (struct sockaddr *)&in, sizeof(in));
	(void)close(fd);
	return r == 0;
}

static void
starts_restarts_ends(void **state)
{
	struct server *s = malloc(sizeof(*s));
	char path[128];
	struct stat st;
	size_t mark;
	int pid;

	(void)state;
	set_up(s, "mail.example", "");
	start(s);
	test_true(wait_for(s, 0, "event=ready", 1));
	/* keeper-store, and a signing pair and a channel for each front */
	test_true(wait_for(s, 0, "role=keeper event=given-peer",
	    1 + 4 + 2 + 1));
	test_true(wait_for(s, 0, "role=mx event=given-listener service=1", 2));
	test_true(wait_for(s, 0, "role=user event=given-listener service=4",
	    2));
	test_true(wait_for(s, 0, "role=control event=given-listener", 1));
	test_true(can_connect(s->port) && can_connect(s->port + 1));
	test_int(stat(s->control, &st), 0);
	test_int(st.st_mode & 0777, 0660);
	test_true(wait_for(s, 0, "role=local event=given-listener", 1));
	(void)snprintf(path, sizeof(path), "%s/submit.sock", s->dir);
	test_int(stat(path, &st), 0);
	test_int(st.st_mode & 0777, 0666); /* for everybody */
	(void)snprintf(path, sizeof(path), "%s/spool", s->dir);
	test_int(stat(path, &st), 0);
	/* files can be made, not seen; their group is the directory's */
	test_int(st.st_mode & 07777, 03733);

	mark = s->len;
	pid = number_in(s, "role=store", "has-started", "pid=");
	test_true(pid > 1);
	test_int(kill(pid, SIGKILL), 0);
	test_true(wait_for(s, mark, "event=role-ended name=store", 1));
	test_true(wait_for(s, mark, "signal=9", 1));
	test_true(wait_for(s, mark, "role=store event=has-started", 1));
	test_true(wait_for(s, mark, "peer=store", 2 + 2 + 1 + 1 + 1 + 1 + 1));
	test_true(number_in(s, "role=store", "has-started", "instance=") == 13);

	/* as Ctrl-C does: to all of them; the end is orderly all the same */
	mark = s->len;
	for (int i = 0; i < 2; i++) {
		pid = number_in(s, i == 0 ? "role=store" : "role=mx",
		    "has-started", "pid=");
		test_int(kill(pid, SIGINT), 0);
		test_int(kill(pid, SIGTERM), 0);
	}
	test_int(kill(s->pid, SIGINT), 0);
	test_true(wait_for(s, mark, "event=ended status=0", 1));
	test_true(strstr(s->log + mark, "signal=") == NULL);
	test_true(strstr(s->log + mark, "x=mx") <
	    strstr(s->log + mark, "x=courier"));
	test_true(strstr(s->log + mark, "x=courier") <
	    strstr(s->log + mark, "x=store"));
	test_true(strstr(s->log + mark, "forced") == NULL);
	test_int(finish(s), 0);
	free(s);
}

/* Nobody restarts what only the operator can mend. */
static void
config_status_ends_all(void **state)
{
	struct server *s = malloc(sizeof(*s));

	(void)state;
	set_up(s, "config.example", "");
	start(s);
	test_true(wait_for(s, 0, "event=ended status=78", 1));
	test_int(finish(s), ROLE_EXIT_CONFIG);
	free(s);
}

static void
roles_die_with_it(void **state)
{
	struct server *s = malloc(sizeof(*s));
	int pid, tries = 0;
	char path[128];

	(void)state;
	set_up(s, "mail.example", "");
	start(s);
	test_true(wait_for(s, 0, "event=ready", 1));
	pid = number_in(s, "role=keeper", "has-started", "pid=");
	test_int(kill(s->pid, SIGKILL), 0);
	/* The pipe ends when the last of them has. */
	while (s->len < LOG_MAX - 1 && tries++ < 1000) {
		ssize_t got =
		    read(s->err, s->log + s->len, LOG_MAX - 1 - s->len);

		if (got <= 0)
			break;
		s->len += (size_t)got;
	}
	test_true(pid > 1);
	(void)unlink(s->control);
	(void)snprintf(path, sizeof(path), "%s/submit.sock", s->dir);
	(void)unlink(path);
	test_int(finish(s), -SIGKILL);
	free(s);
}

static const struct {
	const char *what, *more, *want;
	bool no_data, foreign, taken;
	int status;
} refusals[] = {
	{ "syntax", "hostname = ", ":8:", .status = ROLE_EXIT_CONFIG },
	{ "unknown key", "hostnam = \"x\"", "hostnam",
	    .status = ROLE_EXIT_CONFIG },
	{ "no data directory", "", "ulak init", .no_data = true,
	    .status = ROLE_EXIT_CONFIG },
	{ "another user's data directory", "", "belongs to user",
	    .foreign = true, .status = ROLE_EXIT_CONFIG },
	{ "port taken", "", "has it", .taken = true,
	    .status = ROLE_EXIT_TROUBLE },
};

static void
refuses_to_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct server *s = malloc(sizeof(*s));
		struct env_addr at = { .family = 4, .bytes = { 127, 0, 0, 1 } };
		char dir[64];
		int fd = -1;

		if (refusals[i].foreign && geteuid() != 0) {
			free(s);
			continue; /* only root can give files away */
		}
		test_case(refusals[i].what);
		set_up(s, "mail.example", refusals[i].more);
		(void)strcpy(dir, s->dir);
		if (refusals[i].no_data) {
			(void)strcpy(s->dir, "/nonexistent");
			write_config(s, "mail.example", "");
			(void)strcpy(s->dir, dir);
		}
		if (refusals[i].foreign)
			test_int(chown(s->dir, 65534, 65534), 0);
		at.port = s->port;
		if (refusals[i].taken)
			test_int(listen_inet(&at, &fd, 1), 0);
		start(s);
		test_true(wait_for(s, 0, refusals[i].want, 1));
		test_int(finish(s), refusals[i].status);
		if (fd != -1)
			(void)close(fd);
		free(s);
	}
}

/* A table that the child made up. */
static void
tables_are_checked(void **state)
{
	struct supervisor_table good = { .n_listeners = 1,
		.fronts = 1,
		.data = "/d",
		.control = "/c",
		.local = "/l",
		.spool = "/s",
		.listeners = { { .service = SERVICE_MX,
		    .family = 4,
		    .address = { 127, 0, 0, 1 },
		    .port = 25,
		    .line = 1 } } };
	struct supervisor_table t;

	(void)state;
	test_true(supervisor_table_is_sane(&good));
	t = good, t.n_listeners = LIMIT_LISTENERS + 1;
	test_true(!supervisor_table_is_sane(&t));
	t = good, t.fronts = 0;
	test_true(!supervisor_table_is_sane(&t));
	t = good, t.fronts = SUPERVISOR_FRONTS + 1;
	test_true(!supervisor_table_is_sane(&t));
	t = good, t.listeners[0].service = SERVICE_CONTROL;
	test_true(!supervisor_table_is_sane(&t));
	t = good, t.listeners[0].family = 5;
	test_true(!supervisor_table_is_sane(&t));
	t = good, memset(t.listeners[0].path, 'a', sizeof(t.listeners[0].path));
	test_true(!supervisor_table_is_sane(&t));
	t = good, t.listeners[0].family = 0;
	test_true(!supervisor_table_is_sane(&t));
	t.listeners[0].service = SERVICE_LMTP;
	memcpy(t.listeners[0].path, "/l", 3);
	t.listeners[0].mode = 0660;
	test_true(supervisor_table_is_sane(&t));
	t.listeners[0].mode = 04660;
	test_true(!supervisor_table_is_sane(&t));
	t = good, memset(t.data, 'a', sizeof(t.data));
	test_true(!supervisor_table_is_sane(&t));
	t = good, memset(t.control, 'a', sizeof(t.control));
	test_true(!supervisor_table_is_sane(&t));
	t = good, memset(t.local, 'a', sizeof(t.local));
	test_true(!supervisor_table_is_sane(&t));
	t = good, t.spool[0] = '\0';
	test_true(!supervisor_table_is_sane(&t));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_restarts_ends),
		cmocka_unit_test(config_status_ends_all),
		cmocka_unit_test(roles_die_with_it),
		cmocka_unit_test(refuses_to_start),
		cmocka_unit_test(tables_are_checked),
	};

	if (argc == 3 && strcmp(argv[1], "role") == 0)
		return ulak_role_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
