/* SPDX-License-Identifier: ISC */
/*
 * The writer; the reader is in summary_read.c.
 */
#include "mail/summary.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mail/date.h"
#include "mail/encode.h"
#include "mail/lex.h"
#include "mail/preview.h"
#include "mail/subject.h"
#include "mail/summary_format.h"
#include "mail/tlv.h"

enum {
	PARSER_MEMORY = SUMMARY_MEMORY - 32 * 1024 /* the rest: preview, us */
};

struct summary {
	struct arena arena;
	struct mime *mime;
	struct preview preview;
	uint32_t flags;
	uint64_t list_id;
	uint64_t references[SUMMARY_REFERENCES];
	size_t n_references;
	bool has_references;
	unsigned n_tls_required;
};

/* -- while it streams
 * ---------------------------------------------------------- */

uint64_t
summary_hash(struct slice text)
{
	/* Not secret: the same text must give the same number for ever. */
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash = 0;

	(void)crypto_shorthash(out, text.at == NULL ? key : text.at, text.len,
	    key);
	for (size_t i = 0; i < sizeof(out) && i < 8; i++)
		hash |= (uint64_t)out[i] << (8 * i);
	return hash == 0 ? 1 : hash;
}

/* The text between the next < and >. */
static bool
take_msg_id(struct slice *in, struct slice *ret)
{
	struct slice rest = *in, before, id;

	if (!slice_take_until(&rest, '<', &before) ||
	    !slice_take_until(&rest, '>', &id))
		return false;
	*in = rest;
	*ret = id;
	return true;
}

/* The first one is the thread's root and the last ones are near: what is left
 * out of a long list stands between. */
static void
add_references(struct summary *s, struct slice body)
{
	struct slice id;

	while (take_msg_id(&body, &id)) {
		if (s->n_references == SUMMARY_REFERENCES) {
			memmove(s->references + 1, s->references + 2,
			    (SUMMARY_REFERENCES - 2) * sizeof(uint64_t));
			s->n_references--;
		}
		s->references[s->n_references++] = summary_hash(id);
	}
}

static void
on_references(struct summary *s, struct slice body)
{
	if (!s->has_references)
		add_references(s, body);
	s->has_references = true;
}

static void
on_list_id(struct summary *s, struct slice body)
{
	struct slice id;

	s->flags |= SUMMARY_IS_LIST;
	if (s->list_id == 0 && take_msg_id(&body, &id))
		s->list_id = summary_hash(id);
}

static void
on_list_post(struct summary *s, struct slice body)
{
	(void)body;
	s->flags |= SUMMARY_IS_LIST;
}

static void
on_precedence(struct summary *s, struct slice body)
{
	body = slice_trim(body);
	if (slice_starts_nocase(body, SLICE("bulk")) ||
	    slice_starts_nocase(body, SLICE("list")))
		s->flags |= SUMMARY_IS_LIST;
}

/* RFC 3834, 5: anything but "no" */
static void
on_auto_submitted(struct summary *s, struct slice body)
{
	if (!slice_equal_nocase(slice_trim(body), SLICE("no")))
		s->flags |= SUMMARY_IS_AUTO;
}

/* RFC 8689, 3. It may stand there once; what is said otherwise means nothing.
 */
static void
on_tls_required(struct summary *s, struct slice body)
{
	while (body.len > 0 && lex_is_blank(body.at[0]))
		body = slice_from(body, 1);
	if (s->n_tls_required++ == 0 &&
	    slice_equal_nocase(slice_trim(body), SLICE("No")))
		s->flags |= SUMMARY_TLS_OPTIONAL;
	else
		s->flags &= ~(uint32_t)SUMMARY_TLS_OPTIONAL;
}

static const struct watched {
	struct slice name;
	void (*on)(struct summary *s, struct slice body);
} watched[] = {
	{ SLICE("References"), on_references },
	{ SLICE("TLS-Required"), on_tls_required },
	{ SLICE("List-Id"), on_list_id },
	{ SLICE("List-Post"), on_list_post },
	{ SLICE("Precedence"), on_precedence },
	{ SLICE("Auto-Submitted"), on_auto_submitted },
};

static void
on_field(void *ctx, struct slice name, struct slice body)
{
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (slice_equal_nocase(name, watched[i].name))
			watched[i].on(ctx, body);
}

static void
on_body(void *ctx, const struct mime_part *part, struct slice bytes)
{
	struct summary *s = ctx;

	preview_feed(&s->preview, part, bytes);
}

struct summary *
summary_begin(void)
{
	struct summary *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	arena_init(&s->arena, PARSER_MEMORY);
	preview_init(&s->preview);
	s->mime = mime_new(&s->arena);
	if (s->mime == NULL) {
		summary_free(s);
		return NULL;
	}
	mime_watch(s->mime, on_field, on_body, s);
	return s;
}

void
summary_feed(struct summary *s, struct slice bytes)
{
	mime_feed(s->mime, bytes);
}

size_t
summary_cost(const struct summary *s)
{
	return s == NULL ? 0
			 : sizeof(*s) + s->arena.used + s->preview.text.size;
}

void
summary_free(struct summary *s)
{
	if (s == NULL)
		return;
	arena_reset(&s->arena);
	preview_deinit(&s->preview);
	free(s);
}

/* -- writing
 * ------------------------------------------------------------------- */

/* One summary on its way out: each record is made in `work` and added whole. */
struct output {
	struct buf *to;
	struct buf work;
	struct tlv_writer w;
	uint8_t marks;
	int r; /* < 0: out of memory */
};

/* False when it did not fit. */
static bool
add_record(struct output *o, enum summary_type type)
{
	int r = o->w.r;

	if (r == BUF_OK)
		r = tlv_add_record(o->to, (uint8_t)type, buf_slice(&o->work));
	if (r < 0)
		o->r = r;
	buf_reset(&o->work, LIMIT_SUMMARY);
	o->w.r = BUF_OK;
	return r == BUF_OK;
}

static void
put_list(struct tlv_writer *w, struct address_list list)
{
	tlv_put(w, list.n);
	for (size_t i = 0; i < list.n; i++) {
		tlv_put(w, list.at[i].kind);
		tlv_put_text(w, list.at[i].name);
		tlv_put_text(w, list.at[i].route);
		tlv_put_text(w, list.at[i].local);
		tlv_put_text(w, list.at[i].host);
	}
}

/* Sender and Reply-To are mostly those of From: then they are written as
 * absent, and envelope_finish() brings them back. */
static struct address_list
unless_from(const struct envelope *e, struct address_list list)
{
	return list.at == e->from.at ? (struct address_list){ 0 } : list;
}

static void
put_envelope(struct tlv_writer *w, const struct envelope *e)
{
	tlv_put_text(w, e->date);
	tlv_put_text(w, e->subject);
	tlv_put_text(w, e->in_reply_to);
	tlv_put_text(w, e->message_id);
	put_list(w, e->from);
	put_list(w, unless_from(e, e->sender));
	put_list(w, unless_from(e, e->reply_to));
	put_list(w, e->to);
	put_list(w, e->cc);
	put_list(w, e->bcc);
}

static void
put_params(struct tlv_writer *w, struct mime_params params)
{
	tlv_put(w, params.n);
	for (size_t i = 0; i < params.n; i++) {
		tlv_put_text(w, params.at[i].name);
		tlv_put_text(w, params.at[i].value);
	}
}

static void
put_part(struct tlv_writer *w, const struct mime_part *p, bool is_first)
{
	tlv_put(w, p->kind);
	tlv_put(w, p->parent);
	tlv_put(w, p->offset);
	tlv_put(w, p->header_len);
	tlv_put(w, p->body_len);
	tlv_put(w, p->lines);
	tlv_put_text(w, p->type);
	tlv_put_text(w, p->subtype);
	put_params(w, p->params);
	tlv_put_text(w, p->encoding);
	tlv_put_text(w, p->id);
	tlv_put_text(w, p->description);
	tlv_put_text(w, p->md5);
	tlv_put_text(w, p->location);
	tlv_put_text(w, p->disposition);
	put_params(w, p->disposition_params);
	tlv_put(w, p->n_languages);
	for (size_t i = 0; i < p->n_languages; i++)
		tlv_put_text(w, p->languages[i]);
	tlv_put(w, !is_first && p->envelope != NULL);
	if (!is_first && p->envelope != NULL)
		put_envelope(w, p->envelope);
}

static void
add_tree(struct output *o, const struct mime_tree *tree)
{
	tlv_put(&o->w, tree->n);
	for (size_t i = 0; i < tree->n && o->w.r == BUF_OK; i++)
		put_part(&o->w, &tree->parts[i], i == 0);
	if (!add_record(o, SUMMARY_T_TREE) || tree->truncated)
		o->marks |= SUMMARY_CUT_TREE;
}

static void
add_sent(struct output *o, const struct envelope *e)
{
	struct mail_date date;

	if (!date_parse(e->date, &date))
		return;
	tlv_put_signed(&o->w, date.us);
	tlv_put_signed(&o->w, date.zone);
	(void)add_record(o, SUMMARY_T_SENT);
}

static void
add_subject(struct output *o, const struct envelope *e)
{
	struct buf base;
	bool is_reply = false;
	int r;

	buf_init(&base, 16 * (size_t)SUBJECT_MAX); /* folding may lengthen */
	r = subject_base(e->subject, &base, &is_reply);
	if (r == BUF_OK) {
		tlv_put(&o->w, is_reply);
		tlv_put_text(&o->w,
		    utf8_upto(buf_slice(&base), SUMMARY_COLUMN));
		(void)add_record(o, SUMMARY_T_SUBJECT);
	} else if (r < 0) {
		o->r = r;
	}
	buf_deinit(&base);
}

/* local@host of the first address, folded; of a group its name, which is what
 * stands first in the ENVELOPE by which RFC 5256 sorts. */
static void
add_first(struct output *o, enum summary_type type, struct address_list list)
{
	struct buf raw, clean, folded;
	int r;

	if (list.n == 0)
		return;
	buf_init(&raw, 2 * ADDRESS_PART_MAX + 1);
	buf_init(&clean, 3 * raw.cap);
	buf_init(&folded, 16 * raw.cap);
	r = buf_add(&raw, list.at[0].local);
	if (r == BUF_OK && list.at[0].host.len > 0)
		r = buf_add_byte(&raw, '@');
	if (r == BUF_OK)
		r = buf_add(&raw, list.at[0].host);
	if (r == BUF_OK)
		r = charset_to_utf8(SLICE("utf-8"), buf_slice(&raw), &clean);
	if (r == BUF_OK)
		r = text_fold(buf_slice(&clean), &folded);
	if (r == BUF_OK) {
		tlv_put_text(&o->w,
		    utf8_upto(buf_slice(&folded), SUMMARY_COLUMN));
		(void)add_record(o, type);
	} else if (r < 0) {
		o->r = r;
	}
	buf_deinit(&raw);
	buf_deinit(&clean);
	buf_deinit(&folded);
}

static void
add_preview(struct output *o, struct summary *s)
{
	struct buf text;
	int r;

	buf_init(&text, SUMMARY_PREVIEW);
	r = preview_end(&s->preview, SUMMARY_PREVIEW, &text);
	if (r == BUF_OK && text.len > 0) {
		tlv_put_text(&o->w, buf_slice(&text));
		(void)add_record(o, SUMMARY_T_PREVIEW);
	} else if (r < 0) {
		o->r = r;
	}
	buf_deinit(&text);
}

static void
add_ids(struct output *o, struct summary *s, const struct envelope *e)
{
	struct slice in, id;

	/* RFC 5256, 3: no valid id there: the first of In-Reply-To. */
	in = e->in_reply_to;
	if (s->n_references == 0 && take_msg_id(&in, &id))
		s->references[s->n_references++] = summary_hash(id);
	in = e->message_id;
	tlv_put(&o->w, take_msg_id(&in, &id) ? summary_hash(id) : 0);
	tlv_put(&o->w, s->list_id);
	tlv_put(&o->w, s->n_references);
	for (size_t i = 0; i < s->n_references; i++)
		tlv_put(&o->w, s->references[i]);
	(void)add_record(o, SUMMARY_T_IDS);
}

static bool
is_attachment(const struct mime_part *p)
{
	struct slice name;

	if (slice_equal_nocase(p->disposition, SLICE("attachment")))
		return true;
	return p->kind == MIME_LEAF &&
	    (mime_param_get(p->params, SLICE("name"), &name) ||
		mime_param_get(p->disposition_params, SLICE("filename"),
		    &name));
}

static uint32_t
flags_of(const struct summary *s, const struct mime_tree *tree)
{
	uint32_t flags = s->flags;

	if (tree->has_8bit)
		flags |= SUMMARY_HAS_8BIT;
	if (tree->header_has_8bit)
		flags |= SUMMARY_HAS_8BIT_HEADER;
	if (tree->has_nul)
		flags |= SUMMARY_HAS_NUL;
	if (tree->has_bare_lf || tree->has_bare_cr)
		flags |= SUMMARY_HAS_BARE_LINE_END;
	for (size_t i = 0; i < tree->n; i++)
		if (is_attachment(&tree->parts[i]))
			flags |= SUMMARY_HAS_ATTACHMENT;
	return flags;
}

/* In the order of their worth: what comes last is left out first. */
static void
write_records(struct output *o, struct summary *s, const struct mime_tree *tree)
{
	const struct envelope *e = tree->parts[0].envelope;

	tlv_put(&o->w, tree->size);
	tlv_put(&o->w, tree->lines);
	tlv_put(&o->w, tree->parts[0].header_len);
	tlv_put(&o->w, flags_of(s, tree));
	(void)add_record(o, SUMMARY_T_NUMBERS);
	add_sent(o, e);
	add_subject(o, e);
	add_first(o, SUMMARY_T_FROM, e->from);
	add_first(o, SUMMARY_T_TO, e->to);
	add_first(o, SUMMARY_T_CC, e->cc);
	add_ids(o, s, e);
	add_preview(o, s);
	put_envelope(&o->w, e);
	/* Whichever field was cut, the envelope may have been hit. */
	if (!add_record(o, SUMMARY_T_ENVELOPE) || tree->truncated)
		o->marks |= SUMMARY_CUT_ENVELOPE;
	add_tree(o, tree);
}

int
summary_end(struct summary *s, struct buf *ret)
{
	struct buf blob;
	struct output o = { .to = &blob };
	struct mime_tree tree;
	uint8_t *head;
	int r;

	(void)mime_end(s->mime, &tree);
	buf_init(&blob, LIMIT_SUMMARY);
	buf_init(&o.work, LIMIT_SUMMARY);
	o.w = (struct tlv_writer){ &o.work, BUF_OK };
	r = buf_reserve(&blob, 2, &head);
	if (r == BUF_OK) {
		buf_grew(&blob, 2);
		write_records(&o, s, &tree);
		r = o.r;
	}
	if (r == BUF_OK) {
		/* blob was never eaten from: it begins at mem */
		blob.mem[0] = SUMMARY_VERSION;
		blob.mem[1] = o.marks;
		r = buf_add(ret, buf_slice(&blob));
	}
	buf_deinit(&o.work);
	buf_deinit(&blob);
	return r;
}

int
summary_make(struct slice message, struct buf *ret)
{
	struct summary *s = summary_begin();
	int r;

	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	summary_feed(s, message);
	r = summary_end(s, ret);
	summary_free(s);
	return r;
}
