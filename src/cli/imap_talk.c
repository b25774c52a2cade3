/* SPDX-License-Identifier: ISC */
#include "cli/imap_talk.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/table.h"
#include "cli/talk.h"
#include "sys/env_posix.h"

enum {
	CONNECT_MS = 30 * 1000,
	SILENCE_MS = 300 * 1000, /* a large mailbox may take its time */
	READ_SIZE = 64 * 1024,
	ARENA = 256 * 1024
};
/* One answer: a mail and what stands around it. */
#define ANSWER_MAX ((size_t)LIMIT_MESSAGE_SIZE_MAX + 64 * 1024)

/* -- the connection
 * ----------------------------------------------------------------- */

static int
connect_one(const struct addrinfo *to)
{
	int fd = socket(to->ai_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int r, e = 0;

	if (fd == -1)
		return -errno;
	r = connect(fd, to->ai_addr, to->ai_addrlen) == -1 ? -errno : 0;
	if (r == -EINPROGRESS) {
		r = talk_wait(fd, ENV_WRITE, CONNECT_MS);
		if (r == 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0)
			r = -e;
	}
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

static int
connect_server(struct imap_talk *t)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int r = getaddrinfo(t->host, t->port, &hints, &list);

	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s port %s: %s", t->host, t->port,
		    gai_strerror(r));
	r = -ENOENT;
	for (const struct addrinfo *a = list; a != NULL && r < 0;
	     a = a->ai_next)
		r = connect_one(a);
	freeaddrinfo(list);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s port %s: %s", t->host, t->port,
		    strerror(-r));
	t->fd = r;
	return CLI_OK;
}

static int
check_certificate(struct imap_talk *t)
{
	const struct tls_facts *f = tls_facts(t->tls);

	if (cli_option(t->cli, "insecure") != NULL || tls_is_verified(t->tls))
		return CLI_OK;
	return cli_fail(CLI_REFUSED,
	    "%s: its certificate is not good: %s (--ca FILE names an "
	    "authority, --insecure takes any)",
	    t->host, f->why[0] != '\0' ? f->why : "it is not for this name");
}

int
imap_talk_start_tls(struct imap_talk *t)
{
	const char *ca = cli_option(t->cli, "ca");
	struct settings settings;
	int r;

	if (ca == NULL) {
		r = cli_settings(t->cli, &settings);
		if (r != CLI_OK)
			return r;
	}
	r = tls_client_new(t->env, &t->tls_client);
	if (r == 0 &&
	    tls_client_trust(t->tls_client,
		ca != NULL ? ca : settings.outbound_authorities) != 0 &&
	    ca != NULL)
		return cli_fail(CLI_REFUSED, "%s: no certificates in it", ca);
	if (r == 0)
		r = tls_connect_new(t->tls_client, t->fd, t->host, &t->tls);
	if (r != 0)
		return cli_fail(CLI_REFUSED, "TLS: %s", strerror(-r));
	while ((r = tls_handshake(t->tls)) == -EAGAIN)
		if (talk_wait(t->fd, tls_wants(t->tls), CONNECT_MS) != 0)
			break;
	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s: the TLS handshake failed: %s",
		    t->host, tls_error(t->tls));
	/* What came before it was said by nobody in particular. */
	buf_reset(&t->in, READ_SIZE);
	t->n_taken = 0;
	return check_certificate(t);
}

bool
imap_talk_is_tls(const struct imap_talk *t)
{
	return t->tls != NULL;
}

int
imap_talk_open(struct imap_talk *t, struct cli *cli, const char *host,
    const char *port, bool is_tls)
{
	const struct env_posix_options how = { .role = "import",
		.log_level = ENV_ERROR };
	int r;

	memset(t, 0, sizeof(*t));
	t->cli = cli;
	t->host = host;
	t->port = port;
	t->fd = -1;
	buf_init(&t->in, ANSWER_MAX + READ_SIZE);
	arena_init(&t->arena, ARENA);
	r = env_posix_new(&how, &t->env);
	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s", strerror(-r));
	r = connect_server(t);
	if (r == CLI_OK && is_tls)
		r = imap_talk_start_tls(t);
	return r;
}

void
imap_talk_close(struct imap_talk *t)
{
	if (t->tls != NULL) {
		tls_goodbye(t->tls);
		tls_free(t->tls);
	}
	if (t->tls_client != NULL)
		tls_client_free(t->tls_client);
	if (t->fd != -1)
		(void)close(t->fd);
	if (t->env != NULL)
		env_posix_free(t->env);
	buf_deinit(&t->in);
	arena_reset(&t->arena);
}

/* -- bytes
 * ---------------------------------------------------------------------------
 */

static int
wait_for_it(struct imap_talk *t, unsigned wants)
{
	if (t->tls != NULL && tls_wants(t->tls) != 0)
		wants = tls_wants(t->tls);
	return talk_wait(t->fd, wants, SILENCE_MS) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "%s says nothing any more", t->host);
}

static int
fail(const struct imap_talk *t, ssize_t r)
{
	return cli_fail(CLI_REFUSED, "%s: %s", t->host,
	    r == 0 || r == -ECONNRESET           ? "the connection was lost"
		: t->tls != NULL && r == -EPROTO ? tls_error(t->tls)
						 : strerror((int)-r));
}

int
imap_talk_send(struct imap_talk *t, struct slice text)
{
	while (text.len > 0) {
		ssize_t n = t->tls != NULL
		    ? tls_send(t->tls, text.at, text.len)
		    : send(t->fd, text.at, text.len, MSG_NOSIGNAL);

		if (t->tls == NULL && n == -1)
			n = -errno;
		if (n == -EAGAIN || n == -EINTR) {
			int r = wait_for_it(t, ENV_WRITE);

			if (r != CLI_OK)
				return r;
			continue;
		}
		if (n < 0)
			return fail(t, n);
		text = slice_from(text, (size_t)n);
	}
	return CLI_OK;
}

int
imap_talk_command(struct imap_talk *t, const char *command, unsigned *ret)
{
	struct buf line;
	int r;

	buf_init(&line, 1024 * 1024);
	*ret = ++t->n_tags;
	r = buf_printf(&line, "t%u %s\r\n", t->n_tags, command) == 0
	    ? imap_talk_send(t, buf_slice(&line))
	    : cli_fail(CLI_REFUSED, "out of memory");
	buf_deinit(&line);
	return r;
}

static int
receive(struct imap_talk *t)
{
	uint8_t *at;
	ssize_t n;

	if (buf_reserve(&t->in, READ_SIZE, &at) != 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	for (;;) {
		n = t->tls != NULL ? tls_recv(t->tls, at, READ_SIZE)
				   : recv(t->fd, at, READ_SIZE, 0);
		if (t->tls == NULL && n == -1)
			n = -errno;
		if (n > 0) {
			buf_grew(&t->in, (size_t)n);
			return CLI_OK;
		}
		if (n != -EAGAIN && n != -EINTR)
			return fail(t, n);
		if (wait_for_it(t, ENV_READ) != CLI_OK)
			return CLI_REFUSED;
	}
}

/* -- answers
 * ------------------------------------------------------------------------- */

int
imap_talk_next(struct imap_talk *t, struct imap_answer *ret)
{
	struct imap_frame frame = { 0 };
	size_t len;
	int r;

	buf_eat(&t->in, t->n_taken);
	t->n_taken = 0;
	arena_reset(&t->arena);
	while ((len = imap_frame_len(&frame, buf_slice(&t->in), ANSWER_MAX)) ==
	    0) {
		r = receive(t);
		if (r != CLI_OK)
			return r;
	}
	if (len == SIZE_MAX)
		return cli_fail(CLI_REFUSED, "%s: an answer is too long",
		    t->host);
	t->n_taken = len;
	return imap_answer_read(slice_upto(buf_slice(&t->in), len), ret)
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "%s: an answer is not of its form",
		  t->host);
}

bool
imap_talk_is_end(const struct imap_answer *a, unsigned tag)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "t%u", tag);
	return a->kind == IMAP_ANSWER_TAGGED &&
	    slice_equal(a->tag, slice_cstr(text));
}

static int
tell_no(const struct imap_talk *t, const struct imap_answer *a)
{
	char text[TABLE_CELL];

	table_clean(a->rest, text);
	return cli_fail(CLI_REFUSED, "%s says no: %s", t->host, text);
}

int
imap_talk_run(struct imap_talk *t, const char *command, imap_talk_take *take,
    void *ctx, bool *ret_ok)
{
	struct imap_answer a;
	unsigned tag;
	int r = imap_talk_command(t, command, &tag);

	while (r == CLI_OK && (r = imap_talk_next(t, &a)) == CLI_OK) {
		bool is_ok = slice_equal_nocase(a.word, SLICE("OK"));

		if (imap_talk_is_end(&a, tag)) {
			if (ret_ok != NULL)
				*ret_ok = is_ok;
			return is_ok || ret_ok != NULL ? CLI_OK
						       : tell_no(t, &a);
		}
		if (a.kind == IMAP_ANSWER_STATUS &&
		    slice_equal_nocase(a.word, SLICE("BYE")))
			return tell_no(t, &a);
		if (take != NULL)
			r = take(ctx, &a, t);
	}
	return r;
}
