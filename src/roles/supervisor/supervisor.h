/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor - starts the roles, joins them, and starts them again
 *
 * `ulak serve`. Runs in the foreground until SIGTERM or SIGINT and returns the
 * exit status: 0 after an orderly end, 78 when the configuration or the data
 * directory must be mended first, 1 for other trouble.
 */
#ifndef ROLES_SUPERVISOR_SUPERVISOR_H
#define ROLES_SUPERVISOR_SUPERVISOR_H

struct supervisor_options {
	const char *program; /* what roles run; NULL: this program */
};

/* options may be NULL */
int supervisor_run(const char *config_path,
    const struct supervisor_options *options);

#endif
