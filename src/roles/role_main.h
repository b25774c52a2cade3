/* SPDX-License-Identifier: ISC */
/*
 * roles/role_main - main of a process that the supervisor started
 */
#ifndef ROLES_ROLE_MAIN_H
#define ROLES_ROLE_MAIN_H

/* `ulak role NAME`. Descriptor 3 is the supervisor's channel, 4 the sealed
 * configuration. "config" is no role: it parses and answers with the table of
 * roles/supervisor/table.h. Returns the exit status; 2 for an unknown name. */
int ulak_role_main(const char *role_name);

#endif
