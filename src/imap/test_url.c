/* SPDX-License-Identifier: ISC */
#include "base/limits.h"
#include "base/test.h"
#include "imap/url.h"

static const struct {
	const char *url;  /* RFC 5092, 11: relative ones */
	const char *name; /* NULL: none of ours */
	uint32_t validity, uid;
	enum imap_part_kind kind;
	size_t n_path;
	uint32_t offset, length;
} rows[] = {
	{ "/INBOX/;UID=20", "INBOX", 0, 20, IMAP_PART_ALL, 0, 0, 0 },
	{ "/inbox;uidvalidity=385759045/;uid=20", "INBOX", 385759045, 20,
	    IMAP_PART_ALL, 0, 0, 0 },
	{ ";UID=4294967295", "", 0, 4294967295, IMAP_PART_ALL, 0, 0, 0 },
	{ "/;UID=1/;SECTION=1.2.MIME", "", 0, 1, IMAP_PART_MIME, 2, 0, 0 },
	{ "/a/b%20c/;UID=3/;SECTION=TEXT/;PARTIAL=1.2", "a/b c", 0, 3,
	    IMAP_PART_TEXT, 0, 1, 2 },
	{ "/x/;UID=3/;PARTIAL=7", "x", 0, 3, IMAP_PART_ALL, 0, 7, UINT32_MAX },
	{ "/x/;UID=3/;SECTION=2", "x", 0, 3, IMAP_PART_ALL, 1, 0, 0 },
	{ "/%E2%82%AC/;UID=3", "\xe2\x82\xac", 0, 3, IMAP_PART_ALL, 0, 0, 0 },
	{ "/x/;UID=3/;SECTION=HEADER.FIELDS%20(A%20B)", "x", 0, 3,
	    IMAP_PART_FIELDS, 0, 0, 0 },
	{ "imap://user@host/x/;UID=3", NULL, 0, 0, 0, 0, 0, 0 },
	{ "//host/x/;UID=3", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=0", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=4294967296", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=3;EXPIRE=2030-01-01T00:00:00Z", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x;UIDVALIDITY=0/;UID=3", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=3/;SECTION=", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=3/;SECTION=1]", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=3/;SECTION=MIME", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=3/;PARTIAL=1.0", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x/;UID=3/;PARTIAL=1.2/;SECTION=1", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/%80/;UID=3", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/a%00/;UID=3", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/a%2/;UID=3", NULL, 0, 0, 0, 0, 0, 0 },
	{ "/x", NULL, 0, 0, 0, 0, 0, 0 },
	{ "", NULL, 0, 0, 0, 0, 0, 0 },
};

static void
reads_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_url url;
		struct arena arena;

		test_case(rows[i].url);
		arena_init(&arena, LIMIT_IMAP_ARENA);
		test_true(imap_url_parse(slice_cstr(rows[i].url), &arena,
			      &url) == (rows[i].name != NULL));
		if (rows[i].name != NULL) {
			test_slice(url.name, slice_cstr(rows[i].name));
			test_int(url.uidvalidity, rows[i].validity);
			test_int(url.uid, rows[i].uid);
			test_int(url.section.kind, rows[i].kind);
			test_int(url.section.n_path, rows[i].n_path);
			test_int(url.section.offset, rows[i].offset);
			test_int(url.section.length, rows[i].length);
		}
		arena_reset(&arena);
	}
}

TEST_MAIN(cmocka_unit_test(reads_urls))
