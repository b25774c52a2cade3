/* SPDX-License-Identifier: ISC */
/*
 * cli/queue_change - commands that change rows of the queue
 *
 * One that means rows by a filter says first how many they are and shows some,
 * and asks; then it goes slice by slice, so that Ctrl-C ends it between two,
 * and asking again goes on with what is left.
 */
#ifndef CLI_QUEUE_CHANGE_H
#define CLI_QUEUE_CHANGE_H

#include "cli/admin.h"

extern const struct cli_option queue_which_options[];
extern const struct table_column queue_columns[]; /* of the list */

int queue_change_run(struct cli *cli);

#endif
