/* SPDX-License-Identifier: ISC */
#include "sys/secret.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void
secret_hide_process(void)
{
	struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}
