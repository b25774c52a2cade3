/* SPDX-License-Identifier: ISC */
/*
 * cli/token - the keys of who issues tokens, as `ulak config check` sees them
 */
#ifndef CLI_TOKEN_H
#define CLI_TOKEN_H

#include "cli/cli.h"

/* CLI_OK also when none are configured; otherwise the trouble has been told. */
int token_check_keys(const struct settings *s);

#endif
