/* SPDX-License-Identifier: ISC */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

enum {
	TRAIL_MAX = 8 /* frames; deeper journeys keep their beginning */
};

struct trail {
	int r;
	size_t n;
	struct {
		const char *func, *file;
		int line;
	} at[TRAIL_MAX];
	char text[768];
};

/* Diagnostics only, one a thread; nothing decides anything by it. */
static _Thread_local struct trail trail;

int
err_note(int r, int is_origin, const char *func, const char *file, int line)
{
	if (r >= 0)
		return r;
	if (is_origin || r != trail.r) {
		trail.r = r;
		trail.n = 0;
	}
	if (trail.n < TRAIL_MAX) {
		trail.at[trail.n].func = func;
		trail.at[trail.n].file = file;
		trail.at[trail.n].line = line;
		trail.n++;
	}
	return r;
}

static const char *
base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash == NULL ? file : slash + 1;
}

const char *
err_trace_text(void)
{
	size_t at = 0;
	const char *name = strerrorname_np(-trail.r);
	int n = snprintf(trail.text, sizeof(trail.text), "%s",
	    name == NULL ? "error" : name);

	for (size_t i = 0; i < trail.n && n >= 0; i++) {
		at += (size_t)n;
		if (at >= sizeof(trail.text) - 1)
			break;
		n = snprintf(trail.text + at, sizeof(trail.text) - at,
		    " %s %s %s:%d", i == 0 ? "at" : "<", trail.at[i].func,
		    base_name(trail.at[i].file), trail.at[i].line);
	}
	return trail.text;
}
