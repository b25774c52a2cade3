/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/sts - what the domain's MTA-STS policy says (RFC 8461)
 *
 * Asked of the fetcher together with the first question to the DNS, so that it
 * costs no time of its own. No host is connected to before the answer is there:
 * to go on without it would undo a policy that is enforced. A fetcher that dies
 * is asked again when there is another.
 */
#include "roles/courier/courier.h"

static void
ask(struct attempt *a)
{
	struct courier *c = a->courier;
	struct wire_sts_ask m = { .domain = a->domain };

	a->sts.ticket = courier_ticket(c);
	if (c->fetcher != NULL)
		(void)wire_send_sts_ask(c->fetcher, a->number, a->sts.ticket,
		    &m);
}

void
sts_begin(struct attempt *a)
{
	bool is_literal = a->domain.len > 0 && a->domain.at[0] == '[';

	if (a->sts.is_asked)
		return;
	a->sts.is_asked = true;
	a->sts.is_known = !a->courier->settings->mta_sts || is_literal ||
	    a->hop.kind == HOP_SMARTHOST || a->hop.kind == HOP_LMTP;
	if (!a->sts.is_known)
		ask(a);
}

bool
sts_is_missing(const struct attempt *a)
{
	return a->sts.is_asked && !a->sts.is_known;
}

void
sts_ask_again(struct courier *c)
{
	struct attempt *a;
	size_t at = 0;

	while ((a = map_next(&c->attempts, &at)) != NULL)
		if (sts_is_missing(a))
			ask(a);
}

static void
note(struct attempt *a, const struct wire_sts_answer *m)
{
	if (m->fetched != 0)
		attempt_note(a, "* MTA-STS: %s, policy %.*s",
		    sts_mode_name((enum sts_mode)a->sts.mode),
		    SLICE_FMT(slice_upto(m->id, STS_ID)));
	if (a->sts.result != STS_RESULT_OK)
		attempt_note(a, "! MTA-STS: %s: %s",
		    sts_result_name((enum sts_result)a->sts.result),
		    a->sts.why);
}

bool
sts_on_answer(struct attempt *a, uint32_t ticket,
    const struct wire_sts_answer *m)
{
	bool is_sane = m->mode <= STS_ENFORCE &&
	    m->result <= STS_RESULT_WEBPKI && sts_mx_is_valid(m->mx);

	if (!sts_is_missing(a) || ticket != a->sts.ticket || !is_sane ||
	    !arena_copy(&a->arena, m->mx, &a->sts.mx))
		return false;
	a->sts.is_known = true;
	a->sts.mode = m->mode;
	a->sts.result = m->result;
	a->sts.max_age = m->max_age;
	(void)slice_to_cstr(slice_upto(m->why, STS_WHY - 1), a->sts.why,
	    sizeof(a->sts.why));
	note(a, m);
	return true;
}

struct sts_verdict
sts_verdict_of(const struct attempt *a, struct slice host)
{
	return tls_policy_sts(a->sts.mode, a->sts.result, a->sts.mx, host);
}

/* RFC 8460, 4.5: the policy as lines. */
void
sts_print_lines(const struct attempt *a, struct buf *out)
{
	struct slice rest = a->sts.mx, one;

	(void)buf_printf(out, "version: STSv1\nmode: %s",
	    sts_mode_name((enum sts_mode)a->sts.mode));
	while (rest.len > 0) {
		if (!slice_take_until(&rest, ' ', &one)) {
			one = rest;
			rest.len = 0;
		}
		(void)buf_printf(out, "\nmx: %.*s", SLICE_FMT(one));
	}
	(void)buf_printf(out, "\nmax_age: %u", a->sts.max_age);
}
