/* SPDX-License-Identifier: ISC */
/*
 * mail/convert - 8-bit and binary mail for who takes less (RFC 6152, 3030)
 *
 * The leaves of a message that have octets the next server does not take become
 * quoted-printable or base64; each decodes to the octets it had. Nothing else
 * changes but the Content-Transfer-Encoding of these and of what is around them
 * (RFC 2045, 6.4), and what makes a message without MIME one (RFC 1428).
 *
 * What cannot be done without loss or a guess is refused with words: octets
 * above 127 in a header or between the parts, signed parts, a broken header,
 * limits of mail/mime. So all is known before the first octet goes out: the
 * message is read twice (once for its parts, once for their octets) and then
 * written. Memory does not depend on its length.
 */
#ifndef MAIL_CONVERT_H
#define MAIL_CONVERT_H

#include "base/arena.h"
#include "base/limits.h"
#include "mail/mime.h"
#include "mail/transfer.h"

enum convert_goal {
	CONVERT_7BIT,        /* for who has no 8BITMIME */
	CONVERT_8BIT,        /* for who has no BINARYMIME: lines, no NUL */
	CONVERT_ASCII_HEADER /* for who has 8BITMIME and no SMTPUTF8 */
};

enum convert_need {
	CONVERT_MORE,   /* the next octets */
	CONVERT_AGAIN,  /* the message once more, from its first octet */
	CONVERT_READY,  /* convert_begin may be called */
	CONVERT_REFUSED /* convert->why; nothing more may be asked of it */
};

struct convert_piece; /* of the message, with what becomes of it */

struct convert {
	struct arena arena; /* cap LIMIT_CONVERT_MEMORY */
	uint64_t length;    /* of the message as it is */
	uint64_t size;      /* READY: of what will be written */
	unsigned n_encoded; /* READY: parts that will be */
	bool is_8bit;       /* READY: what will be written is */
	const char *why;    /* REFUSED: behind "it cannot be converted: " */

	uint8_t goal, phase;
	uint64_t at; /* octets taken in this reading */
	struct mime *mime;
	struct mime_tree tree;
	struct convert_piece *pieces;
	size_t n_pieces, piece;
	uint8_t last;  /* octets of the piece in hand: the one before */
	uint64_t line; /* octets of the one in hand */
	uint8_t begin[MIME_BOUNDARY + 4]; /* of it */
	struct transfer transfer;
};

void convert_init(struct convert *c, enum convert_goal goal, uint64_t length);
void convert_deinit(struct convert *c);

/* Reads. `length` octets in all, each time. */
enum convert_need convert_read(struct convert *c, struct slice bytes);

/* From the first octet (again). READY only. */
void convert_begin(struct convert *c);
/* The next octets of the message; returns how many were taken: what `out` had
 * room for. With the last one all is in `out`. */
size_t convert_write(struct convert *c, struct slice bytes, struct buf *out);

#endif
