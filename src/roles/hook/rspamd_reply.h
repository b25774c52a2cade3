/* SPDX-License-Identifier: ISC */
/*
 * roles/hook/rspamd_reply - what Rspamd's JSON says, checked
 *
 * The reply of /checkv2 (https://rspamd.com/doc/developers/protocol.html) as a
 * verdict and a list of edits. Everything in it comes from outside: unknown
 * actions are none of ours, fields are checked when they are applied, a text
 * for the client must be one printable line.
 */
#ifndef ROLES_HOOK_RSPAMD_REPLY_H
#define ROLES_HOOK_RSPAMD_REPLY_H

#include "base/arena.h"
#include "base/verdict.h"
#include "hook/header.h"

enum rspamd_action {
	RSPAMD_NO_ACTION,
	RSPAMD_ADD_HEADER,
	RSPAMD_REWRITE_SUBJECT,
	RSPAMD_LATER, /* greylist, soft reject */
	RSPAMD_REJECT,
	RSPAMD_DISCARD,
	RSPAMD_QUARANTINE
};

enum {
	RSPAMD_EDITS = 200,
	RSPAMD_ENVELOPE = 50
};

struct rspamd_edit {
	bool removes;
	struct slice name, value;
	int order; /* of add: index, -1 the end; of take out:
		    * as hook_header_remove */
};

struct rspamd_envelope_edit {
	unsigned what; /* HOOK_EDIT_* */
	struct slice address;
};

struct rspamd_reply {
	enum rspamd_action action;
	double score, required;
	struct slice text; /* for the client, or empty */
	struct rspamd_edit edits[RSPAMD_EDITS];
	size_t n_edits;
	struct rspamd_envelope_edit envelope[RSPAMD_ENVELOPE];
	size_t n_envelope;
};

/* False: not of this form. Slices are in the arena. */
bool rspamd_reply_parse(struct slice json, struct arena *a,
    struct rspamd_reply *ret);
/* HOOK_OK, or what hook/header.h says of an illegal field. */
int rspamd_reply_apply(const struct rspamd_reply *r, struct hook_header *h);

#endif
