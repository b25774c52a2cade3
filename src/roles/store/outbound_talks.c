/* SPDX-License-Identifier: ISC */
#include "roles/store/outbound_talks.h"

#include <stdlib.h>
#include <string.h>

#include "store/events.h"

struct talk {
	struct list link;
	struct id message;
	size_t n_route, n;
	uint8_t bytes[]; /* the route, then the dialogue */
};

void
talks_init(struct talks *t)
{
	list_init(&t->all);
	t->n = 0;
}

static void
drop(struct talks *t, struct talk *talk)
{
	list_remove(&talk->link);
	t->n--;
	free(talk);
}

void
talks_deinit(struct talks *t)
{
	while (!list_is_empty(&t->all))
		drop(t, LIST_ENTRY(t->all.next, struct talk, link));
}

static struct talk *
find(const struct talks *t, const struct id *message, struct slice route)
{
	LIST_FOREACH (it, &t->all) {
		struct talk *talk = LIST_ENTRY(it, struct talk, link);

		if (id_equal(&talk->message, message) &&
		    slice_equal(slice_of(talk->bytes, talk->n_route), route))
			return talk;
	}
	return NULL;
}

/* What was said last explains a failure the best. */
static struct slice
end_of(struct slice dialogue)
{
	size_t cut;

	if (dialogue.len <= TALK_MAX)
		return dialogue;
	dialogue = slice_from(dialogue, dialogue.len - TALK_MAX);
	cut = slice_find_byte(dialogue, '\n');
	return cut == SIZE_MAX ? dialogue : slice_from(dialogue, cut + 1);
}

void
talks_keep(struct talks *t, const struct id *message, struct slice route,
    struct slice dialogue)
{
	struct talk *talk = find(t, message, route);

	if (talk != NULL)
		drop(t, talk);
	dialogue = end_of(dialogue);
	if (dialogue.len == 0)
		return;
	if (t->n == TALKS_KEPT)
		drop(t, LIST_ENTRY(t->all.next, struct talk, link));
	talk = malloc(sizeof(*talk) + route.len + dialogue.len);
	if (talk == NULL)
		return;
	talk->message = *message;
	talk->n_route = route.len;
	talk->n = dialogue.len;
	if (route.len > 0)
		memcpy(talk->bytes, route.at, route.len);
	memcpy(talk->bytes + route.len, dialogue.at, dialogue.len);
	list_add_last(&t->all, &talk->link);
	t->n++;
}

bool
talks_find(const struct talks *t, const struct id *message, struct slice route,
    struct buf *out)
{
	const struct talk *talk = find(t, message, route);

	return talk != NULL &&
	    buf_add(out, slice_of(talk->bytes + talk->n_route, talk->n)) ==
	    BUF_OK;
}

static bool
read_day(struct store *s, const char *name, const struct id *message,
    struct slice route, struct buf *out)
{
	struct q_event_last_attempt row;
	struct db *day;
	bool is_there;

	if (events_open_day(s, name, &day) != 0)
		return false;
	is_there = DB_ONE(event_last_attempt, day, &row, .message = *message,
		       .route = route) == 0 &&
	    buf_add(out, end_of(row.detail)) == BUF_OK;
	db_close(day);
	return is_there;
}

bool
talks_read(struct store *s, const struct id *message, struct slice route,
    struct buf *out)
{
	struct events_days *days = malloc(sizeof(*days));
	bool is_there = false;

	if (days != NULL && events_days(s, days) == 0)
		for (size_t i = 0; i < days->n && i < 7 && !is_there; i++)
			is_there =
			    read_day(s, days->names[i], message, route, out);
	free(days);
	return is_there;
}
