/* SPDX-License-Identifier: ISC */
/* roles/hook - content filters; nothing is asked yet */
#include "roles/role.h"

int
role_hook(struct env *env, const struct settings *s, int supervisor_fd)
{
	static const struct role_ops ops = { .self = WIRE_HOOK };

	return role_run(env, s, supervisor_fd, &ops, NULL);
}
