/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "imap/capability.h"
#include "imap/command_impl.h"

int
imap_args_bad(const struct imap_in *in)
{
	return in->is_too_much ? IMAP_COMMAND_TOO_MUCH : IMAP_COMMAND_BAD;
}

int
imap_args_end(const struct imap_in *in)
{
	return imap_is_end(in) ? IMAP_COMMAND_OK : IMAP_COMMAND_BAD;
}

/* -- one function for each form of arguments ------------------------------ */

static int
args_none(struct imap_in *in, struct imap_command *c)
{
	(void)c;
	return imap_args_end(in);
}

static int
args_login(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->user) ||
	    !imap_skip_sp(in) || !imap_take_astring(in, &c->secret))
		return imap_args_bad(in);
	return imap_args_end(in);
}

/* authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] (RFC 4959) */
static int
args_authenticate(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_atom(in, &c->user))
		return IMAP_COMMAND_BAD;
	c->has_secret = imap_skip_sp(in);
	if (c->has_secret && !imap_take_atom(in, &c->secret))
		return IMAP_COMMAND_BAD;
	return imap_args_end(in);
}

/* id = "ID" SP ("NIL" / "(" *(string SP nstring) ")"); nobody here uses it. */
static int
args_id(struct imap_in *in, struct imap_command *c)
{
	struct slice word;

	(void)c;
	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	if (imap_skip_word(in, SLICE("NIL")))
		return imap_args_end(in);
	if (!slice_skip_byte(&in->rest, '('))
		return IMAP_COMMAND_BAD;
	if (slice_skip_byte(&in->rest, ')'))
		return imap_args_end(in);
	do {
		if (!imap_take_string(in, &word) || !imap_skip_sp(in) ||
		    (!imap_skip_word(in, SLICE("NIL")) &&
			!imap_take_string(in, &word)))
			return imap_args_bad(in);
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')') ? imap_args_end(in)
					       : IMAP_COMMAND_BAD;
}

/* enable = "ENABLE" 1*(SP capability) */
static int
args_enable(struct imap_in *in, struct imap_command *c)
{
	struct slice word;

	do {
		if (!imap_skip_sp(in) || !imap_take_atom(in, &word))
			return IMAP_COMMAND_BAD;
		c->enable |= imap_enable_bit(word);
	} while (!imap_is_end(in));
	return IMAP_COMMAND_OK;
}

/* Read piece by piece: append_args.c. */
static int
args_never(struct imap_in *in, struct imap_command *c)
{
	(void)in;
	(void)c;
	return IMAP_COMMAND_BAD;
}

/* -- the table ------------------------------------------------------------ */

struct form {
	const char *name;
	bool has_uid; /* a UID form exists */
	int (*args)(struct imap_in *in, struct imap_command *c);
};

static const struct form forms[IMAP_N_VERBS] = {
	[IMAP_APPEND] = { "APPEND", false, args_never },
	[IMAP_AUTHENTICATE] = { "AUTHENTICATE", false, args_authenticate },
	[IMAP_CANCELUPDATE] = { "CANCELUPDATE", false, imap_cancelupdate_args },
	[IMAP_CAPABILITY] = { "CAPABILITY", false, args_none },
	[IMAP_CHECK] = { "CHECK", false, args_none },
	[IMAP_CLOSE] = { "CLOSE", false, args_none },
	[IMAP_COPY] = { "COPY", true, imap_args_copy },
	[IMAP_CREATE] = { "CREATE", false, imap_args_create },
	[IMAP_DELETE] = { "DELETE", false, imap_args_mailbox },
	[IMAP_ENABLE] = { "ENABLE", false, args_enable },
	[IMAP_ESEARCH] = { "ESEARCH", false, imap_esearch_args },
	[IMAP_EXAMINE] = { "EXAMINE", false, imap_args_select },
	[IMAP_EXPUNGE] = { "EXPUNGE", true, imap_args_expunge },
	[IMAP_FETCH] = { "FETCH", true, imap_fetch_args },
	[IMAP_ID] = { "ID", false, args_id },
	[IMAP_IDLE] = { "IDLE", false, args_none },
	[IMAP_LIST] = { "LIST", false, imap_args_list },
	[IMAP_LOGIN] = { "LOGIN", false, args_login },
	[IMAP_LOGOUT] = { "LOGOUT", false, args_none },
	[IMAP_LSUB] = { "LSUB", false, imap_args_lsub },
	[IMAP_MOVE] = { "MOVE", true, imap_args_copy },
	[IMAP_GETQUOTA] = { "GETQUOTA", false, imap_args_getquota },
	[IMAP_GETQUOTAROOT] = { "GETQUOTAROOT", false, imap_args_mailbox },
	[IMAP_SETQUOTA] = { "SETQUOTA", false, imap_args_setquota },
	[IMAP_GETMETADATA] = { "GETMETADATA", false, imap_args_getmetadata },
	[IMAP_SETMETADATA] = { "SETMETADATA", false, imap_args_setmetadata },
	[IMAP_NAMESPACE] = { "NAMESPACE", false, args_none },
	[IMAP_NOOP] = { "NOOP", false, args_none },
	[IMAP_REPLACE] = { "REPLACE", true, args_never },
	[IMAP_RENAME] = { "RENAME", false, imap_args_rename },
	[IMAP_SEARCH] = { "SEARCH", true, imap_search_args },
	[IMAP_SELECT] = { "SELECT", false, imap_args_select },
	[IMAP_SORT] = { "SORT", true, imap_sort_args },
	[IMAP_STARTTLS] = { "STARTTLS", false, args_none },
	[IMAP_STATUS] = { "STATUS", false, imap_args_status },
	[IMAP_STORE] = { "STORE", true, imap_args_store },
	[IMAP_SUBSCRIBE] = { "SUBSCRIBE", false, imap_args_mailbox },
	[IMAP_THREAD] = { "THREAD", true, imap_thread_args },
	[IMAP_UNSELECT] = { "UNSELECT", false, args_none },
	[IMAP_COMPRESS] = { "COMPRESS", false, imap_args_compress },
	[IMAP_LANGUAGE] = { "LANGUAGE", false, imap_args_language },
	[IMAP_NOTIFY] = { "NOTIFY", false, imap_args_notify },
	[IMAP_UNAUTHENTICATE] = { "UNAUTHENTICATE", false, args_none },
	[IMAP_UNSUBSCRIBE] = { "UNSUBSCRIBE", false, imap_args_mailbox },
};

static enum imap_verb
find_verb(struct slice word)
{
	for (int i = IMAP_NONE + 1; i < IMAP_N_VERBS; i++)
		if (slice_equal_nocase(word, slice_cstr(forms[i].name)))
			return (enum imap_verb)i;
	return IMAP_NONE;
}

int
imap_command_begin(struct imap_in *in, struct imap_command *ret)
{
	struct slice word;

	memset(ret, 0, sizeof(*ret));
	if (!imap_take_tag(in, &ret->tag))
		return IMAP_COMMAND_BAD;
	if (!imap_skip_sp(in) || !imap_take_atom(in, &word))
		return IMAP_COMMAND_BAD;
	ret->is_uid = slice_equal_nocase(word, SLICE("UID"));
	if (ret->is_uid && (!imap_skip_sp(in) || !imap_take_atom(in, &word)))
		return IMAP_COMMAND_BAD;
	ret->verb = find_verb(word);
	if (ret->verb == IMAP_NONE ||
	    (ret->is_uid && !forms[ret->verb].has_uid))
		return IMAP_COMMAND_UNKNOWN;
	return IMAP_COMMAND_OK;
}

int
imap_command_args(struct imap_in *in, struct imap_command *ret)
{
	return forms[ret->verb].args(in, ret);
}
