/* SPDX-License-Identifier: ISC */
#include "mutate/referee.h"

#include <stddef.h>
#include <string.h>

struct game {
	const struct play *p;
	const struct smtp_server_config *config;
	struct slice stream, out;
	size_t at, line_at; /* in the stream; of the command now judged */
	size_t n_events, n_commits;
	const char *why; /* the first fault */
	uint16_t code;   /* of the reply read last */
	bool is_over, is_refused;
	/* what the client may know of the session */
	bool has_helo, is_authed, in_login, in_mail, in_chunks;
	bool is_binary, chunks_are_bad;
	unsigned n_rcpts;
	size_t content_at, content_len; /* of BDAT, in `content` */
	uint8_t content[PLAY_STREAM];
};

static void
fault(struct game *g, const char *why)
{
	if (g->why == NULL)
		g->why = why;
}

static void
must(struct game *g, bool is_so, const char *why)
{
	if (!is_so)
		fault(g, why);
}

/* -- replies --------------------------------------------------------------- */

static bool
is_reply_line(struct slice line)
{
	return line.len >= 4 && line.len + 2 <= LIMIT_SMTP_REPLY_LINE &&
	    line.at[0] >= '2' && line.at[0] <= '5' &&
	    ascii_is_digit(line.at[1]) && ascii_is_digit(line.at[2]) &&
	    (line.at[3] == ' ' || line.at[3] == '-') &&
	    slice_find_byte(line, '\r') == SIZE_MAX &&
	    slice_find_byte(line, '\n') == SIZE_MAX;
}

/* RFC 2034, 4: the class of the enhanced code is the first digit. */
static bool
is_esc_right(struct slice line)
{
	struct slice text = slice_from(line, 4);

	return text.len < 2 || !ascii_is_digit(text.at[0]) ||
	    text.at[1] != '.' || text.at[0] == line.at[0];
}

static bool
read_reply(struct game *g)
{
	struct slice line, first = { 0 };

	do {
		if (!slice_take_crlf_line(&g->out, &line)) {
			fault(g, "no reply");
			return false;
		}
		if (first.len == 0)
			first = line;
		must(g, is_reply_line(line), "no line of a reply");
		if (g->why != NULL)
			return false;
		must(g, memcmp(line.at, first.at, 3) == 0, "two codes");
		must(g, is_esc_right(line),
		    "an enhanced code of another class");
	} while (line.at[3] == '-');
	g->code = (uint16_t)((line.at[0] - '0') * 100 +
	    (line.at[1] - '0') * 10 + (line.at[2] - '0'));
	if (g->code == 421 || g->code == 221) {
		g->is_over = true;
		must(g, g->out.len == 0, "speaks behind its last word");
		must(g, g->p->is_closed, "a last word, but open");
	}
	return true;
}

static bool
is_yes(const struct game *g)
{
	return g->code / 100 == 2;
}

/* What the world was asked about this command; NULL: nothing. */
static const struct play_event *
asked(struct game *g, enum smtp_do what)
{
	while (g->n_events < g->p->n_events) {
		const struct play_event *e = &g->p->events[g->n_events];

		if (e->at > g->line_at)
			return NULL;
		g->n_events++;
		if (e->at == g->line_at && e->what == what)
			return e;
	}
	return NULL;
}

/* Yes only when the world said it. */
static void
must_be_asked(struct game *g, enum smtp_do what)
{
	const struct play_event *e = asked(g, what);

	if (e == NULL) {
		must(g, !is_yes(g), "a yes, and nobody was asked");
		return;
	}
	if (g->is_over)
		return;
	must(g, is_yes(g) == (e->code / 100 == 2), "not what was answered");
	must(g, is_yes(g) || g->code == e->code, "not the code of the answer");
}

/* -- messages -------------------------------------------------------------- */

static bool
has_bare_line_end(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool after_cr = i > 0 && s.at[i - 1] == '\r';
		bool before_lf = i + 1 < s.len && s.at[i + 1] == '\n';

		if ((s.at[i] == '\n' && !after_cr) ||
		    (s.at[i] == '\r' && !before_lf))
			return true;
	}
	return false;
}

static void
end_mail(struct game *g)
{
	g->in_mail = g->in_chunks = g->is_binary = g->chunks_are_bad = false;
	g->n_rcpts = 0;
	g->content_len = 0;
}

/* The header section of binary content has lines; the rest has none. */
static struct slice
lines_of(const struct game *g, struct slice content)
{
	size_t end;

	if (!g->is_binary)
		return content;
	if (slice_starts(content, SLICE("\r\n")))
		return slice_upto(content, 2);
	end = slice_find(content, SLICE("\r\n\r\n"));
	return end == SIZE_MAX ? content : slice_upto(content, end + 4);
}

/* All of `content` was sent, and the stream is behind it. */
static void
judge_message(struct game *g, struct slice content, bool was_refused)
{
	unsigned n = g->config->kind == SMTP_LMTP ? g->n_rcpts : 1;
	const struct play_commit *c = NULL;
	bool is_bad = has_bare_line_end(lines_of(g, content)) || was_refused;

	if (g->n_commits < g->p->n_commits &&
	    g->p->commits[g->n_commits].end == g->at)
		c = &g->p->commits[g->n_commits++];
	must(g, c == NULL || !is_bad, "kept, and where it ends is in doubt");
	must(g,
	    c == NULL ||
		slice_equal(content,
		    slice_of(buf_slice(&g->p->bodies).at + c->from, c->len)),
	    "kept, and not as it was sent");
	for (unsigned i = 0; i < n && !g->is_over && g->why == NULL; i++) {
		if (!read_reply(g))
			return;
		must(g, !is_yes(g) || c != NULL, "250, and nothing is kept");
		must(g, c == NULL || g->is_over || g->code == c->codes[i],
		    "not what the store said");
	}
	end_mail(g);
}

/* RFC 5321, 4.5.2, from its words. */
static size_t
unstuff(struct slice lines, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < lines.len; i++) {
		bool is_first = i == 0 ||
		    (i >= 2 && lines.at[i - 1] == '\n' &&
			lines.at[i - 2] == '\r');

		if (!is_first || lines.at[i] != '.')
			to[n++] = lines.at[i];
	}
	return n;
}

/* From the octet behind DATA's line to CRLF.CRLF. */
static void
judge_data(struct game *g)
{
	struct slice rest = slice_from(g->stream, g->at);
	struct slice lines = { 0 };
	size_t end;

	g->content_len = 0;
	if (slice_starts(rest, SLICE(".\r\n"))) {
		g->at += 3;
	} else {
		end = slice_find(rest, SLICE("\r\n.\r\n"));
		if (end == SIZE_MAX) {
			g->at = g->stream.len;
			return;
		}
		lines = slice_upto(rest, end + 2);
		g->at += end + 5;
	}
	g->content_len = unstuff(lines, g->content);
	/* stuffing hides no line end: the lines are judged as they were sent */
	judge_message(g, slice_of(g->content, g->content_len),
	    has_bare_line_end(lines));
}

static bool
parse_bdat(struct slice args, uint64_t *ret_size, bool *ret_is_last)
{
	struct slice digits;

	/* more octets than there can be are none that will come */
	if (!slice_take_while(&args, ascii_is_digit, &digits) ||
	    !slice_to_u64(digits, INT64_MAX, ret_size))
		return false;
	*ret_is_last = args.len > 0;
	return args.len == 0 ||
	    (args.at[0] == ' ' &&
		slice_equal_nocase(slice_trim(args), SLICE("LAST")) &&
		slice_find_byte(args, '\t') == SIZE_MAX);
}

static void
judge_chunk(struct game *g, struct slice args)
{
	const struct play_event *e;
	bool is_last, had_rcpts = g->n_rcpts > 0;
	uint64_t size;

	if (g->is_refused || !parse_bdat(args, &size, &is_last)) {
		if (read_reply(g))
			must(g, !is_yes(g), "250 to a BDAT that is none");
		return;
	}
	e = asked(g, SMTP_DO_DATA);
	if (e != NULL && e->code == 421) {
		(void)read_reply(g);
		return;
	}
	if (e != NULL && e->code / 100 == 2) {
		must(g, g->in_mail && g->n_rcpts > 0 && !g->in_chunks,
		    "a chunk out of order is taken");
		g->in_chunks = true;
		g->content_len = 0;
	}
	if (size > g->stream.len - g->at) { /* an early 421 may come */
		g->at = g->stream.len;
		if (g->p->is_closed && g->out.len > 0)
			(void)read_reply(g);
		return;
	}
	memcpy(g->content + g->content_len, g->stream.at + g->at, (size_t)size);
	g->content_len += g->in_chunks ? (size_t)size : 0;
	g->at += (size_t)size;
	if (g->in_chunks && is_last) {
		judge_message(g, slice_of(g->content, g->content_len),
		    g->chunks_are_bad);
		return;
	}
	if (!g->in_chunks && is_last && g->in_mail && !had_rcpts &&
	    g->config->kind == SMTP_LMTP && g->has_helo &&
	    (g->config->withheld & SMTP_EXT_CHUNKING) == 0) {
		end_mail(g); /* RFC 2033, 4.3: not one reply */
		return;
	}
	if (!read_reply(g))
		return;
	must(g, !is_yes(g) || g->in_chunks, "250 to a chunk out of order");
	must(g, !is_yes(g) || !g->chunks_are_bad, "250 behind a bad chunk");
	if (g->in_chunks && !is_yes(g))
		g->chunks_are_bad = true;
}

/* -- commands -------------------------------------------------------------- */

static void
judge_mail(struct game *g, struct slice args)
{
	bool was_in_mail = g->in_mail;

	if (!read_reply(g))
		return;
	must_be_asked(g, SMTP_DO_MAIL);
	if (!is_yes(g))
		return;
	must(g, g->has_helo && !was_in_mail, "MAIL out of order");
	must(g,
	    g->is_authed || g->config->kind == SMTP_MX ||
		g->config->kind == SMTP_LMTP,
	    "MAIL without a login");
	end_mail(g);
	g->in_mail = true;
	g->is_binary =
	    slice_find_nocase(args, SLICE("BODY=BINARYMIME")) != SIZE_MAX;
}

static void
judge_rcpt(struct game *g, struct slice args)
{
	(void)args;
	if (!read_reply(g))
		return;
	must_be_asked(g, SMTP_DO_RCPT);
	if (!is_yes(g))
		return;
	must(g, g->in_mail && !g->in_chunks, "RCPT out of order");
	g->n_rcpts++;
}

static void
judge_data_command(struct game *g, struct slice args)
{
	const struct play_event *e;

	(void)args;
	if (!read_reply(g))
		return;
	e = asked(g, SMTP_DO_DATA);
	must(g, !is_yes(g), "2yz to DATA");
	must(g, (g->code == 354) == (e != NULL && e->code / 100 == 2),
	    "354, and nobody was asked");
	if (g->code != 354 || g->why != NULL)
		return;
	must(g, g->in_mail && g->n_rcpts > 0 && !g->in_chunks && !g->is_binary,
	    "DATA out of order");
	judge_data(g);
}

/* EHLO, HELO, LHLO: a yes ends what was under way. */
static void
judge_helo(struct game *g, struct slice args)
{
	(void)args;
	if (!read_reply(g))
		return;
	must_be_asked(g, SMTP_DO_HELO);
	if (is_yes(g)) {
		g->has_helo = true;
		end_mail(g);
	}
}

static void
judge_rset(struct game *g, struct slice args)
{
	(void)args;
	if (read_reply(g) && is_yes(g))
		end_mail(g);
}

static void
judge_vrfy(struct game *g, struct slice args)
{
	(void)args;
	if (!read_reply(g))
		return;
	if (g->code != 252) /* neither yes nor no */
		must_be_asked(g, SMTP_DO_VRFY);
}

static void
judge_expn(struct game *g, struct slice args)
{
	(void)args;
	if (!read_reply(g))
		return;
	if (g->code != 252)
		must_be_asked(g, SMTP_DO_EXPN);
}

static void
judge_starttls(struct game *g, struct slice args)
{
	(void)args;
	if (!read_reply(g) || !is_yes(g))
		return;
	must(g, g->code == 220, "2yz to STARTTLS is 220");
	must(g, g->has_helo && !g->in_mail, "STARTTLS out of order");
	g->has_helo = g->is_authed = false;
}

static void
judge_xclient(struct game *g, struct slice args)
{
	(void)args;
	if (!read_reply(g) || (!is_yes(g) && g->code != 554))
		return; /* 554: a greeting, too */
	must(g, !g->in_mail, "XCLIENT out of order");
	must(g, asked(g, SMTP_DO_CONNECT) != NULL, "a greeting of nobody");
	g->has_helo = g->is_authed = false;
	g->is_refused = g->code == 554;
}

static void
judge_login(struct game *g)
{
	if (!read_reply(g))
		return;
	g->in_login = g->code == 334;
	if (!is_yes(g))
		return;
	must(g, g->code == 235 && !g->is_authed && !g->in_mail,
	    "a login out of order");
	g->is_authed = true;
}

static void
judge_auth(struct game *g, struct slice args)
{
	(void)args;
	judge_login(g);
}

static void
judge_other(struct game *g, struct slice args)
{
	(void)args;
	(void)read_reply(g);
}

static const struct {
	const char *verb;
	void (*judge)(struct game *, struct slice);
} judges[] = {
	{ "MAIL", judge_mail },
	{ "RCPT", judge_rcpt },
	{ "DATA", judge_data_command },
	{ "BDAT", judge_chunk },
	{ "EHLO", judge_helo },
	{ "HELO", judge_helo },
	{ "LHLO", judge_helo },
	{ "RSET", judge_rset },
	{ "VRFY", judge_vrfy },
	{ "EXPN", judge_expn },
	{ "STARTTLS", judge_starttls },
	{ "XCLIENT", judge_xclient },
	{ "AUTH", judge_auth },
	{ "QUIT", judge_other },
	{ "NOOP", judge_other },
	{ "HELP", judge_other },
};
enum {
	N_JUDGES = sizeof(judges) / sizeof(judges[0])
};

/* RFC 5321, 2.3.8 and 4.1.1: CRLF ends it, and nothing else is in it. */
static bool
is_clean(struct slice line)
{
	struct slice text = slice_upto(line, line.len - 2);

	if (!slice_ends(line, SLICE("\r\n")) || !slice_is_utf8(text))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if ((text.at[i] < 0x20 && text.at[i] != '\t') ||
		    text.at[i] == 0x7f)
			return false;
	return true;
}

static void
judge_line(struct game *g, struct slice line)
{
	struct slice text = slice_upto(line, line.len - 2), verb = text;
	bool was_refused = g->is_refused;

	if (line.len < 2 || !is_clean(line)) {
		if (read_reply(g))
			must(g, g->code >= 400, "not a command, but taken");
		g->in_login = false;
		return;
	}
	if (g->in_login) {
		judge_login(g);
		return;
	}
	while (text.len > 0 && ascii_is_space(text.at[text.len - 1]))
		text.len--;
	verb = slice_upto(text, slice_find_byte(text, ' '));
	text = slice_from(text, verb.len);
	while (slice_skip_byte(&text, ' '))
		;
	for (size_t i = 0; i < N_JUDGES; i++) {
		if (!slice_equal_nocase(verb, slice_cstr(judges[i].verb)))
			continue;
		/* too long to be looked at: whatever it is, it is refused */
		if (line.len > LIMIT_SMTP_AUTH_LINE)
			break;
		if (line.len > LIMIT_SMTP_COMMAND &&
		    judges[i].judge != judge_auth)
			break;
		judges[i].judge(g, text);
		must(g,
		    !was_refused || g->code >= 500 || g->code == 221 ||
			g->code == 421,
		    "a client that was refused is served");
		return;
	}
	if (read_reply(g))
		must(g, g->code >= 400, "an unknown command is taken");
}

const char *
referee_check(const struct play *p, const struct smtp_server_config *config,
    struct slice stream, size_t *ret_at)
{
	static struct game g;

	memset(&g, 0, offsetof(struct game, content));
	g.p = p;
	g.config = config;
	g.stream = stream;
	g.out = buf_slice(&p->out);
	if (read_reply(&g) && g.code == 554)
		g.is_refused = true;
	while (g.at < stream.len && g.why == NULL && !g.is_over) {
		struct slice rest = slice_from(stream, g.at);
		size_t lf = slice_find_byte(rest, '\n');

		g.line_at = g.at;
		if (lf == SIZE_MAX)
			break;
		g.at += lf + 1;
		judge_line(&g, slice_upto(rest, lf + 1));
	}
	*ret_at = g.line_at;
	if (g.why == NULL && g.out.len > 0)
		return "more is said than was asked";
	if (g.why == NULL && g.n_commits != p->n_commits)
		return "kept, and no message ends there";
	return g.why;
}
