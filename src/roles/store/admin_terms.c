/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_terms - `ulak destination`: on what terms one is served
 *
 * What is set stands in the database (delivery_policy), a row for each
 * pattern; outbound_terms.c has them in memory and is told of changes. A row
 * of which no term is left is removed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "roles/store/admin_impl.h"
#include "store/terms.h"

/* As the queue has it: A-labels in lower case. */
static int
take_pattern(struct admin_job *j, char ret[TERMS_PATTERN_MAX + 1])
{
	struct slice given = arg(j, "destination"), domain = given;
	char name[TERMS_PATTERN_MAX + 2] = ".";
	bool is_below = slice_skip_byte(&domain, '.');
	struct buf canon;
	int r;

	buf_init(&canon, TERMS_PATTERN_MAX - 1);
	r = canon_domain(domain, &canon);
	if (r == 0)
		(void)slice_to_cstr(buf_slice(&canon), name + 1,
		    sizeof(name) - 1);
	buf_deinit(&canon);
	/* "*", a literal, or the name of a route is no domain */
	if (!terms_pattern_make(r != 0 ? given
		    : is_below         ? slice_cstr(name)
				       : slice_cstr(name + 1),
		ret)) {
		say(j,
		    "\"%.*s\" is no destination: a domain, .domain for all "
		    "below it, or *",
		    SLICE_FMT(slice_upto(given, 256)));
		return ACCOUNT_E_VALUE;
	}
	return 0;
}

/* -- set and unset
 * ------------------------------------------------------------- */

static int
take_terms(struct admin_job *j, struct terms *t)
{
	for (size_t i = 0; i < j->n_args; i++) {
		enum terms_key key = terms_key_find(j->args[i].name);

		if (key == TERMS_N)
			continue; /* the pattern: others are refused before */
		if (!terms_value_parse(key, j->args[i].value, &t->value[key])) {
			say(j, "%s cannot be \"%.*s\": %s, or default",
			    terms_key_name(key),
			    SLICE_FMT(slice_upto(j->args[i].value, 64)),
			    terms_value_help(key));
			return ACCOUNT_E_VALUE;
		}
	}
	return 0;
}

/* Only what is set together can contradict itself. */
static int
check_terms(struct admin_job *j, const struct terms *t)
{
	static const struct {
		enum terms_key less, more;
	} order[] = {
		{ TERMS_RETRY_FIRST, TERMS_RETRY_MAX },
		{ TERMS_RETRY_FIRST, TERMS_LIFETIME },
		{ TERMS_DELAY_WARNING, TERMS_LIFETIME },
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (t->value[order[i].more] == TERMS_UNSET ||
		    t->value[order[i].less] <= t->value[order[i].more])
			continue;
		say(j, "%s is more than %s", terms_key_name(order[i].less),
		    terms_key_name(order[i].more));
		return ACCOUNT_E_VALUE;
	}
	return 0;
}

int
set_destination(struct db *db, struct admin_job *j)
{
	char pattern[TERMS_PATTERN_MAX + 1];
	struct terms t;
	int r = take_pattern(j, pattern);

	if (r != 0)
		return r;
	if (j->n_args < 2) {
		say(j, "what shall be set? KEY=VALUE");
		return ACCOUNT_E_VALUE;
	}
	r = store_terms_read(db, slice_cstr(pattern), &t);
	if (r == 0 || r == DB_NONE)
		r = take_terms(j, &t);
	if (r == 0)
		r = check_terms(j, &t);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	r = store_terms_write(db, slice_cstr(pattern), &t, j->now);
	return r == TERMS_E_FULL ? ACCOUNT_E_LIMIT : ERR_TRACE(r);
}

/* The terms that are named (one a line), or all of them. */
int
unset_destination(struct db *db, struct admin_job *j)
{
	char pattern[TERMS_PATTERN_MAX + 1];
	struct slice names = arg(j, "terms"), name;
	struct terms t;
	int r = take_pattern(j, pattern);

	if (r != 0)
		return r;
	r = store_terms_read(db, slice_cstr(pattern), &t);
	if (r == DB_NONE)
		return ACCOUNT_E_ABSENT;
	if (r == 0 && names.len == 0)
		t = terms_unset;
	while (r == 0 && names.len > 0) {
		enum terms_key key;

		if (!slice_take_until(&names, '\n', &name)) {
			name = names;
			names.len = 0;
		}
		key = terms_key_find(name);
		if (key == TERMS_N) {
			say(j, "there is no term \"%.*s\"",
			    SLICE_FMT(slice_upto(name, 64)));
			return ACCOUNT_E_VALUE;
		}
		t.value[key] = TERMS_UNSET;
	}
	if (r == 0)
		r = store_terms_write(db, slice_cstr(pattern), &t, j->now);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- list and show
 * ------------------------------------------------------------ */

static int
put_terms(void *ctx, struct slice pattern, const struct terms *t)
{
	struct admin_job *j = ctx;
	int r = put_text(j, "destination", pattern);

	for (enum terms_key key = 0; key < TERMS_N; key++) {
		char text[TERMS_TEXT_MAX] = "";

		if (t->value[key] != TERMS_UNSET)
			terms_value_print(key, t->value[key], text);
		r |= put_text(j, terms_key_name(key), slice_cstr(text));
	}
	end_row(j);
	return r != 0 ? -ENOMEM : 0;
}

int
list_destinations(struct db *db, struct admin_job *j)
{
	return ERR_TRACE(store_terms_each(db, put_terms, j));
}

/* A term, or something that is known of it just now. */
static int
put_fact(void *ctx, const char *term, const char *value, struct slice from)
{
	struct admin_job *j = ctx;
	int r = put_text(j, "term", slice_cstr(term));

	r |= put_text(j, "value", slice_cstr(value));
	r |= put_text(j, "from", from);
	end_row(j);
	return r;
}

/* On the loop, where the destinations are. */
int
show_destination(struct admin_job *j)
{
	char pattern[TERMS_PATTERN_MAX + 1];
	int r = take_pattern(j, pattern);

	if (r == 0)
		r = outbound_terms_tell(j->asker.role->outbound,
		    slice_cstr(pattern), put_fact, j);
	return r;
}
