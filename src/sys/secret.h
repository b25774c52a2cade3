/* SPDX-License-Identifier: ISC */
/*
 * sys/secret - keeps other processes of the same user out of this one
 *
 * No core file, no ptrace, no /proc/PID/mem: for the process that holds keys.
 */
#ifndef SYS_SECRET_H
#define SYS_SECRET_H

void secret_hide_process(void);

#endif
