/* SPDX-License-Identifier: ISC */
/*
 * failure/test_imap - a whole IMAP session when memory runs out
 *
 * Each command still gets its tagged answer, or the session ends. The store
 * behind it is the one of the transcripts; it is outside and never fails.
 */
#include "alloc.h"
#include "base/test.h"
#include "imap/session.h"

#define imap_session_start(s, t) ALLOC_IN_VOID(imap_session_start(s, t))
#define imap_session_free(s) ALLOC_IN_VOID(imap_session_free(s))
#define imap_session_pump(s) ALLOC_IN_VOID(imap_session_pump(s))
#define imap_session_answer(s, a) ALLOC_IN_VOID(imap_session_answer(s, a))
#define imap_session_input(s, in) ALLOC_IN(imap_session_input(s, in))
/* Its functions become ours, with the session's calls under test. */
#include "imap/fake_store.c" /* NOLINT */

#include "imap/fake_world.c"  /* NOLINT */
#include "sasl/fake_keeper.c" /* NOLINT */

/* -- the host: out of the test, into the fake, and back
 * ------------------------- */

static size_t
outer_room(void *ctx)
{
	return host.room(ctx);
}

static void
outer_say(void *ctx, struct slice bytes)
{
	unsigned depth = alloc_pause();

	host.say(ctx, bytes);
	alloc_resume(depth);
}

static bool
outer_ask(void *ctx, const struct imap_ask *ask)
{
	unsigned depth = alloc_pause();
	bool ok = host.ask(ctx, ask);

	alloc_resume(depth);
	return ok;
}

static void
outer_body(void *ctx, struct slice bytes)
{
	unsigned depth = alloc_pause();

	host.body(ctx, bytes);
	alloc_resume(depth);
}

static const struct imap_host outer = { outer_room, outer_say, outer_ask,
	host_body_room, outer_body, host_start_tls, host_compress, host_wall,
	host_end };

static const char *const script[] = {
	"a1 CAPABILITY\r\n",
	"a2 LOGIN alice@one.example \"wrong \\\"horse\"\r\n",
	"a3 LOGIN {17+}\r\nalice@one.example {13+}\r\ncorrect horse\r\n",
	"b1 LIST \"\" \"*\"\r\n",
	"b2 LSUB \"\" \"*\"\r\n",
	"b3 STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)\r\n",
	"b4 CREATE \"R&AOQ-um/b\"\r\n",
	"b5 APPEND INBOX (\\Seen $x) \"23-Nov-2026 06:30:00 +0000\" {25+}\r\n"
	"Subject: x\r\n\r\nbody text\r\n\r\n",
	"c1 SELECT INBOX\r\n",
	"c2 FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE "
	"BODYSTRUCTURE)\r\n",
	"c3 FETCH 2 (BODY[] BODY[1.MIME] BODY.PEEK[HEADER.FIELDS (Subject "
	"From)]<0.20> BODY[TEXT])\r\n",
	"c4 UID FETCH 1:* (BODY.PEEK[1])\r\n",
	"c5 SEARCH OR SUBJECT \"gr\\\"\" NOT (BODY plain FROM carol) "
	"SINCE 1-Feb-1994\r\n",
	"c6 UID SEARCH CHARSET UTF-8 TEXT {4+}\r\nrich UNSEEN\r\n",
	"e1 SORT (DISPLAYFROM SUBJECT REVERSE DATE) UTF-8 SENTSINCE "
	"1-Jan-1990\r\n",
	"e2 THREAD REFERENCES UTF-8 ALL\r\n",
	"e3 UID SEARCH RETURN (ALL UPDATE SAVE) FLAGGED NOT BODY zz\r\n",
	"e4 UID FETCH $ (UID)\r\n",
	"e5 ESEARCH IN (personal) RETURN (COUNT) TEXT rich\r\n",
	"e6 STORE 1:2 +FLAGS (\\Flagged)\r\n",
	"c7 STORE 1:2 +FLAGS (\\Deleted $label other)\r\n",
	"c8 COPY 1:* Trash\r\n",
	"c9 UID STORE 3 FLAGS.SILENT (\\Seen)\r\n",
	"d1 EXPUNGE\r\n",
	"d2 NOOP\r\n",
	"d3 CLOSE\r\n",
	"d4 RENAME \"R&AOQ-um/b\" other\r\n",
	"d5 LOGOUT\r\n",
};

/* A tagged line; an untagged BAD when there was no memory even for the tag. */
static bool
is_answered(struct slice out, const char *command)
{
	struct slice line, tag = slice_upto(slice_cstr(command), 3);

	while (slice_take_crlf_line(&out, &line))
		if (slice_starts(line, tag) ||
		    (alloc_has_failed() && slice_starts(line, SLICE("* BAD"))))
			return true;
	return false;
}

static bool
client_init(struct fake_client *c, struct fake_store *f,
    const struct imap_config *config)
{
	memset(c, 0, sizeof(*c));
	c->store = f;
	c->config = config;
	c->open = -1;
	c->room = 64 * 1024;
	buf_init(&c->out, 1024 * 1024);
	buf_init(&c->body, 1024 * 1024);
	c->session = ALLOC_IN(imap_session_new(&outer, c, config));
	if (c->session == NULL)
		return false;
	imap_session_start(c->session, true);
	fake_client_run(c);
	return true;
}

/* What was said to each command when nothing failed. */
static struct slice clean[sizeof(script) / sizeof(script[0])];

/* As long as every command went as it goes without failures, the next one is
 * answered the same, or not OK: nothing is ever left out silently. */
static bool
is_as_clean(size_t i, struct slice said)
{
	struct slice tag = slice_upto(slice_cstr(script[i]), 3);
	struct slice rest = said, line = { 0 }, last = { 0 };

	if (clean[i].at == NULL && !alloc_has_failed())
		clean[i] = test_exact_copy(said);
	if (slice_equal(said, clean[i]))
		return true;
	while (slice_take_crlf_line(&rest, &line))
		last = line;
	/* RFC 5267, 4.3.1: said aloud. */
	if (slice_find(said, SLICE("[NOUPDATE ")) != SIZE_MAX)
		return false;
	if (slice_starts(last, tag) &&
	    slice_starts(slice_from(last, tag.len), SLICE("OK"))) {
		print_error("%sgot \"%.*s\"\nwant \"%.*s\"\n", script[i],
		    SLICE_FMT(said), SLICE_FMT(clean[i]));
		abort();
	}
	return false;
}

static void
forget_clean(void)
{
	for (size_t i = 0; i < sizeof(script) / sizeof(script[0]); i++) {
		test_free_copy(clean[i]);
		clean[i] = (struct slice){ 0 };
	}
}

static bool
run_session(void *ctx)
{
	static struct fake_store store;
	static struct fake_client client;
	static const struct imap_config config = { .hostname = "one.example",
		.mechanisms = SASL_MASK_PASSWORD,
		.max_size = 100000 };
	bool has_summaries = *(bool *)ctx, ok = true, same = true;
	struct slice said;
	size_t before;

	fake_store_init(&store);
	store.has_summaries = has_summaries;
	fake_world_fill(&store);
	if (!client_init(&client, &store, &config)) {
		fake_store_deinit(&store);
		return false;
	}
	for (size_t i = 0; i < sizeof(script) / sizeof(script[0]); i++) {
		if (client.is_over) {
			ok = false;
			break;
		}
		before = client.out.len;
		fake_client_feed(&client, slice_cstr(script[i]));
		said = slice_from(buf_slice(&client.out), before);
		if (!is_answered(said, script[i]) && !client.is_over) {
			print_error("no answer to %sonly:\n%.*s", script[i],
			    SLICE_FMT(said));
			abort();
		}
		same = same && is_as_clean(i, said);
	}
	if (!alloc_has_failed() && ok) /* the script is one that succeeds */
		test_true(slice_find(buf_slice(&client.out), SLICE(" BAD ")) ==
		    SIZE_MAX);
	fake_client_deinit(&client);
	fake_store_deinit(&store);
	return ok;
}

static void
each_allocation_of_a_session(void **state)
{
	bool with = true, without = false;

	(void)state;
	test_true(alloc_each("imap", run_session, &with) > 100);
	forget_clean();
	test_true(alloc_each("imap without summaries", run_session, &without) >
	    100);
	forget_clean();
}

TEST_MAIN(cmocka_unit_test(each_allocation_of_a_session))
