/* SPDX-License-Identifier: ISC */
#include "mail/envelope.h"

#include <stddef.h>

#include "mail/header.h"
#include "mail/lex.h"

enum field_kind {
	KIND_TEXT,
	KIND_ADDRESSES
};

static const struct field {
	struct slice name;
	enum field_kind kind;
	size_t offset; /* in struct envelope */
} fields[] = {
#define TEXT(name, member)                                                     \
	{                                                                      \
		SLICE(name), KIND_TEXT, offsetof(struct envelope, member)      \
	}
#define ADDRESSES(name, member)                                                \
	{                                                                      \
		SLICE(name), KIND_ADDRESSES, offsetof(struct envelope, member) \
	}
	TEXT("Date", date),
	TEXT("Subject", subject),
	TEXT("In-Reply-To", in_reply_to),
	TEXT("Message-ID", message_id),
	ADDRESSES("From", from),
	ADDRESSES("Sender", sender),
	ADDRESSES("Reply-To", reply_to),
	ADDRESSES("To", to),
	ADDRESSES("Cc", cc),
	ADDRESSES("Bcc", bcc),
#undef TEXT
#undef ADDRESSES
};

static void
add_text(struct slice *to, struct slice body, struct arena *a, bool *ret_cut)
{
	if (to->at == NULL)
		*to = lex_unfold(body, ENVELOPE_TEXT_MAX, a, ret_cut);
}

static void
add_addresses(struct address_list *to, struct slice body, struct arena *a,
    bool *ret_cut)
{
	if (to->at != NULL)
		return;
	if (address_parse(body, a, ADDRESS_MAX, to) != ADDRESS_OK)
		*ret_cut = true;
}

bool
envelope_add(struct envelope *e, struct slice name, struct slice body,
    struct arena *a, bool *ret_cut)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		void *to = (uint8_t *)e + fields[i].offset;

		if (!slice_equal_nocase(name, fields[i].name))
			continue;
		if (fields[i].kind == KIND_TEXT)
			add_text(to, body, a, ret_cut);
		else
			add_addresses(to, body, a, ret_cut);
		return true;
	}
	return false;
}

void
envelope_finish(struct envelope *e)
{
	if (e->sender.n == 0)
		e->sender = e->from;
	if (e->reply_to.n == 0)
		e->reply_to = e->from;
}

int
envelope_parse(struct slice header, struct arena *a, struct envelope *ret)
{
	struct envelope e = { 0 };
	struct header_field field;
	bool cut = false;

	while (header_next(&header, &field))
		(void)envelope_add(&e, field.name, field.body, a, &cut);
	envelope_finish(&e);
	*ret = e;
	return cut ? ENVELOPE_E_TRUNCATED : ENVELOPE_OK;
}
