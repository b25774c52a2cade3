/* SPDX-License-Identifier: ISC */
/*
 * queue/bounce_fields - what a program reads in a report
 *
 * The fields of message/delivery-status (RFC 3464, 2.2 and 2.3; RFC 3461, 6.3;
 * Deliver-By-Date of RFC 2852, 5). Addresses in UTF-8 stand in them as they are
 * (RFC 6533, 4.1): then the part is a message/global-delivery-status, and its
 * writer sees to its encoding. Pure.
 */
#ifndef QUEUE_BOUNCE_FIELDS_H
#define QUEUE_BOUNCE_FIELDS_H

#include "queue/bounce.h"
#include "queue/page.h"

void bounce_fields(struct page *p, const struct bounce *b);

#endif
