/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/limits.h"
#include "imap/command_impl.h"

enum {
	MAX_PATTERNS = 100
};

/* -- STATUS (RFC 9051, 6.3.11; 7162, 7889, 8438, 8474, 9208) -------------- */

static bool
take_status_item(struct imap_in *in, unsigned *items)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {
		{ "MESSAGES", IMAP_STATUS_MESSAGES },
		{ "RECENT", IMAP_STATUS_RECENT },
		{ "UIDNEXT", IMAP_STATUS_UIDNEXT },
		{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY },
		{ "UNSEEN", IMAP_STATUS_UNSEEN },
		{ "DELETED", IMAP_STATUS_DELETED },
		{ "DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE },
		{ "SIZE", IMAP_STATUS_SIZE },
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ },
		{ "APPENDLIMIT", IMAP_STATUS_APPENDLIMIT },
		{ "MAILBOXID", IMAP_STATUS_MAILBOXID },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (imap_skip_word(in, slice_cstr(known[i].name))) {
			*items |= known[i].bit;
			return true;
		}
	return false;
}

/* "(" status-att *(SP status-att) ")" */
static bool
take_status_items(struct imap_in *in, unsigned *items)
{
	if (!slice_skip_byte(&in->rest, '('))
		return false;
	do {
		if (!take_status_item(in, items))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
int
imap_args_status(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_skip_sp(in))
		return imap_args_bad(in);
	if (!take_status_items(in, &c->status) || !imap_is_end(in))
		return IMAP_COMMAND_BAD;
	return imap_read_mailbox(in, wire, &c->name);
}

/* -- LIST ------------------------------------------------------------------ */

struct option {
	const char *name;
	unsigned bit;
	/* Reads what follows the name; NULL: nothing does. */
	bool (*args)(struct imap_in *in, struct imap_command *c);
};

/* RFC 5819: "STATUS" SP "(" status-att *(SP status-att) ")" */
static bool
take_list_status(struct imap_in *in, struct imap_command *c)
{
	return imap_skip_sp(in) && take_status_items(in, &c->status);
}

/* RFC 9590: "METADATA" SP entries */
static bool
take_list_metadata(struct imap_in *in, struct imap_command *c)
{
	return imap_skip_sp(in) && imap_take_entries(in, c);
}

static bool
take_option(struct imap_in *in, struct imap_command *c,
    const struct option *known, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!imap_skip_word(in, slice_cstr(known[i].name)))
			continue;
		c->list |= known[i].bit;
		return known[i].args == NULL || known[i].args(in, c);
	}
	return false;
}

/* "(" [option *(SP option)] ")" */
static bool
take_options(struct imap_in *in, struct imap_command *c,
    const struct option *known, size_t n)
{
	c->list |= IMAP_LIST_EXTENDED;
	if (!slice_skip_byte(&in->rest, '('))
		return false;
	if (slice_skip_byte(&in->rest, ')'))
		return true;
	do {
		if (!take_option(in, c, known, n))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

/* RFC 5258, 3.1: RECURSIVEMATCH beside nothing, or REMOTE alone, is BAD. */
static bool
take_selection(struct imap_in *in, struct imap_command *c)
{
	static const struct option known[] = {
		{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE, NULL },
		{ "SUBSCRIBED", IMAP_LIST_SUBSCRIBED, NULL },
		{ "REMOTE", 0, NULL }, /* there are none */
		{ "RECURSIVEMATCH", IMAP_LIST_RECURSIVE, NULL },
	};

	return take_options(in, c, known, sizeof(known) / sizeof(known[0])) &&
	    imap_skip_sp(in) &&
	    ((c->list & IMAP_LIST_RECURSIVE) == 0 ||
		(c->list & IMAP_LIST_SELECTS) != 0);
}

/* Special uses and children are told in any case. */
static bool
take_return(struct imap_in *in, struct imap_command *c)
{
	static const struct option known[] = {
		{ "SPECIAL-USE", 0, NULL },
		{ "SUBSCRIBED", IMAP_LIST_TELLS_SUBSCRIBED, NULL },
		{ "CHILDREN", 0, NULL },
		{ "STATUS", 0, take_list_status },
		{ "METADATA", IMAP_LIST_METADATA, take_list_metadata },
	};

	return imap_skip_sp(in) && imap_skip_word(in, SLICE("RETURN")) &&
	    imap_skip_sp(in) &&
	    take_options(in, c, known, sizeof(known) / sizeof(known[0]));
}

static bool
take_pattern(struct imap_in *in, struct imap_command *c)
{
	if (c->n_patterns == MAX_PATTERNS) {
		in->is_too_much = true;
		return false;
	}
	return imap_take_list_mailbox(in, &c->patterns[c->n_patterns++]);
}

/* mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static bool
take_patterns(struct imap_in *in, struct imap_command *c)
{
	bool is_list = slice_skip_byte(&in->rest, '(');

	c->patterns = arena_array(in->arena, is_list ? MAX_PATTERNS : 1,
	    sizeof(c->patterns[0]));
	if (c->patterns == NULL) {
		in->is_too_much = true;
		return false;
	}
	if (!is_list)
		return take_pattern(in, c);
	c->list |= IMAP_LIST_EXTENDED;
	do {
		if (!take_pattern(in, c))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

/* lsub = "LSUB" SP mailbox SP list-mailbox */
int
imap_args_lsub(struct imap_in *in, struct imap_command *c)
{
	c->patterns = arena_alloc(in->arena, sizeof(c->patterns[0]));
	if (c->patterns == NULL)
		return IMAP_COMMAND_TOO_MUCH;
	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->reference) ||
	    !imap_skip_sp(in) || !take_pattern(in, c))
		return imap_args_bad(in);
	return imap_args_end(in);
}

/* list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat
 *        [SP "RETURN" SP list-return-opts] (RFC 5258, 6) */
int
imap_args_list(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	if (in->rest.len > 0 && in->rest.at[0] == '(' && !take_selection(in, c))
		return imap_args_bad(in);
	if (!imap_take_astring(in, &c->reference) || !imap_skip_sp(in) ||
	    !take_patterns(in, c))
		return imap_args_bad(in);
	if (imap_is_end(in))
		return IMAP_COMMAND_OK;
	return take_return(in, c) ? imap_args_end(in) : imap_args_bad(in);
}
