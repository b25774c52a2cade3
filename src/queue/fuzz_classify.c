/* SPDX-License-Identifier: ISC */
/* Any reply has a class with a name, and the same one in capitals. */
#include <stdlib.h>
#include <string.h>

#include "queue/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct verdict v = { 0 };
	enum reply_class c, again;
	uint8_t upper[2048];

	if (n < 8 || n > sizeof(upper))
		return 0;
	v.code = (uint16_t)(at[0] << 8 | at[1]);
	v.esc.class = at[2];
	v.esc.subject = (uint16_t)(at[3] << 8 | at[4]);
	v.esc.detail = (uint16_t)(at[5] << 8 | at[6]);
	v.text = slice_of(at + 7, n - 7);
	c = reply_classify(&v);
	if (c >= REPLY_CLASSES ||
	    !reply_class_parse(slice_cstr(reply_class_name(c)), &again) ||
	    again != c)
		abort();
	for (size_t i = 0; i < v.text.len; i++)
		upper[i] = ascii_upper(v.text.at[i]);
	v.text.at = upper;
	if (reply_classify(&v) != c)
		abort();
	return 0;
}
