/* SPDX-License-Identifier: ISC */
/* RFC 8474, 4 and 7: what object ids look like, and which are ours. */
#include "base/test.h"
#include "imap/objectid.h"

static void
email(void **state)
{
	struct id id = { { 1, 2, 3, [15] = 0xff } }, back;
	char text[IMAP_OBJECTID];

	(void)state;
	test_case("an email's id comes back");
	imap_emailid_print(&id, text);
	test_true(imap_is_objectid(slice_cstr(text)));
	test_true(imap_emailid_parse(slice_cstr(text), &back));
	test_true(id_equal(&id, &back));
	test_case("in another case of letters it is another one");
	for (char *at = text; *at != '\0'; at++)
		*at = (char)(*at ^ (*at >= 'A' ? 0x20 : 0));
	test_true(!imap_emailid_parse(slice_cstr(text), &back));
	test_case("nonsense is nobody's");
	test_true(!imap_emailid_parse(SLICE("M"), &back));
	test_true(!imap_emailid_parse(SLICE("T12"), &back));
	test_true(!imap_emailid_parse(SLICE(""), &back));
}

static void
thread(void **state)
{
	char text[IMAP_OBJECTID];
	uint64_t n = 0;

	(void)state;
	test_case("a thread's id comes back");
	imap_threadid_print(UINT64_MAX, text);
	test_true(imap_is_objectid(slice_cstr(text)));
	test_true(imap_threadid_parse(slice_cstr(text), &n));
	test_true(n == UINT64_MAX);
	test_case("another spelling of a number is another id");
	test_true(!imap_threadid_parse(SLICE("T012"), &n));
	test_true(!imap_threadid_parse(SLICE("T"), &n));
	test_true(!imap_threadid_parse(SLICE("T12x"), &n));
	test_true(!imap_threadid_parse(SLICE("12"), &n));
}

static void
syntax(void **state)
{
	(void)state;
	test_case("objectid");
	test_true(imap_is_objectid(SLICE("a-B_9")));
	test_true(!imap_is_objectid(SLICE("")));
	test_true(!imap_is_objectid(SLICE("a.b")));
}

TEST_MAIN(cmocka_unit_test(email), cmocka_unit_test(thread),
    cmocka_unit_test(syntax))
