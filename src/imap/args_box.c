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
	if (!imap_utf7_decode(wire, at, LIMIT_MAILBOX_NAME, &n) ||
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

/* CREATE: a "/" at the end only says that names below it will follow
 * (RFC 3501, 6.3.3). */
int
imap_args_create(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_is_end(in))
		return imap_args_bad(in);
	if (wire.len > 1 && wire.at[wire.len - 1] == '/')
		wire.len--;
	if (slice_find_byte(wire, '*') != SIZE_MAX ||
	    slice_find_byte(wire, '%') != SIZE_MAX ||
	    !imap_name_decode(in, wire, &c->name))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_NAME;
	return IMAP_COMMAND_OK;
}

int
imap_args_rename(struct imap_in *in, struct imap_command *c)
{
	struct slice from, to;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &from) ||
	    !imap_skip_sp(in) || !imap_take_astring(in, &to) ||
	    !imap_is_end(in))
		return imap_args_bad(in);
	if (to.len > 1 && to.at[to.len - 1] == '/')
		to.len--;
	if (slice_find_byte(to, '*') != SIZE_MAX ||
	    slice_find_byte(to, '%') != SIZE_MAX ||
	    !imap_name_decode(in, from, &c->name) ||
	    !imap_name_decode(in, to, &c->to))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_NAME;
	return IMAP_COMMAND_OK;
}

struct list_option {
	const char *name;
	unsigned bit;
};

/* "(" [option *(SP option)] ")" */
static bool
take_options(struct imap_in *in, const struct list_option *known, size_t n,
    unsigned *ret)
{
	if (!slice_skip_byte(&in->rest, '('))
		return false;
	if (slice_skip_byte(&in->rest, ')'))
		return true;
	do {
		size_t i;

		for (i = 0; i < n; i++)
			if (imap_skip_word(in, slice_cstr(known[i].name)))
				break;
		if (i == n)
			return false;
		*ret |= known[i].bit;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

int
imap_args_lsub(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->reference) ||
	    !imap_skip_sp(in) || !imap_take_list_mailbox(in, &c->pattern))
		return imap_args_bad(in);
	return imap_args_end(in);
}

/* list = "LIST" [SP list-select-opts] SP mailbox SP list-mailbox
 *        [SP "RETURN" SP list-return-opts]
 * RFC 6154 adds options to RFC 3501; of RFC 5258 those are here that cost
 * nothing. Special uses and children are told in any case. */
int
imap_args_list(struct imap_in *in, struct imap_command *c)
{
	static const struct list_option select[] = {
		{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE },
		{ "SUBSCRIBED", IMAP_LIST_SUBSCRIBED },
		{ "REMOTE", 0 },
	};
	static const struct list_option tell[] = {
		{ "SPECIAL-USE", 0 },
		{ "SUBSCRIBED", IMAP_LIST_TELLS_SUBSCRIBED },
		{ "CHILDREN", 0 },
	};

	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	if (in->rest.len > 0 && in->rest.at[0] == '(' &&
	    (!take_options(in, select, sizeof(select) / sizeof(select[0]),
		 &c->list) ||
		!imap_skip_sp(in)))
		return IMAP_COMMAND_BAD;
	if (!imap_take_astring(in, &c->reference) || !imap_skip_sp(in) ||
	    !imap_take_list_mailbox(in, &c->pattern))
		return imap_args_bad(in);
	if (imap_is_end(in))
		return IMAP_COMMAND_OK;
	if (!imap_skip_sp(in) || !imap_skip_word(in, SLICE("RETURN")) ||
	    !imap_skip_sp(in) ||
	    !take_options(in, tell, sizeof(tell) / sizeof(tell[0]), &c->list))
		return IMAP_COMMAND_BAD;
	return imap_args_end(in);
}

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
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (imap_skip_word(in, slice_cstr(known[i].name))) {
			*items |= known[i].bit;
			return true;
		}
	return false;
}

/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
int
imap_args_status(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_skip_sp(in) || !slice_skip_byte(&in->rest, '('))
		return imap_args_bad(in);
	do {
		if (!take_status_item(in, &c->status))
			return IMAP_COMMAND_BAD;
	} while (imap_skip_sp(in));
	if (!slice_skip_byte(&in->rest, ')') || !imap_is_end(in))
		return IMAP_COMMAND_BAD;
	return imap_read_mailbox(in, wire, &c->name);
}
