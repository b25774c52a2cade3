/* SPDX-License-Identifier: ISC */
/* DATA and BDAT: the message. */
#include "smtp/server_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- refusal: said at the end ---------------------------------------------- */

static void
keep_refusal(struct smtp_server *s, const struct verdict *v)
{
	s->is_refused = true;
	s->refusal = *v;
	(void)slice_to_cstr(s->refusal.text, s->refusal_text,
	    sizeof(s->refusal_text));
	s->refusal.text = slice_cstr(s->refusal_text);
}

void
smtp_server_refuse_body(struct smtp_server *s, const struct verdict *v)
{
	struct verdict trouble = verdict_trouble();

	if (smtp_server_has_body(s) && !s->is_refused)
		keep_refusal(s,
		    verdict_is_temporary(v) || verdict_is_permanent(v)
			? v
			: &trouble);
}

static void
refuse(struct smtp_server *s, struct smtp_effect *e, enum smtp_fault fault)
{
	static const enum smtp_say says[] = {
		[SMTP_FAULT_TOO_BIG] = SMTP_SAY_TOO_BIG, /* RFC 1870, 6.3 */
		[SMTP_FAULT_LOOP] = SMTP_SAY_LOOP,       /* RFC 5321, 6.3 */
		[SMTP_FAULT_LINE_END] = SMTP_SAY_BAD_LINE_END,
	};
	struct verdict v = smtp_say(says[fault]);

	if (fault <= s->fault)
		return;
	if (!s->is_refused)
		e->todo = SMTP_DO_DROP_BODY;
	s->fault = (uint8_t)fault;
	keep_refusal(s, &v);
}

/* LMTP says it once for each recipient (RFC 2033, 4.2). */
static void
say_refusal(struct smtp_server *s, struct smtp_effect *e)
{
	server_say_no(s, e, &s->refusal, true);
	if (s->config.kind == SMTP_LMTP && s->n_rcpts > 1)
		e->n_more = s->n_rcpts - 1;
}

/* -- the body -------------------------------------------------------------- */

static void
begin_body(struct smtp_server *s, struct smtp_effect *e)
{
	s->dot = (struct smtp_dot){ 0 };
	memset(&s->fields, 0, sizeof(s->fields));
	s->fields.own = slice_cstr(s->config.hostname);
	memset(&s->trace, 0, sizeof(s->trace));
	s->body_size = 0;
	s->is_refused = s->is_kept = false;
	s->fault = SMTP_FAULT_NONE;
	s->n_answered = 0;
	s->id[0] = '\0';
	e->begins_body = true;
}

/* What was read is content, perhaps none. */
static void
take_run(struct smtp_server *s, struct slice run, struct smtp_effect *e)
{
	s->body_size += run.len;
	if (s->body_size > s->config.max_size)
		refuse(s, e, SMTP_FAULT_TOO_BIG);
	(void)smtp_fields_scan(&s->fields, run);
	if (s->fields.n_received > LIMIT_RECEIVED ||
	    s->fields.n_own > LIMIT_RECEIVED_OWN)
		refuse(s, e, SMTP_FAULT_LOOP);
	if (!s->is_refused)
		e->body = run;
}

/* The last octet was read. */
static void
end_body(struct smtp_server *s, struct smtp_effect *e)
{
	if (s->is_refused) {
		say_refusal(s, e);
		server_end_transaction(s, e);
		return;
	}
	server_enter(s, SMTP_WAIT_COMMIT);
	e->todo = SMTP_DO_COMMIT;
}

bool
smtp_server_body_part(struct smtp_server *s, struct slice *body,
    struct slice *ret_part)
{
	if (body->len == 0 && s->state == SMTP_WAIT_COMMIT)
		smtp_trace_end(&s->trace);
	return smtp_trace_next(&s->trace, body, ret_part);
}

/* -- DATA ------------------------------------------------------------------ */

void
server_on_data(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0) {
		server_complain(s, e, SMTP_SAY_NO_ARGUMENT);
	} else if (s->params.body == SMTP_BODY_BINARYMIME) {
		server_complain(s, e, SMTP_SAY_WANT_BDAT); /* RFC 3030, 3 */
	} else if (s->n_rcpts_tried == 0 ||
	    (s->n_rcpts == 0 && s->config.kind == SMTP_LMTP)) {
		server_complain(s, e, SMTP_SAY_RCPT_FIRST); /* RFC 2033, 4.2 */
	} else if (s->n_rcpts == 0) {
		server_say(s, e, SMTP_SAY_NO_VALID_RCPT); /* RFC 5321, 3.3 */
	} else {
		s->is_chunked = false;
		server_enter(s, SMTP_WAIT_DATA);
		e->todo = SMTP_DO_DATA;
	}
}

size_t
server_step_data(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	struct slice rest = in, run;
	int r = smtp_dot_next(&s->dot, &rest, &run);

	if (s->dot.is_bad) {
		refuse(s, e, SMTP_FAULT_LINE_END);
		s->body_size += in.len - rest.len; /* as fast as it comes */
	}
	if (r == SMTP_DOT_END)
		end_body(s, e);
	else if (r == SMTP_DOT_RUN)
		take_run(s, run, e);
	return in.len - rest.len;
}

/* -- BDAT (RFC 3030, 2) ---------------------------------------------------- */

/* The octets are on their way whatever we say: they are read over, lest they
 * be taken for commands, and then it is said. A code of 0 says nothing. */
static void
end_eating(struct smtp_server *s, struct smtp_effect *e)
{
	server_leave_wait(s);
	if (s->refusal.code == 0) {
		server_end_transaction(s, e);
	} else if (s->refusal.code == 503 &&
	    ++s->n_errors >= LIMIT_SMTP_ERRORS) {
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
	} else if (!server_is_idle_too_long(s, e)) {
		server_say_verdict(s, e, &s->refusal);
	}
}

static void
eat_chunk(struct smtp_server *s, struct smtp_effect *e, struct verdict v)
{
	keep_refusal(s, &v);
	s->body_size = 0;
	s->is_skipped = true;
	server_wait(s, SMTP_EAT);
	if (s->bdat.left == 0)
		end_eating(s, e);
}

static void
end_chunk(struct smtp_server *s, struct smtp_effect *e)
{
	if (s->bdat.is_last && !s->is_skipped && !smtp_bdat_end(&s->bdat))
		refuse(s, e, SMTP_FAULT_LINE_END);
	if (s->bdat.is_last) {
		end_body(s, e);
		return;
	}
	server_enter(s, SMTP_CHUNKS);
	if (s->is_refused) {
		server_say_verdict(s, e, &s->refusal);
		return;
	}
	s->out_len = 0;
	server_add_line(s, "250 2.0.0 %" PRIu64 " octets so far\r\n",
	    s->body_size + s->bdat.has_cr);
	e->say = slice_of(s->out, s->out_len);
}

/* The size is known: what is too big is refused before it is read. What belongs
 * to a message that is refused is read over; a chunk that turns out to be at
 * fault is looked at to its end, so that it does not matter how it was cut. */
static void
begin_chunk(struct smtp_server *s, struct smtp_effect *e)
{
	server_enter(s, SMTP_CHUNK);
	if (s->body_size > s->config.max_size ||
	    s->bdat.left > s->config.max_size - s->body_size)
		refuse(s, e, SMTP_FAULT_TOO_BIG);
	s->is_skipped = s->is_refused;
	if (s->bdat.left == 0)
		end_chunk(s, e);
}

size_t
server_step_chunk(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	struct slice rest = in, run;

	if (s->is_skipped) {
		if (rest.len > s->bdat.left)
			rest.len = (size_t)s->bdat.left;
		s->bdat.left -= rest.len;
		s->body_size += rest.len;
		in.len = rest.len;
		rest.len = 0;
	} else {
		run = smtp_bdat_next(&s->bdat, &rest);
		if (s->bdat.is_bad) {
			refuse(s, e, SMTP_FAULT_LINE_END);
			s->body_size += in.len - rest.len;
		}
		take_run(s, run, e);
	}
	if (s->bdat.left > 0)
		return in.len - rest.len;
	if (s->state == SMTP_EAT)
		end_eating(s, e);
	else
		end_chunk(s, e);
	return in.len - rest.len;
}

/* Why this chunk belongs to no message; SMTP_N_SAYS: it does. */
static enum smtp_say
why_no_chunk(const struct smtp_server *s)
{
	if (s->state == SMTP_NEW)
		return server_helo_first(s);
	if ((server_offers(s) & SMTP_EXT_CHUNKING) == 0)
		return SMTP_SAY_NOT_IMPLEMENTED;
	if (s->state == SMTP_READY)
		return SMTP_SAY_MAIL_FIRST;
	if (s->n_rcpts_tried == 0 ||
	    (s->n_rcpts == 0 && s->config.kind == SMTP_LMTP))
		return SMTP_SAY_RCPT_FIRST;
	return s->n_rcpts == 0 ? SMTP_SAY_NO_VALID_RCPT : SMTP_N_SAYS;
}

void
server_on_bdat(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	enum smtp_say why;
	uint64_t size;
	bool is_last;

	if (smtp_bdat_parse(args, &size, &is_last) != SMTP_BDAT_OK) {
		server_complain(s, e, SMTP_SAY_BAD_BDAT);
		return;
	}
	if (s->state == SMTP_CHUNKS) {
		smtp_bdat_chunk(&s->bdat, size, is_last);
		if (size > 0 || is_last || !server_is_idle_too_long(s, e))
			begin_chunk(s, e);
		return;
	}
	s->bdat = (struct smtp_bdat){ .is_binary = s->params.body ==
		    SMTP_BODY_BINARYMIME };
	smtp_bdat_chunk(&s->bdat, size, is_last);
	why = why_no_chunk(s);
	if (why == SMTP_N_SAYS) {
		s->is_chunked = true;
		server_enter(s, SMTP_WAIT_DATA);
		e->todo = SMTP_DO_DATA;
	} else if (why != SMTP_SAY_NOT_IMPLEMENTED &&
	    s->config.kind == SMTP_LMTP && is_last &&
	    s->state == SMTP_ENVELOPE && s->n_rcpts == 0) {
		eat_chunk(s, e, (struct verdict){ 0 }); /* RFC 2033, 4.3 */
	} else {
		eat_chunk(s, e, smtp_say(why));
	}
}

/* -- answers --------------------------------------------------------------- */

void
server_answer_data(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	server_enter(s, SMTP_ENVELOPE);
	if (!verdict_is_ok(v)) {
		if (s->is_chunked)
			eat_chunk(s, e, *v);
		else if (!server_is_idle_too_long(s, e))
			server_say_verdict(s, e, v);
		return;
	}
	begin_body(s, e);
	if (s->is_chunked) {
		begin_chunk(s, e);
	} else {
		server_enter(s, SMTP_DATA);
		server_say(s, e, SMTP_SAY_DATA_GO);
	}
}

/* LMTP: of the next recipient, the others follow (RFC 2033, 4.2). */
void
server_answer_commit(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	if (verdict_is_ok(v))
		server_say_verdict(s, e, v);
	else
		server_say_no(s, e, v, true);
	if (verdict_is_ok(v)) {
		s->n_mails += !s->is_kept;
		s->is_kept = true;
		s->n_idle = 0;
	}
	if (s->config.kind == SMTP_LMTP && ++s->n_answered < s->n_rcpts)
		return;
	server_end_transaction(s, e);
}
