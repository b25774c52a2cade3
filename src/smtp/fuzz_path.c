/* SPDX-License-Identifier: ISC */
/* Any bytes as a path: what is accepted is within its limits, points into the
 * input, and can be said again. */
#include <stdlib.h>

#include "smtp/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	struct smtp_path path;

	(void)smtp_helo_is_valid(in);
	if (smtp_domain_is_valid(in))
		must(smtp_helo_is_valid(in));
	(void)smtp_path_parse_rcpt(&in, &path);
	in = slice_of(at, n);
	if (smtp_path_parse(&in, &path) != SMTP_PATH_OK) {
		must(in.at == at && in.len == n);
		return 0;
	}
	must(in.len < n && at[n - in.len - 1] == '>');
	must(path.local.len <= SMTP_LOCAL_MAX);
	must(path.domain.len <= SMTP_DOMAIN_MAX);
	if (path.address.len == 0)
		return 0;
	must(path.address.at >= at &&
	    path.address.at + path.address.len <= at + n);
	must(smtp_address_is_valid(path.address));
	must(slice_is_utf8(path.address));
	must(path.is_ascii == slice_is_ascii(path.address));
	if (path.is_ascii)
		must(smtp_domain_is_valid(path.domain));
	must(slice_find_byte(path.address, '\r') == SIZE_MAX);
	must(slice_find_byte(path.address, '\n') == SIZE_MAX);
	return 0;
}
