/* SPDX-License-Identifier: ISC */
/*
 * mail/tlv - how a summary is written: records, numbers and texts
 *
 * A record is a type (1 octet), a length (2, little-endian) and a value.
 * Inside: numbers in base 128, least significant first, at most 10 octets;
 * texts as length + 1 and octets, 0 for NIL. Readers refuse what is not
 * exactly that. Writers keep the first failure and go on harmlessly.
 */
#ifndef MAIL_TLV_H
#define MAIL_TLV_H

#include "base/buf.h"
#include "base/slice.h"

struct tlv_writer {
	struct buf *buf;
	int r; /* BUF_OK, or the first failure */
};

void tlv_put(struct tlv_writer *w, uint64_t number);
void tlv_put_signed(struct tlv_writer *w, int64_t number);
void tlv_put_text(struct tlv_writer *w, struct slice text);
/* Appends the record whole or not at all: BUF_OK, BUF_E_FULL, -ENOMEM. */
int tlv_add_record(struct buf *to, uint8_t type, struct slice value);

/* False: `in` is not that; it is then of no more use. */
bool tlv_get(struct slice *in, uint64_t max, uint64_t *ret);
bool tlv_get_signed(struct slice *in, int64_t *ret);
/* A text without CR and LF; points into `in`. */
bool tlv_get_text(struct slice *in, struct slice *ret);
/* False at the end and when the rest is no record: then `in` is not empty. */
bool tlv_next_record(struct slice *in, uint8_t *ret_type,
    struct slice *ret_value);

#endif
