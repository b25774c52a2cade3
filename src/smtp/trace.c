/* SPDX-License-Identifier: ISC */
#include "smtp/trace.h"

#include <string.h>

static size_t
keep_field(struct slice field, uint8_t at[SMTP_TRACE_FIELD_MAX])
{
	if (field.len == 0 || field.len > SMTP_TRACE_FIELD_MAX)
		return 0;
	memcpy(at, field.at, field.len);
	return field.len;
}

void
smtp_trace_add_if_missing(struct smtp_trace *t, struct slice date,
    struct slice message_id)
{
	t->date_len = keep_field(date, t->date);
	t->message_id_len = keep_field(message_id, t->message_id);
}

static void
append(struct smtp_trace *t, const uint8_t *at, size_t len)
{
	if (len > 0)
		memcpy(t->added + t->added_len, at, len);
	t->added_len += len;
}

static void
end_of_section(struct smtp_trace *t)
{
	t->is_done = true;
	t->added_len = 0;
	if (!t->fields.has_date)
		append(t, t->date, t->date_len);
	if (!t->fields.has_message_id)
		append(t, t->message_id, t->message_id_len);
	t->is_pending = t->added_len > 0;
}

static void
on_name(struct smtp_fields *f)
{
	struct slice name = slice_of(f->name, f->name_len);

	while (name.len > 0 && ascii_is_space(name.at[name.len - 1]))
		name.len--; /* obs-fields, RFC 5322 4.5 */
	f->is_received = slice_equal(name, SLICE("received"));
	if (f->is_received)
		f->n_received++;
	else if (slice_equal(name, SLICE("date")))
		f->has_date = true;
	else if (slice_equal(name, SLICE("message-id")))
		f->has_message_id = true;
}

static void
begin_word(struct smtp_fields *f)
{
	f->word_len = 0;
	f->is_not_own = f->is_not_by = false;
}

static void
end_word(struct smtp_fields *f)
{
	if (f->word_len == 0)
		return;
	if (f->was_by && !f->is_not_own && f->word_len == f->own.len)
		f->n_own++;
	f->was_by = !f->is_not_by && f->word_len == 2;
	begin_word(f);
}

static bool
ends_word(uint8_t c)
{
	return ascii_is_space(c) || c == '\r' || c == '\n' || c == ';' ||
	    c == '(' || c == ')';
}

/* "by" and our name behind it, wherever lines are folded. */
static void
on_received(struct smtp_fields *f, struct slice value)
{
	static const uint8_t by[] = { 'b', 'y' };

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = ascii_lower(value.at[i]);

		if (ends_word(c)) {
			end_word(f);
			continue;
		}
		f->is_not_own |= f->word_len >= f->own.len ||
		    ascii_lower(f->own.at[f->word_len]) != c;
		f->is_not_by |=
		    f->word_len >= sizeof(by) || by[f->word_len] != c;
		f->word_len++;
	}
}

static bool
is_name_byte(uint8_t c)
{
	return (c > 0x20 && c < 0x7f) || ascii_is_space(c);
}

static void
on_name_byte(struct smtp_fields *f, uint8_t c)
{
	if (c == ':') {
		on_name(f);
		f->state = SMTP_FIELDS_VALUE;
	} else if (!is_name_byte(c)) {
		f->state = SMTP_FIELDS_NONE;
	} else if (f->name_len < SMTP_TRACE_NAME_MAX) {
		f->name[f->name_len++] = ascii_lower(c);
	} else {
		f->name[0] = 0; /* longer than any that we look for */
	}
}

/* A line begins with `c`; false: the section ended before it. */
static bool
begin_line(struct smtp_fields *f, uint8_t c)
{
	if (c == '\r') {
		f->state = SMTP_FIELDS_END;
		return false;
	}
	f->name_len = 0;
	if (!ascii_is_space(c)) {
		begin_word(f);
		f->is_received = f->was_by = false;
	}
	f->state = ascii_is_space(c) ? SMTP_FIELDS_VALUE : SMTP_FIELDS_NAME;
	return true;
}

static size_t
scan(struct smtp_fields *f, struct slice in)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.at[i];
		size_t lf;

		if (f->state == SMTP_FIELDS_START && !begin_line(f, c))
			return i;
		if (f->state == SMTP_FIELDS_NAME) {
			on_name_byte(f, c);
			if (f->state == SMTP_FIELDS_NONE)
				return in.len;
			continue;
		}
		lf = slice_find_byte(slice_from(in, i), '\n');
		if (f->is_received && f->own.len > 0)
			on_received(f,
			    slice_upto(slice_from(in, i),
				lf == SIZE_MAX ? in.len - i : lf + 1));
		if (lf == SIZE_MAX)
			return in.len;
		i += lf;
		f->state = SMTP_FIELDS_START;
	}
	return in.len;
}

size_t
smtp_fields_scan(struct smtp_fields *f, struct slice in)
{
	size_t n;

	if (f->state >= SMTP_FIELDS_END)
		return 0;
	n = scan(f, in);
	if (!f->has_8bit)
		f->has_8bit = !slice_is_ascii(slice_upto(in, n));
	return n;
}

bool
smtp_trace_next(struct smtp_trace *t, struct slice *in, struct slice *ret_part)
{
	size_t n = in->len;

	if (t->is_pending) {
		t->is_pending = false;
		*ret_part = slice_of(t->added, t->added_len);
		return true;
	}
	if (n == 0)
		return false;
	if (!t->is_done) {
		n = smtp_fields_scan(&t->fields, *in);
		if (t->fields.state == SMTP_FIELDS_END)
			end_of_section(t);
		else
			t->is_done = t->fields.state == SMTP_FIELDS_NONE;
	}
	if (n == 0 && t->is_pending)
		return smtp_trace_next(t, in, ret_part); /* once */
	if (n == 0)
		n = in->len;
	*ret_part = slice_upto(*in, n);
	*in = slice_from(*in, n);
	return true;
}

void
smtp_trace_end(struct smtp_trace *t)
{
	if (!t->is_done && t->fields.state == SMTP_FIELDS_START)
		end_of_section(t);
}
