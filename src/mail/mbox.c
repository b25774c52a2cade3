/* SPDX-License-Identifier: ISC */
#include "mail/mbox.h"

#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "mail/header.h"

/* -- dates as asctime(3) writes them
 * ------------------------------------------------ */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* n digits; the first may be a space. */
static bool
take_digits(struct slice *in, size_t n, int *ret)
{
	int value = 0;

	if (in->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = in->at[i];

		if (c == ' ' && i == 0 && n == 2)
			continue;
		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*in = slice_from(*in, n);
	*ret = value;
	return true;
}

static bool
take_month(struct slice *in, int *ret)
{
	for (int i = 0; i < 12; i++)
		if (slice_skip_nocase(in, slice_of(months + 3 * i, 3))) {
			*ret = i + 1;
			return true;
		}
	return false;
}

/* Days since 1970 of a date of the proleptic Gregorian calendar. */
static int64_t
days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
	int64_t of_year =
	    (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    of_year - 719468;
}

/* "+0200", "-0130" */
static bool
take_zone(struct slice *in, int *ret)
{
	struct slice rest = *in;
	bool is_minus = slice_skip_byte(&rest, '-');
	int hours, minutes;

	if ((!is_minus && !slice_skip_byte(&rest, '+')) ||
	    !take_digits(&rest, 2, &hours) ||
	    !take_digits(&rest, 2, &minutes) || hours > 24 || minutes > 59)
		return false;
	*ret = (hours * 60 + minutes) * (is_minus ? -1 : 1);
	*in = rest;
	return true;
}

struct clock {
	int month, day, hour, minute, second, year, zone;
};

/* "Thu Nov  5 07:08:09 2025", a zone before or behind the year, perhaps. */
static bool
read_date(struct slice in, struct clock *c)
{
	struct slice word;

	if (in.len < 4 || in.at[3] != ' ')
		return false;
	in = slice_from(in, 4);
	if (!take_month(&in, &c->month) || !slice_skip_byte(&in, ' ') ||
	    !take_digits(&in, 2, &c->day) || !slice_skip_byte(&in, ' ') ||
	    !take_digits(&in, 2, &c->hour) || !slice_skip_byte(&in, ':') ||
	    !take_digits(&in, 2, &c->minute))
		return false;
	if (slice_skip_byte(&in, ':') && !take_digits(&in, 2, &c->second))
		return false;
	while (slice_skip_byte(&in, ' ')) {
		word = in;
		if (take_zone(&in, &c->zone) || take_digits(&in, 4, &c->year))
			continue;
		/* "GMT", "CEST": what they mean is nobody's to say */
		if (!slice_take_until(&word, ' ', &in))
			break;
		in = (struct slice){ word.at - 1, word.len + 1 };
	}
	return c->year >= 1970 && c->day >= 1 && c->day <= 31 &&
	    c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

/* The line behind "From ": who sent it, then the date. False: an ordinary
 * line. */
static bool
read_from(struct slice line, struct mbox_mail *ret)
{
	struct clock c = { 0 };

	for (size_t at = 0; at < line.len; at++) {
		if (at > 0 && line.at[at - 1] != ' ')
			continue;
		c = (struct clock){ 0 };
		if (!read_date(slice_from(line, at), &c))
			continue;
		ret->has_date = true;
		ret->zone = c.zone;
		ret->date =
		    ((days_of(c.year, c.month, c.day) * 24 + c.hour) * 3600 +
			c.minute * 60 + c.second - c.zone * 60) *
		    TIME_SECOND;
		return true;
	}
	return false;
}

/* -- where mails begin and end
 * ------------------------------------------------------ */

static bool
take_line(struct slice *rest, struct slice *ret)
{
	if (rest->len == 0)
		return false;
	if (!slice_take_until(rest, '\n', ret)) {
		*ret = *rest;
		*rest = slice_from(*rest, rest->len);
	}
	if (slice_ends(*ret, SLICE("\r")))
		ret->len--;
	return true;
}

static bool
begins_mail(struct slice at, struct mbox_mail *ret)
{
	struct slice line;

	return slice_starts(at, SLICE("From ")) && take_line(&at, &line) &&
	    read_from(slice_from(line, 5), ret);
}

static bool
is_line_end(struct slice s)
{
	return slice_starts(s, SLICE("\n")) || slice_starts(s, SLICE("\r\n"));
}

/* The end of the mail, by the lines "From " behind empty ones. The empty line
 * belongs to the file. */
static size_t
end_by_lines(struct slice raw)
{
	struct mbox_mail next;
	struct slice rest = raw, line;
	size_t last = 0;       /* where the line before began */
	bool was_empty = true; /* a header may be missing altogether */

	while (rest.len > 0) {
		size_t at = raw.len - rest.len;

		if (was_empty && begins_mail(rest, &next))
			return last;
		last = at;
		(void)take_line(&rest, &line);
		was_empty = line.len == 0;
	}
	return was_empty && last > 0 ? last : raw.len;
}

static size_t
header_end(struct slice raw)
{
	struct slice rest = raw, line;

	while (take_line(&rest, &line))
		if (line.len == 0)
			break;
	return raw.len - rest.len;
}

/* 0: there is none, or it does not lead to where a mail ends. */
static size_t
end_by_length(struct slice raw)
{
	size_t head = header_end(raw);
	struct slice rest = slice_upto(raw, head), line;
	struct mbox_mail next;
	uint64_t n = 0;
	bool found = false;

	while (!found && take_line(&rest, &line))
		if (slice_skip_nocase(&line, SLICE("Content-Length:"))) {
			while (slice_skip_byte(&line, ' '))
				;
			found = slice_to_u64(line, raw.len, &n);
		}
	if (!found || n > raw.len - head)
		return 0;
	rest = slice_from(raw, head + (size_t)n);
	if (rest.len == 0)
		return raw.len;
	if (!is_line_end(rest))
		return 0;
	(void)take_line(&rest, &line);
	return rest.len == 0 || begins_mail(rest, &next) ? head + (size_t)n : 0;
}

bool
mbox_next(struct slice *rest, struct mbox_mail *ret)
{
	struct mbox_mail m = { 0 };
	struct slice in = *rest, line;
	size_t by_lines, by_length;

	while (is_line_end(in))
		(void)take_line(&in, &line);
	if (!begins_mail(in, &m))
		return false;
	(void)take_line(&in, &line);
	by_lines = end_by_lines(in);
	by_length = end_by_length(in);
	/* An unquoted "From " inside: a writer that relied on the length. */
	m.is_quoted = by_length <= by_lines;
	m.raw = slice_upto(in, by_length != 0 ? by_length : by_lines);
	*rest = slice_from(in, m.raw.len);
	*ret = m;
	return true;
}

/* -- a mail's bytes
 * ----------------------------------------------------------------- */

int
mbox_to_crlf(struct slice text, struct buf *ret)
{
	struct slice line;
	int r = BUF_OK;

	while (text.len > 0 && r == BUF_OK) {
		if (!slice_take_until(&text, '\n', &line))
			return buf_add(ret, text);
		r = buf_add(ret, line);
		if (r == BUF_OK)
			r = buf_add(ret,
			    slice_ends(line, SLICE("\r")) ? SLICE("\n")
							  : SLICE("\r\n"));
	}
	return r;
}

int
mbox_to_lf(struct slice text, struct buf *ret)
{
	struct slice line;
	int r = BUF_OK;

	while (text.len > 0 && r == BUF_OK) {
		if (!slice_take_until(&text, '\n', &line))
			return buf_add(ret, text);
		if (slice_ends(line, SLICE("\r")))
			line.len--;
		r = buf_add(ret, line);
		if (r == BUF_OK)
			r = buf_add_byte(ret, '\n');
	}
	return r;
}

static void
take_letters(struct slice body, struct mbox_words *w)
{
	static const struct {
		char letter;
		uint8_t flag;
	} all[] = { { 'R', MBOX_SEEN }, { 'A', MBOX_ANSWERED },
		{ 'F', MBOX_FLAGGED }, { 'T', MBOX_DRAFT },
		{ 'D', MBOX_DELETED } };

	for (size_t i = 0; i < body.len; i++)
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			if (body.at[i] == (uint8_t)all[k].letter)
				w->flags |= all[k].flag;
}

static void
take_keywords(struct slice body, struct mbox_words *w)
{
	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = body.at[i];

		if (c == '\r' || c == '\n' || c == '\t')
			c = ' ';
		(void)buf_add_byte(&w->keywords, c);
	}
	(void)buf_add_byte(&w->keywords, ' ');
}

static void
take_internal(struct slice body, struct mbox_words *w)
{
	(void)body;
	w->is_internal = true;
}

static void
take_nothing(struct slice body, struct mbox_words *w)
{
	(void)body;
	(void)w;
}

static const struct {
	struct slice name;
	void (*take)(struct slice body, struct mbox_words *w);
} words_of[] = {
	{ SLICE("Status"), take_letters },
	{ SLICE("X-Status"), take_letters },
	{ SLICE("X-Keywords"), take_keywords },
	{ SLICE("X-UID"), take_nothing },
	{ SLICE("X-IMAPbase"), take_nothing },
	{ SLICE("X-IMAP"), take_internal },
};

/* True: a field of the mailbox, taken. */
static bool
take_word(const struct header_field *f, struct mbox_words *w)
{
	for (size_t i = 0; i < sizeof(words_of) / sizeof(words_of[0]); i++)
		if (slice_equal_nocase(f->name, words_of[i].name)) {
			words_of[i].take(f->body, w);
			return true;
		}
	return false;
}

/* X-IMAP stands in the first mail of many a mailbox; only this one is none. */
static bool
is_note(struct slice header)
{
	struct header_field f;

	return header_find(header, SLICE("Subject"), &f) &&
	    slice_find(f.body, SLICE("FOLDER INTERNAL DATA")) != SIZE_MAX;
}

static int
add_header(struct slice text, struct buf *ret, struct mbox_words *words)
{
	size_t len = header_len(text);
	struct slice rest = slice_upto(text, len);
	struct header_field f;
	int r = BUF_OK;

	while (r == BUF_OK && header_next(&rest, &f))
		if (!take_word(&f, words))
			r = buf_add(ret, f.whole);
	words->is_internal &= is_note(slice_upto(text, len));
	return r == BUF_OK ? buf_add(ret, rest) : r;
}

/* ">From ", ">>From " … lose one. */
static bool
is_quoted(struct slice line)
{
	if (!slice_skip_byte(&line, '>'))
		return false;
	while (slice_skip_byte(&line, '>'))
		;
	return slice_starts(line, SLICE("From "));
}

static int
add_unquoted(struct slice body, struct buf *ret)
{
	int r = BUF_OK;

	while (body.len > 0 && r == BUF_OK) {
		size_t n = slice_find_byte(body, '\n');
		struct slice line =
		    n == SIZE_MAX ? body : slice_upto(body, n + 1);

		body = slice_from(body, line.len);
		if (is_quoted(line))
			line = slice_from(line, 1);
		r = buf_add(ret, line);
	}
	return r;
}

int
mbox_read(const struct mbox_mail *m, struct buf *ret, struct mbox_words *words)
{
	struct buf text;
	struct slice all;
	size_t len;
	int r;

	words->flags = 0;
	words->is_internal = false;
	buf_reset(&words->keywords, SIZE_MAX);
	buf_init(&text, 2 * m->raw.len + 2);
	r = mbox_to_crlf(m->raw, &text);
	all = buf_slice(&text);
	len = header_len(all);
	if (r == BUF_OK)
		r = add_header(all, ret, words);
	if (r == BUF_OK && m->is_quoted)
		r = add_unquoted(slice_from(all, len), ret);
	else if (r == BUF_OK)
		r = buf_add(ret, slice_from(all, len));
	buf_deinit(&text);
	return r;
}

/* -- and out again
 * ------------------------------------------------------------------ */

static int
print_from(int64_t date, struct buf *ret)
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	int64_t seconds = date / TIME_SECOND, day = seconds / 86400;
	int64_t of_day = seconds % 86400, z, era, of_era, year, of_year;
	int month;

	if (of_day < 0) {
		of_day += 86400;
		day--;
	}
	z = day + 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	of_era = z - era * 146097;
	year =
	    (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (int)((5 * of_year + 2) / 153);
	z = of_year - (153 * month + 2) / 5 + 1;
	month = month < 10 ? month + 3 : month - 9;
	year += era * 400 + (month <= 2);
	return buf_printf(ret,
	    "From MAILER-DAEMON %.3s %.3s %2d %02d:%02d:%02d %04d\n",
	    days + 3 * (((day % 7) + 7) % 7), months + 3 * (month - 1), (int)z,
	    (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60),
	    (int)year);
}

static int
print_words(uint8_t flags, struct slice keywords, struct buf *ret)
{
	int r = buf_printf(ret, "Status: %sO\n",
	    (flags & MBOX_SEEN) != 0 ? "R" : "");

	if (r == BUF_OK)
		r = buf_printf(ret, "X-Status: %s%s%s%s\n",
		    (flags & MBOX_ANSWERED) != 0 ? "A" : "",
		    (flags & MBOX_FLAGGED) != 0 ? "F" : "",
		    (flags & MBOX_DRAFT) != 0 ? "T" : "",
		    (flags & MBOX_DELETED) != 0 ? "D" : "");
	if (r == BUF_OK && keywords.len > 0)
		r = buf_printf(ret, "X-Keywords: %.*s\n", SLICE_FMT(keywords));
	return r;
}

static int
print_body(struct slice body, struct buf *ret)
{
	struct slice line, bare;
	int r = BUF_OK;

	while (body.len > 0 && r == BUF_OK) {
		size_t n = slice_find_byte(body, '\n');

		line = n == SIZE_MAX ? body : slice_upto(body, n + 1);
		body = slice_from(body, line.len);
		bare = line;
		while (slice_skip_byte(&bare, '>'))
			;
		if (slice_starts(bare, SLICE("From ")))
			r = buf_add_byte(ret, '>');
		if (r == BUF_OK)
			r = mbox_to_lf(line, ret);
	}
	return r;
}

int
mbox_print(struct slice mail, int64_t date, uint8_t flags,
    struct slice keywords, struct buf *ret)
{
	size_t len = header_len(mail);
	int r = print_from(date, ret);

	/* First, so that a header without an end cannot swallow them; but what
	 * begins with a blank would be read as a part of them. */
	if (r == BUF_OK && !slice_starts(mail, SLICE(" ")) &&
	    !slice_starts(mail, SLICE("\t")))
		r = print_words(flags, keywords, ret);
	if (r == BUF_OK)
		r = mbox_to_lf(slice_upto(mail, len), ret);
	if (r == BUF_OK)
		r = print_body(slice_from(mail, len), ret);
	if (r == BUF_OK && !slice_ends(mail, SLICE("\n")))
		r = buf_add_byte(ret, '\n');
	return r == BUF_OK ? buf_add_byte(ret, '\n') : r;
}
