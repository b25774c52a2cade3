/* SPDX-License-Identifier: ISC */
/*
 * sys/sandbox - closes what a role does not need, for good
 *
 * In this order: capabilities, Landlock, then the role's threads, which inherit
 * both, then seccomp for all threads at once. Landlock's constants stand here,
 * because headers are often older than the kernel they meet; what a kernel's
 * ABI does not know is left out.
 */
#include "sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/sandbox_table.h"

/* -- capabilities -------------------------------------------------------------
 */

/* Root that does not change its user is no more than the owner of its files. */
static int
drop_capabilities(struct sandbox_report *report)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &head, none) == -1)
		return ERR_ORIGIN(-errno);
	report->no_capabilities = true;
	return 0;
}

/* -- Landlock
 * ------------------------------------------------------------------ */

/* include/uapi/linux/landlock.h, as of ABI 6 */
struct landlock_ruleset {
	uint64_t files;  /* handled_access_fs */
	uint64_t net;    /* handled_access_net, ABI 4 */
	uint64_t scoped; /* ABI 6 */
};
struct landlock_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

enum {
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_REMOVE_DIR = 1 << 4,
	LL_REMOVE_FILE = 1 << 5,
	LL_MAKE_DIR = 1 << 7,
	LL_MAKE_REG = 1 << 8,
	LL_ABI_1 = (1 << 13) - 1,
	LL_REFER = 1 << 13,    /* ABI 2 */
	LL_TRUNCATE = 1 << 14, /* ABI 3 */
	LL_IOCTL_DEV = 1 << 15 /* ABI 5 */
};
enum {
	LL_BIND_TCP = 1,
	LL_CONNECT_TCP = 2,
	LL_SCOPE_ABSTRACT_UNIX = 1,
	LL_SCOPE_SIGNAL = 2,
	LL_CREATE_VERSION = 1,
	LL_RULE_PATH_BENEATH = 1
};

static uint64_t
files_known(int abi)
{
	return LL_ABI_1 | (abi >= 2 ? LL_REFER : 0u) |
	    (abi >= 3 ? LL_TRUNCATE : 0u) | (abi >= 5 ? LL_IOCTL_DEV : 0u);
}

static size_t
ruleset_size(int abi)
{
	if (abi < 4)
		return offsetof(struct landlock_ruleset, net);
	return abi < 6 ? offsetof(struct landlock_ruleset, scoped)
		       : sizeof(struct landlock_ruleset);
}

static int
open_ruleset(const struct sandbox_role *role, int abi)
{
	struct landlock_ruleset rules = { .files = files_known(abi),
		.scoped = LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL };
	long fd;

	if (!role->is_tcp_out_open)
		rules.net |= LL_CONNECT_TCP;
	if (!role->is_tcp_in_open)
		rules.net |= LL_BIND_TCP;
	fd = syscall(SYS_landlock_create_ruleset, &rules, ruleset_size(abi), 0);
	return fd == -1 ? ERR_ORIGIN(-errno) : (int)fd;
}

static int
open_beneath(int rules_fd, const char *path, int abi)
{
	struct landlock_beneath rule = { .allowed = files_known(abi) &
		    (LL_WRITE_FILE | LL_READ_FILE | LL_READ_DIR |
			LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR |
			LL_MAKE_REG | LL_REFER | LL_TRUNCATE) };
	int r = 0;

	rule.parent_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return ERR_ORIGIN(-errno);
	if (syscall(SYS_landlock_add_rule, rules_fd, LL_RULE_PATH_BENEATH,
		&rule, 0) == -1)
		r = ERR_ORIGIN(-errno);
	(void)close(rule.parent_fd);
	return r;
}

static int
close_landlock(const struct sandbox_role *role,
    const struct sandbox_paths *paths, struct sandbox_report *report)
{
	long abi =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LL_CREATE_VERSION);
	int fd, r = 0;

	if (abi < 1) /* not built in, or turned off at boot */
		return 0;
	fd = open_ruleset(role, (int)abi);
	if (fd < 0)
		return ERR_TRACE(fd);
	if (role->is_data_open && paths->data != NULL)
		r = ERR_TRACE(open_beneath(fd, paths->data, (int)abi));
	if (r == 0 && role->is_spool_open && paths->spool != NULL) {
		r = open_beneath(fd, paths->spool, (int)abi);
		r = r == -ENOENT ? 0 : r; /* then there is no file at all */
	}
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		r = ERR_ORIGIN(-errno);
	(void)close(fd);
	if (r == 0)
		report->landlock_abi = (int)abi;
	return r;
}

/* -- seccomp
 * ------------------------------------------------------------------- */

static int
allow_family(scmp_filter_ctx filter, const struct sandbox_family *family)
{
	for (size_t i = 0; i < family->n; i++) {
		const struct sandbox_call *call = &family->calls[i];
		int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
		    call->number, call->n_args, call->args);

		/* A call this architecture has not cannot be made. */
		if (r < 0 && r != -EDOM)
			return ERR_ORIGIN(r);
	}
	return 0;
}

/* abort() and raise() still work; nobody else can be reached. */
static int
allow_self(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sandbox_self_calls_n; i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
		    sandbox_self_calls[i], 1,
		    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));

		if (r < 0)
			return ERR_ORIGIN(r);
	}
	return 0;
}

static int
fill(scmp_filter_ctx filter, const struct sandbox_role *role)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < SANDBOX_FAMILIES; i++)
		if (role->families[i] != NULL)
			r = allow_family(filter, role->families[i]);
	return r < 0 ? r : allow_self(filter);
}

static int
close_seccomp(const struct sandbox_role *role, struct sandbox_report *report)
{
	scmp_filter_ctx filter;
	int r;

	if (prctl(PR_GET_SECCOMP) == -1 && errno == EINVAL) /* not built in */
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r = fill(filter, role);
	if (r == 0) {
		r = seccomp_load(filter);
		if (r < 0)
			r = ERR_ORIGIN(r);
	}
	seccomp_release(filter);
	report->seccomp = r == 0;
	return r;
}

int
sandbox_enter(struct env *env, enum wire_role which,
    const struct sandbox_paths *paths, struct sandbox_report *ret)
{
	const struct sandbox_role *role = &sandbox_roles[which];
	struct sandbox_report report = { 0 };
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return ERR_ORIGIN(-errno);
	report.no_new_privs = true;
	r = drop_capabilities(&report);
	if (r == 0)
		r = close_landlock(role, paths, &report);
	if (r == 0)
		r = ERR_TRACE(env_start_threads(env, role->lanes));
	if (r == 0)
		r = close_seccomp(role, &report);
	if (r == 0)
		*ret = report;
	return r;
}
