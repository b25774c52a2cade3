/* SPDX-License-Identifier: ISC */
/*
 * store/segment - the bytes of one record, and how they are read back
 *
 *   header 96 | MAC 32 | envelope | body | checksum 32 | length 8 | pad to 8
 *
 * docs/storage-format.md has the offsets. The MAC is keyed BLAKE2b over header
 * and envelope: a sender can plant anything in a body, but no header. The
 * checksum is BLAKE2b over the stored bytes. Recovery goes by the lengths of
 * authentic headers only and never searches. Pure: bytes in, bytes out; the
 * decoder is total on any input.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include <sodium.h>

#include "base/buf.h"
#include "base/id.h"

enum {
	SEGMENT_KEY = 32,
	SEGMENT_HEADER = 128, /* MAC included */
	SEGMENT_CHECKSUM = 32,
	SEGMENT_TRAILER = SEGMENT_CHECKSUM + 8,
	SEGMENT_ENVELOPE_MAX = 64 * 1024,
	SEGMENT_ALIGN = 8,
	SEGMENT_VERSION = 1
};

enum segment_kind {         /* stored: never renumber */
	SEGMENT_MAIL = 1,   /* came by SMTP */
	SEGMENT_APPEND = 2, /* put into a mailbox by its owner */
	SEGMENT_BOUNCE = 3  /* made here */
};

struct segment_header {
	struct id id;
	uint64_t stored_len; /* of the body as it lies here */
	uint64_t raw_len;    /* of the body as it came */
	uint64_t key_id;     /* 0: not encrypted */
	int64_t time;
	uint32_t envelope_len;
	uint8_t kind;
	uint8_t codec;  /* 0: none; others are reserved */
	uint8_t cipher; /* 0: none; others are reserved */
};

enum {
	SEGMENT_OK,
	SEGMENT_E_END, /* all zero: nothing was written here */
	SEGMENT_E_BAD  /* not an authentic header of a known version */
};

void segment_header_encode(const struct segment_header *h,
    const uint8_t key[SEGMENT_KEY], struct slice envelope,
    uint8_t at[SEGMENT_HEADER]);
/* Lengths and fields, before the envelope has been read: not yet authentic. */
int segment_header_peek(const uint8_t at[SEGMENT_HEADER],
    struct segment_header *ret);
/* With the envelope in hand. */
int segment_header_decode(const uint8_t at[SEGMENT_HEADER],
    struct slice envelope, const uint8_t key[SEGMENT_KEY],
    struct segment_header *ret);

void segment_trailer_encode(const uint8_t checksum[SEGMENT_CHECKSUM],
    uint64_t stored_len, uint8_t at[SEGMENT_TRAILER]);
/* Whether the trailer belongs to that length; gives the checksum. */
bool segment_trailer_decode(const uint8_t at[SEGMENT_TRAILER],
    uint64_t stored_len, uint8_t ret_checksum[SEGMENT_CHECKSUM]);
void segment_checksum(struct slice stored, uint8_t checksum[SEGMENT_CHECKSUM]);

/* Bytes from the header's first to the next record's first. */
uint64_t segment_record_len(const struct segment_header *h);
size_t segment_padding(const struct segment_header *h);

/* The envelope: what a recovery without a database needs. Fields of tag u8,
 * length u16, bytes; tag 0 ends it. */
enum segment_tag {
	SEGMENT_END,
	SEGMENT_SENDER,
	SEGMENT_RCPT,
	SEGMENT_CLIENT,
	SEGMENT_HELO,
	SEGMENT_PROTOCOL,
	SEGMENT_ACCOUNT, /* canonical address, for APPEND */
	SEGMENT_MAILBOX,
	SEGMENT_CUT /* there were more recipients than fit */
};
/* Leaves it out, and says so with SEGMENT_CUT once, when there is no room. */
int segment_envelope_add(struct buf *envelope, unsigned tag, struct slice s);
/* False at the end; *bad when it is none. */
bool segment_envelope_next(struct slice *in, unsigned *ret_tag,
    struct slice *ret, bool *bad);

#endif
