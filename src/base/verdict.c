/* SPDX-License-Identifier: ISC */
#include "base/verdict.h"

struct verdict
verdict_trouble(void)
{
	return VERDICT(451, 4, 3, 0,
	    "trouble on our side, please try again later");
}

bool
verdict_is_ok(const struct verdict *v)
{
	return v->code >= 200 && v->code < 400;
}

bool
verdict_is_temporary(const struct verdict *v)
{
	return v->code >= 400 && v->code < 500;
}

bool
verdict_is_permanent(const struct verdict *v)
{
	return v->code >= 500 && v->code < 600;
}
