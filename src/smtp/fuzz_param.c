/* SPDX-License-Identifier: ISC */
/*
 * Parameters: whatever is taken is within what param.h promises, and is refused
 * when its extension is not offered. The first two octets say what is offered.
 */
#include <stdlib.h>

#include "smtp/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static void
check_mail(const struct smtp_mail_params *p, unsigned offered)
{
	must(p->priority >= -SMTP_PRIORITY_MAX &&
	    p->priority <= SMTP_PRIORITY_MAX);
	must(p->hold_for == 0 || p->hold_until == 0);
	must(p->hold_for <= SMTP_SECONDS_MAX && p->hold_until >= 0);
	must(p->by_mode != SMTP_BY_RETURN || p->by_seconds >= SMTP_BY_MIN);
	must(p->by_seconds <= SMTP_SECONDS_MAX &&
	    p->by_seconds >= -SMTP_SECONDS_MAX);
	must(p->envid.len <= SMTP_ENVID_MAX && slice_is_ascii(p->envid));
	must(slice_is_ascii(p->auth));
	must(!p->requires_tls || (offered & SMTP_EXT_REQUIRETLS) != 0);
	must(!p->is_smtputf8 || (offered & SMTP_EXT_SMTPUTF8) != 0);
	must(p->body != SMTP_BODY_BINARYMIME ||
	    (offered & SMTP_EXT_BINARYMIME) != 0);
	must((p->envid.len == 0 && p->ret == SMTP_RET_NONE) ||
	    (offered & SMTP_EXT_DSN) != 0);
}

static void
check_rcpt(const struct smtp_rcpt_params *p, bool is_utf8)
{
	must(p->notify < 16);
	must((p->notify & SMTP_NOTIFY_NEVER) == 0 ||
	    p->notify == SMTP_NOTIFY_NEVER);
	must(p->orcpt.len <= SMTP_ORCPT_MAX);
	must(is_utf8 ? slice_is_utf8(p->orcpt) : slice_is_ascii(p->orcpt));
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct smtp_mail_params mail;
	struct smtp_rcpt_params rcpt;
	struct slice args, name;
	unsigned offered;

	if (n < 2)
		return 0;
	offered = (unsigned)at[0] << 8 | at[1];
	args = slice_of(at + 2, n - 2);
	if (smtp_mail_params_parse(args, offered, &mail, &name) ==
	    SMTP_PARAMS_OK)
		check_mail(&mail, offered);
	if (smtp_rcpt_params_parse(args, offered, n % 2 == 1, &rcpt, &name) ==
	    SMTP_PARAMS_OK)
		check_rcpt(&rcpt, n % 2 == 1);
	return 0;
}
