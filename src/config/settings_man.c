/* SPDX-License-Identifier: ISC */
/*
 * config/settings_man - the option list of ulak.toml(5), from the table
 *
 * tools/ and a test compare what this writes with man/ulak.toml.5, so that
 * the manual cannot fall behind the program.
 */
#include <string.h>

#include "config/settings_table.h"

/* mdoc: a line must not begin with . or ', and backslashes are \e. */
static int
print_escaped(struct slice s, struct buf *out)
{
	int r = 0;

	if (s.len > 0 && (s.at[0] == '.' || s.at[0] == '\''))
		r = buf_add_cstr(out, "\\&");
	for (size_t i = 0; i < s.len && r == 0; i++)
		r = s.at[i] == '\\'  ? buf_add_cstr(out, "\\e")
		    : s.at[i] == '"' ? buf_add_cstr(out, "\\(dq")
				     : buf_add_byte(out, s.at[i]);
	return r;
}

static int
print_part(const char *before, struct slice text, const char *after,
    struct buf *out)
{
	int r = buf_add_cstr(out, before);

	if (r == 0)
		r = print_escaped(text, out);
	return r == 0 ? buf_add_cstr(out, after) : r;
}

static int
print_key(size_t i, struct buf *out)
{
	const struct settings_key *key = &settings_keys[i];
	struct buf part;
	int r;

	buf_init(&part, SETTINGS_TEXT);
	r = buf_printf(out, ".It Cm %s\n", key->name);
	if (r == 0)
		r = print_part("", slice_cstr(key->sentence), "\n", out);
	if (r == 0)
		r = settings_range_print(i, &part);
	if (r == 0)
		r = print_part("It takes ", buf_slice(&part), "", out);
	buf_reset(&part, SETTINGS_TEXT);
	if (r == 0)
		r = settings_default_print(i, &part);
	if (r == 0)
		r = key->preset == NULL
		    ? buf_add_cstr(out, "; it must be given.\n")
		    : print_part("; default ", buf_slice(&part), ".\n", out);
	buf_deinit(&part);
	return r;
}

int
settings_man_print(struct buf *out)
{
	const char *section = "";
	int r = 0;

	for (size_t i = 0; i < settings_keys_n && r == 0; i++) {
		const char *now = settings_keys[i].section;

		if (strcmp(now, section) != 0) {
			r = buf_printf(out, "%s.Ss [%s]\n.Bl -tag -width Ds\n",
			    i == 0 ? "" : ".El\n", now);
			section = now;
		}
		if (r == 0)
			r = print_key(i, out);
	}
	return r == 0 ? buf_add_cstr(out, ".El\n") : r;
}
