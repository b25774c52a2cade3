/* SPDX-License-Identifier: ISC */
/*
 * Commands with their arguments (RFC 3501, 9; LIST: RFC 5258, 6154): what each
 * is read as, and which fault each of the others has. Every row is parsed at
 * its exact length, and again with every octet of it cut off: whatever is left
 * is another command or none, and nothing is read beyond it.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "base/test.h"
#include "imap/command.h"

enum {
	OK = IMAP_COMMAND_OK,
	BAD = IMAP_COMMAND_BAD,
	UNKNOWN = IMAP_COMMAND_UNKNOWN,
	NAME = IMAP_COMMAND_NAME,
	TOO_MUCH = IMAP_COMMAND_TOO_MUCH
};

/* want: what was set, in the order of dump(). Of what is refused only tag and
 * verb count. */
static const struct row {
	struct slice in;
	int result;
	enum imap_verb verb;
	const char *want;
} rows[] = {
	/* tags and verbs */
	{ SLICE("a NOOP"), OK, IMAP_NOOP, "" },
	{ SLICE("A.1!~ noop"), OK, IMAP_NOOP, "" },
	{ SLICE("a Noop "), BAD, IMAP_NOOP, NULL },
	{ SLICE("a NOOP x"), BAD, IMAP_NOOP, NULL },
	{ SLICE("a  NOOP"), BAD, IMAP_NONE, NULL },
	{ SLICE(" NOOP"), BAD, IMAP_NONE, NULL },
	{ SLICE("a"), BAD, IMAP_NONE, NULL },
	{ SLICE(""), BAD, IMAP_NONE, NULL },
	{ SLICE("a+ NOOP"), BAD, IMAP_NONE, NULL },
	{ SLICE("* NOOP"), BAD, IMAP_NONE, NULL },
	{ SLICE("a N\xc3\xb6"), UNKNOWN, IMAP_NONE, NULL },
	{ SLICE("a NOPE"), UNKNOWN, IMAP_NONE, NULL },
	{ SLICE("a NOOPS"), UNKNOWN, IMAP_NONE, NULL },
	{ SLICE("a \"NOOP\""), BAD, IMAP_NONE, NULL },
	{ SLICE("a UID"), BAD, IMAP_NONE, NULL },
	{ SLICE("a UID UID FETCH 1 UID"), UNKNOWN, IMAP_NONE, NULL },
	{ SLICE("a UID NOOP"), UNKNOWN, IMAP_NOOP, NULL },
	{ SLICE("a CAPABILITY"), OK, IMAP_CAPABILITY, "" },
	{ SLICE("a CHECK"), OK, IMAP_CHECK, "" },
	{ SLICE("a CLOSE"), OK, IMAP_CLOSE, "" },
	{ SLICE("a IDLE"), OK, IMAP_IDLE, "" },
	{ SLICE("a LOGOUT"), OK, IMAP_LOGOUT, "" },
	{ SLICE("a NAMESPACE"), OK, IMAP_NAMESPACE, "" },
	{ SLICE("a STARTTLS"), OK, IMAP_STARTTLS, "" },
	{ SLICE("a UNSELECT"), OK, IMAP_UNSELECT, "" },
	/* mailbox names */
	{ SLICE("a SELECT x"), OK, IMAP_SELECT, "name=x" },
	{ SLICE("a EXAMINE \"a b\""), OK, IMAP_EXAMINE, "name=a b" },
	{ SLICE("a DELETE {3}\r\na/b"), OK, IMAP_DELETE, "name=a/b" },
	{ SLICE("a SUBSCRIBE inbox"), OK, IMAP_SUBSCRIBE, "name=INBOX" },
	{ SLICE("a UNSUBSCRIBE iNbOx/Sub"), OK, IMAP_UNSUBSCRIBE,
	    "name=INBOX/Sub" },
	{ SLICE("a SELECT inboxes"), OK, IMAP_SELECT, "name=inboxes" },
	{ SLICE("a SELECT \"&AOk-\""), OK, IMAP_SELECT, "name=\xc3\xa9" },
	{ SLICE("a SELECT &AOk"), NAME, IMAP_SELECT, NULL },
	{ SLICE("a SELECT \"\""), NAME, IMAP_SELECT, NULL },
	{ SLICE("a SELECT /a"), NAME, IMAP_SELECT, NULL },
	{ SLICE("a SELECT a/"), NAME, IMAP_SELECT, NULL },
	{ SLICE("a SELECT a//b"), NAME, IMAP_SELECT, NULL },
	{ SLICE("a SELECT \"a\tb\""), NAME, IMAP_SELECT, NULL },
	{ SLICE("a SELECT /a b"), BAD, IMAP_SELECT, NULL },
	{ SLICE("a SELECT"), BAD, IMAP_SELECT, NULL },
	{ SLICE("a SELECT  x"), BAD, IMAP_SELECT, NULL },
	{ SLICE("a SELECT x y"), BAD, IMAP_SELECT, NULL },
	{ SLICE("a SELECT a%"), BAD, IMAP_SELECT, NULL },
	{ SLICE("a SELECT {9}\r\nx"), BAD, IMAP_SELECT, NULL },
	{ SLICE("a CREATE x/"), OK, IMAP_CREATE, "name=x" },
	{ SLICE("a CREATE /"), NAME, IMAP_CREATE, NULL },
	{ SLICE("a CREATE x//"), NAME, IMAP_CREATE, NULL },
	{ SLICE("a CREATE \"a*\""), NAME, IMAP_CREATE, NULL },
	{ SLICE("a CREATE \"a%b\""), NAME, IMAP_CREATE, NULL },
	{ SLICE("a CREATE x y"), BAD, IMAP_CREATE, NULL },
	{ SLICE("a CREATE x (USE (\\sent))"), OK, IMAP_CREATE,
	    "name=x use=\\Sent" },
	{ SLICE("a CREATE x (USE ())"), OK, IMAP_CREATE, "name=x" },
	{ SLICE("a CREATE x (USE (\\Sent)"), BAD, IMAP_CREATE, NULL },
	{ SLICE("a CREATE &AIU-"), NAME, IMAP_CREATE, NULL },
	{ SLICE("a CREATE &ICg-"), NAME, IMAP_CREATE, NULL },
	{ SLICE("a RENAME x y/"), OK, IMAP_RENAME, "name=x to=y" },
	{ SLICE("a RENAME inbox \"INBOX/old\""), OK, IMAP_RENAME,
	    "name=INBOX to=INBOX/old" },
	{ SLICE("a RENAME x \"y%\""), NAME, IMAP_RENAME, NULL },
	{ SLICE("a RENAME x"), BAD, IMAP_RENAME, NULL },
	{ SLICE("a RENAME x y z"), BAD, IMAP_RENAME, NULL },
	/* LIST and LSUB */
	{ SLICE("a LIST \"\" *"), OK, IMAP_LIST, "ref= pat=*" },
	{ SLICE("a LIST x/ \"%/a*\""), OK, IMAP_LIST, "ref=x/ pat=%/a*" },
	{ SLICE("a LIST () \"\" x"), OK, IMAP_LIST, "ref= pat=x list=8" },
	{ SLICE("a LIST (SPECIAL-USE) \"\" *"), OK, IMAP_LIST,
	    "ref= pat=* list=9" },
	{ SLICE("a list (subscribed REMOTE) \"\" * return (subscribed "
		"children special-use)"),
	    OK, IMAP_LIST, "ref= pat=* list=14" },
	{ SLICE("a LIST \"\" * RETURN ()"), OK, IMAP_LIST,
	    "ref= pat=* list=8" },
	{ SLICE("a LIST (RECURSIVEMATCH SPECIAL-USE) x (% \"\" a)"), OK,
	    IMAP_LIST, "ref=x pat=% pat= pat=a list=25" },
	{ SLICE("a LIST \"\" * RETURN (STATUS (MESSAGES size))"), OK, IMAP_LIST,
	    "ref= pat=* list=8 status=65" },
	{ SLICE("a LIST (RECURSIVEMATCH) \"\" *"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST (REMOTE RECURSIVEMATCH) \"\" *"), BAD, IMAP_LIST,
	    NULL },
	{ SLICE("a LIST \"\" ()"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST \"\" (a"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST (FOO) \"\" *"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST (SUBSCRIBED ) \"\" *"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST \"\" * RETURN"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST \"\" * RETURN (STATUS)"), BAD, IMAP_LIST, NULL },
	{ SLICE("a LIST \"\""), BAD, IMAP_LIST, NULL },
	{ SLICE("a LSUB \"\" %"), OK, IMAP_LSUB, "ref= pat=%" },
	{ SLICE("a LSUB () \"\" *"), BAD, IMAP_LSUB, NULL },
	/* logins */
	{ SLICE("a LOGIN u \"p w\""), OK, IMAP_LOGIN, "user=u secret=p w" },
	{ SLICE("a LOGIN {1}\r\nu {2+}\r\n\"p"), OK, IMAP_LOGIN,
	    "user=u secret=\"p" },
	{ SLICE("a LOGIN u"), BAD, IMAP_LOGIN, NULL },
	{ SLICE("a LOGIN u p q"), BAD, IMAP_LOGIN, NULL },
	{ SLICE("a AUTHENTICATE PLAIN"), OK, IMAP_AUTHENTICATE, "user=PLAIN" },
	{ SLICE("a AUTHENTICATE PLAIN AHUAcA=="), OK, IMAP_AUTHENTICATE,
	    "user=PLAIN secret=AHUAcA== initial" },
	{ SLICE("a AUTHENTICATE PLAIN ="), OK, IMAP_AUTHENTICATE,
	    "user=PLAIN secret== initial" },
	{ SLICE("a AUTHENTICATE PLAIN "), BAD, IMAP_AUTHENTICATE, NULL },
	{ SLICE("a AUTHENTICATE PLAIN a b"), BAD, IMAP_AUTHENTICATE, NULL },
	/* STATUS */
	{ SLICE("a STATUS inbox (MESSAGES)"), OK, IMAP_STATUS,
	    "name=INBOX status=1" },
	{ SLICE("a STATUS x (recent uidnext UIDVALIDITY Unseen messages)"), OK,
	    IMAP_STATUS, "name=x status=31" },
	{ SLICE("a STATUS /x (MESSAGES)"), NAME, IMAP_STATUS, NULL },
	{ SLICE("a STATUS x ()"), BAD, IMAP_STATUS, NULL },
	{ SLICE("a STATUS x (FOO)"), BAD, IMAP_STATUS, NULL },
	{ SLICE("a STATUS x (MESSAGESX)"), BAD, IMAP_STATUS, NULL },
	{ SLICE("a STATUS x MESSAGES"), BAD, IMAP_STATUS, NULL },
	{ SLICE("a STATUS x (MESSAGES"), BAD, IMAP_STATUS, NULL },
	{ SLICE("a STATUS x (MESSAGES) "), BAD, IMAP_STATUS, NULL },
	/* on messages */
	{ SLICE("a COPY 1:*,7 x"), OK, IMAP_COPY, "name=x set=1:0,7:7" },
	{ SLICE("a UID MOVE 9:3 inbox"), OK, IMAP_MOVE,
	    "uid name=INBOX set=9:3" },
	{ SLICE("a COPY x 1"), BAD, IMAP_COPY, NULL },
	{ SLICE("a COPY 1"), BAD, IMAP_COPY, NULL },
	{ SLICE("a COPY 1 /x"), NAME, IMAP_COPY, NULL },
	{ SLICE("a COPY 0 x"), BAD, IMAP_COPY, NULL },
	{ SLICE("a STORE 1 FLAGS (\\Seen \\Answered)"), OK, IMAP_STORE,
	    "set=1:1 flags=3" },
	{ SLICE("a UID STORE * +flags.silent b a"), OK, IMAP_STORE,
	    "uid set=0:0 kw=a b mode=1 silent" },
	{ SLICE("a STORE 1 -FLAGS ()"), OK, IMAP_STORE, "set=1:1 mode=2" },
	{ SLICE("a STORE 1 FLAGS.LOUD (a)"), BAD, IMAP_STORE, NULL },
	{ SLICE("a STORE 1 + FLAGS (a)"), BAD, IMAP_STORE, NULL },
	{ SLICE("a STORE 1 FLAGS"), BAD, IMAP_STORE, NULL },
	{ SLICE("a STORE 1 FLAGS (\\Recent)"), BAD, IMAP_STORE, NULL },
	{ SLICE("a EXPUNGE"), OK, IMAP_EXPUNGE, "" },
	{ SLICE("a EXPUNGE 1"), BAD, IMAP_EXPUNGE, NULL },
	{ SLICE("a UID EXPUNGE 1:2"), OK, IMAP_EXPUNGE, "uid set=1:2" },
	{ SLICE("a UID EXPUNGE"), BAD, IMAP_EXPUNGE, NULL },
	{ SLICE("a FETCH 1 (FLAGS UID)"), OK, IMAP_FETCH, "set=1:1 items=2" },
	{ SLICE("a UID FETCH 1:* FAST"), OK, IMAP_FETCH,
	    "uid set=1:0 items=4" },
	{ SLICE("a FETCH 1"), BAD, IMAP_FETCH, NULL },
	{ SLICE("a UID SEARCH ALL"), OK, IMAP_SEARCH, "uid search" },
	{ SLICE("a SEARCH"), BAD, IMAP_SEARCH, NULL },
	/* ID and ENABLE */
	{ SLICE("a ID NIL"), OK, IMAP_ID, "" },
	{ SLICE("a ID ()"), OK, IMAP_ID, "" },
	{ SLICE("a ID (\"name\" \"x\" \"version\" NIL)"), OK, IMAP_ID, "" },
	{ SLICE("a ID (\"name\")"), BAD, IMAP_ID, NULL },
	{ SLICE("a ID (NIL \"x\")"), BAD, IMAP_ID, NULL },
	{ SLICE("a ID (\"name\" \"x\""), BAD, IMAP_ID, NULL },
	{ SLICE("a ID x"), BAD, IMAP_ID, NULL },
	{ SLICE("a ENABLE CONDSTORE X"), OK, IMAP_ENABLE, "" },
	{ SLICE("a ENABLE"), BAD, IMAP_ENABLE, NULL },
	{ SLICE("a ENABLE X "), BAD, IMAP_ENABLE, NULL },
};

/* -- what was set ---------------------------------------------------------- */

static void
put_slice(struct buf *b, const char *name, struct slice s)
{
	if (s.at != NULL)
		test_int(buf_printf(b, "%s%s=%.*s", b->len > 0 ? " " : "", name,
			     SLICE_FMT(s)),
		    BUF_OK);
}

static void
put_number(struct buf *b, const char *name, int64_t n, bool is_set)
{
	if (is_set)
		test_int(buf_printf(b, "%s%s=%lld", b->len > 0 ? " " : "", name,
			     (long long)n),
		    BUF_OK);
}

static void
put_word(struct buf *b, const char *word, bool is_set)
{
	if (is_set)
		test_int(buf_printf(b, "%s%s", b->len > 0 ? " " : "", word),
		    BUF_OK);
}

static void
put_set(struct buf *b, const struct imap_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		test_int(buf_printf(b, "%s%u:%u",
			     i > 0            ? ","
				 : b->len > 0 ? " set="
					      : "set=",
			     set->ranges[i].lo, set->ranges[i].hi),
		    BUF_OK);
}

static void
dump(struct buf *b, const struct imap_command *c)
{
	struct slice keywords = c->flags.keywords;

	if (keywords.len == 0)
		keywords.at = NULL;
	put_word(b, "uid", c->is_uid);
	put_slice(b, "name", c->name);
	put_slice(b, "to", c->to);
	put_slice(b, "user", c->user);
	put_slice(b, "secret", c->secret);
	put_word(b, "initial", c->has_secret);
	put_slice(b, "ref", c->reference);
	for (size_t i = 0; i < c->n_patterns; i++)
		put_slice(b, "pat", c->patterns[i]);
	put_slice(b, "use", c->use);
	put_number(b, "list", c->list, c->list != 0);
	put_set(b, &c->set);
	put_number(b, "flags", c->flags.bits, c->flags.bits != 0);
	put_slice(b, "kw", keywords);
	put_number(b, "mode", c->mode, c->mode != IMAP_STORE_SET);
	put_word(b, "silent", c->is_silent);
	put_number(b, "items", (int64_t)c->fetch.n, c->fetch.n > 0);
	put_word(b, "search", c->search != NULL);
	put_number(b, "status", c->status, c->status != 0);
	put_number(b, "date", c->date, c->has_date);
	put_number(b, "zone", c->zone, c->has_date);
}

static int
parse(struct slice in, struct arena *arena, struct imap_command *ret)
{
	struct imap_in words = { in, arena, false };
	int r = imap_command_begin(&words, ret);

	return r == OK ? imap_command_args(&words, ret) : r;
}

static void
reads_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct imap_command c;
		struct arena arena;
		struct buf got;
		char what[128];

		(void)snprintf(what, sizeof(what), "%.*s", SLICE_FMT(in));
		test_case(what);
		arena_init(&arena, LIMIT_IMAP_ARENA);
		buf_init(&got, 4096);
		test_int(parse(in, &arena, &c), rows[i].result);
		if (rows[i].result != UNKNOWN)
			test_int(c.verb, rows[i].verb);
		if (rows[i].want != NULL) {
			dump(&got, &c);
			test_slice(buf_slice(&got), slice_cstr(rows[i].want));
		}
		if (c.verb != IMAP_NONE)
			test_slice(c.tag,
			    slice_upto(in, slice_find_byte(in, ' ')));
		buf_deinit(&got);
		arena_reset(&arena);
		test_free_copy(in);
	}
}

static void
reads_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t n = 0; n < rows[i].in.len; n++) {
			struct slice in =
			    test_exact_copy(slice_upto(rows[i].in, n));
			struct imap_command c;
			struct arena arena;

			arena_init(&arena, LIMIT_IMAP_ARENA);
			(void)parse(in, &arena, &c);
			test_true(c.tag.len <= in.len);
			arena_reset(&arena);
			test_free_copy(in);
		}
}

/* Each command that has a name for a mailbox is told when there is no room to
 * read it, and does not take that for a fault of the name. */
static void
says_when_it_is_too_much(void **state)
{
	static const struct slice commands[] = { SLICE("a SELECT x"),
		SLICE("a CREATE x"), SLICE("a RENAME x y"),
		SLICE("a STATUS x (MESSAGES)"), SLICE("a COPY 1 x"),
		SLICE("a STORE 1 FLAGS (a)"), SLICE("a UID EXPUNGE 1") };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct imap_command c;
		struct arena arena;

		test_case((const char *)commands[i].at);
		arena_init(&arena, 4);
		test_int(parse(commands[i], &arena, &c), TOO_MUCH);
		arena_reset(&arena);
	}
}

static void
bounds_names(void **state)
{
	static char text[LIMIT_MAILBOX_NAME + 20];
	struct imap_command c;
	struct arena arena;
	const size_t head = strlen("a SELECT ");

	(void)state;
	arena_init(&arena, LIMIT_IMAP_ARENA);
	(void)strcpy(text, "a SELECT ");
	memset(text + head, 'n', LIMIT_MAILBOX_NAME + 1);
	test_case("as long as may be");
	test_int(parse(slice_of(text, head + LIMIT_MAILBOX_NAME), &arena, &c),
	    OK);
	test_int(c.name.len, LIMIT_MAILBOX_NAME);
	test_case("longer");
	test_int(parse(slice_of(text, head + LIMIT_MAILBOX_NAME + 1), &arena,
		     &c),
	    NAME);
	arena_reset(&arena);
}

TEST_MAIN(cmocka_unit_test(reads_commands), cmocka_unit_test(reads_no_further),
    cmocka_unit_test(says_when_it_is_too_much), cmocka_unit_test(bounds_names))
