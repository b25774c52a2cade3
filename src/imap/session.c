/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "imap/session_impl.h"

enum {
	PUMP_ROOM = 4096,          /* a piece is not begun with less */
	OUT_MAX = 4 * 1024 * 1024, /* one response: a BODYSTRUCTURE of 1000
				    * parts, a line of FLAGS */
};

/* -- saying --------------------------------------------------------------- */

static void
drain(struct imap_session *s)
{
	size_t n = s->out.len, room;

	if (n == 0)
		return;
	room = s->host->room(s->ctx);
	n = n < room ? n : room;
	if (n > 0)
		s->host->say(s->ctx, slice_upto(buf_slice(&s->out), n));
	buf_eat(&s->out, n);
	if (s->out.len == 0)
		buf_reset(&s->out, 0);
}

bool
imap_is_drained(const struct imap_session *s)
{
	return s->out.len == 0;
}

void
imap_fatal(struct imap_session *s, const char *why)
{
	if (s->state == IMAP_LOGGED_OUT)
		return;
	s->state = IMAP_LOGGED_OUT;
	s->then = NULL;
	s->more = NULL;
	buf_reset(&s->out, 0);
	if (why != NULL && s->host->room(s->ctx) > 256) {
		s->host->say(s->ctx, SLICE("* BYE "));
		s->host->say(s->ctx, slice_cstr(why));
		s->host->say(s->ctx, SLICE("\r\n"));
	}
	s->host->end(s->ctx);
}

void
imap_say(struct imap_session *s, struct slice bytes)
{
	size_t room;

	if (s->state == IMAP_LOGGED_OUT)
		return;
	if (s->out.len == 0) {
		room = s->host->room(s->ctx);
		if (room >= bytes.len) {
			s->host->say(s->ctx, bytes);
			return;
		}
		s->host->say(s->ctx, slice_upto(bytes, room));
		bytes = slice_from(bytes, room);
	}
	if (buf_add(&s->out, bytes) != BUF_OK)
		imap_fatal(s, NULL); /* in the middle of something: no BYE */
}

void
imap_say_buf(struct imap_session *s, const struct buf *b)
{
	if (b->lost)
		imap_fatal(s, NULL);
	else
		imap_say(s, buf_slice(b));
}

void
imap_printf(struct imap_session *s, const char *format, ...)
{
	struct buf b;
	va_list ap;
	int r;

	buf_init(&b, OUT_MAX);
	va_start(ap, format);
	r = buf_vprintf(&b, format, ap);
	va_end(ap);
	if (r == BUF_OK)
		imap_say(s, buf_slice(&b));
	else
		imap_fatal(s, NULL);
	buf_deinit(&b);
}

/* -- the end of a command -------------------------------------------------- */

/* Passwords do not stay behind in freed memory. */
static void
wipe_line(struct imap_session *s)
{
	if (s->cmd.verb == IMAP_LOGIN || s->cmd.verb == IMAP_AUTHENTICATE)
		explicit_bzero(s->line.mem, s->line.size);
	buf_reset(&s->line, 0);
}

static void
reset_command(struct imap_session *s)
{
	wipe_line(s);
	imap_fetch_free(s);
	imap_search_free(s);
	imap_resync_free(s);
	free(s->kept_picks);
	s->kept_picks = NULL;
	buf_reset(&s->modified, 0);
	s->says_highest = false;
	arena_reset(&s->arena);
	memset(&s->cmd, 0, sizeof(s->cmd));
	buf_reset(&s->code, 0);
	buf_reset(&s->boxes, 0);
	buf_reset(&s->tree, 0);
	buf_reset(&s->pairs, 0);
	free(s->ranges);
	s->ranges = NULL;
	s->line_at = s->n_text = 0;
	s->literal_left = 0;
	s->reader = IMAP_READ_LINE;
	s->is_discarding = s->has_missed = s->is_idling = false;
	s->why = NULL;
	s->then = NULL;
	s->more = NULL;
	s->asked = IMAP_ASK_NOTHING;
	s->picks = (struct imap_picks){ NULL, 0 };
	s->pick_at = 0;
}

static void
count_error(struct imap_session *s)
{
	if (++s->n_errors > LIMIT_IMAP_ERRORS)
		imap_fatal(s, "Too many errors");
}

/* "tag OK [CODE] text": the code goes behind the first word of `line`. */
void
imap_done(struct imap_session *s, const char *line)
{
	struct slice rest = slice_cstr(line), word = { 0 };
	struct slice tag;
	bool is_bad, is_ok;

	if (s->is_pushing) {
		imap_push_done(s);
		return;
	}
	tag = s->cmd.tag.len > 0 ? s->cmd.tag : SLICE("*");
	is_bad = slice_starts(rest, SLICE("BAD"));
	is_ok = slice_starts(rest, SLICE("OK"));
	(void)slice_take_until(&rest, ' ', &word);
	imap_say(s, tag);
	imap_say(s, SLICE(" "));
	imap_say(s, word);
	imap_say(s, SLICE(" "));
	if (slice_equal(word, SLICE("OK")))
		imap_say_buf(s, &s->code);
	imap_say(s, rest);
	imap_say(s, SLICE("\r\n"));
	imap_append_forget(s);
	reset_command(s);
	/* A session of weeks may err now and then; before the login all errors
	 * count, since CAPABILITY is free. */
	if (is_bad)
		count_error(s);
	else if (is_ok && s->state != IMAP_NOT_AUTH)
		s->n_errors = 0;
}

void
imap_no(struct imap_session *s, enum imap_result result)
{
	static const char *const lines[] = {
		[IMAP_OK] = "NO Not done",
		[IMAP_TROUBLE] = "NO [UNAVAILABLE] Not possible just now, try "
				 "again later",
		[IMAP_IN_USE] = "NO [INUSE] Somebody else is using it",
		[IMAP_NONEXISTENT] = "NO [NONEXISTENT] No such mailbox",
		[IMAP_EXISTS] = "NO [ALREADYEXISTS] There is one of that name",
		[IMAP_EXPUNGED] = "NO [EXPUNGEISSUED] Messages are gone",
		[IMAP_OVERQUOTA] = "NO [OVERQUOTA] Quota exceeded",
		[IMAP_CANNOT] = "NO [CANNOT] That cannot be done",
		[IMAP_USEATTR] = "NO [USEATTR] Another mailbox has that use",
		[IMAP_TOO_MANY] = "NO [METADATA TOOMANY] More than I keep",
		[IMAP_REFUSED] = "NO [AUTHENTICATIONFAILED] Wrong name or "
				 "password",
	};

	imap_done(s, lines[result]);
}

bool
imap_ask(struct imap_session *s, const struct imap_ask *ask, imap_then_fn *then)
{
	s->then = then;
	s->asked = ask->what;
	s->more = NULL;
	if (s->host->ask(s->ctx, ask))
		return true;
	s->then = NULL;
	if (s->fetch != NULL || s->search != NULL)
		imap_fatal(s, NULL); /* perhaps inside of a response */
	else
		imap_no(s, IMAP_TROUBLE);
	return false;
}

/* -- commands of any state ------------------------------------------------ */

static void
run_noop(struct imap_session *s)
{
	imap_sync_done(s, "OK Done", true);
}

static void
run_logout(struct imap_session *s)
{
	imap_leave_mailbox(s);
	imap_say(s, SLICE("* BYE Logging out\r\n"));
	imap_done(s, "OK Goodbye");
	drain(s);
	imap_fatal(s, NULL);
}

/* -- IDLE (RFC 2177) --------------------------------------------------------
 */

static void
idle_on(struct imap_session *s)
{
	(void)s;
}

static void
run_idle(struct imap_session *s)
{
	imap_say(s, SLICE("+ idling\r\n"));
	s->reader = IMAP_READ_IDLE;
	s->is_idling = true;
	s->line_at = s->line.len;
	s->may_expunge = true;
	if (s->state == IMAP_SELECTED)
		imap_sync_start(s, idle_on);
}

void
imap_on_idle_line(struct imap_session *s, struct slice line)
{
	s->is_idling = false;
	if (slice_equal_nocase(line, SLICE("DONE")))
		imap_sync_done(s, "OK Done", false);
	else
		imap_done(s, "BAD DONE was expected");
}

/* session_append.c takes it while it is read. */
static void
run_never(struct imap_session *s)
{
	imap_done(s, "BAD Syntax error");
}

/* -- the table --------------------------------------------------------------
 */

enum {
	ANY = IMAP_NOT_AUTH | IMAP_AUTH | IMAP_SELECTED,
	LOGGED_IN = IMAP_AUTH | IMAP_SELECTED
};

/* no_expunge: the command uses sequence numbers, so that they must not change
 * before its end (RFC 3501, 7.4.1). Commands run one after the other, in the
 * order in which they came: none can conflict with its predecessor. */
static const struct row {
	unsigned states;
	bool no_expunge;
	imap_more_fn *run;
} table[IMAP_N_VERBS] = {
	[IMAP_APPEND] = { LOGGED_IN, false, run_never },
	[IMAP_AUTHENTICATE] = { IMAP_NOT_AUTH, false, imap_run_authenticate },
	[IMAP_CANCELUPDATE] = { IMAP_SELECTED, false, imap_run_cancelupdate },
	[IMAP_CAPABILITY] = { ANY, false, imap_run_capability },
	[IMAP_CHECK] = { IMAP_SELECTED, false, run_noop },
	[IMAP_CLOSE] = { IMAP_SELECTED, false, imap_run_close },
	[IMAP_COPY] = { IMAP_SELECTED, true, imap_run_copy },
	[IMAP_CREATE] = { LOGGED_IN, false, imap_run_create },
	[IMAP_DELETE] = { LOGGED_IN, false, imap_run_delete },
	[IMAP_ENABLE] = { IMAP_AUTH, false, imap_run_enable },
	[IMAP_ESEARCH] = { LOGGED_IN, false, imap_run_esearch },
	[IMAP_EXAMINE] = { LOGGED_IN, false, imap_run_select },
	[IMAP_EXPUNGE] = { IMAP_SELECTED, false, imap_run_expunge },
	[IMAP_FETCH] = { IMAP_SELECTED, true, imap_run_fetch },
	[IMAP_ID] = { ANY, false, imap_run_id },
	[IMAP_IDLE] = { LOGGED_IN, false, run_idle },
	[IMAP_LIST] = { LOGGED_IN, false, imap_run_list },
	[IMAP_LOGIN] = { IMAP_NOT_AUTH, false, imap_run_login },
	[IMAP_LOGOUT] = { ANY, false, run_logout },
	[IMAP_LSUB] = { LOGGED_IN, false, imap_run_list },
	[IMAP_MOVE] = { IMAP_SELECTED, false, imap_run_copy },
	[IMAP_GETQUOTA] = { LOGGED_IN, false, imap_run_getquota },
	[IMAP_GETQUOTAROOT] = { LOGGED_IN, false, imap_run_getquotaroot },
	[IMAP_SETQUOTA] = { LOGGED_IN, false, imap_run_setquota },
	[IMAP_GETMETADATA] = { LOGGED_IN, false, imap_run_getmetadata },
	[IMAP_SETMETADATA] = { LOGGED_IN, false, imap_run_setmetadata },
	[IMAP_NAMESPACE] = { LOGGED_IN, false, imap_run_namespace },
	[IMAP_NOOP] = { ANY, false, run_noop },
	[IMAP_REPLACE] = { IMAP_SELECTED, false, run_never },
	[IMAP_RENAME] = { LOGGED_IN, false, imap_run_rename },
	[IMAP_SEARCH] = { IMAP_SELECTED, true, imap_run_search },
	[IMAP_SELECT] = { LOGGED_IN, false, imap_run_select },
	[IMAP_SORT] = { IMAP_SELECTED, true, imap_run_search },
	[IMAP_STARTTLS] = { IMAP_NOT_AUTH, false, imap_run_starttls },
	[IMAP_STATUS] = { LOGGED_IN, false, imap_run_status },
	[IMAP_STORE] = { IMAP_SELECTED, true, imap_run_store },
	[IMAP_SUBSCRIBE] = { LOGGED_IN, false, imap_run_subscribe },
	[IMAP_THREAD] = { IMAP_SELECTED, true, imap_run_search },
	[IMAP_UNSELECT] = { IMAP_SELECTED, false, imap_run_unselect },
	[IMAP_COMPRESS] = { LOGGED_IN, false, imap_run_compress },
	[IMAP_LANGUAGE] = { ANY, false, imap_run_language },
	[IMAP_NOTIFY] = { LOGGED_IN, false, imap_run_notify },
	[IMAP_UNAUTHENTICATE] = { LOGGED_IN, false, imap_run_unauthenticate },
	[IMAP_UNSUBSCRIBE] = { LOGGED_IN, false, imap_run_unsubscribe },
};

/* What is wrong with the command so far, or NULL. */
const char *
imap_check_begin(struct imap_session *s, struct imap_in *in)
{
	static const char *const wrong[] = {
		[IMAP_NOT_AUTH] = "BAD Log in first",
		[IMAP_AUTH] = "BAD Not in this state",
		[IMAP_SELECTED] = "BAD Not in this state",
	};
	int r = imap_command_begin(in, &s->cmd);

	if (r == IMAP_COMMAND_UNKNOWN)
		return "BAD Unknown command";
	if (r != IMAP_COMMAND_OK)
		return "BAD Syntax error";
	if ((table[s->cmd.verb].states & s->state) != 0)
		return NULL;
	return table[s->cmd.verb].states == IMAP_SELECTED &&
		s->state == IMAP_AUTH
	    ? "BAD No mailbox is selected"
	    : wrong[s->state];
}

const char *
imap_args_text(int r)
{
	switch (r) {
	case IMAP_COMMAND_NAME:
		return "NO [CANNOT] Not a mailbox name";
	case IMAP_COMMAND_TOO_MUCH:
		return "BAD [LIMIT] More than I take in one command";
	default:
		return "BAD Syntax error in the arguments";
	}
}

/* RFC 9586, 3: sequence numbers, which are not there with UIDONLY. */
static bool
uses_numbers(const struct imap_session *s, const struct imap_in *in)
{
	bool takes_set =
	    table[s->cmd.verb].no_expunge || s->cmd.verb == IMAP_MOVE;

	return in->has_numbers || s->cmd.sync.match_numbers.n > 0 ||
	    (takes_set && !s->cmd.is_uid);
}

void
imap_run_line(struct imap_session *s, struct slice text)
{
	struct imap_in in = { text, &s->arena, false, imap_has_utf8_names(s) };
	const char *why = imap_check_begin(s, &in);
	int r;

	if (why == NULL) {
		r = imap_command_args(&in, &s->cmd);
		if (r != IMAP_COMMAND_OK)
			why = imap_args_text(r);
	}
	if (why == NULL && (s->enabled & IMAP_ENABLED_UIDONLY) != 0 &&
	    uses_numbers(s, &in))
		why = "BAD [UIDREQUIRED] By uids only";
	if (why != NULL) {
		imap_done(s, why);
		return;
	}
	s->may_expunge = !table[s->cmd.verb].no_expunge || s->cmd.is_uid;
	s->says_uid = s->cmd.is_uid;
	table[s->cmd.verb].run(s);
}

bool
imap_session_is_busy(const struct imap_session *s)
{
	return s->state == IMAP_LOGGED_OUT || s->wants_tls || s->then != NULL ||
	    s->more != NULL || s->out.len > 0 || imap_append_waits(s);
}

size_t
imap_session_input(struct imap_session *s, struct slice in)
{
	size_t eaten = 0;

	s->has_switched = false;
	while (eaten < in.len && !imap_session_is_busy(s) && !s->has_switched) {
		enum imap_reader before = s->reader;
		size_t n = imap_read(s, slice_from(in, eaten));

		/* What one reader leaves another may want. */
		if (n == 0 && s->reader == before)
			break;
		eaten += n;
		imap_session_pump(s);
	}
	return eaten;
}

static void
run_more(struct imap_session *s)
{
	drain(s);
	/* A step that found no memory has ended the session, and may have named
	 * the next step all the same. */
	while (s->more != NULL && s->state != IMAP_LOGGED_OUT &&
	    s->out.len == 0 && s->host->room(s->ctx) >= PUMP_ROOM)
		s->more(s);
}

void
imap_session_pump(struct imap_session *s)
{
	do {
		run_more(s);
		/* What changed while the last was being told. */
		if (s->is_idling && s->is_dirty && !imap_session_is_busy(s) &&
		    imap_notify_wants_selected(s))
			imap_sync_start(s, idle_on);
	} while (imap_notify_go(s));
}

void
imap_session_answer(struct imap_session *s, const struct imap_answer *a)
{
	imap_then_fn *then = s->then;

	if (then == NULL || a->what != s->asked)
		return;
	if (!a->more)
		s->then = NULL;
	then(s, a);
	imap_session_pump(s);
}

void
imap_session_changed(struct imap_session *s)
{
	s->is_dirty = s->state == IMAP_SELECTED;
	if (s->is_dirty)
		imap_session_pump(s);
}

/* -- life
 * ---------------------------------------------------------------------- */

void
imap_line_init(struct imap_session *s)
{
	buf_init(&s->line, IMAP_COMMAND_MAX);
}

struct imap_session *
imap_session_new(const struct imap_host *host, void *ctx,
    const struct imap_config *config)
{
	struct imap_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->host = host;
	s->ctx = ctx;
	s->config = config;
	s->state = IMAP_NOT_AUTH;
	imap_line_init(s);
	buf_init(&s->out, OUT_MAX);
	buf_init(&s->code, OUT_MAX / 4);
	buf_init(&s->boxes, OUT_MAX);
	buf_init(&s->tree, OUT_MAX / 2);
	buf_init(&s->pairs, OUT_MAX);
	buf_init(&s->modified, OUT_MAX);
	arena_init(&s->arena, LIMIT_IMAP_ARENA);
	return s;
}

void
imap_session_free(struct imap_session *s)
{
	if (s == NULL)
		return;
	imap_append_forget(s);
	reset_command(s);
	imap_contexts_free(s);
	imap_notify_free(s);
	if (s->has_view)
		imap_view_deinit(&s->view);
	free((void *)(uintptr_t)s->selected.at);
	buf_deinit(&s->line);
	buf_deinit(&s->out);
	buf_deinit(&s->code);
	buf_deinit(&s->boxes);
	buf_deinit(&s->tree);
	buf_deinit(&s->pairs);
	buf_deinit(&s->modified);
	free(s);
}

void
imap_session_start(struct imap_session *s, bool has_tls)
{
	struct buf b;

	s->has_tls = has_tls;
	buf_init(&b, 1024);
	(void)buf_add_cstr(&b, "* OK [");
	imap_put_capabilities(s, &b);
	(void)buf_printf(&b, "] %s Ulak ready\r\n", s->config->hostname);
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

void
imap_session_tls_up(struct imap_session *s)
{
	s->has_tls = true;
	s->wants_tls = false;
	s->n_errors = 0;
}

void
imap_session_still_here(struct imap_session *s)
{
	if (s->is_idling && !imap_session_is_busy(s))
		imap_say(s, SLICE("* OK Still here\r\n"));
}

void
imap_session_bye(struct imap_session *s, const char *why)
{
	bool is_torn = s->out.len > 0 || s->fetch != NULL || s->search != NULL;

	imap_fatal(s, is_torn ? NULL : why);
}

void
imap_session_lost_keeper(struct imap_session *s)
{
	if (s->then != NULL && s->state == IMAP_NOT_AUTH) {
		s->then = NULL;
		imap_no(s, IMAP_TROUBLE);
		imap_session_pump(s);
	}
}

void
imap_session_lost_store(struct imap_session *s)
{
	if (s->state == IMAP_NOT_AUTH) {
		imap_session_lost_keeper(s);
		return;
	}
	if (s->state == IMAP_LOGGED_OUT)
		return;
	if (s->cmd.verb != IMAP_NONE && s->fetch == NULL && s->search == NULL &&
	    s->out.len == 0)
		imap_no(s, IMAP_TROUBLE);
	imap_session_bye(s, "[UNAVAILABLE] The mail store is away, come back");
}

enum imap_state
imap_session_state(const struct imap_session *s)
{
	return s->state;
}

bool
imap_session_is_idling(const struct imap_session *s)
{
	return s->is_idling;
}
