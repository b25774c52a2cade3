/* SPDX-License-Identifier: ISC */
#include "base/limits.h"
#include "imap/command_impl.h"

enum {
	LANGUAGES_MAX = 32
};

/* compress = "COMPRESS" SP "DEFLATE" (RFC 4978, 5) */
int
imap_args_compress(struct imap_in *in, struct imap_command *c)
{
	(void)c;
	if (!imap_skip_sp(in) || !imap_skip_word(in, SLICE("DEFLATE")))
		return IMAP_COMMAND_BAD;
	return imap_args_end(in);
}

/* language-cmd = "LANGUAGE" *(SP lang-range-quoted) (RFC 5255, 3.6) */
int
imap_args_language(struct imap_in *in, struct imap_command *c)
{
	if (imap_is_end(in))
		return IMAP_COMMAND_OK;
	c->words = arena_array(in->arena, LANGUAGES_MAX, sizeof(*c->words));
	if (c->words == NULL)
		return IMAP_COMMAND_TOO_MUCH;
	while (imap_skip_sp(in)) {
		if (c->n_words == LANGUAGES_MAX)
			return IMAP_COMMAND_TOO_MUCH;
		if (!imap_take_astring(in, &c->words[c->n_words++]))
			return imap_args_bad(in);
	}
	return imap_args_end(in);
}
