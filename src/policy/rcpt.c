/* SPDX-License-Identifier: ISC */
#include "policy/rcpt.h"

#include "policy/canon.h"

struct walk {
	const struct rcpt_answer *answers;
	size_t n_answers;
	struct arena *arena;
	struct rcpt_question *ask;
	struct rcpt_target *targets;
	size_t n_targets;
	unsigned n_steps; /* aliases of aliases have more paths than names */
	enum rcpt_outcome outcome;
	/* The chain that led here; an address in it again is a circle. */
	struct slice chain[RCPT_DEPTH + 1];
};

static const struct rcpt_answer *
answer_to(struct walk *w, enum rcpt_ask ask, struct slice what)
{
	for (size_t i = 0; i < w->n_answers; i++)
		if (w->answers[i].ask == ask &&
		    slice_equal(w->answers[i].what, what))
			return &w->answers[i];
	*w->ask = (struct rcpt_question){ ask, what };
	return NULL;
}

static enum rcpt_need
stop(struct walk *w, enum rcpt_outcome outcome)
{
	w->outcome = outcome;
	return RCPT_DECIDED;
}

static bool
is_same(const struct rcpt_target *t, uint64_t account, struct slice canonical)
{
	return t->account == account &&
	    (account != 0 || slice_equal(t->name.canonical, canonical));
}

/* A person who is reached twice gets it once. */
static enum rcpt_need
add_target(struct walk *w, uint64_t account, const struct rcpt_name *name)
{
	for (size_t i = 0; i < w->n_targets; i++)
		if (is_same(&w->targets[i], account, name->canonical))
			return RCPT_DECIDED;
	if (w->n_targets == RCPT_TARGETS)
		return stop(w, RCPT_TOO_MANY);
	w->targets[w->n_targets++] = (struct rcpt_target){ account, *name };
	return RCPT_DECIDED;
}

static enum rcpt_need walk_to(struct walk *w, const struct rcpt_name *name,
    unsigned depth);

static enum rcpt_need
follow_alias(struct walk *w, const struct rcpt_answer *a, unsigned depth)
{
	if (a->n_targets > RCPT_TARGETS)
		return stop(w, RCPT_TOO_MANY);
	for (size_t i = 0; i < a->n_targets && w->outcome == RCPT_FOUND; i++) {
		enum rcpt_need need = walk_to(w, &a->targets[i], depth + 1);

		if (need != RCPT_DECIDED)
			return need;
	}
	return RCPT_DECIDED;
}

/* "user+detail@domain" is user's, "postmaster" and "abuse" are the first
 * account's, when nobody has these names for himself. */
static enum rcpt_need
ask_instead(struct walk *w, const struct rcpt_name *name, unsigned depth)
{
	struct slice local, domain;
	const struct rcpt_answer *a;
	struct rcpt_name base = *name;
	size_t plus;

	if (!canon_split(name->canonical, &local, &domain))
		return stop(w, RCPT_NOBODY);
	plus = slice_find_byte(local, '+');
	if (plus != SIZE_MAX && plus > 0) {
		uint8_t *at = arena_alloc(w->arena, plus + 1 + domain.len);

		if (at == NULL)
			return RCPT_NO_MEMORY;
		for (size_t i = 0; i < plus; i++)
			at[i] = local.at[i];
		at[plus] = '@';
		for (size_t i = 0; i < domain.len; i++)
			at[plus + 1 + i] = domain.at[i];
		base.canonical = slice_of(at, plus + 1 + domain.len);
		return walk_to(w, &base, depth + 1);
	}
	if (!slice_equal(local, SLICE("postmaster")) &&
	    !slice_equal(local, SLICE("abuse")))
		return stop(w, RCPT_NOBODY);
	a = answer_to(w, RCPT_ASK_FIRST_ACCOUNT, domain);
	if (a == NULL)
		return RCPT_NEED_ANSWER;
	if (a->is != RCPT_IS_ACCOUNT)
		return stop(w, RCPT_NOBODY);
	/* Also when it is full: postmaster is never turned away for that. */
	return add_target(w, a->account, name);
}

static enum rcpt_need
to_account(struct walk *w, const struct rcpt_answer *a,
    const struct rcpt_name *name)
{
	if (a->disabled)
		return stop(w, RCPT_DISABLED);
	if (a->is_full)
		return stop(w, RCPT_FULL);
	return add_target(w, a->account, name);
}

static enum rcpt_need
walk_to(struct walk *w, const struct rcpt_name *name, unsigned depth)
{
	const struct rcpt_answer *a;

	if (++w->n_steps > RCPT_STEPS)
		return stop(w, RCPT_TOO_MANY);
	if (depth > RCPT_DEPTH)
		return stop(w, RCPT_LOOP);
	for (unsigned i = 0; i < depth; i++)
		if (slice_equal(w->chain[i], name->canonical))
			return stop(w, RCPT_LOOP);
	w->chain[depth] = name->canonical;
	a = answer_to(w, RCPT_ASK_ADDRESS, name->canonical);
	if (a == NULL)
		return RCPT_NEED_ANSWER;
	switch (a->is) {
	case RCPT_IS_ACCOUNT:
		return to_account(w, a, name);
	case RCPT_IS_ALIAS:
		return follow_alias(w, a, depth);
	case RCPT_IS_NOBODY:
		return ask_instead(w, name, depth);
	case RCPT_IS_FOREIGN:
		break;
	}
	return depth == 0 ? stop(w, RCPT_FOREIGN) : add_target(w, 0, name);
}

enum rcpt_need
rcpt_resolve(const struct rcpt_name *rcpt, const struct rcpt_answer *answers,
    size_t n_answers, struct arena *arena, struct rcpt_question *ret_ask,
    struct rcpt_result *ret)
{
	struct walk w = { .answers = answers,
		.n_answers = n_answers,
		.arena = arena,
		.ask = ret_ask,
		.outcome = RCPT_FOUND };
	enum rcpt_need need;

	w.targets = arena_array(arena, RCPT_TARGETS, sizeof(*w.targets));
	if (w.targets == NULL)
		return RCPT_NO_MEMORY;
	if (n_answers > RCPT_QUESTIONS) {
		*ret = (struct rcpt_result){ .outcome = RCPT_TOO_MANY };
		return RCPT_DECIDED;
	}
	need = walk_to(&w, rcpt, 0);
	if (need != RCPT_DECIDED)
		return need;
	if (w.outcome == RCPT_FOREIGN)
		w.targets[w.n_targets++] = (struct rcpt_target){ 0, *rcpt };
	*ret = (struct rcpt_result){ w.outcome, w.targets, w.n_targets };
	return RCPT_DECIDED;
}

struct verdict
rcpt_verdict(enum rcpt_outcome outcome, bool may_relay)
{
	switch (outcome) {
	case RCPT_FOUND:
		return VERDICT(250, 2, 1, 5, "recipient ok");
	case RCPT_FOREIGN:
		return may_relay
		    ? VERDICT(250, 2, 1, 5, "recipient ok, will relay")
		    : VERDICT(550, 5, 7, 1, "relaying denied: log in first");
	case RCPT_NOBODY:
		return VERDICT(550, 5, 1, 1, "no such user here");
	case RCPT_DISABLED:
		return VERDICT(550, 5, 2, 1, "this account is disabled");
	case RCPT_FULL:
		return VERDICT(452, 4, 2, 2, "this mailbox is full");
	case RCPT_LOOP:
		return VERDICT(550, 5, 4, 6,
		    "aliases of this address go in "
		    "a circle");
	case RCPT_TOO_MANY:
		return VERDICT(452, 4, 5, 3,
		    "this address has too many "
		    "recipients");
	}
	return verdict_trouble();
}
