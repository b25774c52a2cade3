/* SPDX-License-Identifier: ISC */
/*
 * Every tests/transcript/NAME.smtp against the pure session: in the chunks as
 * written, and byte by byte. The same files go to a live server through
 * tests/transcript/live.py; tests/transcript/README.md has the format.
 *
 * TRANSCRIPT=NAME in the environment plays only that one.
 *
 * Behind the session stands a small world: alice@one.example (password
 * "correct horse") and bob@one.example exist; nobody@ and later@one.example are
 * refused for good and for now; other domains are for those who logged in.
 */
#include <dirent.h>

#include "base/buf.h"
#include "base/test.h"
#include "sasl/fake_keeper.h"
#include "smtp/server.h"
#include "smtp/xclient.h"

enum {
	FILE_MAX = 4 * 1024 * 1024,
	BODY_MAX = 4 * 1024 * 1024
};

struct world {
	struct smtp_server s;
	struct smtp_server_config config;
	struct buf in, out, body, committed;
	bool is_closed, wants_tls, commit_fails, auth_is_down, body_is_open;
	unsigned full_rcpt; /* which one full@one.example is, from 1 */
	struct fake_keeper keeper;
	unsigned mechanisms;          /* within TLS */
	uint64_t mails_before, greet; /* 0: the usual greeting */
	bool is_started, is_at_once;
	unsigned n_commits;
	char client[IP_TEXT], helo[LIMIT_DOMAIN + 1]; /* of XCLIENT */
};

static bool
ends_in(const char *text, const char *tail)
{
	return slice_ends(slice_cstr(text), slice_cstr(tail));
}

static struct verdict
world_rcpt(const struct world *w)
{
	const char *rcpt = w->s.rcpt;

	/* 198.51.100.66 is on a list, 203.0.113.x are new to everybody. */
	if (strcmp(w->client, "198.51.100.66") == 0 &&
	    strncasecmp(rcpt, "postmaster", 10) != 0 &&
	    strncasecmp(rcpt, "abuse", 5) != 0)
		return VERDICT(554, 5, 7, 1,
		    "[198.51.100.66] is listed by bl.lists.example; ask "
		    "postmaster@here.example about it: listed for a test");
	if (strncmp(w->client, "203.0.113.", 10) == 0)
		return VERDICT(451, 4, 7, 1,
		    "new here: try again in 300 seconds");
	if (strcmp(rcpt, "later@one.example") == 0)
		return VERDICT(451, 4, 3, 0, "not now");
	if (strcmp(rcpt, "nobody@one.example") == 0)
		return VERDICT(550, 5, 1, 1, "no such user");
	if (strchr(rcpt, '@') == NULL || ends_in(rcpt, "@one.example") ||
	    ends_in(rcpt, "@ONE.EXAMPLE") || w->s.is_authed)
		return VERDICT(250, 2, 1, 5, "");
	return VERDICT(550, 5, 7, 1, "no relaying");
}

static struct verdict
world_connect(const struct world *w)
{
	if (w->greet == 0)
		return VERDICT(220, 0, 0, 0, "");
	return (struct verdict){ (uint16_t)w->greet, { 5, 7, 1 },
		SLICE("go away") };
}

static struct verdict
world_helo(const struct world *w)
{
	if (strcmp(w->s.asked, "refused.example") == 0)
		return VERDICT(550, 5, 7, 1, "not with that name");
	if (strcmp(w->s.asked, "leave.example") == 0)
		return VERDICT(421, 4, 7, 0, "leave");
	return VERDICT(250, 0, 0, 0, "");
}

static struct verdict
world_data(const struct world *w)
{
	if (strcmp(w->s.sender, "silent@one.example") == 0)
		return VERDICT(451, 4, 7, 1, "no data from you now");
	return VERDICT(250, 0, 0, 0, "");
}

static struct verdict
world_vrfy(const struct world *w)
{
	if (strcmp(w->s.asked, "alice@one.example") == 0 ||
	    strcmp(w->s.asked, "\xc3\xa9@one.example") == 0)
		return VERDICT(250, 2, 1, 5, "");
	if (strcmp(w->s.asked, "frank@far.example") == 0)
		return smtp_say(SMTP_SAY_VRFY_ELSEWHERE);
	return VERDICT(550, 5, 1, 1, "no such user");
}

/* team@ are alice and another one, big@ are too many. */
static void
world_expn(struct world *w, struct smtp_effect *e)
{
	struct verdict v = world_vrfy(w);
	struct slice members = SLICE("alice@one.example\n");

	if (strcmp(w->s.asked, "team@one.example") == 0)
		members = SLICE("alice@one.example\nbob@two.example\n");
	else if (strcmp(w->s.asked, "big@one.example") == 0)
		members = SLICE("");
	else if (strcmp(w->s.asked, "eight@one.example") == 0)
		members = SLICE("\xc3\xa9@one.example\n");
	else if (!verdict_is_ok(&v))
		members = SLICE("");
	if (v.code != 252 && strcmp(w->s.asked, "nobody@one.example") != 0)
		v = VERDICT(250, 2, 1, 5, "");
	smtp_server_answer_expn(&w->s, &v, members, e);
}

static struct verdict
world_mail(const struct world *w)
{
	if (!w->s.is_authed || w->s.sender[0] == '\0' ||
	    ends_in(w->s.sender, "@one.example"))
		return VERDICT(250, 2, 1, 0, "");
	return VERDICT(553, 5, 7, 1, "not your address");
}

static void
say_auth(struct world *w, enum sasl_want want, struct smtp_effect *e)
{
	static const enum smtp_auth_answer answers[] = {
		[SASL_YES] = SMTP_AUTH_YES,
		[SASL_NO] = SMTP_AUTH_NO,
		[SASL_MALFORMED] = SMTP_AUTH_MALFORMED,
	};

	if (want == SASL_SAY)
		smtp_server_challenge(&w->s, fake_keeper_challenge(&w->keeper),
		    e);
	else
		smtp_server_answer_auth(&w->s, answers[want], e);
}

static void
world_auth(struct world *w, const struct smtp_effect *asked,
    struct smtp_effect *e)
{
	test_true(!w->keeper.is_there);
	if (w->auth_is_down)
		smtp_server_answer_auth(&w->s, SMTP_AUTH_LATER, e);
	else
		say_auth(w,
		    fake_keeper_start64(&w->keeper, w->s.mechanism,
			w->s.config.mechanisms, SASL_FOR_SMTP,
			w->s.has_initial ? &asked->auth : NULL),
		    e);
}

static void
begin_body(struct world *w)
{
	test_true(!w->body_is_open);
	w->body_is_open = true;
	buf_reset(&w->body, 0);
	memcpy(w->s.id, "ID", 3);
	if (w->s.is_authed)
		smtp_trace_add_if_missing(&w->s.trace,
		    SLICE("Date: Mon, 23 Nov 2026 06:00:00 +0000\r\n"),
		    SLICE("Message-ID: <added@here.example>\r\n"));
}

static void
take_body(struct world *w, struct slice body)
{
	struct slice part;

	test_true(w->body_is_open);
	while (smtp_server_body_part(&w->s, &body, &part))
		test_int(buf_add(&w->body, part), BUF_OK);
}

static void
commit(struct world *w)
{
	take_body(w, (struct slice){ 0 });
	test_true(w->body_is_open);
	if (w->commit_fails)
		return;
	buf_reset(&w->committed, 0);
	test_int(buf_add(&w->committed, buf_slice(&w->body)), BUF_OK);
	w->n_commits++;
}

static void act(struct world *w, const struct smtp_effect *e);

static void
answer(struct world *w, struct verdict v)
{
	struct smtp_effect e;

	smtp_server_answer(&w->s, &v, &e);
	act(w, &e);
}

/* LMTP: each recipient has an answer; full@ has no room. */
static void
answer_commit(struct world *w)
{
	if (w->commit_fails)
		answer(w, VERDICT(451, 4, 3, 0, "disk trouble"));
	for (unsigned i = 1; w->s.state == SMTP_WAIT_COMMIT; i++)
		answer(w,
		    w->full_rcpt == i ? VERDICT(452, 4, 2, 2, "no room left")
				      : VERDICT(250, 2, 0, 0, "ID"));
}

static void
become(struct world *w, struct slice args)
{
	struct smtp_effect e;
	struct smtp_xclient x;

	test_int(smtp_xclient_parse(args, &x), SMTP_XCLIENT_OK);
	if (x.addr_is == SMTP_XCLIENT_SAID)
		ip_print(&x.addr, w->client);
	if (x.helo_is == SMTP_XCLIENT_SAID) {
		memcpy(w->helo, x.helo, sizeof(w->helo));
		w->s.config.helo_override = w->helo;
	}
	w->s.config.may_xclient = x.addr_is != SMTP_XCLIENT_SAID;
	smtp_server_start(&w->s, &e);
	act(w, &e);
}

static void
act(struct world *w, const struct smtp_effect *e)
{
	struct smtp_effect next;

	if (e->begins_body)
		begin_body(w);
	if (e->body.len > 0)
		take_body(w, e->body);
	for (unsigned i = 0; i <= e->n_more; i++)
		test_int(buf_add(&w->out, e->say), BUF_OK);
	for (struct slice rest = e->members, line;
	     smtp_server_expn_line(&w->s, &rest, &line);)
		test_int(buf_add(&w->out, line), BUF_OK);
	switch ((enum smtp_do)e->todo) {
	case SMTP_DO_NOTHING:
		break;
	case SMTP_DO_CONNECT:
		answer(w, world_connect(w));
		break;
	case SMTP_DO_HELO:
		answer(w, world_helo(w));
		break;
	case SMTP_DO_DATA:
		answer(w, world_data(w));
		break;
	case SMTP_DO_VRFY:
		answer(w, world_vrfy(w));
		break;
	case SMTP_DO_EXPN:
		world_expn(w, &next);
		act(w, &next);
		break;
	case SMTP_DO_MAIL:
		answer(w, world_mail(w));
		break;
	case SMTP_DO_RCPT:
		if (strcmp(w->s.rcpt, "full@one.example") == 0)
			w->full_rcpt = w->s.n_rcpts + 1;
		answer(w, world_rcpt(w));
		break;
	case SMTP_DO_AUTH:
		world_auth(w, e, &next);
		act(w, &next);
		break;
	case SMTP_DO_AUTH_STEP:
		test_true(w->keeper.is_there);
		say_auth(w, fake_keeper_step64(&w->keeper, e->auth), &next);
		act(w, &next);
		break;
	case SMTP_DO_AUTH_ABORT:
		test_true(w->keeper.is_there);
		w->keeper.is_there = false;
		break;
	case SMTP_DO_COMMIT:
		commit(w);
		answer_commit(w);
		break;
	case SMTP_DO_DROP_BODY:
		buf_reset(&w->body, 0);
		break;
	case SMTP_DO_DROP:
		w->body_is_open = false;
		buf_reset(&w->body, 0);
		break;
	case SMTP_DO_TLS:
		w->wants_tls = true;
		break;
	case SMTP_DO_XCLIENT:
		become(w, e->args);
		break;
	case SMTP_DO_CLOSE:
		w->is_closed = true;
		break;
	}
}

/* What the front does with its input. */
static void
pump(struct world *w)
{
	struct smtp_effect e;

	while (!w->is_closed && smtp_server_wants_input(&w->s) &&
	    w->in.len > 0) {
		struct slice in = test_exact_copy(buf_slice(&w->in));
		size_t n = smtp_server_step(&w->s, in, &e);
		bool is_stuck =
		    n == 0 && e.say.len == 0 && e.todo == SMTP_DO_NOTHING;

		act(w, &e);
		buf_eat(&w->in, n);
		test_free_copy(in);
		if (is_stuck)
			return;
	}
}

static void
send_bytes(struct world *w, struct slice bytes, size_t chunk)
{
	struct slice part;

	while (bytes.len > 0) {
		part = slice_upto(bytes, chunk);
		bytes = slice_from(bytes, part.len);
		test_int(buf_add(&w->in, part), BUF_OK);
		pump(w);
	}
}

/* -- the file -------------------------------------------------------------- */

/* \r \n \t \\ \0 \xHH, and \{N text} for N times a text. */
static void unescape(struct slice in, struct buf *out);

static uint8_t
hex_value(uint8_t c)
{
	return (uint8_t)(ascii_is_digit(c) ? c - '0'
					   : ascii_lower(c) - 'a' + 10);
}

static void
unescape_repeat(struct slice *in, struct buf *out)
{
	struct slice text;
	uint64_t n;

	test_true(slice_take_u64(in, 10000000, &n));
	test_true(slice_skip_byte(in, ' '));
	test_true(slice_take_until(in, '}', &text));
	while (n-- > 0)
		unescape(text, out);
}

static void
unescape(struct slice in, struct buf *out)
{
	static const char names[] = "rnt\\0", bytes[] = "\r\n\t\\";
	uint8_t c;

	while (slice_take_byte(&in, &c)) {
		const char *name;

		if (c != '\\') {
			test_int(buf_add_byte(out, c), BUF_OK);
			continue;
		}
		test_true(slice_take_byte(&in, &c));
		if (c == '{') {
			unescape_repeat(&in, out);
		} else if (c == 'x') {
			test_true(in.len >= 2);
			test_int(buf_add_byte(out,
				     (uint8_t)(hex_value(in.at[0]) << 4 |
					 hex_value(in.at[1]))),
			    BUF_OK);
			in = slice_from(in, 2);
		} else {
			name = strchr(names, c);
			test_true(name != NULL);
			test_int(buf_add_byte(out,
				     (uint8_t)bytes[name - names]),
			    BUF_OK);
		}
	}
}

/* '*' stands for any run. */
static bool
is_like(struct slice text, struct slice pattern)
{
	while (pattern.len > 0) {
		if (pattern.at[0] == '*') {
			pattern = slice_from(pattern, 1);
			for (size_t i = 0; i <= text.len; i++)
				if (is_like(slice_from(text, i), pattern))
					return true;
			return false;
		}
		if (text.len == 0 || text.at[0] != pattern.at[0])
			return false;
		text = slice_from(text, 1);
		pattern = slice_from(pattern, 1);
	}
	return text.len == 0;
}

static void
expect_line(struct world *w, struct slice pattern)
{
	struct slice out = buf_slice(&w->out), line = { 0 };

	if (!slice_take_crlf_line(&out, &line)) {
		print_error("no reply; want \"%.*s\"\n", SLICE_FMT(pattern));
		test_true(false);
	}
	test_true(line.len + 2 <= LIMIT_SMTP_REPLY_LINE);
	if (!is_like(line, pattern)) {
		print_error("got \"%.*s\", want \"%.*s\"\n", SLICE_FMT(line),
		    SLICE_FMT(pattern));
		test_true(false);
	}
	buf_eat(&w->out, w->out.len - out.len);
}

/* Whether a line of `reply` begins with `word`, its '_' being spaces. */
static bool
has_line(struct slice reply, struct slice word)
{
	struct slice line;

	while (slice_take_crlf_line(&reply, &line)) {
		bool is_same = line.len - 4 >= word.len;

		for (size_t i = 0; is_same && i < word.len; i++)
			is_same = line.at[4 + i] ==
			    (word.at[i] == '_' ? ' ' : word.at[i]);
		if (is_same)
			return true;
	}
	return false;
}

/* "M: 250 +SIZE -AUTH" */
static void
expect_whole(struct world *w, struct slice words)
{
	struct slice out = buf_slice(&w->out), line, word, reply;
	struct slice code = slice_upto(words, 3);
	bool is_more = true;

	words = slice_from(words, 3);
	do {
		if (!slice_take_crlf_line(&out, &line) || line.len < 4 ||
		    !slice_starts(line, code)) {
			print_error("want a whole %.*s\n", SLICE_FMT(code));
			test_true(false);
		}
		test_true(line.len + 2 <= LIMIT_SMTP_REPLY_LINE);
	} while (line.at[3] == '-');
	reply = slice_upto(buf_slice(&w->out), w->out.len - out.len);
	(void)slice_skip_byte(&words, ' ');
	while (is_more && words.len > 0) {
		is_more = slice_take_until(&words, ' ', &word);
		if (!is_more)
			word = words;
		if (has_line(reply, slice_from(word, 1)) !=
		    (word.at[0] == '+')) {
			print_error("%.*s is not so\n", SLICE_FMT(word));
			test_true(false);
		}
	}
	buf_eat(&w->out, w->out.len - out.len);
}

/* "K: submission tls auth size=1000": what stands before the first S: */
static void
set_kind(struct world *w, struct slice words)
{
	struct slice word;
	bool is_more = true;

	while (is_more) {
		is_more = slice_take_until(&words, ' ', &word);
		if (!is_more)
			word = words;
		if (slice_equal(word, SLICE("lmtp")))
			w->config.kind = SMTP_LMTP;
		else if (slice_equal(word, SLICE("vrfy")))
			w->config.vrfy = SMTP_TOLD_YES;
		else if (slice_equal(word, SLICE("vrfy-login")))
			w->config.vrfy = SMTP_TOLD_LOGIN;
		else if (slice_equal(word, SLICE("expn")))
			w->config.expn = SMTP_TOLD_YES;
		else if (slice_equal(word, SLICE("expn-login")))
			w->config.expn = SMTP_TOLD_LOGIN;
		else if (slice_skip(&word, SLICE("withheld=")))
			w->config.withheld |= smtp_ext_named(word);
		else if (slice_equal(word, SLICE("submission")))
			w->config.kind = SMTP_SUBMISSION;
		else if (slice_equal(word, SLICE("submissions")))
			w->config.kind = SMTP_SUBMISSIONS;
		else if (slice_equal(word, SLICE("no-cert")))
			w->config.can_tls = false;
		else if (slice_equal(word, SLICE("plain-auth")))
			w->config.plain_auth = true;
		else if (slice_equal(word, SLICE("xclient")))
			w->config.may_xclient = true;
		else if (slice_equal(word, SLICE("strict")))
			w->config.is_strict = w->is_at_once = true;
		else if (slice_equal(word, SLICE("commit-fails")))
			w->commit_fails = true;
		else if (slice_equal(word, SLICE("tokens")))
			w->mechanisms |= SASL_MASK_TOKEN;
		else if (slice_equal(word, SLICE("certificate")))
			w->mechanisms |= SASL_BIT(SASL_EXTERNAL);
		else if (slice_equal(word, SLICE("no-plus")))
			w->mechanisms &= ~(unsigned)SASL_MASK_PLUS;
		else if (slice_skip(&word, SLICE("mechanism=")))
			w->mechanisms = SASL_BIT(sasl_mechanism_find(word));
		else if (slice_equal(word, SLICE("auth-is-down")))
			w->auth_is_down = true;
		else if (slice_skip(&word, SLICE("mails=")))
			test_true(slice_to_u64(word, UINT32_MAX,
			    &w->mails_before));
		else if (slice_skip(&word, SLICE("greet=")))
			test_true(slice_to_u64(word, 599, &w->greet));
		else if (slice_skip(&word, SLICE("size=")))
			test_true(slice_to_u64(word, UINT64_MAX,
			    &w->config.max_size));
		else
			test_true(slice_equal(word, SLICE("mx")) ||
			    slice_equal(word, SLICE("pure")));
	}
}

static void
start(struct world *w)
{
	struct smtp_effect e;

	if (w->is_started)
		return;
	w->is_started = true;
	w->config.mechanisms = w->config.kind == SMTP_SUBMISSIONS
	    ? w->mechanisms
	    : w->mechanisms & ~(unsigned)SASL_MASK_PLUS;
	smtp_server_init(&w->s, &w->config);
	w->s.wall_us = INT64_C(1795413600) * 1000000; /* 2026-11-23 06:00 */
	w->s.n_mails = (unsigned)w->mails_before;
	smtp_server_start(&w->s, &e);
	act(w, &e);
}

static void
expect_body(struct world *w, struct slice text)
{
	struct buf want;

	buf_init(&want, BODY_MAX);
	unescape(text, &want);
	test_slice(buf_slice(&w->committed), buf_slice(&want));
	buf_deinit(&want);
}

static void
set_weather(struct world *w, struct slice name)
{
	w->s.weather = slice_equal(name, SLICE("fair")) ? SMTP_FAIR
	    : slice_equal(name, SLICE("full"))          ? SMTP_FULL
							: SMTP_TROUBLE;
}

static void
run_line(struct world *w, struct slice line, size_t chunk)
{
	struct buf bytes;
	uint8_t mark;

	if (line.len == 0 || line.at[0] == '#')
		return;
	mark = line.at[0];
	test_true(line.len >= 2 && line.at[1] == ':');
	line = slice_from(line, line.len > 2 && line.at[2] == ' ' ? 3 : 2);
	if (mark == 'K') {
		test_true(!w->is_started);
		set_kind(w, line);
		return;
	}
	start(w);
	buf_init(&bytes, FILE_MAX);
	switch (mark) {
	case 'S': /* it says */
		expect_line(w, line);
		break;
	case 'M': /* it says, in so many lines */
		expect_whole(w, line);
		break;
	case 'C':                        /* a command */
	case 'R':                        /* raw bytes */
		test_int(w->out.len, 0); /* all said so far was expected */
		unescape(line, &bytes);
		if (mark == 'C')
			test_int(buf_add(&bytes, SLICE("\r\n")), BUF_OK);
		send_bytes(w, buf_slice(&bytes),
		    w->is_at_once ? SIZE_MAX : chunk);
		break;
	case 'B': /* the message that was kept last */
		expect_body(w, line);
		break;
	case 'T': /* handshake */
		test_true(w->wants_tls);
		w->wants_tls = false;
		buf_reset(&w->in, 0);
		w->s.config.mechanisms = w->mechanisms;
		smtp_server_tls_up(&w->s);
		break;
	case 'N': { /* how many messages were kept */
		uint64_t n;

		test_true(slice_to_u64(line, 1000000, &n));
		test_int(w->n_commits, n);
		break;
	}
	case 'W': /* the weather */
		set_weather(w, line);
		break;
	case 'X': /* it closes */
		test_true(w->is_closed);
		break;
	default:
		test_true(false);
	}
	buf_deinit(&bytes);
}

static void
run_text(struct slice text, size_t chunk)
{
	struct world w = { .config = { .kind = SMTP_MX,
			       .hostname = "here.example",
			       .max_size = LIMIT_MESSAGE_SIZE,
			       .max_hold = 86400,
			       .max_priority = 4,
			       .can_tls = true },
		.mechanisms = SASL_MASK_SCRAM | SASL_MASK_PASSWORD };
	struct slice line;

	fake_keeper_init(&w.keeper);
	w.keeper.has_certificate = true;
	buf_init(&w.in, FILE_MAX);
	buf_init(&w.out, FILE_MAX);
	buf_init(&w.body, BODY_MAX);
	buf_init(&w.committed, BODY_MAX);
	while (slice_take_until(&text, '\n', &line))
		run_line(&w, line, chunk);
	test_int(text.len, 0); /* the file ends in a line end */
	test_int(w.out.len, 0);
	buf_deinit(&w.in);
	buf_deinit(&w.out);
	buf_deinit(&w.body);
	buf_deinit(&w.committed);
}

static unsigned
run_all(size_t chunk)
{
	static uint8_t text[FILE_MAX];
	char path[4096], what[512];
	const char *root = getenv("SOURCE_ROOT"), *only = getenv("TRANSCRIPT");
	struct dirent *entry;
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/tests/transcript",
	    root == NULL ? "." : root);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		size_t len;
		FILE *f;

		if (!ends_in(entry->d_name, ".smtp") ||
		    (only != NULL &&
			strncmp(entry->d_name, only, strlen(only)) != 0))
			continue;
		(void)snprintf(path, sizeof(path), "%s/tests/transcript/%s",
		    root == NULL ? "." : root, entry->d_name);
		(void)snprintf(what, sizeof(what), "%.255s in chunks of %zu",
		    entry->d_name, chunk);
		test_case(what);
		f = fopen(path, "rb");
		assert_non_null(f);
		len = fread(text, 1, sizeof(text), f);
		(void)fclose(f);
		run_text(slice_of(text, len), chunk);
		n++;
	}
	(void)closedir(d);
	return n;
}

static void
as_written(void **state)
{
	(void)state;
	assert_true(run_all(SIZE_MAX) >= 80 || getenv("TRANSCRIPT") != NULL);
}

static void
byte_by_byte(void **state)
{
	(void)state;
	assert_true(run_all(1) >= 80 || getenv("TRANSCRIPT") != NULL);
}

TEST_MAIN(cmocka_unit_test(as_written), cmocka_unit_test(byte_by_byte))
