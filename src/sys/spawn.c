/* SPDX-License-Identifier: ISC */
/*
 * sys/spawn - fork, become somebody else, exec
 *
 * Between fork and exec the child may only make plain system calls. What it
 * cannot do it says on stderr and ends with SPAWN_EXIT. The order matters:
 * groups before users, the death signal after the user changed (the kernel
 * forgets it then), no new privileges last.
 */
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CONFIG_PATH = 512,
	SAFE_FD = 16
};

static _Noreturn void
give_up(const char *step)
{
	(void)dprintf(STDERR_FILENO, "ulak: starting a role: %s: %s\n", step,
	    strerror(errno));
	_exit(SPAWN_EXIT);
}

static void
become(const struct spawn_user *user)
{
	if (user == NULL)
		return;
	if (setgroups(0, NULL) == -1 ||
	    setresgid(user->gid, user->gid, user->gid) == -1 ||
	    setresuid(user->uid, user->uid, user->uid) == -1)
		give_up("changing the user");
}

static void
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		give_up("PR_SET_PDEATHSIG");
	if (getppid() != parent) /* it died before we asked */
		_exit(SPAWN_EXIT);
}

/* 0: nothing; 1, 2: as ours; 3 and 4; no others. */
static void
arrange_fds(const struct spawn *s)
{
	int channel = fcntl(s->channel_fd, F_DUPFD, SAFE_FD);
	int config = fcntl(s->config_fd, F_DUPFD, SAFE_FD);
	int nothing = open("/dev/null", O_RDWR);

	if (channel == -1 || config == -1 || nothing == -1 ||
	    dup2(nothing, STDIN_FILENO) == -1 ||
	    dup2(channel, SPAWN_CHANNEL_FD) == -1 ||
	    dup2(config, SPAWN_CONFIG_FD) == -1)
		give_up("arranging descriptors");
	if (close_range(SPAWN_CONFIG_FD + 1, ~0u, 0) == -1)
		give_up("close_range");
}

static void
reset_signals(void)
{
	sigset_t none;

	for (int n = 1; n < NSIG; n++)
		(void)signal(n, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Woken while somebody else runs, a role lets him go on: so more work is there
 * when it is its turn, and groups are larger where the processors are busy;
 * where one is idle nothing changes (decision 0053). Who forbids it has it as
 * it was. */
static void
come_in_turn(void)
{
	const struct sched_param none = { 0 };

	(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static _Noreturn void
run_child(const struct spawn *s, pid_t parent, char *const env[])
{
	char *const argv[] = { (char *)(uintptr_t) "ulak",
		(char *)(uintptr_t) "role", (char *)(uintptr_t)s->role, NULL };
	const char *program =
	    s->program != NULL ? s->program : "/proc/self/exe";

	arrange_fds(s);
	reset_signals();
	come_in_turn();
	(void)umask(077);
	become(s->user);
	die_with(parent);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		give_up("PR_SET_NO_NEW_PRIVS");
	(void)execve(program, argv, env);
	give_up(program);
}

int
spawn_role(const struct spawn *s, pid_t *ret_pid)
{
	char config[CONFIG_PATH];
	char *const env[] = { config, (char *)(uintptr_t) "LC_ALL=C.UTF-8",
#ifdef __SANITIZE_ADDRESS__
		/* Inside a sandbox neither can work. */
		(char *)(uintptr_t) "ASAN_OPTIONS=detect_leaks=0:symbolize=0:"
				    "allocator_may_return_null=1",
		(char *)(uintptr_t) "UBSAN_OPTIONS=print_stacktrace=0",
#endif
		NULL };
	pid_t parent = getpid(), pid;

	(void)snprintf(config, sizeof(config), "ULAK_CONFIG=%s",
	    s->config_path != NULL ? s->config_path : "");
	pid = fork();
	if (pid == -1)
		return -errno;
	if (pid == 0)
		run_child(s, parent, env);
	*ret_pid = pid;
	return 0;
}

/* More than one user id is mapped: "inside outside count" a line. */
bool
spawn_can_change_user(void)
{
	unsigned long inside, outside, count, sum = 0;
	FILE *map;

	if (geteuid() != 0)
		return false;
	map = fopen("/proc/self/uid_map", "re");
	if (map == NULL)
		return true;
	while (fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
		sum += count;
	(void)fclose(map);
	return sum > 1;
}

int
spawn_user_find(const char *name, struct spawn_user *ret)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return errno == 0 ? -ENOENT : -errno;
	*ret = (struct spawn_user){ pw->pw_uid, pw->pw_gid };
	return 0;
}

int
spawn_seal(struct slice text)
{
	const int seals =
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int fd = memfd_create("ulak-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd == -1)
		return -errno;
	while (text.len > 0) {
		ssize_t n = write(fd, text.at, text.len);

		if (n == -1)
			goto undo;
		text = slice_from(text, (size_t)n);
	}
	if (fcntl(fd, F_ADD_SEALS, seals) == -1)
		goto undo;
	return fd;

undo:
	r = -errno;
	(void)close(fd);
	return r;
}
