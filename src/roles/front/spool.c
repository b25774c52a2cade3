/* SPDX-License-Identifier: ISC */
#include "roles/front/local.h"

int
spool_run_new(struct front *f, struct spool_run **ret)
{
	(void)f;
	*ret = NULL;
	return 0;
}

void
spool_run_free(struct spool_run *s)
{
	(void)s;
}

void
spool_run_start(struct spool_run *s)
{
	(void)s;
}

void
spool_run_stop(struct spool_run *s)
{
	(void)s;
}

bool
spool_run_owns(const struct spool_run *s, const struct conn *c, struct id *ret)
{
	(void)s, (void)c, (void)ret;
	return false;
}
