/* SPDX-License-Identifier: ISC */
#include "imap/command_impl.h"

/* copy = "COPY" SP sequence-set SP mailbox, and MOVE */
int
imap_args_copy(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_set(in, &c->set))
		return imap_args_bad(in);
	return imap_args_mailbox(in, c);
}

/* store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags */
int
imap_args_store(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_set(in, &c->set) ||
	    !imap_skip_sp(in))
		return imap_args_bad(in);
	if (in->rest.len > 0 && in->rest.at[0] == '(' &&
	    (!imap_take_store_modifiers(in, c) || !imap_skip_sp(in)))
		return imap_args_bad(in);
	c->mode = slice_skip_byte(&in->rest, '+') ? IMAP_STORE_ADD
	    : slice_skip_byte(&in->rest, '-')     ? IMAP_STORE_REMOVE
						  : IMAP_STORE_SET;
	c->is_silent = imap_skip_word(in, SLICE("FLAGS.SILENT"));
	if (!c->is_silent && !imap_skip_word(in, SLICE("FLAGS")))
		return IMAP_COMMAND_BAD;
	if (!imap_skip_sp(in) || !imap_take_flags(in, true, &c->flags))
		return imap_args_bad(in);
	return imap_args_end(in);
}

/* UID EXPUNGE has a set (RFC 4315, 2.1). */
int
imap_args_expunge(struct imap_in *in, struct imap_command *c)
{
	if (c->is_uid && (!imap_skip_sp(in) || !imap_take_set(in, &c->set)))
		return imap_args_bad(in);
	return imap_args_end(in);
}
