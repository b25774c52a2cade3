/* SPDX-License-Identifier: ISC */
/*
 * imap/args_esearch - the arguments of ESEARCH (RFC 7377, 4)
 *
 * Sources are a list in the command's arena, one for each mailbox that is
 * named. Pure; believes nothing.
 */
#include "imap/command.h"
#include "imap/command_impl.h"

static struct imap_source **
add_source(struct imap_in *in, struct imap_source **at,
    enum imap_source_what what, struct slice name)
{
	*at = arena_alloc(in->arena, sizeof(**at));
	if (*at == NULL) {
		in->is_too_much = true;
		return NULL;
	}
	(*at)->what = what;
	(*at)->name = name;
	return &(*at)->next;
}

/* What is no name is the name of no mailbox, and those are ignored. */
static struct imap_source **
take_name(struct imap_in *in, struct imap_source **at,
    enum imap_source_what what)
{
	struct slice wire, name;

	if (!imap_take_astring(in, &wire))
		return NULL;
	if (!imap_name_decode(in, wire, &name))
		return in->is_too_much ? NULL : at;
	return add_source(in, at, what, name);
}

/* one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
static struct imap_source **
take_names(struct imap_in *in, struct imap_source **at,
    enum imap_source_what what)
{
	if (!imap_skip_sp(in))
		return NULL;
	if (!slice_skip_byte(&in->rest, '('))
		return take_name(in, at, what);
	do {
		at = take_name(in, at, what);
		if (at == NULL)
			return NULL;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')') ? at : NULL;
}

/* filter-mailboxes */
static struct imap_source **
take_source(struct imap_in *in, struct imap_source **at)
{
	static const char *const words[] = {
		[IMAP_SOURCE_SELECTED] = "selected",
		[IMAP_SOURCE_INBOXES] = "inboxes",
		[IMAP_SOURCE_PERSONAL] = "personal",
		[IMAP_SOURCE_SUBSCRIBED] = "subscribed",
		[IMAP_SOURCE_SUBTREE] = "subtree",
		[IMAP_SOURCE_SUBTREE_ONE] = "subtree-one",
		[IMAP_SOURCE_MAILBOXES] = "mailboxes",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		enum imap_source_what what = (enum imap_source_what)i;

		if (!imap_skip_word(in, slice_cstr(words[i])))
			continue;
		return what >= IMAP_SOURCE_SUBTREE
		    ? take_names(in, at, what)
		    : add_source(in, at, what, slice_of("", 0));
	}
	return NULL;
}

/* "IN" SP "(" filter-mailboxes *(SP filter-mailboxes) ")" SP. There are no
 * scope-options yet. */
static bool
take_sources(struct imap_in *in, struct imap_command *c)
{
	struct imap_source **at = &c->sources;

	if (!imap_skip_sp(in) || !slice_skip_byte(&in->rest, '('))
		return false;
	do {
		at = take_source(in, at);
		if (at == NULL)
			return false;
	} while (imap_skip_sp(in));
	/* Names that cannot be any are sources all the same: of nothing. */
	if (c->sources == NULL &&
	    add_source(in, &c->sources, IMAP_SOURCE_MAILBOXES,
		slice_of("", 0)) == NULL)
		return false;
	return slice_skip_byte(&in->rest, ')') && imap_skip_sp(in);
}

/* esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts]
 *           SP search-program */
int
imap_esearch_args(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	if (imap_skip_word(in, SLICE("IN")) && !take_sources(in, c))
		return imap_args_bad(in);
	if (!imap_take_return(in, c))
		return IMAP_COMMAND_BAD;
	if (!c->has_return)
		c->returns = IMAP_RETURN_ALL;
	c->has_return = true;
	c->is_uid = true; /* its answers are (RFC 7377, 2.1) */
	return imap_search_program_args(in, c);
}
