/* SPDX-License-Identifier: ISC */
#include "queue/retry.h"

enum retry_kind
retry_kind(const struct verdict *v)
{
	if (v->code >= 200 && v->code < 300)
		return RETRY_DELIVERED;
	if (v->code >= 500 && v->code < 600)
		return RETRY_PERMANENT;
	return RETRY_TEMPORARY;
}

struct esc
retry_esc(const struct verdict *v)
{
	uint8_t class = (uint8_t)(v->code / 100);

	if (v->code == 0)
		return (struct esc){ 4, 4, 2 };
	if (class != 2 && class != 5)
		class = 4;
	if (v->esc.class == class && v->esc.subject < 1000 &&
	    v->esc.detail < 1000)
		return v->esc;
	return (struct esc){ class, 0, 0 };
}

bool
retry_is_host_failure(const struct verdict *v)
{
	return v->code == 421 || v->code < 200 || v->code >= 600 ||
	    v->code / 100 == 3;
}

bool
retry_is_too_many(const struct verdict *v, bool some_delivered)
{
	return v->code == 452 && some_delivered;
}

int
retry_clean(struct buf *out, struct slice text, size_t max)
{
	bool had_space = true; /* none at the front */
	int r;

	for (size_t i = 0; i < text.len && max > 0; i++) {
		uint8_t c = text.at[i];

		if (c == '\r' || c == '\n' || c == '\t')
			c = ' ';
		if (c == ' ' && had_space)
			continue;
		had_space = c == ' ';
		r = buf_add_byte(out, ascii_is_print(c) ? c : '?');
		if (r != 0)
			return r;
		max--;
	}
	return BUF_OK;
}
