/* SPDX-License-Identifier: ISC */
/*
 * roles/role - how every role but the supervisor begins, lives and ends
 *
 * The supervisor is the more privileged side: a frame of its that is not well
 * formed ends the process, and so does the end of its channel. Descriptors it
 * gives belong to the role once its op has been called.
 */
#include "roles/role.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

void
role_end(struct role *r, int exit_status)
{
	r->exit_status = exit_status;
	env_stop(r->env);
}

/* What prepare and started return becomes the end of the process. */
static int
status_of(struct role *r, const char *step, int result)
{
	if (result >= 0)
		return result;
	env_log(r->env, ENV_ERROR, "role-failed",
	    "step=%s error=\"%s\" at=\"%s\"", step, strerror(-result),
	    err_trace_text());
	return ROLE_EXIT_TROUBLE;
}

/* -- the supervisor's messages -----------------------------------------------
 */

static int
on_peer(struct role *r, struct slice payload, int fd)
{
	struct wire_peer m;

	if (wire_decode_peer(payload, &m) != WIRE_OK || fd == -1 ||
	    m.role >= WIRE_N_ROLES)
		return WIRE_E_BAD;
	if (r->ops->on_peer == NULL) {
		env_close(r->env, fd, false);
		return 0;
	}
	r->ops->on_peer(r, m.role, m.instance, m.purpose, fd);
	return 0;
}

static int
on_listener(struct role *r, struct slice payload, int fd)
{
	struct wire_listener m;

	if (wire_decode_listener(payload, &m) != WIRE_OK || fd == -1)
		return WIRE_E_BAD;
	if (r->ops->on_listener == NULL) {
		env_close(r->env, fd, false);
		return 0;
	}
	r->ops->on_listener(r, m.service, m.port, fd);
	return 0;
}

static int
on_start(struct role *r, struct slice payload, int fd)
{
	const struct wire_ready ready = { 0 };
	struct wire_start m;
	int status;

	(void)fd;
	if (wire_decode_start(payload, &m) != WIRE_OK || r->is_started)
		return WIRE_E_BAD;
	r->is_started = true;
	r->instance = m.instance;
	status = r->ops->started == NULL
	    ? 0
	    : status_of(r, "start", r->ops->started(r));
	if (status != 0) {
		role_end(r, status);
		return 0;
	}
	return wire_send_ready(&r->supervisor, 0, 0, &ready);
}

static int
on_stop(struct role *r, struct slice payload, int fd)
{
	struct wire_stop m;

	(void)fd;
	if (wire_decode_stop(payload, &m) != WIRE_OK)
		return WIRE_E_BAD;
	if (r->ops->stop != NULL && r->is_started)
		r->ops->stop(r);
	else
		env_stop(r->env);
	return 0;
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static int (*const handlers[WIRE_N_TYPES])(struct role *, struct slice,
	    int) = {
		[WIRE_PEER] = on_peer,
		[WIRE_LISTENER] = on_listener,
		[WIRE_START] = on_start,
		[WIRE_STOP] = on_stop,
	};
	struct role *r = c->ctx;

	if (!wire_may_send(WIRE_SUPERVISOR, r->ops->self, h->type))
		return WIRE_E_SENDER;
	return handlers[h->type] == NULL ? WIRE_E_NOBODY
					 : handlers[h->type](r, payload, fd);
}

static void
on_supervisor_closed(struct channel *c)
{
	struct role *r = c->ctx;

	env_log(r->env, ENV_WARN, "supervisor-gone", "role=%s",
	    wire_role_name(r->ops->self));
	role_end(r, ROLE_EXIT_TROUBLE);
}

static const struct channel_ops supervisor_ops = { .dispatch = dispatch,
	.on_closed = on_supervisor_closed };

/* -- a life
 * -------------------------------------------------------------------- */

static int
close_sandbox(struct role *r)
{
	struct sandbox_paths paths = { .data = r->settings->data,
		.spool = r->settings->local_spool };
	int n;

	if (!r->settings->sandbox) {
		env_log(r->env, ENV_WARN, "sandbox-off",
		    "reason=\"server.sandbox is false\"");
		return 0;
	}
	n = sandbox_enter(r->env, r->ops->self, &paths, &r->sandbox);
	if (n == 0)
		env_log(r->env,
		    r->sandbox.seccomp && r->sandbox.landlock_abi > 0
			? ENV_INFO
			: ENV_WARN,
		    "sandbox", "seccomp=%s landlock_abi=%d",
		    r->sandbox.seccomp ? "yes" : "no", r->sandbox.landlock_abi);
	return n;
}

/* Without a supervisor several roles may share the process: no sandbox. */
static int
begin(struct role *r, int supervisor_fd)
{
	int n = r->ops->prepare == NULL
	    ? 0
	    : status_of(r, "prepare", r->ops->prepare(r));

	if (supervisor_fd == -1)
		return n;
	if (n == 0)
		n = status_of(r, "sandbox", close_sandbox(r));
	if (n != 0) {
		env_close(r->env, supervisor_fd, false);
		return n;
	}
	return status_of(r, "supervisor",
	    channel_open(&r->supervisor, r->env, r, supervisor_fd, r->ops->self,
		WIRE_SUPERVISOR, 0, &supervisor_ops));
}

int
role_run(struct env *env, const struct settings *settings, int supervisor_fd,
    const struct role_ops *ops, void *ctx)
{
	struct role r = {
		.env = env, .settings = settings, .ops = ops, .ctx = ctx
	};

	r.exit_status = begin(&r, supervisor_fd);
	if (r.exit_status == 0) {
		int n = env_run(env);

		if (n < 0)
			r.exit_status = status_of(&r, "loop", n);
	}
	channel_close(&r.supervisor);
	if (ops->deinit != NULL)
		ops->deinit(&r);
	return r.exit_status;
}

int
role_read_file(struct env *env, const char *path, uint8_t *at, size_t size,
    size_t *ret_len)
{
	const char *slash = strrchr(path, '/');
	char folder[SETTINGS_PATH];
	struct env_dir *dir;
	struct env_file *f;
	uint64_t n = 0;
	ssize_t got;
	int r;

	(void)slice_to_cstr(slice_of(path, (size_t)(slash - path) + 1), folder,
	    sizeof(folder));
	r = env_dir_open(env, folder, &dir);
	if (r < 0)
		return r;
	r = env_file_open(dir, slash + 1, ENV_FILE_READ, &f);
	if (r == 0) {
		r = env_file_size(f, &n);
		if (r == 0 && n > size)
			r = -EFBIG;
		got = r == 0 ? env_file_pread(f, at, (size_t)n, 0) : 0;
		env_file_close(f);
		if (got < 0)
			r = (int)got;
		*ret_len = got > 0 ? (size_t)got : 0;
	}
	env_dir_close(dir);
	return r;
}
