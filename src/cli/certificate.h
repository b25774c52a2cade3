/* SPDX-License-Identifier: ISC */
/*
 * cli/certificate - the certificates with which an account's owner logs in
 */
#ifndef CLI_CERTIFICATE_H
#define CLI_CERTIFICATE_H

#include <jansson.h>

#include "cli/cli.h"

/* Of `account certificate add` and `remove`: a file becomes its fingerprint. */
int certificate_prepare(struct cli *cli, json_t *args);
/* Whether tls.client_ca, when set, can be used; the trouble has been told. */
int certificate_check_ca(const struct settings *s);

#endif
