/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/limits.h"
#include "imap/command_impl.h"
#include "imap/utf7.h"

/* -- mailbox names -------------------------------------------------------- */

/* Levels are not empty and hold no control characters. */
static bool
is_good_name(struct slice name)
{
	bool was_slash = true;

	for (size_t i = 0; i < name.len; i++) {
		bool is_slash = name.at[i] == '/';

		if (name.at[i] < 0x20 || name.at[i] == 0x7f ||
		    (is_slash && was_slash))
			return false;
		was_slash = is_slash;
	}
	return name.len > 0 && !was_slash;
}

bool
imap_name_decode(struct imap_in *in, struct slice wire, struct slice *ret)
{
	uint8_t *at = arena_alloc(in->arena, LIMIT_MAILBOX_NAME);
	size_t n;

	if (at == NULL) {
		in->is_too_much = true;
		return false;
	}
	if (!imap_name_from_wire(wire, in->has_utf8, at, LIMIT_MAILBOX_NAME,
		&n) ||
	    !is_good_name(slice_of(at, n)))
		return false;
	/* RFC 3501, 5.1: INBOX in any case; so its children are found, too. */
	if (n >= 5 && slice_equal_nocase(slice_of(at, 5), SLICE("INBOX")) &&
	    (n == 5 || at[5] == '/'))
		memcpy(at, "INBOX", 5);
	*ret = slice_of(at, n);
	return true;
}

int
imap_read_mailbox(struct imap_in *in, struct slice wire, struct slice *ret)
{
	if (imap_name_decode(in, wire, ret))
		return IMAP_COMMAND_OK;
	return in->is_too_much ? IMAP_COMMAND_TOO_MUCH : IMAP_COMMAND_NAME;
}

int
imap_take_mailbox(struct imap_in *in, struct slice *ret)
{
	struct slice wire;

	if (!imap_take_astring(in, &wire))
		return imap_args_bad(in);
	return imap_read_mailbox(in, wire, ret);
}

/* -- arguments ---------------------------------------------------------- */

int
imap_args_mailbox(struct imap_in *in, struct imap_command *c)
{
	int r;

	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	r = imap_take_mailbox(in, &c->name);
	if (r == IMAP_COMMAND_NAME && !imap_is_end(in))
		r = IMAP_COMMAND_BAD;
	return r == IMAP_COMMAND_OK ? imap_args_end(in) : r;
}

/* RFC 9051, 5.1: what no new name has, though an old one may: C1 controls, and
 * the separators of lines and paragraphs. */
static bool
is_new_name(struct slice name)
{
	for (size_t i = 0; i + 1 < name.len; i++) {
		const uint8_t *c = name.at + i;

		if ((c[0] == 0xc2 && c[1] < 0xa0) ||
		    (c[0] == 0xe2 && c[1] == 0x80 && i + 2 < name.len &&
			(c[2] == 0xa8 || c[2] == 0xa9)))
			return false;
	}
	return true;
}

/* A name for a new mailbox: a "/" at the end only says that names below it
 * will follow (RFC 3501, 6.3.3); what LIST reads as a pattern is none. */
static int
read_new_mailbox(struct imap_in *in, struct slice wire, struct slice *ret)
{
	if (wire.len > 1 && wire.at[wire.len - 1] == '/')
		wire.len--;
	if (slice_find_byte(wire, '*') != SIZE_MAX ||
	    slice_find_byte(wire, '%') != SIZE_MAX ||
	    !imap_name_decode(in, wire, ret) || !is_new_name(*ret))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_NAME;
	return IMAP_COMMAND_OK;
}

/* The uses that a mailbox can be given; \All and \Flagged would be views of
 * others, which are not here (RFC 6154, 2; 8457). */
const char *
imap_find_use(struct slice word)
{
	static const char *const known[] = { "\\Archive", "\\Drafts",
		"\\Important", "\\Junk", "\\Sent", "\\Trash" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_equal_nocase(word, slice_cstr(known[i])))
			return known[i];
	return NULL;
}

/* "(" [use-attr *(SP use-attr)] ")": at most one can be had. */
static bool
take_uses(struct imap_in *in, struct imap_command *c)
{
	if (!slice_skip_byte(&in->rest, '('))
		return false;
	if (slice_skip_byte(&in->rest, ')'))
		return true;
	do {
		struct slice before = in->rest, word;
		const char *use;

		if (!slice_skip_byte(&in->rest, '\\') ||
		    !imap_take_atom(in, &word))
			return false;
		use = imap_find_use(slice_upto(before, word.len + 1));
		if (use == NULL || c->use.len > 0)
			c->bad_use = true;
		else
			c->use = slice_cstr(use);
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

/* create = "CREATE" SP mailbox [SP "(" "USE" SP "(" ... ")" ")"] (RFC 6154) */
int
imap_args_create(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire))
		return imap_args_bad(in);
	if (imap_skip_sp(in) &&
	    (!slice_skip_byte(&in->rest, '(') ||
		!imap_skip_word(in, SLICE("USE")) || !imap_skip_sp(in) ||
		!take_uses(in, c) || !slice_skip_byte(&in->rest, ')')))
		return IMAP_COMMAND_BAD;
	if (!imap_is_end(in))
		return IMAP_COMMAND_BAD;
	return read_new_mailbox(in, wire, &c->name);
}

int
imap_args_rename(struct imap_in *in, struct imap_command *c)
{
	struct slice from, to;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &from) ||
	    !imap_skip_sp(in) || !imap_take_astring(in, &to) ||
	    !imap_is_end(in))
		return imap_args_bad(in);
	if (!imap_name_decode(in, from, &c->name))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_NAME;
	return read_new_mailbox(in, to, &c->to);
}
