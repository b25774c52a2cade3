/* SPDX-License-Identifier: ISC */
/*
 * fuzz_address - groups are closed, texts are one line, limits hold
 */
#include <stdlib.h>

#include "mail/address.h"
#include "mail/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_text(struct slice s, size_t max)
{
	if (s.len > max || slice_find_byte(s, '\n') != SIZE_MAX ||
	    slice_find_byte(s, '\r') != SIZE_MAX)
		abort();
}

static void
check_list(struct address_list list, size_t max)
{
	bool in_group = false;

	if (list.n > max + 1)
		abort();
	for (size_t i = 0; i < list.n; i++) {
		const struct address *a = &list.at[i];

		check_text(a->name, ADDRESS_PART_MAX);
		check_text(a->route, ADDRESS_PART_MAX);
		check_text(a->local, ADDRESS_PART_MAX);
		check_text(a->host, ADDRESS_PART_MAX);
		if (a->kind == ADDRESS_MAILBOX) {
			if (a->local.at == NULL || a->host.at == NULL)
				abort();
			continue;
		}
		if (in_group != (a->kind == ADDRESS_GROUP_END))
			abort();
		in_group = a->kind == ADDRESS_GROUP;
	}
	if (in_group)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static const size_t limits[] = { 1, 5, ADDRESS_MAX };
	struct address_list list;
	struct envelope e;
	struct arena a;

	arena_init(&a, 512 * 1024);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		(void)address_parse(slice_of(at, n), &a, limits[i], &list);
		check_list(list, limits[i]);
	}
	arena_reset(&a);
	arena_init(&a, n * 2); /* often too little */
	(void)address_parse(slice_of(at, n), &a, ADDRESS_MAX, &list);
	check_list(list, ADDRESS_MAX);
	arena_reset(&a);
	arena_init(&a, 512 * 1024);
	(void)envelope_parse(slice_of(at, n), &a, &e);
	check_text(e.subject, ENVELOPE_TEXT_MAX);
	check_list(e.to, ADDRESS_MAX);
	arena_reset(&a);
	return 0;
}
