/* SPDX-License-Identifier: ISC */
/* What is harvested of a message, and that SEARCH finds nothing beyond it. */
#include "base/test.h"
#include "imap/harvest.h"

static const char message[] =
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from far\r\n"
    "X-Glued:=?utf-8?q?kl=C3=A4ng?=\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Die Stra=DFe ist na=\r\nss\r\n"
    "--b\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "5pel5pys6Kqe\r\n"
    "--b\r\nContent-Type: application/x-thing; name=hidden.bin\r\n\r\n"
    "machinery\r\n"
    "--b--\r\n";

static struct harvest *
take(struct slice m, size_t chunk)
{
	struct harvest *h = malloc(sizeof(*h));

	assert_non_null(h);
	harvest_init(h, 1);
	harvest_begin(h);
	for (; m.len > 0; m = slice_from(m, chunk))
		harvest_feed(h, slice_upto(m, chunk));
	harvest_end(h);
	return h;
}

static void
drop(struct harvest *h)
{
	harvest_deinit(h);
	free(h);
}

static bool
has(const struct terms_set *set, const char *term)
{
	struct slice rest = buf_slice(&set->text), one;

	while (terms_next(&rest, &one))
		if (slice_equal(one, slice_cstr(term)))
			return true;
	return false;
}

static void
sets(void **state)
{
	(void)state;
	for (size_t chunk = 1; chunk < 2 * sizeof(message); chunk += 7) {
		struct harvest *h =
		    take(slice_of(message, sizeof(message) - 1), chunk);

		test_true(!h->is_partial);
		test_true(has(&h->body, "strasse") && has(&h->body, "nass"));
		test_true(has(&h->body, "\xe6\x97\xa5\xe6\x9c\xac"));
		test_true(!has(&h->body, "machinery"));
		test_true(!has(&h->body, "hidden"));
		test_true(has(&h->header, "gru\xcc\x88sse"));
		test_true(has(&h->header, "kla\xcc\x88ng"));
		test_true(has(&h->header, "hidden"));
		drop(h);
	}
}

/* More than a set holds: to be looked at always. */
static void
too_much(void **state)
{
	struct harvest *h = malloc(sizeof(*h));
	char line[32];

	(void)state;
	assert_non_null(h);
	harvest_init(h, 1);
	harvest_begin(h);
	harvest_feed(h, SLICE("Subject: x\r\n\r\n"));
	for (int i = 0; i < 100000; i++) {
		int n = snprintf(line, sizeof(line), "w%x\r\n", i * 7919);

		harvest_feed(h, slice_of(line, (size_t)n));
	}
	harvest_end(h);
	test_true(h->is_partial);
	test_true(h->body.text.len <= HARVEST_BODY_MAX);
	/* the next one begins anew */
	harvest_begin(h);
	harvest_feed(h, SLICE("Subject: y\r\n\r\nz\r\n"));
	harvest_end(h);
	test_true(!h->is_partial && has(&h->body, "z"));
	test_true(has(&h->header, "y") && !has(&h->header, "x"));
	drop(h);
}

/* -- nothing that SEARCH finds is left out ----------------------------------
 */

static bool
fits(struct slice term, const struct terms_demand *d)
{
	struct slice text = slice_of(d->text, d->len);

	if (slice_find(term, text) == SIZE_MAX)
		return false;
	return (!d->is_begin || slice_starts(term, text)) &&
	    (!d->is_end || slice_ends(term, text));
}

static bool
may_contain(const struct terms_set *set, struct slice folded)
{
	struct terms_demand demands[TERMS_DEMANDS];
	size_t n = terms_demands(folded, demands);

	for (size_t i = 0; i < n; i++) {
		struct slice rest = buf_slice(&set->text), term;
		bool found = false;

		while (!found && terms_next(&rest, &term))
			found = fits(term, &demands[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool
bytes_contain(struct slice m, size_t chunk, struct slice folded)
{
	bool found = false;
	struct match_needle needle = { .folded = folded, .found = &found };
	struct match_body match;
	struct mime_tree tree;
	struct arena arena;
	struct mime *mime;

	arena_init(&arena, MIME_MEMORY);
	mime = mime_new(&arena);
	assert_non_null(mime);
	match_body_init(&match, &needle, 1);
	mime_watch(mime, NULL, match_body_feed, &match);
	for (; m.len > 0; m = slice_from(m, chunk))
		mime_feed(mime, slice_upto(m, chunk));
	test_true(mime_end(mime, &tree));
	match_body_end(&match);
	match_body_deinit(&match);
	arena_reset(&arena);
	return found;
}

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* One long line of UTF-8, so that pieces end inside of characters. */
static void
make_body(uint32_t *seed, struct buf *b)
{
	static const char *const words[] = { "na", "\xc3\xa4", "\xe6\x97\xa5",
		"\xe6\x9c\xac", "x", " ", "\xc5\x93", "7" };

	test_int(buf_add_cstr(b,
		     "Content-Type: text/plain; charset=utf-8\r\n\r\n"),
	    BUF_OK);
	while (b->len < 100000)
		test_int(buf_add_cstr(b, words[next(seed) % 8]), BUF_OK);
}

static void
nothing_left_out(void **state)
{
	uint32_t seed = 3;
	struct harvest *h;
	struct slice m;
	struct buf b;
	int n_found = 0;

	(void)state;
	buf_init(&b, 200000);
	make_body(&seed, &b);
	m = buf_slice(&b);
	h = take(m, 65536);
	test_true(!h->is_partial);
	for (unsigned i = 0; i < 300; i++) {
		/* around the seams, too */
		size_t from = (size_t)(i % 3) * 32768 + 43 + next(&seed) % 300;
		struct slice part =
		    slice_upto(slice_from(m, from), 1 + next(&seed) % 40);
		struct buf folded;

		buf_init(&folded, 4096);
		test_int(match_fold(part, &folded), BUF_OK);
		if (bytes_contain(m, 1000 + next(&seed) % 90000,
			buf_slice(&folded))) {
			n_found++;
			test_true(may_contain(&h->body, buf_slice(&folded)));
		}
		buf_deinit(&folded);
	}
	test_true(n_found > 250);
	drop(h);
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test(sets), cmocka_unit_test(too_much),
    cmocka_unit_test(nothing_left_out))
