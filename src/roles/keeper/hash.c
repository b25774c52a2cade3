/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/hash - control's questions, and the thread's one queue
 *
 * HASH_ASK: a new password becomes a set of verifiers, in the thread; one that
 * another program made is looked at, whether we could check it and at what
 * cost. The password is wiped with the job.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "roles/keeper/keeper.h"
#include "roles/keeper/set.h"

struct hash_job {
	struct env_job job;
	struct keeper *keeper;
	uint32_t instance, ticket;
	uint64_t session;
	bool is_app;
	int result;
	size_t password_len, address_len;
	uint8_t password[KEEPER_PASSWORD_MAX];
	char address[LIMIT_ADDRESS];
	char set[KEEPER_SET];
};

/* False when there are too many already: then it costs no memory either. */
bool
keeper_submit(struct keeper *k, struct env_job *job)
{
	if (k->n_hashes >= KEEPER_HASHES_MAX)
		return false;
	list_init(&job->link);
	if (env_work(k->env, ENV_LANE_HASH, job) < 0)
		return false;
	k->n_hashes++;
	k->n_hashed++;
	return true;
}

static void
job_free(struct hash_job *j)
{
	sodium_memzero(j, sizeof(*j));
	free(j);
}

static void
run_hash(struct env_job *job)
{
	struct hash_job *j = LIST_ENTRY(job, struct hash_job, job);

	j->result = keeper_set_make(j->keeper->master,
	    slice_of(j->address, j->address_len),
	    slice_of(j->password, j->password_len), j->is_app, j->set);
}

static void
done_hash(struct env_job *job)
{
	struct hash_job *j = LIST_ENTRY(job, struct hash_job, job);
	struct channel *c = keeper_peer(j->keeper, WIRE_CONTROL, j->instance);
	struct wire_hashed m = { .ok = j->result == 0 };

	j->keeper->n_hashes--;
	if (m.ok)
		m.verifier = slice_cstr(j->set);
	if (c != NULL)
		(void)wire_send_hashed(c, j->session, j->ticket, &m);
	job_free(j);
}

static struct hash_job *
job_new(struct channel *c, const struct wire_head *h,
    const struct wire_hash_ask *m)
{
	struct hash_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->keeper = c->ctx;
	j->instance = c->peer_instance;
	j->session = h->session;
	j->ticket = h->ticket;
	j->is_app = m->is_app;
	j->job.run = run_hash;
	j->job.done = done_hash;
	j->password_len = m->password.len;
	if (m->password.len > 0)
		memcpy(j->password, m->password.at, m->password.len);
	j->address_len = m->address.len;
	if (m->address.len > 0)
		memcpy(j->address, m->address.at, m->address.len);
	return j;
}

int
auth_on_hash_ask(struct channel *c, const struct wire_head *h,
    const struct wire_hash_ask *m)
{
	struct keeper *k = c->ctx;
	struct wire_hashed answer = { .ok = false };
	struct hash_job *j;

	if (m->import.len > 0) {
		answer.ok = keeper_set_is_known(m->import);
		answer.verifier = answer.ok ? m->import : SLICE("");
		(void)wire_send_hashed(c, h->session, h->ticket, &answer);
		return 0;
	}
	j = job_new(c, h, m);
	if (m->password.len > 0)
		sodium_memzero((void *)(uintptr_t)m->password.at,
		    m->password.len);
	if (j == NULL || !keeper_submit(k, &j->job)) {
		if (j != NULL)
			job_free(j);
		(void)wire_send_hashed(c, h->session, h->ticket, &answer);
	}
	return 0;
}
