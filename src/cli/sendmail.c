/* SPDX-License-Identifier: ISC */
/*
 * cli/sendmail - sendmail(1): mail of the programs of this machine
 *
 * Reads a message, makes of it what mail/inject allows, and hands it in at the
 * socket of the role `local`. Recipients that are refused for now, and all of
 * them when nobody answers, are left in the spool. Exit status 0 therefore
 * says: committed by the server, or on the disk. What is refused for good is
 * told on stderr, one line a recipient.
 */
#include "cli/sendmail.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/table.h"
#include "cli/talk.h"
#include "mail/date.h"

enum {
	ARENA = 16 * 1024 * 1024,
	READ_STEP = 64 * 1024,
	FIELD = 2048,
	HEADER_ROOM = 64 * 1024, /* more than the message: fields, CRs */
	GREETING_MS = 10 * 1000  /* somebody who listens but does not serve */
};

struct sendmail {
	struct cli *cli;
	struct sendmail_options o;
	struct settings settings;
	struct arena arena;
	struct buf text; /* as read */
	struct inject inject;
	char sender[LIMIT_ADDRESS + 1], domain[SETTINGS_NAME];
	char caller[LIMIT_ADDRESS + 1]; /* his own address, for From */
	char login[64], full_name[256];
	struct slice rcpt_space[SENDMAIL_RCPTS];
	struct inject_rcpts rcpts;
	struct sendmail_mail mail;
	/* while it is handed in */
	struct talk talk;
	struct slice left; /* of header, then of body */
	bool is_in_body;
	/* who is to be spooled, and the worst of the rest */
	struct slice later[SENDMAIL_RCPTS];
	size_t n_later, n_sent;
	int status;
};

static int fail(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int
fail(int status, const char *format, ...)
{
	va_list ap;

	(void)fputs("sendmail: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return status;
}

/* -- who calls --------------------------------------------------------------
 */

/* GECOS: the full name is before the first comma; "&" is the login. */
static void
take_full_name(struct sendmail *m, const char *gecos)
{
	size_t n = 0;

	for (; *gecos != '\0' && *gecos != ','; gecos++) {
		const char *piece = *gecos == '&' ? m->login : gecos;
		size_t len = *gecos == '&' ? strlen(m->login) : 1;

		if (len >= sizeof(m->full_name) - n)
			break;
		memcpy(m->full_name + n, piece, len);
		if (*gecos == '&')
			m->full_name[n] =
			    (char)ascii_upper((uint8_t)m->full_name[n]);
		n += len;
	}
	m->full_name[n] = '\0';
}

static int
find_caller(struct sendmail *m)
{
	const struct passwd *pw = getpwuid(getuid());

	(void)slice_to_cstr(slice_cstr(m->settings.local_domain[0] != '\0'
				    ? m->settings.local_domain
				    : m->settings.hostname),
	    m->domain, sizeof(m->domain));
	if (pw == NULL ||
	    !slice_to_cstr(slice_cstr(pw->pw_name), m->login, sizeof(m->login)))
		(void)snprintf(m->login, sizeof(m->login), "uid-%u",
		    (unsigned)getuid());
	take_full_name(m,
	    m->o.name != NULL ? m->o.name
		: pw != NULL  ? pw->pw_gecos
			      : "");
	return EX_OK;
}

/* Line ends and the like would be another command in the dialogue. */
static bool
has_no_controls(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < 0x20 || s.at[i] == 0x7f)
			return false;
	return true;
}

static bool
is_clean(struct slice s)
{
	return has_no_controls(s) && s.len > 0 && s.len <= LIMIT_ADDRESS &&
	    slice_is_utf8(s);
}

static bool
take_address(struct sendmail *m, struct slice s, char to[LIMIT_ADDRESS + 1])
{
	struct slice at[1];
	struct inject_rcpts one = { at, 0, 1, false };

	return has_no_controls(s) &&
	    inject_rcpts_add(s, slice_cstr(m->domain), &m->arena, &one) ==
	    INJECT_OK &&
	    one.n == 1 && slice_to_cstr(one.at[0], to, LIMIT_ADDRESS + 1);
}

/* -f "", "<>", "name", "a@b", "<a@b>" */
static int
take_sender(struct sendmail *m)
{
	struct slice s =
	    slice_cstr(m->o.sender != NULL ? m->o.sender : m->login);

	s = slice_trim(s);
	m->sender[0] = '\0';
	if (!take_address(m, slice_cstr(m->login), m->caller))
		return fail(EX_NOUSER, "your name makes no address");
	if (s.len == 0 || slice_equal(s, SLICE("<>")))
		return EX_OK;
	if (!take_address(m, s, m->sender))
		return fail(EX_DATAERR, "the sender is no address");
	return EX_OK;
}

/* -- the message ------------------------------------------------------------
 */

/* A line of one dot has come: a person at a terminal has finished. */
static bool
has_dot_line(struct slice text)
{
	return slice_find(text, SLICE("\n.\n")) != SIZE_MAX ||
	    slice_find(text, SLICE("\n.\r\n")) != SIZE_MAX;
}

static int
read_text(struct sendmail *m)
{
	uint8_t *at;
	size_t seen = 0;
	ssize_t n;

	buf_init(&m->text, m->settings.max_size + READ_STEP);
	for (;;) {
		if (m->text.len > m->settings.max_size)
			return fail(EX_DATAERR,
			    "the message is larger than %llu bytes",
			    (unsigned long long)m->settings.max_size);
		if (buf_reserve(&m->text, READ_STEP, &at) != 0)
			return fail(EX_TEMPFAIL, "out of memory");
		n = read(STDIN_FILENO, at, READ_STEP);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail(EX_IOERR, "standard input: %s",
			    strerror(errno));
		if (n == 0)
			return EX_OK;
		buf_grew(&m->text, (size_t)n);
		/* what may hold the dot and was not looked at yet */
		if (!m->o.ignores_dot && seen == 0 &&
		    slice_starts(buf_slice(&m->text), SLICE(".\n")))
			return EX_OK;
		if (!m->o.ignores_dot &&
		    has_dot_line(slice_from(buf_slice(&m->text),
			seen > 3 ? seen - 3 : 0)))
			return EX_OK;
		seen = m->text.len;
	}
}

static void
print_date(char text[DATE_RFC5322])
{
	struct timespec now;
	struct tm local;
	int zone = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (localtime_r(&now.tv_sec, &local) != NULL)
		zone = (int)(local.tm_gmtoff / 60);
	date_print((int64_t)now.tv_sec * TIME_SECOND, zone, text);
}

static int
make_message(struct sendmail *m)
{
	char date[FIELD], message_id[FIELD], text[DATE_RFC5322];
	struct sendmail_options *o = &m->o;
	struct inject_options how = { .dot_ends = !o->ignores_dot,
		.takes_rcpts = o->takes_rcpts,
		.domain = slice_cstr(m->domain) };
	uint64_t chance[2];
	struct buf from;
	int r;

	print_date(text);
	(void)snprintf(date, sizeof(date), "Date: %s\r\n", text);
	randombytes_buf(chance, sizeof(chance));
	(void)snprintf(message_id, sizeof(message_id),
	    "Message-ID: <%016llx%016llx@%s>\r\n",
	    (unsigned long long)chance[0], (unsigned long long)chance[1],
	    m->settings.hostname);
	buf_init(&from, 2 * FIELD);
	r = inject_from_print(slice_cstr(m->full_name),
	    slice_cstr(m->sender[0] != '\0' ? m->sender : m->caller), &from);
	if (r != 0)
		return fail(EX_TEMPFAIL, "out of memory");
	how.from = buf_slice(&from);
	how.date = slice_cstr(date);
	how.message_id = slice_cstr(message_id);
	inject_init(&m->inject, 2 * m->settings.max_size + HEADER_ROOM);
	r = inject_message(&m->inject, buf_slice(&m->text), &how, &m->arena,
	    &m->rcpts);
	buf_deinit(&from);
	buf_deinit(&m->text);
	if (r == INJECT_E_RCPTS)
		return fail(EX_DATAERR, "more than %d recipients",
		    SENDMAIL_RCPTS);
	if (r == INJECT_E_FULL)
		return fail(EX_DATAERR, "the message is too large");
	return r == INJECT_OK ? EX_OK : fail(EX_TEMPFAIL, "out of memory");
}

static int
take_arguments(struct sendmail *m)
{
	m->rcpts =
	    (struct inject_rcpts){ m->rcpt_space, 0, SENDMAIL_RCPTS, false };
	for (size_t i = 0; i < m->o.n_rcpts; i++) {
		if (!has_no_controls(slice_cstr(m->o.rcpts[i])))
			return fail(EX_DATAERR, "a recipient is no address");
		if (inject_rcpts_add(slice_cstr(m->o.rcpts[i]),
			slice_cstr(m->domain), &m->arena,
			&m->rcpts) != INJECT_OK)
			return fail(EX_DATAERR, "more than %d recipients",
			    SENDMAIL_RCPTS);
	}
	if (m->rcpts.n == 0 && !m->o.takes_rcpts)
		return fail(EX_USAGE,
		    "no recipients: name them, or take them from the message "
		    "with -t");
	return EX_OK;
}

/* -V as xtext (RFC 3461, 4) */
static int
take_envid(struct sendmail *m)
{
	struct slice s = slice_cstr(m->o.envid);
	struct buf text;
	int r = 0;

	buf_init(&text, 100);
	for (size_t i = 0; i < s.len && r == 0; i++)
		r = s.at[i] > 0x20 && s.at[i] < 0x7f && s.at[i] != '+' &&
			s.at[i] != '='
		    ? buf_add_byte(&text, s.at[i])
		    : buf_printf(&text, "+%02X", s.at[i]);
	if (r == 0 && !arena_copy(&m->arena, buf_slice(&text), &m->mail.envid))
		r = -ENOMEM;
	buf_deinit(&text);
	return r == 0 ? EX_OK : fail(EX_USAGE, "-V is too long");
}

static int
check_rcpts(struct sendmail *m)
{
	struct sendmail_mail *mail = &m->mail;
	size_t n = 0;

	if (m->rcpts.n == 0)
		return fail(EX_USAGE, "no recipients in the message");
	for (size_t i = 0; i < m->rcpts.n; i++) {
		if (is_clean(m->rcpts.at[i])) {
			mail->is_utf8 =
			    mail->is_utf8 || !slice_is_ascii(m->rcpts.at[i]);
			m->rcpts.at[n++] = m->rcpts.at[i];
			continue;
		}
		m->status = fail(EX_DATAERR, "a recipient is no address");
	}
	m->rcpts.n = n;
	mail->sender = slice_cstr(m->sender);
	if (m->sender[0] != '\0' && !is_clean(mail->sender))
		return fail(EX_DATAERR, "the sender is no address");
	mail->is_utf8 = mail->is_utf8 || !slice_is_ascii(mail->sender);
	mail->header = buf_slice(&m->inject.header);
	mail->body = m->inject.body;
	mail->is_8bit =
	    !slice_is_ascii(mail->header) || !slice_is_ascii(mail->body);
	mail->notify = m->o.notify;
	mail->ret = m->o.ret;
	return take_envid(m);
}

/* -- what becomes of recipients ---------------------------------------------
 */

static void
leave_for_later(struct sendmail *m, struct slice rcpt)
{
	m->later[m->n_later++] = rcpt;
}

/* sysexits(3), by RFC 3463's codes */
static int
status_of(const struct verdict *v)
{
	if (v->esc.subject == 7)
		return EX_NOPERM;
	if (v->esc.subject == 1 && v->esc.detail != 3 && v->esc.detail != 7)
		return EX_NOUSER;
	if (v->esc.subject == 1 || v->esc.subject == 5 || v->esc.subject == 6 ||
	    v->code == 552 || v->code == 501 || v->code == 553)
		return EX_DATAERR;
	return EX_UNAVAILABLE;
}

static void
take_outcome(struct sendmail *m, struct slice rcpt, const struct verdict *v)
{
	char text[TABLE_CELL], address[LIMIT_ADDRESS + 1];
	int status;

	if (verdict_is_ok(v)) {
		m->n_sent++;
		return;
	}
	if (!verdict_is_permanent(v)) {
		leave_for_later(m, rcpt);
		return;
	}
	table_clean(v->text, text);
	(void)slice_to_cstr(rcpt, address, sizeof(address));
	status = fail(status_of(v), "%s: %u %u.%u.%u %s", address, v->code,
	    v->esc.class, v->esc.subject, v->esc.detail, text);
	if (m->status == EX_OK)
		m->status = status;
}

/* -- at the socket ----------------------------------------------------------
 */

static void
begin_mail(struct sendmail *m, const struct slice *rcpts, size_t n)
{
	struct smtp_client_mail mail = { .sender = m->mail.sender,
		.rcpts = rcpts,
		.n_rcpts = n,
		.size = m->mail.header.len + m->mail.body.len,
		.is_8bit = m->mail.is_8bit,
		.is_smtputf8 = m->mail.is_utf8,
		.notify = m->mail.notify,
		.ret = m->mail.ret,
		.envid = m->mail.envid };

	m->left = m->mail.header;
	m->is_in_body = false;
	smtp_client_mail(&m->talk.client, &mail);
}

/* Gives what the client takes; false: it wants its bytes sent first. */
static bool
give_body(struct sendmail *m)
{
	size_t n = smtp_client_body(&m->talk.client, m->left);

	m->left = slice_from(m->left, n);
	if (m->left.len > 0)
		return n > 0;
	if (m->is_in_body) {
		smtp_client_end(&m->talk.client);
		return true;
	}
	m->is_in_body = true;
	m->left = m->mail.body;
	return true;
}

/* One mail, to its end. */
static void
converse(struct sendmail *m, const struct slice *rcpts, size_t n)
{
	struct smtp_client *c = &m->talk.client;
	bool has_begun = false, is_over = false;

	while (!is_over) {
		enum smtp_client_event event = smtp_client_next(c);

		if (m->o.is_verbose)
			talk_show_dialogue(&m->talk);
		switch (event) {
		case SMTP_CLIENT_READY:
			if (has_begun)
				return;
			has_begun = true;
			begin_mail(m, rcpts, n);
			break;
		case SMTP_CLIENT_BODY:
			if (!give_body(m))
				talk_transfer(&m->talk);
			break;
		case SMTP_CLIENT_MAIL_DONE:
			for (size_t i = 0; i < n; i++)
				take_outcome(m, rcpts[i],
				    c->outcomes[i].is_done
					? &c->outcomes[i].verdict
					: &(struct verdict){ 0 });
			return;
		case SMTP_CLIENT_CLOSED:
			is_over = true;
			break;
		default: /* nobody offers TLS here */
			talk_transfer(&m->talk);
		}
	}
	for (size_t i = 0; i < n; i++)
		leave_for_later(m, rcpts[i]);
}

/* Whoever listens says something soon, or is as good as down. */
static bool
is_answering(const struct sendmail *m)
{
	return talk_wait(m->talk.fd, ENV_READ, GREETING_MS) == 0;
}

static void
hand_in(struct sendmail *m)
{
	const struct smtp_client_config config = { .helo = m->settings.hostname,
		.tls = SMTP_TLS_NEVER };
	size_t at = 0, n = m->rcpts.n;

	m->talk.fd = talk_connect_local(m->settings.local_socket);
	if (m->talk.fd >= 0 && is_answering(m)) {
		smtp_client_init(&m->talk.client, &config);
		while (at < n) {
			size_t now = n - at < SMTP_CLIENT_RCPTS
			    ? n - at
			    : SMTP_CLIENT_RCPTS;

			converse(m, m->rcpts.at + at, now);
			at += now;
		}
		smtp_client_deinit(&m->talk.client);
	} else if (m->o.is_verbose) {
		(void)fail(EX_OK, "nobody answers at %s",
		    m->settings.local_socket);
	}
	for (; at < n; at++)
		leave_for_later(m, m->rcpts.at[at]);
	if (m->talk.fd >= 0)
		(void)close(m->talk.fd);
}

static int
spool_the_rest(struct sendmail *m)
{
	int r;

	if (m->n_later == 0)
		return m->status;
	m->mail.rcpts = m->later;
	m->mail.n_rcpts = m->n_later;
	r = sendmail_spool(m->settings.local_spool, &m->mail);
	if (r < 0)
		return fail(EX_TEMPFAIL, "%s: cannot be left for later: %s%s",
		    m->settings.local_spool, strerror(-r),
		    m->n_sent > 0 ? " (some recipients have it)" : "");
	if (m->o.is_verbose)
		(void)fail(EX_OK, "left for %zu recipients in %s", m->n_later,
		    m->settings.local_spool);
	return m->status;
}

static int
deliver(struct sendmail *m)
{
	int r = find_caller(m);

	if (r == EX_OK)
		r = take_sender(m);
	if (r == EX_OK)
		r = take_arguments(m);
	if (r == EX_OK)
		r = read_text(m);
	if (r == EX_OK)
		r = make_message(m);
	if (r == EX_OK)
		r = check_rcpts(m);
	if (r == EX_OK && m->rcpts.n > 0) {
		hand_in(m);
		return spool_the_rest(m);
	}
	return r != EX_OK ? r : m->status;
}

/* -- the other modes --------------------------------------------------------
 */

static int
print_queue(struct sendmail *m)
{
	char *argv[] = { "ulak", "-c", (char *)(uintptr_t)m->cli->config,
		"queue", "list", NULL };
	int r = cli_main(5, argv);

	return r == CLI_OK ? EX_OK : EX_UNAVAILABLE;
}

/* Somebody who connects has the spool looked at. */
static int
run_spool(struct sendmail *m)
{
	int fd = talk_connect_local(m->settings.local_socket);

	if (fd < 0)
		return fail(EX_TEMPFAIL, "nobody answers at %s: %s",
		    m->settings.local_socket, strerror(-fd));
	(void)talk_wait(fd, ENV_READ, GREETING_MS);
	(void)close(fd);
	return EX_OK;
}

static int
run_mode(struct sendmail *m)
{
	switch (m->o.mode) {
	case SENDMAIL_SESSION:
		return sendmail_session(&m->settings);
	case SENDMAIL_QUEUE:
		return print_queue(m);
	case SENDMAIL_RUN:
		return run_spool(m);
	default:
		return deliver(m);
	}
}

static int
run(struct sendmail *m)
{
	int r;

	if (m->o.mode == SENDMAIL_HELP) {
		sendmail_help();
		return EX_OK;
	}
	if (m->o.mode == SENDMAIL_ALIASES) {
		(void)printf("Aliases are kept by the server: see ulak alias "
			     "--help. Nothing is to be done.\n");
		return EX_OK;
	}
	if (sodium_init() < 0)
		return fail(EX_TEMPFAIL, "no randomness");
	if (cli_settings(m->cli, &m->settings) != CLI_OK)
		return EX_CONFIG;
	arena_init(&m->arena, ARENA);
	r = run_mode(m);
	inject_deinit(&m->inject);
	buf_deinit(&m->text);
	arena_reset(&m->arena);
	return r;
}

int
sendmail_main(struct cli *cli, int argc, char **argv)
{
	struct sendmail *m = calloc(1, sizeof(*m));
	char error[SENDMAIL_ERROR];
	int r;

	if (m == NULL)
		return fail(EX_TEMPFAIL, "out of memory");
	(void)signal(SIGPIPE, SIG_IGN);
	r = sendmail_options_parse(argc, argv, &m->o, error);
	if (r != EX_OK) {
		(void)fail(r, "%s", error);
	} else {
		if (m->o.config != NULL)
			cli->config = m->o.config;
		m->cli = cli;
		r = run(m);
	}
	free(m);
	return r;
}

static int
show_help(struct cli *cli)
{
	(void)cli;
	sendmail_help();
	return CLI_OK;
}

static const struct cli_action actions[] = {
	{ NULL, "[OPTION...] [RECIPIENT...]", 0, CLI_OPERANDS_MAX, NULL, NULL,
	    show_help, NULL },
};

const struct cli_command cli_sendmail = { "sendmail",
	"hands in a message of this machine, as sendmail(1) does",
	CLI_ACTIONS(actions),
	"Its options are those of sendmail(1): ulak sendmail --help after "
	"the\nword, or ulak-sendmail(1), tells them.\n",
	.raw = sendmail_main };
