/* SPDX-License-Identifier: ISC */
/*
 * A packet ends anywhere: the same transaction hears the same in whatever
 * pieces it comes, and of several faults always the same one is named. Every
 * cut in two, pieces of every length, and cuts at random, by DATA and BDAT.
 */
#include "base/test.h"

#include "base/limits.h"
#include "smtp/server.h"

enum {
	MAX_SIZE = 1300,
	TEXT_MAX = 8192,
	RANDOM_CUTS = 200
};

struct heard {
	char said[2048];
	size_t n, body;
	unsigned n_commits;
};

static void
note(struct heard *h, struct slice s)
{
	test_true(s.len < sizeof(h->said) - h->n);
	if (s.len > 0)
		memcpy(h->said + h->n, s.at, s.len);
	h->n += s.len;
}

/* Says yes to all, and counts the octets of bodies that are kept. */
static void
act(struct smtp_server *s, struct smtp_effect e, struct heard *h)
{
	const struct verdict yes = VERDICT(250, 2, 0, 0, "");
	const struct verdict kept = VERDICT(250, 2, 0, 0, "kept");
	struct slice part;

	for (;;) {
		struct smtp_effect now = e;

		if (now.begins_body)
			h->body = 0;
		while (now.body.len > 0 &&
		    smtp_server_body_part(s, &now.body, &part))
			h->body += part.len;
		note(h, now.say);
		e = (struct smtp_effect){ 0 };
		h->n_commits += now.todo == SMTP_DO_COMMIT;
		if (now.todo == SMTP_DO_NOTHING ||
		    now.todo == SMTP_DO_DROP_BODY || now.todo == SMTP_DO_DROP ||
		    now.todo == SMTP_DO_CLOSE)
			return;
		smtp_server_answer(s, now.todo == SMTP_DO_COMMIT ? &kept : &yes,
		    &e);
	}
}

/* The n-th piece ends where `cut` says. */
typedef size_t cut_fn(size_t from, size_t end, uint64_t *how);

static void
converse(struct slice in, cut_fn *cut, uint64_t how, struct heard *h)
{
	static const struct smtp_server_config config = { .kind = SMTP_MX,
		.hostname = "here.example",
		.max_size = MAX_SIZE };
	static struct smtp_server s;
	struct smtp_effect e;
	size_t at = 0, end = 0;

	memset(h, 0, sizeof(*h));
	smtp_server_init(&s, &config);
	smtp_server_start(&s, &e);
	act(&s, e, h);
	while (end < in.len) {
		size_t n = 1;

		end = cut(end, in.len, &how);
		while (at < end && n > 0) {
			n = smtp_server_step(&s, slice_of(in.at + at, end - at),
			    &e);
			act(&s, e, h);
			at += n;
		}
	}
}

static size_t
cut_never(size_t from, size_t end, uint64_t *how)
{
	(void)from;
	(void)how;
	return end;
}

static size_t
cut_once(size_t from, size_t end, uint64_t *how)
{
	return from < *how && *how < end ? (size_t)*how : end;
}

static size_t
cut_evenly(size_t from, size_t end, uint64_t *how)
{
	return end - from < *how ? end : from + (size_t)*how;
}

static size_t
cut_anywhere(size_t from, size_t end, uint64_t *how)
{
	size_t n;

	*how ^= *how << 13;
	*how ^= *how >> 7;
	*how ^= *how << 17;
	n = 1 + (size_t)(*how % (*how % 5 == 0 ? 400 : 7));
	return end - from < n ? end : from + n;
}

static void
is_the_same(struct slice in, cut_fn *cut, uint64_t how,
    const struct heard *whole)
{
	struct heard h;

	converse(in, cut, how, &h);
	if (h.n == whole->n && memcmp(h.said, whole->said, h.n) == 0 &&
	    h.n_commits == whole->n_commits &&
	    (h.n_commits == 0 || h.body == whole->body))
		return;
	print_error("cut %llu: %.*s\n", (unsigned long long)how, (int)h.n,
	    h.said);
	test_slice(slice_of(h.said, h.n), slice_of(whole->said, whole->n));
	test_int(h.body, whole->body);
}

/* In all cuts; the last reply but that to QUIT begins with `want`. */
static void
try_all(struct slice in, const char *want)
{
	struct heard whole;
	struct slice rest, line, last = { 0 };

	converse(in, cut_never, 0, &whole);
	rest = slice_of(whole.said, whole.n);
	while (slice_take_crlf_line(&rest, &line))
		if (!slice_starts(line, SLICE("221 ")) &&
		    !slice_equal(line, SLICE("250 2.0.0 OK")))
			last = line;
	test_slice(slice_upto(last, strlen(want)), slice_cstr(want));
	for (uint64_t i = 1; i < in.len; i++)
		is_the_same(in, cut_once, i, &whole);
	for (uint64_t i = 1; i < 64; i++)
		is_the_same(in, cut_evenly, i, &whole);
	for (uint64_t i = 1; i <= RANDOM_CUTS; i++)
		is_the_same(in, cut_anywhere, i * UINT64_C(0x9e3779b97f4a7c15),
		    &whole);
}

/* -- messages with two faults ---------------------------------------------- */

struct text {
	char at[TEXT_MAX];
	size_t n;
};

static void
add(struct text *t, const char *s)
{
	size_t n = strlen(s);

	test_true(n < TEXT_MAX - t->n);
	memcpy(t->at + t->n, s, n);
	t->n += n;
}

static void
add_bare_lf(struct text *t)
{
	add(t, "A: b\nC: d\r\n");
}

static void
add_bare_cr(struct text *t)
{
	add(t, "A: b\rC: d\r\n");
}

static void
add_loop(struct text *t)
{
	for (int i = 0; i <= LIMIT_RECEIVED; i++)
		add(t, "Received:\r\n");
}

static void
add_much(struct text *t)
{
	for (int i = 0; i < 14; i++)
		add(t,
		    "X-Long: 0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789"
		    "01234567890123\r\n");
}

static void
add_nothing(struct text *t)
{
	(void)t;
}

static const struct fault {
	const char *name;
	void (*add)(struct text *t);
	unsigned weight;
	const char *reply;
} faults[] = {
	{ "none", add_nothing, 0, "250 2.0.0 kept" },
	{ "too big", add_much, 1, "552 5.3.4 " },
	{ "a loop", add_loop, 2, "554 5.4.6 " },
	{ "a bare LF", add_bare_lf, 3, "554 5.6.11 " },
	{ "a bare CR", add_bare_cr, 3, "554 5.6.11 " },
};

#define ENVELOPE                                                               \
	"EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n"
#define BEHIND "NOOP\r\nQUIT\r\n"

static void
make_body(const struct fault *a, const struct fault *b, struct text *t)
{
	t->n = 0;
	add(t, "Subject: x\r\n");
	a->add(t);
	add(t, "Y: z\r\n");
	b->add(t);
	add(t, "\r\n");
}

static void
try_data(const struct fault *a, const struct fault *b)
{
	const struct fault *heavy = a->weight > b->weight ? a : b;
	static struct text body, t;

	make_body(a, b, &body);
	t.n = 0;
	add(&t, ENVELOPE "DATA\r\n");
	body.at[body.n] = '\0';
	add(&t, body.at);
	add(&t, "..a dot\r\n.\r\n" BEHIND);
	try_all(slice_of(t.at, t.n), heavy->reply);
}

/* One chunk: what is too big is not read, so that it is all that is known. Two:
 * the fault of the first is said twice. */
static void
try_bdat(const struct fault *a, const struct fault *b, bool is_halved)
{
	const struct fault *heavy = a->weight > b->weight ? a : b;
	static struct text body, t;
	char command[64];
	size_t half;

	make_body(a, b, &body);
	body.at[body.n] = '\0';
	half = is_halved ? body.n / 2 : 0;
	t.n = 0;
	add(&t, ENVELOPE);
	if (is_halved) {
		(void)snprintf(command, sizeof(command), "BDAT %zu\r\n", half);
		add(&t, command);
		memcpy(t.at + t.n, body.at, half);
		t.n += half;
	}
	(void)snprintf(command, sizeof(command), "BDAT %zu LAST\r\n",
	    body.n - half);
	add(&t, command);
	add(&t, body.at + half);
	add(&t, BEHIND);
	try_all(slice_of(t.at, t.n),
	    is_halved               ? ""
		: body.n > MAX_SIZE ? "552 5.3.4 "
				    : heavy->reply);
}

static void
says_the_same_however_cut(void **state)
{
	const size_t n = sizeof(faults) / sizeof(faults[0]);
	char what[80];

	(void)state;
	for (size_t i = 0; i < n * n; i++) {
		const struct fault *a = &faults[i / n], *b = &faults[i % n];

		(void)snprintf(what, sizeof(what), "%s, then %s", a->name,
		    b->name);
		test_case(what);
		try_data(a, b);
		try_bdat(a, b, false);
		try_bdat(a, b, true);
	}
}

/* Ends of chunks within a line end, at the end, and of no length. */
static void
chunks_end_anywhere(void **state)
{
	static const struct {
		const char *what, *text, *want;
	} rows[] = {
		{ "between CR and LF",
		    ENVELOPE "BDAT 7\r\nA: b\r\n\rBDAT 3 LAST\r\n\nx\r" BEHIND,
		    "554 5.6.11 " },
		{ "between CR and LF, and well",
		    ENVELOPE
		    "BDAT 7\r\nA: b\r\n\rBDAT 4 LAST\r\n\nx\r\n" BEHIND,
		    "250 2.0.0 kept" },
		{ "a CR at the very end",
		    ENVELOPE "BDAT 7 LAST\r\nA: b\r\n\r" BEHIND,
		    "554 5.6.11 " },
		{ "a CR, then nothing",
		    ENVELOPE "BDAT 7\r\nA: b\r\n\rBDAT 0 LAST\r\n" BEHIND,
		    "554 5.6.11 " },
		{ "a CR, then too much",
		    ENVELOPE "BDAT 7\r\nA: b\r\n\rBDAT 1299 LAST\r\n",
		    "250 2.0.0 7 octets" },
		{ "no transaction: the octets are no commands",
		    "EHLO c.example\r\nBDAT 12 LAST\r\nMAIL FROM:<>" BEHIND,
		    "503 5.5.1 " },
		{ "not a dot in it",
		    ENVELOPE "BDAT 8 LAST\r\n.\r\n..x\r\n" BEHIND,
		    "250 2.0.0 kept" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].what);
		try_all(slice_cstr(rows[i].text), rows[i].want);
	}
}

TEST_MAIN(cmocka_unit_test(says_the_same_however_cut),
    cmocka_unit_test(chunks_end_anywhere))
