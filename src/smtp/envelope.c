/* SPDX-License-Identifier: ISC */
#include "smtp/envelope.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/time.h"
#include "smtp/path.h"

/* -- what may not be said -------------------------------------------------- */

static bool
offers(const struct smtp_offer *o, unsigned ext)
{
	return (o->ext & ext) == ext;
}

struct verdict
smtp_envelope_check_tls(const struct smtp_offer *o,
    const struct smtp_client_mail *m)
{
	/* a bounce is not lost for it (RFC 8689, 5) */
	if (!m->requires_tls || m->sender.len == 0)
		return (struct verdict){ 0 };
	if (!m->is_verified)
		return VERDICT(550, 5, 7, 10,
		    "the sender asks for verified TLS all the way, and this "
		    "server's cannot be verified");
	if (!offers(o, SMTP_EXT_REQUIRETLS))
		return VERDICT(550, 5, 7, 30,
		    "the sender asks for verified TLS all the way, and this "
		    "server does not promise it");
	return (struct verdict){ 0 };
}

/* RFC 2852, 4.1.4.1 */
static struct verdict
check_by(const struct smtp_offer *o, const struct smtp_client_mail *m)
{
	if (m->by_mode != SMTP_BY_RETURN)
		return (struct verdict){ 0 };
	if (m->by_seconds <= 0)
		return VERDICT(554, 5, 4, 7,
		    "it could not be delivered by the time that was asked for");
	if (!offers(o, SMTP_EXT_DELIVERBY))
		return VERDICT(554, 5, 4, 7,
		    "the sender set a time, and the remote server may not "
		    "keep it");
	if ((uint64_t)m->by_seconds < o->min_by)
		return VERDICT(554, 5, 4, 7,
		    "the sender set a time, and the remote server needs "
		    "longer");
	return (struct verdict){ 0 };
}

static bool
lacks_binary(const struct smtp_offer *o, const struct smtp_client_mail *m)
{
	return m->is_binary &&
	    !offers(o, SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING);
}

static bool
lacks_8bit(const struct smtp_offer *o, const struct smtp_client_mail *m)
{
	bool is_chunked = m->is_binary && !lacks_binary(o, m);

	return m->is_8bit && !is_chunked && !offers(o, SMTP_EXT_8BITMIME);
}

/* RFC 6531, 3.6: only a header that is ASCII may go without it. Whether it is
 * has been seen when the mail was converted. */
static bool
lacks_utf8(const struct smtp_offer *o, const struct smtp_client_mail *m)
{
	return m->is_smtputf8 && m->is_8bit && !m->is_converted &&
	    !offers(o, SMTP_EXT_SMTPUTF8);
}

bool
smtp_envelope_converts(const struct smtp_offer *o,
    const struct smtp_client_mail *m, enum convert_goal *ret)
{
	bool lacks_lines = lacks_binary(o, m);

	if (!lacks_lines && !lacks_8bit(o, m) && !lacks_utf8(o, m))
		return false;
	if (!slice_is_ascii(m->sender) && !offers(o, SMTP_EXT_SMTPUTF8))
		return false;
	if (!offers(o, SMTP_EXT_8BITMIME))
		*ret = CONVERT_7BIT;
	else
		*ret = lacks_utf8(o, m) ? CONVERT_ASCII_HEADER : CONVERT_8BIT;
	return true;
}

/* With why it cannot be converted, where that was tried. */
static struct verdict
refuse_content(const struct smtp_client_mail *m, struct verdict v)
{
	if (m->unfit.len > 0)
		v.text = m->unfit;
	return v;
}

static struct verdict
check_content(const struct smtp_offer *o, const struct smtp_client_mail *m)
{
	if (!offers(o, SMTP_EXT_SMTPUTF8) && !slice_is_ascii(m->sender))
		return VERDICT(554, 5, 6, 7,
		    "internationalised sender, and the remote server does not "
		    "take those");
	if (lacks_utf8(o, m))
		return refuse_content(m,
		    VERDICT(554, 5, 6, 9,
			"internationalised mail, and the remote server does "
			"not take it"));
	if (lacks_binary(o, m))
		return refuse_content(m,
		    VERDICT(554, 5, 6, 3,
			"binary mail, and the remote server does not take it"));
	if (o->max_size > 0 && m->size > o->max_size)
		return VERDICT(552, 5, 3, 4,
		    "larger than the remote server takes");
	if (lacks_8bit(o, m))
		return refuse_content(m,
		    VERDICT(554, 5, 6, 3,
			"8-bit mail, and the remote server takes 7-bit only"));
	return (struct verdict){ 0 };
}

struct verdict
smtp_envelope_check(const struct smtp_offer *o,
    const struct smtp_client_mail *m)
{
	static struct verdict (*const checks[])(const struct smtp_offer *,
	    const struct smtp_client_mail *) = { smtp_envelope_check_tls,
		check_by, check_content };
	struct verdict v = { 0 };

	for (size_t i = 0;
	     v.code == 0 && i < sizeof(checks) / sizeof(checks[0]); i++)
		v = checks[i](o, m);
	if (v.code == 0 && m->sender.len > 0 &&
	    !smtp_address_is_valid(m->sender))
		v = VERDICT(553, 5, 1, 7, "the sender is not an address");
	return v;
}

static struct slice
domain_of(struct slice address)
{
	size_t at = slice_find_last_byte(address, '@');

	return at == SIZE_MAX ? (struct slice){ 0 }
			      : slice_from(address, at + 1);
}

/* How many domains the recipients before i have that are not i's, which is
 * told by ret_is_new. */
static size_t
count_domains(const struct smtp_client_mail *m, size_t i, bool *ret_is_new)
{
	size_t n = 0;

	*ret_is_new = true;
	for (size_t k = 0; k <= i; k++) {
		struct slice domain = domain_of(m->rcpts[k]);
		bool is_new = true;

		for (size_t j = 0; is_new && j < k; j++)
			is_new =
			    !slice_equal_nocase(domain, domain_of(m->rcpts[j]));
		if (k == i)
			*ret_is_new = is_new;
		else
			n += is_new;
	}
	return n;
}

/* RFC 9422. Those behind the limit go in the next mail, which is what 452 says
 * (RFC 5321, 4.5.3.1.10). */
static bool
is_beyond_limits(const struct smtp_offer *o, const struct smtp_client_mail *m,
    size_t i)
{
	bool is_new;

	if (o->max_rcpts > 0 && i >= o->max_rcpts)
		return true;
	return o->max_domains > 0 &&
	    count_domains(m, i, &is_new) >= o->max_domains && is_new;
}

struct verdict
smtp_envelope_check_rcpt(const struct smtp_offer *o,
    const struct smtp_client_mail *m, size_t i)
{
	if (!smtp_address_is_valid(m->rcpts[i]))
		return VERDICT(553, 5, 1, 3, "the recipient is not an address");
	if (!slice_is_ascii(m->rcpts[i]) && !offers(o, SMTP_EXT_SMTPUTF8))
		return VERDICT(553, 5, 6, 7,
		    "internationalised address, and the remote server does not "
		    "take those");
	/* RFC 7293, 5.1.1: nobody further on would check */
	if (m->wishes != NULL && m->wishes[i].rrvs != 0 &&
	    !m->wishes[i].rrvs_continue && !offers(o, SMTP_EXT_RRVS))
		return VERDICT(550, 5, 7, 19,
		    "the sender asks who owns the mailbox, and that cannot be "
		    "checked there");
	if (is_beyond_limits(o, m, i))
		return VERDICT(452, 4, 5, 3,
		    "more recipients than the remote server takes at a time");
	return (struct verdict){ 0 };
}

/* -- what is said ---------------------------------------------------------- */

struct line {
	char *at; /* SMTP_ENVELOPE_LINE */
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void
add(struct line *l, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->at + l->n, SMTP_ENVELOPE_LINE - l->n, format, ap);
	va_end(ap);
	if (n > 0)
		l->n += (size_t)n;
	if (l->n > SMTP_ENVELOPE_LINE - 1) /* no input comes so far */
		l->n = SMTP_ENVELOPE_LINE - 1;
}

/* RET and ENVID (RFC 3461, 4.3 and 4.4); not of a report (6.1). */
static void
add_mail_dsn(struct line *l, const struct smtp_client_mail *m)
{
	if (m->ret == SMTP_RET_FULL && m->sender.len > 0)
		add(l, " RET=FULL");
	else if (m->ret == SMTP_RET_HDRS && m->sender.len > 0)
		add(l, " RET=HDRS");
	if (m->envid.len > 0 && m->envid.len <= SMTP_ENVID_MAX)
		add(l, " ENVID=%.*s", SLICE_FMT(m->envid));
}

/* RFC 2852, 4.1.4: what is left of it */
static void
add_by(struct line *l, const struct smtp_client_mail *m)
{
	int64_t left = m->by_seconds;

	if (left > SMTP_SECONDS_MAX)
		left = SMTP_SECONDS_MAX;
	if (left < -SMTP_SECONDS_MAX)
		left = -SMTP_SECONDS_MAX;
	add(l, " BY=%" PRId64 ";%s%s", left,
	    m->by_mode == SMTP_BY_RETURN ? "R" : "N", m->by_trace ? "T" : "");
}

static bool
is_international(const struct smtp_client_mail *m)
{
	bool is_so = m->is_smtputf8 || !slice_is_ascii(m->sender);

	for (size_t i = 0; !is_so && i < m->n_rcpts; i++)
		is_so = !slice_is_ascii(m->rcpts[i]);
	return is_so;
}

void
smtp_envelope_mail(const struct smtp_offer *o, const struct smtp_client_mail *m,
    char text[SMTP_ENVELOPE_LINE])
{
	struct line l = { text, 0 };

	add(&l, "MAIL FROM:<%.*s>",
	    SLICE_FMT(slice_upto(m->sender, LIMIT_ADDRESS)));
	if (m->size > 0 && offers(o, SMTP_EXT_SIZE))
		add(&l, " SIZE=%" PRIu64, m->size);
	if (m->is_binary)
		add(&l, " BODY=BINARYMIME");
	else if (m->is_8bit && offers(o, SMTP_EXT_8BITMIME))
		add(&l, " BODY=8BITMIME");
	if (offers(o, SMTP_EXT_SMTPUTF8) && is_international(m))
		add(&l, " SMTPUTF8");
	if (m->requires_tls && m->is_verified && offers(o, SMTP_EXT_REQUIRETLS))
		add(&l, " REQUIRETLS");
	if (offers(o, SMTP_EXT_DSN))
		add_mail_dsn(&l, m);
	if (m->by_mode != SMTP_BY_NONE && offers(o, SMTP_EXT_DELIVERBY))
		add_by(&l, m);
	/* 0, too (RFC 6710, 4.2) */
	if (offers(o, SMTP_EXT_MT_PRIORITY))
		add(&l, " MT-PRIORITY=%d", m->priority);
}

/* RFC 2852, 4.1.4.2: a server that knows no BY shall at least tell of delays */
static uint8_t
notify_of(const struct smtp_offer *o, const struct smtp_client_mail *m,
    uint8_t notify)
{
	if (m->by_mode != SMTP_BY_NOTIFY || offers(o, SMTP_EXT_DELIVERBY) ||
	    (notify & SMTP_NOTIFY_NEVER) != 0)
		return notify;
	return (notify == 0 ? SMTP_NOTIFY_FAILURE : notify) | SMTP_NOTIFY_DELAY;
}

/* NEVER, or some of the others with commas (RFC 3461, 4.1) */
static void
add_notify(struct line *l, uint8_t notify)
{
	static const char *const names[] = { "NEVER", "SUCCESS", "FAILURE",
		"DELAY" };
	bool is_first = true;

	for (unsigned i = 0; i < 4; i++) {
		if ((notify & 1u << i) == 0)
			continue;
		add(l, "%s%s", is_first ? " NOTIFY=" : ",", names[i]);
		is_first = false;
	}
}

/* The code point that begins at i, and how many bytes it has. */
static size_t
decode_utf8(struct slice s, size_t i, uint32_t *ret_point)
{
	uint8_t c = s.at[i];
	size_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t point = c & (0xffu >> (n + 1));

	for (size_t k = 1; k < n; k++)
		point = point << 6 | (s.at[i + k] & 0x3fu);
	*ret_point = point;
	return n;
}

/* RFC 6533, 3: "\x{E9}" to who knows no UTF-8. False: there is no room for it,
 * or it is no UTF-8; half an address is worse than none. */
static bool
print_unitext(struct slice orcpt, char text[SMTP_ORCPT_MAX + 1])
{
	size_t n = 0;

	if (!slice_is_utf8(orcpt))
		return false;
	for (size_t i = 0; i < orcpt.len;) {
		uint32_t point = orcpt.at[i];
		size_t room = SMTP_ORCPT_MAX + 1 - n;
		int r;

		if (point < 0x80) {
			i++;
			r = snprintf(text + n, room, "%c", (int)point);
		} else {
			i += decode_utf8(orcpt, i, &point);
			r = snprintf(text + n, room, "\\x{%" PRIX32 "}", point);
		}
		if (r < 1 || (size_t)r >= room)
			return false;
		n += (size_t)r;
	}
	text[n] = '\0';
	return true;
}

/* As it was given (RFC 3461, 5.2.1) */
static void
add_orcpt(struct line *l, const struct smtp_offer *o, struct slice orcpt)
{
	char text[SMTP_ORCPT_MAX + 1];

	if (orcpt.len == 0 || orcpt.len > SMTP_ORCPT_MAX)
		return;
	if (slice_is_ascii(orcpt) || offers(o, SMTP_EXT_SMTPUTF8))
		add(l, " ORCPT=%.*s", SLICE_FMT(orcpt));
	else if (print_unitext(orcpt, text))
		add(l, " ORCPT=%s", text);
}

/* In whole seconds, as it came. */
static void
add_rrvs(struct line *l, const struct smtp_rcpt_wish *w)
{
	char date[TIME_RFC3339];

	time_print_rfc3339(w->rrvs, date);
	add(l, " RRVS=%s;%c", date, w->rrvs_continue ? 'C' : 'R');
}

void
smtp_envelope_rcpt(const struct smtp_offer *o, const struct smtp_client_mail *m,
    size_t i, char text[SMTP_ENVELOPE_LINE])
{
	struct smtp_rcpt_wish wish = { .notify = m->notify };
	struct line l = { text, 0 };

	if (m->wishes != NULL)
		wish = m->wishes[i];
	add(&l, "RCPT TO:<%.*s>",
	    SLICE_FMT(slice_upto(m->rcpts[i], LIMIT_ADDRESS)));
	if (offers(o, SMTP_EXT_DSN)) {
		add_notify(&l, notify_of(o, m, wish.notify));
		add_orcpt(&l, o, wish.orcpt);
	}
	if (wish.rrvs != 0 && offers(o, SMTP_EXT_RRVS))
		add_rrvs(&l, &wish);
}
