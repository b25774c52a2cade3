/* SPDX-License-Identifier: ISC */
/*
 * cli/send - submits a message: TLS, a login, and the id it goes by
 *
 * Makes of a file what mail must be on the way: every line end becomes CRLF,
 * a leading mbox line goes; nothing else is touched. Speaks through the same
 * pure client as the courier (smtp/client.h), here with waiting calls. The
 * server's certificate is not checked (it is self-signed as `init` makes it),
 * so it is meant for one's own machine or network.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/admin.h"
#include "cli/talk.h"
#include "mail/inject.h"
#include "sys/env_posix.h"

enum {
	CONNECT_MS = 30 * 1000
};

struct send {
	struct cli *cli;
	struct env *env;
	const char *server, *port, *user, *sender;
	char password[CLI_PASSWORD_MAX + 1];
	char default_port[8], helo[SETTINGS_NAME];
	struct smtp_client_config config;
	struct slice rcpts[CLI_OPERANDS_MAX];
	struct buf message;
	/* the connection */
	struct tls_client *tls_client;
	struct talk talk;
	/* where it stands */
	size_t n_sent;     /* recipients of earlier mails on this connection */
	struct slice left; /* of the message */
	bool is_refused;
	json_t *told; /* for --json */
};

/* -- the message ---------------------------------------------------------- */

static int
read_message(struct send *s)
{
	const char *path = cli_option(s->cli, "file");

	char *bytes = NULL;
	size_t len = 0;
	int r;

	if (path == NULL)
		path = "-";
	r = cli_read_file(path, LIMIT_MESSAGE_SIZE_MAX, &bytes, &len);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s",
		    strcmp(path, "-") == 0 ? "standard input" : path,
		    strerror(-r));
	r = inject_lines(inject_skip_mbox(slice_of(bytes, len)), false,
	    &s->message);
	free(bytes);
	return r == 0 ? CLI_OK : cli_fail(CLI_REFUSED, "out of memory");
}

/* -- what is wanted ------------------------------------------------------- */

/* Where our own server takes submissions, if there is a configuration. */
static void
find_own_server(struct send *s, unsigned service)
{
	struct settings settings;
	struct settings_error err;
	char *text = NULL;
	size_t len = 0;

	(void)snprintf(s->default_port, sizeof(s->default_port), "%u",
	    settings_service_ports[service]);
	if (cli_read_file(s->cli->config, LIMIT_CONFIG_FILE, &text, &len) ==
		0 &&
	    settings_parse(slice_of(text, len), s->cli->config, &settings,
		&err) == SETTINGS_OK) {
		for (uint32_t i = settings.n_listeners; i-- > 0;)
			if (settings.listeners[i].service == service)
				(void)snprintf(s->default_port,
				    sizeof(s->default_port), "%u",
				    settings.listeners[i].port);
	}
	free(text);
}

static int
take_password(struct send *s)
{
	const char *env = getenv("ULAK_PASSWORD");

	if (s->config.user == NULL)
		return CLI_OK;
	if (cli_option(s->cli, "password-file") == NULL && env != NULL) {
		if (!slice_to_cstr(slice_cstr(env), s->password,
			sizeof(s->password)))
			return cli_fail(CLI_USAGE,
			    "$ULAK_PASSWORD is too long");
		return CLI_OK;
	}
	return cli_password(s->cli, s->user, s->password);
}

static int
take_options(struct send *s)
{
	bool is_smtps = cli_option(s->cli, "smtps") != NULL;
	bool is_plain = cli_option(s->cli, "plain") != NULL;

	if (is_smtps && is_plain)
		return cli_fail(CLI_USAGE,
		    "--smtps and --plain exclude each other");
	s->sender = cli_option(s->cli, "from");
	if (s->sender == NULL)
		return cli_fail(CLI_USAGE, "-f SENDER is missing");
	s->user = cli_option(s->cli, "user");
	if (s->user == NULL)
		s->user = s->sender;
	s->server = cli_option(s->cli, "server");
	s->port = cli_option(s->cli, "port");
	if (s->port == NULL) {
		find_own_server(s,
		    is_smtps ? SERVICE_SUBMISSIONS : SERVICE_SUBMISSION);
		s->port = s->default_port;
	}
	if (s->server == NULL)
		s->server = "localhost";
	if (gethostname(s->helo, sizeof(s->helo) - 1) == -1 ||
	    s->helo[0] == '\0')
		(void)snprintf(s->helo, sizeof(s->helo), "localhost");
	s->config = (struct smtp_client_config){ .helo = s->helo,
		.tls = is_smtps ? SMTP_TLS_IS_UP
		    : is_plain  ? SMTP_TLS_NEVER
				: SMTP_TLS_MUST,
		.user = cli_option(s->cli, "no-auth") == NULL ? s->user : NULL,
		.password = s->password,
		.plain_auth = is_plain };
	for (size_t i = 0; i < s->cli->n_operands; i++)
		s->rcpts[i] = slice_cstr(s->cli->operands[i]);
	return take_password(s);
}

/* -- the connection ------------------------------------------------------- */

static int
connect_one(const struct addrinfo *to)
{
	int fd = socket(to->ai_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r, e = 0;
	socklen_t len = sizeof(e);

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
connect_server(struct send *s)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int r = getaddrinfo(s->server, s->port, &hints, &list);

	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s port %s: %s", s->server,
		    s->port, gai_strerror(r));
	r = -ENOENT;
	for (const struct addrinfo *a = list; a != NULL && r < 0;
	     a = a->ai_next)
		r = connect_one(a);
	freeaddrinfo(list);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s port %s: %s", s->server,
		    s->port, strerror(-r));
	s->talk.fd = r;
	return CLI_OK;
}

static int
start_tls(struct send *s)
{
	int r = 0;

	if (s->tls_client == NULL)
		r = tls_client_new(s->env, &s->tls_client);
	if (r == 0)
		r = tls_connect_new(s->tls_client, s->talk.fd, s->server,
		    &s->talk.tls);
	if (r != 0)
		return cli_fail(CLI_REFUSED, "TLS: %s", strerror(-r));
	while ((r = tls_handshake(s->talk.tls)) == -EAGAIN)
		if (talk_wait(s->talk.fd, tls_wants(s->talk.tls), CONNECT_MS) !=
		    0)
			break;
	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s: the TLS handshake failed: %s",
		    s->server, tls_error(s->talk.tls));
	if (cli_option(s->cli, "verbose") != NULL)
		(void)fprintf(stderr, "* %s %s\n", tls_version(s->talk.tls),
		    tls_cipher(s->talk.tls));
	return CLI_OK;
}

/* -- the dialogue --------------------------------------------------------- */

/* True when the server has taken the mail for this recipient. Without an
 * outcome of its own it shares the fate of the session. */
static bool
tell_outcome(struct send *s, size_t i)
{
	const struct smtp_client_outcome *o = &s->talk.client.outcomes[i];
	const struct verdict *v =
	    o->is_done ? &o->verdict : &s->talk.client.failure;
	const char *rcpt = s->cli->operands[s->n_sent + i];
	bool ok = o->is_done && verdict_is_ok(v);
	char text[TABLE_CELL], id[ID_TEXT + 1] = "";

	table_clean(v->text, text);
	if (ok)
		(void)slice_to_cstr(talk_find_id(v->text), id, sizeof(id));
	else if (v->code != 0)
		(void)cli_fail(CLI_REFUSED, "%s: %u %s", rcpt, v->code, text);
	else
		(void)cli_fail(CLI_REFUSED, "%s: no answer", rcpt);
	if (s->told != NULL)
		(void)json_array_append_new(s->told,
		    json_pack("{s:s, s:b, s:i, s:s, s:s}", "recipient", rcpt,
			"accepted", ok ? 1 : 0, "code", (int)v->code, "id", id,
			"text", text));
	return ok;
}

static void
on_ready(struct send *s)
{
	size_t n = s->cli->n_operands - s->n_sent;
	struct smtp_client_mail mail = { .sender = slice_cstr(s->sender),
		.rcpts = s->rcpts + s->n_sent,
		.size = s->message.len };

	if (n == 0) {
		smtp_client_quit(&s->talk.client);
		return;
	}
	mail.n_rcpts = n > SMTP_CLIENT_RCPTS ? SMTP_CLIENT_RCPTS : n;
	mail.is_8bit = !slice_is_ascii(buf_slice(&s->message));
	mail.is_smtputf8 = !slice_is_ascii(mail.sender);
	for (size_t i = 0; i < mail.n_rcpts; i++)
		mail.is_smtputf8 =
		    mail.is_smtputf8 || !slice_is_ascii(mail.rcpts[i]);
	s->left = buf_slice(&s->message);
	smtp_client_mail(&s->talk.client, &mail);
}

/* The id goes to standard output once, however many recipients it has. */
static void
on_mail_done(struct send *s)
{
	size_t n = s->talk.client.mail.n_rcpts;
	bool has_told = s->told != NULL;

	for (size_t i = 0; i < n; i++) {
		struct slice text = s->talk.client.outcomes[i].verdict.text;

		if (!tell_outcome(s, i)) {
			s->is_refused = true;
		} else if (!has_told) {
			(void)printf("%.*s\n", SLICE_FMT(talk_find_id(text)));
			has_told = true;
		}
	}
	s->n_sent += n;
}

/* -- the conversation ----------------------------------------------------- */

static int
finish(struct send *s)
{
	const struct verdict *why = &s->talk.client.failure;
	char text[TABLE_CELL];

	if (why->code != 0 && s->n_sent < s->cli->n_operands) {
		table_clean(why->text, text);
		return cli_fail(CLI_REFUSED, "%s port %s: %s", s->server,
		    s->port, text);
	}
	if (s->n_sent < s->cli->n_operands)
		return cli_fail(CLI_REFUSED,
		    "%s port %s: the server ended the session", s->server,
		    s->port);
	return s->is_refused ? CLI_REFUSED : CLI_OK;
}

static int
converse(struct send *s)
{
	int r;

	for (;;) {
		enum smtp_client_event event =
		    smtp_client_next(&s->talk.client);

		if (cli_option(s->cli, "verbose") != NULL)
			talk_show_dialogue(&s->talk);
		switch (event) {
		case SMTP_CLIENT_START_TLS:
			if (smtp_client_out(&s->talk.client).len > 0) {
				talk_transfer(&s->talk);
				break;
			}
			r = start_tls(s);
			if (r != CLI_OK)
				return r;
			smtp_client_tls_up(&s->talk.client);
			break;
		case SMTP_CLIENT_READY:
			on_ready(s);
			break;
		case SMTP_CLIENT_BODY:
			s->left = slice_from(s->left,
			    smtp_client_body(&s->talk.client, s->left));
			if (s->left.len == 0)
				smtp_client_end(&s->talk.client);
			else
				talk_transfer(&s->talk);
			break;
		case SMTP_CLIENT_MAIL_DONE:
			on_mail_done(s);
			break;
		case SMTP_CLIENT_CLOSED:
			return finish(s);
		case SMTP_CLIENT_WAIT:
			talk_transfer(&s->talk);
			break;
		}
	}
}

static int
send_all(struct send *s)
{
	const struct env_posix_options how = { .role = "send",
		.log_level = ENV_ERROR };
	int r = env_posix_new(&how, &s->env);

	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s", strerror(-r));
	r = connect_server(s);
	if (r == CLI_OK && s->config.tls == SMTP_TLS_IS_UP)
		r = start_tls(s);
	if (r == CLI_OK) {
		smtp_client_init(&s->talk.client, &s->config);
		r = converse(s);
		smtp_client_deinit(&s->talk.client);
	}
	if (s->talk.tls != NULL) {
		tls_goodbye(s->talk.tls);
		tls_free(s->talk.tls);
	}
	if (s->tls_client != NULL)
		tls_client_free(s->tls_client);
	if (s->talk.fd != -1)
		(void)close(s->talk.fd);
	env_posix_free(s->env);
	return r;
}

static int
run_send(struct cli *cli)
{
	struct send *s;
	int r;

	if (sodium_init() < 0 || (s = calloc(1, sizeof(*s))) == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	s->cli = cli;
	s->talk.fd = -1;
	buf_init(&s->message, 2 * (size_t)LIMIT_MESSAGE_SIZE_MAX);
	s->told = cli->json ? json_array() : NULL;
	r = take_options(s);
	if (r == CLI_OK)
		r = read_message(s);
	if (r == CLI_OK) {
		r = send_all(s);
		if (s->told != NULL)
			(void)admin_print_json(s->told);
	}
	json_decref(s->told);
	buf_deinit(&s->message);
	sodium_memzero(s->password, sizeof(s->password));
	free(s);
	return r;
}

static const struct cli_option options[] = {
	{ "from", 'f', CLI_TEXT, "SENDER", "the sender's address", true },
	{ "file", 0, CLI_TEXT, "FILE", "the message (else standard input)",
	    true },
	{ "server", 0, CLI_TEXT, "HOST", "where to submit it (localhost)",
	    true },
	{ "port", 0, CLI_TEXT, "PORT",
	    "its port (that of our configuration, else 587)", true },
	{ "user", 0, CLI_TEXT, "ADDRESS", "who logs in (the sender)", true },
	{ "password-file", 0, CLI_TEXT, "FILE",
	    "the password is its only line; else $ULAK_PASSWORD", true },
	{ "smtps", 0, CLI_FLAG, NULL, "TLS from the start (port 465)", true },
	{ "plain", 0, CLI_FLAG, NULL, "no TLS at all: for tests", true },
	{ "no-auth", 0, CLI_FLAG, NULL, "no login", true },
	{ "verbose", 'v', CLI_FLAG, NULL, "shows the dialogue, secrets masked",
	    true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct cli_action actions[] = {
	{ NULL, "RECIPIENT...", 1, CLI_OPERANDS_MAX, NULL, options, run_send,
	    NULL },
};

const struct cli_command cli_send = { "send",
	"submits a message, with TLS and a login", CLI_ACTIONS(actions),
	"Line ends become CRLF and a leading mbox line goes. Prints the id of "
	"the message.\nThe certificate of the server is not checked: use it "
	"towards your own.\n" };
