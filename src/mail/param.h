/* SPDX-License-Identifier: ISC */
/*
 * mail/param - Content-Type, Content-Disposition and their like
 *
 * One structured field becomes its words and parameters (RFC 2045, 5.1; 2183;
 * 3282). Bounded and total; values lie in the caller's arena. Unquoted values
 * may hold what RFC 2045 wants quoted ("=" in a boundary): mail does that.
 */
#ifndef MAIL_PARAM_H
#define MAIL_PARAM_H

#include "base/arena.h"
#include "base/slice.h"
#include "mail/mime.h"

/* type "/" subtype *(";" parameter); false: not that, nothing is set.
 * *ret_cut as everywhere here: a limit or the arena left something out. */
bool param_content_type(struct slice body, struct arena *a,
    struct mime_part *part, bool *ret_cut);
/* disposition-type *(";" parameter); false: no such word. */
bool param_disposition(struct slice body, struct arena *a,
    struct mime_part *part, bool *ret_cut);
/* Language-tag *("," Language-tag) */
void param_languages(struct slice body, struct arena *a, struct mime_part *part,
    bool *ret_cut);
/* One token with blanks and comments around it; false: none. */
bool param_token(struct slice body, struct arena *a, struct slice *ret,
    bool *ret_cut);

#endif
