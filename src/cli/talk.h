/* SPDX-License-Identifier: ISC */
/*
 * cli/talk - an SMTP client's socket, with calls that wait
 *
 * The commands that hand in mail (send, sendmail) drive the pure smtp/client;
 * this moves its bytes, within the limits of RFC 5321, 4.5.3.2. One
 * connection; the caller owns socket and TLS.
 */
#ifndef CLI_TALK_H
#define CLI_TALK_H

#include "base/id.h"
#include "smtp/client.h"
#include "sys/tls.h"

struct talk {
	struct smtp_client client;
	int fd;
	struct tls *tls; /* NULL: in the clear */
};

/* 0, -ETIMEDOUT, -errno. wants: ENV_READ, ENV_WRITE. */
int talk_wait(int fd, unsigned wants, int timeout_ms);
/* Sends what there is and reads what comes; waits once at most. */
void talk_transfer(struct talk *t);
/* To a local socket, without waiting for who does not answer: an fd that does
 * not block, or -errno. */
int talk_connect_local(const char *path);
/* The lines of the dialogue go to stderr, cleaned; then they are forgotten. */
void talk_show_dialogue(struct talk *t);
/* The id in "250 2.0.0 ID ...", or an empty slice. */
struct slice talk_find_id(struct slice text);

#endif
