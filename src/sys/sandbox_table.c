/* SPDX-License-Identifier: ISC */
/*
 * sys/sandbox_table - what each role may ask of the kernel; data only
 *
 * Anything that stands nowhere here is refused with EPERM. Families are what a
 * reader can judge at a glance: `living` is everyone's and reaches nothing
 * outside the process but descriptors it has; the others are given one by one.
 */
#include "sys/sandbox_table.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sys/env.h"

#define CALL(name)                                                             \
	{                                                                      \
		SCMP_SYS(name), 0,                                             \
		{                                                              \
			{                                                      \
				0                                              \
			}                                                      \
		}                                                              \
	}
#define CALL_1(name, a)                                                        \
	{                                                                      \
		SCMP_SYS(name), 1,                                             \
		{                                                              \
			a                                                      \
		}                                                              \
	}
#define CALL_2(name, a, b)                                                     \
	{                                                                      \
		SCMP_SYS(name), 2,                                             \
		{                                                              \
			a, b                                                   \
		}                                                              \
	}
#define CALL_3(name, a, b, c)                                                  \
	{                                                                      \
		SCMP_SYS(name), 3,                                             \
		{                                                              \
			a, b, c                                                \
		}                                                              \
	}
/* argument n equals v; argument n has none of the bits; has exactly those */
#define ARG(n, v)                                                              \
	{                                                                      \
		(n), SCMP_CMP_EQ, (scmp_datum_t)(v), 0                         \
	}
#define ARG_WITHOUT(n, bits)                                                   \
	{                                                                      \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bits), 0               \
	}
#define ARG_MASKED(n, mask, v)                                                 \
	{                                                                      \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask),                 \
		    (scmp_datum_t)(v)                                          \
	}
#define FAMILY(name)                                                           \
	static const struct sandbox_family name = { name##_calls,              \
		sizeof(name##_calls) / sizeof(name##_calls[0]) }

/* Memory, time, threads that exist, descriptors one has. No memory becomes
 * executable any more. */
static const struct sandbox_call living_calls[] = {
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(close),
	CALL(lseek),
	CALL(pread64),
	CALL(fstat),
	/* fstat() of newer libcs: a descriptor, no path */
	CALL_1(newfstatat, ARG_MASKED(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
	CALL_1(fcntl, ARG(1, F_DUPFD_CLOEXEC)),
	CALL_1(fcntl, ARG(1, F_GETFL)),
	CALL_1(fcntl, ARG(1, F_SETFL)),
	CALL_1(fcntl, ARG(1, F_GETFD)),
	CALL_1(fcntl, ARG(1, F_SETFD)),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_ctl),
	CALL(poll),
	CALL(ppoll),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(sendto),
	CALL(sendmsg),
	CALL(shutdown),
	CALL(getsockopt),
	CALL(getsockname),
	CALL(getpeername),
	CALL_2(setsockopt, ARG(1, SOL_SOCKET), ARG(2, SO_LINGER)),
	CALL_2(setsockopt, ARG(1, SOL_SOCKET), ARG(2, SO_KEEPALIVE)),
	CALL_1(setsockopt, ARG(1, IPPROTO_TCP)),
	CALL_1(mmap, ARG_WITHOUT(2, PROT_EXEC)),
	CALL_1(mprotect, ARG_WITHOUT(2, PROT_EXEC)),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(brk),
	CALL(mlock),
	CALL(munlock),
	CALL(futex),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(membarrier),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(sigaltstack),
	CALL(restart_syscall),
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(gettimeofday),
	CALL(time),
	CALL(getrandom),
	CALL(getpid),
	CALL(gettid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(uname),
	CALL(getrusage),
	CALL_2(prlimit64, ARG(0, 0), ARG(2, 0)), /* asking, not setting */
	CALL(exit),
	CALL(exit_group),
};
FAMILY(living);

/* On listening sockets that were given. */
static const struct sandbox_call accepting_calls[] = {
	CALL(accept4),
};
FAMILY(accepting);

/* Files by name; where, Landlock says. */
static const struct sandbox_call files_calls[] = {
	CALL(openat),
	CALL(pwrite64),
	CALL(preadv),
	CALL(pwritev),
	CALL(pwritev2),
	CALL(fdatasync),
	CALL(fsync),
	CALL(ftruncate),
	CALL(fallocate),
	CALL(newfstatat),
	CALL(statx),
	CALL(fstatfs),
	CALL(getdents64),
	CALL(mkdirat),
	CALL(unlinkat),
	CALL(renameat),
	CALL(renameat2),
	CALL(linkat),
	CALL(flock),
	CALL_1(fcntl, ARG(1, F_GETLK)),
	CALL_1(fcntl, ARG(1, F_SETLK)),
	CALL_1(fcntl, ARG(1, F_OFD_GETLK)),
	CALL_1(fcntl, ARG(1, F_OFD_SETLK)),
};
FAMILY(files);

/* Files that others have made, in the spool: read, moved, taken away. */
static const struct sandbox_call spool_calls[] = {
	CALL(openat),
	CALL(newfstatat),
	CALL(getdents64),
	CALL(mkdirat),
	CALL(unlinkat),
	CALL(renameat),
	CALL(renameat2),
	CALL(fsync),
	CALL(pwritev), /* a file is divided */
	CALL(fdatasync),
	/* the file's own client, in the same process */
	CALL_2(socketpair, ARG(0, AF_UNIX), ARG(2, 0)),
};
FAMILY(spool);

#define TYPE(t) ARG_MASKED(1, 0xf, t)

static const struct sandbox_call tcp_out_calls[] = {
	CALL_3(socket, ARG(0, AF_INET), TYPE(SOCK_STREAM), ARG(2, 0)),
	CALL_3(socket, ARG(0, AF_INET6), TYPE(SOCK_STREAM), ARG(2, 0)),
	CALL_3(socket, ARG(0, AF_INET), TYPE(SOCK_STREAM), ARG(2, IPPROTO_TCP)),
	CALL_3(socket, ARG(0, AF_INET6), TYPE(SOCK_STREAM),
	    ARG(2, IPPROTO_TCP)),
	CALL(connect),
};
FAMILY(tcp_out);

/* A route says from which of our addresses; without listen and accept nobody
 * comes in by it. */
static const struct sandbox_call source_address_calls[] = {
	CALL(bind),
};
FAMILY(source_address);

/* To a scanner's socket on this machine. */
static const struct sandbox_call local_out_calls[] = {
	CALL_3(socket, ARG(0, AF_UNIX), TYPE(SOCK_STREAM), ARG(2, 0)),
	CALL(connect),
};
FAMILY(local_out);

/* What libunbound does with its sockets: a random port for each question. */
static const struct sandbox_call dns_calls[] = {
	CALL_3(socket, ARG(0, AF_INET), TYPE(SOCK_DGRAM), ARG(2, 0)),
	CALL_3(socket, ARG(0, AF_INET6), TYPE(SOCK_DGRAM), ARG(2, 0)),
	CALL_3(socket, ARG(0, AF_INET), TYPE(SOCK_DGRAM), ARG(2, IPPROTO_UDP)),
	CALL_3(socket, ARG(0, AF_INET6), TYPE(SOCK_DGRAM), ARG(2, IPPROTO_UDP)),
	CALL(bind), CALL_1(setsockopt, ARG(1, IPPROTO_IP)),
	CALL_1(setsockopt, ARG(1, IPPROTO_IPV6)),
	CALL_2(setsockopt, ARG(1, SOL_SOCKET), ARG(2, SO_REUSEADDR)),
	CALL_2(setsockopt, ARG(1, SOL_SOCKET), ARG(2, SO_RCVBUF)),
	CALL_2(setsockopt, ARG(1, SOL_SOCKET), ARG(2, SO_SNDBUF)),
	CALL_1(ioctl, ARG(1, 0x5421)), /* FIONBIO */
};
FAMILY(dns);

const int sandbox_self_calls[] = { SCMP_SYS(tgkill), SCMP_SYS(kill) };
const size_t sandbox_self_calls_n =
    sizeof(sandbox_self_calls) / sizeof(sandbox_self_calls[0]);

const struct sandbox_role sandbox_roles[WIRE_N_ROLES] = {
	[WIRE_MX] = { .families = { &living, &accepting } },
	[WIRE_USER] = { .families = { &living, &accepting } },
	[WIRE_LOCAL] = { .families = { &living, &accepting, &spool },
	    .is_spool_open = true },
	[WIRE_CONTROL] = { .families = { &living, &accepting } },
	[WIRE_STORE] = { .families = { &living, &files },
	    .is_data_open = true,
	    .lanes = 1u << ENV_LANE_APPEND | 1u << ENV_LANE_COMMIT |
		1u << ENV_LANE_READ },
	[WIRE_COURIER] = { .families = { &living, &tcp_out, &source_address },
	    .is_tcp_in_open = true,
	    .is_tcp_out_open = true },
	[WIRE_RESOLVER] = { .families = { &living, &tcp_out, &dns },
	    .is_tcp_out_open = true,
	    .is_tcp_in_open = true },
	[WIRE_KEEPER] = { .families = { &living },
	    .lanes = 1u << ENV_LANE_HASH },
	[WIRE_HOOK] = { .families = { &living, &tcp_out, &local_out },
	    .is_tcp_out_open = true },
	[WIRE_FETCHER] = { .families = { &living, &tcp_out },
	    .is_tcp_out_open = true },
	/* what strangers sent goes through it, and nothing but words comes out
	 */
	[WIRE_SORTER] = { .families = { &living } },
	/* not the supervisor: its child that parses the configuration */
	[WIRE_SUPERVISOR] = { .families = { &living } },
};
