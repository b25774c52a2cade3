/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_admin - `ulak queue ...`: arguments in, answers out
 *
 * docs/admin.md has the arguments and columns. Who may ask was checked by the
 * control role. Looking is outbound_show.c's, changing outbound_change.c's.
 */
#include "roles/store/outbound_admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "config/settings_table.h"
#include "policy/canon.h"
#include "policy/route.h"

/* -- arguments
 * --------------------------------------------------------------------- */

static bool
take_text(struct slice value, char *at, size_t size)
{
	return value.len > 0 && slice_find_byte(value, '\0') == SIZE_MAX &&
	    slice_to_cstr(value, at, size);
}

static bool
take_id(struct args *a, struct slice value)
{
	struct id id;

	a->has_id = id_parse(value, &id);
	memcpy(a->id, id.bytes, a->has_id ? sizeof(a->id) : 0);
	return a->has_id;
}

/* "2h": 2 hours ago. */
static bool
take_age(struct slice value, int64_t now, int64_t *ret)
{
	int64_t age;

	if (!settings_duration_parse(value, &age) || age >= now)
		return false;
	*ret = now - age;
	return true;
}

static bool
take_lane(struct slice value, int8_t *ret)
{
	static const char *const lanes[] = { "interactive", "bulk", "bounce" };

	for (int8_t i = 0; i < QUEUE_LANES; i++)
		if (slice_equal(value, slice_cstr(lanes[i]))) {
			*ret = i;
			return true;
		}
	return false;
}

/* RFC 6710: from -9 to 9. */
static bool
take_priority(struct args *a, struct slice value)
{
	uint64_t n;
	bool is_minus = slice_skip_byte(&value, '-');

	if (!slice_to_u64(value, 9, &n))
		return false;
	a->priority = is_minus ? -(int64_t)n : (int64_t)n;
	a->has_priority = true;
	return true;
}

static bool
take_arg(struct args *a, const struct wire_field *f, int64_t now)
{
	if (slice_equal(f->name, SLICE("id")))
		return take_id(a, f->value);
	if (slice_equal(f->name, SLICE("row")))
		return slice_to_u64(f->value, INT64_MAX, &a->row) && a->row > 0;
	if (slice_equal(f->name, SLICE("limit")))
		return slice_to_u64(f->value, SHOW_MAX, &a->limit);
	if (slice_equal(f->name, SLICE("recipient")))
		return take_text(f->value, a->rcpt, sizeof(a->rcpt));
	if (slice_equal(f->name, SLICE("sender")))
		return take_text(f->value, a->sender, sizeof(a->sender));
	if (slice_equal(f->name, SLICE("route")))
		return take_text(f->value, a->route, sizeof(a->route));
	if (slice_equal(f->name, SLICE("state")))
		return take_text(f->value, a->state, sizeof(a->state));
	if (slice_equal(f->name, SLICE("reason")))
		return take_text(f->value, a->reason, sizeof(a->reason));
	if (slice_equal(f->name, SLICE("to")))
		return take_text(f->value, a->to, sizeof(a->to));
	if (slice_equal(f->name, SLICE("by")))
		return take_text(f->value, a->by, sizeof(a->by)) &&
		    (strcmp(a->by, "domain") == 0 ||
			strcmp(a->by, "sender") == 0);
	if (slice_equal(f->name, SLICE("after")))
		return slice_to_u64(f->value, INT64_MAX, &a->after);
	if (slice_equal(f->name, SLICE("slice")))
		return slice_to_u64(f->value, INT64_MAX, &a->slice);
	if (slice_equal(f->name, SLICE("older")))
		return take_age(f->value, now, &a->older);
	if (slice_equal(f->name, SLICE("newer")))
		return take_age(f->value, now, &a->newer);
	if (slice_equal(f->name, SLICE("lane")))
		return take_lane(f->value, &a->lane);
	if (slice_equal(f->name, SLICE("priority")))
		return take_priority(a, f->value);
	if (slice_equal(f->name, SLICE("all"))) {
		a->all = slice_equal(f->value, SLICE("1"));
		return true;
	}
	return false;
}

static const struct {
	const char *name, *takes;
} kinds[] = {
	{ "id", "the 26 characters of a message's id" },
	{ "row", "a number from 1 on" },
	{ "limit", "a number" },
	{ "older", "a time such as 2h" },
	{ "newer", "a time such as 2h" },
	{ "state", "waiting, held or failed" },
	{ "lane", "interactive, bulk or bounce" },
	{ "priority", "-9 to 9" },
	{ "to", "a domain, an address or [ADDRESS]" },
	{ "by", "domain or sender" },
};

/* For who asked; false, always. */
static bool
note_bad(struct args *a, struct slice name, struct slice value)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_equal(name, slice_cstr(kinds[i].name)))
			(void)snprintf(a->bad, sizeof(a->bad),
			    "%s takes %s, not \"%.*s\"", kinds[i].name,
			    kinds[i].takes, SLICE_FMT(slice_upto(value, 128)));
	return false;
}

static bool
take_state(struct args *a)
{
	static const char *const states[] = {
		[WHICH_WAITING] = "waiting",
		[WHICH_HELD] = "held",
		[WHICH_FAILED] = "failed",
	};

	for (uint8_t i = WHICH_WAITING; i <= WHICH_FAILED; i++)
		if (strcmp(a->state, states[i]) == 0)
			a->which = i;
	return a->state[0] == '\0' || a->which != WHICH_ANY ||
	    strcmp(a->state, "sending") == 0;
}

static bool
take_args(struct args *a, const struct wire_admin_ask *m, int64_t now)
{
	struct wire_list rows = m->args;
	struct wire_field f;

	a->lane = -1;
	while (wire_field_next(&rows, &f))
		if (!take_arg(a, &f, now))
			return note_bad(a, f.name, f.value);
	if (!take_state(a))
		return note_bad(a, SLICE("state"), slice_cstr(a->state));
	return true;
}

/* -- answers
 * ----------------------------------------------------------------------- */

void
table_text(struct table *t, const char *name, struct slice value)
{
	struct wire_field f = { slice_cstr(name), slice_upto(value, 1024) };

	if (wire_field_add(&t->fields, &f) == 0)
		t->n++;
}

void
table_number(struct table *t, const char *name, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	table_text(t, name, slice_cstr(text));
}

void
table_send(struct table *t, bool more, struct verdict v)
{
	struct request *q = t->request;
	struct wire_admin_rows m = { .verdict = { v.code, v.esc.class,
					 v.esc.subject, v.esc.detail, v.text },
		.rows = { buf_slice(&t->fields), t->n },
		.more = more };

	if (q->channel != NULL)
		(void)wire_send_admin_rows(q->channel, q->session, q->ticket,
		    &m);
	buf_reset(&t->fields, ROWS_BUF);
	t->n = 0;
}

void
request_end(struct request *q, struct verdict v)
{
	struct table t = { .request = q };

	buf_init(&t.fields, ROWS_BUF);
	table_send(&t, false, v);
	buf_deinit(&t.fields);
	list_remove(&q->link);
	free(q);
}

/* -- commands
 * ---------------------------------------------------------------------------
 */

static const struct command commands[] = {
	{ "queue list", show_make, show_start, .looks = true },
	{ "queue show", show_make, show_start, .looks = true,
	    .needs_id = true },
	{ "queue count", show_make, count_start, .looks = true },
	{ "queue summary", show_make, summary_start, .looks = true },
	{ "queue retry", change_make, change_start, apply_retry,
	    .makes_due = true },
	{ "queue hold", change_make, change_start, apply_hold },
	{ "queue release", change_make, change_start, apply_release,
	    .makes_due = true },
	{ "queue delete", change_make, change_start, apply_delete },
	{ "queue bounce", change_make, change_start, apply_bounce,
	    .makes_bounce = true },
	{ "queue redirect", change_make, change_start, apply_redirect,
	    .makes_due = true, .moves = true },
	{ "queue priority", change_make, change_start, apply_priority,
	    .moves = true },
};

static const struct command *
command_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_equal(name, slice_cstr(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* A change must say which rows; one that names none is a slip. */
static bool
args_are_good(const struct command *cmd, const struct args *a)
{
	bool names_some = a->has_id || a->row != 0 || a->rcpt[0] != '\0' ||
	    a->sender[0] != '\0' || a->route[0] != '\0' ||
	    a->reason[0] != '\0' || a->older != 0 || a->newer != 0 ||
	    a->lane >= 0 || a->state[0] != '\0';
	bool moves = a->to[0] != '\0' || a->has_priority;

	if (cmd->needs_id)
		return a->has_id;
	if (cmd->looks)
		return true;
	return names_some != a->all && moves == cmd->moves &&
	    (a->state[0] == '\0' || a->which != WHICH_ANY);
}

static struct request *
request_new(const struct command *cmd, struct outbound *o, struct channel *c,
    const struct wire_head *h)
{
	struct request *q = cmd->make();

	if (q == NULL)
		return NULL;
	q->outbound = o;
	q->channel = c;
	q->session = h->session;
	q->ticket = h->ticket;
	q->command = cmd;
	list_add_last(&o->controls, &q->link);
	return q;
}

/* Where mail shall go: a domain as A-labels in lower case, or an address in
 * one. */
static bool
take_target(struct args *a)
{
	struct slice to = slice_cstr(a->to), domain = to;
	size_t at = slice_find_last_byte(to, '@');
	struct route_address address;
	struct buf canon;
	bool is_good;

	if (to.len == 0)
		return true;
	if (to.at[0] == '[')
		return route_literal_parse(to, &address) ||
		    note_bad(a, SLICE("to"), to);
	if (at == 0)
		return note_bad(a, SLICE("to"), to);
	if (at != SIZE_MAX)
		domain = slice_from(to, at + 1);
	buf_init(&canon, LIMIT_DOMAIN);
	is_good = canon_domain(domain, &canon) == 0 &&
	    (at == SIZE_MAX ? 0 : at + 1) + canon.len < sizeof(a->to);
	if (is_good)
		(void)slice_to_cstr(buf_slice(&canon),
		    a->to + (at == SIZE_MAX ? 0 : at + 1),
		    sizeof(a->to) - (at == SIZE_MAX ? 0 : at + 1));
	buf_deinit(&canon);
	return is_good || note_bad(a, SLICE("to"), to);
}

static void
refuse(struct channel *c, const struct wire_head *h, struct verdict v)
{
	struct wire_admin_rows m = { .verdict = { v.code, v.esc.class,
					 v.esc.subject, v.esc.detail,
					 v.text } };

	(void)wire_send_admin_rows(c, h->session, h->ticket, &m);
}

bool
outbound_admin(struct outbound *o, struct channel *c, const struct wire_head *h,
    const struct wire_admin_ask *m)
{
	const struct command *cmd = command_find(m->command);
	struct request *q;

	if (cmd == NULL)
		return false;
	q = request_new(cmd, o, c, h);
	if (q == NULL) {
		refuse(c, h, verdict_trouble());
		return true;
	}
	if (!take_args(&q->args, m, env_wall(o->env)) ||
	    !args_are_good(cmd, &q->args) || !take_target(&q->args)) {
		request_end(q,
		    (struct verdict){ 501, { 5, 5, 4 },
			q->args.bad[0] != '\0'
			    ? slice_cstr(q->args.bad)
			    : SLICE("unknown, bad or missing argument") });
		return true;
	}
	return cmd->start(q);
}

void
outbound_control_lost(struct outbound *o, struct channel *c)
{
	LIST_FOREACH (it, &o->controls) {
		struct request *q = LIST_ENTRY(it, struct request, link);

		if (q->channel == c)
			q->channel = NULL;
	}
}

/* The loop does not turn any more: only what waits for a timer is ours to
 * free; the rest is with the threads. */
void
outbound_admin_end(struct outbound *o)
{
	struct list *it = o->controls.next;

	while (it != &o->controls) {
		struct request *q = LIST_ENTRY(it, struct request, link);

		it = it->next;
		if (q->waits == NULL || q->waits->slot == 0)
			continue;
		env_timer_stop(o->env, q->waits);
		list_remove(&q->link);
		free(q);
	}
}
