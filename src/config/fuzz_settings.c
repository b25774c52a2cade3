/* SPDX-License-Identifier: ISC */
/* Any text as ulak.toml: it is read or refused with a place in it, and what
 * was read can be printed. */
#include <stdlib.h>

#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_error(const struct settings_error *err, struct slice text)
{
	uint32_t lines = 1;

	for (size_t i = 0; i < text.len; i++)
		lines += text.at[i] == '\n';
	if (err->text[0] == '\0' || err->line > lines ||
	    (err->line == 0) != (err->col == 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct settings_error err = { 0 };
	struct settings s;
	struct buf out;
	int r = settings_parse(slice_of(at, n), "fuzz", &s, &err);

	if (r == SETTINGS_E_INVALID)
		check_error(&err, slice_of(at, n));
	if (r != SETTINGS_OK)
		return 0;
	buf_init(&out, 1024 * 1024);
	for (size_t i = 0; i < settings_n_keys(); i++)
		if (settings_value_print(&s, i, &out) != 0)
			abort();
	buf_deinit(&out);
	return 0;
}
