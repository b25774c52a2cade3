/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/limits.h"
#include "imap/command.h"
#include "imap/utf7.h"

static int
bad(const struct imap_in *in)
{
	return in->is_too_much ? IMAP_COMMAND_TOO_MUCH : IMAP_COMMAND_BAD;
}

static int
end(const struct imap_in *in)
{
	return imap_is_end(in) ? IMAP_COMMAND_OK : IMAP_COMMAND_BAD;
}

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

static int
read_mailbox(struct imap_in *in, struct slice wire, struct slice *ret)
{
	if (imap_name_decode(in, wire, ret))
		return IMAP_COMMAND_OK;
	return in->is_too_much ? IMAP_COMMAND_TOO_MUCH : IMAP_COMMAND_NAME;
}

static int
take_mailbox(struct imap_in *in, struct slice *ret)
{
	struct slice wire;

	if (!imap_take_astring(in, &wire))
		return bad(in);
	return read_mailbox(in, wire, ret);
}

struct list_option {
	const char *name;
	unsigned bit;
};

/* -- one function for each form of arguments ------------------------------ */

static int
args_none(struct imap_in *in, struct imap_command *c)
{
	(void)c;
	return end(in);
}

static int
args_mailbox(struct imap_in *in, struct imap_command *c)
{
	int r;

	if (!imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	r = take_mailbox(in, &c->name);
	if (r == IMAP_COMMAND_NAME && !imap_is_end(in))
		r = IMAP_COMMAND_BAD;
	return r == IMAP_COMMAND_OK ? end(in) : r;
}

/* CREATE: a "/" at the end only says that names below it will follow
 * (RFC 3501, 6.3.3). */
static int
args_create(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_is_end(in))
		return bad(in);
	if (wire.len > 1 && wire.at[wire.len - 1] == '/')
		wire.len--;
	if (slice_find_byte(wire, '*') != SIZE_MAX ||
	    slice_find_byte(wire, '%') != SIZE_MAX ||
	    !imap_name_decode(in, wire, &c->name))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_NAME;
	return IMAP_COMMAND_OK;
}

static int
args_rename(struct imap_in *in, struct imap_command *c)
{
	struct slice from, to;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &from) ||
	    !imap_skip_sp(in) || !imap_take_astring(in, &to) ||
	    !imap_is_end(in))
		return bad(in);
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

static int
args_lsub(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->reference) ||
	    !imap_skip_sp(in) || !imap_take_list_mailbox(in, &c->pattern))
		return bad(in);
	return end(in);
}

/* list = "LIST" [SP list-select-opts] SP mailbox SP list-mailbox
 *        [SP "RETURN" SP list-return-opts]
 * RFC 6154 adds options to RFC 3501; of RFC 5258 those are here that cost
 * nothing. Special uses and children are told in any case. */
static int
args_list(struct imap_in *in, struct imap_command *c)
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
		return bad(in);
	if (imap_is_end(in))
		return IMAP_COMMAND_OK;
	if (!imap_skip_sp(in) || !imap_skip_word(in, SLICE("RETURN")) ||
	    !imap_skip_sp(in) ||
	    !take_options(in, tell, sizeof(tell) / sizeof(tell[0]), &c->list))
		return IMAP_COMMAND_BAD;
	return end(in);
}

static int
args_login(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->user) ||
	    !imap_skip_sp(in) || !imap_take_astring(in, &c->secret))
		return bad(in);
	return end(in);
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
	return end(in);
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
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (imap_skip_word(in, slice_cstr(known[i].name))) {
			*items |= known[i].bit;
			return true;
		}
	return false;
}

/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
static int
args_status(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_skip_sp(in) || !slice_skip_byte(&in->rest, '('))
		return bad(in);
	do {
		if (!take_status_item(in, &c->status))
			return IMAP_COMMAND_BAD;
	} while (imap_skip_sp(in));
	if (!slice_skip_byte(&in->rest, ')') || !imap_is_end(in))
		return IMAP_COMMAND_BAD;
	return read_mailbox(in, wire, &c->name);
}

/* append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal; here
 * up to that last SP. */
static int
args_append(struct imap_in *in, struct imap_command *c)
{
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire) ||
	    !imap_skip_sp(in))
		return bad(in);
	if (in->rest.len > 0 && in->rest.at[0] == '(' &&
	    (!imap_take_flags(in, false, &c->flags) || !imap_skip_sp(in)))
		return bad(in);
	if (in->rest.len > 0 && in->rest.at[0] == '"') {
		if (!imap_take_date_time(in, &c->date, &c->zone) ||
		    !imap_skip_sp(in))
			return IMAP_COMMAND_BAD;
		c->has_date = true;
	}
	if (!imap_is_end(in))
		return IMAP_COMMAND_BAD;
	return read_mailbox(in, wire, &c->name);
}

/* copy = "COPY" SP sequence-set SP mailbox, and MOVE */
static int
args_copy(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_set(in, &c->set))
		return bad(in);
	return args_mailbox(in, c);
}

/* store = "STORE" SP sequence-set SP store-att-flags */
static int
args_store(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_set(in, &c->set) ||
	    !imap_skip_sp(in))
		return bad(in);
	c->mode = slice_skip_byte(&in->rest, '+') ? IMAP_STORE_ADD
	    : slice_skip_byte(&in->rest, '-')     ? IMAP_STORE_REMOVE
						  : IMAP_STORE_SET;
	c->is_silent = imap_skip_word(in, SLICE("FLAGS.SILENT"));
	if (!c->is_silent && !imap_skip_word(in, SLICE("FLAGS")))
		return IMAP_COMMAND_BAD;
	if (!imap_skip_sp(in) || !imap_take_flags(in, true, &c->flags))
		return bad(in);
	return end(in);
}

/* UID EXPUNGE has a set (RFC 4315, 2.1). */
static int
args_expunge(struct imap_in *in, struct imap_command *c)
{
	if (c->is_uid && (!imap_skip_sp(in) || !imap_take_set(in, &c->set)))
		return bad(in);
	return end(in);
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
		return end(in);
	if (!slice_skip_byte(&in->rest, '('))
		return IMAP_COMMAND_BAD;
	if (slice_skip_byte(&in->rest, ')'))
		return end(in);
	do {
		if (!imap_take_string(in, &word) || !imap_skip_sp(in) ||
		    (!imap_skip_word(in, SLICE("NIL")) &&
			!imap_take_string(in, &word)))
			return bad(in);
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')') ? end(in) : IMAP_COMMAND_BAD;
}

/* enable = "ENABLE" 1*(SP capability) */
static int
args_enable(struct imap_in *in, struct imap_command *c)
{
	struct slice word;

	(void)c;
	do {
		if (!imap_skip_sp(in) || !imap_take_atom(in, &word))
			return IMAP_COMMAND_BAD;
	} while (!imap_is_end(in));
	return IMAP_COMMAND_OK;
}

/* -- the table ------------------------------------------------------------ */

struct form {
	const char *name;
	bool has_uid; /* a UID form exists */
	int (*args)(struct imap_in *in, struct imap_command *c);
};

static const struct form forms[IMAP_N_VERBS] = {
	[IMAP_APPEND] = { "APPEND", false, args_append },
	[IMAP_AUTHENTICATE] = { "AUTHENTICATE", false, args_authenticate },
	[IMAP_CAPABILITY] = { "CAPABILITY", false, args_none },
	[IMAP_CHECK] = { "CHECK", false, args_none },
	[IMAP_CLOSE] = { "CLOSE", false, args_none },
	[IMAP_COPY] = { "COPY", true, args_copy },
	[IMAP_CREATE] = { "CREATE", false, args_create },
	[IMAP_DELETE] = { "DELETE", false, args_mailbox },
	[IMAP_ENABLE] = { "ENABLE", false, args_enable },
	[IMAP_EXAMINE] = { "EXAMINE", false, args_mailbox },
	[IMAP_EXPUNGE] = { "EXPUNGE", true, args_expunge },
	[IMAP_FETCH] = { "FETCH", true, imap_fetch_args },
	[IMAP_ID] = { "ID", false, args_id },
	[IMAP_IDLE] = { "IDLE", false, args_none },
	[IMAP_LIST] = { "LIST", false, args_list },
	[IMAP_LOGIN] = { "LOGIN", false, args_login },
	[IMAP_LOGOUT] = { "LOGOUT", false, args_none },
	[IMAP_LSUB] = { "LSUB", false, args_lsub },
	[IMAP_MOVE] = { "MOVE", true, args_copy },
	[IMAP_NAMESPACE] = { "NAMESPACE", false, args_none },
	[IMAP_NOOP] = { "NOOP", false, args_none },
	[IMAP_RENAME] = { "RENAME", false, args_rename },
	[IMAP_SEARCH] = { "SEARCH", true, imap_search_args },
	[IMAP_SELECT] = { "SELECT", false, args_mailbox },
	[IMAP_STARTTLS] = { "STARTTLS", false, args_none },
	[IMAP_STATUS] = { "STATUS", false, args_status },
	[IMAP_STORE] = { "STORE", true, args_store },
	[IMAP_SUBSCRIBE] = { "SUBSCRIBE", false, args_mailbox },
	[IMAP_UNSELECT] = { "UNSELECT", false, args_none },
	[IMAP_UNSUBSCRIBE] = { "UNSUBSCRIBE", false, args_mailbox },
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
