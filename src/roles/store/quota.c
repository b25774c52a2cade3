/* SPDX-License-Identifier: ISC */
/*
 * roles/store/quota - what an account may keep, and what it does (RFC 9208)
 *
 * Looks only, in the READ lane; the account is the handle's. Admins change
 * quotas (roles/store/admin_options).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "roles/store/store_role.h"

struct quota_look {
	struct store_read read;
	struct asker asker;
	uint64_t account;
	struct wire_quota quota;
};

static int
run_quota(struct db *db, struct store_read *read)
{
	struct quota_look *l = LIST_ENTRY(read, struct quota_look, read);
	struct q_account_get row;
	int r = DB_ONE(account_get, db, &row, .account = l->account);

	if (r != 0)
		return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
	l->quota.used_bytes = row.used_bytes;
	l->quota.limit_bytes = row.quota_bytes;
	l->quota.used_messages = row.used_messages;
	l->quota.limit_messages = row.quota_messages;
	return 0;
}

static void
done_quota(struct store_read *read, int r)
{
	struct quota_look *l = LIST_ENTRY(read, struct quota_look, read);
	struct channel *c = asker_channel(&l->asker);

	l->quota.verdict = wire_verdict_box(r);
	if (c != NULL)
		(void)wire_send_quota(c, l->asker.session, l->asker.ticket,
		    &l->quota);
	free(l);
}

int
on_quota_get(struct channel *c, const struct wire_head *h,
    const struct wire_quota_get *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct quota_look *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_ORIGIN(-ENOMEM);
	l->asker = asker_of(c, h);
	l->read.run = run_quota;
	l->read.done = done_quota;
	if (of == NULL) {
		done_quota(&l->read, -ENOENT);
		return 0;
	}
	l->account = of->account;
	store_read(peer_of(c)->role->store, &l->read);
	return 0;
}
