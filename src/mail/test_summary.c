/* SPDX-License-Identifier: ISC */
/*
 * test_summary - what is kept of a mail, what is cut, what is not believed
 *
 * That envelope and tree come back as they were: test_vectors.
 */
#include "base/test.h"
#include "mail/summary.h"
#include "mail/summary_format.h"
#include "mail/tlv.h"

#define MESSAGE                                                                \
	"Received: x\r\n"                                                      \
	"Date: Mon, 23 Nov 2026 08:30:00 +0200\r\n"                            \
	"Subject: Re: [list] =?utf-8?q?=C3=84pfel?=\r\n"                       \
	"From: A <A@One.example>\r\n"                                          \
	"To: undisclosed: B@two.example;\r\n"                                  \
	"Message-ID: <3@one.example>\r\n"                                      \
	"References: <1@one.example>\r\n\t<2@one.example>\r\n"                 \
	"In-Reply-To: <9@one.example>\r\n"                                     \
	"List-Id: A list <list.one.example>\r\n"                               \
	"Auto-Submitted: auto-replied\r\n"                                     \
	"Content-Type: multipart/mixed; boundary=b\r\n"                        \
	"\r\n"                                                                 \
	"--b\r\n\r\nHello you\r\n"                                             \
	"--b\r\nContent-Type: image/png; name=x\r\n\r\nx\r\n--b--\r\n"

static void
make(struct slice message, struct buf *ret)
{
	buf_init(ret, LIMIT_SUMMARY);
	test_int(summary_make(message, ret), 0);
}

static void
has_the_columns(void **state)
{
	struct summary_columns c;
	struct buf blob;

	(void)state;
	test_case("columns");
	make(SLICE(MESSAGE), &blob);
	test_true(summary_columns_read(buf_slice(&blob), &c));
	test_int(c.size, sizeof(MESSAGE) - 1);
	test_int(c.header_len, strstr(MESSAGE, "\r\n\r\n") + 4 - MESSAGE);
	test_int(c.lines, 21);
	test_int(c.flags,
	    SUMMARY_HAS_ATTACHMENT | SUMMARY_IS_AUTO | SUMMARY_IS_LIST);
	test_true(c.has_sent);
	test_int(c.sent_us, INT64_C(1795415400) * 1000000);
	test_int(c.sent_zone, 120);
	test_slice(c.base_subject, SLICE("\xc3\xa4pfel"));
	test_true(c.is_reply);
	test_slice(c.first_from, SLICE("a@one.example"));
	test_slice(c.first_to, SLICE("undisclosed"));
	test_true(c.first_cc.at == NULL);
	test_slice(c.preview, SLICE("Hello you"));
	test_true(c.message_id == summary_hash(SLICE("3@one.example")));
	test_true(c.list_id == summary_hash(SLICE("list.one.example")));
	test_int(c.n_references, 2);
	test_true(c.references[0] == summary_hash(SLICE("1@one.example")));
	test_true(c.references[1] == summary_hash(SLICE("2@one.example")));
	buf_deinit(&blob);
}

/* RFC 8689, 3 */
static void
tls_required_by_table(void **state)
{
	static const struct {
		struct slice message;
		bool want;
	} cases[] = {
		{ SLICE("TLS-Required: No\r\n\r\n"), true },
		{ SLICE("tls-required:\r\n\tNO \r\n\r\n"), true },
		{ SLICE("A: b\r\nTLS-Required:no"), true },
		{ SLICE("TLS-Required: Yes\r\n\r\n"), false },
		{ SLICE("TLS-Required: No, please\r\n\r\n"), false },
		{ SLICE("TLS-Required: No\r\nTLS-Required: No\r\n\r\n"),
		    false },
		{ SLICE("TLS-Required: x\r\nTLS-Required: No\r\n\r\n"), false },
		{ SLICE("A: b\r\n\r\nTLS-Required: No\r\n"), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct summary_columns c;
		struct buf blob;

		test_case((const char *)cases[i].message.at);
		make(cases[i].message, &blob);
		test_true(summary_columns_read(buf_slice(&blob), &c));
		test_true(((c.flags & SUMMARY_TLS_OPTIONAL) != 0) ==
		    cases[i].want);
		buf_deinit(&blob);
	}
}

static void
does_with_little(void **state)
{
	struct summary_columns c;
	struct envelope e;
	struct mime_tree tree;
	struct arena a;
	struct buf blob;

	(void)state;
	test_case("no octet at all");
	arena_init(&a, SUMMARY_ARENA);
	make(SLICE(""), &blob);
	test_true(summary_columns_read(buf_slice(&blob), &c));
	test_true(!c.has_sent);
	test_int(c.size, 0);
	test_int(c.message_id, 0);
	test_int(c.n_references, 0);
	test_true(summary_envelope(buf_slice(&blob), &a, &e));
	test_true(summary_tree(buf_slice(&blob), 0, &a, &tree));
	test_int(tree.n, 1);
	buf_deinit(&blob);
	test_case("In-Reply-To stands in for References");
	make(SLICE("In-Reply-To: <1@a>\r\n\r\n"), &blob);
	test_true(summary_columns_read(buf_slice(&blob), &c));
	test_int(c.n_references, 1);
	test_true(c.references[0] == summary_hash(SLICE("1@a")));
	buf_deinit(&blob);
	test_case("an empty summary is legal and says nothing");
	test_true(!summary_columns_read(SLICE(""), &c));
	test_true(!summary_envelope(SLICE(""), &a, &e));
	test_true(!summary_tree(SLICE(""), 0, &a, &tree));
	arena_reset(&a);
}

static void
keeps_first_and_last_references(void **state)
{
	struct summary_columns c;
	struct buf in, blob;
	char text[32];

	(void)state;
	test_case("30 references");
	buf_init(&in, 4096);
	(void)buf_add_cstr(&in, "References:");
	for (int i = 0; i < 30; i++)
		(void)buf_printf(&in, " <%d@a>", i);
	(void)buf_add_cstr(&in, "\r\nReferences: <other@a>\r\n\r\n");
	make(buf_slice(&in), &blob);
	test_true(summary_columns_read(buf_slice(&blob), &c));
	test_int(c.n_references, SUMMARY_REFERENCES);
	test_true(c.references[0] == summary_hash(SLICE("0@a")));
	for (int i = 1; i < SUMMARY_REFERENCES; i++) {
		(void)snprintf(text, sizeof(text), "%d@a", 10 + i);
		test_true(c.references[i] == summary_hash(slice_cstr(text)));
	}
	buf_deinit(&in);
	buf_deinit(&blob);
}

static void
leaves_out_what_does_not_fit(void **state)
{
	struct summary_columns c;
	struct envelope e;
	struct mime_tree tree;
	struct arena a;
	struct buf in, blob;

	(void)state;
	arena_init(&a, SUMMARY_ARENA);
	buf_init(&in, 1024 * 1024);
	test_case("too many parts for the tree");
	(void)buf_add_cstr(&in,
	    "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 900; i++)
		(void)buf_add_cstr(&in,
		    "--b\r\nContent-Type: application/octet-stream; "
		    "name=something\r\n\r\nx\r\n");
	make(buf_slice(&in), &blob);
	test_true(blob.len <= LIMIT_SUMMARY);
	test_true(summary_columns_read(buf_slice(&blob), &c));
	test_int(c.size, in.len);
	test_true(!summary_tree(buf_slice(&blob), in.len, &a, &tree));
	buf_deinit(&blob);
	test_case("too many recipients for the envelope");
	buf_reset(&in, 0);
	(void)buf_add_cstr(&in, "To: x");
	for (int i = 0; i < 99; i++)
		(void)buf_printf(&in, ",\r\n \"%0200d\" <%d@a.example>", i, i);
	(void)buf_add_cstr(&in, "\r\n\r\n");
	make(buf_slice(&in), &blob);
	test_true(summary_columns_read(buf_slice(&blob), &c));
	test_slice(c.first_to, SLICE("x"));
	test_true(!summary_envelope(buf_slice(&blob), &a, &e));
	buf_deinit(&blob);
	buf_deinit(&in);
	arena_reset(&a);
}

/* A flood of fields and parts takes no more than was promised. */
static void
is_bounded(void **state)
{
	static const char *const floods[] = { "To: a@b, c@d, e@f, g@h\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
		"Content-Type: message/rfc822\r\n\r\n", "Subject: x\r\n", "(",
		"\r\n--b\r\n", "<p>", "=?utf-8?q?a?= " };

	(void)state;
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		struct summary *s = summary_begin();
		struct buf blob;
		int r;

		test_case(floods[i]);
		test_true(s != NULL);
		for (int k = 0; k < 50000; k++)
			summary_feed(s, slice_cstr(floods[i]));
		buf_init(&blob, LIMIT_SUMMARY);
		r = summary_end(s, &blob);
		test_int(r, 0);
		summary_free(s);
		buf_deinit(&blob);
	}
	summary_free(NULL);
}

/* Any octet changed, any cut: an answer or a refusal, and a tree that is
 * given lies within the message. */
static void
check_nonsense(struct slice blob, uint64_t size)
{
	struct summary_columns c;
	struct envelope e;
	struct mime_tree tree;
	struct arena a;

	arena_init(&a, SUMMARY_ARENA);
	(void)summary_columns_read(blob, &c);
	(void)summary_envelope(blob, &a, &e);
	if (summary_tree(blob, size, &a, &tree))
		for (size_t i = 0; i < tree.n; i++) {
			const struct mime_part *p = &tree.parts[i];

			test_true(p->offset <= size &&
			    p->header_len <= size - p->offset &&
			    p->body_len <= size - p->offset - p->header_len);
		}
	arena_reset(&a);
}

static void
believes_nothing(void **state)
{
	struct slice message = SLICE(MESSAGE), copy;
	struct summary_columns c;
	struct buf blob;

	(void)state;
	make(message, &blob);
	test_case("another version");
	blob.mem[0]++;
	test_true(!summary_columns_read(buf_slice(&blob), &c));
	blob.mem[0]--;
	test_case("changed");
	for (size_t i = 0; i < blob.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			blob.mem[i] ^= (uint8_t)(1u << bit);
			check_nonsense(buf_slice(&blob), message.len);
			blob.mem[i] ^= (uint8_t)(1u << bit);
		}
	test_case("cut");
	for (size_t n = 0; n < blob.len; n++) {
		copy = test_exact_copy(slice_upto(buf_slice(&blob), n));
		check_nonsense(copy, message.len);
		test_free_copy(copy);
	}
	buf_deinit(&blob);
}

/* kind parent offset header body lines, then short texts */
static const struct hanging {
	const char *what;
	uint8_t part[2][6];
	bool ok;
} hangings[] = {
	{ "right",
	    { { MIME_MULTIPART, 0, 0, 10, 90, 0 },
		{ MIME_TEXT, 0, 20, 10, 30, 0 } },
	    true },
	{ "child before the body",
	    { { MIME_MULTIPART, 0, 0, 10, 90, 0 },
		{ MIME_TEXT, 0, 9, 10, 30, 0 } },
	    false },
	{ "child behind the end",
	    { { MIME_MULTIPART, 0, 0, 10, 90, 0 },
		{ MIME_TEXT, 0, 20, 10, 71, 0 } },
	    false },
	{ "child of a leaf",
	    { { MIME_LEAF, 0, 0, 10, 90, 0 }, { MIME_TEXT, 0, 20, 10, 30, 0 } },
	    false },
	{ "child of itself",
	    { { MIME_MULTIPART, 0, 0, 10, 90, 0 },
		{ MIME_TEXT, 1, 20, 10, 30, 0 } },
	    false },
	{ "child of a message, without an envelope",
	    { { MIME_MESSAGE, 0, 0, 10, 90, 0 },
		{ MIME_TEXT, 0, 20, 10, 30, 0 } },
	    false },
	{ "smaller than the message",
	    { { MIME_MULTIPART, 0, 0, 10, 89, 0 },
		{ MIME_TEXT, 0, 20, 10, 30, 0 } },
	    false },
	{ "more lines than octets",
	    { { MIME_MULTIPART, 0, 0, 10, 90, 91 },
		{ MIME_TEXT, 0, 20, 10, 30, 0 } },
	    false },
	{ "no such kind",
	    { { 9, 0, 0, 10, 90, 0 }, { MIME_TEXT, 0, 20, 10, 30, 0 } },
	    false },
};

static void
make_hanging(const struct hanging *row, struct buf *blob)
{
	struct buf work;
	struct tlv_writer w = { &work, BUF_OK };

	buf_init(blob, LIMIT_SUMMARY);
	buf_init(&work, LIMIT_SUMMARY);
	(void)buf_add(blob, SLICE("\1\0"));
	tlv_put(&w, 100);
	tlv_put(&w, 0);
	tlv_put(&w, 10);
	tlv_put(&w, 0);
	(void)tlv_add_record(blob, SUMMARY_T_NUMBERS, buf_slice(&work));
	(void)tlv_add_record(blob, SUMMARY_T_ENVELOPE,
	    SLICE("\0\0\0\0\0\0\0\0\0\0"));
	buf_reset(&work, LIMIT_SUMMARY);
	tlv_put(&w, 2);
	for (int k = 0; k < 2; k++) {
		for (int n = 0; n < 6; n++)
			tlv_put(&w,
			    k == 0 && n == 1 ? MIME_NONE : row->part[k][n]);
		/* type a, subtype b, no params, encoding c, 5 NIL, no params,
		 * no languages, no envelope */
		(void)buf_add(&work, SLICE("\2a\2b\0\2c\0\0\0\0\0\0\0\0"));
	}
	(void)tlv_add_record(blob, SUMMARY_T_TREE, buf_slice(&work));
	buf_deinit(&work);
}

static void
refuses_a_tree_that_does_not_hang_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hangings) / sizeof(hangings[0]); i++) {
		struct mime_tree tree;
		struct arena a;
		struct buf blob;

		test_case(hangings[i].what);
		arena_init(&a, SUMMARY_ARENA);
		make_hanging(&hangings[i], &blob);
		test_int(summary_tree(buf_slice(&blob), 100, &a, &tree),
		    hangings[i].ok);
		buf_deinit(&blob);
		arena_reset(&a);
	}
}

TEST_MAIN(cmocka_unit_test(has_the_columns),
    cmocka_unit_test(tls_required_by_table), cmocka_unit_test(does_with_little),
    cmocka_unit_test(keeps_first_and_last_references),
    cmocka_unit_test(leaves_out_what_does_not_fit),
    cmocka_unit_test(is_bounded), cmocka_unit_test(believes_nothing),
    cmocka_unit_test(refuses_a_tree_that_does_not_hang_together))
