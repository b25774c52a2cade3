/* SPDX-License-Identifier: ISC */
/*
 * Conversations from tests/transcript (*.imap) against the pure session with a
 * store in memory: as written, byte by byte, and without summaries, so that
 * what comes from a summary and what comes from the bytes must be the same.
 */
#include <dirent.h>

#include "base/test.h"
#include "imap/fake_world.h"

enum {
	TEXT_MAX = 1024 * 1024
};

struct run {
	struct fake_store *store;
	struct fake_client client;
	struct imap_config config;
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

/* '*' is anything; one at the beginning stands for itself. */
static bool
matches(struct slice pattern, struct slice line)
{
	size_t p = 0, n = 0, star = SIZE_MAX, star_n = 0;

	if (slice_starts(pattern, SLICE("* "))) {
		if (!slice_starts(line, SLICE("* ")))
			return false;
		p = n = 2;
	}
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
	r->config.mechanisms = r->has_tls
	    ? r->mechanisms
	    : r->mechanisms & ~(unsigned)SASL_MASK_PLUS;
	fake_client_init(&r->client, r->store, &r->config, r->has_tls,
	    64 * 1024);
	fake_client_run(&r->client);
}

static void
feed(struct run *r, struct slice bytes)
{
	for (size_t i = 0; r->is_bytewise && i < bytes.len; i++)
		fake_client_feed(&r->client, slice_of(bytes.at + i, 1));
	if (!r->is_bytewise)
		fake_client_feed(&r->client, bytes);
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
	r->config.mechanisms = r->mechanisms;
	imap_session_tls_up(r->client.session);
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
		r->config.plain_auth = true;
	if (slice_find(text, SLICE("no-cert")) != SIZE_MAX)
		r->config.may_start_tls = false;
	if (slice_find(text, SLICE("tokens")) != SIZE_MAX)
		r->mechanisms |= SASL_MASK_TOKEN;
	if (slice_find(text, SLICE("certificate")) != SIZE_MAX)
		r->mechanisms |= SASL_BIT(SASL_EXTERNAL);
	if (slice_find(text, SLICE("only-scram")) != SIZE_MAX)
		r->mechanisms = SASL_BIT(SASL_SCRAM_SHA_256);
	if (slice_find(text, SLICE("clear")) != SIZE_MAX)
		r->has_tls = false;
	if (slice_find(text, SLICE("empty")) != SIZE_MAX)
		fake_store_box(r->store, SLICE("INBOX"))->n_entries = 0;
}

/* In other mailboxes: deliver NAME, flag NAME, create NAME, remove NAME,
 * rename NAME TO, subscribe NAME. */
static void
happens_elsewhere(struct run *r, struct slice text)
{
	struct slice word = text, name;
	struct fake_box *b;
	char box[64];

	(void)slice_take_until(&text, ' ', &word);
	if (!slice_take_until(&text, ' ', &name)) {
		name = text;
		text.len = 0;
	}
	(void)slice_to_cstr(name, box, sizeof(box));
	if (slice_equal(word, SLICE("create"))) {
		fake_store_create(r->store, name);
		return;
	}
	b = fake_store_box(r->store, name);
	if (b == NULL)
		stop(r, "no such mailbox", name, text);
	if (slice_equal(word, SLICE("deliver")))
		(void)fake_store_add(r->store, box, slice_cstr(fake_plain), 0);
	else if (slice_equal(word, SLICE("flag")))
		fake_store_flag(r->store, box, 1, IMAP_SEEN);
	else if (slice_equal(word, SLICE("remove")))
		b->exists = b->is_subscribed = false;
	else if (slice_equal(word, SLICE("rename")))
		(void)slice_to_cstr(text, b->name, sizeof(b->name));
	else
		b->is_subscribed = !b->is_subscribed;
}

/* What somebody else does meanwhile: deliver, expunge UID, flag UID BITS,
 * delete NAME, trim, down, fails, works, lost, lost-keeper, bye. */
static void
on_world(struct run *r, struct slice text)
{
	struct slice word = text, rest = text;
	uint64_t uid = 0, bits = 0;

	start(r);
	if (slice_take_until(&rest, ' ', &word) &&
	    !slice_equal(word, SLICE("elsewhere")))
		(void)slice_take_u64(&rest, UINT32_MAX, &uid);
	if (!slice_equal(word, SLICE("elsewhere")))
		(void)slice_skip_byte(&rest, ' ');
	if (slice_equal(word, SLICE("flag")))
		(void)slice_take_u64(&rest, 255, &bits);
	if (slice_equal(word, SLICE("deliver")))
		(void)fake_store_add(r->store, "INBOX", slice_cstr(fake_plain),
		    0);
	else if (slice_equal(word, SLICE("expunge")))
		fake_store_expunge(r->store, "INBOX", (uint32_t)uid);
	else if (slice_equal(word, SLICE("flag")))
		fake_store_flag(r->store, "INBOX", (uint32_t)uid,
		    (uint8_t)bits);
	else if (slice_equal(word, SLICE("delete")))
		fake_store_box(r->store, SLICE("INBOX"))->exists = false;
	else if (slice_equal(word, SLICE("elsewhere")))
		happens_elsewhere(r, rest);
	else if (slice_equal(word, SLICE("trim")))
		fake_store_trim(r->store);
	else if (slice_equal(word, SLICE("down")))
		r->store->is_down = true;
	else if (slice_equal(word, SLICE("fails")))
		r->store->fails = true;
	else if (slice_equal(word, SLICE("works")))
		r->store->fails = r->store->is_down = false;
	else if (slice_equal(word, SLICE("lost")))
		imap_session_lost_store(r->client.session);
	else if (slice_equal(word, SLICE("bye")))
		imap_session_bye(r->client.session, "Enough");
	else
		stop(r, "unknown word", text, word);
	if (!slice_equal(word, SLICE("elsewhere")))
		imap_session_changed(r->client.session);
	if (r->client.wants_notice) {
		r->client.wants_notice = false;
		imap_session_noticed(r->client.session);
	}
	fake_client_run(&r->client);
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
run_text(const char *file, struct slice text, bool bytewise, bool summaries)
{
	struct run r = { .file = file,
		.has_tls = true,
		.is_bytewise = bytewise,
		.mechanisms = SASL_MASK_SCRAM | SASL_MASK_PASSWORD,
		.config = { .hostname = "here.example",
			.find_least = 1,
		    .may_start_tls = true,
		    .max_size = 100000 } };
	struct slice line;

	r.store = calloc(1, sizeof(*r.store));
	r.text = malloc(TEXT_MAX);
	if (r.store == NULL || r.text == NULL)
		abort();
	fake_store_init(r.store);
	r.store->has_summaries = summaries;
	fake_world_fill(r.store);
	while (slice_take_until(&text, '\n', &line))
		run_line(&r, line);
	check_silence(&r);
	fake_client_deinit(&r.client);
	fake_store_deinit(r.store);
	free(r.store);
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
	run_text(path, slice_of(text, n), false, true);
	run_text(path, slice_of(text, n), true, true);
	run_text(path, slice_of(text, n), false, false);
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
		if (!slice_ends(slice_cstr(e->d_name), SLICE(".imap")) ||
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
