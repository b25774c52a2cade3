/* SPDX-License-Identifier: ISC */
/* Any line as a request; what was taken can be printed as a row, which is one
 * line of JSON. */
#include <jansson.h>
#include <stdlib.h>

#include "roles/control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct control_request r;
	const char *why = NULL;
	struct buf out;

	if (n > CONTROL_LINE)
		return 0;
	buf_init(&out, CONTROL_OUT);
	if (control_request_parse(slice_of(at, n), &r, &why) == CONTROL_OK) {
		struct wire_list l = { .n = r.n_fields,
			.raw = buf_slice(&r.fields) };
		json_t *row;

		if (control_row_print(l, &out) != 0)
			abort();
		row = json_loadb((const char *)buf_slice(&out).at, out.len, 0,
		    NULL);
		if (row == NULL ||
		    slice_find_byte(buf_slice(&out), '\n') != out.len - 1)
			abort();
		json_decref(row);
	}
	control_request_deinit(&r);
	buf_deinit(&out);
	return 0;
}
