/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor/table - what the supervisor learns of the configuration
 *
 * The only thing it takes from the unprivileged child that parses the file:
 * fixed in size, and checked on receipt (supervisor_table_is_sane).
 */
#ifndef ROLES_SUPERVISOR_TABLE_H
#define ROLES_SUPERVISOR_TABLE_H

#include "config/settings.h"

enum {
	SUPERVISOR_FRONTS = 16 /* of each kind */
};

struct supervisor_table {
	struct settings_listener listeners[LIMIT_LISTENERS];
	uint32_t n_listeners;
	uint32_t fronts;
	uint8_t log_level;
	uint8_t drop_users;
	uint8_t has_hooks;
	char data[SETTINGS_PATH];
	char control[SETTINGS_PATH];
	char local[SETTINGS_PATH]; /* the socket of SERVICE_LOCAL */
	char spool[SETTINGS_PATH];
};

void supervisor_table_fill(struct supervisor_table *t,
    const struct settings *s);
bool supervisor_table_is_sane(const struct supervisor_table *t);
/* Main of `ulak role config`: parses the text at config_fd, writes the table
 * to table_fd. Errors go to stderr as file:line:col: text. Exit status. */
int supervisor_config_main(int config_fd, int table_fd, const char *path);
/* All of the file, at most LIMIT_CONFIG_FILE. 0, -EFBIG, -errno; the caller
 * frees ret->at. */
int supervisor_config_read(int fd, struct slice *ret);

#endif
