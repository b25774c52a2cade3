/* SPDX-License-Identifier: ISC */
/*
 * cli/import_imap_open - where an account is copied from: the place that was
 * named, TLS and the login there, and its mailboxes with their names here
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import_imap_impl.h"
#include "imap/utf7.h"

enum {
	MAILBOXES = 20000
};

/* "user@host:port"; the last "@" is it, for users have some of their own.
 * "[::1]" stands in brackets. */
bool
import_imap_place(struct copy *c, const char *text)
{
	const char *at = strrchr(text, '@');
	const char *host = at == NULL ? NULL : at + 1, *end;
	size_t n;

	if (at == NULL || at == text || (size_t)(at - text) >= sizeof(c->user))
		return false;
	memcpy(c->user, text, (size_t)(at - text));
	end = host[0] == '[' ? strchr(host, ']') : NULL;
	host += end != NULL;
	n = end != NULL ? (size_t)(end - host) : strcspn(host, ":/");
	if (n == 0 || n >= sizeof(c->host))
		return false;
	memcpy(c->host, host, n);
	host += n + (end != NULL);
	(void)snprintf(c->port, sizeof(c->port), "%s",
	    c->is_tls ? "993" : "143");
	if (*host == ':') {
		n = strcspn(++host, "/");
		if (n == 0 || n >= sizeof(c->port))
			return false;
		(void)snprintf(c->port, sizeof(c->port), "%.*s", (int)n, host);
		host += n;
	}
	return *host == '\0' || strcmp(host, "/") == 0;
}

/* -- logging in
 * --------------------------------------------------------------------- */

static int
take_capability(void *ctx, const struct imap_answer *a, struct imap_talk *t)
{
	struct copy *c = ctx;

	(void)t;
	if (!slice_equal_nocase(a->word, SLICE("CAPABILITY")))
		return CLI_OK;
	c->has_starttls =
	    slice_find_nocase(a->rest, SLICE("STARTTLS")) != SIZE_MAX;
	c->refuses_login =
	    slice_find_nocase(a->rest, SLICE("LOGINDISABLED")) != SIZE_MAX;
	return CLI_OK;
}

static int
greet(struct copy *c)
{
	struct imap_answer a;
	int r = imap_talk_next(&c->talk, &a);

	if (r == CLI_OK &&
	    (a.kind != IMAP_ANSWER_STATUS ||
		!slice_equal_nocase(a.word, SLICE("OK"))))
		r = cli_fail(CLI_REFUSED, "%s: does not greet as IMAP does",
		    c->host);
	if (r == CLI_OK)
		r = imap_talk_run(&c->talk, "CAPABILITY", take_capability, c,
		    NULL);
	if (r != CLI_OK || c->is_tls)
		return r;
	if (c->has_starttls)
		r = imap_talk_run(&c->talk, "STARTTLS", NULL, NULL, NULL);
	else if (cli_option(c->im->cli, "insecure") == NULL)
		return cli_fail(CLI_REFUSED,
		    "%s: offers no TLS; --insecure says the password all the "
		    "same",
		    c->host);
	else
		return CLI_OK;
	if (r == CLI_OK)
		r = imap_talk_start_tls(&c->talk);
	if (r == CLI_OK)
		r = imap_talk_run(&c->talk, "CAPABILITY", take_capability, c,
		    NULL);
	return r;
}

/* A word of LOGIN as a literal: any octets, and the server asks for it. */
static int
say_literal(struct copy *c, const char *before, const char *word)
{
	struct imap_answer a;
	char head[64];
	int r;

	(void)snprintf(head, sizeof(head), "%s{%zu}\r\n", before, strlen(word));
	r = imap_talk_send(&c->talk, slice_cstr(head));
	while (r == CLI_OK && (r = imap_talk_next(&c->talk, &a)) == CLI_OK) {
		if (a.kind == IMAP_ANSWER_CONTINUE)
			return imap_talk_send(&c->talk, slice_cstr(word));
		if (a.kind == IMAP_ANSWER_TAGGED)
			return cli_fail(CLI_REFUSED, "%s: refuses the login",
			    c->host);
	}
	return r;
}

static int
say_login(struct copy *c, const char *password)
{
	struct imap_answer a;
	char head[32];
	int r;

	(void)snprintf(head, sizeof(head), "t%u LOGIN ", ++c->talk.n_tags);
	r = say_literal(c, head, c->user);
	if (r == CLI_OK)
		r = say_literal(c, " ", password);
	if (r == CLI_OK)
		r = imap_talk_send(&c->talk, SLICE("\r\n"));
	while (r == CLI_OK && (r = imap_talk_next(&c->talk, &a)) == CLI_OK)
		if (imap_talk_is_end(&a, c->talk.n_tags))
			return slice_equal_nocase(a.word, SLICE("OK"))
			    ? CLI_OK
			    : cli_fail(CLI_REFUSED,
				  "%s: the login of %s is refused", c->host,
				  c->user);
	return r;
}

static int
login(struct copy *c)
{
	char password[CLI_PASSWORD_MAX + 1];
	const char *given = getenv("ULAK_IMPORT_PASSWORD");
	int r = CLI_OK;

	if (c->refuses_login)
		return cli_fail(CLI_REFUSED, "%s: allows no LOGIN", c->host);
	if (given != NULL && cli_option(c->im->cli, "password-file") == NULL &&
	    strlen(given) < sizeof(password))
		(void)snprintf(password, sizeof(password), "%s", given);
	else
		r = cli_password(c->im->cli, c->user, password);
	if (r == CLI_OK)
		r = say_login(c, password);
	sodium_memzero(password, sizeof(password));
	return r;
}

/* -- mailboxes
 * ---------------------------------------------------------------------- */

/* "a.b" by its delimiter, decoded: "a/b". A "/" within a level is none of
 * ours. */
static bool
read_name(const struct imap_answer_list *l, char ret[IMPORT_NAME])
{
	uint8_t text[IMPORT_NAME];
	size_t len = 0;

	if (!imap_utf7_decode(l->name, text, sizeof(text) - 1, &len)) {
		if (l->name.len >= sizeof(text) || !slice_is_utf8(l->name))
			return false;
		memcpy(text, l->name.at, l->name.len);
		len = l->name.len;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0')
			return false;
		if (l->delimiter != '\0' && text[i] == (uint8_t)l->delimiter)
			ret[i] = '/';
		else
			ret[i] = text[i] == '/' ? '_' : (char)text[i];
	}
	ret[len] = '\0';
	return len > 0;
}

/* Where ours of that use is, of a new account. */
static const char *
special_name(const char *use)
{
	static const char *const all[][2] = { { "\\Sent", "Sent" },
		{ "\\Drafts", "Drafts" }, { "\\Trash", "Trash" },
		{ "\\Junk", "Junk" }, { "\\Archive", "Archive" } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(use, all[i][0]) == 0)
			return all[i][1];
	return NULL;
}

static int
add_box(struct copy *c, const struct imap_answer_list *l)
{
	const char *special = special_name(l->special_use);
	char name[IMPORT_NAME];
	struct remote_box *b;

	if (c->n_boxes == MAILBOXES)
		return cli_fail(CLI_REFUSED, "%s: too many mailboxes", c->host);
	b = reallocarray(c->boxes, c->n_boxes + 1, sizeof(*b));
	if (b == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	c->boxes = b;
	b += c->n_boxes;
	memset(b, 0, sizeof(*b));
	b->name = calloc(1, l->name.len + 1);
	if (b->name == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (!slice_to_cstr(l->name, b->name, l->name.len + 1) ||
	    !read_name(l, name) ||
	    !import_name(c->im, special != NULL ? special : name, b->mailbox)) {
		free(b->name);
		import_skip(c->host, "a mailbox has a name that is none here");
		return CLI_OK;
	}
	c->n_boxes++;
	return CLI_OK;
}

static int
take_list(void *ctx, const struct imap_answer *a, struct imap_talk *t)
{
	struct imap_answer_list l;

	if (!slice_equal_nocase(a->word, SLICE("LIST")))
		return CLI_OK;
	if (!imap_answer_list(a->rest, &t->arena, &l))
		return cli_fail(CLI_REFUSED, "%s: a LIST is not of its form",
		    t->host);
	return l.is_noselect ? CLI_OK : add_box(ctx, &l);
}

static int
take_lsub(void *ctx, const struct imap_answer *a, struct imap_talk *t)
{
	struct copy *c = ctx;
	struct imap_answer_list l;

	if (!slice_equal_nocase(a->word, SLICE("LSUB")) ||
	    !imap_answer_list(a->rest, &t->arena, &l))
		return CLI_OK;
	for (size_t i = 0; i < c->n_boxes; i++)
		if (slice_equal(l.name, slice_cstr(c->boxes[i].name)))
			c->boxes[i].is_subscribed = true;
	return CLI_OK;
}

int
import_imap_begin(struct copy *c)
{
	int r = greet(c);

	if (r == CLI_OK)
		r = login(c);
	if (r == CLI_OK)
		r = imap_talk_run(&c->talk, "LIST \"\" \"*\"", take_list, c,
		    NULL);
	if (r == CLI_OK)
		r = imap_talk_run(&c->talk, "LSUB \"\" \"*\"", take_lsub, c,
		    &(bool){ false });
	return r;
}
