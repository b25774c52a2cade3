/* SPDX-License-Identifier: ISC */
/*
 * hook/hook - what the numbers in the messages about filters mean
 *
 * Shared by the fronts, which ask, and the role hook, which answers
 * (wire/messages.def, HOOK_*). Constants only.
 */
#ifndef HOOK_HOOK_H
#define HOOK_HOOK_H

/* HOOK_ANSWER.action */
enum {
	HOOK_GO,     /* the filters have nothing against it */
	HOOK_REFUSE, /* say the verdict */
	HOOK_DISCARD /* say yes, and keep nothing */
};

/* hook_edit.what */
enum {
	HOOK_EDIT_ADD_RCPT,
	HOOK_EDIT_DELETE_RCPT,
	HOOK_EDIT_FROM
};

/* HOOK_STATE.state */
enum {
	HOOK_UNKNOWN, /* not asked yet */
	HOOK_WORKS,
	HOOK_DOWN,
	N_HOOK_STATES
};

enum {
	HOOK_WHY = 121 /* as HOOK_STATE.why has it, with a NUL */
};

#endif
