/* SPDX-License-Identifier: ISC */
/*
 * cli/role - what the supervisor executes; not for people
 */
#include "cli/cli.h"
#include "roles/role_main.h"

static int
run_role(struct cli *cli)
{
	return ulak_role_main(cli->operands[0]);
}

static const struct cli_action actions[] = {
	{ NULL, "NAME", 1, 1, NULL, NULL, run_role, NULL },
};

const struct cli_command cli_role = { "role", NULL, CLI_ACTIONS(actions),
	"Started by ulak serve, once for each role.\n" };
