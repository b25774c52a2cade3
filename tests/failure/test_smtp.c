/* SPDX-License-Identifier: ISC */
/*
 * failure/test_smtp - SMTP when memory runs out
 *
 * The client: a mail arrives whole or the server never sees its end; a
 * recipient counts as done only when the server said so. The server's session
 * allocates nothing at all.
 */
#include "alloc.h"
#include "base/test.h"
#include "smtp/client.h"
#include "smtp/server.h"

/* -- a remote server that takes everything
 * ----------------------------------------- */

struct remote {
	bool in_data;
	struct buf in, said, body;
	unsigned n_mails;
	const char *extensions;
};

static const struct slice letter =
    SLICE("Subject: x\r\n\r\n.one\r\n..two\r\nthree\r\n");
static const struct slice stuffed =
    SLICE("Subject: x\r\n\r\n..one\r\n...two\r\nthree\r\n");

static void
on_data_line(struct remote *r, struct slice line)
{
	if (!slice_equal(line, SLICE("."))) {
		(void)buf_add(&r->body, line);
		(void)buf_add(&r->body, SLICE("\r\n"));
		return;
	}
	test_slice(buf_slice(&r->body), stuffed);
	r->in_data = false;
	r->n_mails++;
	buf_reset(&r->body, 0);
	(void)buf_add_cstr(&r->said, "250 2.0.0 kept\r\n");
}

static void
on_command(struct remote *r, struct slice line)
{
	static const struct slice known[] = {
		SLICE("MAIL FROM:<a@one.example>"),
		SLICE("RCPT TO:<b@two.example>"),
		SLICE("RCPT TO:<c@two.example>"), SLICE("RSET"), SLICE("QUIT")
	};

	if (slice_starts(line, SLICE("EHLO here.example"))) {
		(void)buf_add_cstr(&r->said, r->extensions);
		return;
	}
	if (slice_equal(line, SLICE("DATA"))) {
		r->in_data = true;
		(void)buf_add_cstr(&r->said, "354 go\r\n");
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_starts(line, known[i])) {
			(void)buf_add_cstr(&r->said, "250 2.0.0 fine\r\n");
			return;
		}
	print_error("the server got \"%.*s\"\n", SLICE_FMT(line));
	abort();
}

static void
remote_take(struct remote *r, struct slice bytes)
{
	struct slice rest, line;

	(void)buf_add(&r->in, bytes);
	rest = buf_slice(&r->in);
	while (slice_take_crlf_line(&rest, &line)) {
		if (r->in_data)
			on_data_line(r, line);
		else
			on_command(r, line);
	}
	buf_eat(&r->in, r->in.len - rest.len);
}

/* -- the driver
 * --------------------------------------------------------------------- */

struct drive {
	struct smtp_client c;
	struct remote r;
	struct slice body; /* not yet taken */
	unsigned n_started, n_done;
};

static void
begin_mail(struct drive *d)
{
	static const struct slice rcpts[] = { SLICE("b@two.example"),
		SLICE("c@two.example") };
	struct smtp_client_mail mail = { .sender = SLICE("a@one.example"),
		.rcpts = rcpts,
		.n_rcpts = 2,
		.size = letter.len };

	d->n_started++;
	d->body = letter;
	ALLOC_IN_VOID(smtp_client_mail(&d->c, &mail));
}

static void
check_outcomes(struct drive *d)
{
	for (size_t i = 0; i < 2; i++) {
		const struct smtp_client_outcome *o = &d->c.outcomes[i];

		if (o->is_done && verdict_is_ok(&o->verdict))
			test_int(d->r.n_mails, d->n_started);
		/* Our trouble is temporary. */
		test_true(!o->is_done || verdict_is_ok(&o->verdict) ||
		    verdict_is_temporary(&o->verdict));
		d->n_done += o->is_done && verdict_is_ok(&o->verdict);
	}
}

static void
push_body(struct drive *d)
{
	size_t n = ALLOC_IN(smtp_client_body(&d->c, d->body));

	d->body = slice_from(d->body, n);
	if (d->body.len == 0 && smtp_client_next(&d->c) == SMTP_CLIENT_BODY)
		ALLOC_IN_VOID(smtp_client_end(&d->c));
}

/* False when nothing moved. */
static bool
exchange(struct drive *d)
{
	struct slice out = smtp_client_out(&d->c);
	bool moved = out.len > 0 || d->r.said.len > 0;

	remote_take(&d->r, out);
	ALLOC_IN_VOID(smtp_client_sent(&d->c, out.len));
	ALLOC_IN_VOID(smtp_client_feed(&d->c, buf_slice(&d->r.said)));
	buf_reset(&d->r.said, 0);
	return moved;
}

static void
drive(struct drive *d)
{
	for (;;) {
		switch (ALLOC_IN(smtp_client_next(&d->c))) {
		case SMTP_CLIENT_WAIT:
			if (!exchange(d)) {
				print_error("the client waits for nothing\n");
				abort();
			}
			break;
		case SMTP_CLIENT_READY:
			if (d->n_started < 2)
				begin_mail(d);
			else
				ALLOC_IN_VOID(smtp_client_quit(&d->c));
			break;
		case SMTP_CLIENT_BODY:
			push_body(d);
			break;
		case SMTP_CLIENT_MAIL_DONE:
			check_outcomes(d);
			break;
		case SMTP_CLIENT_START_TLS:
			abort();
		case SMTP_CLIENT_CLOSED:
			(void)exchange(d);
			return;
		}
	}
}

static bool
run_client(void *ctx)
{
	static const struct smtp_client_config config = {
		.helo = "here.example", .tls = SMTP_TLS_NEVER
	};
	static struct drive d;
	bool is_well;

	memset(&d, 0, sizeof(d));
	d.r.extensions = ctx;
	buf_init(&d.r.in, 100000);
	buf_init(&d.r.said, 100000);
	buf_init(&d.r.body, 100000);
	ALLOC_IN_VOID(smtp_client_init(&d.c, &config));
	(void)buf_add_cstr(&d.r.said, "220 mx\r\n");
	drive(&d);
	is_well = d.n_done == 4 && d.r.n_mails == 2;
	ALLOC_IN_VOID(smtp_client_deinit(&d.c));
	buf_deinit(&d.r.in);
	buf_deinit(&d.r.said);
	buf_deinit(&d.r.body);
	return is_well;
}

static void
each_allocation_of_the_client(void **state)
{
	static char plain[] = "250 mx\r\n";
	static char pipelining[] = "250-mx\r\n250-SIZE 100000\r\n"
				   "250 PIPELINING\r\n";

	(void)state;
	test_true(alloc_each("client", run_client, plain) > 2);
	test_true(alloc_each("client, pipelining", run_client, pipelining) > 2);
}

/* -- the server's session
 * ------------------------------------------------------------ */

static bool
is_question(uint8_t todo)
{
	return todo == SMTP_DO_CONNECT || todo == SMTP_DO_HELO ||
	    todo == SMTP_DO_MAIL || todo == SMTP_DO_RCPT ||
	    todo == SMTP_DO_DATA || todo == SMTP_DO_COMMIT;
}

/* Says yes to whatever the session asks. */
static void
answer(struct smtp_server *s, struct smtp_effect *e)
{
	static const struct verdict yes = { 250, { 2, 0, 0 }, { 0 } };
	struct slice part, none = { 0 };

	while (is_question(e->todo)) {
		while (e->body.len > 0 &&
		    smtp_server_body_part(s, &e->body, &part))
			continue;
		while (e->todo == SMTP_DO_COMMIT &&
		    smtp_server_body_part(s, &none, &part))
			continue;
		smtp_server_answer(s, &yes, e);
	}
	while (e->body.len > 0 && smtp_server_body_part(s, &e->body, &part))
		continue;
}

static bool
run_server(void *ctx)
{
	static const struct slice dialogue =
	    SLICE("EHLO a.example\r\nMAIL FROM:<a@one.example> SIZE=10\r\n"
		  "RCPT TO:<b@two.example>\r\nRCPT TO:<@@>\r\nDATA\r\n"
		  "Subject: x\r\n\r\n..x\r\n.\r\nFOO\r\nVRFY x\r\nQUIT\r\n");
	static const struct smtp_server_config config = {
		.kind = SMTP_MX, .hostname = "here.example", .max_size = 1000
	};
	static struct smtp_server s;
	struct slice in = dialogue;
	struct smtp_effect e;

	(void)ctx;
	alloc_enter();
	smtp_server_init(&s, &config);
	smtp_server_start(&s, &e);
	answer(&s, &e);
	while (in.len > 0 && s.state != SMTP_CLOSED) {
		in = slice_from(in, smtp_server_step(&s, in, &e));
		answer(&s, &e);
	}
	alloc_leave();
	return s.state == SMTP_CLOSED && s.n_mails == 1;
}

static void
the_server_allocates_nothing(void **state)
{
	(void)state;
	test_int(alloc_each("server", run_server, NULL), 0);
}

TEST_MAIN(cmocka_unit_test(each_allocation_of_the_client),
    cmocka_unit_test(the_server_allocates_nothing))
