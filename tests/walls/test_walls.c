/* SPDX-License-Identifier: ISC */
/*
 * The walls, tried from inside: for each role, each thing that it must not be
 * able to do, in a child of its own that has entered the real sandbox; and the
 * things that it must still be able to do.
 *
 * Rows marked `open_outside` must succeed without the sandbox (or the kernel
 * must say that it has not got the call), which shows that it is the sandbox
 * that refuses. Passes as root and as an ordinary user.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "base/time.h"
#include "sys/env_posix.h"
#include "sys/sandbox.h"

/* What the child has from before the sandbox. */
struct place {
	struct env *env;
	struct env_dir *dir;   /* the data directory */
	struct env_dir *spool; /* a directory in it */
	char spool_path[64];
	const char *data, *outside;
	int listen_fd; /* on loopback */
	struct env_addr listen_at;
	int pair[2];  /* AF_UNIX */
	int spare_fd; /* a file, open for reading */
};

static int
result(long r)
{
	return r == -1 ? -errno : 0;
}

/* -- what must fail
 * ----------------------------------------------------------------- */

static int
read_passwd(struct place *p)
{
	(void)p;
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
read_root_dir(struct place *p)
{
	(void)p;
	return result(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int
read_proc_self(struct place *p)
{
	(void)p;
	return result(open("/proc/self/environ", O_RDONLY | O_CLOEXEC));
}

static int
write_data(struct place *p)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/new", p->data);
	return result(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int
write_outside(struct place *p)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/new", p->outside);
	return result(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int
unlink_outside(struct place *p)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/old", p->outside);
	return result(unlink(path));
}

static int
link_out(struct place *p)
{
	char from[128], to[128];

	(void)snprintf(from, sizeof(from), "%s/old", p->data);
	(void)snprintf(to, sizeof(to), "%s/stolen", p->outside);
	return result(linkat(AT_FDCWD, from, AT_FDCWD, to, 0));
}

static int
make_symlink(struct place *p)
{
	char to[128];

	(void)snprintf(to, sizeof(to), "%s/link", p->data);
	return result(symlink("/etc/passwd", to));
}

static int
link_in_spool(struct place *p)
{
	char from[128], to[128];

	(void)snprintf(from, sizeof(from), "%s/old", p->data);
	(void)snprintf(to, sizeof(to), "%s/stolen", p->spool_path);
	return result(linkat(AT_FDCWD, from, AT_FDCWD, to, 0));
}

static int
make_executable(struct place *p)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/old", p->data);
	return result(chmod(path, 0700));
}

static int
inet_stream(struct place *p)
{
	(void)p;
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
inet6_stream(struct place *p)
{
	(void)p;
	return result(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
inet_datagram(struct place *p)
{
	(void)p;
	return result(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int
inet_raw(struct place *p)
{
	(void)p;
	return result(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int
unix_stream(struct place *p)
{
	(void)p;
	return result(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
netlink(struct place *p)
{
	(void)p;
	return result(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int
packet(struct place *p)
{
	(void)p;
	return result(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int
vsock(struct place *p)
{
	(void)p;
	return result(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
make_pair(struct place *p)
{
	int fds[2];

	(void)p;
	return result(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

/* On the socket it has: from a spare one it cannot make another. */
static int
connect_inet(struct place *p)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(p->listen_at.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return result(connect(p->pair[0], (const struct sockaddr *)&in,
	    sizeof(in)));
}

static int
bind_inet(struct place *p)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return result(bind(p->pair[0], (const struct sockaddr *)&in,
	    sizeof(in)));
}

static int
bind_tcp(struct place *p)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)p;
	return result(bind(fd, (const struct sockaddr *)&in, sizeof(in)));
}

static int
listen_again(struct place *p)
{
	return result(listen(p->listen_fd, 1));
}

static int
accept_on(struct place *p)
{
	int r = result(accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC));

	return r == -EAGAIN ? 0 : r;
}

static int
exec_shell(struct place *p)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	(void)p;
	return result(execve("/bin/true", argv, argv + 1));
}

static int
exec_memory(struct place *p)
{
	(void)p;
	return result(memfd_create("x", MFD_CLOEXEC));
}

static int
exec_at(struct place *p)
{
	char *const argv[] = { (char[]){ "x" }, NULL };

	return result(syscall(SYS_execveat, p->spare_fd, "", argv, argv + 1,
	    AT_EMPTY_PATH));
}

static int
fork_child(struct place *p)
{
	/* the raw call, so that no handler of the sanitizer runs */
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)p;
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int
clone3_child(struct place *p)
{
	uint64_t args[8] = { 0 };
	long pid;

	(void)p;
	args[4] = SIGCHLD; /* exit_signal */
	pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int
vfork_child(struct place *p)
{
	(void)p;
	return result(syscall(SYS_unshare, CLONE_FS));
}

static int
kill_parent(struct place *p)
{
	(void)p;
	return result(kill(getppid(), 0));
}

static int
kill_all(struct place *p)
{
	(void)p;
	return result(kill(-1, 0));
}

static int
trace_parent(struct place *p)
{
	(void)p;
	return result(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int
trace_me(struct place *p)
{
	(void)p;
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
read_memory(struct place *p)
{
	char here[8];
	struct iovec to = { here, sizeof(here) }, from = { p, sizeof(here) };

	return result(process_vm_readv(getppid(), &to, 1, &from, 1, 0));
}

static int
open_pidfd(struct place *p)
{
	(void)p;
	return result(syscall(SYS_pidfd_open, getppid(), 0));
}

static int
mount_something(struct place *p)
{
	return result(mount("none", p->outside, "tmpfs", 0, NULL));
}

static int
unshare_users(struct place *p)
{
	(void)p;
	return result(syscall(SYS_unshare, CLONE_NEWUSER));
}

static int
change_root(struct place *p)
{
	return result(chroot(p->outside));
}

static int
set_user(struct place *p)
{
	(void)p;
	return result(syscall(SYS_setuid, getuid()));
}

static int
start_uring(struct place *p)
{
	struct io_uring_params params = { 0 };

	(void)p;
	return result(syscall(SYS_io_uring_setup, 4, &params));
}

static int
load_bpf(struct place *p)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1 };

	(void)p;
	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int
use_keys(struct place *p)
{
	(void)p;
	return result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
	    KEY_SPEC_PROCESS_KEYRING, 1));
}

static int
watch_performance(struct place *p)
{
	(void)p;
	return result(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int
handle_faults(struct place *p)
{
	(void)p;
	return result(syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */));
}

static int
map_code(struct place *p)
{
	(void)p;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
	    ? -errno
	    : 0;
}

static int
protect_code(struct place *p)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	return result(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int
raise_limit(struct place *p)
{
	struct rlimit64 {
		uint64_t cur, max;
	} none = { 0, 0 };

	(void)p;
	return result(syscall(SYS_prlimit64, 0, 4 /* CORE */, &none, NULL));
}

static int
filter_socket(struct place *p)
{
	int on = 1;

	return result(setsockopt(p->pair[0], SOL_SOCKET, SO_PASSCRED, &on,
	    sizeof(on)));
}

static int
lock_foreign(struct place *p)
{
	return result(fcntl(p->spare_fd, F_SETOWN, getppid()));
}

static int
terminal_input(struct place *p)
{
	int n;

	/* FIONREAD stands for every ioctl */
	return result(syscall(SYS_ioctl, p->pair[0], 0x541b, &n));
}

/* -- who must not do which
 * ---------------------------------------------------------- */

#define R(role) (1u << WIRE_##role)
#define FRONTS (R(MX) | R(USER))
/* SUPERVISOR stands for its child that parses the configuration. */
#define ALL                                                                    \
	(FRONTS | R(LOCAL) | R(CONTROL) | R(STORE) | R(COURIER) |              \
	    R(RESOLVER) | R(KEEPER) | R(SUPERVISOR) | R(HOOK) | R(FETCHER) |   \
	    R(SORTER))
#define NO_SOCKETS (ALL & ~(R(COURIER) | R(RESOLVER) | R(HOOK) | R(FETCHER)))

static const struct wall {
	const char *what;
	int (*act)(struct place *p);
	unsigned roles;
	bool open_outside;
} walls[] = {
	{ "open /etc/passwd", read_passwd, ALL, true },
	{ "open /", read_root_dir, ALL, true },
	{ "open /proc/self/environ", read_proc_self, ALL, true },
	{ "write in the data directory", write_data, ALL & ~R(STORE), true },
	{ "link into the spool", link_in_spool, ALL & ~R(STORE), false },
	{ "write outside of it", write_outside, ALL, true },
	{ "unlink outside of it", unlink_outside, ALL, true },
	{ "link out of it", link_out, ALL, true },
	{ "symbolic link", make_symlink, ALL, true },
	{ "chmod", make_executable, ALL, true },
	{ "socket AF_INET stream", inet_stream, NO_SOCKETS, true },
	{ "socket AF_INET6 stream", inet6_stream, NO_SOCKETS, true },
	{ "socket AF_INET datagram", inet_datagram, ALL & ~R(RESOLVER), true },
	{ "socket AF_INET raw", inet_raw, ALL, false },
	{ "socket AF_UNIX", unix_stream, ALL & ~R(HOOK), true },
	{ "socket AF_NETLINK", netlink, ALL, true },
	{ "socket AF_PACKET", packet, ALL, false },
	{ "socket AF_VSOCK", vsock, ALL, false },
	{ "socketpair", make_pair, ALL & ~R(LOCAL), true },
	{ "connect", connect_inet, NO_SOCKETS, false },
	{ "bind", bind_inet, ALL & ~(R(RESOLVER) | R(COURIER)), false },
	{ "bind TCP", bind_tcp, R(HOOK) | R(FETCHER), true },
	{ "listen", listen_again, ALL, true },
	{ "accept", accept_on, ALL & ~(FRONTS | R(CONTROL) | R(LOCAL)), true },
	{ "execve", exec_shell, ALL, false },
	{ "execveat", exec_at, ALL, false },
	{ "memfd_create", exec_memory, ALL, true },
	{ "clone", fork_child, ALL, true },
	{ "clone3", clone3_child, ALL, false },
	{ "unshare", vfork_child, ALL, true },
	{ "kill the parent", kill_parent, ALL, true },
	{ "kill all", kill_all, ALL, false },
	{ "ptrace the parent", trace_parent, ALL, false },
	{ "ptrace", trace_me, ALL, false },
	{ "process_vm_readv", read_memory, ALL, false },
	{ "pidfd_open", open_pidfd, ALL, true },
	{ "mount", mount_something, ALL, false },
	{ "unshare a user namespace", unshare_users, ALL, false },
	{ "chroot", change_root, ALL, false },
	{ "setuid", set_user, ALL, true },
	{ "io_uring_setup", start_uring, ALL, false },
	{ "bpf", load_bpf, ALL, false },
	{ "keyctl", use_keys, ALL, false },
	{ "perf_event_open", watch_performance, ALL, false },
	{ "userfaultfd", handle_faults, ALL, false },
	{ "mmap executable", map_code, ALL, true },
	{ "mprotect executable", protect_code, ALL, true },
	{ "setrlimit", raise_limit, ALL, true },
	{ "setsockopt SO_PASSCRED", filter_socket, ALL, true },
	{ "fcntl F_SETOWN", lock_foreign, ALL, true },
	{ "ioctl", terminal_input, ALL, true },
};

/* -- what must work
 * ------------------------------------------------------------------- */

static int
use_channel(struct place *p)
{
	struct iovec v = { (char[]){ "x" }, 1 };
	int fds[ENV_FDS_MAX];
	char at[4];
	size_t n;
	ssize_t r = env_sendv_fds(p->env, p->pair[0], &v, 1, &p->spare_fd, 1);

	if (r == 1)
		r = env_recv_fds(p->env, p->pair[1], at, sizeof(at), fds, &n);
	if (r != 1)
		return r < 0 ? (int)r : -EIO;
	r = env_dup(p->env, fds[0]);
	env_close(p->env, fds[0], true);
	return r < 0 ? (int)r : 0;
}

static void
on_timer(struct env_timer *t)
{
	t->due = -1;
}

struct stopper {
	struct env_timer timer;
	struct env *env;
};

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct stopper, timer)->env);
}

static int
use_loop(struct place *p)
{
	struct env_timer t = { .fire = on_timer };
	struct stopper s = { .timer.fire = on_stop, .env = p->env };
	int r;

	(void)env_random_u64(p->env);
	(void)env_timer_set(p->env, &t, env_now(p->env) + TIME_MS);
	(void)env_timer_set(p->env, &s.timer, env_now(p->env) + 3 * TIME_MS);
	r = env_run(p->env);
	return r == 0 && t.due != -1 ? -EIO : r;
}

static int
use_memory(struct place *p)
{
	(void)p;
	for (size_t n = 100; n < 100u << 20; n *= 10) {
		char *at = malloc(n), *more;

		if (at == NULL)
			return -ENOMEM;
		memset(at, 1, n);
		more = realloc(at, n * 2);
		if (more == NULL)
			return -ENOMEM;
		free(more);
	}
	return 0;
}

static int
use_accept(struct place *p)
{
	struct env_addr peer;
	int r = env_accept(p->env, p->listen_fd, &peer);

	return r == -EAGAIN ? 0 : r;
}

static int
use_connect(struct place *p)
{
	int fd = env_connect(p->env, &p->listen_at, NULL);

	return fd < 0 ? fd : env_connect_result(p->env, fd);
}

static int
use_udp(struct place *p)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 0;
	socklen_t len = sizeof(in);

	(void)p;
	if (fd == -1 || bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &on, sizeof(on)) ==
		-1 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) == -1 ||
	    sendto(fd, "x", 1, 0, (struct sockaddr *)&in, len) != 1)
		return -errno;
	return 0;
}

static int
on_name(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
	return 0;
}

static int
use_files(struct place *p)
{
	struct iovec v = { (char[]){ "abc" }, 3 };
	struct env_file *f;
	uint64_t a, b;
	char at[4];
	int n = 0, r, owner;

	r = env_dir_make(p->dir, "sub");
	if (r == 0)
		r = env_file_open(p->dir, "sub/a",
		    ENV_FILE_WRITE | ENV_FILE_CREATE, &f);
	if (r < 0)
		return r;
	if ((r = env_file_allocate(f, 8192)) < 0 ||
	    (r = env_file_pwritev(f, &v, 1, 5)) < 0 ||
	    (r = env_file_sync(f)) < 0 || (r = env_file_size(f, &a)) < 0 ||
	    (r = env_file_truncate(f, 8)) < 0 ||
	    (r = (int)env_file_pread(f, at, 3, 5)) != 3)
		return r < 0 ? r : -EIO;
	env_file_close(f);
	if ((r = env_dir_link(p->dir, "sub/a", "b")) < 0 ||
	    (r = env_dir_rename(p->dir, "b", "sub/c")) < 0 ||
	    (r = env_dir_list(p->dir, "sub", on_name, &n)) < 0 ||
	    (r = env_dir_sync(p->dir, "sub")) < 0 ||
	    (r = env_dir_free_space(p->dir, &a, &b)) < 0 ||
	    (r = env_dir_lock(p->dir, "lock", &owner)) < 0)
		return r;
	if ((r = env_dir_unlink(p->dir, "sub/a")) < 0 ||
	    (r = env_dir_unlink(p->dir, "sub/c")) < 0 ||
	    (r = env_dir_unlink(p->dir, "lock")) < 0)
		return r;
	return n == 2 ? 0 : -EIO;
}

/* What the role `local` does there; making files is not part of it. */
static int
use_spool(struct place *p)
{
	struct env_file_stat st;
	struct env_file *f;
	char at[1];
	int fds[2], n = 0, r;

	if ((r = env_dir_list(p->spool, ".", on_name, &n)) < 0 ||
	    (r = env_file_open(p->spool, "old", ENV_FILE_READ, &f)) < 0)
		return r;
	if ((r = env_file_stat(f, &st)) < 0 ||
	    (r = (int)env_file_pread(f, at, 1, 0)) < 0)
		return r;
	env_file_close(f);
	if ((r = env_dir_make(p->spool, "bad")) < 0 ||
	    (r = env_dir_rename(p->spool, "old", "bad/old")) < 0 ||
	    (r = env_dir_sync(p->spool, "bad")) < 0 ||
	    (r = env_dir_unlink(p->spool, "bad/old")) < 0 ||
	    (r = env_pair(p->env, fds)) < 0)
		return r;
	return n == 1 && st.is_regular && st.uid == geteuid() && st.n_links == 1
	    ? 0
	    : -EIO;
}

struct task {
	struct env_job job;
	struct place *p;
	int (*act)(struct place *p);
	int r, *n_left;
};

static void
task_run(struct env_job *job)
{
	struct task *t = LIST_ENTRY(job, struct task, job);

	t->r = t->act(t->p);
}

static void
task_done(struct env_job *job)
{
	struct task *t = LIST_ENTRY(job, struct task, job);

	if (--*t->n_left == 0)
		env_stop(t->p->env);
}

static int
in_lanes(struct place *p, unsigned lanes, int (*act)(struct place *p))
{
	struct task tasks[ENV_N_LANES] = { 0 };
	int n_left = 0, r;

	for (unsigned lane = 0; lane < ENV_N_LANES; lane++) {
		if ((lanes & 1u << lane) == 0)
			continue;
		tasks[lane] =
		    (struct task){ { .run = task_run, .done = task_done }, p,
			    act, -EIO, &n_left };
		n_left++;
		r = env_work(p->env, lane, &tasks[lane].job);
		if (r < 0)
			return r;
	}
	r = env_run(p->env);
	for (unsigned lane = 0; r == 0 && lane < ENV_N_LANES; lane++)
		if ((lanes & 1u << lane) != 0)
			r = tasks[lane].r;
	return r;
}

static int
use_store_lanes(struct place *p)
{
	int r = in_lanes(p, 1u << ENV_LANE_APPEND, use_files);

	if (r == 0)
		r = in_lanes(p, 1u << ENV_LANE_COMMIT, use_files);
	return r == 0 ? in_lanes(p, 1u << ENV_LANE_READ, use_files) : r;
}

static int
use_hash_lane(struct place *p)
{
	return in_lanes(p, 1u << ENV_LANE_HASH, use_memory);
}

/* Threads that were started before the filter are behind the walls, too. */
static int
thread_reads_passwd(struct place *p)
{
	int r = in_lanes(p, 1u << ENV_LANE_READ, read_passwd);

	return r == -EACCES || r == -EPERM ? 0 : -EIO;
}

static int
raise_own_signal(struct place *p)
{
	(void)p;
	(void)signal(SIGUSR1, SIG_IGN);
	return raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0 ? 0 : -errno;
}

static const struct {
	const char *what;
	int (*act)(struct place *p);
	unsigned roles;
} needs[] = {
	{ "channels", use_channel, ALL },
	{ "timers and chance", use_loop, ALL },
	{ "memory", use_memory, ALL },
	{ "its own signals", raise_own_signal, ALL },
	{ "accept", use_accept, FRONTS | R(CONTROL) | R(LOCAL) },
	{ "files in the spool", use_spool, R(LOCAL) },
	{ "connect", use_connect, R(COURIER) | R(RESOLVER) },
	{ "UDP", use_udp, R(RESOLVER) },
	{ "files in the data directory", use_files, R(STORE) },
	{ "files from its threads", use_store_lanes, R(STORE) },
	{ "its threads are behind the wall", thread_reads_passwd, R(STORE) },
	{ "hashing", use_hash_lane, R(KEEPER) },
};

/* -- trying
 * ----------------------------------------------------------------------------
 */

enum {
	EXIT_NO_SANDBOX = 99
};

static void
touch(const char *dir, const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	test_true(fd != -1);
	(void)close(fd);
}

static void
prepare(struct place *p)
{
	struct env_posix_options o = { .role = "walls" };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	if (env_posix_new(&o, &p->env) != 0 ||
	    env_dir_open(p->env, p->data, &p->dir) != 0 ||
	    env_dir_open(p->env, p->spool_path, &p->spool) != 0)
		_exit(EXIT_NO_SANDBOX);
	p->spare_fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	p->listen_fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(p->listen_fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    listen(p->listen_fd, 4) == -1 ||
	    getsockname(p->listen_fd, (struct sockaddr *)&in, &len) == -1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		p->pair) == -1)
		_exit(EXIT_NO_SANDBOX);
	p->listen_at = (struct env_addr){ .family = 4,
		.bytes = { 127, 0, 0, 1 },
		.port = ntohs(in.sin_port) };
}

/* Its result, or -1000 when it did not come to the act. `role` < 0: without a
 * sandbox. */
static int
try_in_child(struct place *base, int role, int (*act)(struct place *p))
{
	int status, result_fd[2], got = -1000;
	pid_t pid;

	test_int(pipe2(result_fd, O_CLOEXEC), 0);
	pid = fork();
	test_true(pid != -1);
	if (pid == 0) {
		struct sandbox_paths paths = { .data = base->data,
			.spool = base->spool_path };
		struct sandbox_report report = { 0 };
		struct place p = *base;
		int r;

		prepare(&p);
		if (role >= 0 &&
		    (sandbox_enter(p.env, (enum wire_role)role, &paths,
			 &report) != 0 ||
			!report.seccomp))
			_exit(EXIT_NO_SANDBOX);
		r = act(&p);
		(void)!write(result_fd[1], &r, sizeof(r));
		_exit(0);
	}
	(void)close(result_fd[1]);
	if (read(result_fd[0], &got, sizeof(got)) != sizeof(got))
		got = -1000;
	(void)close(result_fd[0]);
	test_int(waitpid(pid, &status, 0), pid);
	return got;
}

static void
set_up(struct place *p, char data[32], char outside[32])
{
	memset(p, 0, sizeof(*p));
	(void)strcpy(data, "/tmp/ulak-walls-XXXXXX");
	(void)strcpy(outside, "/tmp/ulak-walls-XXXXXX");
	test_true(mkdtemp(data) != NULL && mkdtemp(outside) != NULL);
	touch(data, "old");
	touch(outside, "old");
	(void)snprintf(p->spool_path, sizeof(p->spool_path), "%s/spool", data);
	test_int(mkdir(p->spool_path, 0700), 0);
	touch(p->spool_path, "old");
	p->data = data;
	p->outside = outside;
}

static void
tear_down(const struct place *p)
{
	static const char *const names[] = { "old", "new", "link", "stolen",
		"lock" };
	const char *dirs[] = { p->data, p->outside };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/old", p->spool_path);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/bad", p->spool_path);
	(void)rmdir(path);
	test_int(rmdir(p->spool_path), 0);
	for (size_t d = 0; d < 2; d++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			(void)snprintf(path, sizeof(path), "%s/%s", dirs[d],
			    names[i]);
			(void)unlink(path);
		}
		(void)snprintf(path, sizeof(path), "%s/sub", dirs[d]);
		(void)rmdir(path);
		test_int(rmdir(dirs[d]), 0);
	}
}

static void
forbidden_things_fail(void **state)
{
	char data[32], outside[32], what[128];
	struct place p;

	(void)state;
	set_up(&p, data, outside);
	for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++)
		for (unsigned role = 0; role < WIRE_N_ROLES; role++) {
			int r;

			if ((walls[i].roles & 1u << role) == 0)
				continue;
			(void)snprintf(what, sizeof(what), "%s: %s",
			    wire_role_name(role), walls[i].what);
			test_case(what);
			r = try_in_child(&p, (int)role, walls[i].act);
			if (r != -EPERM && r != -EACCES)
				print_error("result %d\n", r);
			test_true(r == -EPERM || r == -EACCES);
		}
	tear_down(&p);
}

static void
it_is_the_sandbox_that_refuses(void **state)
{
	char data[32], outside[32];
	struct place p;

	(void)state;
	for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
		int r;

		if (!walls[i].open_outside)
			continue;
		set_up(&p, data, outside);
		test_case(walls[i].what);
		r = try_in_child(&p, -1, walls[i].act);
		if (r != 0)
			print_error("result %d\n", r);
		test_true(r == 0 || r == -ENOSYS || r == -EAFNOSUPPORT);
		tear_down(&p);
	}
}

static void
needed_things_work(void **state)
{
	char data[32], outside[32], what[128];
	struct place p;

	(void)state;
	set_up(&p, data, outside);
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		for (unsigned role = 0; role < WIRE_N_ROLES; role++) {
			int r;

			if ((needs[i].roles & 1u << role) == 0)
				continue;
			(void)snprintf(what, sizeof(what), "%s: %s",
			    wire_role_name(role), needs[i].what);
			test_case(what);
			r = try_in_child(&p, (int)role, needs[i].act);
			if (r != 0)
				print_error("result %d\n", r);
			test_int(r, 0);
		}
	tear_down(&p);
}

TEST_MAIN(cmocka_unit_test(forbidden_things_fail),
    cmocka_unit_test(it_is_the_sandbox_that_refuses),
    cmocka_unit_test(needed_things_work))
