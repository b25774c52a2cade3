/* SPDX-License-Identifier: ISC */
/*
 * The reader of summaries: total, and believing nothing. The writer is in
 * summary.c.
 */
#include "mail/summary.h"

#include "mail/summary_format.h"
#include "mail/tlv.h"

/* -- the blob
 * ------------------------------------------------------------------ */

static bool
open_blob(struct slice *in, uint8_t *ret_marks)
{
	uint8_t version;

	return in->len <= LIMIT_SUMMARY && slice_take_byte(in, &version) &&
	    version == SUMMARY_VERSION && slice_take_byte(in, ret_marks);
}

/* The first record of that type. */
static bool
find_record(struct slice in, enum summary_type wanted, struct slice *ret)
{
	uint8_t type;

	while (tlv_next_record(&in, &type, ret))
		if (type == wanted)
			return true;
	return false;
}

/* -- columns
 * ------------------------------------------------------------------- */

static bool
read_numbers(struct slice in, struct summary_columns *c)
{
	uint64_t flags;

	if (!tlv_get(&in, UINT64_MAX, &c->size) ||
	    !tlv_get(&in, c->size, &c->lines) ||
	    !tlv_get(&in, c->size, &c->header_len) ||
	    !tlv_get(&in, UINT32_MAX, &flags))
		return false;
	c->flags = (uint32_t)flags;
	return in.len == 0;
}

static bool
read_sent(struct slice in, struct summary_columns *c)
{
	int64_t zone;

	if (!tlv_get_signed(&in, &c->sent_us) || !tlv_get_signed(&in, &zone) ||
	    zone <= -24 * 60 || zone >= 24 * 60)
		return false;
	c->sent_zone = (int)zone;
	c->has_sent = true;
	return in.len == 0;
}

/* A column is UTF-8 of at most so many octets. */
static bool
read_column(struct slice in, size_t max, struct slice *ret)
{
	return tlv_get_text(&in, ret) && in.len == 0 && ret->len <= max &&
	    slice_is_utf8(*ret);
}

static bool
read_subject(struct slice in, struct summary_columns *c)
{
	uint64_t is_reply;

	if (!tlv_get(&in, 1, &is_reply))
		return false;
	c->is_reply = is_reply == 1;
	return read_column(in, SUMMARY_COLUMN, &c->base_subject);
}

static bool
read_from(struct slice in, struct summary_columns *c)
{
	return read_column(in, SUMMARY_COLUMN, &c->first_from);
}

static bool
read_to(struct slice in, struct summary_columns *c)
{
	return read_column(in, SUMMARY_COLUMN, &c->first_to);
}

static bool
read_cc(struct slice in, struct summary_columns *c)
{
	return read_column(in, SUMMARY_COLUMN, &c->first_cc);
}

static bool
read_preview(struct slice in, struct summary_columns *c)
{
	return read_column(in, SUMMARY_PREVIEW, &c->preview);
}

static bool
read_ids(struct slice in, struct summary_columns *c)
{
	uint64_t n;

	if (!tlv_get(&in, UINT64_MAX, &c->message_id) ||
	    !tlv_get(&in, UINT64_MAX, &c->list_id) ||
	    !tlv_get(&in, SUMMARY_REFERENCES, &n))
		return false;
	for (c->n_references = 0; c->n_references < n; c->n_references++)
		if (!tlv_get(&in, UINT64_MAX, &c->references[c->n_references]))
			return false;
	return in.len == 0;
}

static bool (*const column_readers[N_SUMMARY_TYPES])(struct slice in,
    struct summary_columns *c) = {
	[SUMMARY_T_NUMBERS] = read_numbers,
	[SUMMARY_T_SENT] = read_sent,
	[SUMMARY_T_SUBJECT] = read_subject,
	[SUMMARY_T_FROM] = read_from,
	[SUMMARY_T_TO] = read_to,
	[SUMMARY_T_CC] = read_cc,
	[SUMMARY_T_PREVIEW] = read_preview,
	[SUMMARY_T_IDS] = read_ids,
};

static bool
read_columns(struct slice blob, bool is_cut, struct summary_columns *ret)
{
	struct summary_columns c = { 0 };
	struct slice value;
	bool has_numbers = false;
	uint8_t marks, type;

	if (!open_blob(&blob, &marks))
		return false;
	while (tlv_next_record(&blob, &type, &value)) {
		if (type >= N_SUMMARY_TYPES || column_readers[type] == NULL)
			continue;
		if (!column_readers[type](value, &c))
			return false;
		has_numbers |= type == SUMMARY_T_NUMBERS;
	}
	if ((blob.len != 0 && !is_cut) || !has_numbers)
		return false;
	*ret = c;
	return true;
}

bool
summary_columns_read(struct slice blob, struct summary_columns *ret)
{
	return read_columns(blob, false, ret);
}

bool
summary_head_read(struct slice head, struct summary_columns *ret)
{
	return read_columns(head, head.len == SUMMARY_HEAD, ret);
}

/* -- the envelope
 * ---------------------------------------------------------------- */

/* Texts of an arena's owner: the blob may go before the arena does. */
static bool
get_kept(struct slice *in, struct arena *a, struct slice *ret)
{
	struct slice text;

	if (!tlv_get_text(in, &text))
		return false;
	if (text.at != NULL && !arena_copy(a, text, &text))
		return false;
	*ret = text;
	return true;
}

static bool
get_address(struct slice *in, struct arena *a, struct address *ret)
{
	uint64_t kind;

	if (!tlv_get(in, ADDRESS_GROUP_END, &kind) ||
	    !get_kept(in, a, &ret->name) || !get_kept(in, a, &ret->route) ||
	    !get_kept(in, a, &ret->local) || !get_kept(in, a, &ret->host))
		return false;
	ret->kind = (uint8_t)kind;
	if (kind == ADDRESS_MAILBOX)
		return ret->local.at != NULL && ret->host.at != NULL;
	return ret->host.at == NULL &&
	    (ret->local.at != NULL) == (kind == ADDRESS_GROUP);
}

static bool
get_list(struct slice *in, struct arena *a, struct address_list *ret)
{
	struct address *list;
	uint64_t n;

	/* One more for the end of a group. */
	if (!tlv_get(in, ADDRESS_MAX + 1, &n))
		return false;
	list = arena_array(a, (size_t)n, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!get_address(in, a, &list[i]))
			return false;
	*ret = (struct address_list){ list, (size_t)n };
	return true;
}

static bool
get_envelope(struct slice *in, struct arena *a, struct envelope *ret)
{
	*ret = (struct envelope){ 0 };
	if (!get_kept(in, a, &ret->date) || !get_kept(in, a, &ret->subject) ||
	    !get_kept(in, a, &ret->in_reply_to) ||
	    !get_kept(in, a, &ret->message_id) ||
	    !get_list(in, a, &ret->from) || !get_list(in, a, &ret->sender) ||
	    !get_list(in, a, &ret->reply_to) || !get_list(in, a, &ret->to) ||
	    !get_list(in, a, &ret->cc) || !get_list(in, a, &ret->bcc))
		return false;
	envelope_finish(ret);
	return true;
}

bool
summary_envelope(struct slice blob, struct arena *a, struct envelope *ret)
{
	struct slice value;
	struct envelope e;
	uint8_t marks;

	if (!open_blob(&blob, &marks) || (marks & SUMMARY_CUT_ENVELOPE) != 0 ||
	    !find_record(blob, SUMMARY_T_ENVELOPE, &value) ||
	    !get_envelope(&value, a, &e) || value.len != 0)
		return false;
	*ret = e;
	return true;
}

/* -- the tree
 * -------------------------------------------------------------------- */

static bool
get_params(struct slice *in, struct arena *a, struct mime_params *ret)
{
	struct mime_param *list;
	uint64_t n;

	if (!tlv_get(in, MIME_PARAMS, &n))
		return false;
	list = arena_array(a, (size_t)n, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!get_kept(in, a, &list[i].name) ||
		    !get_kept(in, a, &list[i].value) ||
		    list[i].name.at == NULL || list[i].value.at == NULL)
			return false;
	*ret = (struct mime_params){ list, (size_t)n };
	return true;
}

static bool
get_languages(struct slice *in, struct arena *a, struct mime_part *p)
{
	struct slice *list;
	uint64_t n;

	if (!tlv_get(in, MIME_LANGUAGES, &n))
		return false;
	if (n == 0)
		return true;
	list = arena_array(a, (size_t)n, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!get_kept(in, a, &list[i]) || list[i].at == NULL)
			return false;
	p->languages = list;
	p->n_languages = (size_t)n;
	return true;
}

static bool
get_texts(struct slice *in, struct arena *a, struct mime_part *p)
{
	return get_kept(in, a, &p->type) && p->type.at != NULL &&
	    get_kept(in, a, &p->subtype) && p->subtype.at != NULL &&
	    get_params(in, a, &p->params) && get_kept(in, a, &p->encoding) &&
	    p->encoding.at != NULL && get_kept(in, a, &p->id) &&
	    get_kept(in, a, &p->description) && get_kept(in, a, &p->md5) &&
	    get_kept(in, a, &p->location) && get_kept(in, a, &p->disposition) &&
	    get_params(in, a, &p->disposition_params) &&
	    get_languages(in, a, p);
}

static bool
get_numbers(struct slice *in, uint64_t size, struct mime_part *p)
{
	uint64_t kind, parent;

	if (!tlv_get(in, MIME_MESSAGE, &kind) ||
	    !tlv_get(in, MIME_NONE, &parent) ||
	    !tlv_get(in, size, &p->offset) ||
	    !tlv_get(in, size - p->offset, &p->header_len) ||
	    !tlv_get(in, size - p->offset - p->header_len, &p->body_len) ||
	    !tlv_get(in, p->body_len, &p->lines))
		return false;
	p->kind = (uint8_t)kind;
	p->parent = (uint16_t)parent;
	p->first_child = p->next_sibling = MIME_NONE;
	return true;
}

static bool
get_own_envelope(struct slice *in, struct arena *a, struct mime_part *p)
{
	struct envelope *e;
	uint64_t has;

	if (!tlv_get(in, 1, &has))
		return false;
	if (has == 0)
		return true;
	e = arena_alloc(a, sizeof(*e));
	if (e == NULL || !get_envelope(in, a, e))
		return false;
	p->envelope = e;
	return true;
}

/* Part i under its parent: that one exists, can have children, and holds the
 * bytes of this one. */
static bool
hang(struct mime_part *parts, uint16_t *last_child, uint16_t i)
{
	struct mime_part *p = &parts[i], *up;
	uint64_t begin;

	if (p->parent >= i)
		return false;
	up = &parts[p->parent];
	begin = up->offset + up->header_len;
	if (up->kind != MIME_MULTIPART &&
	    (up->kind != MIME_MESSAGE || up->n_children > 0))
		return false;
	if (up->depth == MIME_DEPTH || p->offset < begin ||
	    p->offset - begin > up->body_len ||
	    p->header_len + p->body_len > up->body_len - (p->offset - begin))
		return false;
	if ((up->kind == MIME_MESSAGE) != (p->envelope != NULL))
		return false;
	p->depth = (uint8_t)(up->depth + 1);
	if (up->n_children++ == 0)
		up->first_child = i;
	else
		parts[last_child[p->parent]].next_sibling = i;
	last_child[p->parent] = i;
	return true;
}

static bool
get_parts(struct slice *in, uint64_t size, struct arena *a,
    struct mime_part *parts, size_t n)
{
	uint16_t *last_child = arena_array(a, n, sizeof(*last_child));

	if (last_child == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct mime_part *p = &parts[i];

		if (!get_numbers(in, size, p) || !get_texts(in, a, p) ||
		    !get_own_envelope(in, a, p))
			return false;
		if (i > 0 ? !hang(parts, last_child, (uint16_t)i)
			  : p->parent != MIME_NONE || p->envelope != NULL ||
			    p->offset != 0 ||
			    p->header_len + p->body_len != size)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (parts[i].kind == MIME_MESSAGE && parts[i].n_children != 1)
			return false;
	return true;
}

/* The first part's envelope stands in a record of its own. */
static bool
add_first_envelope(struct slice blob, struct arena *a, struct mime_part *first)
{
	struct envelope *e = arena_alloc(a, sizeof(*e));

	if (e == NULL || !summary_envelope(blob, a, e))
		return false;
	first->envelope = e;
	return true;
}

bool
summary_tree(struct slice blob, uint64_t message_size, struct arena *a,
    struct mime_tree *ret)
{
	struct slice in = blob, value;
	struct summary_columns columns;
	struct mime_part *parts;
	uint8_t marks;
	uint64_t n;

	if (!summary_columns_read(blob, &columns) ||
	    columns.size != message_size || !open_blob(&in, &marks) ||
	    (marks & SUMMARY_CUT_TREE) != 0 ||
	    !find_record(in, SUMMARY_T_TREE, &value) ||
	    !tlv_get(&value, MIME_PARTS, &n) || n == 0)
		return false;
	parts = arena_array(a, (size_t)n, sizeof(*parts));
	if (parts == NULL ||
	    !get_parts(&value, message_size, a, parts, (size_t)n) ||
	    value.len != 0 || !add_first_envelope(blob, a, &parts[0]))
		return false;
	*ret = (struct mime_tree){ .parts = parts,
		.n = (size_t)n,
		.size = message_size,
		.lines = columns.lines };
	return true;
}
