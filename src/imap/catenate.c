/* SPDX-License-Identifier: ISC */
/*
 * imap/catenate - the part of a message that a URL names, into another one
 *
 * RFC 4469: finds the mailbox, the message, the section in it, and passes its
 * octets from the store to the store in windows, as there is credit. Nothing
 * is held but a window, and the header where fields are picked from it. Where
 * the section lies is told by the message's bytes, parsed once more: drafts
 * are small. Any trouble is BADURL, with the URL that was to blame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/append_impl.h"
#include "imap/fetch_impl.h"
#include "imap/url.h"

struct catenate {
	struct slice text; /* in the command */
	struct imap_url url;
	uint64_t mailbox, size, header_len;
	bool has_layout;
	struct arena arena;
	struct mime *mime; /* while it is parsed */
	struct mime_tree tree;
	uint64_t at, end, window_end;
	struct buf header, fields; /* of HEADER.FIELDS */
	bool is_broken;
};

void
imap_catenate_free(struct imap_append *a)
{
	struct catenate *c = a->url;

	if (c == NULL)
		return;
	arena_reset(&c->arena);
	buf_deinit(&c->header);
	buf_deinit(&c->fields);
	free(c);
	a->url = NULL;
	a->waits_room = false;
}

/* url-resp-text has no "]" and no line end; a URL that has is not repeated. */
static void
bad_url(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct slice url = a->url->text;
	bool is_sayable = url.len > 0 && url.len < IMAP_APPEND_WHY - 100;

	for (size_t i = 0; i < url.len && is_sayable; i++)
		is_sayable = url.at[i] >= 0x20 && url.at[i] < 0x7f &&
		    url.at[i] != ']' && url.at[i] != '\\';
	if (!is_sayable)
		url = SLICE("?");
	(void)snprintf(a->why, sizeof(a->why),
	    "NO [BADURL %.*s] That cannot be fetched", SLICE_FMT(url));
	s->then = NULL;
	imap_append_refuse(s, a->why);
}

static void
trouble(struct imap_session *s)
{
	s->then = NULL;
	imap_append_refuse(s,
	    "NO [UNAVAILABLE] Not possible just now, try again later");
}

static bool
ask(struct imap_session *s, const struct imap_ask *question, imap_then_fn *then)
{
	s->then = then;
	s->asked = question->what;
	s->more = NULL;
	if (s->host->ask(s->ctx, question))
		return true;
	trouble(s);
	return false;
}

static void
ask_window(struct imap_session *s, uint64_t most, imap_then_fn *then)
{
	struct catenate *c = s->append->url;
	uint64_t n = c->end - c->at;
	struct imap_ask question = { .what = IMAP_ASK_BODY,
		.mailbox = c->mailbox,
		.uid = c->url.uid,
		.offset = c->at };

	n = n < most ? n : most;
	question.length = n < IMAP_ASK_BYTES ? n : IMAP_ASK_BYTES;
	c->window_end = c->at + question.length;
	(void)ask(s, &question, then);
}

/* False: the message cannot be read as far as was asked; it is told. */
static bool
check_window(struct imap_session *s, const struct imap_answer *answer)
{
	struct catenate *c = s->append->url;

	if (answer->result == IMAP_OK &&
	    answer->bytes.len <= c->window_end - c->at)
		return true;
	if (answer->result == IMAP_EXPUNGED)
		bad_url(s);
	else
		trouble(s);
	return false;
}

/* -- passing it on --------------------------------------------------------- */

static void
then_bytes(struct imap_session *s, const struct imap_answer *answer)
{
	struct catenate *c = s->append->url;

	if (!check_window(s, answer))
		return;
	imap_append_bytes(s, answer->bytes);
	c->at += answer->bytes.len;
	if (answer->more)
		return;
	if (c->at != c->window_end)
		trouble(s);
	else
		s->more = imap_catenate_more;
}

static void
pass_fields(struct imap_session *s, size_t room)
{
	struct catenate *c = s->append->url;
	struct slice part = slice_from(buf_slice(&c->fields), (size_t)c->at);

	part = slice_upto(part, (size_t)(c->end - c->at));
	part = slice_upto(part, room);
	imap_append_bytes(s, part);
	c->at += part.len;
	s->more = imap_catenate_more;
}

/* Until c->at is c->end; then the command goes on. */
void
imap_catenate_more(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct catenate *c = a->url;
	size_t room;

	s->more = NULL;
	if (c->at >= c->end || a->result != IMAP_OK) {
		imap_catenate_free(a);
		imap_append_go_on(s);
		return;
	}
	room = s->host->body_room(s->ctx);
	if (room == 0)
		a->waits_room = true;
	else if (c->fields.len > 0)
		pass_fields(s, room);
	else
		ask_window(s, room, then_bytes);
}

static void
pass(struct imap_session *s, uint64_t at, uint64_t n)
{
	struct imap_append *a = s->append;

	fetch_cut_partial(&a->url->url.section, &at, &n);
	if (n > s->config->max_size || a->size > s->config->max_size - n) {
		imap_append_refuse(s, "NO [TOOBIG] Message too large");
		return;
	}
	a->url->at = at;
	a->url->end = at + n;
	s->more = imap_catenate_more;
}

/* -- where it lies --------------------------------------------------------- */

static void
then_header(struct imap_session *s, const struct imap_answer *answer)
{
	struct catenate *c = s->append->url;

	if (!check_window(s, answer))
		return;
	c->at += answer->bytes.len;
	if (buf_add(&c->header, answer->bytes) != BUF_OK) {
		trouble(s);
		return;
	}
	if (answer->more)
		return;
	if (c->at < c->end) {
		ask_window(s, IMAP_ASK_BYTES, then_header);
		return;
	}
	if (imap_pick_fields(buf_slice(&c->header), &c->url.section,
		&c->fields) != BUF_OK)
		trouble(s);
	else
		pass(s, 0, c->fields.len);
}

static void
found(struct imap_session *s)
{
	struct catenate *c = s->append->url;
	uint64_t at, n;

	if (!imap_find_section(&c->tree, c->size, c->header_len,
		&c->url.section, &at, &n)) {
		bad_url(s);
		return;
	}
	if (c->url.section.n_fields == 0) {
		pass(s, at, n);
		return;
	}
	c->at = at;
	c->end = at + (n < LIMIT_HEADER ? n : LIMIT_HEADER);
	ask_window(s, IMAP_ASK_BYTES, then_header);
}

static void
then_parse(struct imap_session *s, const struct imap_answer *answer)
{
	struct catenate *c = s->append->url;

	if (!check_window(s, answer))
		return;
	mime_feed(c->mime, answer->bytes);
	c->at += answer->bytes.len;
	if (answer->more)
		return;
	if (c->at < c->end && answer->bytes.len > 0) {
		ask_window(s, IMAP_ASK_BYTES, then_parse);
		return;
	}
	(void)mime_end(c->mime, &c->tree);
	c->header_len = c->tree.parts[0].header_len;
	if (c->arena.starved || c->at < c->end)
		trouble(s);
	else
		found(s);
}

static void
parse(struct imap_session *s)
{
	struct catenate *c = s->append->url;

	c->mime = mime_new(&c->arena);
	c->at = 0;
	c->end = c->size;
	if (c->mime == NULL)
		trouble(s);
	else
		ask_window(s, IMAP_ASK_BYTES, then_parse);
}

static void
then_detail(struct imap_session *s, const struct imap_answer *answer)
{
	struct catenate *c = s->append->url;
	struct summary_columns columns;

	for (size_t i = 0; i < answer->n_details; i++) {
		const struct imap_detail *d = &answer->details[i];

		c->size = d->uid == c->url.uid ? d->size : c->size;
		if (summary_head_read(d->summary, &columns) &&
		    columns.size == d->size && columns.header_len <= d->size) {
			c->header_len = columns.header_len;
			c->has_layout = true;
		}
	}
	if (answer->result != IMAP_OK && answer->result != IMAP_EXPUNGED)
		trouble(s);
	else if (answer->more)
		return;
	else if (c->size == 0)
		bad_url(s);
	else if (c->url.section.n_path > 0 ||
	    (!c->has_layout && c->url.section.kind != IMAP_PART_ALL))
		parse(s);
	else
		found(s);
}

static void
ask_detail(struct imap_session *s)
{
	struct catenate *c = s->append->url;
	struct imap_range one = { c->url.uid, c->url.uid };
	struct imap_ask question = { .what = IMAP_ASK_DETAILS,
		.mailbox = c->mailbox,
		.uids = &one,
		.n_uids = 1,
		.length = SUMMARY_HEAD };

	(void)ask(s, &question, then_detail);
}

static void
then_box(struct imap_session *s, const struct imap_answer *answer)
{
	struct catenate *c = s->append->url;
	const struct imap_box *box = answer->boxes;

	if (answer->result == IMAP_TROUBLE) {
		trouble(s);
	} else if (answer->result != IMAP_OK || answer->n_boxes != 1 ||
	    !box->exists ||
	    (c->url.uidvalidity != 0 &&
		c->url.uidvalidity != box->uidvalidity)) {
		bad_url(s);
	} else {
		c->mailbox = box->mailbox;
		ask_detail(s);
	}
}

void
imap_catenate_start(struct imap_session *s, struct slice url)
{
	struct catenate *c = calloc(1, sizeof(*c));
	struct imap_ask question = { .what = IMAP_ASK_STATUS };

	s->append->url = c;
	if (c == NULL) {
		trouble(s);
		return;
	}
	c->text = url;
	arena_init(&c->arena, MIME_MEMORY);
	buf_init(&c->header, LIMIT_HEADER);
	buf_init(&c->fields, LIMIT_HEADER + 2);
	if (!imap_url_parse(url, &s->arena, &c->url) ||
	    (c->url.name.len == 0 && s->state != IMAP_SELECTED)) {
		bad_url(s);
		return;
	}
	if (c->url.name.len == 0) {
		c->mailbox = s->mailbox;
		ask_detail(s);
		return;
	}
	question.name = c->url.name;
	(void)ask(s, &question, then_box);
}
