/* SPDX-License-Identifier: ISC */
/*
 * cli/init_users - see init_users.h
 */
#include "cli/init_users.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
	TREE_FDS = 16,
	PATH_ROOM = SETTINGS_PATH + 64
};

static const char group_name[] = "ulak";
static const char *const user_names[] = { "ulak-front", "ulak-store",
	"ulak-courier", "ulak-resolver", "ulak-keeper", "ulak-local",
	"ulak-hook", "ulak-fetcher", "ulak-sorter" };

/* 0 when the program ended with 0. What it says goes to stderr. */
static int
run(const char *const argv[])
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { path, NULL };
	pid_t pid;
	int status;

	if (posix_spawn(&pid, argv[0], NULL, NULL,
		(char *const *)(uintptr_t)argv, env) != 0)
		return -1;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int
init_users_make(void)
{
	const char *group[] = { "/usr/sbin/groupadd", "--system", group_name,
		NULL };

	if (getgrnam(group_name) == NULL && run(group) != 0)
		return cli_fail(CLI_REFUSED, "cannot make the group %s",
		    group_name);
	for (size_t i = 0; i < sizeof(user_names) / sizeof(user_names[0]);
	     i++) {
		const char *user[] = { "/usr/sbin/useradd", "--system", "--gid",
			group_name, "--no-create-home", "--home-dir",
			"/nonexistent", "--shell", "/usr/sbin/nologin",
			user_names[i], NULL };

		if (getpwnam(user_names[i]) == NULL && run(user) != 0)
			return cli_fail(CLI_REFUSED,
			    "cannot make the system user %s", user_names[i]);
	}
	return CLI_OK;
}

/* nftw has no context: what each path gets is asked of the databases again,
 * and keys/ is known by the name of its directory at depth one. */
static int
own_one(const char *path, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = getgrnam(group_name);

	if (pw == NULL || gr == NULL)
		return -1;
	return lchown(path, pw->pw_uid, gr->gr_gid);
}

static int
own_store(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return own_one(path, "ulak-store");
}

static int
own_keeper(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return own_one(path, "ulak-keeper");
}

int
init_users_own(const char *data)
{
	char keys[PATH_ROOM];

	(void)snprintf(keys, sizeof(keys), "%s/keys", data);
	if (nftw(data, own_store, TREE_FDS, FTW_PHYS) != 0 ||
	    nftw(keys, own_keeper, TREE_FDS, FTW_PHYS) != 0 ||
	    chmod(data, 0750) == -1)
		return cli_fail(CLI_REFUSED,
		    "%s: cannot be given to the system users: %s", data,
		    strerror(errno));
	return CLI_OK;
}
