/* SPDX-License-Identifier: ISC */
#include "roles/hook/rspamd_reply.h"

#include <jansson.h>
#include <string.h>

#include "hook/hook.h"

static struct slice
keep(struct arena *a, const json_t *value)
{
	struct slice s = { 0 };

	if (json_is_string(value))
		(void)arena_copy(a,
		    slice_of(json_string_value(value),
			json_string_length(value)),
		    &s);
	return s;
}

static const struct {
	const char *name;
	enum rspamd_action action;
} actions[] = {
	{ "no action", RSPAMD_NO_ACTION },
	{ "accept", RSPAMD_NO_ACTION },
	{ "add header", RSPAMD_ADD_HEADER },
	{ "add_header", RSPAMD_ADD_HEADER },
	{ "rewrite subject", RSPAMD_REWRITE_SUBJECT },
	{ "rewrite_subject", RSPAMD_REWRITE_SUBJECT },
	{ "greylist", RSPAMD_LATER },
	{ "soft reject", RSPAMD_LATER },
	{ "soft_reject", RSPAMD_LATER },
	{ "reject", RSPAMD_REJECT },
	{ "discard", RSPAMD_DISCARD },
	{ "quarantine", RSPAMD_QUARANTINE },
};

static bool
take_action(const json_t *value, struct rspamd_reply *r)
{
	const char *text = json_string_value(value);

	for (size_t i = 0;
	     text != NULL && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, text) == 0) {
			r->action = actions[i].action;
			return true;
		}
	return false;
}

static void
add_edit(struct rspamd_reply *r, struct slice name, struct slice value,
    int order)
{
	if (r->n_edits < RSPAMD_EDITS)
		r->edits[r->n_edits++] =
		    (struct rspamd_edit){ false, name, value, order };
}

static void
remove_edit(struct rspamd_reply *r, struct slice name, int order)
{
	if (r->n_edits < RSPAMD_EDITS)
		r->edits[r->n_edits++] =
		    (struct rspamd_edit){ true, name, { 0 }, order };
}

static int
order_of(const json_t *value)
{
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;

	return n < -1000 ? -1000 : n > 1000 ? 1000 : (int)n;
}

/* "text", { "value": "text", "order": 1 }, or an array of these */
static void
take_added(const json_t *value, struct slice name, struct arena *a,
    struct rspamd_reply *r)
{
	const json_t *one;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, one)
		{
			if (!json_is_array(one))
				take_added(one, name, a, r);
		}
	} else if (json_is_object(value)) {
		if (json_is_string(json_object_get(value, "value")))
			add_edit(r, name,
			    keep(a, json_object_get(value, "value")),
			    order_of(json_object_get(value, "order")));
	} else if (json_is_string(value)) {
		add_edit(r, name, keep(a, value), -1);
	}
}

static struct slice
keep_name(struct arena *a, const char *name)
{
	struct slice s = { 0 };

	(void)arena_copy(a, slice_cstr(name), &s);
	return s;
}

/* 0: all of that name; or an array of indexes */
static void
take_removed(const json_t *value, struct slice name, struct rspamd_reply *r)
{
	const json_t *one;
	size_t i;

	if (json_is_integer(value))
		remove_edit(r, name, order_of(value));
	json_array_foreach(value, i, one)
	{
		if (json_is_integer(one))
			remove_edit(r, name, order_of(one));
	}
}

static void
take_addresses(const json_t *value, unsigned what, struct arena *a,
    struct rspamd_reply *r)
{
	const json_t *one;
	size_t i;

	json_array_foreach(value, i, one)
	{
		if (r->n_envelope < RSPAMD_ENVELOPE && json_is_string(one))
			r->envelope[r->n_envelope++] =
			    (struct rspamd_envelope_edit){ what, keep(a, one) };
	}
}

static void
take_milter(const json_t *milter, struct arena *a, struct rspamd_reply *r)
{
	json_t *value, *from;
	const char *name;

	/* taken out first, or what is added would be counted */
	json_object_foreach(json_object_get(milter, "remove_headers"), name,
	    value)
	{
		take_removed(value, keep_name(a, name), r);
	}
	json_object_foreach(json_object_get(milter, "add_headers"), name, value)
	{
		take_added(value, keep_name(a, name), a, r);
	}
	take_addresses(json_object_get(milter, "add_rcpt"), HOOK_EDIT_ADD_RCPT,
	    a, r);
	take_addresses(json_object_get(milter, "del_rcpt"),
	    HOOK_EDIT_DELETE_RCPT, a, r);
	from = json_object_get(milter, "change_from");
	if (json_is_string(from) && r->n_envelope < RSPAMD_ENVELOPE)
		r->envelope[r->n_envelope++] =
		    (struct rspamd_envelope_edit){ HOOK_EDIT_FROM,
			    keep(a, from) };
	if (json_is_true(json_object_get(milter, "no_action")))
		r->action = RSPAMD_NO_ACTION;
	value = json_object_get(milter, "reject");
	if (json_is_string(value)) {
		const char *how = json_string_value(value);

		if (strcmp(how, "quarantine") == 0)
			r->action = RSPAMD_QUARANTINE;
		else if (strcmp(how, "discard") == 0)
			r->action = RSPAMD_DISCARD;
	}
}

static bool
is_text(uint8_t c)
{
	return ascii_is_print(c);
}

static struct slice
said(struct slice s)
{
	struct slice rest = s, run;

	return s.len <= LIMIT_SMTP_REPLY_LINE / 2 &&
		slice_take_while(&rest, is_text, &run) && rest.len == 0
	    ? s
	    : (struct slice){ 0 };
}

static void
take_root(const json_t *root, struct arena *a, struct rspamd_reply *r)
{
	const json_t *messages = json_object_get(root, "messages");
	const json_t *dkim = json_object_get(root, "dkim-signature");

	r->score = json_number_value(json_object_get(root, "score"));
	r->required =
	    json_number_value(json_object_get(root, "required_score"));
	r->text = said(keep(a, json_object_get(messages, "smtp_message")));
	take_milter(json_object_get(root, "milter"), a, r);
	if (json_is_string(dkim))
		add_edit(r, SLICE("DKIM-Signature"), keep(a, dkim), 0);
	else
		take_added(dkim, SLICE("DKIM-Signature"), a, r);
	if (r->action == RSPAMD_ADD_HEADER)
		add_edit(r, SLICE("X-Spam"), SLICE("Yes"), -1);
	if (r->action == RSPAMD_REWRITE_SUBJECT &&
	    json_is_string(json_object_get(root, "subject"))) {
		remove_edit(r, SLICE("Subject"), 0);
		add_edit(r, SLICE("Subject"),
		    keep(a, json_object_get(root, "subject")), -1);
	}
}

bool
rspamd_reply_parse(struct slice json, struct arena *a, struct rspamd_reply *ret)
{
	json_t *root = json_loadb((const char *)json.at, json.len,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	bool is_fine;

	memset(ret, 0, sizeof(*ret));
	is_fine = json_is_object(root) &&
	    take_action(json_object_get(root, "action"), ret);
	if (is_fine)
		take_root(root, a, ret);
	json_decref(root);
	return is_fine && !a->starved;
}

int
rspamd_reply_apply(const struct rspamd_reply *r, struct hook_header *h)
{
	int result = HOOK_OK;

	for (size_t i = 0; i < r->n_edits && result == HOOK_OK; i++) {
		const struct rspamd_edit *e = &r->edits[i];

		if (e->removes)
			result = hook_header_remove(h, e->name, e->order);
		else if (e->order >= 0)
			result = hook_header_insert(h, (size_t)e->order,
			    e->name, e->value, false);
		else
			result = hook_header_add(h, e->name, e->value, false);
	}
	return result;
}
