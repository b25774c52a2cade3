/* SPDX-License-Identifier: ISC */
#include "store/appender.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/charge.h"
#include "base/err.h"
#include "base/limits.h"

enum {
	GROUP_MAX = 250, /* four iovecs each: below IOV_MAX */
	/* A big body begins here, whatever its envelope turns out to be. */
	BIG_ENVELOPE = SEGMENT_ENVELOPE_MAX - SEGMENT_HEADER,
	BIG_BODY_AT = SEGMENT_ENVELOPE_MAX,
	/* What a sender that keeps to its credit can make us hold. */
	BODY_MEMORY_MAX = LIMIT_SMALL_BODY + LIMIT_CREDIT + LIMIT_CHUNK
};

struct body {
	struct appender *a;
	const struct body_ops *ops;
	void *ctx;
	uint64_t len, max, credited;
	struct buf mem; /* all of it, or what of a big one is not written */
	struct charge charge;
	/* of a big one */
	bool is_big, is_busy, is_dead;
	uint64_t segment, written;
	struct env_file *file;
	struct buf flight; /* at work in the thread */
	crypto_generichash_state hash;
	struct env_job job;
	int job_result;        /* the thread's */
	int result;            /* what the loop knows: it has failed */
	struct append *append; /* waits for the last bytes */
	struct body_peek *peek;
	uint64_t peek_at; /* the thread's, as peek may be forgotten */
	size_t peek_len;
	struct buf peeked;
};

struct appender {
	struct env *env;
	struct env_dir *dir;
	struct appender_options o;
	uint8_t key[SEGMENT_KEY];
	struct purse memory;
	struct list waiting; /* struct append */
	uint64_t next_segment;
	unsigned n_big; /* big bodies that live */
	unsigned failures;
	uint64_t safe_segment; /* appends to come go into this or later ones */
	bool is_busy, is_broken;
	struct env_defer start_later;
	/* The thread's while is_busy: */
	struct env_job job;
	struct list group;
	struct env_file *file;
	uint64_t segment, offset; /* where the next record goes; segment 0:
				   * there is none */
	uint64_t new_segment;     /* begin this one first, when not 0 */
	int result;
};

void
segment_path(uint64_t number, char path[SEGMENT_PATH])
{
	(void)snprintf(path, SEGMENT_PATH, "segments/%016llu.seg",
	    (unsigned long long)number);
}

/* -- groups of small bodies: in the thread -----------------------------------
 */

static int
begin_segment(struct appender *a, uint64_t number)
{
	char path[SEGMENT_PATH];
	struct env_file *f;
	int r;

	segment_path(number, path);
	r = env_file_open(a->dir, path,
	    ENV_FILE_WRITE | ENV_FILE_CREATE | ENV_FILE_NEW, &f);
	if (r != 0)
		return ERR_ORIGIN(r);
	/* On a nearly full disk a short one is better than none. */
	r = env_file_allocate(f, a->o.segment_size);
	if (r == -ENOSPC)
		r = env_file_allocate(f, a->o.segment_size / 16);
	if (r == 0)
		r = env_dir_sync(a->dir, "segments");
	if (r != 0) {
		env_file_close(f);
		(void)env_dir_unlink(a->dir, path);
		return ERR_ORIGIN(r);
	}
	if (a->file != NULL)
		env_file_close(a->file);
	a->file = f;
	a->segment = number;
	a->offset = 0;
	return 0;
}

static int
open_segment(struct appender *a)
{
	char path[SEGMENT_PATH];

	if (a->new_segment != 0)
		return ERR_TRACE(begin_segment(a, a->new_segment));
	if (a->file != NULL)
		return 0;
	segment_path(a->segment, path);
	return ERR_TRACE(env_file_open(a->dir, path, ENV_FILE_WRITE, &a->file));
}

/* Fills place, head and tail of one record that begins at `offset`. */
static uint64_t
lay_out(struct appender *a, struct append *w, uint64_t offset)
{
	struct slice body = buf_slice(&w->body->mem);
	struct segment_header *h = &w->header;
	struct segment_place *p = &w->place;

	h->stored_len = h->raw_len = body.len;
	h->envelope_len = (uint32_t)w->envelope.len;
	segment_header_encode(h, a->key, buf_slice(&w->envelope), w->head);
	segment_checksum(body, p->checksum);
	memset(w->tail, 0, sizeof(w->tail));
	segment_trailer_encode(p->checksum, body.len, w->tail);
	p->segment = a->segment;
	p->offset = offset;
	p->body = offset + SEGMENT_HEADER + h->envelope_len;
	p->stored_len = body.len;
	p->end = offset + segment_record_len(h);
	p->is_big = false;
	return p->end;
}

static struct iovec
iovec_of(struct slice s)
{
	return (struct iovec){ (void *)(uintptr_t)s.at, s.len };
}

static int
write_group(struct appender *a)
{
	struct iovec v[GROUP_MAX * 4];
	uint64_t offset;
	size_t n = 0;
	int r = open_segment(a);

	if (r != 0)
		return ERR_TRACE(r);
	offset = a->offset;
	LIST_FOREACH (it, &a->group) {
		struct append *w = LIST_ENTRY(it, struct append, link);

		offset = lay_out(a, w, offset);
		v[n++] = iovec_of(slice_of(w->head, SEGMENT_HEADER));
		v[n++] = iovec_of(buf_slice(&w->envelope));
		v[n++] = iovec_of(buf_slice(&w->body->mem));
		v[n++] = iovec_of(slice_of(w->tail,
		    SEGMENT_TRAILER + segment_padding(&w->header)));
	}
	r = env_file_pwritev(a->file, v, n, a->offset);
	if (r == 0)
		r = env_file_sync(a->file);
	if (r != 0)
		return ERR_ORIGIN(r);
	a->offset = offset;
	return 0;
}

static void
on_group(struct env_job *job)
{
	struct appender *a = LIST_ENTRY(job, struct appender, job);

	a->result = write_group(a);
}

/* -- groups: on the loop
 * -------------------------------------------------------- */

static void start(struct appender *a);

static void
free_small(struct body *b)
{
	charge_release(&b->charge);
	buf_deinit(&b->mem);
	free(b);
}

/* A full disk passes, and so do many files open at once; anything else twice
 * in a row does not. */
static void
note_result(struct appender *a, int r)
{
	if (r == 0) {
		a->failures = 0;
		return;
	}
	if (a->o.trouble != NULL)
		a->o.trouble(a->o.ctx, r);
	if (r == -ENOSPC || r == -EDQUOT || r == -ENOMEM || r == -EMFILE ||
	    r == -ENFILE)
		return;
	if (++a->failures < 2 || a->is_broken)
		return;
	a->is_broken = true;
	a->o.broken(a->o.ctx, r);
}

static void
after_group(struct env_job *job)
{
	struct appender *a = LIST_ENTRY(job, struct appender, job);
	int r = a->result;
	struct list group;
	struct list *link;

	a->is_busy = false;
	list_init(&group);
	list_move_all(&group, &a->group);
	if (r != 0) {
		/* Sealed at its last good length: the rows know it. */
		if (a->file != NULL)
			env_file_close(a->file);
		a->file = NULL;
		a->segment = 0;
	}
	a->safe_segment = a->segment;
	/* The next group goes to disk while this one is committed. */
	note_result(a, r);
	start(a);
	while ((link = list_take_first(&group)) != NULL) {
		struct append *w = LIST_ENTRY(link, struct append, link);

		free_small(w->body);
		w->body = NULL;
		w->done(w, r);
	}
}

static uint64_t
record_room(const struct append *w)
{
	return SEGMENT_HEADER + w->envelope.len + w->body->mem.len +
	    SEGMENT_TRAILER + SEGMENT_ALIGN;
}

static uint64_t
take_group(struct appender *a)
{
	uint64_t bytes = 0;
	size_t n = 0;

	while (n < GROUP_MAX && !list_is_empty(&a->waiting)) {
		struct list *link = a->waiting.next;
		uint64_t room =
		    record_room(LIST_ENTRY(link, struct append, link));

		/* One always fits: it is a small body. */
		if (room > LIMIT_GROUP_BYTES - bytes)
			break;
		list_remove(link);
		list_add_last(&a->group, link);
		bytes += room;
		n++;
	}
	return bytes;
}

static void
start(struct appender *a)
{
	uint64_t bytes;
	int r;

	if (a->is_busy || list_is_empty(&a->waiting))
		return;
	bytes = take_group(a);
	a->new_segment = 0;
	if (a->segment == 0 || a->offset + bytes > a->o.segment_size)
		a->new_segment = a->next_segment++;
	a->is_busy = true;
	a->job = (struct env_job){ .run = on_group, .done = after_group };
	r = a->is_broken ? -EIO : env_work(a->env, ENV_LANE_APPEND, &a->job);
	if (r != 0) {
		a->result = r;
		after_group(&a->job);
	}
}

static void
on_start_later(struct env_defer *d)
{
	start(LIST_ENTRY(d, struct appender, start_later));
}

/* -- big bodies: in a thread
 * ------------------------------------------------------ */

static int
open_big(struct body *b)
{
	char path[SEGMENT_PATH];

	segment_path(b->segment, path);
	return ERR_TRACE(env_file_open(b->a->dir, path,
	    ENV_FILE_WRITE | ENV_FILE_CREATE | ENV_FILE_NEW, &b->file));
}

static void
on_big_write(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);
	struct slice s = buf_slice(&b->flight);
	struct iovec v = iovec_of(s);
	int r = b->file == NULL ? open_big(b) : 0;

	if (r == 0)
		r = env_file_pwritev(b->file, &v, 1, BIG_BODY_AT + b->written);
	if (r == 0) {
		(void)crypto_generichash_update(&b->hash, s.at, s.len);
		b->written += s.len;
	}
	b->job_result = r;
}

/* Trailer, then header and envelope, then one sync: a file without a header
 * was never finished. */
static int
finish_big(struct body *b)
{
	struct append *w = b->append;
	struct segment_header *h = &w->header;
	struct segment_place *p = &w->place;
	struct iovec v[2];
	int r;

	h->stored_len = h->raw_len = b->written;
	h->envelope_len = BIG_ENVELOPE;
	(void)crypto_generichash_final(&b->hash, p->checksum, SEGMENT_CHECKSUM);
	memset(w->tail, 0, sizeof(w->tail));
	segment_trailer_encode(p->checksum, b->written, w->tail);
	segment_header_encode(h, b->a->key, buf_slice(&w->envelope), w->head);
	p->segment = b->segment;
	p->offset = 0;
	p->body = BIG_BODY_AT;
	p->stored_len = b->written;
	p->end = segment_record_len(h);
	p->is_big = true;
	v[0] =
	    iovec_of(slice_of(w->tail, SEGMENT_TRAILER + segment_padding(h)));
	r = env_file_pwritev(b->file, v, 1, BIG_BODY_AT + b->written);
	if (r != 0)
		return ERR_ORIGIN(r);
	v[0] = iovec_of(slice_of(w->head, SEGMENT_HEADER));
	v[1] = iovec_of(buf_slice(&w->envelope));
	r = env_file_pwritev(b->file, v, 2, 0);
	if (r == 0)
		r = env_file_sync(b->file);
	if (r == 0)
		r = env_dir_sync(b->a->dir, "segments");
	return r == 0 ? 0 : ERR_ORIGIN(r);
}

static void
on_big_peek(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);
	uint8_t *at;
	int r = buf_reserve(&b->peeked, b->peek_len, &at);
	ssize_t n;

	if (r != BUF_OK) {
		b->job_result = r < 0 ? r : -ENOBUFS;
		return;
	}
	n = env_file_pread(b->file, at, b->peek_len, BIG_BODY_AT + b->peek_at);
	if (n >= 0)
		buf_grew(&b->peeked, (size_t)n);
	b->job_result = n < 0 ? ERR_ORIGIN((int)n) : 0;
}

static void
on_big_finish(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);

	b->job_result = finish_big(b);
	if (b->job_result == 0) {
		env_file_close(b->file);
		b->file = NULL;
	}
}

static void
on_big_discard(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);
	char path[SEGMENT_PATH];

	if (b->file != NULL)
		env_file_close(b->file);
	segment_path(b->segment, path);
	(void)env_dir_unlink(b->a->dir, path);
}

/* -- big bodies: on the loop
 * ---------------------------------------------------- */

static void big_next(struct body *b);

static void
free_big(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);

	b->a->n_big--;
	buf_deinit(&b->flight);
	buf_deinit(&b->peeked);
	free_small(b);
}

static void
big_discard(struct body *b)
{
	b->job = (struct env_job){ .run = on_big_discard, .done = free_big };
	if (env_work(b->a->env, ENV_LANE_READ, &b->job) != 0) {
		on_big_discard(&b->job);
		free_big(&b->job);
	}
}

static void
big_failed(struct body *b, int r)
{
	struct append *w = b->append;

	note_result(b->a, r);
	if (w != NULL) {
		w->body = NULL;
		big_discard(b);
		w->done(w, r);
		return;
	}
	b->result = r;
	if (b->peek != NULL) {
		struct body_peek *p = b->peek;

		b->peek = NULL;
		p->done(p, r, (struct slice){ 0 });
	}
	b->ops->refused(b, r);
}

/* All bytes up to `upto` may be followed by as many more. A sender starts with
 * LIMIT_CREDIT; a small body needs no more. */
static void
give_credit(struct body *b, uint64_t upto)
{
	uint64_t n;

	if (upto <= b->credited || b->append != NULL)
		return;
	n = upto - b->credited;
	b->credited = upto;
	b->ops->room(b, (uint32_t)n);
}

static void
after_big_write(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);

	b->is_busy = false;
	buf_reset(&b->flight, LIMIT_CREDIT);
	if (b->is_dead) {
		big_discard(b);
		return;
	}
	if (b->result == 0)
		b->result = b->job_result;
	if (b->result != 0) {
		big_failed(b, b->result);
		return;
	}
	(void)charge_change(&b->charge, b->mem.len);
	give_credit(b, b->written);
	big_next(b);
}

static void
after_big_finish(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);
	struct append *w = b->append;

	b->is_busy = false;
	if (b->job_result != 0) {
		big_failed(b, b->job_result);
		return;
	}
	w->body = NULL;
	note_result(b->a, 0);
	free_big(&b->job);
	w->done(w, 0);
}

/* No failure of the body: only of who wanted to look. */
static void
after_big_peek(struct env_job *job)
{
	struct body *b = LIST_ENTRY(job, struct body, job);
	struct body_peek *p = b->peek;

	b->is_busy = false;
	b->peek = NULL;
	if (b->is_dead) {
		big_discard(b);
		return;
	}
	big_next(b);
	p->done(p, b->job_result, buf_slice(&b->peeked));
}

static void
big_next(struct body *b)
{
	int r;

	if (b->is_busy ||
	    (b->mem.len == 0 && b->append == NULL && b->peek == NULL))
		return;
	b->is_busy = true;
	if (b->mem.len > 0) {
		struct buf was = b->flight;

		b->flight = b->mem;
		b->mem = was;
		b->job = (struct env_job){ .run = on_big_write,
			.done = after_big_write };
	} else if (b->peek != NULL) {
		buf_reset(&b->peeked, LIMIT_CHUNK);
		b->peek_at = b->peek->offset;
		b->peek_len = b->peek->len;
		b->job = (struct env_job){ .run = on_big_peek,
			.done = after_big_peek };
	} else {
		b->job = (struct env_job){ .run = on_big_finish,
			.done = after_big_finish };
	}
	r = env_work(b->a->env, ENV_LANE_READ, &b->job);
	if (r != 0) {
		b->is_busy = false;
		big_failed(b, r);
	}
}

/* -- bodies
 * ----------------------------------------------------------------------- */

int
body_new(struct appender *a, uint64_t max, const struct body_ops *ops,
    void *ctx, struct body **ret)
{
	struct body *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return ERR_ORIGIN(-ENOMEM);
	b->a = a;
	b->ops = ops;
	b->ctx = ctx;
	b->max = max;
	buf_init(&b->mem, BODY_MEMORY_MAX);
	buf_init(&b->flight, BODY_MEMORY_MAX);
	buf_init(&b->peeked, LIMIT_CHUNK);
	*ret = b;
	return 0;
}

void *
body_ctx(struct body *b)
{
	return b->ctx;
}

uint64_t
body_len(const struct body *b)
{
	return b->len;
}

struct slice
body_bytes(const struct body *b)
{
	return b->is_big ? (struct slice){ 0 } : buf_slice(&b->mem);
}

static void
become_big(struct body *b)
{
	b->is_big = true;
	b->segment = b->a->next_segment++;
	b->a->n_big++;
	(void)crypto_generichash_init(&b->hash, NULL, 0, SEGMENT_CHECKSUM);
}

int
body_add(struct body *b, struct slice chunk)
{
	int r;

	assert(b->append == NULL);
	if (b->result != 0)
		return b->result;
	if (chunk.len > b->max || b->len > b->max - chunk.len)
		return -EMSGSIZE;
	if (b->charge.purse == NULL
		? !charge_take(&b->charge, &b->a->memory, chunk.len)
		: !charge_change(&b->charge, b->charge.amount + chunk.len))
		return ERR_ORIGIN(-ENOMEM);
	r = buf_add(&b->mem, chunk);
	if (r != BUF_OK)
		return ERR_ORIGIN(r < 0 ? r : -ENOBUFS);
	b->len += chunk.len;
	if (!b->is_big && b->len > LIMIT_SMALL_BODY)
		become_big(b);
	if (b->is_big)
		big_next(b);
	else if (b->len >= LIMIT_CREDIT / 2)
		/* Or a sender would be left waiting right below the limit. */
		give_credit(b, b->len);
	return 0;
}

void
body_peek(struct body *b, struct body_peek *p)
{
	assert(b->append == NULL && b->peek == NULL);
	if (b->result != 0) {
		p->done(p, b->result, (struct slice){ 0 });
		return;
	}
	p->len = p->len < LIMIT_CHUNK ? p->len : LIMIT_CHUNK;
	if (p->offset >= b->len) {
		p->done(p, 0, (struct slice){ 0 });
		return;
	}
	if (p->len > b->len - p->offset)
		p->len = (size_t)(b->len - p->offset);
	if (!b->is_big) {
		p->done(p, 0,
		    slice_upto(slice_from(buf_slice(&b->mem),
				   (size_t)p->offset),
			p->len));
		return;
	}
	b->peek = p; /* when all of it is in the file */
	big_next(b);
}

void
body_free(struct body *b)
{
	if (b == NULL)
		return;
	if (!b->is_big) {
		free_small(b);
		return;
	}
	b->is_dead = true;
	b->peek = NULL;
	if (!b->is_busy)
		big_discard(b);
}

/* Zeros up to its fixed length: tag 0 ends an envelope. */
static int
pad_envelope(struct buf *envelope)
{
	uint8_t *at;
	int r;

	if (envelope->len > BIG_ENVELOPE)
		return -EMSGSIZE;
	if (envelope->cap < BIG_ENVELOPE)
		envelope->cap = BIG_ENVELOPE;
	r = buf_reserve(envelope, BIG_ENVELOPE - envelope->len, &at);
	if (r != BUF_OK)
		return r < 0 ? r : -ENOBUFS;
	memset(at, 0, BIG_ENVELOPE - envelope->len);
	buf_grew(envelope, BIG_ENVELOPE - envelope->len);
	return 0;
}

void
body_append(struct body *b, struct append *w)
{
	struct appender *a = b->a;

	w->body = b;
	b->append = w;
	if (!b->is_big) {
		list_add_last(&a->waiting, &w->link);
		if (!a->is_busy)
			env_defer(a->env, &a->start_later);
		return;
	}
	if (b->result == 0)
		b->result = pad_envelope(&w->envelope);
	if (b->result == 0) {
		big_next(b);
		return;
	}
	/* It had failed before: told through done like every end. */
	if (!b->is_busy)
		big_failed(b, b->result);
}

/* -- the appender
 * ------------------------------------------------------------------ */

int
appender_new(struct env *env, struct env_dir *dir,
    const struct appender_options *o, struct appender **ret)
{
	struct appender *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_ORIGIN(-ENOMEM);
	a->env = env;
	a->dir = dir;
	a->o = *o;
	memcpy(a->key, o->key, sizeof(a->key));
	a->segment = o->segment;
	a->offset = o->offset;
	a->safe_segment = o->segment;
	a->next_segment = o->next_segment;
	purse_init(&a->memory, NULL, o->memory);
	list_init(&a->waiting);
	list_init(&a->group);
	a->start_later.run = on_start_later;
	list_init(&a->start_later.link);
	*ret = a;
	return 0;
}

void
appender_free(struct appender *a)
{
	if (a == NULL)
		return;
	env_defer_cancel(a->env, &a->start_later);
	if (a->file != NULL)
		env_file_close(a->file);
	free(a);
}

bool
appender_is_idle(const struct appender *a)
{
	return !a->is_busy && list_is_empty(&a->waiting) && a->n_big == 0;
}

uint64_t
appender_safe_segment(const struct appender *a)
{
	return a->safe_segment != 0 ? a->safe_segment : a->next_segment;
}
