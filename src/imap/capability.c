/* SPDX-License-Identifier: ISC */
#include "imap/capability.h"

#include <inttypes.h>
#include <string.h>

#include "imap/session_impl.h"

enum {
	EARLY = IMAP_NOT_AUTH,
	LATE = IMAP_AUTH | IMAP_SELECTED,
	ANY = EARLY | LATE
};

bool
imap_may_auth(const struct imap_session *s)
{
	return s->has_tls || s->config->plain_auth;
}

/* LOGIN is PLAIN in other words. */
bool
imap_may_login(const struct imap_session *s)
{
	return imap_may_auth(s) &&
	    (s->config->mechanisms & SASL_BIT(SASL_PLAIN)) != 0;
}

static bool
may_start_tls(const struct imap_session *s)
{
	return !s->has_tls && s->config->may_start_tls;
}

static bool
may_not_login(const struct imap_session *s)
{
	return !imap_may_login(s);
}

static bool
may_compress(const struct imap_session *s)
{
	return !s->is_compressed;
}

/* is_on NULL: always. enables: the bit that ENABLE of the name sets. */
static const struct capability {
	const char *name;
	unsigned states;
	bool (*is_on)(const struct imap_session *s);
	unsigned enables;
} table[] = {
	{ "IMAP4rev1", ANY, NULL, 0 },
	{ "IMAP4rev2", ANY, NULL, IMAP_ENABLED_REV2 },
	{ "LITERAL+", ANY, NULL, 0 },
	{ "SASL-IR", ANY, NULL, 0 },
	{ "ID", ANY, NULL, 0 },
	{ "ENABLE", ANY, NULL, 0 },
	{ "IDLE", ANY, NULL, 0 },
	{ "LANGUAGE", ANY, NULL, 0 },
	{ "STARTTLS", EARLY, may_start_tls, 0 },
	{ "AUTH=", EARLY, imap_may_auth, 0 }, /* one each mechanism */
	{ "LOGINDISABLED", EARLY, may_not_login, 0 },
	{ "NAMESPACE", LATE, NULL, 0 },
	{ "UNSELECT", LATE, NULL, 0 },
	{ "UIDPLUS", LATE, NULL, 0 },
	{ "CHILDREN", LATE, NULL, 0 },
	{ "MOVE", LATE, NULL, 0 },
	{ "SPECIAL-USE", LATE, NULL, 0 },
	{ "COMPRESS=DEFLATE", LATE, may_compress, 0 },
	{ "UNAUTHENTICATE", LATE, NULL, 0 },
	{ "CONDSTORE", LATE, NULL, IMAP_ENABLED_CONDSTORE },
	{ "QRESYNC", LATE, NULL, IMAP_ENABLED_QRESYNC },
	{ "UIDONLY", LATE, NULL, IMAP_ENABLED_UIDONLY },
	{ "PREVIEW", LATE, NULL, 0 },
	{ "MULTIAPPEND", LATE, NULL, 0 },
	{ "CATENATE", LATE, NULL, 0 },
	{ "REPLACE", LATE, NULL, 0 },
	{ "BINARY", LATE, NULL, 0 },
	{ "SAVEDATE", LATE, NULL, 0 },
	{ "CREATE-SPECIAL-USE", LATE, NULL, 0 },
	{ "LIST-EXTENDED", LATE, NULL, 0 },
	{ "LIST-STATUS", LATE, NULL, 0 },
	{ "STATUS=SIZE", LATE, NULL, 0 },
	{ "OBJECTID", LATE, NULL, 0 },
	{ "APPENDLIMIT=", LATE, NULL, 0 }, /* of every mailbox (RFC 7889) */
	{ "ESEARCH", LATE, NULL, 0 },
	{ "PARTIAL", LATE, NULL, 0 },
	{ "CONTEXT=SEARCH", LATE, NULL, 0 },
	{ "MULTISEARCH", LATE, NULL, 0 },
	{ "SEARCHRES", LATE, NULL, 0 },
	{ "WITHIN", LATE, NULL, 0 },
	{ "SORT", LATE, NULL, 0 },
	{ "SORT=DISPLAY", LATE, NULL, 0 },
	{ "ESORT", LATE, NULL, 0 },
	{ "THREAD=ORDEREDSUBJECT", LATE, NULL, 0 },
	{ "THREAD=REFERENCES", LATE, NULL, 0 },
	{ "I18NLEVEL=1", LATE, NULL, 0 },
	{ "METADATA", LATE, NULL, 0 },
	{ "LIST-METADATA", LATE, NULL, 0 },
	{ "QUOTA", LATE, NULL, 0 },
	{ "QUOTA=RES-STORAGE", LATE, NULL, 0 },
	{ "QUOTA=RES-MESSAGE", LATE, NULL, 0 },
};

enum {
	N_CAPABILITIES = sizeof(table) / sizeof(table[0])
};

static void
put_capability(const struct imap_session *s, const char *name, struct buf *b)
{
	if (strcmp(name, "AUTH=") == 0)
		(void)sasl_mechanisms_print(s->config->mechanisms, " AUTH=", b);
	else if (strcmp(name, "APPENDLIMIT=") == 0)
		(void)buf_printf(b, " %s%" PRIu64, name, s->config->max_size);
	else
		(void)buf_printf(b, " %s", name);
}

void
imap_put_capabilities(const struct imap_session *s, struct buf *b)
{
	(void)buf_add_cstr(b, "CAPABILITY");
	for (size_t i = 0; i < N_CAPABILITIES; i++)
		if ((table[i].states & s->state) != 0 &&
		    (table[i].is_on == NULL || table[i].is_on(s)))
			put_capability(s, table[i].name, b);
}

unsigned
imap_enable_bit(struct slice word)
{
	for (size_t i = 0; i < N_CAPABILITIES; i++)
		if (slice_equal_nocase(word, slice_cstr(table[i].name)))
			return table[i].enables;
	return 0;
}

void
imap_put_enabled(unsigned bits, struct buf *b)
{
	for (size_t i = 0; i < N_CAPABILITIES; i++)
		if ((table[i].enables & bits) != 0)
			(void)buf_printf(b, " %s", table[i].name);
}
