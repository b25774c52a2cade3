/* SPDX-License-Identifier: ISC */
/*
 * imap/args_sync - the arguments by which clients synchronise (RFC 7162)
 *
 * Parameters of SELECT and EXAMINE, modifiers of FETCH and STORE. Each is a
 * list in parentheses of words, some with a value behind them; a word that is
 * not known, or that stands twice, is bad syntax (RFC 4466, 2.1). Whether the
 * session may use them is not decided here.
 */
#include "imap/command_impl.h"

#define MODSEQ_MAX INT64_MAX /* RFC 7162, 7: 63 bits */

struct modifier {
	const char *name;
	bool (*take)(struct imap_in *in, struct imap_command *c);
};

/* "(" word [SP value] *(SP word [SP value]) ")" */
static bool
take_modifiers(struct imap_in *in, struct imap_command *c,
    const struct modifier *known, size_t n)
{
	unsigned had = 0;

	if (!slice_skip_byte(&in->rest, '('))
		return false;
	do {
		size_t i;

		for (i = 0; i < n; i++)
			if (imap_skip_word(in, slice_cstr(known[i].name)))
				break;
		if (i == n || (had & 1U << i) != 0)
			return false;
		had |= 1U << i;
		if (!known[i].take(in, c))
			return false;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')');
}

static bool
take_modseq(struct imap_in *in, uint64_t least, uint64_t *ret)
{
	return imap_skip_sp(in) && slice_take_u64(&in->rest, MODSEQ_MAX, ret) &&
	    *ret >= least;
}

/* -- SELECT and EXAMINE -----------------------------------------------------
 */

static bool
take_condstore(struct imap_in *in, struct imap_command *c)
{
	(void)in;
	c->sync.condstore = true;
	return true;
}

/* known-uids and their like: no "*", and for pairs in ascending order. */
static bool
take_known(struct imap_in *in, bool ascends, struct imap_set *ret)
{
	uint64_t last = 0;

	if (!imap_take_set(in, ret))
		return false;
	for (size_t i = 0; i < ret->n; i++) {
		struct imap_range r = ret->ranges[i];

		if (r.lo == 0 || r.hi == 0)
			return false;
		if (ascends && (r.lo <= last || r.hi < r.lo))
			return false;
		last = r.hi;
	}
	return true;
}

static uint64_t
count(const struct imap_set *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += (uint64_t)set->ranges[i].hi - set->ranges[i].lo + 1;
	return n;
}

/* seq-match-data = "(" known-sequence-set SP known-uid-set ")" */
static bool
take_match(struct imap_in *in, struct imap_command *c)
{
	return slice_skip_byte(&in->rest, '(') &&
	    take_known(in, true, &c->sync.match_numbers) && imap_skip_sp(in) &&
	    take_known(in, true, &c->sync.match_uids) &&
	    slice_skip_byte(&in->rest, ')') &&
	    count(&c->sync.match_numbers) == count(&c->sync.match_uids);
}

/* "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids]
 * [SP seq-match-data] ")" */
static bool
take_qresync(struct imap_in *in, struct imap_command *c)
{
	c->sync.qresync = true;
	if (!imap_skip_sp(in) || !slice_skip_byte(&in->rest, '(') ||
	    !imap_take_number(in, &c->sync.uidvalidity) ||
	    c->sync.uidvalidity == 0 || !take_modseq(in, 1, &c->sync.modseq))
		return false;
	if (slice_skip_byte(&in->rest, ')'))
		return true;
	if (!imap_skip_sp(in) || in->rest.len == 0)
		return false;
	if (in->rest.at[0] != '(') {
		c->sync.has_known = true;
		if (!take_known(in, false, &c->sync.known))
			return false;
		if (slice_skip_byte(&in->rest, ')'))
			return true;
		if (!imap_skip_sp(in))
			return false;
	}
	return take_match(in, c) && slice_skip_byte(&in->rest, ')');
}

/* select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"] */
int
imap_args_select(struct imap_in *in, struct imap_command *c)
{
	static const struct modifier known[] = {
		{ "CONDSTORE", take_condstore },
		{ "QRESYNC", take_qresync },
	};
	struct slice wire;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &wire))
		return imap_args_bad(in);
	if (!imap_is_end(in) &&
	    (!imap_skip_sp(in) ||
		!take_modifiers(in, c, known,
		    sizeof(known) / sizeof(known[0])) ||
		!imap_is_end(in)))
		return imap_args_bad(in);
	return imap_read_mailbox(in, wire, &c->name);
}

/* -- FETCH and STORE --------------------------------------------------------
 */

static bool
take_changed_since(struct imap_in *in, struct imap_command *c)
{
	c->sync.has_since = true;
	return take_modseq(in, 0, &c->sync.modseq);
}

static bool
take_vanished(struct imap_in *in, struct imap_command *c)
{
	(void)in;
	c->sync.wants_vanished = true;
	return c->is_uid;
}

/* modifier-partial (RFC 9394, 4), of UID FETCH alone */
static bool
take_partial(struct imap_in *in, struct imap_command *c)
{
	return c->is_uid && !c->partial.is_there && imap_skip_sp(in) &&
	    imap_take_partial(in, &c->partial);
}

bool
imap_take_fetch_modifiers(struct imap_in *in, struct imap_command *c)
{
	static const struct modifier known[] = {
		{ "CHANGEDSINCE", take_changed_since },
		{ "PARTIAL", take_partial },
		{ "VANISHED", take_vanished },
	};

	return take_modifiers(in, c, known, sizeof(known) / sizeof(known[0])) &&
	    (c->sync.has_since || !c->sync.wants_vanished);
}

static bool
take_unchanged_since(struct imap_in *in, struct imap_command *c)
{
	c->sync.has_since = true;
	return take_modseq(in, 0, &c->sync.modseq);
}

bool
imap_take_store_modifiers(struct imap_in *in, struct imap_command *c)
{
	static const struct modifier known[] = {
		{ "UNCHANGEDSINCE", take_unchanged_since },
	};

	return take_modifiers(in, c, known, 1);
}
