/* SPDX-License-Identifier: ISC */
/*
 * A server's offer and a sender's wishes, both from outside. Two bytes choose
 * flags; then the EHLO line, ORCPT and ENVID, with a NUL between them. ORCPT
 * and ENVID are what the session lets in (no spaces, no controls). A line that
 * is said is one line, and read by the server's parser it says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static struct slice
field(struct slice *rest)
{
	struct slice part;

	if (slice_take_until(rest, '\0', &part))
		return part;
	part = *rest;
	rest->len = 0;
	return part;
}

static void
check_line(const char *line)
{
	size_t n = strlen(line);

	must(n < SMTP_ENVELOPE_LINE - 1);
	for (size_t i = 0; i < n; i++)
		must((uint8_t)line[i] >= ' ' && line[i] != 127);
}

/* What stands behind the path. */
static struct slice
args_of(const char *line)
{
	const char *end = strchr(line, '>');

	must(end != NULL);
	return slice_cstr(end + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rest = slice_of(at, n), name, rcpt = SLICE("a@b.example");
	struct smtp_rcpt_params given, got_rcpt;
	struct smtp_mail_params got_mail, given_mail;
	struct smtp_rcpt_wish wish = { 0 };
	struct smtp_client_mail m = { .sender = SLICE("c@d.example"),
		.rcpts = &rcpt,
		.n_rcpts = 1,
		.wishes = &wish };
	struct smtp_offer o = { 0 };
	char line[SMTP_ENVELOPE_LINE];

	if (n < 2)
		return 0;
	rest = slice_from(rest, 2);
	o.ext = (at[0] & 1) != 0 ? SMTP_EXT_ALL : 0;
	m.is_smtputf8 = (at[0] & 2) != 0;
	m.requires_tls = m.is_verified = (at[0] & 4) != 0;
	m.by_mode = (at[0] >> 3 & 3) % 3;
	m.by_trace = (at[0] & 32) != 0;
	m.is_8bit = (at[0] & 64) != 0;
	m.is_binary = (at[0] & 128) != 0;
	m.by_seconds = 60 + at[1];
	m.priority = (int8_t)(at[1] % 19 - 9);
	smtp_offer_read(&o, field(&rest));
	if (smtp_rcpt_params_parse(field(&rest), SMTP_EXT_ALL, true, &given,
		&name) == SMTP_PARAMS_OK) {
		wish = (struct smtp_rcpt_wish){ given.notify,
			given.rrvs_may_continue, given.rrvs, given.orcpt };
	}
	if (smtp_mail_params_parse(field(&rest), SMTP_EXT_ALL, &given_mail,
		&name) == SMTP_PARAMS_OK) {
		m.ret = given_mail.ret;
		m.envid = given_mail.envid;
	}
	smtp_envelope_mail(&o, &m, line);
	check_line(line);
	if (smtp_envelope_check(&o, &m).code == 0)
		must(smtp_mail_params_parse(args_of(line), SMTP_EXT_ALL,
			 &got_mail, &name) == SMTP_PARAMS_OK);
	smtp_envelope_rcpt(&o, &m, 0, line);
	check_line(line);
	if (smtp_envelope_check_rcpt(&o, &m, 0).code == 0) {
		must(smtp_rcpt_params_parse(args_of(line), SMTP_EXT_ALL, true,
			 &got_rcpt, &name) == SMTP_PARAMS_OK);
		must(got_rcpt.orcpt.len == 0 ||
		    (o.ext & SMTP_EXT_SMTPUTF8) == 0 ||
		    slice_equal(got_rcpt.orcpt, wish.orcpt));
	}
	return 0;
}
