/* SPDX-License-Identifier: ISC */
/*
 * roles/store/handles - who has logged in, and what that gives him
 *
 * Only the keeper mints: GRANT names a front by its instance, which the front
 * cannot choose, and the handle goes to that front alone. It is a number in the
 * table of the channel, so it means nothing on another one, and goes with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/store_role.h"

enum {
	HANDLES_MAX = 100000,
	VERIFIER_MAX = 512
};
#define USED_STEP TIME_HOUR

struct handle *
handle_find(struct peer *p, uint32_t number, uint32_t scopes)
{
	struct handle *h =
	    number == 0 ? NULL : map_get_number(&p->handles, number);

	return h != NULL && (h->scopes & scopes) == scopes ? h : NULL;
}

static void
handle_free(struct handle *h)
{
	struct store_role *s = h->peer->role;

	scan_unwatch(h, 0);
	if (h->has_lock)
		(void)map_take_number(&s->locks, h->account);
	(void)map_take_number(&h->peer->handles, h->number);
	free(h);
}

void
handles_peer_lost(struct peer *p)
{
	struct handle *h;
	size_t at = 0;

	while ((h = map_next(&p->handles, &at)) != NULL)
		handle_free(h);
}

void
handles_drop_account(struct store_role *s, uint64_t account)
{
	LIST_FOREACH (it, &s->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);
		struct handle *h;
		size_t at = 0;

		while ((h = map_next(&p->handles, &at)) != NULL)
			if (h->account == account)
				handle_free(h);
	}
}

int
on_handle_drop(struct channel *c, const struct wire_head *h,
    const struct wire_handle_drop *m)
{
	struct handle *handle = handle_find(peer_of(c), m->handle, 0);

	(void)h;
	if (handle != NULL)
		handle_free(handle);
	return 0;
}

/* -- VERIFIER_GET
 * -------------------------------------------------------------------- */

struct verifier_job {
	struct store_read read;
	struct asker asker;
	uint64_t account;
	int64_t now;
	bool found, disabled;
	size_t address_len;
	char address[LIMIT_ADDRESS];
	struct wire_list rows; /* in `text` */
	struct buf text;
};

static int
read_credentials(struct db *db, struct verifier_job *j)
{
	struct q_credential_rows row;
	struct db_rows rows;
	int q = DB_MANY(credential_rows, db, &rows, .account = j->account,
	    .now = j->now);

	if (q != 0)
		return ERR_TRACE(q);
	while ((q = q_credential_rows_next(&rows, &row)) == 0) {
		struct wire_credential c = { .n = row.n,
			.services = row.scope,
			.verifiers = row.verifier };

		q = wire_credential_add(&j->text, &c);
		if (q != 0)
			break;
		j->rows.n++;
	}
	db_rows_close(&rows);
	return q == DB_NONE ? 0 : q > 0 ? ERR_ORIGIN(-EBADMSG) : ERR_TRACE(q);
}

static int
run_verifier(struct db *db, struct store_read *r)
{
	struct verifier_job *j = LIST_ENTRY(r, struct verifier_job, read);
	struct q_account_by_address account;
	struct address a;
	int q = address_read(db, slice_of(j->address, j->address_len), &a);

	if (q == 0)
		q = DB_ONE(account_by_address, db, &account,
		    .canonical = a.canonical);
	if (q != 0)
		return q > 0 ? 0 : ERR_TRACE(q);
	j->account = account.account;
	j->disabled = account.disabled;
	j->found = true;
	return read_credentials(db, j);
}

static void
done_verifier(struct store_read *r, int result)
{
	struct verifier_job *j = LIST_ENTRY(r, struct verifier_job, read);
	struct channel *c = asker_channel(&j->asker);
	struct wire_verifier m = { .found = result == 0 && j->found,
		.temporary = result != 0,
		.account = j->account,
		.disabled = j->disabled };

	if (m.found) {
		m.rows = j->rows;
		m.rows.raw = buf_slice(&j->text);
	}
	if (c != NULL)
		(void)wire_send_verifier(c, j->asker.session, j->asker.ticket,
		    &m);
	if (j->text.mem != NULL)
		sodium_memzero(j->text.mem, j->text.size);
	buf_deinit(&j->text);
	free(j);
}

int
on_verifier_get(struct channel *c, const struct wire_head *h,
    const struct wire_verifier_get *m)
{
	struct verifier_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return ERR_ORIGIN(-ENOMEM);
	j->asker = asker_of(c, h);
	j->address_len = m->address.len;
	memcpy(j->address, m->address.at, m->address.len);
	j->now = env_wall(peer_of(c)->role->env);
	buf_init(&j->text, LIMIT_FRAME / 2);
	j->read.run = run_verifier;
	j->read.done = done_verifier;
	store_read(peer_of(c)->role->store, &j->read);
	return 0;
}

/* -- CERTIFICATE_GET ---------------------------------------------------------
 */

struct certificate_job {
	struct store_read read;
	struct asker asker;
	char fingerprint[64];
	size_t fingerprint_len, address_len;
	char address[LIMIT_ADDRESS];
};

static int
run_certificate(struct db *db, struct store_read *r)
{
	struct certificate_job *j = LIST_ENTRY(r, struct certificate_job, read);
	struct q_certificate_owner owner;
	int q = DB_ONE(certificate_owner, db, &owner,
	    .fingerprint = slice_of(j->fingerprint, j->fingerprint_len));

	if (q == 0 && owner.canonical.len <= sizeof(j->address)) {
		memcpy(j->address, owner.canonical.at, owner.canonical.len);
		j->address_len = owner.canonical.len;
	}
	return q == DB_NONE ? 0 : ERR_TRACE(q);
}

static void
done_certificate(struct store_read *r, int result)
{
	struct certificate_job *j = LIST_ENTRY(r, struct certificate_job, read);
	struct channel *c = asker_channel(&j->asker);
	struct wire_certificate m = { .temporary = result != 0,
		.address = slice_of(j->address, j->address_len) };

	if (c != NULL)
		(void)wire_send_certificate(c, j->asker.session,
		    j->asker.ticket, &m);
	free(j);
}

int
on_certificate_get(struct channel *c, const struct wire_head *h,
    const struct wire_certificate_get *m)
{
	struct certificate_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return ERR_ORIGIN(-ENOMEM);
	j->asker = asker_of(c, h);
	j->fingerprint_len = m->fingerprint.len;
	if (m->fingerprint.len > 0)
		memcpy(j->fingerprint, m->fingerprint.at, m->fingerprint.len);
	j->read.run = run_certificate;
	j->read.done = done_certificate;
	store_read(peer_of(c)->role->store, &j->read);
	return 0;
}

/* -- GRANT
 * -------------------------------------------------------------------------------
 */

struct grant_job {
	struct store_read read;
	struct asker
	    asker; /* the front, with AUTH_START's session and ticket */
	uint64_t account;
	uint32_t scopes, credential;
	int64_t now;
	bool was_used_long_ago;
	size_t address_len, name_len;
	char address[LIMIT_ADDRESS];
	char name[255];
};

static int
run_grant(struct db *db, struct store_read *r)
{
	struct grant_job *j = LIST_ENTRY(r, struct grant_job, read);
	struct q_credential_used_at credential;
	struct q_account_get row;
	int q = DB_ONE(account_get, db, &row, .account = j->account);

	if (q != 0)
		return ERR_TRACE(q);
	if (row.disabled)
		return DB_NONE;
	row.address = slice_upto(row.address, sizeof(j->address));
	row.name = slice_upto(row.name, sizeof(j->name));
	j->address_len = row.address.len;
	memcpy(j->address, row.address.at, row.address.len);
	j->name_len = row.name.len;
	memcpy(j->name, row.name.at, row.name.len);
	j->was_used_long_ago =
	    DB_ONE(credential_used_at, db, &credential, .account = j->account,
		.n = j->credential) == 0 &&
	    credential.used < j->now - USED_STEP;
	return 0;
}

/* -- the time of the last login: a write an hour at most, not one a login -- */

struct use {
	struct store_write write;
	uint64_t account;
	uint32_t credential;
	int64_t now;
};

static int
apply_use(struct db *db, struct store_write *w)
{
	struct use *u = LIST_ENTRY(w, struct use, write);

	return ERR_TRACE(DB_EXEC(credential_set_used, db, .account = u->account,
	    .n = u->credential, .used = u->now));
}

static void
done_use(struct store_write *w, int r)
{
	(void)r; /* the login stands without it */
	free(LIST_ENTRY(w, struct use, write));
}

static void
note_use(const struct grant_job *j)
{
	struct use *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return;
	u->account = j->account;
	u->credential = j->credential;
	u->now = j->now;
	u->write = (struct store_write){
		.lane = STORE_LANE_BULK, .apply = apply_use, .done = done_use
	};
	store_submit(j->asker.role->store, &u->write);
}

static struct handle *
handle_new(struct peer *p, const struct grant_job *j)
{
	struct handle *h =
	    p->handles.n >= HANDLES_MAX ? NULL : calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	do
		p->next_handle++;
	while (p->next_handle == 0 ||
	    map_get_number(&p->handles, p->next_handle) != NULL);
	h->number = p->next_handle;
	h->peer = p;
	h->account = j->account;
	h->scopes = j->scopes;
	h->session = j->asker.session;
	list_init(&h->watchers);
	memcpy(h->address, j->address, j->address_len);
	if (map_put_number(&p->handles, h->number, h) != 0) {
		free(h);
		return NULL;
	}
	return h;
}

/* Handle 0 says that there is none after all: 4xx, the front's words. */
static void
done_grant(struct store_read *r, int result)
{
	struct grant_job *j = LIST_ENTRY(r, struct grant_job, read);
	struct channel *c = asker_channel(&j->asker);
	struct handle *h = NULL;
	struct wire_handle m = { .account = j->account,
		.address = slice_of(j->address, j->address_len),
		.name = slice_of(j->name, j->name_len) };

	if (c != NULL && result == 0)
		h = handle_new(peer_of(c), j);
	m.handle = h == NULL ? 0 : h->number;
	if (h != NULL && j->was_used_long_ago)
		note_use(j);
	if (c != NULL)
		(void)wire_send_handle(c, j->asker.session, j->asker.ticket,
		    &m);
	free(j);
}

int
on_grant(struct channel *c, const struct wire_head *h,
    const struct wire_grant *m)
{
	struct store_role *s = peer_of(c)->role;
	struct grant_job *j;

	LIST_FOREACH (it, &s->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (p->c.peer != WIRE_USER || p->c.peer_instance != m->front)
			continue;
		j = calloc(1, sizeof(*j));
		if (j == NULL)
			return ERR_ORIGIN(-ENOMEM);
		j->asker =
		    (struct asker){ s, p->serial, h->session, h->ticket };
		j->account = m->account;
		j->scopes = m->scopes;
		j->credential = m->credential;
		j->now = env_wall(s->env);
		j->read.run = run_grant;
		j->read.done = done_grant;
		store_read(s->store, &j->read);
		break;
	}
	return 0; /* a front that has gone meanwhile needs no handle */
}

/* -- REHASHED
 * ------------------------------------------------------------------------------
 */

struct rehash {
	struct store_write write;
	uint64_t account;
	int64_t now;
	size_t len, was_len;
	char verifier[VERIFIER_MAX], was[VERIFIER_MAX];
};

/* A password that was changed while its old one was being checked stays. */
static int
apply_rehash(struct db *db, struct store_write *w)
{
	struct rehash *j = LIST_ENTRY(w, struct rehash, write);
	struct q_credential_get row;
	int r = DB_ONE(credential_get, db, &row, .account = j->account);

	if (r == DB_NONE ||
	    (r == 0 &&
		!slice_equal(row.verifier, slice_of(j->was, j->was_len))))
		return 0;
	if (r != 0)
		return ERR_TRACE(r);
	return ERR_TRACE(DB_EXEC(credential_set, db, .account = j->account,
	    .verifier = slice_of(j->verifier, j->len), .created = j->now));
}

static void
done_rehash(struct store_write *w, int r)
{
	struct rehash *j = LIST_ENTRY(w, struct rehash, write);

	(void)r; /* the old verifier still works */
	sodium_memzero(j, sizeof(*j));
	free(j);
}

int
on_rehashed(struct channel *c, const struct wire_head *h,
    const struct wire_rehashed *m)
{
	struct store_role *s = peer_of(c)->role;
	struct rehash *j = calloc(1, sizeof(*j));

	(void)h;
	if (j == NULL)
		return ERR_ORIGIN(-ENOMEM);
	j->account = m->account;
	j->now = env_wall(s->env);
	j->len = m->verifier.len;
	memcpy(j->verifier, m->verifier.at, m->verifier.len);
	j->was_len = m->was.len;
	memcpy(j->was, m->was.at, m->was.len);
	j->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_rehash,
		.done = done_rehash };
	store_submit(s->store, &j->write);
	return 0;
}
