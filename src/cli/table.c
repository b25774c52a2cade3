/* SPDX-License-Identifier: ISC */
/*
 * cli/table - see table.h
 *
 * Widths are those of a terminal: a character may take no column, one or two
 * (utf8proc knows). What is not UTF-8 is shown byte by byte.
 */
#include "cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/time.h"

/* -- cells ---------------------------------------------------------------- */

/* C0, DEL, C1 and what is not UTF-8 become \xNN. */
void
table_clean(struct slice text, char out[TABLE_CELL])
{
	size_t n = 0;

	while (text.len > 0 && n < TABLE_CELL - 5) {
		utf8proc_int32_t c = 0;
		utf8proc_ssize_t used =
		    utf8proc_iterate(text.at, (utf8proc_ssize_t)text.len, &c);

		if (used <= 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			n += (size_t)snprintf(out + n, TABLE_CELL - n,
			    "\\x%02x", text.at[0]);
			text = slice_from(text, 1);
			continue;
		}
		memcpy(out + n, text.at, (size_t)used);
		n += (size_t)used;
		text = slice_from(text, (size_t)used);
	}
	out[n] = '\0';
}

static bool
read_i64(const char *value, int64_t *ret)
{
	struct slice s = slice_cstr(value);
	bool is_negative = slice_skip_byte(&s, '-');
	uint64_t n;

	if (!slice_to_u64(s, INT64_MAX, &n))
		return false;
	*ret = is_negative ? -(int64_t)n : (int64_t)n;
	return true;
}

static void
print_size(int64_t n, char out[TABLE_CELL])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)n;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(out, TABLE_CELL, unit == 0 ? "%.0f %s" : "%.1f %s",
	    value, units[unit]);
}

void
table_cell(enum table_kind kind, const char *value, char out[TABLE_CELL])
{
	char text[TIME_RFC3339];
	int64_t n = 0;

	if (kind == TABLE_TEXT || !read_i64(value, &n)) {
		table_clean(slice_cstr(value), out);
		return;
	}
	if (kind == TABLE_TIME && n == 0) {
		(void)snprintf(out, TABLE_CELL, "-");
	} else if (kind == TABLE_TIME) {
		time_print_rfc3339(n, text);
		text[10] = ' ';
		(void)snprintf(out, TABLE_CELL, "%.19s", text);
	} else if (kind == TABLE_BOOL) {
		(void)snprintf(out, TABLE_CELL, "%s", n != 0 ? "yes" : "no");
	} else if (kind == TABLE_QUOTA && n == 0) {
		(void)snprintf(out, TABLE_CELL, "none");
	} else if (kind == TABLE_SIZE || kind == TABLE_QUOTA) {
		print_size(n, out);
	} else {
		(void)snprintf(out, TABLE_CELL, "%" PRId64, n);
	}
}

/* Columns on a terminal. */
static size_t
width(const char *cell)
{
	struct slice s = slice_cstr(cell);
	size_t w = 0;

	while (s.len > 0) {
		utf8proc_int32_t c = 0;
		utf8proc_ssize_t used =
		    utf8proc_iterate(s.at, (utf8proc_ssize_t)s.len, &c);

		if (used <= 0)
			return w + s.len;
		w += (size_t)utf8proc_charwidth(c);
		s = slice_from(s, (size_t)used);
	}
	return w;
}

/* -- tables --------------------------------------------------------------- */

enum {
	COLUMNS_MAX = 32
};

struct layout {
	struct table_column columns[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	size_t n;
};

static bool
is_listed(const struct table_column *columns, const char *name)
{
	for (; columns != NULL && columns->name != NULL; columns++)
		if (strcmp(columns->name, name) == 0)
			return true;
	return false;
}

static bool
has_column(const struct layout *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->columns[i].name, name) == 0)
			return true;
	return false;
}

static void
add_column(struct layout *l, const struct table_column *column)
{
	if (l->n == COLUMNS_MAX || column->title == NULL)
		return;
	l->columns[l->n] = *column;
	l->widths[l->n++] = width(column->title);
}

static const char *
value_of(const json_t *row, const char *name)
{
	const char *value = json_string_value(json_object_get(row, name));

	return value == NULL ? "" : value;
}

static void
lay_out(struct layout *l, const json_t *rows,
    const struct table_column *columns)
{
	char cell[TABLE_CELL];
	const char *name;
	size_t i;
	json_t *row, *value;

	l->n = 0;
	for (const struct table_column *c = columns;
	     c != NULL && c->name != NULL; c++)
		add_column(l, c);
	json_array_foreach(rows, i, row) json_object_foreach(row, name,
	    value) if (!has_column(l, name) && !is_listed(columns, name))
	    add_column(l, &(struct table_column){ name, name, TABLE_TEXT });
	json_array_foreach(rows, i, row) for (size_t c = 0; c < l->n; c++)
	{
		size_t w;

		table_cell(l->columns[c].kind,
		    value_of(row, l->columns[c].name), cell);
		w = width(cell);
		if (w > l->widths[c])
			l->widths[c] = w;
	}
}

static void
print_cell(const struct layout *l, size_t c, const char *cell, FILE *to)
{
	enum table_kind kind = l->columns[c].kind;
	bool is_right =
	    kind == TABLE_NUMBER || kind == TABLE_SIZE || kind == TABLE_QUOTA;
	size_t pad = l->widths[c] - width(cell);

	if (c > 0)
		(void)fputs("  ", to);
	if (is_right)
		(void)fprintf(to, "%*s", (int)pad, "");
	(void)fputs(cell, to);
	if (!is_right && c + 1 < l->n)
		(void)fprintf(to, "%*s", (int)pad, "");
}

void
table_print(const json_t *rows, const struct table_column *columns, FILE *to)
{
	char cell[TABLE_CELL];
	struct layout l;
	size_t i;
	json_t *row;

	if (json_array_size(rows) == 0)
		return;
	lay_out(&l, rows, columns);
	for (size_t c = 0; c < l.n; c++)
		print_cell(&l, c, l.columns[c].title, to);
	(void)fputc('\n', to);
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < l.n; c++) {
			table_cell(l.columns[c].kind,
			    value_of(row, l.columns[c].name), cell);
			print_cell(&l, c, cell, to);
		}
		(void)fputc('\n', to);
	}
}

/* -- JSON ----------------------------------------------------------------- */

static json_t *
json_value(enum table_kind kind, const char *value)
{
	char text[TIME_RFC3339 + 8], second[TIME_RFC3339];
	int64_t n;

	if (kind == TABLE_TEXT || !read_i64(value, &n))
		return json_string(value);
	if (kind == TABLE_BOOL)
		return json_boolean(n != 0);
	if (kind != TABLE_TIME)
		return json_integer(n);
	if (n == 0)
		return json_null();
	time_print_rfc3339(n, second);
	(void)snprintf(text, sizeof(text), "%.19s.%06dZ", second,
	    (int)(((n % TIME_SECOND) + TIME_SECOND) % TIME_SECOND));
	return json_string(text);
}

static enum table_kind
kind_of(const struct table_column *columns, const char *name)
{
	for (; columns != NULL && columns->name != NULL; columns++)
		if (strcmp(columns->name, name) == 0)
			return columns->kind;
	return TABLE_TEXT;
}

json_t *
table_json(const json_t *rows, const struct table_column *columns)
{
	json_t *all = json_array(), *row, *value;
	const char *name;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_t *typed = json_object();

		json_object_foreach(row, name, value)(void)
		    json_object_set_new(typed, name,
			json_value(kind_of(columns, name),
			    json_string_value(value)));
		(void)json_array_append_new(all, typed);
	}
	return all;
}
