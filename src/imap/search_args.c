/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/limits.h"
#include "imap/command.h"
#include "imap/objectid.h"
#include "mail/encode.h"

enum key_args {
	NONE,
	TEXT,
	DATE,
	NUMBER,
	NUMBER64,
	SECONDS,
	MODSEQ,
	OBJECT_ID,
	SET,
	FIELD_TEXT,
	ONE_KEY,
	TWO_KEYS
};

struct key {
	const char *name;
	enum key_args args;
	enum imap_key what;
	uint8_t bits;
	const char *field;
};

/* search-key, RFC 3501, 6.4.4. OLD, NEW and RECENT live on IMAP_RECENT. The bit
 * of a header field says that it holds addresses. */
static const struct key keys[] = {
	{ "ALL", NONE, IMAP_KEY_ALL, 0, NULL },
	{ "ANSWERED", NONE, IMAP_KEY_FLAG, IMAP_ANSWERED, NULL },
	{ "BCC", TEXT, IMAP_KEY_HEADER, 1, "Bcc" },
	{ "BEFORE", DATE, IMAP_KEY_BEFORE, 0, NULL },
	{ "BODY", TEXT, IMAP_KEY_BODY, 0, NULL },
	{ "CC", TEXT, IMAP_KEY_HEADER, 1, "Cc" },
	{ "DELETED", NONE, IMAP_KEY_FLAG, IMAP_DELETED, NULL },
	{ "DRAFT", NONE, IMAP_KEY_FLAG, IMAP_DRAFT, NULL },
	{ "EMAILID", OBJECT_ID, IMAP_KEY_EMAIL_ID, 0, NULL },
	{ "FLAGGED", NONE, IMAP_KEY_FLAG, IMAP_FLAGGED, NULL },
	{ "FROM", TEXT, IMAP_KEY_HEADER, 1, "From" },
	{ "HEADER", FIELD_TEXT, IMAP_KEY_HEADER, 0, NULL },
	{ "KEYWORD", TEXT, IMAP_KEY_KEYWORD, 0, NULL },
	{ "LARGER", NUMBER64, IMAP_KEY_LARGER, 0, NULL },
	{ "MODSEQ", MODSEQ, IMAP_KEY_MODSEQ, 0, NULL },
	{ "NOT", ONE_KEY, IMAP_KEY_NOT, 0, NULL },
	{ "OLD", NONE, IMAP_KEY_NO_FLAG, IMAP_RECENT, NULL },
	{ "OLDER", SECONDS, IMAP_KEY_OLDER, 0, NULL },
	{ "ON", DATE, IMAP_KEY_ON, 0, NULL },
	{ "OR", TWO_KEYS, IMAP_KEY_OR, 0, NULL },
	{ "RECENT", NONE, IMAP_KEY_FLAG, IMAP_RECENT, NULL },
	{ "SAVEDATESUPPORTED", NONE, IMAP_KEY_ALL, 0, NULL },
	{ "SAVEDBEFORE", DATE, IMAP_KEY_SAVED_BEFORE, 0, NULL },
	{ "SAVEDON", DATE, IMAP_KEY_SAVED_ON, 0, NULL },
	{ "SAVEDSINCE", DATE, IMAP_KEY_SAVED_SINCE, 0, NULL },
	{ "SEEN", NONE, IMAP_KEY_FLAG, IMAP_SEEN, NULL },
	{ "SENTBEFORE", DATE, IMAP_KEY_SENT_BEFORE, 0, NULL },
	{ "SENTON", DATE, IMAP_KEY_SENT_ON, 0, NULL },
	{ "SENTSINCE", DATE, IMAP_KEY_SENT_SINCE, 0, NULL },
	{ "SINCE", DATE, IMAP_KEY_SINCE, 0, NULL },
	{ "SMALLER", NUMBER64, IMAP_KEY_SMALLER, 0, NULL },
	{ "SUBJECT", TEXT, IMAP_KEY_HEADER, 0, "Subject" },
	{ "TEXT", TEXT, IMAP_KEY_TEXT, 0, NULL },
	{ "THREADID", OBJECT_ID, IMAP_KEY_THREAD_ID, 0, NULL },
	{ "TO", TEXT, IMAP_KEY_HEADER, 1, "To" },
	{ "UID", SET, IMAP_KEY_UID, 0, NULL },
	{ "UNANSWERED", NONE, IMAP_KEY_NO_FLAG, IMAP_ANSWERED, NULL },
	{ "UNDELETED", NONE, IMAP_KEY_NO_FLAG, IMAP_DELETED, NULL },
	{ "UNDRAFT", NONE, IMAP_KEY_NO_FLAG, IMAP_DRAFT, NULL },
	{ "UNFLAGGED", NONE, IMAP_KEY_NO_FLAG, IMAP_FLAGGED, NULL },
	{ "UNKEYWORD", TEXT, IMAP_KEY_NO_KEYWORD, 0, NULL },
	{ "UNSEEN", NONE, IMAP_KEY_NO_FLAG, IMAP_SEEN, NULL },
	{ "YOUNGER", SECONDS, IMAP_KEY_YOUNGER, 0, NULL },
};

static struct imap_search *take_key(struct imap_in *in, unsigned depth);

static struct imap_search *
new_key(struct imap_in *in, enum imap_key what)
{
	struct imap_search *k = arena_alloc(in->arena, sizeof(*k));

	if (k == NULL)
		in->is_too_much = true;
	else
		k->what = what;
	return k;
}

static bool
take_text(struct imap_in *in, struct imap_search *k)
{
	if (!imap_skip_sp(in))
		return false;
	if (k->what == IMAP_KEY_KEYWORD || k->what == IMAP_KEY_NO_KEYWORD)
		return imap_take_atom(in, &k->text);
	return imap_take_astring(in, &k->text);
}

static bool
take_field_text(struct imap_in *in, struct imap_search *k)
{
	return imap_skip_sp(in) && imap_take_astring(in, &k->field) &&
	    take_text(in, k);
}

static bool
take_date(struct imap_in *in, struct imap_search *k)
{
	return imap_skip_sp(in) && imap_take_date(in, &k->day);
}

static bool
take_number(struct imap_in *in, struct imap_search *k)
{
	return imap_skip_sp(in) && imap_take_number(in, &k->number);
}

/* RFC 9051, 9: number64, which has 63 bits. */
static bool
take_number64(struct imap_in *in, struct imap_search *k)
{
	return imap_skip_sp(in) &&
	    slice_take_u64(&in->rest, INT64_MAX, &k->number64);
}

/* RFC 5032, 3: nz-number */
static bool
take_seconds(struct imap_in *in, struct imap_search *k)
{
	return take_number(in, k) && k->number != 0;
}

/* search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP
 * mod-sequence-valzer (RFC 7162, 7). There is one modseq for all metadata of a
 * message, so that the entry changes nothing. */
static bool
take_modseq(struct imap_in *in, struct imap_search *k)
{
	struct slice entry;

	if (!imap_skip_sp(in))
		return false;
	if (in->rest.len > 0 && in->rest.at[0] == '"') {
		if (!imap_take_string(in, &entry) ||
		    !slice_starts(entry, SLICE("/flags/")) ||
		    !imap_skip_sp(in) ||
		    (!imap_skip_word(in, SLICE("all")) &&
			!imap_skip_word(in, SLICE("priv")) &&
			!imap_skip_word(in, SLICE("shared"))) ||
		    !imap_skip_sp(in))
			return false;
	}
	return slice_take_u64(&in->rest, INT64_MAX, &k->number64);
}

static bool
take_object_id(struct imap_in *in, struct imap_search *k)
{
	return imap_skip_sp(in) && imap_take_astring(in, &k->text) &&
	    imap_is_objectid(k->text);
}

static bool
take_set(struct imap_in *in, struct imap_search *k)
{
	return imap_skip_sp(in) && imap_take_set(in, &k->set);
}

/* n keys with a space before each, as children of k */
static bool
take_keys(struct imap_in *in, struct imap_search *k, unsigned n, unsigned depth)
{
	struct imap_search **at = &k->first;

	for (unsigned i = 0; i < n; i++) {
		if (!imap_skip_sp(in))
			return false;
		*at = take_key(in, depth + 1);
		if (*at == NULL)
			return false;
		at = &(*at)->next;
	}
	return true;
}

static bool
take_args(struct imap_in *in, enum key_args args, struct imap_search *k,
    unsigned depth)
{
	switch (args) {
	case NONE:
		return true;
	case TEXT:
		return take_text(in, k);
	case DATE:
		return take_date(in, k);
	case NUMBER:
		return take_number(in, k);
	case NUMBER64:
		return take_number64(in, k);
	case SECONDS:
		return take_seconds(in, k);
	case MODSEQ:
		return take_modseq(in, k);
	case OBJECT_ID:
		return take_object_id(in, k);
	case SET:
		return take_set(in, k);
	case FIELD_TEXT:
		return take_field_text(in, k);
	case ONE_KEY:
		return take_keys(in, k, 1, depth);
	case TWO_KEYS:
		return take_keys(in, k, 2, depth);
	}
	return false;
}

/* search-key *(SP search-key) */
static struct imap_search *
take_list(struct imap_in *in, unsigned depth)
{
	struct imap_search *k = new_key(in, IMAP_KEY_AND);
	struct imap_search **at;

	if (k == NULL)
		return NULL;
	at = &k->first;
	do {
		*at = take_key(in, depth + 1);
		if (*at == NULL)
			return NULL;
		at = &(*at)->next;
	} while (imap_skip_sp(in));
	return k;
}

/* NEW is RECENT UNSEEN. */
static struct imap_search *
take_new(struct imap_in *in)
{
	struct imap_search *k = new_key(in, IMAP_KEY_AND);

	if (k == NULL)
		return NULL;
	k->first = new_key(in, IMAP_KEY_FLAG);
	if (k->first == NULL)
		return NULL;
	k->first->bits = IMAP_RECENT;
	k->first->next = new_key(in, IMAP_KEY_NO_FLAG);
	if (k->first->next == NULL)
		return NULL;
	k->first->next->bits = IMAP_SEEN;
	return k;
}

static struct imap_search *
take_named(struct imap_in *in, const struct key *row, unsigned depth)
{
	struct imap_search *k = new_key(in, row->what);

	if (k == NULL)
		return NULL;
	k->bits = row->bits;
	k->field = slice_cstr(row->field);
	return take_args(in, row->args, k, depth) ? k : NULL;
}

static struct imap_search *
take_key(struct imap_in *in, unsigned depth)
{
	struct imap_search *k;

	if (depth > LIMIT_IMAP_NESTING) {
		in->is_too_much = true;
		return NULL;
	}
	if (slice_skip_byte(&in->rest, '(')) {
		k = take_list(in, depth);
		return k != NULL && slice_skip_byte(&in->rest, ')') ? k : NULL;
	}
	if (imap_skip_word(in, SLICE("NEW")))
		return take_new(in);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (imap_skip_word(in, slice_cstr(keys[i].name)))
			return take_named(in, &keys[i], depth);
	k = new_key(in, IMAP_KEY_SET);
	in->has_numbers = true;
	return k != NULL && imap_take_set(in, &k->set) ? k : NULL;
}

static bool
has_modseq(const struct imap_search *k)
{
	if (k->what == IMAP_KEY_MODSEQ)
		return true;
	for (const struct imap_search *c = k->first; c != NULL; c = c->next)
		if (has_modseq(c))
			return true;
	return false;
}

/* 1*(SP search-key), its first SP taken, to the end */
static int
take_program(struct imap_in *in, struct imap_command *ret)
{
	ret->search = take_list(in, 0);
	if (ret->search == NULL || !imap_is_end(in))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_BAD;
	ret->has_modseq = has_modseq(ret->search);
	return IMAP_COMMAND_OK;
}

int
imap_search_charset_args(struct imap_in *in, struct imap_command *ret)
{
	struct slice charset;

	if (!imap_take_astring(in, &charset) || !imap_skip_sp(in))
		return IMAP_COMMAND_BAD;
	/* The answer to this is NO, whatever comes behind it. */
	ret->bad_charset = !charset_is_known(charset);
	if (ret->bad_charset)
		return IMAP_COMMAND_OK;
	if (!slice_equal_nocase(charset, SLICE("US-ASCII")) &&
	    !slice_equal_nocase(charset, SLICE("UTF-8")))
		ret->charset = charset;
	return take_program(in, ret);
}

int
imap_search_program_args(struct imap_in *in, struct imap_command *ret)
{
	if (!imap_skip_word(in, SLICE("CHARSET")))
		return take_program(in, ret);
	return imap_skip_sp(in) ? imap_search_charset_args(in, ret)
				: IMAP_COMMAND_BAD;
}

/* search = "SEARCH" [SP search-return-opts] [SP "CHARSET" SP charset]
 *          1*(SP search-key) */
int
imap_search_args(struct imap_in *in, struct imap_command *ret)
{
	if (!imap_skip_sp(in) || !imap_take_return(in, ret))
		return IMAP_COMMAND_BAD;
	return imap_search_program_args(in, ret);
}
