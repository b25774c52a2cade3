/* SPDX-License-Identifier: ISC */
/*
 * base/list - a ring of links that stand inside their elements
 *
 * The head is a link too; an element is in at most one list by each of its
 * links. Nothing is allocated.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(head)                                                        \
	{                                                                      \
		&(head), &(head)                                               \
	}

/* The element that holds `link` as its member. */
#define LIST_ENTRY(link, type, member)                                         \
	((type *)(void *)((char *)(link)-offsetof(type, member)))

#define LIST_FOREACH(it, head)                                                 \
	for (struct list *it = (head)->next; it != (head); it = it->next)

/* The element may be removed (or freed) inside the loop; its successor not. */
#define LIST_FOREACH_SAFE(it, tmp, head)                                       \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head);    \
	     it = tmp, tmp = it->next)

static inline void
list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool
list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void
list_add_before(struct list *at, struct list *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void
list_add_last(struct list *head, struct list *link)
{
	list_add_before(head, link);
}

static inline void
list_add_first(struct list *head, struct list *link)
{
	list_add_before(head->next, link);
}

/* Harmless on a link that was initialised and is in no list. */
static inline void
list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* NULL when the list is empty. */
static inline struct list *
list_take_first(struct list *head)
{
	struct list *link = head->next;

	if (link == head)
		return NULL;
	list_remove(link);
	return link;
}

/* All of `from` behind the last of `to`; `from` is empty afterwards. */
static inline void
list_move_all(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	from->prev->next = to;
	to->prev->next = from->next;
	to->prev = from->prev;
	list_init(from);
}

#endif
