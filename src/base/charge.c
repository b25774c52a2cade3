/* SPDX-License-Identifier: ISC */
#include "base/charge.h"

#include <assert.h>

void
purse_init(struct purse *p, struct purse *parent, size_t limit)
{
	*p = (struct purse){ parent, 0, limit };
}

static bool
fits(const struct purse *p, size_t more)
{
	for (; p != NULL; p = p->parent)
		if (more > p->limit - p->used)
			return false;
	return true;
}

bool
charge_change(struct charge *c, size_t amount)
{
	if (amount > c->amount && !fits(c->purse, amount - c->amount))
		return false;
	for (struct purse *p = c->purse; p != NULL; p = p->parent) {
		assert(p->used >= c->amount);
		p->used = p->used - c->amount + amount;
	}
	c->amount = amount;
	return true;
}

bool
charge_take(struct charge *c, struct purse *p, size_t amount)
{
	assert(c->purse == NULL);
	*c = (struct charge){ p, 0 };
	if (charge_change(c, amount))
		return true;
	c->purse = NULL;
	return false;
}

void
charge_release(struct charge *c)
{
	if (c->purse != NULL)
		(void)charge_change(c, 0);
	c->purse = NULL;
}
