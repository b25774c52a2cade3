/* SPDX-License-Identifier: ISC */
/*
 * roles/role - how every role but the supervisor begins, lives and ends
 *
 * role_run: prepare() while files may still be opened and libraries loaded;
 * then the sandbox of the role closes; then the supervisor's messages give it
 * peers and listeners; START calls started() and answers READY. The end of the
 * supervisor's channel ends the role, at once.
 */
#ifndef ROLES_ROLE_H
#define ROLES_ROLE_H

#include "config/settings.h"
#include "sys/env.h"
#include "sys/sandbox.h"
#include "wire/channel.h"

struct role;

enum {
	ROLE_EXIT_TROUBLE = 1, /* try again: the supervisor restarts it */
	ROLE_EXIT_CONFIG = 78 /* EX_CONFIG: no restart helps, the server ends */
};

struct role_ops {
	enum wire_role self;
	/* Before the sandbox; must not use env_work (sys/sandbox.h). 0, or
	 * -errno or a ROLE_EXIT_ status, which ends the role. May be NULL. */
	int (*prepare)(struct role *r);
	/* A channel to `peer`: the role allocates its struct channel and opens
	 * it, or closes fd. After a peer's death this comes again. */
	void (*on_peer)(struct role *r, enum wire_role peer, uint32_t instance,
	    unsigned purpose, int fd);
	/* A listening socket; the role owns fd. May be NULL. */
	void (*on_listener)(struct role *r, unsigned service, uint16_t port,
	    int fd);
	/* All peers and listeners of the start are there; READY follows.
	 * Returns like prepare; may be NULL. */
	int (*started)(struct role *r);
	/* A graceful end is wanted: finish and call env_stop. NULL: at once. */
	void (*stop)(struct role *r);
	void (*deinit)(struct role *r); /* after the loop; may be NULL */
};

struct role {
	struct env *env;
	const struct settings *settings;
	const struct role_ops *ops;
	void *ctx;         /* the role's own state */
	uint32_t instance; /* known from START on */
	struct channel supervisor;
	int exit_status; /* what role_run will return */
	bool is_started;
	struct sandbox_report sandbox; /* what is in force */
};

/* Ends the loop, with this status for the process. */
void role_end(struct role *r, int exit_status);
/* The one named so, or NULL: "store", "keeper", ... */
typedef int role_main_fn(struct env *env, const struct settings *s,
    int supervisor_fd);
role_main_fn *role_find(const char *name);

/* Runs until the end; returns the exit status of the process. `ctx` is the
 * role's zeroed state. Takes over supervisor_fd; when that is -1, nobody tells
 * it anything (tests call the ops themselves) and no sandbox closes. */
int role_run(struct env *env, const struct settings *settings,
    int supervisor_fd, const struct role_ops *ops, void *ctx);

/* A small file of this machine, before the sandbox closes: *ret_len bytes, at
 * most `size`. path: absolute. 0, -EFBIG or -errno. */
int role_read_file(struct env *env, const char *path, uint8_t *at, size_t size,
    size_t *ret_len);

/* One a role: what `ulak role NAME` calls. */
int role_store(struct env *env, const struct settings *s, int supervisor_fd);
int role_keeper(struct env *env, const struct settings *s, int supervisor_fd);
int role_resolver(struct env *env, const struct settings *s, int supervisor_fd);
int role_courier(struct env *env, const struct settings *s, int supervisor_fd);
int role_control(struct env *env, const struct settings *s, int supervisor_fd);
int role_mx(struct env *env, const struct settings *s, int supervisor_fd);
int role_local(struct env *env, const struct settings *s, int supervisor_fd);
int role_hook(struct env *env, const struct settings *s, int supervisor_fd);
int role_fetcher(struct env *env, const struct settings *s, int supervisor_fd);
int role_sorter(struct env *env, const struct settings *s, int supervisor_fd);
int role_user(struct env *env, const struct settings *s, int supervisor_fd);

#endif
