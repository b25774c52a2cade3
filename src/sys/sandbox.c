/* SPDX-License-Identifier: ISC */
#include "sys/sandbox.h"

unsigned
sandbox_lanes(enum wire_role role)
{
	if (role == WIRE_STORE)
		return 1u << ENV_LANE_APPEND | 1u << ENV_LANE_COMMIT |
		    1u << ENV_LANE_READ;
	return role == WIRE_KEEPER ? 1u << ENV_LANE_HASH : 0;
}

int
sandbox_enter(struct env *env, enum wire_role role,
    const struct sandbox_paths *paths, struct sandbox_report *ret)
{
	(void)env, (void)role, (void)paths;
	*ret = (struct sandbox_report){ 0 };
	return 0;
}
