/* SPDX-License-Identifier: ISC */
/*
 * sys/sandbox_table - what each role may ask of the kernel; data only
 */
#ifndef SYS_SANDBOX_TABLE_H
#define SYS_SANDBOX_TABLE_H

#include <seccomp.h>

#include "wire/messages.h"

/* A call, allowed when all `args` agree. */
struct sandbox_call {
	int number; /* SCMP_SYS() */
	unsigned n_args;
	struct scmp_arg_cmp args[3];
};

struct sandbox_family {
	const struct sandbox_call *calls;
	size_t n;
};

enum {
	SANDBOX_FAMILIES = 6
};

struct sandbox_role {
	const struct sandbox_family *families[SANDBOX_FAMILIES];
	unsigned lanes;       /* whose threads it needs: 1 << ENV_LANE_... */
	bool is_data_open;    /* Landlock: may change what is in the data
			       * directory; otherwise no file at all */
	bool is_spool_open;   /* the same in the spool */
	bool is_tcp_out_open; /* Landlock, from ABI 4 on: may connect */
	bool is_tcp_in_open;  /* may bind */
};

/* Indexed by role. The supervisor itself has no sandbox; its row is for the
 * child that parses the configuration. */
extern const struct sandbox_role sandbox_roles[WIRE_N_ROLES];
/* What a role may do to its own process alone: {getpid} is put in. */
extern const int sandbox_self_calls[];
extern const size_t sandbox_self_calls_n;

#endif
