/* SPDX-License-Identifier: ISC */
#include "imap/objectid.h"

#include <inttypes.h>
#include <stdio.h>

void
imap_emailid_print(const struct id *id, char text[IMAP_OBJECTID])
{
	text[0] = 'M';
	id_print(id, text + 1);
}

bool
imap_emailid_parse(struct slice text, struct id *ret)
{
	char again[IMAP_OBJECTID];
	struct id id;

	if (!slice_skip_byte(&text, 'M') || !id_parse(text, &id))
		return false;
	/* They are compared octet by octet: another spelling is another id. */
	id_print(&id, again);
	if (!slice_equal(text, slice_cstr(again)))
		return false;
	*ret = id;
	return true;
}

void
imap_threadid_print(uint64_t thread, char text[IMAP_OBJECTID])
{
	(void)snprintf(text, IMAP_OBJECTID, "T%" PRIu64, thread);
}

bool
imap_threadid_parse(struct slice text, uint64_t *ret)
{
	uint64_t n;

	if (!slice_skip_byte(&text, 'T') || text.len == 0 ||
	    (text.at[0] == '0' && text.len > 1) ||
	    !slice_take_u64(&text, UINT64_MAX, &n) || text.len != 0)
		return false;
	*ret = n;
	return true;
}

static bool
is_objectid_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool
imap_is_objectid(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_objectid_char(text.at[i]))
			return false;
	return text.len >= 1 && text.len <= 255;
}
