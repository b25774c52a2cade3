/* SPDX-License-Identifier: ISC */
/* A list keeps order, forgets what is removed, and joins another. */
#include "base/list.h"
#include "base/test.h"

struct item {
	int n;
	struct list link;
};

static void
check(struct list *head, const char *want)
{
	char got[16] = "";

	LIST_FOREACH (it, head) {
		size_t len = strlen(got);

		got[len] = (char)('0' + LIST_ENTRY(it, struct item, link)->n);
	}
	assert_string_equal(got, want);
}

static void
keeps_order(void **state)
{
	struct item items[6];
	struct list head, other;

	(void)state;
	test_case("list");
	list_init(&head);
	list_init(&other);
	test_true(list_is_empty(&head) && list_take_first(&head) == NULL);
	for (int i = 0; i < 6; i++) {
		items[i].n = i;
		list_add_last(i < 4 ? &head : &other, &items[i].link);
	}
	check(&head, "0123");
	list_remove(&items[2].link);
	list_remove(&items[2].link); /* harmless */
	check(&head, "013");
	list_add_first(&head, &items[2].link);
	check(&head, "2013");
	list_move_all(&head, &other);
	check(&head, "201345");
	test_true(list_is_empty(&other));
	list_move_all(&head, &other);
	check(&head, "201345");
	LIST_FOREACH_SAFE (it, tmp, &head) {
		if (LIST_ENTRY(it, struct item, link)->n % 2 == 0)
			list_remove(it);
	}
	check(&head, "135");
	test_true(list_take_first(&head) == &items[1].link);
	check(&head, "35");
}

TEST_MAIN(cmocka_unit_test(keeps_order))
