/* SPDX-License-Identifier: ISC */
/*
 * mutate_smtp [N [SEED]] - N random mutations of the transcripts' sessions
 * mutate_smtp --one SEED NUMBER - that one again, with its dialogue
 *
 * Each NUMBER of a SEED is a session of tests/transcript/NAME.smtp with one to
 * eight changes: commands left out, doubled, exchanged, taken from others;
 * bytes changed, inserted, cut. It is played to the pure session twice
 * (mutate/play), in one piece and in random ones, which must give the same, and
 * is judged by mutate/referee. The first fault ends it with status 1 and says
 * how to see it again. SOURCE_ROOT: where the transcripts are.
 * tools/mutate-smtp builds it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mutate/play.h"
#include "mutate/referee.h"

enum {
	SCRIPTS_MAX = 2000,
	SENDS_MAX = 400, /* of one script */
	FILE_MAX = 1024 * 1024,
	CHANGES_MAX = 8
};

struct script {
	char name[128];
	struct play_config config;
	struct slice *sends; /* what the client sends, in turn */
	size_t n_sends;
};

static struct script scripts[SCRIPTS_MAX];
static size_t n_scripts;
static struct play plays[2];
static struct buf stream;

/* Of the session under way, for the words at a fault. */
static uint64_t now_seed, now_number;
static bool is_shown;

static void
show(struct slice s, const char *mark)
{
	(void)fputs(mark, stdout);
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.at[i];

		if (ascii_is_print(c) && c != '\\')
			(void)putchar(c);
		else if (c == '\r' || c == '\n')
			(void)fputs(c == '\r' ? "\\r" : "\\n", stdout);
		else
			(void)printf("\\x%02x", c);
		if (c == '\n' && i + 1 < s.len)
			(void)printf("\n%s", mark);
	}
	(void)putchar('\n');
}

void
play_failed(const char *why)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s\nsee it again: mutate_smtp --one %llu %llu\n",
	    why, (unsigned long long)now_seed, (unsigned long long)now_number);
	exit(1);
}

/* -- the transcripts ------------------------------------------------------- */

static void *
must_alloc(size_t n)
{
	void *at = calloc(1, n == 0 ? 1 : n);

	if (at == NULL)
		abort();
	return at;
}

static uint8_t
hex_value(uint8_t c)
{
	return (uint8_t)(ascii_is_digit(c) ? c - '0'
					   : ascii_lower(c) - 'a' + 10);
}

static bool unescape(struct slice in, struct buf *out);

/* Behind the backslash. */
static bool
unescape_one(struct slice *in, struct buf *out)
{
	static const char names[] = "rnt\\0", bytes[] = "\r\n\t\\";
	const char *name;
	struct slice text;
	uint64_t times;
	uint8_t c;

	if (!slice_take_byte(in, &c))
		return false;
	if (c == '{') {
		if (!slice_take_u64(in, PLAY_STREAM, &times) ||
		    !slice_skip_byte(in, ' ') ||
		    !slice_take_until(in, '}', &text))
			return false;
		while (times-- > 0)
			if (!unescape(text, out))
				return false;
		return true;
	}
	if (c == 'x') {
		if (in->len < 2)
			return false;
		c = (uint8_t)(hex_value(in->at[0]) << 4 | hex_value(in->at[1]));
		*in = slice_from(*in, 2);
	} else {
		name = strchr(names, c);
		if (name == NULL)
			return false;
		c = (uint8_t)bytes[name - names];
	}
	return buf_add_byte(out, c) == BUF_OK;
}

/* tests/transcript/README.md. False: more than a stream may hold. */
static bool
unescape(struct slice in, struct buf *out)
{
	uint8_t c;

	while (slice_take_byte(&in, &c))
		if (c == '\\' ? !unescape_one(&in, out)
			      : buf_add_byte(out, c) != BUF_OK)
			return false;
	return true;
}

static void
set_word(struct play_config *c, struct slice word)
{
	struct smtp_server_config *s = &c->server;
	uint64_t n;

	if (slice_equal(word, SLICE("lmtp")))
		s->kind = SMTP_LMTP;
	else if (slice_equal(word, SLICE("submission")))
		s->kind = SMTP_SUBMISSION;
	else if (slice_equal(word, SLICE("submissions")))
		s->kind = SMTP_SUBMISSIONS;
	else if (slice_equal(word, SLICE("vrfy")))
		s->vrfy = SMTP_TOLD_YES;
	else if (slice_equal(word, SLICE("vrfy-login")))
		s->vrfy = SMTP_TOLD_LOGIN;
	else if (slice_equal(word, SLICE("expn")))
		s->expn = SMTP_TOLD_YES;
	else if (slice_equal(word, SLICE("expn-login")))
		s->expn = SMTP_TOLD_LOGIN;
	else if (slice_equal(word, SLICE("no-cert")))
		s->can_tls = false;
	else if (slice_equal(word, SLICE("plain-auth")))
		s->plain_auth = true;
	else if (slice_equal(word, SLICE("xclient")))
		s->may_xclient = true;
	else if (slice_equal(word, SLICE("commit-fails")))
		c->commit_fails = true;
	else if (slice_equal(word, SLICE("tokens")))
		s->mechanisms |= SASL_MASK_TOKEN;
	else if (slice_equal(word, SLICE("certificate")))
		s->mechanisms |= SASL_BIT(SASL_EXTERNAL);
	else if (slice_skip(&word, SLICE("withheld=")))
		s->withheld |= smtp_ext_named(word);
	else if (slice_skip(&word, SLICE("size=")))
		(void)slice_to_u64(word, UINT64_MAX, &s->max_size);
	else if (slice_skip(&word, SLICE("mails=")) &&
	    slice_to_u64(word, UINT32_MAX, &n))
		c->n_mails = (unsigned)n;
	else if (slice_skip(&word, SLICE("greet=")) &&
	    slice_to_u64(word, 599, &n))
		c->greeting = (uint16_t)n;
}

static void
add_send(struct script *s, const struct buf *bytes)
{
	uint8_t *copy = must_alloc(bytes->len);

	if (bytes->len == 0 || s->n_sends == SENDS_MAX) {
		free(copy);
		return;
	}
	memcpy(copy, buf_slice(bytes).at, bytes->len);
	s->sends[s->n_sends++] = slice_of(copy, bytes->len);
}

static void
read_line(struct script *s, struct slice line)
{
	struct slice words = slice_from(line, 3), word;
	struct buf bytes;

	if (slice_starts(line, SLICE("K: "))) {
		while (slice_take_until(&words, ' ', &word))
			set_word(&s->config, word);
		set_word(&s->config, words);
	}
	if (!slice_starts(line, SLICE("C:")) &&
	    !slice_starts(line, SLICE("R:")))
		return;
	buf_init(&bytes, PLAY_STREAM);
	if (unescape(words, &bytes) &&
	    (line.at[0] == 'R' || buf_add(&bytes, SLICE("\r\n")) == BUF_OK))
		add_send(s, &bytes);
	buf_deinit(&bytes);
}

static void
read_script(const char *dir, const char *name)
{
	static uint8_t text[FILE_MAX];
	struct script *s = &scripts[n_scripts];
	struct slice rest, line;
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return;
	rest = slice_of(text, fread(text, 1, sizeof(text), f));
	(void)fclose(f);
	s->config.server = (struct smtp_server_config){ .kind = SMTP_MX,
		.hostname = "here.example",
		.max_size = 20000,
		.max_hold = 86400,
		.max_priority = 4,
		.can_tls = true,
		.mechanisms = SASL_MASK_SCRAM | SASL_MASK_PASSWORD };
	s->sends = must_alloc(SENDS_MAX * sizeof(*s->sends));
	(void)snprintf(s->name, sizeof(s->name), "%.127s", name);
	while (slice_take_until(&rest, '\n', &line))
		read_line(s, line);
	if (s->n_sends > 0)
		n_scripts++;
	else
		free(s->sends);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct script *)a)->name,
	    ((const struct script *)b)->name);
}

static void
read_scripts(void)
{
	const char *root = getenv("SOURCE_ROOT");
	char dir[2048];
	struct dirent *e;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%s/tests/transcript",
	    root == NULL ? "." : root);
	d = opendir(dir);
	if (d == NULL) {
		perror(dir);
		exit(1);
	}
	while ((e = readdir(d)) != NULL && n_scripts < SCRIPTS_MAX)
		if (slice_ends(slice_cstr(e->d_name), SLICE(".smtp")))
			read_script(dir, e->d_name);
	(void)closedir(d);
	/* the same number is the same session on every machine */
	qsort(scripts, n_scripts, sizeof(scripts[0]), by_name);
}

/* -- changes --------------------------------------------------------------- */

#define WORD(text)                                                             \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}
static const struct slice words[] = { WORD("\r\n.\r\n"), WORD("\n.\n"),
	WORD("\r.\r"), WORD("\n.\r\n"), WORD("\r\n.\n"), WORD("\r\n.\r"),
	WORD("\r\r\n.\r\r\n"), WORD(".\r\n"), WORD("\r\n"), WORD("\n"),
	WORD("\r"), WORD("\0"), WORD("."), WORD(".."), WORD(" "), WORD("\t"),
	WORD("<"), WORD(">"), WORD("@"), WORD(":"), WORD("\""), WORD("\\"),
	WORD("="), WORD("+"), WORD("+3D"), WORD("+0a"), WORD(","), WORD(";"),
	WORD("\xc3\xa9"), WORD("\xff"), WORD("\xc0\xae"), WORD("\xe2\x80\xa8"),
	WORD("\x85"), WORD("\x7f"), WORD("99999999999999999999"), WORD("-1"),
	WORD("0"), WORD("BDAT 5\r\n"), WORD("BDAT 5 LAST\r\n"),
	WORD("BDAT 0 LAST\r\n"), WORD("BDAT 70000 LAST\r\n"), WORD("DATA\r\n"),
	WORD("RSET\r\n"), WORD("NOOP\r\n"), WORD("QUIT\r\n"),
	WORD("EHLO a.example\r\n"), WORD("HELO a.example\r\n"),
	WORD("LHLO a.example\r\n"), WORD("MAIL FROM:<a@one.example>\r\n"),
	WORD("MAIL FROM:<>\r\n"), WORD("RCPT TO:<alice@one.example>\r\n"),
	WORD("RCPT TO:<nobody@one.example>\r\n"), WORD("STARTTLS\r\n"),
	WORD("AUTH PLAIN "),
	WORD("AUTH PLAIN AGFsaWNlQG9uZS5leGFtcGxlAGNvcnJlY3QgaG9yc2U=\r\n"),
	WORD("AUTH LOGIN\r\n"), WORD("*\r\n"),
	WORD("XCLIENT ADDR=192.0.2.1\r\n"), WORD("VRFY alice@one.example\r\n"),
	WORD("EXPN alice@one.example\r\n"), WORD("HELP\r\n"), WORD(" SIZE=1"),
	WORD(" BODY=8BITMIME"), WORD(" BODY=BINARYMIME"), WORD(" SMTPUTF8"),
	WORD(" NOTIFY=NEVER"), WORD(" ORCPT=rfc822;a"), WORD(" RET=FULL"),
	WORD(" HOLDFOR=9"), WORD(" BY=60;R"), WORD(" MT-PRIORITY=9"),
	WORD(" REQUIRETLS"), WORD("LAST"), WORD("GET / HTTP/1.1\r\n") };
enum {
	N_WORDS = sizeof(words) / sizeof(words[0])
};

static size_t
below(uint64_t *random, size_t n)
{
	return n == 0 ? 0 : (size_t)(play_random(random) % n);
}

static const struct slice *
any_send(uint64_t *random)
{
	const struct script *s = &scripts[below(random, n_scripts)];

	return &s->sends[below(random, s->n_sends)];
}

/* Of whole commands, or what the client sent in one piece. */
static void
change_sends(struct slice *sends, size_t *n, uint64_t *random)
{
	size_t i = below(random, *n), j = below(random, *n);
	struct slice was;

	switch (*n == 0 ? 1 : play_random(random) % 5) {
	case 0: /* left out */
		(*n)--;
		memmove(sends + i, sends + i + 1, (*n - i) * sizeof(*sends));
		break;
	case 1: /* one of another session */
	case 2: /* twice */
		if (*n == SENDS_MAX)
			break;
		was = *n == 0 || play_random(random) % 2 == 0
		    ? *any_send(random)
		    : sends[i];
		memmove(sends + i + 1, sends + i, (*n - i) * sizeof(*sends));
		sends[i] = was;
		(*n)++;
		break;
	case 3: /* exchanged */
		was = sends[i];
		sends[i] = sends[j];
		sends[j] = was;
		break;
	default: /* and nothing behind it */
		*n = i + 1;
		break;
	}
}

static void
insert(uint8_t *at, size_t *n, size_t i, struct slice what)
{
	if (what.len > PLAY_STREAM - *n)
		return;
	memmove(at + i + what.len, at + i, *n - i);
	memmove(at + i, what.at, what.len);
	*n += what.len;
}

static void
cut(uint8_t *at, size_t *n, size_t i, size_t len)
{
	if (len > *n - i)
		len = *n - i;
	memmove(at + i, at + i + len, *n - i - len);
	*n -= len;
}

static void
change_bytes(uint8_t *at, size_t *n, uint64_t *random)
{
	size_t i = below(random, *n + 1), len = 1 + below(random, 12);
	uint8_t run[64];

	switch (play_random(random) % 6) {
	case 0:
		if (i < *n)
			at[i] ^= (uint8_t)(1u << below(random, 8));
		break;
	case 1:
		insert(at, n, i, words[below(random, N_WORDS)]);
		break;
	case 2:
		cut(at, n, i, len);
		break;
	case 3: /* a run, elsewhere */
		if (*n - i < len)
			len = *n - i;
		memcpy(run, at + i, len);
		insert(at, n, below(random, *n + 1), slice_of(run, len));
		break;
	case 4: /* a word in the place of what is there */
		cut(at, n, i, len);
		insert(at, n, i, words[below(random, N_WORDS)]);
		break;
	default: /* half of a line end is lost */
		for (; i < *n; i++)
			if (at[i] == '\r' || at[i] == '\n') {
				cut(at, n, i, 1);
				break;
			}
		break;
	}
}

/* -- one session ----------------------------------------------------------- */

static const struct script *
make(uint64_t random, struct play_config *ret)
{
	const struct script *s = &scripts[below(&random, n_scripts)];
	static struct slice sends[SENDS_MAX];
	size_t n_sends = s->n_sends, n;
	unsigned n_changes =
	    1 + (unsigned)below(&random, 1 + below(&random, CHANGES_MAX));
	uint8_t *at;

	*ret = s->config;
	ret->seed = play_random(&random);
	ret->moody = below(&random, 8) == 0 ? 20 : 0;
	memcpy(sends, s->sends, n_sends * sizeof(sends[0]));
	for (unsigned i = 0; i < n_changes / 2; i++)
		change_sends(sends, &n_sends, &random);
	buf_reset(&stream, PLAY_STREAM);
	for (size_t i = 0; i < n_sends; i++)
		if (buf_add(&stream, sends[i]) != BUF_OK)
			break;
	n = stream.len;
	if (buf_reserve(&stream, PLAY_STREAM - n, &at) != BUF_OK)
		play_failed("no memory");
	at -= n;
	for (unsigned i = n_changes / 2; i < n_changes; i++)
		change_bytes(at, &n, &random);
	stream.len = n;
	return s;
}

static void
show_events(size_t at)
{
	const struct play *p = &plays[0];

	for (size_t i = 0; i < p->n_events; i++)
		(void)printf("asked %d at octet %zu: %u\n", p->events[i].what,
		    p->events[i].at, p->events[i].code);
	for (size_t i = 0; i < p->n_commits; i++)
		(void)printf("kept %zu octets, up to octet %zu\n",
		    p->commits[i].len, p->commits[i].end);
	(void)printf("at octet %zu\n", at);
}

/* Which of several faults of one message is named depends on which is read
 * first; that it is refused does not. */
static bool
is_refusal(struct slice line)
{
	return slice_starts(line, SLICE("552 5.3.4 ")) ||
	    slice_starts(line, SLICE("554 5.6.11 ")) ||
	    slice_starts(line, SLICE("554 5.4.6 "));
}

static bool
is_same_talk(struct slice a, struct slice b)
{
	struct slice in_a, in_b;

	while (slice_take_crlf_line(&a, &in_a)) {
		if (!slice_take_crlf_line(&b, &in_b) ||
		    (!slice_equal(in_a, in_b) &&
			(!is_refusal(in_a) || !is_refusal(in_b))))
			return false;
	}
	return b.len == 0;
}

static void
one(uint64_t seed, uint64_t number)
{
	uint64_t random = seed;
	struct play_config config;
	const struct script *s;
	const char *why;
	size_t at;

	now_seed = seed;
	now_number = number;
	random = play_random(&random) ^ number * UINT64_C(0xd6e8feb86659fd93);
	s = make(random, &config);
	if (is_shown) {
		(void)printf("# %s\n", s->name);
		show(buf_slice(&stream), "C: ");
		(void)fflush(stdout);
	}
	config.chunk = SIZE_MAX >> 33;
	play_run(&plays[0], &config, buf_slice(&stream));
	if (is_shown)
		show(buf_slice(&plays[0].out), "S: ");
	why = referee_check(&plays[0], &config.server, buf_slice(&stream), &at);
	if (why != NULL) {
		if (is_shown)
			show_events(at);
		play_failed(why);
	}
	config.chunk = 0;
	play_run(&plays[1], &config, buf_slice(&stream));
	if (!is_same_talk(buf_slice(&plays[0].out), buf_slice(&plays[1].out)) ||
	    !slice_equal(buf_slice(&plays[0].bodies),
		buf_slice(&plays[1].bodies))) {
		if (is_shown)
			show(buf_slice(&plays[1].out), "s: ");
		play_failed("in pieces it is another conversation");
	}
}

static uint64_t
number_of(const char *text)
{
	uint64_t n;

	if (!slice_to_u64(slice_cstr(text), UINT64_MAX, &n)) {
		(void)fprintf(stderr, "mutate_smtp: no number: %s\n", text);
		exit(2);
	}
	return n;
}

int
main(int argc, char **argv)
{
	uint64_t n = 20000, seed = (uint64_t)time(NULL), n_mails = 0;

	for (size_t i = 0; i < 2; i++) {
		buf_init(&plays[i].out, 64 * 1024 * 1024);
		buf_init(&plays[i].bodies, 64 * 1024 * 1024);
	}
	buf_init(&stream, PLAY_STREAM);
	read_scripts();
	if (argc == 4 && strcmp(argv[1], "--one") == 0) {
		is_shown = true;
		one(number_of(argv[2]), number_of(argv[3]));
		(void)printf("all was right\n");
		return 0;
	}
	if (argc > 1)
		n = number_of(argv[1]);
	if (argc > 2)
		seed = number_of(argv[2]);
	(void)printf("%zu transcripts, seed %llu\n", n_scripts,
	    (unsigned long long)seed);
	(void)fflush(stdout);
	if (n_scripts == 0)
		return 1;
	for (uint64_t i = 0; i < n; i++) {
		one(seed, i);
		n_mails += plays[0].n_commits;
	}
	(void)printf("%llu sessions, %llu mails kept, no fault\n",
	    (unsigned long long)n, (unsigned long long)n_mails);
	return 0;
}
