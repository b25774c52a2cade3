/* SPDX-License-Identifier: ISC */
#include "cli/talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/table.h"

enum {
	READ_SIZE = 16 * 1024
};

int
talk_wait(int fd, unsigned wants, int timeout_ms)
{
	struct pollfd p = { .fd = fd };
	int r;

	p.events = (short)(((wants & ENV_READ) != 0 ? POLLIN : 0) |
	    ((wants & ENV_WRITE) != 0 ? POLLOUT : 0));
	do
		r = poll(&p, 1, timeout_ms);
	while (r == -1 && errno == EINTR);
	return r == -1 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

static ssize_t
send_some(struct talk *t, struct slice out)
{
	ssize_t n;

	if (t->tls != NULL)
		return tls_send(t->tls, out.at, out.len);
	n = send(t->fd, out.at, out.len, MSG_NOSIGNAL);
	return n == -1 ? -errno : n;
}

static ssize_t
receive_some(struct talk *t, void *at, size_t size)
{
	ssize_t n;

	if (t->tls != NULL)
		return tls_recv(t->tls, at, size);
	n = recv(t->fd, at, size, 0);
	return n == -1 ? -errno : n;
}

static int
time_limit_ms(const struct talk *t)
{
	static const int seconds[] = { [SMTP_TIME_NONE] = 300,
		[SMTP_TIME_GREETING] = 300,
		[SMTP_TIME_COMMAND] = 300,
		[SMTP_TIME_MAIL] = 300,
		[SMTP_TIME_RCPT] = 300,
		[SMTP_TIME_DATA] = 120,
		[SMTP_TIME_DATA_BLOCK] = 180,
		[SMTP_TIME_DOT] = 600 };

	return seconds[smtp_client_timeout(&t->client)] * 1000;
}

void
talk_transfer(struct talk *t)
{
	struct slice out = smtp_client_out(&t->client);
	uint8_t in[READ_SIZE];
	ssize_t n = -EAGAIN;
	unsigned wants = ENV_READ;
	bool has_moved = false;

	if (out.len > 0) {
		n = send_some(t, out);
		if (n > 0) {
			smtp_client_sent(&t->client, (size_t)n);
			has_moved = true;
		} else if (n == -EAGAIN) {
			wants |= ENV_WRITE;
		}
	}
	if (n >= 0 || n == -EAGAIN) {
		n = receive_some(t, in, sizeof(in));
		if (n > 0) {
			smtp_client_feed(&t->client, slice_of(in, (size_t)n));
			return;
		}
	}
	if (n != -EAGAIN) {
		smtp_client_lost(&t->client,
		    n == 0 ? "the server closed the connection"
			   : strerror((int)-n));
		return;
	}
	if (has_moved)
		return;
	if (t->tls != NULL)
		wants |= tls_wants(t->tls);
	if (talk_wait(t->fd, wants, time_limit_ms(t)) == -ETIMEDOUT)
		smtp_client_lost(&t->client, "the server says nothing");
}

int
talk_connect_local(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, r;

	if (!slice_to_cstr(slice_cstr(path), at.sun_path, sizeof(at.sun_path)))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

void
talk_show_dialogue(struct talk *t)
{
	struct slice rest = smtp_client_dialogue(&t->client), line;
	char clean[TABLE_CELL];

	while (slice_take_until(&rest, '\n', &line)) {
		if (slice_ends(line, SLICE("\r")))
			line = slice_upto(line, line.len - 1);
		table_clean(line, clean);
		(void)fprintf(stderr, "%s\n", clean);
	}
	smtp_client_dialogue_clear(&t->client);
}

struct slice
talk_find_id(struct slice text)
{
	struct id id;

	for (; text.len >= ID_TEXT; text = slice_from(text, 1))
		if (id_parse(slice_upto(text, ID_TEXT), &id))
			return slice_upto(text, ID_TEXT);
	return slice_of(NULL, 0);
}
