/* SPDX-License-Identifier: ISC */
/* The beginning of a session: who connects, what it says it is, TLS. */
#include "smtp/server_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* -- the greeting ---------------------------------------------------------- */

/* RFC 5321 3.1: who is not wanted hears 554 and may only QUIT; who is not
 * wanted now hears 421. */
void
server_answer_connect(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	struct verdict no = *v;

	if (verdict_is_ok(v)) {
		s->out_len = 0;
		server_add_line(s, "220 %.255s ESMTP Ulak\r\n",
		    s->config.hostname);
		e->say = slice_of(s->out, s->out_len);
		server_enter(s, SMTP_NEW);
		return;
	}
	no.esc = (struct esc){ 0 }; /* none in a greeting: RFC 2034, 4 */
	no.code = verdict_is_temporary(v) ? 421 : 554;
	server_say_verdict(s, e, &no);
	if (no.code == 421)
		e->todo = SMTP_DO_CLOSE;
	server_enter(s, no.code == 421 ? SMTP_CLOSED : SMTP_REFUSED);
}

/* -- EHLO, HELO ------------------------------------------------------------ */

static void
take_helo(struct smtp_server *s, struct slice args, bool is_ehlo,
    struct smtp_effect *e)
{
	if (!smtp_helo_is_valid(args)) {
		server_complain(s, e, SMTP_SAY_WANT_HELO);
		return;
	}
	if (server_is_idle_too_long(s, e))
		return;
	(void)slice_to_cstr(args, s->asked_helo, sizeof(s->asked_helo));
	s->asked_is_ehlo = is_ehlo;
	s->state_before = s->state;
	server_enter(s, SMTP_WAIT_HELO);
	e->todo = SMTP_DO_HELO;
}

void
server_on_ehlo(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	take_helo(s, args, true, e);
}

void
server_on_helo(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	take_helo(s, args, false, e);
}

static void
say_offer(struct smtp_server *s)
{
	server_add_line(s, "250-%.255s greets %s\r\n", s->config.hostname,
	    s->helo);
	server_add_line(s, "250-PIPELINING\r\n");
	server_add_line(s, "250-8BITMIME\r\n");
	server_add_line(s, "250-SIZE %" PRIu64 "\r\n", s->config.max_size);
	if (s->config.can_tls && !s->has_tls)
		server_add_line(s, "250-STARTTLS\r\n");
	if (server_can_auth(s) && !s->is_authed)
		server_add_line(s, "250-AUTH PLAIN\r\n");
	server_add_line(s, "250 ENHANCEDSTATUSCODES\r\n");
}

/* A refused EHLO changes nothing, a good one ends the transaction (RFC 5321,
 * 4.1.4). */
void
server_answer_helo(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	server_leave_wait(s);
	if (!verdict_is_ok(v)) {
		server_say_verdict(s, e, v);
		return;
	}
	memcpy(s->helo, s->asked_helo, sizeof(s->helo));
	s->is_ehlo = s->asked_is_ehlo;
	server_end_transaction(s, e);
	s->out_len = 0;
	if (s->is_ehlo)
		say_offer(s);
	else
		server_add_line(s, "250 %.255s\r\n", s->config.hostname);
	e->say = slice_of(s->out, s->out_len);
}

/* -- STARTTLS (RFC 3207) --------------------------------------------------- */

void
server_on_starttls(struct smtp_server *s, struct slice args,
    struct smtp_effect *e)
{
	if (args.len > 0) {
		server_complain(s, e, SMTP_SAY_NO_ARGUMENT);
	} else if (s->has_tls) {
		server_complain(s, e, SMTP_SAY_TLS_ALREADY);
	} else if (!s->config.can_tls) {
		server_complain(s, e, SMTP_SAY_TLS_LATER);
	} else {
		server_say(s, e, SMTP_SAY_TLS_GO);
		e->todo = SMTP_DO_TLS;
		server_enter(s, SMTP_WAIT_TLS);
	}
}

/* What the client said before is forgotten (RFC 3207, 4.2). */
void
smtp_server_tls_up(struct smtp_server *s)
{
	assert(s->state == SMTP_WAIT_TLS);
	s->has_tls = true;
	s->is_ehlo = s->is_authed = false;
	s->helo[0] = '\0';
	server_enter(s, SMTP_NEW);
}
