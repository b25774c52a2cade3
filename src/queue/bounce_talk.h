/* SPDX-License-Identifier: ISC */
/*
 * queue/bounce_talk - the last words with a server, quoted in a report
 *
 * The lines of a dialogue as the courier noted them, cleaned and cut. Others
 * than the sender and who the report is about have not asked to be named in
 * it (who stands behind an alias, above all): their addresses become "***".
 * Pure.
 */
#ifndef QUEUE_BOUNCE_TALK_H
#define QUEUE_BOUNCE_TALK_H

#include "queue/bounce.h"
#include "queue/page.h"

/* Nothing when there is no dialogue, or when it tells of success. */
void bounce_talk(struct page *p, const struct bounce *b);

#endif
