/* SPDX-License-Identifier: ISC */
/* The beginning of a session: who connects, what it says it is, TLS. */
#include "smtp/server_impl.h"
#include "smtp/xclient.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

/* -- the greeting ---------------------------------------------------------- */

/* RFC 5321 3.1: who is not wanted hears 554 and may only QUIT; who is not
 * wanted now hears 421. */
void
server_answer_connect(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	struct verdict no = *v;
	char text[LIMIT_SMTP_REPLY_LINE];

	if (verdict_is_ok(v)) {
		s->out_len = 0;
		server_add_line(s, "220 %.255s %s Ulak\r\n", s->config.hostname,
		    s->config.kind == SMTP_LMTP ? "LMTP" : "ESMTP");
		e->say = slice_of(s->out, s->out_len);
		server_enter(s, SMTP_NEW);
		return;
	}
	no.esc = (struct esc){ 0 }; /* none in a greeting: RFC 2034, 4 */
	no.code = verdict_is_temporary(v) ? 421 : 554;
	if (no.code == 554) { /* 421 has it anyway; RFC 5321, 4.3.1 */
		(void)snprintf(text, sizeof(text), "%.255s %.*s",
		    s->config.hostname, SLICE_FMT(v->text));
		no.text = slice_cstr(text);
	}
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
	(void)slice_to_cstr(args, s->asked, sizeof(s->asked));
	s->asked_is_ehlo = is_ehlo;
	server_wait(s, SMTP_WAIT_HELO);
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

/* -- what is offered ------------------------------------------------------- */

static void
offer_size(struct smtp_server *s)
{
	server_add_line(s, "250-SIZE %" PRIu64 "\r\n", s->config.max_size);
}

/* RFC 4954, 3 */
static void
offer_auth(struct smtp_server *s)
{
	if (s->is_authed)
		return;
	server_add_line(s, "250-AUTH");
	for (unsigned m = 0; m < N_SASL_MECHANISMS; m++)
		if ((s->config.mechanisms & SASL_BIT(m)) != 0)
			server_add_line(s, " %s", sasl_mechanism_names[m]);
	server_add_line(s, "\r\n");
}

/* RFC 4865, 3 */
static void
offer_hold(struct smtp_server *s)
{
	char until[TIME_RFC3339];

	time_print_rfc3339(s->wall_us + s->config.max_hold * TIME_SECOND,
	    until);
	server_add_line(s, "250-FUTURERELEASE %" PRIu32 " %s\r\n",
	    s->config.max_hold, until);
}

/* RFC 2852, 2 */
static void
offer_by(struct smtp_server *s)
{
	server_add_line(s, "250-DELIVERBY %d\r\n", SMTP_BY_MIN);
}

/* RFC 9422, 3 */
static void
offer_limits(struct smtp_server *s)
{
	server_add_line(s, "250-LIMITS MAILMAX=%d RCPTMAX=%d\r\n",
	    LIMIT_SMTP_MESSAGES,
	    s->config.kind == SMTP_LMTP ? LIMIT_LMTP_RCPTS : LIMIT_SMTP_RCPTS);
}

#define KIND(kind) (1u << (kind))
#define LOGIN (KIND(SMTP_SUBMISSION) | KIND(SMTP_SUBMISSIONS))
#define SUBMISSION (LOGIN | KIND(SMTP_LOCAL))
#define EVERY (KIND(SMTP_MX) | SUBMISSION | KIND(SMTP_LMTP))

/* Those without a line of their own are their keyword. */
static const struct offer {
	unsigned ext, kinds;
	void (*write)(struct smtp_server *s);
} offers[] = {
	{ SMTP_EXT_8BITMIME, EVERY, NULL },
	{ SMTP_EXT_SIZE, EVERY, offer_size },
	{ SMTP_EXT_STARTTLS, EVERY, NULL },
	{ SMTP_EXT_AUTH, LOGIN, offer_auth },
	{ SMTP_EXT_CHUNKING, EVERY, NULL },
	{ SMTP_EXT_BINARYMIME, EVERY, NULL },
	{ SMTP_EXT_SMTPUTF8, EVERY, NULL },
	{ SMTP_EXT_DSN, EVERY, NULL },
	{ SMTP_EXT_REQUIRETLS, EVERY, NULL },
	{ SMTP_EXT_FUTURERELEASE, SUBMISSION, offer_hold }, /* RFC 4865 4.2 */
	{ SMTP_EXT_DELIVERBY, SUBMISSION, offer_by },
	{ SMTP_EXT_MT_PRIORITY, SUBMISSION | KIND(SMTP_LMTP), NULL },
	{ SMTP_EXT_RRVS, EVERY, NULL },
	{ SMTP_EXT_LIMITS, EVERY, offer_limits },
};

enum {
	N_OFFERS = sizeof(offers) / sizeof(offers[0])
};

/* What this session could be offered as it stands. */
static unsigned
possible(const struct smtp_server *s)
{
	unsigned exts = 0, no = s->config.withheld;

	for (size_t i = 0; i < N_OFFERS; i++)
		if ((offers[i].kinds & KIND(s->config.kind)) != 0)
			exts |= offers[i].ext;
	if (s->has_tls || !s->config.can_tls)
		no |= SMTP_EXT_STARTTLS;
	if (!server_can_auth(s))
		no |= SMTP_EXT_AUTH;
	if (!s->has_tls)
		no |= SMTP_EXT_REQUIRETLS; /* RFC 8689, 2 */
	if (s->config.max_hold == 0)
		no |= SMTP_EXT_FUTURERELEASE;
	if ((no & SMTP_EXT_CHUNKING) != 0)
		no |= SMTP_EXT_BINARYMIME; /* RFC 3030, 3 */
	if ((no & SMTP_EXT_8BITMIME) != 0)
		no |= SMTP_EXT_SMTPUTF8; /* RFC 6531, 3.1 */
	return exts & ~no;
}

unsigned
server_offers(const struct smtp_server *s)
{
	return s->is_ehlo ? possible(s) : 0;
}

/* RFC 5321, 4.1.1.1; PIPELINING is RFC 2920, the last line RFC 2034. */
static void
say_offers(struct smtp_server *s)
{
	unsigned exts = server_offers(s);

	server_add_line(s, "250-%.255s greets %.200s\r\n", s->config.hostname,
	    s->helo);
	server_add_line(s, "250-PIPELINING\r\n");
	for (size_t i = 0; i < N_OFFERS; i++) {
		struct slice name = { 0 };

		if ((exts & offers[i].ext) == 0)
			continue;
		if (offers[i].write != NULL) {
			offers[i].write(s);
			continue;
		}
		for (unsigned n = 0; 1u << n <= offers[i].ext; n++)
			name = smtp_ext_name(n);
		server_add_line(s, "250-%.*s\r\n", SLICE_FMT(name));
	}
	if (s->config.may_xclient)
		server_add_line(s,
		    "250-XCLIENT " SMTP_XCLIENT_ATTRIBUTES "\r\n");
	if (server_is_told(s, s->config.expn))
		server_add_line(s, "250-EXPN\r\n"); /* RFC 5321, 3.5.2 */
	server_add_line(s, "250-HELP\r\n");
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
	(void)slice_to_cstr(slice_cstr(s->config.helo_override == NULL
				    ? s->asked
				    : s->config.helo_override),
	    s->helo, sizeof(s->helo));
	s->is_ehlo = s->asked_is_ehlo;
	server_end_transaction(s, e);
	s->out_len = 0;
	if (s->is_ehlo)
		say_offers(s);
	else
		server_add_line(s, "250 %.255s\r\n", s->config.hostname);
	e->say = slice_of(s->out, s->out_len);
}

/* -- XCLIENT (smtp/xclient.h) -------------------------------------------------
 */

static const enum smtp_say xclient_says[] = {
	[SMTP_XCLIENT_E_SYNTAX] = SMTP_SAY_XCLIENT_SYNTAX,
	[SMTP_XCLIENT_E_ATTRIBUTE] = SMTP_SAY_XCLIENT_ATTRIBUTE,
	[SMTP_XCLIENT_E_VALUE] = SMTP_SAY_XCLIENT_VALUE,
};

/* The session as it was before the greeting, TLS aside. */
void
server_on_xclient(struct smtp_server *s, struct slice args,
    struct smtp_effect *e)
{
	struct smtp_xclient x;
	int r;

	if (!s->config.may_xclient) {
		server_complain(s, e, SMTP_SAY_XCLIENT_DENIED);
		return;
	}
	r = smtp_xclient_parse(args, &x);
	if (r != SMTP_XCLIENT_OK) {
		server_complain(s, e, xclient_says[r]);
		return;
	}
	if (server_is_idle_too_long(s, e))
		return;
	server_enter(s, SMTP_NEW);
	s->is_ehlo = s->is_authed = false;
	s->helo[0] = '\0';
	e->todo = SMTP_DO_XCLIENT;
	e->args = args;
}

/* -- STARTTLS (RFC 3207) --------------------------------------------------- */

void
server_on_starttls(struct smtp_server *s, struct slice args,
    struct smtp_effect *e)
{
	if (args.len > 0) {
		server_complain(s, e, SMTP_SAY_NO_ARGUMENT);
	} else if ((s->config.withheld & SMTP_EXT_STARTTLS) != 0) {
		server_complain(s, e, SMTP_SAY_NOT_IMPLEMENTED);
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
