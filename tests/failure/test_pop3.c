/* SPDX-License-Identifier: ISC */
/*
 * failure/test_pop3 - a whole POP3 session when memory runs out
 *
 * As long as nothing went wrong before, +OK comes with exactly what it comes
 * with otherwise; and nothing is removed unless QUIT was answered +OK.
 */
#include "alloc.h"
#include "base/test.h"
#include "pop3/session.h"

#define pop3_session_free(s) ALLOC_IN_VOID(pop3_session_free(s))
#define pop3_session_pump(s) ALLOC_IN_VOID(pop3_session_pump(s))
#define pop3_session_answer(s, a) ALLOC_IN_VOID(pop3_session_answer(s, a))
#define pop3_session_input(s, in) ALLOC_IN(pop3_session_input(s, in))
#include "pop3/fake_store.c"  /* NOLINT */
#include "sasl/fake_keeper.c" /* NOLINT */

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
outer_ask(void *ctx, const struct pop3_ask *ask)
{
	unsigned depth = alloc_pause();
	bool ok = host.ask(ctx, ask);

	alloc_resume(depth);
	return ok;
}

static const struct pop3_host outer = { outer_room, outer_say, outer_ask,
	host_start_tls, host_end };

static const char *const script[] = {
	"CAPA\r\n",
	"USER alice@one.example\r\n",
	"PASS wrong\r\n",
	"AUTH PLAIN AGFsaWNlQG9uZS5leGFtcGxlAGNvcnJlY3QgaG9yc2U=\r\n",
	"STAT\r\n",
	"LIST\r\n",
	"UIDL\r\n",
	"UIDL 2\r\n",
	"RETR 1\r\n",
	"RETR 4\r\n",
	"TOP 3 2\r\n",
	"DELE 2\r\n",
	"LIST\r\n",
	"NOOP\r\n",
	"QUIT\r\n",
};

enum {
	N_COMMANDS = sizeof(script) / sizeof(script[0])
};

static struct slice clean[N_COMMANDS];

static bool
is_as_clean(size_t i, struct slice said)
{
	if (clean[i].at == NULL && !alloc_has_failed())
		clean[i] = test_exact_copy(said);
	if (slice_equal(said, clean[i]))
		return true;
	if (slice_starts(said, SLICE("+OK"))) {
		print_error("%sgot \"%.*s\"\nwant \"%.*s\"\n", script[i],
		    SLICE_FMT(said), SLICE_FMT(clean[i]));
		abort();
	}
	return false;
}

static bool
run_commands(struct fake_pop3 *f)
{
	bool same = true;

	for (size_t i = 0; i < N_COMMANDS; i++) {
		size_t before = f->out.len;
		struct slice said;

		fake_pop3_feed(f, slice_cstr(script[i]));
		for (size_t k = 0; k < FAKE_POP3_MESSAGES; k++)
			test_true(!f->removed[k] ||
			    (k == 1 && i + 1 == N_COMMANDS));
		said = slice_from(buf_slice(&f->out), before);
		if (said.len == 0 && !f->is_over) {
			print_error("no answer to %s", script[i]);
			abort();
		}
		/* An answer that is cut off with the connection says so. */
		if (f->is_over && i + 1 < N_COMMANDS)
			return false;
		same = same && is_as_clean(i, said);
	}
	return same && f->removed[1];
}

static bool
run_session(void *ctx)
{
	static struct fake_pop3 f;
	bool is_well = false;

	(void)ctx;
	memset(&f, 0, sizeof(f));
	f.config.hostname = "one.example";
	f.config.mechanisms = SASL_MASK_PASSWORD;
	buf_init(&f.out, 1024 * 1024);
	f.room = ROOM;
	f.session = ALLOC_IN(pop3_session_new(&outer, &f, &f.config));
	if (f.session != NULL) {
		ALLOC_IN_VOID(pop3_session_start(f.session, true));
		fake_pop3_run(&f);
		is_well = run_commands(&f);
		pop3_session_free(f.session);
	}
	buf_deinit(&f.out);
	return is_well;
}

static void
each_allocation_of_a_session(void **state)
{
	(void)state;
	test_true(alloc_each("pop3", run_session, NULL) > 10);
	for (size_t i = 0; i < N_COMMANDS; i++)
		test_free_copy(clean[i]);
}

TEST_MAIN(cmocka_unit_test(each_allocation_of_a_session))
