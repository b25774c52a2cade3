/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor - starts the roles, joins them, and starts them again
 *
 * Talks to: its children; START, PEER and so on out, only READY (no content)
 * in. Takes nothing of variable length from them.
 *
 * May touch: everything; it is root where the others change their user. So it
 * parses nothing, and stays small: this folder and sys/spawn, sys/listen.
 *
 * If it dies: the roles die with it (PR_SET_PDEATHSIG, and their channel ends);
 * whoever started it starts it again.
 *
 * The end comes in phases, so that each role finds those it needs: fronts,
 * then courier, hook, fetcher, sorter and control, then store, keeper and
 * resolver.
 */
#include "roles/supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/supervisor/impl.h"

enum {
	PHASES = 3
};

/* Fronts may take as long as RFC 5321 4.5.3.2.6's client waits least; 10 s is
 * what operators bear. */
static const int64_t patience[PHASES] = { 10 * TIME_SECOND, 5 * TIME_SECOND,
	10 * TIME_SECOND };

static unsigned
phase_of(enum wire_role role)
{
	if (role == WIRE_MX || role == WIRE_USER || role == WIRE_LOCAL)
		return 0;
	return role == WIRE_COURIER || role == WIRE_CONTROL ||
		role == WIRE_HOOK || role == WIRE_FETCHER || role == WIRE_SORTER
	    ? 1
	    : 2;
}

/* -- who talks to whom --------------------------------------------------------
 */

static const struct link {
	enum wire_role a, b;
	uint8_t purpose;
} links[] = {
	{ WIRE_STORE, WIRE_MX, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_USER, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_LOCAL, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_COURIER, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_KEEPER, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_CONTROL, PEER_CHANNEL },
	{ WIRE_KEEPER, WIRE_USER, PEER_CHANNEL },
	{ WIRE_KEEPER, WIRE_CONTROL, PEER_CHANNEL },
	{ WIRE_KEEPER, WIRE_COURIER, PEER_CHANNEL },
	{ WIRE_KEEPER, WIRE_MX, PEER_SIGNING },
	{ WIRE_KEEPER, WIRE_USER, PEER_SIGNING },
	{ WIRE_RESOLVER, WIRE_COURIER, PEER_CHANNEL },
	{ WIRE_RESOLVER, WIRE_MX, PEER_CHANNEL },
	{ WIRE_RESOLVER, WIRE_USER, PEER_CHANNEL },
	{ WIRE_RESOLVER, WIRE_CONTROL, PEER_CHANNEL },
	{ WIRE_HOOK, WIRE_MX, PEER_CHANNEL },
	{ WIRE_HOOK, WIRE_USER, PEER_CHANNEL },
	{ WIRE_HOOK, WIRE_CONTROL, PEER_CHANNEL },
	{ WIRE_FETCHER, WIRE_COURIER, PEER_CHANNEL },
	{ WIRE_FETCHER, WIRE_CONTROL, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_FETCHER, PEER_CHANNEL },
	{ WIRE_RESOLVER, WIRE_FETCHER, PEER_CHANNEL },
	{ WIRE_STORE, WIRE_SORTER, PEER_CHANNEL },
};

static void
tell_peer(struct child *to, const struct child *of, uint8_t purpose, int fd)
{
	struct wire_peer m = { .role = (uint8_t)of->role,
		.instance = of->instance,
		.purpose = purpose };

	(void)wire_send_peer(&to->channel, 0, 0, &m, fd);
}

static void
join_two(struct child *a, struct child *b, uint8_t purpose)
{
	int type = purpose == PEER_SIGNING ? SOCK_SEQPACKET : SOCK_STREAM;
	struct supervisor *s = a->supervisor;
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) ==
	    -1) {
		env_log(s->env, ENV_ERROR, "not-joined",
		    "a=%s b=%s error=\"%s\"", wire_role_name(a->role),
		    wire_role_name(b->role), strerror(errno));
		return;
	}
	tell_peer(a, b, purpose, fds[0]);
	tell_peer(b, a, purpose, fds[1]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

void
supervisor_join(struct supervisor *s, struct child *c)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		const struct link *l = &links[i];

		if (l->a != c->role && l->b != c->role)
			continue;
		for (size_t k = 0; k < s->n_children; k++) {
			struct child *other = &s->children[k];

			if (other != c && other->pid != 0 &&
			    !channel_is_dead(&other->channel) &&
			    other->role == (l->a == c->role ? l->b : l->a))
				join_two(c, other, l->purpose);
		}
	}
}

/* -- ready, and the end
 * --------------------------------------------------------- */

void
supervisor_is_ready(struct supervisor *s)
{
	if (s->was_ready)
		return;
	for (size_t i = 0; i < s->n_children; i++)
		if (!s->children[i].is_ready)
			return;
	s->was_ready = true;
	env_log(s->env, ENV_INFO, "ready", "pid=%d roles=%zu", (int)getpid(),
	    s->n_children);
}

static size_t
count_running(const struct supervisor *s, unsigned phase)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_children; i++)
		n += phase_of(s->children[i].role) == phase &&
		    s->children[i].pid != 0;
	return n;
}

static void
for_phase(struct supervisor *s, unsigned phase, void (*act)(struct child *))
{
	for (size_t i = 0; i < s->n_children; i++)
		if (phase_of(s->children[i].role) == phase)
			act(&s->children[i]);
}

static void
enter_phase(struct supervisor *s)
{
	for_phase(s, s->phase, child_stop);
	(void)env_timer_set(s->env, &s->patience,
	    env_now(s->env) + patience[s->phase]);
}

/* The last of a phase has ended. */
static void
advance(struct supervisor *s)
{
	while (s->phase < PHASES && count_running(s, s->phase) == 0)
		if (++s->phase < PHASES)
			enter_phase(s);
	if (s->phase == PHASES)
		env_stop(s->env);
}

static void
on_patience(struct env_timer *t)
{
	struct supervisor *s = LIST_ENTRY(t, struct supervisor, patience);

	env_log(s->env, ENV_WARN, "end-forced", "phase=%u running=%zu",
	    s->phase, count_running(s, s->phase));
	for_phase(s, s->phase, child_kill);
}

void
supervisor_end(struct supervisor *s, int exit_status)
{
	if (s->is_stopping)
		return;
	s->is_stopping = true;
	s->exit_status = exit_status;
	env_log(s->env, ENV_INFO, "ending", "status=%d", exit_status);
	for (size_t i = 0; i < s->n_children; i++)
		env_timer_stop(s->env, &s->children[i].again);
	enter_phase(s);
	advance(s);
}

/* -- signals ------------------------------------------------------------------
 */

static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < s->n_children; i++)
			if (s->children[i].pid == pid) {
				child_ended(&s->children[i], status);
				break;
			}
	if (s->is_stopping)
		advance(s);
}

/* A second one means: now. */
static void
on_end_signal(struct supervisor *s)
{
	if (s->is_stopping)
		for (unsigned phase = 0; phase < PHASES; phase++)
			for_phase(s, phase, child_kill);
	supervisor_end(s, 0);
}

static void
on_hangup(struct supervisor *s)
{
	env_log(s->env, ENV_WARN, "no-reload",
	    "hint=\"stop and start the server to use a changed file\"");
}

static const struct {
	int number;
	void (*run)(struct supervisor *s);
} signals[] = {
	{ SIGCHLD, reap },
	{ SIGTERM, on_end_signal },
	{ SIGINT, on_end_signal },
	{ SIGHUP, on_hangup },
};
enum {
	N_SIGNALS = sizeof(signals) / sizeof(signals[0])
};

static void
on_signals(struct env_watch *w, unsigned events)
{
	struct supervisor *s = LIST_ENTRY(w, struct supervisor, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
		for (size_t i = 0; i < N_SIGNALS; i++)
			if (signals[i].number == (int)info.ssi_signo)
				signals[i].run(s);
}

static int
open_signals(struct supervisor *s)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < N_SIGNALS; i++)
		(void)sigaddset(&mask, signals[i].number);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd == -1)
		return -errno;
	return env_watch_add(s->env, &s->signals, s->signal_fd, ENV_READ,
	    on_signals);
}

/* -- a life -------------------------------------------------------------------
 */

static void
add_child(struct supervisor *s, enum wire_role role, unsigned index)
{
	s->children[s->n_children++] =
	    (struct child){ .supervisor = s, .role = role, .index = index };
}

static void
add_children(struct supervisor *s)
{
	static const enum wire_role single[] = { WIRE_STORE, WIRE_KEEPER,
		WIRE_RESOLVER, WIRE_COURIER, WIRE_FETCHER, WIRE_SORTER,
		WIRE_CONTROL, WIRE_LOCAL };

	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		add_child(s, single[i], 0);
	if (s->table.has_hooks)
		add_child(s, WIRE_HOOK, 0);
	for (unsigned i = 0; i < s->table.fronts; i++) {
		add_child(s, WIRE_MX, i);
		add_child(s, WIRE_USER, i);
	}
}

static int
live(struct supervisor *s)
{
	struct env_posix_options o = { .role = "supervisor",
		.log_level = s->table.log_level };
	int r = env_posix_new(&o, &s->env);

	if (r < 0)
		return ROLE_EXIT_TROUBLE;
	s->patience.fire = on_patience;
	add_children(s);
	r = open_signals(s);
	if (r == 0) {
		env_log(s->env, ENV_INFO, "starting",
		    "version=" ULAK_VERSION " pid=%d", (int)getpid());
		for (size_t i = 0; i < s->n_children; i++)
			child_start(&s->children[i]);
		r = env_run(s->env);
	}
	for (size_t i = 0; i < s->n_children; i++) {
		child_kill(&s->children[i]);
		channel_close(&s->children[i].channel);
	}
	env_log(s->env, ENV_INFO, "ended", "status=%d",
	    r < 0 ? ROLE_EXIT_TROUBLE : s->exit_status);
	if (s->signal_fd != -1) {
		env_watch_del(s->env, &s->signals);
		(void)close(s->signal_fd);
	}
	env_posix_free(s->env);
	return r < 0 ? ROLE_EXIT_TROUBLE : s->exit_status;
}

/* Between the start of the roles and their READY it holds both ends of all
 * their channels: more than a soft limit of 64 lets it have. */
static void
raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int
supervisor_run(const char *config_path,
    const struct supervisor_options *options)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int status;

	if (s == NULL)
		return ROLE_EXIT_TROUBLE;
	s->program = options != NULL ? options->program : NULL;
	s->config_path = config_path;
	s->config_fd = s->control_fd = s->local_fd = s->signal_fd = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	raise_limit();
	status = supervisor_begin(s);
	if (status == 0)
		status = live(s);
	supervisor_close_listeners(s);
	free(s);
	return status;
}
