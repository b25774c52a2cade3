/* SPDX-License-Identifier: ISC */
/*
 * base/verdict - what the peer is told: code, enhanced code, text
 *
 * Anything < 0 inside can only become a 4xx here (verdict_trouble): our
 * trouble is temporary. A 5xx must be asked for by name (RFC 5321, 4.2.1;
 * RFC 3463).
 */
#ifndef BASE_VERDICT_H
#define BASE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct esc { /* enhanced status code; class 0: none */
	uint8_t class;
	uint16_t subject, detail;
};

struct verdict {
	uint16_t code;
	struct esc esc;
	struct slice text; /* one line without line ends; borrowed */
};

#define VERDICT(code, c, s, d, text)                                           \
	((struct verdict){ (code), { (c), (s), (d) }, SLICE(text) })

/* 451 4.3.0: what every negative return becomes when a peer must hear of it. */
struct verdict verdict_trouble(void);
bool verdict_is_ok(const struct verdict *v);
bool verdict_is_temporary(const struct verdict *v);
bool verdict_is_permanent(const struct verdict *v);

#endif
