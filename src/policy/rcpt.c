/* SPDX-License-Identifier: ISC */
#include "policy/rcpt.h"

#include <string.h>

#include "policy/canon.h"
#include "smtp/reply.h"

const char *const rcpt_step_texts[RCPT_N_STEP_KINDS] = {
	[RCPT_STEP_ACCOUNT] = "account",
	[RCPT_STEP_ALIAS] = "alias",
	[RCPT_STEP_GROUP] = "group",
	[RCPT_STEP_DETAIL] = "detail",
	[RCPT_STEP_OTHER] = "alias domain",
	[RCPT_STEP_OWNER] = "owner",
	[RCPT_STEP_ROLE] = "role",
	[RCPT_STEP_CATCH_ALL] = "catch-all",
	[RCPT_STEP_RELAY] = "relay",
	[RCPT_STEP_FOREIGN] = "remote",
	[RCPT_STEP_AGAIN] = "once more",
	[RCPT_STEP_NOBODY] = "nobody",
	[RCPT_STEP_DISABLED] = "disabled",
	[RCPT_STEP_LOOP] = "loop",
	[RCPT_STEP_EMPTY] = "empty group",
	[RCPT_STEP_LARGE] = "large list",
	[RCPT_STEP_DEEP] = "too deep",
};

enum {
	STEPS_KEPT = 1000
};

struct walk {
	const struct rcpt_answer *answers;
	size_t n_answers, next_answer;
	struct arena *arena;
	struct rcpt_question *ask;
	struct rcpt_target *targets;
	size_t n_targets, targets_size;
	struct rcpt_step *steps;
	size_t n_steps, steps_size;
	bool wants_steps, is_starved;
	unsigned n_walked; /* aliases of aliases have more paths than names */
	bool stops_at_lists, is_large, is_exempt, depends_on_sender;
	uint8_t greylist;
	enum rcpt_outcome outcome;
	/* The chain that led here; an address in it again is a circle. */
	struct slice chain[RCPT_DEPTH + 1];
};

/* Where the walk stands. */
struct at {
	struct rcpt_name name;
	unsigned depth;
	uint8_t via;
	struct slice sender; /* of the last group that has an owner */
	struct slice local, domain;
	const struct rcpt_answer *is; /* the domain */
};

static const struct rcpt_answer *
answer_to(struct walk *w, enum rcpt_ask ask, struct slice what)
{
	/* they come in the order in which they are asked for: the next one is
	 * nearly always the one */
	for (size_t n = 0; n < w->n_answers; n++) {
		size_t i = (w->next_answer + n) % w->n_answers;

		if (w->answers[i].ask != ask ||
		    !slice_equal(w->answers[i].what, what))
			continue;
		w->next_answer = i + 1;
		return &w->answers[i];
	}
	*w->ask = (struct rcpt_question){ ask, what };
	return NULL;
}

/* Room for one more: NULL and is_starved when there is none. */
static void *
grown(struct walk *w, void *at, size_t n, size_t *size, size_t of)
{
	size_t wanted = *size == 0 ? 4 : *size * 2;
	void *more;

	if (n < *size)
		return at;
	more = arena_array(w->arena, wanted, of);
	w->is_starved |= more == NULL;
	if (more == NULL)
		return NULL;
	if (n > 0)
		memcpy(more, at, n * of);
	*size = wanted;
	return more;
}

static void
note(struct walk *w, const struct at *at, enum rcpt_step_kind kind)
{
	struct rcpt_step *steps;

	if (!w->wants_steps || w->n_steps == STEPS_KEPT)
		return;
	steps = grown(w, w->steps, w->n_steps, &w->steps_size, sizeof(*steps));
	if (steps == NULL)
		return;
	w->steps = steps;
	w->steps[w->n_steps++] =
	    (struct rcpt_step){ at->depth, kind, at->name.canonical };
}

static enum rcpt_need
stop(struct walk *w, const struct at *at, enum rcpt_outcome outcome,
    enum rcpt_step_kind kind)
{
	note(w, at, kind);
	w->outcome = outcome;
	return RCPT_DECIDED;
}

/* More than is followed at once. */
static enum rcpt_need
give_up(struct walk *w, const struct at *at)
{
	w->is_large = true;
	return stop(w, at, RCPT_FOUND, RCPT_STEP_LARGE);
}

static bool
is_same(const struct rcpt_target *a, const struct rcpt_target *b)
{
	return a->account == b->account && a->is_list == b->is_list &&
	    (a->account != 0 ||
		slice_equal(a->name.canonical, b->name.canonical));
}

/* A person who is reached twice gets it once: as one whom the mail was
 * addressed to, when it was. */
static enum rcpt_need
add_target(struct walk *w, const struct at *at, struct rcpt_target t,
    enum rcpt_step_kind kind)
{
	struct rcpt_target *targets;

	t.name = at->name;
	t.via = at->via;
	if (t.sender.len == 0)
		t.sender = at->sender;
	t.is_exempt = w->is_exempt;
	for (size_t i = 0; i < w->n_targets; i++)
		if (is_same(&w->targets[i], &t)) {
			if ((t.via & RCPT_VIA_GROUP) == 0)
				w->targets[i] = t;
			note(w, at, RCPT_STEP_AGAIN);
			return RCPT_DECIDED;
		}
	if (w->n_targets == RCPT_TARGETS)
		return give_up(w, at);
	targets = grown(w, w->targets, w->n_targets, &w->targets_size,
	    sizeof(*targets));
	if (targets == NULL)
		return RCPT_NO_MEMORY;
	note(w, at, kind);
	w->targets = targets;
	w->targets[w->n_targets++] = t;
	return RCPT_DECIDED;
}

static enum rcpt_need walk_to(struct walk *w, const struct at *from,
    const struct rcpt_name *name, uint8_t via, struct slice sender);

/* -- lists
 * --------------------------------------------------------------------- */

static enum rcpt_need
follow_alias(struct walk *w, const struct at *at, const struct rcpt_answer *a)
{
	note(w, at, RCPT_STEP_ALIAS);
	for (size_t i = 0; i < a->n_targets; i++) {
		enum rcpt_need need = walk_to(w, at, &a->targets[i],
		    at->via | RCPT_VIA_ALIAS, at->sender);

		if (need != RCPT_DECIDED || w->is_large ||
		    w->outcome != RCPT_FOUND)
			return need;
	}
	return RCPT_DECIDED;
}

static enum rcpt_need
follow_group(struct walk *w, const struct at *at, const struct rcpt_answer *a)
{
	struct slice sender = a->sender.len > 0 ? a->sender : at->sender;
	size_t before = w->n_targets, n_missed = 0;

	note(w, at, RCPT_STEP_GROUP);
	for (size_t i = 0; i < a->n_targets; i++) {
		enum rcpt_need need = walk_to(w, at, &a->targets[i],
		    at->via | RCPT_VIA_GROUP, sender);

		if (need != RCPT_DECIDED || w->is_large)
			return need;
		n_missed += w->outcome != RCPT_FOUND;
		w->outcome = RCPT_FOUND;
	}
	/* all of its members may have been reached by another way */
	if (n_missed == a->n_targets && w->n_targets == before)
		return stop(w, at, RCPT_EMPTY, RCPT_STEP_EMPTY);
	return RCPT_DECIDED;
}

static enum rcpt_need
to_list(struct walk *w, const struct at *at, const struct rcpt_answer *a)
{
	bool is_group = a->is == RCPT_IS_GROUP;

	if (is_group && (at->via & RCPT_VIA_GROUP) == 0) {
		w->depends_on_sender = true;
		/* anybody may write to a postmaster */
		if (a->may_not_post && !w->is_exempt)
			return stop(w, at, RCPT_MAY_NOT_POST, RCPT_STEP_GROUP);
	}
	if (w->stops_at_lists)
		return add_target(w, at,
		    (struct rcpt_target){ .is_list = true,
			.sender = a->sender,
			.room = UINT64_MAX },
		    is_group ? RCPT_STEP_GROUP : RCPT_STEP_ALIAS);
	if (a->n_targets > RCPT_TARGETS)
		return give_up(w, at);
	return is_group ? follow_group(w, at, a) : follow_alias(w, at, a);
}

/* -- one address
 * --------------------------------------------------------------- */

static enum rcpt_need
to_account(struct walk *w, const struct at *at, const struct rcpt_answer *a)
{
	if (a->disabled)
		return stop(w, at, RCPT_DISABLED, RCPT_STEP_DISABLED);
	return add_target(w, at,
	    (struct rcpt_target){
		.account = a->account, .room = a->room, .created = a->created },
	    RCPT_STEP_ACCOUNT);
}

static enum rcpt_need
to_relay(struct walk *w, const struct at *at)
{
	return add_target(w, at,
	    (struct rcpt_target){
		.is_relay = true, .route = at->is->target, .room = UINT64_MAX },
	    RCPT_STEP_RELAY);
}

static enum rcpt_need
to_known(struct walk *w, const struct at *at, const struct rcpt_answer *a)
{
	switch (a->is) {
	case RCPT_IS_ACCOUNT:
		return to_account(w, at, a);
	case RCPT_IS_ALIAS:
	case RCPT_IS_GROUP:
		return to_list(w, at, a);
	case RCPT_IS_RELAY:
		return to_relay(w, at);
	default:
		return stop(w, at, RCPT_NOBODY, RCPT_STEP_NOBODY);
	}
}

/* local@domain in the arena; false: no memory. */
static bool
join(struct walk *w, struct slice local, struct slice domain, struct slice *ret)
{
	uint8_t *at = arena_alloc(w->arena, local.len + 1 + domain.len);

	if (at == NULL)
		return false;
	memcpy(at, local.at, local.len);
	at[local.len] = '@';
	memcpy(at + local.len + 1, domain.at, domain.len);
	*ret = slice_of(at, local.len + 1 + domain.len);
	return true;
}

bool
rcpt_detail_next(struct slice local, struct slice separators, size_t *at)
{
	size_t i = *at < local.len ? *at : local.len;

	if (local.len == 0 || local.at[0] == '"')
		return false;
	while (i > 1)
		if (slice_find_byte(separators, local.at[--i]) != SIZE_MAX) {
			*at = i;
			return true;
		}
	return false;
}

/* What is tried in turn for an address that is none itself. NOBODY: this way
 * leads nowhere, and the next one is tried. */
typedef enum rcpt_need way(struct walk *w, const struct at *at, bool *ret_went);

/* "user+detail@domain" is user's. A known address of a domain that we pass on
 * keeps its detail: its own server may want it. */
static enum rcpt_need
try_detail(struct walk *w, const struct at *at, bool *ret_went)
{
	size_t n = at->local.len;

	while (rcpt_detail_next(at->local, at->is->separators, &n)) {
		const struct rcpt_answer *a;
		struct at base = *at;

		if (!join(w, slice_upto(at->local, n), at->domain,
			&base.name.canonical))
			return RCPT_NO_MEMORY;
		a = answer_to(w, RCPT_ASK_ADDRESS, base.name.canonical);
		if (a == NULL)
			return RCPT_NEED_ANSWER;
		if (a->is == RCPT_IS_NOBODY)
			continue;
		*ret_went = true;
		note(w, at, RCPT_STEP_DETAIL);
		base.via |= RCPT_VIA_DETAIL;
		if (a->is == RCPT_IS_RELAY)
			base.name = at->name;
		w->chain[at->depth] = base.name.canonical;
		return to_known(w, &base, a);
	}
	return RCPT_DECIDED;
}

static enum rcpt_need
try_owner(struct walk *w, const struct at *at, bool *ret_went)
{
	static const struct {
		struct slice before, behind;
	} forms[] = {
		{ SLICE("owner-"), SLICE("") },
		{ SLICE(""), SLICE("-owner") },
		{ SLICE(""), SLICE("-request") },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t extra = forms[i].before.len + forms[i].behind.len;
		const struct rcpt_answer *a;
		struct slice list;

		if (at->local.len <= extra ||
		    !slice_starts(at->local, forms[i].before) ||
		    !slice_ends(at->local, forms[i].behind))
			continue;
		if (!join(w,
			slice_upto(slice_from(at->local, forms[i].before.len),
			    at->local.len - extra),
			at->domain, &list))
			return RCPT_NO_MEMORY;
		a = answer_to(w, RCPT_ASK_ADDRESS, list);
		if (a == NULL)
			return RCPT_NEED_ANSWER;
		if (a->is != RCPT_IS_GROUP || a->owner.canonical.len == 0)
			continue;
		*ret_went = true;
		note(w, at, RCPT_STEP_OWNER);
		return walk_to(w, at, &a->owner, at->via | RCPT_VIA_ROLE,
		    (struct slice){ 0 });
	}
	return RCPT_DECIDED;
}

static bool
is_role(struct slice local)
{
	return slice_equal_nocase(local, SLICE("postmaster")) ||
	    slice_equal_nocase(local, SLICE("abuse"));
}

/* The same name in the domain that this one stands for. */
static enum rcpt_need
try_other(struct walk *w, const struct at *at, bool *ret_went)
{
	struct rcpt_name name;
	struct slice local, domain;

	if (at->is->is != RCPT_IS_OTHER)
		return RCPT_DECIDED;
	*ret_went = true;
	if (!canon_split(at->name.typed, &local, &domain))
		local = at->local;
	if (!join(w, local, at->is->target, &name.typed) ||
	    !join(w, at->local, at->is->target, &name.canonical))
		return RCPT_NO_MEMORY;
	note(w, at, RCPT_STEP_OTHER);
	return walk_to(w, at, &name, at->via | RCPT_VIA_DOMAIN, at->sender);
}

static enum rcpt_need
try_role(struct walk *w, const struct at *at, bool *ret_went)
{
	const struct rcpt_answer *a;
	struct at to = *at;

	if (!is_role(at->local))
		return RCPT_DECIDED;
	a = answer_to(w, RCPT_ASK_FIRST_ACCOUNT, at->domain);
	if (a == NULL)
		return RCPT_NEED_ANSWER;
	to.via |= RCPT_VIA_ROLE;
	/* in a domain that we pass on for, its own servers have one */
	if (at->is->is == RCPT_IS_RELAY && !a->is_in_domain) {
		*ret_went = true;
		return to_relay(w, &to);
	}
	if (a->is != RCPT_IS_ACCOUNT)
		return RCPT_DECIDED;
	*ret_went = true;
	note(w, at, RCPT_STEP_ROLE);
	return to_account(w, &to, a);
}

static enum rcpt_need
try_catch_all(struct walk *w, const struct at *at, bool *ret_went)
{
	if (at->is->catch_all.canonical.len == 0)
		return RCPT_DECIDED;
	*ret_went = true;
	note(w, at, RCPT_STEP_CATCH_ALL);
	return walk_to(w, at, &at->is->catch_all, at->via | RCPT_VIA_CATCH_ALL,
	    at->sender);
}

static enum rcpt_need
to_address(struct walk *w, struct at *at)
{
	static way *const ways[] = { try_owner, try_detail, try_other, try_role,
		try_catch_all };
	const struct rcpt_answer *a =
	    answer_to(w, RCPT_ASK_ADDRESS, at->name.canonical);

	if (a == NULL)
		return RCPT_NEED_ANSWER;
	if (a->is != RCPT_IS_NOBODY)
		return to_known(w, at, a);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		bool went = false;
		enum rcpt_need need = ways[i](w, at, &went);

		if (need != RCPT_DECIDED || went)
			return need;
	}
	return stop(w, at, RCPT_NOBODY, RCPT_STEP_NOBODY);
}

static enum rcpt_need
to_foreign(struct walk *w, const struct at *at)
{
	if (at->depth == 0) {
		w->outcome = RCPT_FOREIGN;
		return RCPT_DECIDED;
	}
	return add_target(w, at, (struct rcpt_target){ .room = UINT64_MAX },
	    RCPT_STEP_FOREIGN);
}

static enum rcpt_need
walk_here(struct walk *w, struct at *at)
{
	if (++w->n_walked > RCPT_STEPS)
		return give_up(w, at);
	for (unsigned i = 0; i < at->depth; i++)
		if (slice_equal(w->chain[i], at->name.canonical))
			return stop(w, at, RCPT_LOOP, RCPT_STEP_LOOP);
	if (at->depth > RCPT_DEPTH)
		return stop(w, at, RCPT_DEEP, RCPT_STEP_DEEP);
	w->chain[at->depth] = at->name.canonical;
	if (!canon_split(at->name.canonical, &at->local, &at->domain))
		return stop(w, at, RCPT_NOBODY, RCPT_STEP_NOBODY);
	if (at->depth == 0)
		w->is_exempt = is_role(at->local);
	at->is = answer_to(w, RCPT_ASK_DOMAIN, at->domain);
	if (at->is == NULL)
		return RCPT_NEED_ANSWER;
	if (at->depth == 0)
		w->greylist = at->is->greylist;
	return at->is->is == RCPT_IS_FOREIGN ? to_foreign(w, at)
					     : to_address(w, at);
}

static enum rcpt_need
walk_to(struct walk *w, const struct at *from, const struct rcpt_name *name,
    uint8_t via, struct slice sender)
{
	struct at at = { .name = *name,
		.depth = from->depth + 1,
		.via = via,
		.sender = sender };

	return walk_here(w, &at);
}

/* -- the decision
 * --------------------------------------------------------------- */

/* Whatever is wrong with the account, alias or group of that name: somebody
 * hears of it (RFC 5321, 4.5.1). */
static enum rcpt_need
walk_role(struct walk *w, struct at *at)
{
	enum rcpt_need need;
	bool went = false;

	if (w->outcome == RCPT_FOUND || w->outcome == RCPT_FOREIGN)
		return RCPT_DECIDED;
	w->n_targets = 0;
	w->outcome = RCPT_FOUND;
	need = try_role(w, at, &went);
	return need != RCPT_DECIDED || went
	    ? need
	    : stop(w, at, RCPT_NOBODY, RCPT_STEP_NOBODY);
}

static enum rcpt_need
walk_all(struct walk *w, const struct rcpt_input *in)
{
	struct at at = { .name = in->rcpt, .via = in->via };
	enum rcpt_need need;

	w->n_targets = 0;
	w->n_walked = 0;
	w->outcome = RCPT_FOUND;
	w->is_large = false;
	need = walk_here(w, &at);
	if (need == RCPT_DECIDED && w->is_exempt && !w->is_large)
		need = walk_role(w, &at);
	if (need != RCPT_DECIDED || w->outcome != RCPT_FOREIGN)
		return need;
	return add_target(w, &at, (struct rcpt_target){ .room = UINT64_MAX },
	    RCPT_STEP_FOREIGN);
}

enum rcpt_need
rcpt_resolve(const struct rcpt_input *in, const struct rcpt_answer *answers,
    size_t n_answers, struct arena *arena, struct rcpt_question *ret_ask,
    struct rcpt_result *ret)
{
	struct walk w = { .answers = answers,
		.n_answers = n_answers,
		.arena = arena,
		.ask = ret_ask,
		.wants_steps = in->wants_steps,
		.stops_at_lists =
		    in->stops_at_lists || n_answers > RCPT_QUESTIONS };
	enum rcpt_need need = walk_all(&w, in);

	if (need == RCPT_DECIDED && w.is_large) {
		w.stops_at_lists = true;
		need = walk_all(&w, in);
	}
	if (need == RCPT_NEED_ANSWER)
		return need;
	if (need != RCPT_DECIDED || w.is_starved)
		return RCPT_NO_MEMORY;
	*ret = (struct rcpt_result){ .outcome = w.outcome,
		.targets = w.targets,
		.n_targets = w.n_targets,
		.depends_on_sender = w.depends_on_sender,
		.greylist = w.greylist,
		.steps = w.steps,
		.n_steps = w.n_steps };
	return RCPT_DECIDED;
}

enum rcpt_outcome
rcpt_weigh(const struct rcpt_result *result, uint64_t size, int64_t since)
{
	uint64_t least = size == 0 ? 1 : size;

	if (result->outcome != RCPT_FOUND)
		return result->outcome;
	for (size_t i = 0; i < result->n_targets; i++) {
		const struct rcpt_target *t = &result->targets[i];

		if (t->account == 0 || (t->via & RCPT_VIA_GROUP) != 0)
			continue;
		if (since != 0 && t->created > since &&
		    (t->via & ~(RCPT_VIA_DETAIL | RCPT_VIA_DOMAIN)) == 0)
			return RCPT_NEW_OWNER;
		if (t->room < least && !t->is_exempt)
			return RCPT_FULL;
	}
	return RCPT_FOUND;
}

struct verdict
rcpt_verdict(enum rcpt_outcome outcome, bool may_relay)
{
	static const enum smtp_say says[] = {
		[RCPT_FOUND] = SMTP_SAY_RCPT_FOUND,
		[RCPT_FOREIGN] = SMTP_SAY_NO_RELAYING,
		[RCPT_NOBODY] = SMTP_SAY_NO_SUCH_USER,
		[RCPT_DISABLED] = SMTP_SAY_DISABLED,
		[RCPT_FULL] = SMTP_SAY_MAILBOX_FULL,
		[RCPT_LOOP] = SMTP_SAY_ALIAS_LOOP,
		[RCPT_DEEP] = SMTP_SAY_ALIAS_DEEP,
		[RCPT_MAY_NOT_POST] = SMTP_SAY_MAY_NOT_POST,
		[RCPT_EMPTY] = SMTP_SAY_LIST_EMPTY,
		[RCPT_NEW_OWNER] = SMTP_SAY_NEW_OWNER,
	};

	return smtp_say(outcome == RCPT_FOREIGN && may_relay
		? SMTP_SAY_RCPT_RELAYED
		: says[outcome]);
}
