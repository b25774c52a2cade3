/* SPDX-License-Identifier: ISC */
#include "imap/notify.h"

#include "base/limits.h"
#include "imap/command_impl.h"

enum {
	GROUPS_MAX = 64,
	NAMES_MAX = 256 /* in one group */
};

/* "(" mailbox *(SP mailbox) ")" or one mailbox. A name that cannot be is
 * ignored like one that is not there (RFC 5465, 3.1). */
static bool
take_names(struct imap_in *in, struct notify_group *g)
{
	bool has_parens;

	g->names = arena_array(in->arena, NAMES_MAX, sizeof(*g->names));
	if (g->names == NULL || !imap_skip_sp(in))
		return false;
	has_parens = slice_skip_byte(&in->rest, '(');
	do {
		struct slice wire;

		if (g->n_names == NAMES_MAX) {
			in->is_too_much = true;
			return false;
		}
		if (!imap_take_astring(in, &wire))
			return false;
		if (imap_name_decode(in, wire, &g->names[g->n_names]))
			g->n_names++;
	} while (has_parens && imap_skip_sp(in));
	return !has_parens || slice_skip_byte(&in->rest, ')');
}

static bool
take_filter(struct imap_in *in, struct notify_group *g)
{
	static const struct {
		const char *name;
		enum notify_filter filter;
	} known[] = {
		{ "SELECTED-DELAYED", NOTIFY_DELAYED },
		{ "SELECTED", NOTIFY_SELECTED },
		{ "INBOXES", NOTIFY_INBOXES },
		{ "PERSONAL", NOTIFY_PERSONAL },
		{ "SUBSCRIBED", NOTIFY_SUBSCRIBED },
		{ "SUBTREE", NOTIFY_SUBTREE },
		{ "MAILBOXES", NOTIFY_MAILBOXES },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (imap_skip_word(in, slice_cstr(known[i].name))) {
			g->filter = known[i].filter;
			return g->filter < NOTIFY_SUBTREE || take_names(in, g);
		}
	return false;
}

static bool
is_of_selected(const struct notify_group *g)
{
	return g->filter == NOTIFY_SELECTED || g->filter == NOTIFY_DELAYED;
}

static bool
take_event(struct imap_in *in, struct notify_group *g)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {
		{ "MessageExpunge", NOTIFY_EXPUNGE },
		{ "FlagChange", NOTIFY_FLAG },
		{ "MailboxName", NOTIFY_NAME },
		{ "SubscriptionChange", NOTIFY_SUBSCRIPTION },
	};
	struct imap_in rest;
	struct slice word;

	if (imap_skip_word(in, SLICE("MessageNew"))) {
		g->events |= NOTIFY_NEW;
		rest = *in;
		if (!imap_skip_sp(&rest) || rest.rest.len == 0 ||
		    rest.rest.at[0] != '(')
			return true;
		*in = rest;
		g->has_fetch = true;
		return is_of_selected(g) && imap_take_fetch_atts(in, &g->fetch);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (imap_skip_word(in, slice_cstr(known[i].name))) {
			g->events |= known[i].bit;
			return true;
		}
	g->events |= NOTIFY_OTHER;
	return imap_take_atom(in, &word);
}

/* RFC 5465, 5 and 6.1: what must go together, and what cannot. */
static bool
is_whole(const struct notify_group *g)
{
	unsigned both = NOTIFY_NEW | NOTIFY_EXPUNGE;
	unsigned of_others = NOTIFY_NAME | NOTIFY_SUBSCRIPTION;

	if ((g->events & NOTIFY_MESSAGE_EVENTS) != 0 &&
	    (g->events & both) != both)
		return false;
	return !is_of_selected(g) || (g->events & of_others) == 0;
}

/* "(" filter-mailboxes SP ("(" event *(SP event) ")" / "NONE") ")" */
static bool
take_group(struct imap_in *in, struct notify_group *g)
{
	if (!slice_skip_byte(&in->rest, '(') || !take_filter(in, g) ||
	    !imap_skip_sp(in))
		return false;
	if (imap_skip_word(in, SLICE("NONE")))
		return slice_skip_byte(&in->rest, ')');
	if (!slice_skip_byte(&in->rest, '('))
		return false;
	do {
		if (!take_event(in, g))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')') &&
	    slice_skip_byte(&in->rest, ')') && is_whole(g);
}

static bool
take_groups(struct imap_in *in, struct notify_set *set)
{
	unsigned n_selected = 0;

	set->groups = arena_array(in->arena, GROUPS_MAX, sizeof(*set->groups));
	if (set->groups == NULL) {
		in->is_too_much = true;
		return false;
	}
	while (imap_skip_sp(in)) {
		struct notify_group *g = &set->groups[set->n];

		if (set->n == GROUPS_MAX) {
			in->is_too_much = true;
			return false;
		}
		*g = (struct notify_group){ 0 };
		if (!take_group(in, g))
			return false;
		n_selected += is_of_selected(g);
		set->n++;
	}
	return set->n > 0 && n_selected < 2;
}

int
imap_notify_read(struct imap_in *in, struct notify_set *ret)
{
	struct imap_in rest;

	*ret = (struct notify_set){ 0 };
	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	if (imap_skip_word(in, SLICE("NONE"))) {
		ret->is_none = true;
		return imap_args_end(in);
	}
	if (!imap_skip_word(in, SLICE("SET")))
		return IMAP_COMMAND_BAD;
	rest = *in;
	if (imap_skip_sp(&rest) && imap_skip_word(&rest, SLICE("STATUS"))) {
		ret->wants_status = true;
		*in = rest;
	}
	return take_groups(in, ret) ? imap_args_end(in) : imap_args_bad(in);
}

int
imap_args_notify(struct imap_in *in, struct imap_command *c)
{
	struct notify_set set;

	c->raw = in->rest;
	return imap_notify_read(in, &set);
}

/* -- asking it ----------------------------------------------------------------
 */

static bool
is_below(struct slice name, struct slice root)
{
	return slice_starts(name, root) &&
	    (name.len == root.len || name.at[root.len] == '/');
}

static bool
group_has(const struct notify_group *g, struct slice name, bool is_subscribed)
{
	switch (g->filter) {
	case NOTIFY_SELECTED:
	case NOTIFY_DELAYED:
		return false;
	case NOTIFY_INBOXES:
		return slice_equal(name, SLICE("INBOX"));
	case NOTIFY_PERSONAL:
		return true;
	case NOTIFY_SUBSCRIBED:
		return is_subscribed;
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		break;
	}
	for (size_t i = 0; i < g->n_names; i++)
		if (g->filter == NOTIFY_SUBTREE
			? is_below(name, g->names[i])
			: slice_equal(name, g->names[i]))
			return true;
	return false;
}

unsigned
imap_notify_events(const struct notify_set *set, struct slice name,
    bool is_subscribed)
{
	unsigned ret = 0;

	for (size_t i = 0; i < set->n; i++)
		if (group_has(&set->groups[i], name, is_subscribed))
			ret |= set->groups[i].events;
	return ret;
}

const struct notify_group *
imap_notify_selected(const struct notify_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (is_of_selected(&set->groups[i]) &&
		    set->groups[i].events != 0)
			return &set->groups[i];
	return NULL;
}

bool
imap_notify_has_unknown(const struct notify_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if ((set->groups[i].events & NOTIFY_OTHER) != 0)
			return true;
	return false;
}
