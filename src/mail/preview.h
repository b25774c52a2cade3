/* SPDX-License-Identifier: ISC */
/*
 * mail/preview - the first words of a mail's text (RFC 8970)
 *
 * Takes the octets of text parts as they stream by, keeps the beginning of the
 * first plain one (of the first HTML one when there is none), and gives at most
 * so many octets of UTF-8 without markup and with single spaces. A bounded
 * struct; best effort: what cannot be decoded has no preview.
 */
#ifndef MAIL_PREVIEW_H
#define MAIL_PREVIEW_H

#include "base/buf.h"
#include "base/slice.h"
#include "mail/encode.h"
#include "mail/mime.h"

enum {
	PREVIEW_TEXT = 1024, /* decoded octets kept of plain text */
	PREVIEW_HTML = 8192, /* of HTML, which begins with what nobody reads */
	PREVIEW_CHARSET = 40
};

struct preview {
	const struct mime_part *part; /* the one chosen; only compared */
	bool is_html;
	struct decoder decoder;
	struct buf text; /* decoded, in the charset of the part */
	size_t charset_len;
	uint8_t charset[PREVIEW_CHARSET];
};

void preview_init(struct preview *p);
void preview_deinit(struct preview *p);
/* Octets of a leaf's body, in the order of the message. */
void preview_feed(struct preview *p, const struct mime_part *part,
    struct slice bytes);
/* BUF_OK or -ENOMEM; adds at most max octets, whole characters. */
int preview_end(struct preview *p, size_t max, struct buf *ret);

/* The visible text of HTML in UTF-8, crudely: tags, comments, style and script
 * taken out, the common entities decoded. BUF_* or -ENOMEM. */
int html_text(struct slice html, struct buf *ret);

/* Cut to max octets at the end of a character. */
struct slice utf8_upto(struct slice s, size_t max);

#endif
