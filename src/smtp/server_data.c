/* SPDX-License-Identifier: ISC */
/* DATA: the message. */
#include "smtp/server_impl.h"

#include <string.h>

void
server_on_data(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0) {
		server_complain(s, e, SMTP_SAY_NO_ARGUMENT);
	} else if (s->n_rcpts_tried == 0) {
		server_complain(s, e, SMTP_SAY_RCPT_FIRST);
	} else if (s->n_rcpts == 0) {
		server_say(s, e, SMTP_SAY_NO_VALID_RCPT); /* RFC 5321, 3.3 */
	} else {
		server_enter(s, SMTP_WAIT_DATA);
		e->todo = SMTP_DO_DATA;
	}
}

void
server_answer_data(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	if (!verdict_is_ok(v)) {
		server_enter(s, SMTP_ENVELOPE);
		if (!server_is_idle_too_long(s, e))
			server_say_verdict(s, e, v);
		return;
	}
	s->dot = (struct smtp_dot){ 0 };
	memset(&s->trace, 0, sizeof(s->trace));
	s->body_size = 0;
	s->is_refused = false;
	server_enter(s, SMTP_DATA);
	server_say(s, e, SMTP_SAY_DATA_GO);
	e->todo = SMTP_DO_BEGIN;
}

void
server_answer_commit(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	if (verdict_is_ok(v)) {
		s->n_mails++;
		s->n_idle = 0;
	}
	server_end_transaction(s, e);
	server_say_verdict(s, e, v);
}

void
smtp_server_refuse_body(struct smtp_server *s, const struct verdict *v)
{
	if (s->state != SMTP_DATA || s->is_refused)
		return;
	s->is_refused = true;
	s->refusal = verdict_is_temporary(v) || verdict_is_permanent(v)
	    ? *v
	    : verdict_trouble();
	(void)slice_to_cstr(s->refusal.text, s->refusal_text,
	    sizeof(s->refusal_text));
	s->refusal.text = slice_cstr(s->refusal_text);
}

static void
server_refuse(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which)
{
	struct verdict v = smtp_say(which);

	if (s->is_refused)
		return;
	smtp_server_refuse_body(s, &v);
	e->todo = SMTP_DO_DROP_BODY;
}

/* CRLF.CRLF was read. */
static void
end_data(struct smtp_server *s, struct smtp_effect *e)
{
	if (s->dot.is_bad)
		server_refuse(s, e, SMTP_SAY_BAD_LINE_END);
	if (s->trace.n_received > LIMIT_RECEIVED)
		server_refuse(s, e, SMTP_SAY_LOOP);
	if (s->is_refused) {
		server_say_verdict(s, e, &s->refusal);
		server_end_transaction(s, e);
		return;
	}
	smtp_trace_end(&s->trace);
	server_enter(s, SMTP_WAIT_COMMIT);
	e->todo = SMTP_DO_COMMIT;
}

size_t
server_step_data(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	struct slice rest = in, run;
	int r = smtp_dot_next(&s->dot, &rest, &run);

	if (r == SMTP_DOT_END) {
		end_data(s, e);
		return in.len - rest.len;
	}
	if (s->dot.is_bad)
		server_refuse(s, e, SMTP_SAY_BAD_LINE_END);
	if (r == SMTP_DOT_MORE)
		return in.len - rest.len;

	s->body_size += run.len;
	if (s->body_size > s->config.max_size)
		server_refuse(s, e, SMTP_SAY_TOO_BIG); /* RFC 1870, 6.3 */
	if (s->trace.n_received > LIMIT_RECEIVED)
		server_refuse(s, e, SMTP_SAY_LOOP);
	if (!s->is_refused) {
		e->todo = SMTP_DO_BODY;
		e->body = run;
	}
	return in.len - rest.len;
}

bool
smtp_server_body_part(struct smtp_server *s, struct slice *body,
    struct slice *ret_part)
{
	return smtp_trace_next(&s->trace, body, ret_part);
}
