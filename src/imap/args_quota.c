/* SPDX-License-Identifier: ISC */
#include "imap/command_impl.h"

/* getquota = "GETQUOTA" SP astring (RFC 9208, 7) */
int
imap_args_getquota(struct imap_in *in, struct imap_command *c)
{
	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->text))
		return imap_args_bad(in);
	return imap_args_end(in);
}

/* setquota = "SETQUOTA" SP astring SP "(" [atom SP number *(SP ...)] ")" */
int
imap_args_setquota(struct imap_in *in, struct imap_command *c)
{
	struct slice name;
	uint64_t limit;

	if (!imap_skip_sp(in) || !imap_take_astring(in, &c->text) ||
	    !imap_skip_sp(in) || !slice_skip_byte(&in->rest, '('))
		return imap_args_bad(in);
	if (slice_skip_byte(&in->rest, ')'))
		return imap_args_end(in);
	do {
		if (!imap_take_atom(in, &name) || !imap_skip_sp(in) ||
		    !slice_take_u64(&in->rest, INT64_MAX, &limit))
			return IMAP_COMMAND_BAD;
	} while (imap_skip_sp(in));
	return slice_skip_byte(&in->rest, ')') ? imap_args_end(in)
					       : IMAP_COMMAND_BAD;
}
