/* SPDX-License-Identifier: ISC */
#include <inttypes.h>

#include "imap/quote.h"
#include "imap/structure.h"

static int
put_sp(struct buf *b)
{
	return buf_add_byte(b, ' ');
}

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"; a
 * group begins with its name and no host, and ends with four NILs. */
static int
put_address(struct buf *b, const struct address *a)
{
	static const struct slice nil = { NULL, 0 };
	struct slice local = a->local, host = a->host;
	int r;

	if (a->kind == ADDRESS_GROUP_END)
		return buf_add(b, SLICE("(NIL NIL NIL NIL)"));
	if (a->kind == ADDRESS_GROUP)
		host = nil;
	else if (host.at == NULL)
		host = SLICE("");
	if (local.at == NULL)
		local = SLICE("");
	r = buf_add_byte(b, '(');
	r |= imap_put_nstring(b, a->name) | put_sp(b);
	r |= imap_put_nstring(b, a->route) | put_sp(b);
	r |= imap_put_nstring(b, local) | put_sp(b);
	r |= imap_put_nstring(b, host);
	return r | buf_add_byte(b, ')');
}

static int
put_addresses(struct buf *b, struct address_list list)
{
	int r;

	if (list.n == 0)
		return buf_add(b, SLICE("NIL"));
	r = buf_add_byte(b, '(');
	for (size_t i = 0; i < list.n && r == BUF_OK; i++)
		r = put_address(b, &list.at[i]);
	return r | buf_add_byte(b, ')');
}

int
imap_put_envelope(struct buf *b, const struct envelope *e)
{
	const struct address_list *const lists[] = { &e->from, &e->sender,
		&e->reply_to, &e->to, &e->cc, &e->bcc };
	int r = buf_add_byte(b, '(');

	r |= imap_put_nstring(b, e->date) | put_sp(b);
	r |= imap_put_nstring(b, e->subject) | put_sp(b);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		r |= put_addresses(b, *lists[i]) | put_sp(b);
	r |= imap_put_nstring(b, e->in_reply_to) | put_sp(b);
	r |= imap_put_nstring(b, e->message_id);
	return r | buf_add_byte(b, ')');
}

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil */
static int
put_params(struct buf *b, struct mime_params params)
{
	int r;

	if (params.n == 0)
		return buf_add(b, SLICE("NIL"));
	r = buf_add_byte(b, '(');
	for (size_t i = 0; i < params.n; i++) {
		if (i > 0)
			r |= put_sp(b);
		r |= imap_put_string(b, params.at[i].name) | put_sp(b);
		r |= imap_put_string(b, params.at[i].value);
	}
	return r | buf_add_byte(b, ')');
}

/* body-fld-dsp = "(" string SP body-fld-param ")" / nil */
static int
put_disposition(struct buf *b, const struct mime_part *p)
{
	int r;

	if (p->disposition.at == NULL)
		return buf_add(b, SLICE("NIL"));
	r = buf_add_byte(b, '(');
	r |= imap_put_string(b, p->disposition) | put_sp(b);
	r |= put_params(b, p->disposition_params);
	return r | buf_add_byte(b, ')');
}

/* body-fld-lang = nstring / "(" string *(SP string) ")" */
static int
put_languages(struct buf *b, const struct mime_part *p)
{
	int r;

	if (p->n_languages == 0)
		return buf_add(b, SLICE("NIL"));
	r = buf_add_byte(b, '(');
	for (size_t i = 0; i < p->n_languages; i++) {
		if (i > 0)
			r |= put_sp(b);
		r |= imap_put_string(b, p->languages[i]);
	}
	return r | buf_add_byte(b, ')');
}

static int
put_tail(struct buf *b, const struct mime_part *p)
{
	int r = put_sp(b);

	r |= put_disposition(b, p) | put_sp(b);
	r |= put_languages(b, p) | put_sp(b);
	return r | imap_put_nstring(b, p->location);
}

static int put_part(struct buf *b, const struct mime_tree *tree, size_t i,
    bool extended);

/* body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]; one body
 * there must be, even where no boundary was found. */
static int
put_multipart(struct buf *b, const struct mime_tree *tree,
    const struct mime_part *p, bool extended)
{
	int r = buf_add_byte(b, '(');

	if (p->first_child == MIME_NONE)
		r |= buf_add(b,
		    SLICE("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL "
			  "NIL \"7bit\" 0 0)"));
	for (uint16_t i = p->first_child; i < tree->n && r == BUF_OK;
	     i = tree->parts[i].next_sibling)
		r = put_part(b, tree, i, extended);
	r |= put_sp(b) | imap_put_string(b, p->subtype);
	if (extended) {
		r |= put_sp(b) | put_params(b, p->params);
		r |= put_tail(b, p);
	}
	return r | buf_add_byte(b, ')');
}

/* What message/rfc822 has in addition: envelope, body, lines. */
static int
put_message(struct buf *b, const struct mime_tree *tree,
    const struct mime_part *p, bool extended)
{
	static const struct envelope none = { 0 };
	const struct mime_part *child = &tree->parts[p->first_child];
	int r = put_sp(b);

	r |= imap_put_envelope(b,
	    child->envelope != NULL ? child->envelope : &none);
	r |= put_sp(b);
	r |= put_part(b, tree, p->first_child, extended);
	return r | buf_printf(b, " %" PRIu64, p->lines);
}

/* A message/rfc822 whose message was left out for a limit has nothing to show
 * inside: it is given as a plain attachment. */
static bool
is_message(const struct mime_tree *tree, const struct mime_part *p)
{
	return p->kind == MIME_MESSAGE && p->first_child < tree->n;
}

static int
put_single(struct buf *b, const struct mime_tree *tree,
    const struct mime_part *p, bool extended)
{
	bool is_odd = p->kind == MIME_MESSAGE && !is_message(tree, p);
	int r = buf_add_byte(b, '(');

	r |= imap_put_string(b, is_odd ? SLICE("application") : p->type);
	r |= put_sp(b);
	r |= imap_put_string(b, is_odd ? SLICE("octet-stream") : p->subtype);
	r |= put_sp(b) | put_params(b, p->params) | put_sp(b);
	r |= imap_put_nstring(b, p->id) | put_sp(b);
	r |= imap_put_nstring(b, p->description) | put_sp(b);
	r |= imap_put_string(b, p->encoding);
	r |= buf_printf(b, " %" PRIu64, p->body_len);
	if (is_message(tree, p))
		r |= put_message(b, tree, p, extended);
	else if (p->kind == MIME_TEXT)
		r |= buf_printf(b, " %" PRIu64, p->lines);
	if (extended) {
		r |= put_sp(b) | imap_put_nstring(b, p->md5);
		r |= put_tail(b, p);
	}
	return r | buf_add_byte(b, ')');
}

static int
put_part(struct buf *b, const struct mime_tree *tree, size_t i, bool extended)
{
	const struct mime_part *p = &tree->parts[i];

	return p->kind == MIME_MULTIPART ? put_multipart(b, tree, p, extended)
					 : put_single(b, tree, p, extended);
}

int
imap_put_structure(struct buf *b, const struct mime_tree *tree, bool extended)
{
	return put_part(b, tree, 0, extended);
}
