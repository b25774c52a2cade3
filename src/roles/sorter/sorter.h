/* SPDX-License-Identifier: ISC */
/*
 * roles/sorter - what the test sees of the role
 */
#ifndef ROLES_SORTER_SORTER_H
#define ROLES_SORTER_SORTER_H

#include "roles/role.h"

struct sorter;

extern const struct role_ops sorter_ops;
struct sorter *sorter_new(void); /* for free(); NULL: no memory */

#endif
