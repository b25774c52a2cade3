/* SPDX-License-Identifier: ISC */
#include "imap/append_args.h"

#include "imap/command_impl.h"

/* One run of imap_append_parse. */
struct reading {
	struct imap_in *in;
	struct imap_command *c;
	bool ends_in_literal, is_8;
	enum imap_append_at at;
	struct imap_append_step **last;
};

static struct imap_append_step *
add(struct reading *r, enum imap_append_what what)
{
	struct imap_append_step *step =
	    arena_alloc(r->in->arena, sizeof(*step));

	if (step == NULL) {
		r->in->is_too_much = true;
		return NULL;
	}
	*step = (struct imap_append_step){ .what = what };
	*r->last = step;
	r->last = &step->next;
	return step;
}

/* The literal of a message stands here. */
static bool
take_data(struct reading *r, enum imap_append_at next)
{
	r->at = next;
	return r->ends_in_literal && imap_is_end(r->in) &&
	    add(r, IMAP_APPEND_HAS_DATA) != NULL;
}

/* SP mailbox; REPLACE has a number before it (RFC 8508, 3.2). */
static int
take_command(struct reading *r)
{
	struct slice wire;
	bool is_one;

	if (!imap_skip_sp(r->in))
		return imap_args_bad(r->in);
	if (r->c->verb == IMAP_REPLACE) {
		if (!imap_take_set(r->in, &r->c->set))
			return imap_args_bad(r->in);
		is_one = r->c->set.n == 1 &&
		    r->c->set.ranges[0].lo == r->c->set.ranges[0].hi;
		if (!is_one || !imap_skip_sp(r->in))
			return imap_args_bad(r->in);
	}
	if (!imap_take_astring(r->in, &wire))
		return imap_args_bad(r->in);
	r->at = IMAP_APPEND_AT_MESSAGE;
	return imap_read_mailbox(r->in, wire, &r->c->name);
}

/* append-opts: [SP flag-list] [SP date-time], then SP */
static bool
take_options(struct reading *r, struct imap_append_step *step)
{
	struct imap_in *in = r->in;

	if (!imap_skip_sp(in))
		return false;
	if (in->rest.len > 0 && in->rest.at[0] == '(' &&
	    (!imap_take_flags(in, false, &step->flags) || !imap_skip_sp(in)))
		return false;
	if (in->rest.len > 0 && in->rest.at[0] == '"') {
		if (!imap_take_date_time(in, &step->date, &step->zone) ||
		    !imap_skip_sp(in))
			return false;
		step->has_date = true;
	}
	return true;
}

static int
take_message(struct reading *r)
{
	struct imap_append_step *step = add(r, IMAP_APPEND_BEGINS);
	bool is_ok;

	if (step == NULL || !take_options(r, step))
		return imap_args_bad(r->in);
	if (imap_skip_word(r->in, SLICE("CATENATE"))) {
		r->at = IMAP_APPEND_AT_PART;
		is_ok =
		    imap_skip_sp(r->in) && slice_skip_byte(&r->in->rest, '(');
	} else if (imap_skip_word(r->in, SLICE("UTF8"))) {
		is_ok = imap_skip_sp(r->in) &&
		    slice_skip_byte(&r->in->rest, '(') && r->is_8 &&
		    take_data(r, IMAP_APPEND_AT_UTF8_END);
	} else {
		is_ok = take_data(r, IMAP_APPEND_AT_END);
	}
	return is_ok ? IMAP_COMMAND_OK : imap_args_bad(r->in);
}

/* cat-part = "TEXT" SP literal / "URL" SP astring / utf8-literal */
static int
take_part(struct reading *r)
{
	struct imap_append_step *step;
	struct slice url;
	bool is_ok;

	if (imap_skip_word(r->in, SLICE("TEXT"))) {
		is_ok = imap_skip_sp(r->in) &&
		    take_data(r, IMAP_APPEND_AT_PART_END);
		return is_ok ? IMAP_COMMAND_OK : imap_args_bad(r->in);
	}
	if (imap_skip_word(r->in, SLICE("UTF8"))) {
		is_ok = imap_skip_sp(r->in) &&
		    slice_skip_byte(&r->in->rest, '(') && r->is_8 &&
		    take_data(r, IMAP_APPEND_AT_UTF8_PART);
		return is_ok ? IMAP_COMMAND_OK : imap_args_bad(r->in);
	}
	if (!imap_skip_word(r->in, SLICE("URL")) || !imap_skip_sp(r->in) ||
	    !imap_take_astring(r->in, &url))
		return imap_args_bad(r->in);
	step = add(r, IMAP_APPEND_HAS_URL);
	if (step == NULL)
		return IMAP_COMMAND_TOO_MUCH;
	step->url = url;
	r->at = IMAP_APPEND_AT_PART_END;
	return IMAP_COMMAND_OK;
}

static int
take_part_end(struct reading *r)
{
	if (imap_skip_sp(r->in)) {
		r->at = IMAP_APPEND_AT_PART;
		return IMAP_COMMAND_OK;
	}
	r->at = IMAP_APPEND_AT_END;
	return slice_skip_byte(&r->in->rest, ')') ? IMAP_COMMAND_OK
						  : IMAP_COMMAND_BAD;
}

static int
take_utf8_end(struct reading *r)
{
	r->at = r->at == IMAP_APPEND_AT_UTF8_END ? IMAP_APPEND_AT_END
						 : IMAP_APPEND_AT_PART_END;
	return slice_skip_byte(&r->in->rest, ')') ? IMAP_COMMAND_OK
						  : IMAP_COMMAND_BAD;
}

static int
take_end(struct reading *r)
{
	r->at = IMAP_APPEND_AT_NEXT;
	return add(r, IMAP_APPEND_ENDS) != NULL ? IMAP_COMMAND_OK
						: IMAP_COMMAND_TOO_MUCH;
}

/* REPLACE has one message; APPEND any number (RFC 3502). */
static int
take_next(struct reading *r)
{
	if (!imap_is_end(r->in) || r->ends_in_literal) {
		r->at = IMAP_APPEND_AT_MESSAGE;
		return r->c->verb == IMAP_REPLACE ? IMAP_COMMAND_BAD
						  : IMAP_COMMAND_OK;
	}
	r->at = IMAP_APPEND_AT_DONE;
	return add(r, IMAP_APPEND_IS_DONE) != NULL ? IMAP_COMMAND_OK
						   : IMAP_COMMAND_TOO_MUCH;
}

static int (*const takers[])(struct reading *) = {
	[IMAP_APPEND_AT_COMMAND] = take_command,
	[IMAP_APPEND_AT_MESSAGE] = take_message,
	[IMAP_APPEND_AT_PART] = take_part,
	[IMAP_APPEND_AT_PART_END] = take_part_end,
	[IMAP_APPEND_AT_UTF8_END] = take_utf8_end,
	[IMAP_APPEND_AT_UTF8_PART] = take_utf8_end,
	[IMAP_APPEND_AT_END] = take_end,
	[IMAP_APPEND_AT_NEXT] = take_next,
};

/* Nothing is left, but a literal that may be what was missing. */
static bool
wants_argument(const struct reading *r)
{
	return r->ends_in_literal && !r->is_8 && imap_is_end(r->in) &&
	    !r->in->is_too_much &&
	    (r->at == IMAP_APPEND_AT_COMMAND || r->at == IMAP_APPEND_AT_PART);
}

int
imap_append_parse(struct imap_in *in, struct imap_command *c,
    bool ends_in_literal, bool is_8, enum imap_append_at *at,
    struct imap_append_step **ret)
{
	struct reading r = { in, c, ends_in_literal, is_8, *at, ret };
	bool has_data = false;

	*ret = NULL;
	while (r.at != IMAP_APPEND_AT_DONE && !has_data) {
		struct imap_append_step **before = r.last;
		int result = takers[r.at](&r);

		if (result == IMAP_COMMAND_BAD && wants_argument(&r))
			return IMAP_APPEND_ARGUMENT;
		if (result != IMAP_COMMAND_OK)
			return result;
		for (; *before != NULL; before = &(*before)->next)
			has_data |= (*before)->what == IMAP_APPEND_HAS_DATA;
	}
	*at = r.at;
	return IMAP_COMMAND_OK;
}
