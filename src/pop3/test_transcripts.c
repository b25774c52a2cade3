/* SPDX-License-Identifier: ISC */
/*
 * Conversations from tests/transcript (*.pop3) against the pure session with a
 * maildrop in memory: as written, and byte by byte.
 */
#include <dirent.h>

#include "base/test.h"
#include "pop3/fake_store.h"

enum {
	TEXT_MAX = 1024 * 1024
};

struct run {
	struct fake_pop3 client;
	bool is_started, has_tls, is_bytewise;
	unsigned mechanisms; /* within TLS */
	size_t seen;         /* of the client's output */
	const char *file;
	unsigned line;
	uint8_t *text; /* unescaped */
};

static void
stop(const struct run *r, const char *what, struct slice want, struct slice got)
{
	print_error("%s:%u: %s\nwant \"%.*s\"\ngot  \"%.*s\"\n", r->file,
	    r->line, what, SLICE_FMT(want), SLICE_FMT(got));
	_fail(r->file, (int)r->line);
}

/* '*' is anything. */
static bool
matches(struct slice pattern, struct slice line)
{
	size_t p = 0, n = 0, star = SIZE_MAX, star_n = 0;

	while (n < line.len || p < pattern.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			star_n = n;
		} else if (p < pattern.len && n < line.len &&
		    pattern.at[p] == line.at[n]) {
			p++;
			n++;
		} else if (star != SIZE_MAX && star_n < line.len) {
			p = star;
			n = ++star_n;
		} else {
			return false;
		}
	}
	return true;
}

static size_t
put_run(uint8_t *at, struct slice *in)
{
	uint64_t times;
	struct slice text;
	size_t n = 0;

	if (!slice_take_u64(in, 1000000, &times) || !slice_skip_byte(in, ' ') ||
	    !slice_take_until(in, '}', &text))
		abort();
	for (; times > 0; times--, n += text.len)
		memcpy(at + n, text.at, text.len);
	return n;
}

/* \r \n \t \0 \\ \xHH \{N text} */
static struct slice
unescape(struct run *r, struct slice in)
{
	static const char from[] = "rnt0\\", to[] = "\r\n\t\0\\";
	size_t n = 0;
	uint8_t c, e;

	while (slice_take_byte(&in, &c)) {
		const char *known;
		char hex[3] = { 0 };

		if (c != '\\' || !slice_take_byte(&in, &e)) {
			r->text[n++] = c;
			continue;
		}
		known = strchr(from, e);
		if (known != NULL) {
			r->text[n++] = (uint8_t)to[known - from];
		} else if (e == '{') {
			n += put_run(r->text + n, &in);
		} else if (e == 'x' && in.len >= 2) {
			memcpy(hex, in.at, 2);
			in = slice_from(in, 2);
			r->text[n++] = (uint8_t)strtoul(hex, NULL, 16);
		} else {
			r->text[n++] = c; /* \Seen is just that */
			r->text[n++] = e;
		}
	}
	return slice_of(r->text, n);
}

static void
start(struct run *r)
{
	if (r->is_started)
		return;
	r->is_started = true;
	r->client.config.mechanisms = r->has_tls
	    ? r->mechanisms
	    : r->mechanisms & ~(unsigned)SASL_MASK_PLUS;
	fake_pop3_init(&r->client, r->has_tls);
	fake_pop3_run(&r->client);
}

static void
feed(struct run *r, struct slice bytes)
{
	for (size_t i = 0; r->is_bytewise && i < bytes.len; i++)
		fake_pop3_feed(&r->client, slice_of(bytes.at + i, 1));
	if (!r->is_bytewise)
		fake_pop3_feed(&r->client, bytes);
}

static struct slice
unseen(struct run *r)
{
	return slice_from(buf_slice(&r->client.out), r->seen);
}

static void
on_server(struct run *r, struct slice want)
{
	struct slice rest = unseen(r), line;

	start(r);
	rest = unseen(r);
	if (!slice_take_crlf_line(&rest, &line))
		stop(r, "nothing was said", want, rest);
	if (!matches(want, line))
		stop(r, "something else was said", want, line);
	r->seen = r->client.out.len - rest.len;
}

static void
check_silence(struct run *r)
{
	start(r);
	if (unseen(r).len > 0)
		stop(r, "more was said", SLICE(""), unseen(r));
}

static void
on_command(struct run *r, struct slice text)
{
	check_silence(r);
	text = unescape(r, text);
	r->text[text.len] = '\r';
	r->text[text.len + 1] = '\n';
	feed(r, slice_of(r->text, text.len + 2));
}

static void
on_raw(struct run *r, struct slice text)
{
	check_silence(r);
	feed(r, unescape(r, text));
}

static void
on_tls(struct run *r, struct slice text)
{
	(void)text;
	check_silence(r);
	if (!r->client.wants_tls)
		stop(r, "no handshake is wanted", SLICE("T:"), SLICE(""));
	r->client.wants_tls = false;
	r->client.config.mechanisms = r->mechanisms;
	pop3_session_tls_up(r->client.session);
}

static void
on_end(struct run *r, struct slice text)
{
	(void)text;
	check_silence(r);
	if (!r->client.is_over)
		stop(r, "the session goes on", SLICE("X:"), SLICE(""));
}

static void
on_kind(struct run *r, struct slice text)
{
	if (slice_find(text, SLICE("plain-auth")) != SIZE_MAX)
		r->client.config.plain_auth = true;
	if (slice_find(text, SLICE("no-cert")) != SIZE_MAX)
		r->client.config.may_start_tls = false;
	if (slice_find(text, SLICE("tokens")) != SIZE_MAX)
		r->mechanisms |= SASL_MASK_TOKEN;
	if (slice_find(text, SLICE("certificate")) != SIZE_MAX)
		r->mechanisms |= SASL_BIT(SASL_EXTERNAL);
	if (slice_find(text, SLICE("only-scram")) != SIZE_MAX)
		r->mechanisms = SASL_BIT(SASL_SCRAM_SHA_256);
	if (slice_find(text, SLICE("clear")) != SIZE_MAX)
		r->has_tls = false;
}

/* down, fails, in-use, works, lost, bye, left N (messages are left) */
static void
on_world(struct run *r, struct slice text)
{
	struct fake_pop3 *f = &r->client;
	unsigned left = 0;

	start(r);
	f->is_down = slice_equal(text, SLICE("down"));
	f->fails = slice_equal(text, SLICE("fails"));
	f->is_in_use = slice_equal(text, SLICE("in-use"));
	if (slice_equal(text, SLICE("lost")))
		pop3_session_lost_store(f->session);
	if (slice_equal(text, SLICE("bye")))
		pop3_session_bye(f->session, "-ERR Enough");
	if (slice_skip(&text, SLICE("left "))) {
		for (size_t i = 0; i < FAKE_POP3_MESSAGES; i++)
			left += !f->removed[i];
		if (text.len != 1 || text.at[0] != '0' + left)
			stop(r, "other messages are left", text, SLICE(""));
	}
	fake_pop3_run(f);
}

static void
on_nothing(struct run *r, struct slice text)
{
	(void)r;
	(void)text;
}

static const struct {
	char mark;
	void (*run)(struct run *r, struct slice text);
} marks[] = { { 'K', on_kind }, { 'S', on_server }, { 'C', on_command },
	{ 'R', on_raw }, { 'T', on_tls }, { 'X', on_end }, { 'W', on_world },
	{ '#', on_nothing } };

static void
run_line(struct run *r, struct slice line)
{
	r->line++;
	if (line.len == 0)
		return;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (line.at[0] == (uint8_t)marks[i].mark) {
			marks[i].run(r, slice_from(line, 3));
			return;
		}
	stop(r, "no such mark", SLICE(""), line);
}

static void
run_text(const char *file, struct slice text, bool bytewise)
{
	struct run r = { .file = file,
		.has_tls = true,
		.is_bytewise = bytewise,
		.mechanisms = SASL_MASK_SCRAM | SASL_MASK_PASSWORD,
		.client.config = {
		    .hostname = "here.example", .may_start_tls = true } };
	struct slice line;

	r.text = malloc(TEXT_MAX);
	if (r.text == NULL)
		abort();
	while (slice_take_until(&text, '\n', &line))
		run_line(&r, line);
	check_silence(&r);
	fake_pop3_deinit(&r.client);
	free(r.text);
}

static void
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(TEXT_MAX);
	size_t n;

	if (f == NULL || text == NULL)
		abort();
	n = fread(text, 1, TEXT_MAX, f);
	(void)fclose(f);
	test_case(path);
	run_text(path, slice_of(text, n), false);
	run_text(path, slice_of(text, n), true);
	free(text);
}

static void
transcripts(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	const char *only = getenv("ONLY");
	char dir[4096], path[8192];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/tests/transcript",
	    root == NULL ? "." : root);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (!slice_ends(slice_cstr(e->d_name), SLICE(".pop3")) ||
		    (only != NULL && strstr(e->d_name, only) == NULL))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		run_file(path);
		n++;
	}
	(void)closedir(d);
	test_true(n > 0);
}

TEST_MAIN(cmocka_unit_test(transcripts))
