/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor/begin - all that can fail for the operator's sake
 *
 * Each failure is one line on stderr that says what to do. Nothing runs yet,
 * so there is nothing to undo but the sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "roles/supervisor/impl.h"
#include "sys/listen.h"

enum {
	PATIENCE_PAUSE = 50 * 1000 * 1000, /* nanoseconds */
	PATIENCE_TRIES = 100
};

/* After a kill the roles of the last server live on for moments, with its lock
 * and its sockets. False when it has been waited long enough, in all. */
static bool
wait_for_last(struct supervisor *s)
{
	const struct timespec pause = { .tv_nsec = PATIENCE_PAUSE };

	if (s->n_waits == 0)
		(void)fprintf(stderr,
		    "ulak: another server is at work, or ending: waiting\n");
	if (s->n_waits == PATIENCE_TRIES)
		return false;
	s->n_waits++;
	(void)nanosleep(&pause, NULL);
	return true;
}

static int
complain(const char *what, const char *which, int r)
{
	(void)fprintf(stderr, "ulak: %s %s: %s\n", what, which, strerror(-r));
	return ROLE_EXIT_TROUBLE;
}

/* -- configuration -----------------------------------------------------------
 */

/* The text goes into a sealed file unread; children parse that. */
static int
seal_config(struct supervisor *s)
{
	int fd = open(s->config_path, O_RDONLY | O_CLOEXEC), r;
	struct slice text;

	if (fd == -1) {
		(void)fprintf(stderr, "ulak: cannot open %s: %s%s\n",
		    s->config_path, strerror(errno),
		    errno == ENOENT ? "; `ulak init` makes one, -c FILE and "
				      "$ULAK_CONFIG name another"
				    : "");
		return ROLE_EXIT_CONFIG;
	}
	r = supervisor_config_read(fd, &text);
	(void)close(fd);
	if (r < 0)
		return complain("cannot read", s->config_path, r);
	s->config_fd = spawn_seal(text);
	free((void *)(uintptr_t)text.at);
	if (s->config_fd < 0)
		return complain("cannot keep", s->config_path, s->config_fd);
	return 0;
}

static bool
read_table(int fd, struct supervisor_table *ret)
{
	size_t len = 0;

	while (len < sizeof(*ret)) {
		ssize_t n = read(fd, (char *)ret + len, sizeof(*ret) - len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		len += (size_t)n;
	}
	return supervisor_table_is_sane(ret);
}

/* As root the child becomes the resolver's user, who owns nothing. */
static int
parse_config(struct supervisor *s)
{
	struct spawn child = { .program = s->program,
		.role = "config",
		.config_path = s->config_path,
		.config_fd = s->config_fd };
	struct spawn_user nobody;
	int fds[2], status = 0, r;
	bool is_sane;
	pid_t pid;

	if (spawn_can_change_user() &&
	    (spawn_user_find("ulak-resolver", &nobody) == 0 ||
		spawn_user_find("nobody", &nobody) == 0))
		child.user = &nobody;
	if (pipe2(fds, O_CLOEXEC) == -1)
		return complain("cannot make", "a pipe", -errno);
	child.channel_fd = fds[1];
	r = spawn_role(&child, &pid);
	(void)close(fds[1]);
	if (r < 0) {
		(void)close(fds[0]);
		return complain("cannot start", "a process", r);
	}
	is_sane = read_table(fds[0], &s->table);
	(void)close(fds[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	if (is_sane && WIFEXITED(status))
		return 0;
	(void)fprintf(stderr, "ulak: %s: the parser failed\n", s->config_path);
	return ROLE_EXIT_TROUBLE;
}

static int
check_data(const struct supervisor *s)
{
	struct stat st;

	if (stat(s->table.data, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	(void)fprintf(stderr,
	    "ulak: there is no data directory %s: make it with `ulak init`\n",
	    s->table.data);
	return ROLE_EXIT_CONFIG;
}

/* The store takes the lock and complains, if need be; this only gives the last
 * one its time. */
static void
wait_for_lock(struct supervisor *s)
{
	char path[SETTINGS_PATH + sizeof("/lock")];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/lock", s->table.data);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return;
	while (flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK &&
	    wait_for_last(s))
		continue;
	(void)close(fd);
}

/* -- users -------------------------------------------------------------------
 */

static const char *const user_names[WIRE_N_ROLES] = {
	[WIRE_MX] = "ulak-front",
	[WIRE_USER] = "ulak-front",
	[WIRE_LOCAL] = "ulak-local",
	[WIRE_CONTROL] = "ulak-front",
	[WIRE_STORE] = "ulak-store",
	[WIRE_COURIER] = "ulak-courier",
	[WIRE_RESOLVER] = "ulak-resolver",
	[WIRE_KEEPER] = "ulak-keeper",
	[WIRE_HOOK] = "ulak-hook",
	[WIRE_FETCHER] = "ulak-fetcher",
	[WIRE_SORTER] = "ulak-sorter",
};

/* Some roles are younger than many an installation. Where nobody has made their
 * user yet, the fetcher's is the courier's, who goes out to strangers, too, and
 * the sorter's the resolver's, who has nothing either. */
static int
find_user(enum wire_role role, struct spawn_user *ret)
{
	int r = spawn_user_find(user_names[role], ret);

	if (r != 0 && role == WIRE_FETCHER)
		r = spawn_user_find(user_names[WIRE_COURIER], ret);
	if (r != 0 && role == WIRE_SORTER)
		r = spawn_user_find(user_names[WIRE_RESOLVER], ret);
	return r;
}

static int
find_users(struct supervisor *s)
{
	s->is_root = geteuid() == 0 && s->table.drop_users;
	if (!s->is_root)
		return 0;
	for (size_t i = 0; i < WIRE_N_ROLES; i++) {
		bool is_used = i != WIRE_HOOK || s->table.has_hooks;
		int r = user_names[i] == NULL || !is_used
		    ? 0
		    : find_user((enum wire_role)i, &s->users[i]);

		if (r == 0)
			continue;
		(void)fprintf(stderr,
		    "ulak: there is no system user %s: `ulak init` as root "
		    "makes it, or set server.drop_users = false\n",
		    user_names[i]);
		return ROLE_EXIT_CONFIG;
	}
	return 0;
}

/* The store is to own what it keeps. Found out now, with a sentence, instead
 * of by calls that fail one after the other behind its walls. */
static int
check_owner(const struct supervisor *s)
{
	uid_t want = s->is_root ? s->users[WIRE_STORE].uid : geteuid();
	struct stat st;

	if (stat(s->table.data, &st) == 0 && st.st_uid == want)
		return 0;
	(void)fprintf(stderr,
	    "ulak: the data directory %s belongs to user %u, but its store "
	    "runs as user %u: change server.drop_users, or the owner of all "
	    "that is in it\n",
	    s->table.data, (unsigned)st.st_uid, (unsigned)want);
	return ROLE_EXIT_CONFIG;
}

/* -- sockets -----------------------------------------------------------------
 */

bool
supervisor_serves(enum wire_role role, uint8_t service)
{
	bool is_for_mx = service == SERVICE_MX || service == SERVICE_LMTP;

	return role == (is_for_mx ? WIRE_MX : WIRE_USER);
}

static int
complain_listener(const struct env_addr *at, int r)
{
	char text[ENV_ADDR_TEXT], owner[LISTEN_OWNER];

	env_addr_print(at, text);
	if (r == -EADDRINUSE && listen_find_owner(at->port, owner))
		(void)fprintf(stderr,
		    "ulak: cannot listen at %s port %u: %s has it\n", text,
		    at->port, owner);
	else
		(void)fprintf(stderr, "ulak: cannot listen at %s port %u: %s\n",
		    text, at->port, strerror(-r));
	return ROLE_EXIT_TROUBLE;
}

/* Its directory, such as /run/ulak, may have to be made, too. */
static int
open_local(struct supervisor *s, const char *path, unsigned mode, int *ret_fd)
{
	char dir[SETTINGS_PATH], *slash;

	(void)slice_to_cstr(slice_cstr(path), dir, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash != NULL && slash != dir) {
		*slash = '\0';
		(void)mkdir(dir, 0755);
	}
	do
		*ret_fd = listen_local(path, mode);
	while (*ret_fd == -EADDRINUSE && wait_for_last(s));
	if (*ret_fd == -EADDRINUSE) {
		(void)fprintf(stderr,
		    "ulak: a server is running already: it answers at %s\n",
		    path);
		return ROLE_EXIT_CONFIG;
	}
	return *ret_fd < 0 ? complain("cannot listen at", path, *ret_fd) : 0;
}

/* False: there is no such user or group, and it has said so. */
static bool
find_owner(const struct supervisor *s, const struct settings_listener *l,
    uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user =
	    l->user[0] == '\0' ? NULL : getpwnam(l->user);
	const char *name = l->group[0] != '\0' ? l->group : "ulak";
	const struct group *group = getgrnam(name);

	*ret_uid = user != NULL ? user->pw_uid : (uid_t)-1;
	*ret_gid = group != NULL ? group->gr_gid : (gid_t)-1;
	if ((user == NULL && l->user[0] != '\0') ||
	    (group == NULL && l->group[0] != '\0')) {
		(void)fprintf(stderr,
		    "ulak: %s:%" PRIu32 ": listener.owner: there is no such "
		    "%s: %s\n",
		    s->config_path, l->line,
		    user == NULL && l->user[0] != '\0' ? "user" : "group",
		    user == NULL && l->user[0] != '\0' ? l->user : l->group);
		return false;
	}
	return true;
}

/* One socket, which the fronts of a kind share: each accepts what it can. */
static int
open_local_listener(struct supervisor *s, uint32_t i)
{
	const struct settings_listener *l = &s->table.listeners[i];
	int *fds = s->listeners[i], status;
	uid_t uid;
	gid_t gid;

	if (s->is_root && !find_owner(s, l, &uid, &gid))
		return ROLE_EXIT_CONFIG;
	status = open_local(s, l->path, l->mode, &fds[0]);
	if (status != 0)
		return status;
	if (s->is_root && lchown(l->path, uid, gid) == -1)
		return complain("cannot change", l->path, -errno);
	for (uint32_t k = 1; k < s->table.fronts; k++) {
		fds[k] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
		if (fds[k] == -1)
			return complain("cannot share", l->path, -errno);
	}
	return 0;
}

static int
open_inet_listener(struct supervisor *s, uint32_t i)
{
	const struct settings_listener *l = &s->table.listeners[i];
	struct env_addr at = { .family = l->family, .port = l->port };
	int r;

	memcpy(at.bytes, l->address, sizeof(at.bytes));
	do
		r = listen_inet(&at, s->listeners[i], s->table.fronts);
	while (r == -EADDRINUSE && wait_for_last(s));
	return r < 0 ? complain_listener(&at, r) : 0;
}

static int
open_listeners(struct supervisor *s)
{
	int status = 0;

	for (uint32_t i = 0; i < s->table.n_listeners && status == 0; i++)
		status = s->table.listeners[i].family == 0
		    ? open_local_listener(s, i)
		    : open_inet_listener(s, i);
	return status;
}

/* Members of the group `ulak` may ask, too. */
static int
open_control(struct supervisor *s)
{
	int status = open_local(s, s->table.control, 0660, &s->control_fd);
	const struct group *group = s->is_root ? getgrnam("ulak") : NULL;

	if (status == 0 && group != NULL)
		(void)!chown(s->table.control, (uid_t)-1, group->gr_gid);
	return status;
}

/* Everybody may hand in mail: at the socket, or in a directory in which one
 * can make files but not see any; those are their makers' and, by its setgid
 * bit, readable by our group (docs/decisions). */
static int
open_submission(struct supervisor *s)
{
	const char *spool = s->table.spool;
	const struct spawn_user *user = &s->users[WIRE_LOCAL];

	if (mkdir(spool, 0700) == 0) {
		if ((s->is_root && chown(spool, user->uid, user->gid) == -1) ||
		    chmod(spool, 03733) == -1)
			return complain("cannot make", spool, -errno);
	} else if (errno != EEXIST) {
		return complain("cannot make", spool, -errno);
	}
	return open_local(s, s->table.local, 0666, &s->local_fd);
}

void
supervisor_close_listeners(struct supervisor *s)
{
	for (uint32_t i = 0; i < LIMIT_LISTENERS; i++) {
		if (s->listeners[i][0] != -1 &&
		    s->table.listeners[i].family == 0)
			(void)unlink(s->table.listeners[i].path);
		for (uint32_t k = 0; k < SUPERVISOR_FRONTS; k++)
			if (s->listeners[i][k] != -1)
				(void)close(s->listeners[i][k]);
	}
	if (s->control_fd >= 0) {
		(void)unlink(s->table.control);
		(void)close(s->control_fd);
	}
	if (s->local_fd >= 0) {
		(void)unlink(s->table.local);
		(void)close(s->local_fd);
	}
	if (s->config_fd >= 0)
		(void)close(s->config_fd);
}

int
supervisor_begin(struct supervisor *s)
{
	static int (*const steps[])(struct supervisor *) = { seal_config,
		parse_config, find_users, open_listeners, open_control,
		open_submission };

	memset(s->listeners, -1, sizeof(s->listeners));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int status = steps[i](s);

		if (status == 0 && steps[i] == find_users)
			status = check_data(s);
		if (status == 0 && steps[i] == find_users)
			status = check_owner(s);
		if (status == 0 && steps[i] == find_users)
			wait_for_lock(s);
		if (status != 0)
			return status;
	}
	return 0;
}
