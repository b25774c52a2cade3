/* SPDX-License-Identifier: ISC */
/*
 * cli/sendmail_session - `sendmail -bs`: SMTP on standard input and output
 *
 * With a server up, its own session: bytes go to and fro. Without one the same
 * pure session runs here, takes every recipient, and leaves each message in
 * the spool, where its fate is decided later.
 *
 * A program that ends its first line in LF alone has lines of Unix: each of
 * its LFs is made CRLF. This is decided once; nobody may do now this, now that.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/sendmail.h"
#include "cli/talk.h"
#include "smtp/server.h"

enum {
	STEP = 16 * 1024,
	GREETING_MS = 10 * 1000,
	HEADER_ROOM = 64 * 1024
};

static int
write_out(int fd, struct slice s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.at, s.len);

		if (n == -1 && errno == EAGAIN)
			(void)talk_wait(fd, ENV_WRITE, -1);
		else if (n == -1 && errno != EINTR)
			return -errno;
		else if (n > 0)
			s = slice_from(s, (size_t)n);
	}
	return 0;
}

/* -- line ends --------------------------------------------------------------
 */

struct ends {
	bool is_known, is_lf;
	uint8_t last;
};

/* `to` has room for twice as much. */
static size_t
mend_ends(struct ends *e, struct slice in, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.at[i];

		if (c == '\n' && !e->is_known) {
			e->is_known = true;
			e->is_lf = e->last != '\r';
		}
		if (c == '\n' && e->is_lf)
			to[n++] = '\r';
		to[n++] = e->last = c;
	}
	return n;
}

/* What was read of standard input, with its line ends mended; 0: its end. */
static ssize_t
read_in(struct ends *e, uint8_t to[STEP])
{
	uint8_t bytes[STEP / 2];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	return n <= 0 ? n
		      : (ssize_t)mend_ends(e, slice_of(bytes, (size_t)n), to);
}

/* -- a server that is up ----------------------------------------------------
 */

/* One way; false at its end. `e`: it is standard input. */
static bool
pass(int from, int to, struct ends *e)
{
	uint8_t bytes[STEP];
	ssize_t n =
	    e != NULL ? read_in(e, bytes) : read(from, bytes, sizeof(bytes));

	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return true;
	return n > 0 && write_out(to, slice_of(bytes, (size_t)n)) == 0;
}

static int
pass_all(int fd)
{
	struct ends ends = { 0 };
	struct pollfd ways[2] = { { STDIN_FILENO, POLLIN, 0 },
		{ fd, POLLIN, 0 } };

	for (;;) {
		if (poll(ways, 2, -1) == -1) {
			if (errno == EINTR)
				continue;
			return EX_OSERR;
		}
		if (ways[1].revents != 0 && !pass(fd, STDOUT_FILENO, NULL))
			return EX_OK;
		if (ways[0].revents != 0 && !pass(STDIN_FILENO, fd, &ends)) {
			(void)shutdown(fd, SHUT_WR);
			ways[0].fd = -1;
		}
	}
}

/* -- no server --------------------------------------------------------------
 */

struct session {
	struct smtp_server s;
	const struct settings *settings;
	struct slice rcpts[LIMIT_SMTP_RCPTS];
	size_t n_rcpts;
	struct arena arena;
	struct buf body;
	bool has_failed, is_over;
};

static void act(struct session *x, const struct smtp_effect *e);

static void
answer(struct session *x, struct verdict v)
{
	struct smtp_effect e;

	smtp_server_answer(&x->s, &v, &e);
	act(x, &e);
}

static void
forget(struct session *x)
{
	x->n_rcpts = 0;
	arena_reset(&x->arena);
	buf_reset(&x->body, 0);
}

static void
do_rcpt(struct session *x)
{
	if (x->n_rcpts == LIMIT_SMTP_RCPTS ||
	    !arena_copy(&x->arena, slice_cstr(x->s.rcpt),
		&x->rcpts[x->n_rcpts])) {
		answer(x, VERDICT(452, 4, 5, 3, "too many recipients"));
		return;
	}
	x->n_rcpts++;
	answer(x, VERDICT(250, 2, 1, 5, ""));
}

static void
do_body(struct session *x, struct slice body)
{
	struct slice part;

	while (smtp_server_body_part(&x->s, &body, &part))
		if (buf_add(&x->body, part) != 0)
			x->has_failed = true;
}

static void
do_commit(struct session *x)
{
	struct sendmail_mail mail = { .sender = slice_cstr(x->s.sender),
		.rcpts = x->rcpts,
		.n_rcpts = x->n_rcpts };
	int r = -ENOMEM;

	do_body(x, (struct slice){ 0 });
	mail.body = buf_slice(&x->body);
	mail.is_8bit = !slice_is_ascii(mail.body);
	mail.is_utf8 = !slice_is_ascii(mail.sender);
	for (size_t i = 0; i < x->n_rcpts; i++)
		mail.is_utf8 = mail.is_utf8 || !slice_is_ascii(x->rcpts[i]);
	if (!x->has_failed)
		r = sendmail_spool(x->settings->local_spool, &mail);
	answer(x,
	    r == 0 ? VERDICT(250, 2, 0, 0, "left until the server is up")
		   : verdict_trouble());
	forget(x);
}

static void
act(struct session *x, const struct smtp_effect *e)
{
	if (e->begins_body) {
		x->has_failed = false;
		buf_reset(&x->body, 0);
	}
	if (e->body.len > 0)
		do_body(x, e->body);
	if (write_out(STDOUT_FILENO, e->say) != 0)
		x->is_over = true;
	switch ((enum smtp_do)e->todo) {
	case SMTP_DO_RCPT:
		do_rcpt(x);
		break;
	case SMTP_DO_CONNECT:
	case SMTP_DO_HELO:
	case SMTP_DO_MAIL:
	case SMTP_DO_DATA:
		answer(x, VERDICT(250, 0, 0, 0, ""));
		break;
	case SMTP_DO_COMMIT:
		do_commit(x);
		break;
	case SMTP_DO_DROP:
		forget(x);
		break;
	case SMTP_DO_CLOSE:
		x->is_over = true;
		break;
	default:
		break;
	}
}

static void
feed(struct session *x, struct buf *in)
{
	struct smtp_effect e;
	size_t n = 1;

	while (n > 0 && !x->is_over && in->len > 0 &&
	    smtp_server_wants_input(&x->s)) {
		n = smtp_server_step(&x->s, buf_slice(in), &e);
		act(x, &e);
		buf_eat(in, n);
	}
}

static int
converse(struct session *x)
{
	struct smtp_effect e;
	struct ends ends = { 0 };
	struct buf in;
	uint8_t *at;
	ssize_t n;

	buf_init(&in, LIMIT_CONN_IN);
	smtp_server_start(&x->s, &e);
	act(x, &e);
	while (!x->is_over && buf_room(&in) >= STEP &&
	    buf_reserve(&in, STEP, &at) == 0) {
		n = read_in(&ends, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_grew(&in, (size_t)n);
		feed(x, &in);
	}
	buf_deinit(&in);
	return EX_OK;
}

static int
run_alone(const struct settings *settings)
{
	struct session *x = calloc(1, sizeof(*x));
	const struct smtp_server_config config = { .kind = SMTP_LOCAL,
		.hostname = settings->hostname,
		/* The spool keeps an envelope and nothing else. */
		.withheld = SMTP_EXT_ALL &
		    ~(unsigned)(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME |
			SMTP_EXT_SMTPUTF8 | SMTP_EXT_CHUNKING),
		.max_size = settings->max_size };
	int r;

	if (x == NULL)
		return EX_TEMPFAIL;
	x->settings = settings;
	arena_init(&x->arena, (size_t)2 * LIMIT_SMTP_RCPTS * LIMIT_ADDRESS);
	buf_init(&x->body, settings->max_size + HEADER_ROOM);
	smtp_server_init(&x->s, &config);
	r = converse(x);
	forget(x);
	buf_deinit(&x->body);
	free(x);
	return r;
}

int
sendmail_session(const struct settings *settings)
{
	int fd = talk_connect_local(settings->local_socket), r;

	if (fd >= 0 && talk_wait(fd, ENV_READ, GREETING_MS) == 0)
		r = pass_all(fd);
	else
		r = run_alone(settings);
	if (fd >= 0)
		(void)close(fd);
	return r;
}
