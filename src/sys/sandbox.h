/* SPDX-License-Identifier: ISC */
/*
 * sys/sandbox - closes what a role does not need, for good
 *
 * Called once, after prepare and before the first byte from outside. What each
 * role may still do stands in one table (sandbox_table.c). A kernel or
 * container that lacks a part gets the others; the report says what is in
 * force, and `ulak status` shows it.
 *
 * Landlock binds only the calling thread and those it starts later, so the
 * role's threads must not exist yet: sandbox_enter starts them, between
 * Landlock and seccomp. prepare() must not use env_work.
 */
#ifndef SYS_SANDBOX_H
#define SYS_SANDBOX_H

#include "sys/env.h"
#include "wire/messages.h"

struct sandbox_paths {
	const char *data;  /* the data directory, for the store */
	const char *spool; /* of local mail; need not be there */
};

struct sandbox_report {
	bool no_new_privs;
	bool no_capabilities;
	int landlock_abi; /* 0: not in force */
	bool seccomp;
};

/* 0, also when the kernel lacks something; -errno when a part that is there
 * could not be closed, after which the role must not go on. */
int sandbox_enter(struct env *env, enum wire_role role,
    const struct sandbox_paths *paths, struct sandbox_report *ret);

#endif
