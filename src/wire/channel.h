/* SPDX-License-Identifier: ISC */
/*
 * wire/channel - one socketpair between two roles
 *
 * Frames (messages.def) go out through a buffer that is written once a loop
 * turn, however many were sent in it; what arrives is decoded, checked against
 * the table of who may send what, and given to the handler for its type. A
 * frame that is not of its form ends the channel, not the process; from the
 * supervisor it ends the process.
 *
 * A channel belongs to one loop. Sessions keep the pointer only as long as
 * on_closed has not been called for it.
 */
#ifndef WIRE_CHANNEL_H
#define WIRE_CHANNEL_H

#include "sys/env.h"
#include "wire/messages.h"

enum { PEER_CHANNEL, PEER_SIGNING }; /* PEER.purpose */

/* Descriptors that came before the frame they belong to is whole. */
enum { CHANNEL_FDS_IN = 2 * ENV_FDS_MAX };

struct channel_ops {
	/* wire_dispatch_ROLE with the role's own handlers. What a handler
	 * returns: 0, or -errno, which ends the channel (a positive return
	 * means that no handler ran). A handler may close the channel and free
	 * it; the message's slices stay valid until it returns. A descriptor
	 * is the handler's from its call on. */
	int (*dispatch)(struct channel *c, const struct wire_head *h,
	    struct slice payload, int fd);
	/* The peer is gone or was thrown out. The channel is dead already.
	 * Called from the end of a loop turn, never from inside a call into
	 * the channel; *c may be freed here. */
	void (*on_closed)(struct channel *c);
	/* What waited to be sent fell below a quarter of LIMIT_CHANNEL_OUT
	 * after channel_is_full had said true; from the end of a turn, too.
	 * May be NULL. */
	void (*on_room)(struct channel *c);
};

struct channel {
	struct env *env;
	void *ctx; /* the role */
	enum wire_role self, peer;
	uint32_t peer_instance;
	const struct channel_ops *ops;
	struct list link; /* the role's, to keep its channels in a list */
	void *peer_state; /* the role's, for what belongs to this peer */
	uint32_t max_in;  /* longest payload taken; LIMIT_FRAME until changed */
	/* channel.c's own */
	struct env_watch watch;
	struct env_defer flush;
	struct buf in, out;
	struct channel_fd *fds_out; /* where in `out` they ride */
	size_t n_fds_out;
	int fds_in[CHANNEL_FDS_IN];
	size_t n_fds_in;
	int begin_r;
	bool *gone; /* set while handlers run: told when c is closed */
	bool is_dead, was_full, is_broken;
};

/* Takes over fd. 0, or -errno (fd is closed then, too). */
int channel_open(struct channel *c, struct env *env, void *ctx, int fd,
    enum wire_role self, enum wire_role peer, uint32_t peer_instance,
    const struct channel_ops *ops);
/* Closes at once, without on_closed. What was not flushed is lost. */
void channel_close(struct channel *c);
bool channel_is_dead(const struct channel *c);
/* More waits than half of LIMIT_CHANNEL_OUT: pause whoever makes it. */
bool channel_is_full(const struct channel *c);
/* Ends the channel for a reason that goes to the log; on_closed follows. */
void channel_throw_out(struct channel *c, const char *why);

/* For the generated wire_send_*: encode into channel_out between begin and
 * end. end drops the frame when `r` is not 0 and returns it; a dead channel
 * swallows frames and returns -EPIPE. A peer that lets LIMIT_CHANNEL_OUT fill
 * up is thrown out. `fd` is duplicated or -1. */
struct buf *channel_out(struct channel *c);
size_t channel_begin(struct channel *c);
int channel_end(struct channel *c, size_t at, uint16_t type, uint64_t session,
    uint32_t ticket, int r, int fd);

#endif
