/* SPDX-License-Identifier: ISC */
/*
 * cli/weak - stands in for store functions that are not written yet
 *
 * To be removed as soon as store/account.c and store/verify.c are there; the
 * linker prefers theirs until then.
 */
#include <errno.h>

#include "store/store.h"

#define STANDS_IN __attribute__((weak))

STANDS_IN int
store_domain_add(struct store *s, struct slice domain)
{
	(void)s, (void)domain;
	return -ENOSYS;
}

STANDS_IN int
store_account_add(struct store *s, struct slice address, struct slice name,
    struct slice verifier, uint64_t *ret_account)
{
	(void)s, (void)address, (void)name, (void)verifier, (void)ret_account;
	return -ENOSYS;
}

STANDS_IN int
store_key_add(struct store *s, struct slice names, struct slice sealed,
    struct slice chain, bool is_default)
{
	(void)s, (void)names, (void)sealed, (void)chain, (void)is_default;
	return -ENOSYS;
}

STANDS_IN int
store_verify(struct store *s, struct verify_report *report)
{
	(void)s, (void)report;
	return -ENOSYS;
}
