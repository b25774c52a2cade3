/* SPDX-License-Identifier: ISC */
/*
 * test_vectors - what others made: MIME trees, header fields, ordinary mail
 *
 * tests/corpus/mime has expected results made by another parser; rows that
 * begin with "!" are only parsed (its README says why). tests/corpus/mail has
 * none: there every way of looking at a message must agree with the others.
 */
#include "base/test.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/encode.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/param.h"
#include "mail/summary.h"
#include "mail/vectors.h"

/* -- trees
 * ---------------------------------------------------------------------- */

static void
print_tree(const struct mime_tree *tree, struct buf *ret)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];

		(void)buf_printf(ret, "%d ", p->depth);
		for (size_t k = 0; k < p->type.len; k++)
			(void)buf_add_byte(ret, ascii_lower(p->type.at[k]));
		(void)buf_add_byte(ret, '/');
		for (size_t k = 0; k < p->subtype.len; k++)
			(void)buf_add_byte(ret, ascii_lower(p->subtype.at[k]));
		(void)buf_printf(ret, " %llu %llu %llu\n",
		    (unsigned long long)p->offset,
		    (unsigned long long)p->header_len,
		    (unsigned long long)p->body_len);
	}
}

static void
check_tree(void *ctx, const char *path, struct slice want)
{
	char message_path[4096];
	struct slice message;
	struct mime_tree tree;
	struct arena a;
	struct buf got;

	(void)ctx;
	test_case(path);
	(void)snprintf(message_path, sizeof(message_path), "%.*s.eml",
	    (int)(strlen(path) - strlen(".tree")), path);
	(void)vector_read(message_path, &message);
	arena_init(&a, MIME_MEMORY);
	buf_init(&got, 64 * 1024);
	test_true(mime_parse(message, &a, &tree));
	print_tree(&tree, &got);
	test_slice(buf_slice(&got), want);
	buf_deinit(&got);
	arena_reset(&a);
	vector_free(message);
}

static void
trees_are_as_expected(void **state)
{
	(void)state;
	test_int(vectors_each("mime/tree", ".tree", check_tree, NULL), 63);
}

/* -- header fields
 * ---------------------------------------------------------------- */

/* One row: the field, a tab, what is expected of it. */
typedef void row_fn(struct slice field, struct slice want, bool compare);

static size_t n_rows; /* of the file in hand */

static void
each_row(void *ctx, const char *path, struct slice bytes)
{
	row_fn **fn = ctx;
	struct slice line, field;

	while (slice_take_until(&bytes, '\n', &line)) {
		bool compare = !slice_skip_byte(&line, '!');
		struct slice exact;

		if (!slice_take_until(&line, '\t', &field))
			abort();
		test_case(path);
		exact = test_exact_copy(vector_unescape(field));
		(*fn)(exact, line, compare);
		test_free_copy(exact);
		n_rows++;
	}
}

static void
check_rows(const char *name, row_fn *fn, size_t n)
{
	n_rows = 0;
	test_int(vectors_each("mime/field", name, each_row, &fn), 1);
	test_int(n_rows, n);
}

static void
check_date(struct slice field, struct slice want, bool compare)
{
	struct mail_date date;
	char got[64] = "-";

	if (date_parse(field, &date))
		(void)snprintf(got, sizeof(got), "%lld %d",
		    (long long)(date.us / 1000000), date.zone);
	if (compare)
		test_slice(slice_cstr(got), want);
}

static void
add_decoded(struct buf *b, struct slice s)
{
	test_int(encoded_words_decode(s, b), BUF_OK);
}

static void
check_address(struct slice field, struct slice want, bool compare)
{
	struct address_list list;
	struct arena a;
	struct buf got;

	arena_init(&a, 256 * 1024);
	buf_init(&got, 16 * 1024);
	test_int(address_parse(field, &a, ADDRESS_MAX, &list), ADDRESS_OK);
	for (size_t i = 0; i < list.n; i++) {
		const struct address *x = &list.at[i];

		if (i > 0)
			(void)buf_add_byte(&got, '\t');
		if (x->kind == ADDRESS_GROUP_END) {
			(void)buf_add_byte(&got, '}');
			continue;
		}
		if (x->kind == ADDRESS_GROUP) {
			(void)buf_add_byte(&got, '{');
			add_decoded(&got, x->local);
			continue;
		}
		add_decoded(&got, x->name);
		(void)buf_add_byte(&got, '|');
		(void)buf_add(&got, x->local);
		if (x->host.len > 0)
			(void)buf_add_byte(&got, '@');
		(void)buf_add(&got, x->host);
	}
	if (compare)
		test_slice(buf_slice(&got), vector_unescape(want));
	buf_deinit(&got);
	arena_reset(&a);
}

static void
check_type(struct slice field, struct slice want, bool compare)
{
	struct mime_part part = { 0 };
	struct arena a;
	struct buf got;
	bool cut = false;

	arena_init(&a, 256 * 1024);
	buf_init(&got, 16 * 1024);
	if (!param_content_type(field, &a, &part, &cut))
		(void)buf_add_byte(&got, '-');
	for (size_t i = 0; i < part.type.len; i++)
		(void)buf_add_byte(&got, ascii_lower(part.type.at[i]));
	if (part.subtype.len > 0)
		(void)buf_add_byte(&got, '/');
	for (size_t i = 0; i < part.subtype.len; i++)
		(void)buf_add_byte(&got, ascii_lower(part.subtype.at[i]));
	for (size_t i = 0; i < part.params.n; i++) {
		(void)buf_add_byte(&got, '\t');
		for (size_t k = 0; k < part.params.at[i].name.len; k++)
			(void)buf_add_byte(&got,
			    ascii_lower(part.params.at[i].name.at[k]));
		(void)buf_add_byte(&got, '=');
		(void)buf_add(&got, part.params.at[i].value);
	}
	if (compare)
		test_slice(buf_slice(&got), vector_unescape(want));
	test_true(!cut);
	buf_deinit(&got);
	arena_reset(&a);
}

/* The vectors have one space for any run of blanks. */
static void
add_squeezed(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_space(s.at[i]))
			(void)buf_add_byte(b, s.at[i]);
		else if (i == 0 || !ascii_is_space(s.at[i - 1]))
			(void)buf_add_byte(b, ' ');
}

static void
check_text(struct slice field, struct slice want, bool compare)
{
	struct buf unfolded, got;

	buf_init(&unfolded, 4096);
	buf_init(&got, 16 * 1024);
	test_int(header_unfold(field, &unfolded), BUF_OK);
	test_int(encoded_words_decode(buf_slice(&unfolded), &got), BUF_OK);
	test_true(slice_is_utf8(buf_slice(&got)));
	buf_reset(&unfolded, 0);
	add_squeezed(&unfolded, buf_slice(&got));
	if (compare)
		test_slice(buf_slice(&unfolded), vector_unescape(want));
	buf_deinit(&unfolded);
	buf_deinit(&got);
}

static void
dates_are_as_expected(void **state)
{
	(void)state;
	check_rows("date.tsv", check_date, 39);
}

static void
addresses_are_as_expected(void **state)
{
	(void)state;
	check_rows("address.tsv", check_address, 60);
}

static void
types_are_as_expected(void **state)
{
	(void)state;
	check_rows("content_type.tsv", check_type, 103);
}

static void
texts_are_as_expected(void **state)
{
	(void)state;
	check_rows("unstructured.tsv", check_text, 30);
}

/* -- ordinary mail
 * ------------------------------------------------------------------ */

static void
check_same_envelope(const struct envelope *a, const struct envelope *b)
{
	const struct {
		struct address_list a, b;
	} lists[] = { { a->from, b->from }, { a->sender, b->sender },
		{ a->reply_to, b->reply_to }, { a->to, b->to },
		{ a->cc, b->cc }, { a->bcc, b->bcc } };

	test_slice(a->date, b->date);
	test_slice(a->subject, b->subject);
	test_true((a->subject.at == NULL) == (b->subject.at == NULL));
	test_slice(a->in_reply_to, b->in_reply_to);
	test_slice(a->message_id, b->message_id);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		test_int(lists[i].a.n, lists[i].b.n);
		for (size_t k = 0; k < lists[i].a.n; k++) {
			const struct address *x = &lists[i].a.at[k];
			const struct address *y = &lists[i].b.at[k];

			test_int(x->kind, y->kind);
			test_slice(x->name, y->name);
			test_slice(x->route, y->route);
			test_slice(x->local, y->local);
			test_slice(x->host, y->host);
		}
	}
}

static void
check_same_params(struct mime_params a, struct mime_params b)
{
	test_int(a.n, b.n);
	for (size_t i = 0; i < a.n; i++) {
		test_slice(a.at[i].name, b.at[i].name);
		test_slice(a.at[i].value, b.at[i].value);
	}
}

static void
check_same_part(const struct mime_part *a, const struct mime_part *b)
{
	test_int(a->parent, b->parent);
	test_int(a->first_child, b->first_child);
	test_int(a->next_sibling, b->next_sibling);
	test_int(a->n_children, b->n_children);
	test_int(a->kind, b->kind);
	test_int(a->depth, b->depth);
	test_int(a->offset, b->offset);
	test_int(a->header_len, b->header_len);
	test_int(a->body_len, b->body_len);
	test_int(a->lines, b->lines);
	test_slice(a->type, b->type);
	test_slice(a->subtype, b->subtype);
	check_same_params(a->params, b->params);
	test_slice(a->encoding, b->encoding);
	test_slice(a->id, b->id);
	test_slice(a->description, b->description);
	test_slice(a->md5, b->md5);
	test_slice(a->location, b->location);
	test_slice(a->disposition, b->disposition);
	check_same_params(a->disposition_params, b->disposition_params);
	test_int(a->n_languages, b->n_languages);
	test_true((a->envelope == NULL) == (b->envelope == NULL));
	if (a->envelope != NULL)
		check_same_envelope(a->envelope, b->envelope);
}

static void
check_same_tree(const struct mime_tree *a, const struct mime_tree *b)
{
	test_int(a->n, b->n);
	test_int(a->size, b->size);
	test_int(a->lines, b->lines);
	for (size_t i = 0; i < a->n; i++)
		check_same_part(&a->parts[i], &b->parts[i]);
}

static void
parse_in_steps(struct slice in, size_t step, struct arena *a,
    struct mime_tree *ret)
{
	struct mime *m = mime_new(a);

	test_true(m != NULL);
	for (; in.len > 0; in = slice_from(in, step))
		mime_feed(m, slice_upto(in, step));
	test_true(mime_end(m, ret));
}

static void
check_lines(struct slice message, const struct mime_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];
		struct slice body =
		    slice_upto(slice_from(message, p->offset + p->header_len),
			p->body_len);
		size_t n = 0;

		for (size_t k = 0; k < body.len; k++)
			n += body.at[k] == '\n';
		test_int(p->lines, n);
	}
}

static void
check_views(struct slice message)
{
	struct mime_tree whole, steps, summed;
	struct summary_columns columns;
	struct envelope e;
	struct arena a;
	struct buf blob;

	arena_init(&a, 8 * (size_t)MIME_MEMORY);
	buf_init(&blob, LIMIT_SUMMARY);
	test_true(mime_parse(message, &a, &whole));
	test_true(!whole.truncated);
	test_int(whole.parts[0].header_len, header_len(message));
	check_lines(message, &whole);
	for (size_t step = 1; step <= 1000; step *= 10) {
		parse_in_steps(message, step, &a, &steps);
		check_same_tree(&whole, &steps);
		test_int(whole.has_bare_lf, steps.has_bare_lf);
		test_int(whole.has_bare_cr, steps.has_bare_cr);
	}
	test_int(envelope_parse(slice_upto(message, header_len(message)), &a,
		     &e),
	    ENVELOPE_OK);
	check_same_envelope(&e, whole.parts[0].envelope);
	test_int(summary_make(message, &blob), 0);
	test_true(summary_columns_read(buf_slice(&blob), &columns));
	test_int(columns.header_len, header_len(message));
	test_true(summary_envelope(buf_slice(&blob), &a, &e));
	check_same_envelope(&e, whole.parts[0].envelope);
	test_true(summary_tree(buf_slice(&blob), message.len, &a, &summed));
	check_same_tree(&whole, &summed);
	test_true(!summary_tree(buf_slice(&blob), message.len + 1, &a,
	    &summed));
	buf_deinit(&blob);
	arena_reset(&a);
}

/* As it lies (half of it with bare LFs), and as SMTP would bring it. */
static void
check_message(void *ctx, const char *path, struct slice message)
{
	uint8_t *crlf = malloc(2 * message.len + 1);
	size_t n = 0;

	(void)ctx;
	if (crlf == NULL)
		abort();
	test_case(path);
	for (size_t i = 0; i < message.len; i++) {
		if (message.at[i] == '\n' &&
		    (i == 0 || message.at[i - 1] != '\r'))
			crlf[n++] = '\r';
		crlf[n++] = message.at[i];
	}
	check_views(message);
	check_views(slice_of(crlf, n));
	free(crlf);
}

static void
all_views_agree(void **state)
{
	(void)state;
	test_true(vectors_each("mail", "", check_message, NULL) >= 228);
	test_int(vectors_each("mime/tree", ".eml", check_message, NULL), 64);
}

TEST_MAIN(cmocka_unit_test(trees_are_as_expected),
    cmocka_unit_test(dates_are_as_expected),
    cmocka_unit_test(addresses_are_as_expected),
    cmocka_unit_test(types_are_as_expected),
    cmocka_unit_test(texts_are_as_expected), cmocka_unit_test(all_views_agree))
