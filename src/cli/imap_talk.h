/* SPDX-License-Identifier: ISC */
/*
 * cli/imap_talk - a connection to another server of IMAP, with calls that wait
 *
 * What `ulak import imap://` speaks over: TLS from the first octet or after
 * STARTTLS, the certificate held against the name unless --insecure; commands
 * out, answers in, one at a time (imap/answer). The other server is trusted
 * with nothing but the mail it gives: an answer has a limit, silence too.
 */
#ifndef CLI_IMAP_TALK_H
#define CLI_IMAP_TALK_H

#include "cli/cli.h"
#include "imap/answer.h"
#include "sys/tls.h"

struct imap_talk {
	struct cli *cli;
	struct env *env;
	struct tls_client *tls_client;
	struct tls *tls;
	int fd;
	const char *host, *port;
	struct buf in;
	size_t n_taken; /* of in: the last answer */
	unsigned n_tags;
	struct arena arena; /* of the last answer */
};

/* CLI_OK, or the trouble has been told. Then it is to be closed in any case. */
int imap_talk_open(struct imap_talk *t, struct cli *cli, const char *host,
    const char *port, bool is_tls);
void imap_talk_close(struct imap_talk *t);
int imap_talk_start_tls(struct imap_talk *t);
bool imap_talk_is_tls(const struct imap_talk *t);

int imap_talk_send(struct imap_talk *t, struct slice text);
/* "t5 " and the command, with CRLF; its number. */
int imap_talk_command(struct imap_talk *t, const char *command, unsigned *ret);
/* The next answer, good until the next call. */
int imap_talk_next(struct imap_talk *t, struct imap_answer *ret);

/* Sends it and waits for its end; what comes before goes to `take` (may be
 * NULL), which ends it all by anything but CLI_OK. CLI_OK when the server says
 * OK; else told, unless ret_ok is there. */
typedef int imap_talk_take(void *ctx, const struct imap_answer *a,
    struct imap_talk *t);
int imap_talk_run(struct imap_talk *t, const char *command,
    imap_talk_take *take, void *ctx, bool *ret_ok);
/* Whether it is the end of command `tag`. */
bool imap_talk_is_end(const struct imap_answer *a, unsigned tag);

#endif
