/* SPDX-License-Identifier: ISC */
/*
 * ulak - a mail system; see ulak(1)
 */
#include "cli/cli.h"

int
main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
