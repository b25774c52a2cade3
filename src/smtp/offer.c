/* SPDX-License-Identifier: ISC */
#include "smtp/offer.h"

#include "smtp/auth.h"

enum {
	LIMIT_VALUE_MAX = 999999 /* RFC 9422: six digits */
};

/* False: that was the last one. */
static bool
take_word(struct slice *args, struct slice *ret_word)
{
	while (slice_skip_byte(args, ' '))
		;
	if (!slice_take_until(args, ' ', ret_word)) {
		*ret_word = *args;
		args->len = 0;
	}
	return ret_word->len > 0;
}

/* SIZE [20DIGIT] */
static void
read_size(struct smtp_offer *o, struct slice args)
{
	uint64_t n;

	if (slice_to_u64(args, UINT64_MAX, &n))
		o->max_size = n;
}

static void
read_auth(struct smtp_offer *o, struct slice args)
{
	struct slice word;

	while (take_word(&args, &word))
		o->auth |= smtp_auth_of(word);
}

/* DELIVERBY [min-by-time], which other parameters may follow after a comma
 * (RFC 2852, 2). */
static void
read_deliverby(struct smtp_offer *o, struct slice args)
{
	struct slice first;
	uint64_t n;

	if (!slice_take_until(&args, ',', &first))
		first = args;
	if (slice_to_u64(first, SMTP_SECONDS_MAX, &n))
		o->min_by = n;
}

/* name "=" value, as many as there are (RFC 9422, 3) */
static void
read_limits(struct smtp_offer *o, struct slice args)
{
	const struct {
		struct slice name;
		uint64_t *value;
	} limits[] = {
		{ SLICE("RCPTMAX"), &o->max_rcpts },
		{ SLICE("MAILMAX"), &o->max_mails },
		{ SLICE("RCPTDOMAINMAX"), &o->max_domains },
	};
	struct slice word, name;
	uint64_t n;

	while (take_word(&args, &word)) {
		if (!slice_take_until(&word, '=', &name) ||
		    !slice_to_u64(word, LIMIT_VALUE_MAX, &n) || n == 0)
			continue;
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
			if (slice_equal_nocase(name, limits[i].name))
				*limits[i].value = n;
	}
}

static const struct {
	unsigned ext;
	void (*read)(struct smtp_offer *, struct slice args);
} readers[] = {
	{ SMTP_EXT_SIZE, read_size },
	{ SMTP_EXT_AUTH, read_auth },
	{ SMTP_EXT_DELIVERBY, read_deliverby },
	{ SMTP_EXT_LIMITS, read_limits },
};

/* ehlo-line = ehlo-keyword *(SP ehlo-param) */
void
smtp_offer_read(struct smtp_offer *o, struct slice line)
{
	struct slice args = line, word;
	unsigned ext;

	if (!take_word(&args, &word))
		return;
	args = slice_trim(args);
	ext = smtp_ext_named(word);
	o->ext |= ext;
	o->pipelining |= slice_equal_nocase(word, SLICE("PIPELINING"));
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if ((ext & readers[i].ext) != 0)
			readers[i].read(o, args);
}
