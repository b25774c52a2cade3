/* SPDX-License-Identifier: ISC */
/*
 * A client against any server. The first byte chooses TLS, login and chunks.
 * Whatever the server says: commands are lines of CRLF, no recipient gets two
 * outcomes, and the session comes to an end.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

/* What goes out has no bare CR or LF. */
static void
drain(struct smtp_client *c, uint8_t *last)
{
	struct slice out = smtp_client_out(c);

	for (size_t i = 0; i < out.len; i++) {
		uint8_t before = *last;

		*last = out.at[i];
		must((*last == '\n') == (before == '\r'));
	}
	smtp_client_sent(c, out.len);
}

static void
drive(struct smtp_client *c, unsigned *n_mails, uint8_t *last)
{
	static const struct slice rcpts[] = { { (const uint8_t *)"a@b.example",
						  11 },
		{ (const uint8_t *)"no address", 10 },
		{ (const uint8_t *)"c@b.example", 11 } };
	struct smtp_client_mail mail = {
		.rcpts = rcpts, .n_rcpts = 3, .size = 8, .is_8bit = true
	};

	for (;;) {
		drain(c, last);
		switch (smtp_client_next(c)) {
		case SMTP_CLIENT_START_TLS:
			smtp_client_tls_up(c);
			break;
		case SMTP_CLIENT_READY:
			mail.is_8bit = *n_mails % 2 == 1;
			mail.is_binary = *n_mails == 2;
			if (++*n_mails > 3)
				smtp_client_quit(c);
			else
				smtp_client_mail(c, &mail);
			break;
		case SMTP_CLIENT_BODY:
			if (c->body_sent > 0 && c->mail.is_binary) {
				smtp_client_end(c);
				break;
			}
			must(smtp_client_body(c, SLICE(".a\r\n.\r\nb")) == 8);
			if (smtp_client_next(c) == SMTP_CLIENT_BODY)
				smtp_client_end(c);
			break;
		case SMTP_CLIENT_MAIL_DONE:
			must(c->outcomes[1].is_done || c->is_closing);
			break;
		default:
			return;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct smtp_client_config config = { .helo = "here.example" };
	struct smtp_client *c;
	struct slice in;
	unsigned n_mails = 0;
	uint8_t last = 0;

	if (n < 1 || (c = malloc(sizeof(*c))) == NULL)
		return 0;
	config.tls = (enum smtp_client_tls)(at[0] % 4);
	config.user = (at[0] & 4) != 0 ? "user" : NULL;
	config.password = "password";
	config.plain_auth = (at[0] & 8) != 0;
	smtp_client_init(c, &config);
	in = slice_of(at + 1, n - 1);
	while (in.len > 0) {
		struct slice part =
		    slice_upto(in, (at[0] & 16) != 0 ? 1 : in.len);

		smtp_client_feed(c, part);
		in = slice_from(in, part.len);
		drive(c, &n_mails, &last);
		must(smtp_client_out(c).len <= SMTP_CLIENT_OUT);
		must(smtp_client_dialogue(c).len <= LIMIT_DIALOGUE);
	}
	smtp_client_lost(c, "the end");
	drive(c, &n_mails, &last);
	must(smtp_client_next(c) == SMTP_CLIENT_CLOSED);
	smtp_client_deinit(c);
	free(c);
	return 0;
}
