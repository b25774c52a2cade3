/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor/child - one child's life: start, ready, end, again
 *
 * A child is trusted with nothing: all that is read from it is READY, which
 * has no content. When its channel ends it gets GRACE to end by itself. One
 * that dies soon after its start is started again ever later.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/supervisor/impl.h"

#define GRACE (3 * TIME_SECOND)
#define FAST (10 * TIME_SECOND) /* a life shorter than this was no life */

static const int64_t delays[] = { 0, 100 * TIME_MS, 500 * TIME_MS,
	2 * TIME_SECOND, 5 * TIME_SECOND };

/* -- what it says -------------------------------------------------------------
 */

static int
on_ready(struct channel *ch, const struct wire_head *h,
    const struct wire_ready *m)
{
	struct child *c = ch->ctx;

	(void)h, (void)m;
	if (c->is_ready)
		return -EPROTO;
	c->is_ready = true;
	env_log(c->supervisor->env, ENV_DEBUG, "role-ready",
	    "name=%s instance=%u pid=%d", wire_role_name(c->role), c->instance,
	    (int)c->pid);
	supervisor_is_ready(c->supervisor);
	return 0;
}

static int
dispatch(struct channel *ch, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_supervisor_handlers to = { .ready = on_ready };

	return wire_dispatch_supervisor(&to, ch, ch->peer, h, payload, fd);
}

static void
on_lingers(struct env_timer *t)
{
	struct child *c = LIST_ENTRY(t, struct child, again);

	env_log(c->supervisor->env, ENV_WARN, "role-lingers", "name=%s pid=%d",
	    wire_role_name(c->role), (int)c->pid);
	child_kill(c);
}

static void
on_closed(struct channel *ch)
{
	struct child *c = ch->ctx;
	struct env *env = c->supervisor->env;

	if (c->pid == 0)
		return;
	c->again.fire = on_lingers;
	(void)env_timer_set(env, &c->again, env_now(env) + GRACE);
}

static const struct channel_ops ops = { .dispatch = dispatch,
	.on_closed = on_closed };

/* -- start -------------------------------------------------------------------
 */

static void
give_listeners(struct child *c)
{
	struct supervisor *s = c->supervisor;

	for (uint32_t i = 0; i < s->table.n_listeners; i++) {
		struct wire_listener m = { .service =
					       s->table.listeners[i].service,
			.port = s->table.listeners[i].port };

		if (supervisor_serves(c->role, m.service))
			(void)wire_send_listener(&c->channel, 0, 0, &m,
			    s->listeners[i][c->index]);
	}
	if (c->role == WIRE_CONTROL)
		(void)wire_send_listener(&c->channel, 0, 0,
		    &(struct wire_listener){ .service = SERVICE_CONTROL },
		    s->control_fd);
	if (c->role == WIRE_LOCAL)
		(void)wire_send_listener(&c->channel, 0, 0,
		    &(struct wire_listener){ .service = SERVICE_LOCAL },
		    s->local_fd);
}

static int
spawn_child(struct child *c, int channel_fd)
{
	struct supervisor *s = c->supervisor;
	struct spawn how = { .program = s->program,
		.role = wire_role_name(c->role),
		.config_path = s->config_path,
		.channel_fd = channel_fd,
		.config_fd = s->config_fd,
		.user = s->is_root ? &s->users[c->role] : NULL };

	return spawn_role(&how, &c->pid);
}

static int
try_start(struct child *c)
{
	struct supervisor *s = c->supervisor;
	struct wire_start start = { .instance = ++s->last_instance };
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		fds) == -1)
		return -errno;
	r = spawn_child(c, fds[1]);
	(void)close(fds[1]);
	if (r < 0) {
		(void)close(fds[0]);
		return r;
	}
	c->instance = s->last_instance;
	c->started = env_now(s->env);
	c->is_ready = false;
	r = channel_open(&c->channel, s->env, c, fds[0], WIRE_SUPERVISOR,
	    c->role, c->instance, &ops);
	if (r < 0) {
		child_kill(c);
		return 0; /* its end starts it again */
	}
	c->channel.max_in = 0;
	supervisor_join(s, c);
	give_listeners(c);
	(void)wire_send_start(&c->channel, 0, 0, &start);
	return 0;
}

static void
on_again(struct env_timer *t)
{
	child_start(LIST_ENTRY(t, struct child, again));
}

static void
start_later(struct child *c)
{
	struct env *env = c->supervisor->env;
	size_t last = sizeof(delays) / sizeof(delays[0]) - 1;
	int64_t delay = delays[c->n_fast < last ? c->n_fast : last];

	c->again.fire = on_again;
	(void)env_timer_set(env, &c->again, env_now(env) + delay);
}

void
child_start(struct child *c)
{
	int r = try_start(c);

	if (r == 0)
		return;
	env_log(c->supervisor->env, ENV_ERROR, "role-not-started",
	    "name=%s error=\"%s\"", wire_role_name(c->role), strerror(-r));
	c->n_fast++;
	start_later(c);
}

/* -- end ---------------------------------------------------------------------
 */

void
child_stop(struct child *c)
{
	const struct wire_stop stop = { 0 };

	if (c->pid != 0)
		(void)wire_send_stop(&c->channel, 0, 0, &stop);
	env_timer_stop(c->supervisor->env, &c->again);
}

void
child_kill(struct child *c)
{
	if (c->pid != 0)
		(void)kill(c->pid, SIGKILL);
}

static void
log_end(const struct child *c, int status)
{
	struct env *env = c->supervisor->env;
	bool is_fine = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    c->supervisor->is_stopping;

	env_log(env, is_fine ? ENV_INFO : ENV_ERROR, "role-ended",
	    "name=%s instance=%u pid=%d %s=%d lived=%lldms",
	    wire_role_name(c->role), c->instance, (int)c->pid,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    (long long)((env_now(env) - c->started) / TIME_MS));
}

void
child_ended(struct child *c, int status)
{
	struct supervisor *s = c->supervisor;
	bool was_ready = c->is_ready;

	log_end(c, status);
	env_timer_stop(s->env, &c->again);
	channel_close(&c->channel);
	c->pid = 0;
	c->is_ready = false;
	c->n_fast = env_now(s->env) - c->started < FAST ? c->n_fast + 1 : 0;
	if (s->is_stopping)
		return;
	if (!was_ready && WIFEXITED(status) &&
	    WEXITSTATUS(status) == ROLE_EXIT_CONFIG)
		supervisor_end(s, ROLE_EXIT_CONFIG);
	else
		start_later(c);
}
