/* SPDX-License-Identifier: ISC */
/* cli/app_password - `ulak account app-password add`; see app_password.c */
#ifndef CLI_APP_PASSWORD_H
#define CLI_APP_PASSWORD_H

#include "cli/cli.h"

int app_password_add(struct cli *cli);

#endif
