/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

#include <stdio.h>
#include <string.h>

/* RFC 2034, 4: no enhanced code in 3xx replies, the greeting, EHLO and HELO.
 * Codes: RFC 5321 4.2.2 and 4.2.3, RFC 4954 6, RFC 3207 4, RFC 3463 3. */
#define SAY(code, c, s, d, text)                                               \
	{                                                                      \
		(code), { (c), (s), (d) }, text                                \
	}
static const struct {
	uint16_t code;
	struct esc esc;
	const char *text;
} says[SMTP_N_SAYS] = {
	[SMTP_SAY_OK] = SAY(250, 2, 0, 0, "OK"),
	[SMTP_SAY_RESET] = SAY(250, 2, 0, 0, "forgotten"),
	[SMTP_SAY_SENDER_OK] = SAY(250, 2, 1, 0, "sender accepted"),
	[SMTP_SAY_RCPT_OK] = SAY(250, 2, 1, 5, "recipient accepted"),
	[SMTP_SAY_BYE] = SAY(221, 2, 0, 0, "goodbye"),
	[SMTP_SAY_VRFY] =
	    SAY(252, 2, 0, 0, "addresses are told to nobody; send and see"),
	[SMTP_SAY_VRFY_ELSEWHERE] = SAY(252, 2, 1, 5, /* RFC 5321, 3.5.3 */
	    "mail for it is passed on; who is there was not looked up"),
	[SMTP_SAY_VRFY_WANT_ADDRESS] =
	    SAY(252, 2, 0, 0, "not looked up: want VRFY and a whole address"),
	[SMTP_SAY_TLS_GO] = SAY(220, 2, 0, 0, "begin TLS"),
	[SMTP_SAY_AUTH_OK] = SAY(235, 2, 7, 0, "welcome"),
	[SMTP_SAY_DATA_GO] =
	    SAY(354, 0, 0, 0, "send the message, end with CRLF.CRLF"),
	[SMTP_SAY_STOPPING] =
	    SAY(421, 4, 3, 2, "the server goes down, try again soon"),
	[SMTP_SAY_LOST] =
	    SAY(421, 4, 3, 0, "this login is lost, connect again"),
	[SMTP_SAY_TOO_SLOW] = SAY(421, 4, 4, 2, "waited too long"),
	[SMTP_SAY_TOO_MANY_ERRORS] = SAY(421, 4, 7, 0, "too many errors"),
	[SMTP_SAY_TOO_MANY_IDLE] =
	    SAY(421, 4, 7, 0, "too many commands that move no mail"),
	[SMTP_SAY_TOO_MANY_MAILS] =
	    SAY(421, 4, 7, 0, "too many messages in one session"),
	[SMTP_SAY_TOO_MANY_AUTHS] = SAY(421, 4, 7, 0, "too many failed logins"),
	[SMTP_SAY_NOT_SMTP] = SAY(421, 4, 7, 0, "this is not a web server"),
	[SMTP_SAY_HASTY] =
	    SAY(421, 4, 5, 0, "wait for the reply before you send more"),
	[SMTP_SAY_TOO_MANY_CLIENTS] = SAY(421, 4, 7, 0, "too many connections"),
	[SMTP_SAY_XCLIENT_SYNTAX] =
	    SAY(501, 5, 5, 4, "syntax: XCLIENT attribute=value ..."),
	[SMTP_SAY_XCLIENT_ATTRIBUTE] =
	    SAY(501, 5, 5, 4, "an attribute that was not offered, or twice"),
	[SMTP_SAY_XCLIENT_VALUE] =
	    SAY(501, 5, 5, 4, "an attribute has no value of its form"),
	[SMTP_SAY_XCLIENT_DENIED] = SAY(550, 5, 7, 0, "XCLIENT is not for you"),
	[SMTP_SAY_TROUBLE] =
	    SAY(451, 4, 3, 0, "trouble on this side, try again later"),
	[SMTP_SAY_FULL] =
	    SAY(452, 4, 3, 1, "no room for mail just now, try again later"),
	[SMTP_SAY_TOO_MANY_RCPTS] = SAY(452, 4, 5, 3,
	    "too many recipients, send the rest in another transaction"),
	[SMTP_SAY_TLS_LATER] = SAY(454, 4, 7, 0, "TLS not available now"),
	[SMTP_SAY_AUTH_LATER] =
	    SAY(454, 4, 7, 0, "cannot check logins now, try again later"),
	[SMTP_SAY_UNKNOWN] = SAY(500, 5, 5, 1, "unknown command"),
	[SMTP_SAY_BAD_LINE] =
	    SAY(500, 5, 5, 2, "a command is printable ASCII and ends in CRLF"),
	/* RFC 5321, 4.1.2 */
	[SMTP_SAY_BAD_CHARS] = SAY(501, 5, 5, 2,
	    "a character that may not be there: want printable ASCII"),
	[SMTP_SAY_LINE_TOO_LONG] = SAY(500, 5, 5, 2, "line too long"),
	/* RFC 4954, 6 */
	[SMTP_SAY_AUTH_TOO_LONG] = SAY(500, 5, 5, 6, "line too long"),
	[SMTP_SAY_NO_ARGUMENT] =
	    SAY(501, 5, 5, 4, "this command takes no argument"),
	[SMTP_SAY_WANT_HELO] =
	    SAY(501, 5, 5, 4, "want a domain name or an address literal"),
	[SMTP_SAY_WANT_FROM] = SAY(501, 5, 5, 4, "want MAIL FROM:<address>"),
	[SMTP_SAY_WANT_TO] = SAY(501, 5, 5, 4, "want RCPT TO:<address>"),
	[SMTP_SAY_WANT_ARGUMENT] = SAY(501, 5, 5, 4, "want an argument"),
	[SMTP_SAY_BAD_SENDER] = SAY(501, 5, 1, 7, "not an address"),
	[SMTP_SAY_BAD_RCPT] = SAY(501, 5, 1, 3, "not an address"),
	[SMTP_SAY_SENDER_TOO_LONG] = SAY(501, 5, 1, 7, "path too long"),
	[SMTP_SAY_RCPT_TOO_LONG] = SAY(501, 5, 1, 3, "path too long"),
	[SMTP_SAY_BAD_PARAMS] = SAY(501, 5, 5, 4,
	    "behind the path come only parameters: KEYWORD or KEYWORD=value"),
	[SMTP_SAY_BAD_PARAM] =
	    SAY(501, 5, 5, 4, "the value of the parameter is not allowed"),
	[SMTP_SAY_DOUBLE_PARAM] = SAY(501, 5, 5, 4, "parameter given twice"),
	[SMTP_SAY_UNKNOWN_PARAM] =
	    SAY(555, 5, 5, 4, "this parameter is not offered here"),
	[SMTP_SAY_PARAM_CONFLICT] =
	    SAY(501, 5, 5, 4, "HOLDFOR and HOLDUNTIL exclude each other"),
	/* RFC 2852, 3 */
	[SMTP_SAY_BY_TOO_SOON] = SAY(555, 5, 5, 4,
	    "so soon cannot be promised; see DELIVERBY in the reply to EHLO"),
	/* RFC 8689, 4.2.1 */
	[SMTP_SAY_REQUIRETLS_NEEDS_TLS] =
	    SAY(530, 5, 7, 10, "REQUIRETLS needs TLS; STARTTLS first"),
	/* RFC 6531, 3.5 */
	[SMTP_SAY_SENDER_NEEDS_UTF8] = SAY(550, 5, 6, 7,
	    "such an address needs SMTPUTF8 behind MAIL FROM:<address>"),
	[SMTP_SAY_RCPT_NEEDS_UTF8] = SAY(553, 5, 6, 7,
	    "such an address needs SMTPUTF8, which MAIL did not say"),
	/* RFC 4865, 4.2 and 5.2.2 */
	[SMTP_SAY_HOLD_PAST] =
	    SAY(501, 5, 5, 4, "HOLDUNTIL: the time is over already"),
	[SMTP_SAY_HOLD_TOO_LONG] = SAY(501, 5, 5, 4,
	    "longer than mail is held; see FUTURERELEASE in the reply to EHLO"),
	[SMTP_SAY_HOLD_BEHIND_BY] = SAY(501, 5, 5, 4,
	    "it would be held beyond the time by which BY wants it there"),
	[SMTP_SAY_BAD_BDAT] =
	    SAY(501, 5, 5, 4, "want BDAT, the number of octets, perhaps LAST"),
	/* RFC 3030, 2 and 3 */
	[SMTP_SAY_WANT_BDAT] =
	    SAY(503, 5, 5, 1, "BODY=BINARYMIME is sent with BDAT"),
	[SMTP_SAY_DATA_IN_CHUNKS] =
	    SAY(503, 5, 5, 1, "the message has begun with BDAT; LAST or RSET"),
	[SMTP_SAY_EXPN] = SAY(252, 2, 0, 0, /* RFC 5321, 7.3 */
	    "who is behind an address is told to nobody; send and see"),
	[SMTP_SAY_EXPN_WANT_ADDRESS] =
	    SAY(553, 5, 1, 3, "want EXPN and a whole address"),
	[SMTP_SAY_EXPN_MANY] =
	    SAY(252, 2, 0, 0, "too many to be told here; send and see"),
	/* RFC 6531, 3.7.4.2 */
	[SMTP_SAY_EXPN_UTF8] =
	    SAY(252, 2, 6, 8, "some are in UTF-8: EXPN address SMTPUTF8"),
	[SMTP_SAY_NO_HELP] =
	    SAY(504, 5, 5, 4, "no help for that; HELP alone lists commands"),
	[SMTP_SAY_NOT_IMPLEMENTED] =
	    SAY(502, 5, 5, 1, "command not implemented"),
	[SMTP_SAY_HELO_FIRST] = SAY(503, 5, 5, 1, "EHLO or HELO first"),
	[SMTP_SAY_LHLO_FIRST] = SAY(503, 5, 5, 1, "LHLO first"),
	[SMTP_SAY_MAIL_FIRST] = SAY(503, 5, 5, 1, "MAIL first"),
	[SMTP_SAY_RCPT_FIRST] = SAY(503, 5, 5, 1, "RCPT first"),
	[SMTP_SAY_NESTED_MAIL] =
	    SAY(503, 5, 5, 1, "a transaction is open already"),
	[SMTP_SAY_NOT_NOW] = SAY(503, 5, 5, 1, "not in a transaction"),
	[SMTP_SAY_ONLY_QUIT] =
	    SAY(503, 5, 5, 1, "no mail is taken from you here, only QUIT"),
	[SMTP_SAY_TLS_ALREADY] = SAY(503, 5, 5, 1, "TLS is on already"),
	[SMTP_SAY_AUTH_ALREADY] = SAY(503, 5, 5, 1, "logged in already"),
	[SMTP_SAY_TLS_FIRST] = SAY(530, 5, 7, 0, "STARTTLS first"),
	[SMTP_SAY_AUTH_FIRST] = SAY(530, 5, 7, 0, "AUTH first"),
	[SMTP_SAY_AUTH_NEEDS_TLS] = SAY(538, 5, 7, 11, "STARTTLS first"),
	[SMTP_SAY_AUTH_UNKNOWN] = SAY(504, 5, 5, 4, "mechanism not offered"),
	[SMTP_SAY_AUTH_CANCELLED] = SAY(501, 5, 0, 0, "login cancelled"),
	[SMTP_SAY_AUTH_BAD] = SAY(501, 5, 5, 2, "cannot decode that"),
	[SMTP_SAY_AUTH_REFUSED] =
	    SAY(535, 5, 7, 8, "name or password is wrong"),
	[SMTP_SAY_TOO_BIG] = SAY(552, 5, 3, 4, "message too big"),
	[SMTP_SAY_NO_VALID_RCPT] = SAY(554, 5, 5, 1, "no valid recipients"),
	[SMTP_SAY_BAD_LINE_END] =
	    SAY(554, 5, 6, 11, "a CR or LF stands alone; lines end in CRLF"),
	[SMTP_SAY_LOOP] = SAY(554, 5, 4, 6, "too many hops, a mail loop"),
	[SMTP_SAY_EARLY] =
	    SAY(554, 5, 7, 1, "wait for this greeting before you speak"),
	[SMTP_SAY_RCPT_FOUND] = SAY(250, 2, 1, 5, "recipient ok"),
	[SMTP_SAY_RCPT_RELAYED] = SAY(250, 2, 1, 5, "recipient ok, will relay"),
	[SMTP_SAY_NO_RELAYING] =
	    SAY(550, 5, 7, 1, "relaying denied: log in first"),
	[SMTP_SAY_NO_SUCH_USER] = SAY(550, 5, 1, 1, "no such user here"),
	[SMTP_SAY_SUPPRESSED] = SAY(550, 5, 1, 1,
	    "mail to this address has come back before; who runs this server "
	    "can allow it again (ulak suppress remove)"),
	[SMTP_SAY_DISABLED] = SAY(550, 5, 2, 1, "this account is disabled"),
	[SMTP_SAY_MAILBOX_FULL] = SAY(452, 4, 2, 2, "this mailbox is full"),
	[SMTP_SAY_ALIAS_LOOP] =
	    SAY(550, 5, 4, 6, "aliases of this address go in a circle"),
	[SMTP_SAY_ALIAS_DEEP] = SAY(550, 5, 2, 4,
	    "too many aliases behind each other; postmaster can mend it"),
	[SMTP_SAY_MAY_NOT_POST] = SAY(550, 5, 7, 2,
	    "you may not send to this list; its owner can tell who may"),
	[SMTP_SAY_LIST_EMPTY] = SAY(550, 5, 2, 4, "this list has no members"),
	[SMTP_SAY_NEW_OWNER] =
	    SAY(550, 5, 7, 17, "this mailbox has changed its owner since"),
	[SMTP_SAY_RCPT_NO_ADDRESS] = SAY(553, 5, 1, 3, "not an address"),
	[SMTP_SAY_NEW_MINUTE] =
	    SAY(451, 4, 7, 1, "new here: try again in 60 seconds"),
	[SMTP_SAY_NEW_5_MINUTES] =
	    SAY(451, 4, 7, 1, "new here: try again in 300 seconds"),
	[SMTP_SAY_NEW_15_MINUTES] =
	    SAY(451, 4, 7, 1, "new here: try again in 900 seconds"),
	[SMTP_SAY_NEW_HOUR] =
	    SAY(451, 4, 7, 1, "new here: try again in 3600 seconds"),
	[SMTP_SAY_NEW_HOURS] =
	    SAY(451, 4, 7, 1, "new here: try again in some hours"),
	[SMTP_SAY_KEPT] = SAY(250, 2, 0, 0, "kept"),
	[SMTP_SAY_NOT_KEPT] =
	    SAY(451, 4, 3, 0, "it could not be stored, try again later"),
	[SMTP_SAY_LOGIN_LOST] = SAY(451, 4, 7, 0, "log in once more"),
	[SMTP_SAY_FILTERS_LATER] = SAY(451, 4, 7, 1,
	    "the content filters do not answer, please try again later"),
	[SMTP_SAY_FILTER_LATER] = SAY(451, 4, 7, 1,
	    "a content filter does not answer, please try again later"),
	[SMTP_SAY_FILTER_TEMPFAIL] =
	    SAY(451, 4, 7, 1, "refused for now by policy"),
	[SMTP_SAY_FILTER_CLOSE] = SAY(421, 4, 7, 0, "closing by policy"),
	[SMTP_SAY_FILTER_REFUSE] = SAY(550, 5, 7, 1, "refused by policy"),
	[SMTP_SAY_LOCAL_NOBODY] =
	    SAY(550, 5, 7, 1, "the kernel does not say who you are"),
	[SMTP_SAY_LOCAL_TOO_MANY] =
	    SAY(451, 4, 7, 1, "you have sent too many messages in an hour"),
};

struct verdict
smtp_say(enum smtp_say which)
{
	return (struct verdict){ says[which].code, says[which].esc,
		slice_cstr(says[which].text) };
}

static bool
begins_with_name(uint16_t code)
{
	return code == 221 || code == 421;
}

size_t
smtp_reply_write(uint8_t at[LIMIT_SMTP_REPLY_LINE], const struct verdict *v,
    struct slice name)
{
	enum {
		ROOM = LIMIT_SMTP_REPLY_LINE - 2
	};
	size_t n;
	int r;

	r = snprintf((char *)at, ROOM, "%03u ", v->code % 1000u);
	n = (size_t)r;
	if (v->esc.class != 0) {
		r = snprintf((char *)at + n, ROOM - n, "%u.%u.%u ",
		    v->esc.class, v->esc.subject, v->esc.detail);
		n += (size_t)r;
	}
	for (size_t i = 0; begins_with_name(v->code) && i < name.len; i++)
		if (n < ROOM)
			at[n++] = name.at[i];
	if (begins_with_name(v->code) && name.len > 0 && n < ROOM)
		at[n++] = ' ';
	for (size_t i = 0; i < v->text.len && n < ROOM; i++) {
		uint8_t c = v->text.at[i];

		if (c != '\r' && c != '\n')
			at[n++] = ascii_is_print(c) ? c : '?';
	}
	at[n++] = '\r';
	at[n++] = '\n';
	return n;
}

/* Reply-code = %x32-35 %x30-35 %x30-39 */
static bool
take_code(const uint8_t at[4], uint16_t *ret)
{
	if (at[0] < '2' || at[0] > '5' || at[1] < '0' || at[1] > '5' ||
	    !ascii_is_digit(at[2]) || (at[3] != ' ' && at[3] != '-'))
		return false;
	*ret = (uint16_t)((at[0] - '0') * 100 + (at[1] - '0') * 10 +
	    (at[2] - '0'));
	return true;
}

void
smtp_reply_reset(struct smtp_reply *r)
{
	r->code = 0;
	r->esc = (struct esc){ 0 };
	r->n_lines = 0;
	r->len = r->line_len = 0;
	r->has_cr = r->is_last = r->is_whole = false;
}

static void
add_text(struct smtp_reply *r, uint8_t c)
{
	if (r->len < sizeof(r->text))
		r->text[r->len++] = c;
}

/* The code is there; it must be that of the lines before. */
static int
on_head(struct smtp_reply *r)
{
	uint16_t code;

	if (!take_code(r->head, &code) || (r->n_lines > 0 && code != r->code))
		return SMTP_REPLY_E_BAD;
	r->code = code;
	r->is_last = r->head[3] == ' ';
	if (r->n_lines > 0)
		add_text(r, '\n');
	return SMTP_REPLY_MORE;
}

static int
on_line_end(struct smtp_reply *r)
{
	/* "250" alone is a last line, too: servers leave out the space. */
	if (r->line_len < 4) {
		r->head[r->line_len] = ' ';
		if (r->line_len != 3 || on_head(r) != SMTP_REPLY_MORE)
			return SMTP_REPLY_E_BAD;
	}
	if (++r->n_lines > LIMIT_REPLY_LINES)
		return SMTP_REPLY_E_TOO_LONG;
	r->line_len = 0;
	r->has_cr = false;
	if (!r->is_last)
		return SMTP_REPLY_MORE;
	r->is_whole = true;
	return SMTP_REPLY_OK;
}

/* Lines end in CRLF; a CR or LF alone is no reply. */
static int
on_byte(struct smtp_reply *r, uint8_t c)
{
	if (r->has_cr)
		return c == '\n' ? on_line_end(r) : SMTP_REPLY_E_BAD;
	if (c == '\r') {
		r->has_cr = true;
		return SMTP_REPLY_MORE;
	}
	if (c == '\n')
		return SMTP_REPLY_E_BAD;
	if (++r->line_len > LIMIT_REPLY_LINE)
		return SMTP_REPLY_E_TOO_LONG;
	if (r->line_len <= 4) {
		r->head[r->line_len - 1] = c;
		return r->line_len == 4 ? on_head(r) : SMTP_REPLY_MORE;
	}
	add_text(r, c < 0x20 || c == 0x7f ? '?' : c);
	return SMTP_REPLY_MORE;
}

int
smtp_reply_feed(struct smtp_reply *r, struct slice *in)
{
	struct slice text;
	uint8_t c;
	int n;

	if (r->is_whole)
		smtp_reply_reset(r);
	while (slice_take_byte(in, &c)) {
		n = on_byte(r, c);
		if (n == SMTP_REPLY_MORE)
			continue;
		text = smtp_reply_text(r);
		if (n == SMTP_REPLY_OK && smtp_esc_take(&text, &r->esc) &&
		    r->esc.class != r->code / 100)
			r->esc = (struct esc){ 0 };
		return n;
	}
	return SMTP_REPLY_MORE;
}

struct slice
smtp_reply_text(const struct smtp_reply *r)
{
	return slice_of(r->text, r->len);
}

bool
smtp_reply_line(const struct smtp_reply *r, unsigned n, struct slice *ret_line)
{
	struct slice rest = smtp_reply_text(r), line;

	if (n >= r->n_lines)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!slice_take_until(&rest, '\n', &line))
			return false; /* it was cut before that */
	*ret_line = slice_upto(rest, slice_find_byte(rest, '\n'));
	return true;
}

/* class "." subject "." detail SP (RFC 3463, 2) */
bool
smtp_esc_take(struct slice *text, struct esc *ret)
{
	struct slice rest = *text;
	uint64_t class, subject, detail;

	if (!slice_take_u64(&rest, 5, &class) ||
	    (class != 2 && class != 4 && class != 5) ||
	    !slice_skip_byte(&rest, '.') ||
	    !slice_take_u64(&rest, 999, &subject) ||
	    !slice_skip_byte(&rest, '.') ||
	    !slice_take_u64(&rest, 999, &detail) ||
	    (rest.len > 0 && !slice_skip_byte(&rest, ' ')))
		return false;
	*ret = (struct esc){ (uint8_t) class, (uint16_t)subject,
		(uint16_t)detail };
	*text = rest;
	return true;
}
