/* SPDX-License-Identifier: ISC */
/*
 * cli/serve - runs the server in the foreground
 */
#include "cli/cli.h"
#include "roles/supervisor/supervisor.h"

static int
run_serve(struct cli *cli)
{
	return supervisor_run(cli->config, NULL);
}

static const struct cli_action actions[] = {
	{ NULL, NULL, 0, 0, NULL, NULL, run_serve, NULL },
};

const struct cli_command cli_serve = { "serve",
	"runs the server in the foreground, until SIGTERM",
	CLI_ACTIONS(actions),
	"Logs to standard error, one line an event. Ends with 78 when the "
	"configuration or\nthe data directory must be mended first.\n" };
