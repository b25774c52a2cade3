/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_rows - rows of an answer, column by column
 *
 * A page is a row (pages.h). A value longer than a field becomes several of
 * one name, which the reader joins (docs/admin.md).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"

/* The page of the row that is being made. */
static struct page *
row_page(struct admin_job *j)
{
	if (!j->row_is_open)
		j->row_is_open = true;
	else
		return &j->rows.at[j->rows.n - 1];
	return pages_next(&j->rows, 0);
}

int
put_text(struct admin_job *j, const char *name, struct slice value)
{
	struct page *p = row_page(j);

	if (p == NULL)
		return ERR_ORIGIN(-ENOMEM);
	do {
		struct wire_field f = { slice_cstr(name),
			slice_upto(value, ADMIN_FIELD) };

		if (wire_field_add(&p->rows, &f) != 0)
			return ERR_ORIGIN(-ENOMEM);
		p->n++;
		value = slice_from(value, ADMIN_FIELD);
	} while (value.len > 0);
	return 0;
}

int
put_number(struct admin_job *j, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return put_text(j, name, slice_cstr(text));
}

void
end_row(struct admin_job *j)
{
	j->row_is_open = false;
}

struct slice
arg(const struct admin_job *j, const char *name)
{
	for (size_t i = 0; i < j->n_args; i++)
		if (slice_equal(j->args[i].name, slice_cstr(name)))
			return j->args[i].value;
	return SLICE("");
}

int
keep(struct admin_job *j, struct slice s, struct slice *ret)
{
	return arena_copy(&j->arena, s, ret) ? 0 : ERR_ORIGIN(-ENOMEM);
}

void
say(struct admin_job *j, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(j->why, sizeof(j->why), format, ap);
	va_end(ap);
}

int
put_named(struct admin_job *j, const char *name, const char *format, ...)
{
	char text[ADMIN_FIELD];
	va_list ap;
	int r;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	r = put_text(j, "name", slice_cstr(name));
	r |= put_text(j, "value", slice_cstr(text));
	end_row(j);
	return r;
}
