/* SPDX-License-Identifier: ISC */
/* What is taken holds only what can stand in a Received field and a log. */
#include <stdlib.h>
#include <string.h>

#include "smtp/xclient.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_text(const char *text)
{
	if (strlen(text) > LIMIT_DOMAIN)
		abort();
	for (; *text != '\0'; text++)
		if (!ascii_is_print((uint8_t)*text) || *text == ' ')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct smtp_xclient x;

	if (smtp_xclient_parse(slice_of(at, n), &x) != SMTP_XCLIENT_OK)
		return 0;
	check_text(x.name);
	check_text(x.helo);
	if ((x.addr_is == SMTP_XCLIENT_SAID) != (x.addr.family != 0))
		abort();
	return 0;
}
