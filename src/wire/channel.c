/* SPDX-License-Identifier: ISC */
/*
 * wire/channel - frames over one socketpair; see channel.h
 *
 * Out: frames gather in `out` and leave with one send at the end of the turn.
 * A descriptor must ride on the first byte of its frame, so the send is split
 * where a frame with one begins. In: the kernel hands a descriptor over at the
 * latest with the first byte of its frame, in order; they wait in fds_in until
 * the frame is whole.
 *
 * When sending fails, what waits is dropped and the reading side is left to
 * find the end: what the peer said before it died is still heard.
 */
#include "wire/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum {
	READ_SIZE = 64 * 1024,
	READS = 4 /* of one turn; the rest comes in the next */
};

struct channel_fd {
	size_t at; /* offset in `out` of its frame */
	int fd;
};

static void on_ready(struct env_watch *w, unsigned events);
static void on_turn_end(struct env_defer *d);

int
channel_open(struct channel *c, struct env *env, void *ctx, int fd,
    enum wire_role self, enum wire_role peer, uint32_t peer_instance,
    const struct channel_ops *ops)
{
	int r;

	memset(c, 0, sizeof(*c));
	c->env = env;
	c->ctx = ctx;
	c->self = self;
	c->peer = peer;
	c->peer_instance = peer_instance;
	c->ops = ops;
	c->max_in = LIMIT_FRAME;
	list_init(&c->link);
	c->flush.run = on_turn_end;
	list_init(&c->flush.link);
	buf_init(&c->in, WIRE_HEAD + LIMIT_FRAME + READ_SIZE);
	buf_init(&c->out, LIMIT_CHANNEL_OUT);
	r = env_watch_add(env, &c->watch, fd, ENV_READ, on_ready);
	if (r < 0) {
		env_close(env, fd, false);
		c->is_dead = true;
	}
	return r;
}

/* Gives everything back but leaves *c to be asked whether it is dead. */
static void
release(struct channel *c)
{
	if (c->is_dead)
		return;
	c->is_dead = true;
	env_watch_del(c->env, &c->watch);
	env_close(c->env, c->watch.fd, false);
	for (size_t i = 0; i < c->n_fds_out; i++)
		env_close(c->env, c->fds_out[i].fd, false);
	free(c->fds_out);
	c->fds_out = NULL;
	c->n_fds_out = 0;
	for (size_t i = 0; i < c->n_fds_in; i++)
		env_close(c->env, c->fds_in[i], false);
	c->n_fds_in = 0;
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	if (c->gone != NULL)
		*c->gone = true;
}

void
channel_close(struct channel *c)
{
	if (c->env == NULL) /* zeroed, never opened */
		return;
	release(c);
	env_defer_cancel(c->env, &c->flush);
}

bool
channel_is_dead(const struct channel *c)
{
	return c->is_dead;
}

bool
channel_is_full(const struct channel *c)
{
	bool is_full = c->out.len > LIMIT_CHANNEL_OUT / 2;

	/* The caller now waits for on_room. */
	if (is_full)
		((struct channel *)(uintptr_t)c)->was_full = true;
	return is_full;
}

/* on_closed comes from the end of the turn. */
static void
end_later(struct channel *c)
{
	release(c);
	env_defer(c->env, &c->flush);
}

void
channel_throw_out(struct channel *c, const char *why)
{
	if (c->is_dead)
		return;
	env_log(c->env, ENV_ERROR, "channel-thrown-out",
	    "peer=%s instance=%u why=\"%s\"", wire_role_name(c->peer),
	    c->peer_instance, why);
	end_later(c);
}

/* -- out ------------------------------------------------------------------- */

struct buf *
channel_out(struct channel *c)
{
	return &c->out;
}

size_t
channel_begin(struct channel *c)
{
	static const uint8_t head[WIRE_HEAD];
	size_t at = c->out.len;

	c->begin_r =
	    c->is_dead ? -EPIPE : buf_add(&c->out, slice_of(head, WIRE_HEAD));
	return at;
}

static int
add_fd(struct channel *c, size_t at, int fd)
{
	struct channel_fd *fds =
	    reallocarray(c->fds_out, c->n_fds_out + 1, sizeof(*fds));
	int copy;

	if (fds == NULL)
		return -ENOMEM;
	c->fds_out = fds;
	copy = env_dup(c->env, fd);
	if (copy < 0)
		return copy;
	fds[c->n_fds_out++] = (struct channel_fd){ at, copy };
	return 0;
}

/* A frame that is not sent may be one that somebody waits for: when the reason
 * is a peer that does not read, it goes. */
static int
drop_frame(struct channel *c, size_t at, int r)
{
	c->out.len = at;
	if (r == BUF_E_FULL && buf_room(&c->out) < WIRE_HEAD + LIMIT_FRAME)
		channel_throw_out(c, "does not read");
	return r;
}

int
channel_end(struct channel *c, size_t at, uint16_t type, uint64_t session,
    uint32_t ticket, int r, int fd)
{
	struct wire_head h = { .type = type,
		.n_fds = fd != -1,
		.session = session,
		.ticket = ticket };

	if (c->is_dead) {
		buf_deinit(&c->out);
		return -EPIPE;
	}
	assert(wire_may_send(c->self, c->peer, type));
	if (c->begin_r != 0)
		r = c->begin_r;
	if (r != 0)
		return drop_frame(c, at, r);
	if (fd != -1 && (r = add_fd(c, at, fd)) != 0)
		return drop_frame(c, at, r);
	h.len = (uint32_t)(c->out.len - at - WIRE_HEAD);
	wire_head_encode(&h, c->out.mem + c->out.at + at);
	env_defer(c->env, &c->flush);
	return 0;
}

static void
forget_out(struct channel *c, size_t n)
{
	buf_eat(&c->out, n);
	for (size_t i = 0; i < c->n_fds_out; i++)
		c->fds_out[i].at -= n;
}

/* Up to where the next frame with a descriptor begins, or all. */
static ssize_t
send_once(struct channel *c)
{
	struct iovec v = { c->out.mem + c->out.at, c->out.len };
	bool rides = c->n_fds_out > 0 && c->fds_out[0].at == 0;
	ssize_t n;

	if (c->n_fds_out > rides)
		v.iov_len = c->fds_out[rides].at;
	n = env_sendv_fds(c->env, c->watch.fd, &v, 1,
	    rides ? &c->fds_out[0].fd : NULL, rides);
	if (n > 0 && rides) {
		env_close(c->env, c->fds_out[0].fd, false);
		c->n_fds_out--;
		memmove(c->fds_out, c->fds_out + 1,
		    c->n_fds_out * sizeof(*c->fds_out));
	}
	if (n > 0)
		forget_out(c, (size_t)n);
	return n;
}

static void
drop_out(struct channel *c)
{
	for (size_t i = 0; i < c->n_fds_out; i++)
		env_close(c->env, c->fds_out[i].fd, false);
	c->n_fds_out = 0;
	buf_reset(&c->out, 0);
	c->is_broken = true;
}

/* A kernel without memory is no peer that is gone. */
static bool
is_for_later(ssize_t n)
{
	return n == -EAGAIN || n == -ENOBUFS || n == -ENOMEM;
}

static void
flush(struct channel *c)
{
	ssize_t n = 0;
	int r;

	if (c->is_broken)
		drop_out(c);
	while (c->out.len > 0 && (n = send_once(c)) > 0)
		;
	if (c->out.len > 0 && !is_for_later(n))
		drop_out(c);
	if (c->out.len == 0)
		buf_reset(&c->out, READ_SIZE);
	r = env_watch_want(c->env, &c->watch,
	    c->out.len > 0 ? ENV_READ | ENV_WRITE : ENV_READ);
	if (r < 0) {
		channel_throw_out(c, "cannot be watched");
		return;
	}
	if (c->was_full && c->out.len < LIMIT_CHANNEL_OUT / 4) {
		c->was_full = false;
		if (c->ops->on_room != NULL)
			c->ops->on_room(c); /* may close and free c */
	}
}

static void
on_turn_end(struct env_defer *d)
{
	struct channel *c = LIST_ENTRY(d, struct channel, flush);

	if (!c->is_dead)
		flush(c);
	else if (c->ops->on_closed != NULL)
		c->ops->on_closed(c); /* may free c */
}

/* -- in -------------------------------------------------------------------- */

static const char *
explain(int r)
{
	static const char *const why[] = {
		[WIRE_E_BAD] = "malformed frame",
		[WIRE_E_SENDER] = "frame it may not send",
		[WIRE_E_NOBODY] = "frame nobody handles",
	};

	return r >= WIRE_E_BAD && r <= WIRE_E_NOBODY ? why[r] : "frame refused";
}

static int
take_fd(struct channel *c)
{
	int fd = c->fds_in[0];

	c->n_fds_in--;
	memmove(c->fds_in, c->fds_in + 1, c->n_fds_in * sizeof(c->fds_in[0]));
	return fd;
}

/* The peer broke the rules, or its handler gave up on it. */
static void
refuse(struct channel *c, const struct wire_head *h, int r)
{
	env_log(c->env, ENV_ERROR, "frame-refused",
	    "peer=%s instance=%u type=%s error=%d", wire_role_name(c->peer),
	    c->peer_instance, wire_name(h->type), r);
	channel_throw_out(c, explain(r));
}

/* One frame at the front of `in`. False: no more now. The bytes belong to this
 * function while handlers run, so that closing the channel leaves them. */
static bool
take_frame(struct channel *c, struct slice *rest, const bool *gone)
{
	struct wire_head h;
	struct slice payload;
	int fd = -1, r;

	if (rest->len < WIRE_HEAD)
		return false;
	if (!wire_head_decode(rest->at, &h) || h.len > c->max_in) {
		channel_throw_out(c, "not a frame");
		return false;
	}
	if (rest->len - WIRE_HEAD < h.len)
		return false;
	if (h.n_fds > c->n_fds_in) {
		channel_throw_out(c, "descriptor missing");
		return false;
	}
	if (h.n_fds > 0)
		fd = take_fd(c);
	payload = slice_of(rest->at + WIRE_HEAD, h.len);
	*rest = slice_from(*rest, WIRE_HEAD + h.len);
	r = c->ops->dispatch(c, &h, payload, fd);
	if (r > 0 && fd != -1 && !*gone)
		env_close(c->env, fd, false);
	if (r != 0 && !*gone)
		refuse(c, &h, r);
	return !*gone;
}

/* False when the channel ended meanwhile; c may be freed then. */
static bool
take_frames(struct channel *c)
{
	struct buf in = c->in;
	struct slice rest = buf_slice(&in);
	bool gone = false;

	buf_init(&c->in, 0);
	c->gone = &gone;
	while (take_frame(c, &rest, &gone))
		;
	if (gone) {
		buf_deinit(&in);
		return false;
	}
	c->gone = NULL;
	buf_eat(&in, in.len - rest.len);
	c->in = in;
	return true;
}

/* How much more to ask for: the rest of a long frame, or a good read. */
static size_t
wanted(const struct channel *c)
{
	struct wire_head h;
	struct slice in = buf_slice(&c->in);
	size_t need;

	if (in.len < WIRE_HEAD || !wire_head_decode(in.at, &h))
		return READ_SIZE;
	need = WIRE_HEAD + h.len - in.len;
	return need > READ_SIZE ? need : READ_SIZE;
}

/* 1: read on; 0: enough for now; -errno: the end. */
static int
read_once(struct channel *c)
{
	size_t n = wanted(c), n_fds;
	int fds[ENV_FDS_MAX];
	uint8_t *at;
	ssize_t got;
	int r = buf_reserve(&c->in, n, &at);

	if (r != 0)
		return r < 0 ? r : -ENOBUFS;
	got = env_recv_fds(c->env, c->watch.fd, at, n, fds, &n_fds);
	if (got <= 0)
		return got == -EAGAIN ? 0 : got == 0 ? -EPIPE : (int)got;
	buf_grew(&c->in, (size_t)got);
	for (size_t i = 0; i < n_fds; i++) {
		if (c->n_fds_in < CHANNEL_FDS_IN)
			c->fds_in[c->n_fds_in++] = fds[i];
		else
			env_close(c->env, fds[i], false);
	}
	return (size_t)got == n;
}

static void
on_ready(struct env_watch *w, unsigned events)
{
	struct channel *c = LIST_ENTRY(w, struct channel, watch);
	int r = 1;

	if ((events & ENV_WRITE) != 0)
		env_defer(c->env, &c->flush);
	if ((events & ENV_READ) == 0)
		return;
	for (int i = 0; i < READS && r > 0; i++) {
		r = read_once(c);
		if (r >= 0 && !take_frames(c))
			return;
	}
	if (r < 0)
		end_later(c);
}
