/* SPDX-License-Identifier: ISC */
#include "roles/front/local.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "roles/front/conn.h"
#include "smtp/reply.h"

enum {
	SENDERS_MAX = 10000 /* users that are remembered */
};

/* A bucket that fills up again in an hour. */
struct sender {
	uint32_t uid;
	double left;
	int64_t since;
};

struct local {
	struct front *front;
	struct map senders; /* by uid + 1: a key is not 0 */
	struct spool_run *spool;
};

int
local_new(struct front *f, struct local **ret)
{
	struct local *l = calloc(1, sizeof(*l));
	uint8_t seed[MAP_SEED];
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->front = f;
	env_random(f->env, seed, sizeof(seed));
	map_init(&l->senders, seed);
	r = spool_run_new(f, &l->spool);
	if (r < 0) {
		local_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static void
forget_senders(struct local *l)
{
	struct sender *s;
	size_t at = 0;

	while ((s = map_next(&l->senders, &at)) != NULL) {
		(void)map_take_number(&l->senders, (uint64_t)s->uid + 1);
		free(s);
	}
}

void
local_free(struct local *l)
{
	if (l == NULL)
		return;
	spool_run_free(l->spool);
	forget_senders(l);
	map_deinit(&l->senders);
	free(l);
}

void
local_start(struct local *l)
{
	if (l->spool != NULL)
		spool_run_start(l->spool);
}

void
local_stop(struct local *l)
{
	if (l->spool != NULL)
		spool_run_stop(l->spool);
}

void
local_wake(struct front *f)
{
	local_start(front_own(f)->local);
}

bool
local_take_id(struct conn *c, struct id *ret)
{
	const struct local *l = front_own(conn_front(c))->local;

	return l != NULL && l->spool != NULL &&
	    spool_run_owns(l->spool, c, ret);
}

/* -- how much one user may send ---------------------------------------------
 */

static struct sender *
sender_get(struct local *l, uint32_t uid)
{
	struct sender *s = map_get_number(&l->senders, (uint64_t)uid + 1);
	uint32_t rate = l->front->settings->local_rate;
	int64_t now = env_now(l->front->env);

	if (s == NULL) {
		if (l->senders.n >= SENDERS_MAX)
			forget_senders(l);
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return NULL;
		*s = (struct sender){ uid, rate, now };
		if (map_put_number(&l->senders, (uint64_t)uid + 1, s) != 0) {
			free(s);
			return NULL;
		}
	}
	s->left += (double)(now - s->since) / TIME_HOUR * rate;
	s->since = now;
	if (s->left > rate)
		s->left = rate;
	return s;
}

struct verdict
local_may_send(struct conn *c)
{
	struct local *l = front_own(conn_front(c))->local;
	struct sender *s;
	uint32_t uid;

	if (!env_addr_uid(&c->peer, &uid))
		return smtp_say(SMTP_SAY_LOCAL_NOBODY);
	if (l->front->settings->local_rate == 0)
		return VERDICT(250, 2, 1, 0, "");
	s = sender_get(l, uid);
	if (s == NULL)
		return verdict_trouble();
	if (s->left < 1) {
		env_log(l->front->env, ENV_WARN, "local-rate", "uid=%u", uid);
		return smtp_say(SMTP_SAY_LOCAL_TOO_MANY);
	}
	s->left -= 1;
	return VERDICT(250, 2, 1, 0, "");
}
