/* SPDX-License-Identifier: ISC */
/*
 * sys/env_faulty - an env that fails when it is told to; for tests
 *
 * Wraps another env. Counts calls by kind; the n-th from now fails, or ends
 * the process. Everything that is not armed goes through. The inner env stays
 * the caller's and must outlive this one.
 */
#ifndef SYS_ENV_FAULTY_H
#define SYS_ENV_FAULTY_H

#include "sys/env.h"

enum env_fault {
	FAULT_TIMER,
	FAULT_WATCH,
	FAULT_WORK,
	FAULT_ACCEPT,
	FAULT_CONNECT,
	FAULT_RECV, /* also with descriptors */
	FAULT_SEND,
	FAULT_DUP,
	FAULT_OPEN, /* of a file */
	FAULT_READ,
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_TRUNCATE,
	FAULT_ALLOCATE,
	FAULT_NAMES, /* rename, link, unlink, make, list */
	FAULT_DIR_SYNC,
	FAULT_ANY_DISK, /* FAULT_OPEN to FAULT_DIR_SYNC, counted together */
	N_FAULTS
};

struct fault_plan {
	uint64_t nth;    /* from 1: the next; 0: never */
	uint64_t n;      /* how many in a row fail; 0: all from then on */
	int error;       /* what they return, as ENOSPC; 0: EIO */
	bool is_torn;    /* a failing write has written half of it before */
	int exit_status; /* not 0: the process ends instead (_exit) */
	/* With exit_status, the power goes: what was not synced is lost, but
	 * for what `survivors` chooses (sys/unsynced; 0: nothing). To be armed
	 * before the files are opened. */
	bool cuts_power;
	uint64_t survivors;
};

int env_faulty_new(struct env *inner, struct env **ret);
void env_faulty_free(struct env *env);
void env_faulty_arm(struct env *env, enum env_fault fault,
    const struct fault_plan *plan);
/* The power goes now, at no call in particular. Behind it comes _exit() and
 * nothing else: this env lets nobody in any more. */
void env_faulty_cut_power(struct env *env, uint64_t survivors);
/* How many calls of the kind there were since the beginning. */
uint64_t env_faulty_count(struct env *env, enum env_fault fault);
/* How many of them failed because they were told to. */
uint64_t env_faulty_failed(struct env *env, enum env_fault fault);

#endif
