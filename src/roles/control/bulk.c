/* SPDX-License-Identifier: ISC */
#include "roles/control/bulk.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mail/summary.h"

enum {
	HEAD_MAX = 8 * 1024, /* a line of JSON */
	WAITING_MAX = 64,    /* mails that the store has not answered for */
	WAITING_BYTES = 4 * 1024 * 1024,
	OUT_ENOUGH = 1024 * 1024 /* then the client must read first */
};

enum bulk_state {
	HEAD,  /* a line comes */
	BYTES, /* the mail behind it */
	FETCH, /* the store is reading one */
	ENDED
};

struct bulk {
	struct control *control;
	uint64_t session;
	bool is_export;
	enum bulk_state state;
	char address[LIMIT_ADDRESS + 1];
	uint64_t n_done;
	uint32_t n; /* the client's number of the mail at hand */
	/* import */
	struct wire_import mail;
	char mailbox[LIMIT_MAILBOX_NAME + 1], keywords[LIMIT_KEYWORDS + 1];
	struct summary *summary;
	uint64_t left, bytes; /* bytes: since nothing was on its way */
	int64_t credit;
	bool is_refused;
	struct wire_verdict refusal;
	char refusal_text[512];
	unsigned n_waiting;
	/* export */
	uint32_t owed; /* credit that the client's reading will bring */
};

struct bulk *
bulk_new(struct control *c, uint64_t session, bool is_export,
    struct slice address)
{
	struct bulk *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->control = c;
	b->session = session;
	b->is_export = is_export;
	(void)slice_to_cstr(address, b->address, sizeof(b->address));
	return b;
}

static struct channel *
store_of(const struct bulk *b)
{
	return b->control->store.is_there ? &b->control->store.channel : NULL;
}

/* What the store has of a mail that is not finished, or reads for us. */
void
bulk_free(struct bulk *b)
{
	struct channel *store;

	if (b == NULL)
		return;
	store = store_of(b);
	if (b->state == BYTES && store != NULL)
		(void)wire_send_body_drop(store, b->session, 0,
		    &(struct wire_body_drop){ .body = b->mail.body });
	if (b->state == FETCH && store != NULL)
		(void)wire_send_read_drop(store, b->session, b->n,
		    &(struct wire_read_drop){ 0 });
	summary_free(b->summary);
	free(b);
}

uint64_t
bulk_done(const struct bulk *b)
{
	return b->n_done;
}

bool
bulk_wants(const struct bulk *b)
{
	switch (b->state) {
	case HEAD:
		return b->n_waiting < WAITING_MAX &&
		    (b->bytes < WAITING_BYTES || b->n_waiting == 0);
	case BYTES:
		return b->credit > 0 || b->is_refused;
	default:
		return false;
	}
}

static void
answer(struct buf *out, uint32_t n, const struct wire_verdict *v, uint32_t uid)
{
	(void)buf_printf(out, "{\"n\":%u,\"uid\":%u,\"verdict\":", n, uid);
	if (control_end_print(v, out) == 0 && out->len > 0)
		out->len--; /* its line end */
	(void)buf_add_cstr(out, "}\n");
}

/* -- a line of an import
 * ------------------------------------------------------------ */

static bool
take_text(const json_t *head, const char *name, char *at, size_t size)
{
	const json_t *value = json_object_get(head, name);

	return json_is_string(value) &&
	    slice_to_cstr(slice_of(json_string_value(value),
			      json_string_length(value)),
		at, size);
}

static bool
take_number(const json_t *head, const char *name, int64_t lo, int64_t hi,
    int64_t *ret)
{
	const json_t *value = json_object_get(head, name);

	*ret = json_integer_value(value);
	return json_is_integer(value) && *ret >= lo && *ret <= hi;
}

static bool
read_head(struct bulk *b, const json_t *head)
{
	char source[ID_TEXT + 1];
	int64_t n, flags, validity, uid, size;
	struct wire_import *m = &b->mail;

	memset(m, 0, sizeof(*m));
	if (!take_number(head, "n", 0, UINT32_MAX, &n) ||
	    !take_text(head, "mailbox", b->mailbox, sizeof(b->mailbox)) ||
	    !take_text(head, "keywords", b->keywords, sizeof(b->keywords)) ||
	    !take_number(head, "flags", 0, UINT8_MAX, &flags) ||
	    !take_number(head, "date", INT64_MIN, INT64_MAX, &m->date) ||
	    !take_number(head, "zone", -1440, 1440, &m->zone) ||
	    !take_text(head, "source", source, sizeof(source)) ||
	    !id_parse(slice_cstr(source), &m->source) ||
	    !take_number(head, "validity", 0, UINT32_MAX, &validity) ||
	    !take_number(head, "uid", 0, UINT32_MAX, &uid) ||
	    !take_number(head, "size", 0, INT64_MAX, &size))
		return false;
	b->n = (uint32_t)n;
	b->left = (uint64_t)size;
	m->flags = (uint8_t)flags;
	m->validity = (uint32_t)validity;
	m->uid = (uint32_t)uid;
	m->mailbox = slice_cstr(b->mailbox);
	m->keywords = slice_cstr(b->keywords);
	m->address = slice_cstr(b->address);
	return true;
}

static enum bulk_result
begin_mail(struct bulk *b)
{
	struct env *env = b->control->role->env;
	struct channel *store = store_of(b);
	struct wire_body_open m = { .size = b->left };

	b->mail.body = m.body = ++b->control->next_body;
	id_make(&b->control->ids, env_wall(env), env_random_u64(env),
	    &b->mail.id);
	b->credit = LIMIT_CREDIT;
	b->is_refused = false;
	b->summary = summary_begin();
	if (b->n_waiting == 0)
		b->bytes = 0;
	b->bytes += b->left;
	if (store == NULL || wire_send_body_open(store, b->session, 0, &m) != 0)
		return BULK_E_STORE;
	b->state = BYTES;
	return BULK_WAITING;
}

static enum bulk_result
end_mail(struct bulk *b, struct buf *out)
{
	struct channel *store = store_of(b);
	struct buf summary;
	int r;

	b->state = HEAD;
	if (b->is_refused) {
		if (store != NULL)
			(void)wire_send_body_drop(store, b->session, 0,
			    &(struct wire_body_drop){ .body = b->mail.body });
		summary_free(b->summary);
		b->summary = NULL;
		answer(out, b->n, &b->refusal, 0);
		return BULK_WAITING;
	}
	buf_init(&summary, LIMIT_SUMMARY);
	if (b->summary == NULL || summary_end(b->summary, &summary) != 0)
		buf_reset(&summary, LIMIT_SUMMARY); /* legal everywhere */
	summary_free(b->summary);
	b->summary = NULL;
	b->mail.summary = buf_slice(&summary);
	r = store == NULL ? -1
			  : wire_send_import(store, b->session, b->n, &b->mail);
	buf_deinit(&summary);
	b->n_waiting++;
	return r != 0 ? BULK_E_STORE : BULK_WAITING;
}

/* What is there of it, and for what there is credit. */
static enum bulk_result
take_bytes(struct bulk *b, struct buf *in)
{
	struct slice piece = slice_upto(buf_slice(in), LIMIT_CHUNK);
	struct channel *store = store_of(b);
	struct wire_body_chunk m = { .body = b->mail.body };

	if (piece.len > b->left)
		piece.len = (size_t)b->left;
	if (!b->is_refused && (int64_t)piece.len > b->credit)
		piece.len = (size_t)b->credit;
	if (!b->is_refused) {
		m.data = piece;
		if (b->summary != NULL)
			summary_feed(b->summary, piece);
		if (store == NULL ||
		    wire_send_body_chunk(store, b->session, 0, &m) != 0)
			return BULK_E_STORE;
		b->credit -= (int64_t)piece.len;
	}
	b->left -= piece.len;
	buf_eat(in, piece.len);
	return BULK_WAITING;
}

/* -- a line of an export
 * ------------------------------------------------------------ */

static enum bulk_result
begin_fetch(struct bulk *b, const json_t *head)
{
	struct channel *store = store_of(b);
	struct wire_message_read m = { .address = slice_cstr(b->address) };
	char id[ID_TEXT + 1];
	int64_t n;

	if (!take_number(head, "n", 0, UINT32_MAX, &n) ||
	    !take_text(head, "id", id, sizeof(id)) ||
	    !id_parse(slice_cstr(id), &m.message))
		return BULK_E_FORM;
	b->n = (uint32_t)n;
	b->owed = 0;
	b->state = FETCH;
	return store == NULL ||
		wire_send_message_read(store, b->session, b->n, &m) != 0
	    ? BULK_E_STORE
	    : BULK_WAITING;
}

/* -- lines
 * ------------------------------------------------------------------------ */

static enum bulk_result
take_head(struct bulk *b, struct slice line)
{
	enum bulk_result r = BULK_WAITING;
	json_t *head = json_loadb((const char *)line.at, line.len,
	    JSON_REJECT_DUPLICATES, NULL);

	if (json_is_true(json_object_get(head, "end")))
		b->state = ENDED;
	else if (b->is_export)
		r = begin_fetch(b, head);
	else
		r = read_head(b, head) ? begin_mail(b) : BULK_E_FORM;
	json_decref(head);
	return r;
}

/* One step; *ret_moved: there may be another. */
static enum bulk_result
step(struct bulk *b, struct buf *in, struct buf *out, bool *ret_moved)
{
	struct slice all = buf_slice(in), line;
	enum bulk_result r;

	*ret_moved = false;
	if (b->state == BYTES && b->left == 0) {
		*ret_moved = true;
		return end_mail(b, out);
	}
	if (!bulk_wants(b) || all.len == 0)
		return BULK_WAITING;
	*ret_moved = true;
	if (b->state == BYTES)
		return take_bytes(b, in);
	if (!slice_take_until(&all, '\n', &line)) {
		*ret_moved = false;
		return in->len > HEAD_MAX ? BULK_E_FORM : BULK_WAITING;
	}
	r = line.len > HEAD_MAX ? BULK_E_FORM : take_head(b, line);
	buf_eat(in, line.len + 1);
	return r;
}

static void
pay(struct bulk *b, const struct buf *out)
{
	struct channel *store = store_of(b);

	if (b->state != FETCH || b->owed == 0 || out->len > OUT_ENOUGH ||
	    store == NULL)
		return;
	(void)wire_send_read_credit(store, b->session, b->n,
	    &(struct wire_read_credit){ .bytes = b->owed });
	b->owed = 0;
}

enum bulk_result
bulk_go_on(struct bulk *b, struct buf *in, struct buf *out)
{
	enum bulk_result r;
	bool has_moved;

	do
		r = step(b, in, out, &has_moved);
	while (has_moved && r == BULK_WAITING);
	pay(b, out);
	return r == BULK_WAITING && b->state == ENDED && b->n_waiting == 0
	    ? BULK_DONE
	    : r;
}

/* -- what the store says
 * ------------------------------------------------------------ */

void
bulk_on_done(struct bulk *b, uint32_t ticket, const struct wire_done *m,
    struct buf *out)
{
	if (b->n_waiting == 0)
		return;
	b->n_waiting--;
	b->n_done += m->verdict.code == 250;
	answer(out, ticket, &m->verdict, m->uid);
}

void
bulk_on_credit(struct bulk *b, const struct wire_body_credit *m)
{
	if (b->state == BYTES && m->body == b->mail.body)
		b->credit += m->bytes;
}

void
bulk_on_refused(struct bulk *b, const struct wire_body_refused *m)
{
	if (b->state != BYTES || m->body != b->mail.body)
		return;
	b->is_refused = true;
	b->refusal = m->verdict;
	(void)slice_to_cstr(slice_upto(m->verdict.text, 511), b->refusal_text,
	    sizeof(b->refusal_text));
	b->refusal.text = slice_cstr(b->refusal_text);
}

void
bulk_on_data(struct bulk *b, uint32_t ticket, const struct wire_body_data *m,
    struct buf *out)
{
	if (b->state != FETCH || ticket != b->n)
		return;
	if (m->data.len > 0) {
		(void)buf_printf(out, "{\"n\":%u,\"bytes\":%zu}\n", b->n,
		    m->data.len);
		(void)buf_add(out, m->data);
		b->owed += (uint32_t)m->data.len;
	}
	if (!m->last)
		return;
	b->state = HEAD;
	b->n_done += m->verdict.code == 250;
	answer(out, b->n, &m->verdict, 0);
}
