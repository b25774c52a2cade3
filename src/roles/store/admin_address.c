/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_address - where would a mail to this address go, and why?
 *
 * The decision of RCPT (policy/rcpt) with its steps, for a sender and perhaps
 * a login that the admin names; nothing is sent, nothing remembered. Rows:
 * `kind` step (how it was resolved, indented by `depth`), target (who gets
 * it), sender (of a login) and, last, answer: what RCPT would hear.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "roles/store/accept_impl.h"
#include "roles/store/admin_impl.h"
#include "store/group.h"

struct question {
	struct rcpt_request ask;
	struct rcpt_result result;
	uint64_t account, size;
};

/* One row; the text may be empty. */
static int
put_line(struct admin_job *j, const char *kind, unsigned depth,
    struct slice what, struct slice address, struct slice text)
{
	int r = put_text(j, "kind", slice_cstr(kind));

	r |= put_number(j, "depth", depth);
	r |= put_text(j, "what", what);
	r |= put_text(j, "address", address);
	r |= put_text(j, "text", text);
	end_row(j);
	return ERR_TRACE(r);
}

/* -- steps
 * ------------------------------------------------------------------------ */

static int
describe_group(struct db *db, struct slice canonical, char *text, size_t size)
{
	struct q_list_by_address row;
	int r = DB_ONE(list_by_address, db, &row, .canonical = canonical);

	text[0] = '\0';
	if (r == 0)
		(void)snprintf(text, size,
		    "%llu members; may post: %s; owner: %.*s",
		    (unsigned long long)row.members,
		    row.post < GROUP_N_POSTS ? group_post_texts[row.post] : "?",
		    SLICE_FMT(row.owner.len > 0 ? row.owner : SLICE("none")));
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
put_step(struct db *db, struct admin_job *j, const struct rcpt_step *step)
{
	static const char *const texts[RCPT_N_STEP_KINDS] = {
		[RCPT_STEP_DETAIL] = "without what follows the separator",
		[RCPT_STEP_OTHER] = "its domain stands for another",
		[RCPT_STEP_OWNER] = "the owner of the group",
		[RCPT_STEP_ROLE] = "always reached: the first account",
		[RCPT_STEP_CATCH_ALL] = "whoever is not known in the domain",
		[RCPT_STEP_RELAY] = "known in a domain that is passed on",
		[RCPT_STEP_FOREIGN] = "not served here",
		[RCPT_STEP_AGAIN] = "reached already: gets it once",
		[RCPT_STEP_NOBODY] = "no account, alias or group",
		[RCPT_STEP_DISABLED] = "takes no mail (ulak account enable)",
		[RCPT_STEP_LOOP] = "leads back to where it came from",
		[RCPT_STEP_EMPTY] = "no member of it can be reached",
		[RCPT_STEP_LARGE] = "too many to be reached at once",
		[RCPT_STEP_DEEP] = "behind too many others; it is not followed",
	};
	char text[LIMIT_ADDRESS + 128];
	int r = 0;

	(void)snprintf(text, sizeof(text), "%s",
	    texts[step->kind] == NULL ? "" : texts[step->kind]);
	if (step->kind == RCPT_STEP_GROUP)
		r = describe_group(db, step->name, text, sizeof(text));
	if (r == 0)
		r = put_line(j, "step", step->depth,
		    slice_cstr(rcpt_step_texts[step->kind]), step->name,
		    slice_cstr(text));
	return ERR_TRACE(r);
}

/* -- targets
 * ---------------------------------------------------------------------------
 */

static void
describe_mailbox(const struct question *q, const struct rcpt_target *t,
    char *text, size_t size)
{
	uint64_t least = q->size == 0 ? 1 : q->size;

	if (t->room == UINT64_MAX)
		(void)snprintf(text, size, "into INBOX; no quota");
	else if (t->is_exempt)
		(void)snprintf(text, size, "into INBOX; beyond its quota, too");
	else if (t->room >= least)
		(void)snprintf(text, size, "into INBOX; %llu bytes of room",
		    (unsigned long long)t->room);
	else
		(void)snprintf(text, size, "%llu bytes of room: %s",
		    (unsigned long long)t->room,
		    (t->via & RCPT_VIA_GROUP) != 0 ? "waits until there is more"
						   : "is full");
}

static int
put_target(struct admin_job *j, const struct question *q,
    const struct rcpt_target *t)
{
	char text[2 * LIMIT_ADDRESS + 128];
	struct slice local, route = t->route;
	const char *what = t->account != 0 ? "mailbox"
	    : t->is_list                   ? "list"
	    : t->is_relay                  ? "relay"
					   : "remote";
	size_t n;

	if (route.len == 0)
		(void)canon_split(t->name.canonical, &local, &route);
	if (t->account != 0)
		describe_mailbox(q, t, text, sizeof(text));
	else if (t->is_list)
		(void)snprintf(text, sizeof(text),
		    "its members, in slices behind the 250");
	else
		(void)snprintf(text, sizeof(text), "by SMTP to %.*s",
		    SLICE_FMT(route));
	n = strlen(text);
	if (t->sender.len > 0)
		(void)snprintf(text + n, sizeof(text) - n, "; failures to %.*s",
		    SLICE_FMT(t->sender));
	return put_line(j, "target", 0, slice_cstr(what), t->name.canonical,
	    slice_cstr(text));
}

/* -- the sender
 * ------------------------------------------------------------------------ */

/* What MAIL would say to that login. */
static int
put_sender(struct db *db, struct admin_job *j, const struct question *q)
{
	struct sending s = { .account = q->account,
		.defaults = accept_sending_defaults(j->asker.role),
		.n_rcpts = 1,
		.now = j->now };
	char names[SENDING_NAMES], text[ACCEPT_TEXT] = "may be used";
	int r = q->ask.sender.len > 0
	    ? sender_check(db, q->account, q->ask.sender)
	    : 0;

	if (r == DB_NONE) {
		r = sender_names(db, q->account, names);
		(void)snprintf(text, sizeof(text),
		    "553 5.7.1 is not this login's; it may use %s", names);
		return r != 0 ? ERR_TRACE(r)
			      : put_line(j, "sender", 0, SLICE("refused"),
				    q->ask.sender, slice_cstr(text));
	}
	if (r == 0)
		r = sending_check(db, &s);
	if (r == STORE_E_SENDING)
		(void)accept_sending_verdict(&s, text);
	else if (r != 0)
		return ERR_TRACE(r);
	return put_line(j, "sender", 0, r == 0 ? SLICE("ok") : SLICE("limited"),
	    q->ask.sender, slice_cstr(text));
}

static int
read_question(struct db *db, struct admin_job *j, struct question *q)
{
	struct slice size = arg(j, "size"), login = arg(j, "login");
	struct address a;
	int r = 0;

	if (size.len > 0 && !slice_to_u64(size, INT64_MAX, &q->size))
		return ACCOUNT_E_VALUE;
	if (login.len > 0) {
		r = address_read(db, login, &a);
		if (r == 0)
			r = account_find(db, a.canonical, &q->account);
		if (r == DB_NONE || r > 0) {
			say(j, "there is no account %.*s", SLICE_FMT(login));
			return ACCOUNT_E_ABSENT;
		}
	}
	q->ask = (struct rcpt_request){ .typed = arg(j, "address"),
		.sender = arg(j, "sender"),
		.account = q->account,
		.wants_steps = true };
	return ERR_TRACE(r);
}

static int
put_answer(struct admin_job *j, const struct verdict *v)
{
	char status[32];

	(void)snprintf(status, sizeof(status), "%u %u.%u.%u", v->code,
	    v->esc.class, v->esc.subject, v->esc.detail);
	return put_line(j, "answer", 0, slice_cstr(status), arg(j, "address"),
	    v->text);
}

int
put_address_steps(struct db *db, struct admin_job *j,
    const struct rcpt_result *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < result->n_steps; i++)
		r = put_step(db, j, &result->steps[i]);
	return ERR_TRACE(r);
}

int
tell_address(struct db *db, struct admin_job *j)
{
	struct question q = { 0 };
	struct verdict v = VERDICT(553, 5, 1, 3, "not an address");
	int r = read_question(db, j, &q);

	if (r != 0)
		return r;
	r = accept_lookup(db, j->asker.role->settings, SLICE(""), &q.ask,
	    &j->arena, &q.result);
	if (r < 0)
		return ERR_TRACE(r);
	if (r > 0) /* not an address */
		return put_answer(j, &v);
	r = put_address_steps(db, j, &q.result);
	for (size_t i = 0; r == 0 && i < q.result.n_targets &&
	     (q.result.outcome == RCPT_FOUND || q.account != 0);
	     i++)
		r = put_target(j, &q, &q.result.targets[i]);
	if (r == 0 && q.account != 0)
		r = put_sender(db, j, &q);
	v = rcpt_verdict(rcpt_weigh(&q.result, q.size, 0), q.account != 0);
	return r != 0 ? ERR_TRACE(r) : put_answer(j, &v);
}
