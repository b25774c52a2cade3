/* SPDX-License-Identifier: ISC */
/*
 * smtp/client_chunk - a body by BDAT (RFC 3030)
 *
 * What is no binary mail goes as one chunk of known size, "BDAT size LAST": its
 * octets follow as fast as the server takes them, without dots put in, and its
 * lines end in CRLF here, too. Binary mail, whose server is asked for more
 * room, goes chunk by chunk, each answered before the next.
 *
 * A server may offer CHUNKING and not know BDAT. It reads the body as commands
 * then, so the session is over; who drives it may try again with DATA.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "smtp/client_impl.h"

enum {
	CHUNK_LINE = 40 /* "BDAT 131072" and its end */
};

bool
client_may_chunk(const struct smtp_client *c)
{
	if (c->mail.is_binary)
		return true;
	return (c->offer.ext & SMTP_EXT_CHUNKING) != 0 && c->mail.size > 0 &&
	    !c->config.no_chunks && !c->config.is_lmtp;
}

bool
smtp_client_ends_itself(const struct smtp_client *c)
{
	return c->is_chunked && !c->mail.is_binary;
}

void
client_begin_body(struct smtp_client *c)
{
	char line[CHUNK_LINE];

	client_enter(c, SMTP_PHASE_BODY);
	if (c->mail.is_binary)
		return;
	(void)snprintf(line, sizeof(line), "BDAT %" PRIu64 " LAST",
	    c->mail.size);
	client_say(c, line);
}

/* One is on its way at a time: what a server says to it is heard before more
 * is sent. */
static size_t
send_chunk(struct smtp_client *c, struct slice bytes)
{
	char line[CHUNK_LINE];
	size_t room = buf_room(&c->out);

	if (room <= CHUNK_LINE || bytes.len == 0)
		return 0;
	bytes = slice_upto(bytes, room - CHUNK_LINE);
	(void)snprintf(line, sizeof(line), "BDAT %zu", bytes.len);
	client_say(c, line);
	client_put(c, bytes);
	c->body_sent += bytes.len;
	if (!c->is_closing)
		client_enter(c, SMTP_PHASE_CHUNK);
	return bytes.len;
}

/* A CR or LF that stands alone; `had_cr`: the last octet before was a CR, and
 * then whether the last of these is one. */
static bool
has_lone_end(struct slice s, bool *had_cr)
{
	size_t at = 0;

	while (at < s.len) {
		size_t n = slice_find_byte(slice_from(s, at), '\n');
		size_t end = n == SIZE_MAX ? s.len : at + n;
		size_t cr =
		    slice_find_byte(slice_of(s.at + at, end - at), '\r');

		if (*had_cr && end > at)
			return true;
		if (cr != SIZE_MAX && at + cr + 1 < end)
			return true;
		*had_cr = *had_cr || cr != SIZE_MAX;
		if (n == SIZE_MAX)
			return false;
		if (!*had_cr)
			return true;
		*had_cr = false;
		at = end + 1;
	}
	return false;
}

size_t
client_chunk_body(struct smtp_client *c, struct slice bytes)
{
	if (c->mail.is_binary)
		return send_chunk(c, bytes);
	bytes = slice_upto(bytes, buf_room(&c->out));
	if (bytes.len > c->mail.size - c->body_sent) {
		client_fail(c, 3, 0, "the message is longer than was said");
		return bytes.len;
	}
	if (has_lone_end(bytes, &c->stuff.has_cr)) {
		client_fail_line_end(c);
		return bytes.len;
	}
	client_put(c, bytes);
	c->body_sent += bytes.len;
	return bytes.len;
}

void
client_chunk_end(struct smtp_client *c)
{
	if (c->mail.is_binary)
		client_say(c, "BDAT 0 LAST");
	else if (c->body_sent != c->mail.size)
		client_fail(c, 3, 0, "the message is shorter than was said");
	else if (c->stuff.has_cr)
		client_fail_line_end(c);
	if (!c->is_closing)
		client_enter(c, SMTP_PHASE_DOT);
}

/* The codes of RFC 5321, 4.2.4, by which a server says that it does not know a
 * command; none of them is a verdict on the mail. */
bool
client_is_chunk_unknown(const struct smtp_client *c)
{
	return c->is_chunked && !c->mail.is_binary && c->reply.code >= 500 &&
	    c->reply.code <= 504;
}

/* RFC 3030, 2: a chunk that is refused ends the mail; what comes next is RSET
 */
void
client_on_chunk(struct smtp_client *c)
{
	if (client_is_class(c, 2)) {
		client_enter(c, SMTP_PHASE_BODY);
	} else if (client_is_refusal(c)) {
		client_settle(c, client_verdict_of_reply(c), false);
		client_end_mail(c);
	} else {
		client_fail_out_of_step(c);
	}
}
