/* SPDX-License-Identifier: ISC */
/*
 * sasl/prep - passwords in the one form in which they are compared (RFC 4013)
 *
 * SASLprep: other spaces become a space, what has no width goes, then NFKC; a
 * control character, a private or unassigned noncharacter and text that mixes
 * directions are refused. ASCII comes out as it went in. Characters younger
 * than Unicode 3.2 are let through, as a query may hold them (RFC 3454, 7).
 * Names are not prepared here: policy/canon has their one form. Pure; the
 * caller wipes what it gets.
 */
#ifndef SASL_PREP_H
#define SASL_PREP_H

#include "base/slice.h"

enum {
	SASL_PREP_OK,
	SASL_PREP_E_BAD, /* not UTF-8, or with something prohibited */
	SASL_PREP_E_FULL /* longer than `size` */
};

/* *ret_len bytes at `at`, only on SASL_PREP_OK. -ENOMEM. */
int sasl_prep(struct slice in, uint8_t *at, size_t size, size_t *ret_len);

#endif
