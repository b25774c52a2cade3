/* SPDX-License-Identifier: ISC */
/* Who is trusted at the admin socket. Becoming somebody else needs root; as an
 * ordinary user only the first half is shown. */
#include <grp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "sys/peercred.h"

enum {
	NOBODY = 65534,
	SOMEBODY = 12345
};

static void
trusts_ourselves(void **state)
{
	uint32_t uid = 4711;
	int fds[2];

	(void)state;
	test_int(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	test_true(peercred_is_trusted(fds[0], &uid));
	test_int(uid, geteuid());
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
trusts_no_other_socket(void **state)
{
	uint32_t uid = 4711;
	int fds[2];

	(void)state;
	test_int(pipe(fds), 0);
	test_true(!peercred_is_trusted(fds[0], &uid));
	test_int(uid, 4711);
	test_true(!peercred_is_trusted(-1, &uid));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static const struct {
	const char *what;
	uid_t uid;
	gid_t gid;
	bool in_group; /* ours, as a supplementary one */
	bool want;
} peers[] = {
	{ "root", 0, 0, false, true },
	{ "a stranger", SOMEBODY, SOMEBODY, false, false },
	{ "our group first", SOMEBODY, NOBODY, false, true },
	{ "our group among others", SOMEBODY, SOMEBODY, true, true },
};

/* The child connects as the peer of the row and stays until it is told. */
static pid_t
connect_as(size_t i, const struct sockaddr_un *at, int go)
{
	gid_t groups[] = { 7, NOBODY, 9 };
	pid_t pid = fork();
	char byte;
	int fd;

	if (pid != 0)
		return pid;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (setgroups(peers[i].in_group ? 3 : 0, groups) == -1 ||
	    setresgid(peers[i].gid, peers[i].gid, peers[i].gid) == -1 ||
	    setresuid(peers[i].uid, peers[i].uid, peers[i].uid) == -1 ||
	    connect(fd, (const struct sockaddr *)at, sizeof(*at)) == -1)
		_exit(1);
	_exit(read(go, &byte, 1) == 0 ? 0 : 1);
}

/* We judge as the user the role would have become. */
static int
judge(int listener, uint32_t want_uid)
{
	int status = 0, fd = accept(listener, NULL, NULL);
	pid_t pid = fork();
	uint32_t uid = 4711;

	if (pid == 0) {
		bool trusted;

		if (setgroups(0, NULL) == -1 ||
		    setresgid(NOBODY, NOBODY, NOBODY) == -1 ||
		    setresuid(NOBODY, NOBODY, NOBODY) == -1)
			_exit(99);
		trusted = peercred_is_trusted(fd, &uid);
		_exit(uid == want_uid ? trusted : 98);
	}
	(void)close(fd);
	test_int(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

/* Not as an ordinary user, nor as root of a small user namespace. */
static bool
can_become_others(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) == 0 &&
			    setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
			    setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == 0
			? 0
			: 1);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0;
}

static void
judges_others(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/ulak-test-XXXXXX";
	int listener, go[2], status;

	(void)state;
	test_true(mkdtemp(dir) != NULL);
	test_int(chmod(dir, 0755), 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	test_int(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	test_int(chmod(at.sun_path, 0666), 0);
	test_int(listen(listener, 5), 0);
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		pid_t pid;

		test_case(peers[i].what);
		test_int(pipe(go), 0);
		pid = connect_as(i, &at, go[0]);
		(void)close(go[0]);
		test_int(judge(listener, peers[i].uid), peers[i].want);
		(void)kill(pid, SIGKILL);
		(void)close(go[1]);
		test_int(waitpid(pid, &status, 0), pid);
	}
	(void)close(listener);
	(void)unlink(at.sun_path);
	(void)rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trusts_ourselves),
		cmocka_unit_test(trusts_no_other_socket),
		cmocka_unit_test(judges_others),
	};
	const struct CMUnitTest alone[] = { tests[0], tests[1] };

	/* Not skip(): Meson takes the TAP of a skipped cmocka test for a
	 * failure. */
	if (can_become_others())
		return cmocka_run_group_tests(tests, NULL, NULL);
	(void)fprintf(stderr, "judges_others is left out: it needs root\n");
	return cmocka_run_group_tests(alone, NULL, NULL);
}
