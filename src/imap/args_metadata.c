/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/limits.h"
#include "imap/command_impl.h"

/* -- entries (RFC 5464, 3.1 and 5) ------------------------------------------
 */

/* "/private" or "/shared" and levels that are not empty, of printable ASCII
 * without '*' and '%'. */
static bool
is_entry(struct slice name)
{
	struct slice rest = name;

	if (name.len > LIMIT_ANNOTATION_ENTRY ||
	    (!slice_skip_nocase(&rest, SLICE("/private")) &&
		!slice_skip_nocase(&rest, SLICE("/shared"))) ||
	    (rest.len > 0 && rest.at[0] != '/') ||
	    name.at[name.len - 1] == '/' ||
	    slice_find(name, SLICE("//")) != SIZE_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] < 0x20 || name.at[i] >= 0x7f ||
		    name.at[i] == '*' || name.at[i] == '%')
			return false;
	return true;
}

/* Names of entries mean the same in any case: here they are in lower. */
static bool
take_entry(struct imap_in *in, struct imap_command *c)
{
	struct slice name;
	uint8_t *at;

	if (!imap_take_astring(in, &name) || !is_entry(name))
		return false;
	if (c->n_notes == LIMIT_ANNOTATIONS ||
	    (at = arena_alloc(in->arena, name.len)) == NULL) {
		in->is_too_much = true;
		return false;
	}
	for (size_t i = 0; i < name.len; i++)
		at[i] = ascii_lower(name.at[i]);
	c->notes[c->n_notes++].entry = slice_of(at, name.len);
	return true;
}

static bool
begin_entries(struct imap_in *in, struct imap_command *c)
{
	c->n_notes = 0;
	c->notes =
	    arena_array(in->arena, LIMIT_ANNOTATIONS, sizeof(c->notes[0]));
	in->is_too_much |= c->notes == NULL;
	return c->notes != NULL;
}

/* entries = entry / "(" entry *(SP entry) ")" */
bool
imap_take_entries(struct imap_in *in, struct imap_command *c)
{
	if (!begin_entries(in, c))
		return false;
	if (!slice_skip_byte(&in->rest, '('))
		return take_entry(in, c);
	do {
		if (!take_entry(in, c))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

/* -- the commands ------------------------------------------------------------
 */

/* An empty name: the server (RFC 5464, 4.1). */
static int
read_target(struct imap_in *in, struct slice wire, struct imap_command *c)
{
	return wire.len == 0 ? IMAP_COMMAND_OK
			     : imap_read_mailbox(in, wire, &c->name);
}

static bool
take_depth(struct imap_in *in, struct imap_command *c)
{
	if (imap_skip_word(in, SLICE("0")))
		c->depth = IMAP_DEPTH_0;
	else if (imap_skip_word(in, SLICE("1")))
		c->depth = IMAP_DEPTH_1;
	else if (imap_skip_word(in, SLICE("infinity")))
		c->depth = IMAP_DEPTH_INFINITY;
	else
		return false;
	return true;
}

static bool
take_max_size(struct imap_in *in, struct imap_command *c)
{
	c->has_max_size = true;
	return imap_take_number(in, &c->max_size);
}

/* "(" getmetadata-option *(SP getmetadata-option) ")" SP */
static bool
take_options(struct imap_in *in, struct imap_command *c)
{
	static const struct {
		const char *name;
		bool (*args)(struct imap_in *, struct imap_command *);
	} known[] = { { "DEPTH", take_depth }, { "MAXSIZE", take_max_size } };

	if (!slice_skip_byte(&in->rest, '('))
		return false;
	do {
		size_t i = 0, n = sizeof(known) / sizeof(known[0]);

		while (i < n && !imap_skip_word(in, slice_cstr(known[i].name)))
			i++;
		if (i == n || !imap_skip_sp(in) || !known[i].args(in, c))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')') && imap_skip_sp(in);
}

/* "(" begins options, and not a list of entries. */
static bool
is_at_options(const struct imap_in *in)
{
	return slice_starts(in->rest, SLICE("(")) && in->rest.len > 1 &&
	    strchr("DdMm", in->rest.at[1]) != NULL;
}

/* getmetadata = "GETMETADATA" [SP options] SP mailbox SP entries (RFC 5464,
 * 5). Its examples have the options behind the mailbox: both are read. */
int
imap_args_getmetadata(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;
	bool has_options;

	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	has_options = is_at_options(in);
	if (has_options && !take_options(in, c))
		return imap_args_bad(in);
	if (!imap_take_astring(in, &wire) || !imap_skip_sp(in))
		return imap_args_bad(in);
	if (!has_options && is_at_options(in) && !take_options(in, c))
		return imap_args_bad(in);
	if (!imap_take_entries(in, c) || !imap_is_end(in))
		return imap_args_bad(in);
	return read_target(in, wire, c);
}

/* value = nstring / literal8. A new entry has a level below the first. */
static bool
take_entry_value(struct imap_in *in, struct imap_command *c)
{
	struct imap_note *note = &c->notes[c->n_notes];

	if (!take_entry(in, c) || slice_find_last_byte(note->entry, '/') == 0 ||
	    !imap_skip_sp(in))
		return false;
	note->is_removed = imap_skip_word(in, SLICE("NIL"));
	if (note->is_removed)
		return true;
	if (slice_starts(in->rest, SLICE("~{")))
		(void)slice_skip_byte(&in->rest, '~');
	return imap_take_string(in, &note->value);
}

/* setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value
 *               *(SP entry SP value) ")" */
int
imap_args_setmetadata(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_skip_sp(in) || !slice_skip_byte(&in->rest, '(') ||
	    !begin_entries(in, c))
		return imap_args_bad(in);
	do {
		if (!take_entry_value(in, c))
			return imap_args_bad(in);
	} while (imap_skip_sp(in));
	if (!slice_skip_byte(&in->rest, ')') || !imap_is_end(in))
		return IMAP_COMMAND_BAD;
	return read_target(in, wire, c);
}
