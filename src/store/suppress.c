/* SPDX-License-Identifier: ISC */
#include "store/suppress.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "policy/canon.h"
#include "policy/srs.h"
#include "queue/classify.h"
#include "store/account.h"
#include "store/queries.h"

/* The domain as A-label; false: it has none, or it is a sender that we have
 * rewritten ourselves. */
static bool
sender_domain(struct slice sender, char text[LIMIT_ADDRESS + 1],
    struct slice *ret)
{
	struct slice local, domain;
	size_t len = 0;

	if (!canon_split(sender, &local, &domain) || srs_is_form(local) ||
	    account_read_domain(domain, text, &len) != 0)
		return false;
	*ret = slice_of(text, len);
	return true;
}

int
suppress_note(struct db *db, uint64_t row, const struct verdict *v, int64_t now,
    int64_t keep)
{
	char text[LIMIT_ADDRESS + 1], rcpt[LIMIT_ADDRESS * 4];
	struct q_queue_row q;
	struct slice domain, canon;
	int r;

	if (!verdict_is_permanent(v) || reply_classify(v) != REPLY_UNKNOWN_USER)
		return 0;
	r = DB_ONE(queue_row, db, &q, .row = row);
	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	if (q.rcpt_canon.len > sizeof(rcpt) ||
	    !sender_domain(q.sender, text, &domain))
		return 0;
	memcpy(rcpt, q.rcpt_canon.at, q.rcpt_canon.len);
	canon = slice_of(rcpt, q.rcpt_canon.len);
	r = DB_EXEC(suppress_expire, db, .now = now);
	if (r == 0)
		r = DB_EXEC(suppress_note, db, .sender_domain = domain,
		    .rcpt = canon, .now = now, .expires = now + keep,
		    .code = v->code, .text = slice_upto(v->text, 400));
	return ERR_TRACE(r);
}

int
suppress_any(struct db *db)
{
	struct q_suppress_any row;

	return ERR_TRACE(DB_ONE(suppress_any, db, &row));
}

int
suppress_check(struct db *db, struct slice sender, struct slice rcpt,
    uint32_t after, int64_t now, bool *ret_is_suppressed)
{
	char text[LIMIT_ADDRESS + 1];
	struct q_suppress_find found;
	struct address a;
	struct slice domain;
	int r;

	*ret_is_suppressed = false;
	if (!sender_domain(sender, text, &domain))
		return 0;
	r = address_read(db, rcpt, &a);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : 0;
	r = DB_ONE(suppress_find, db, &found, .sender_domain = domain,
	    .rcpt = a.canonical, .after = after, .now = now);
	*ret_is_suppressed = r == 0;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}
