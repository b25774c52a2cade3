/* SPDX-License-Identifier: ISC */
/*
 * roles/front/spool - mail that was left while nobody answered
 *
 *   look ──▶ open ──▶ talk ──all have it──▶ remove
 *              │        ├──some must wait──▶ divide, or wait
 *              │        └──refused for good──▶ report to the sender ──▶ remove
 *              └──bad──▶ set aside in bad/
 *
 * A file goes only when the store has committed the message, or has taken a
 * report for its sender. Its id is the commit's: after a crash in between it
 * is handed in again and changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "mail/header.h"
#include "queue/bounce.h"
#include "roles/front/spool_impl.h"
#include "sys/peercred.h"

enum {
	WAITING_MAX = 10000,
	JUNK_MAX = 100, /* set aside in one look */
	NOTIFY_FAILURE = 4
};
#define LOOK_EVERY (5 * TIME_SECOND)
#define LOOK_SOON (100 * TIME_MS)
#define DELAY_FIRST (5 * TIME_SECOND)
#define DELAY_MAX (10 * TIME_MINUTE)
#define TMP_LIFE TIME_DAY /* of a file that was never finished */

struct spool_waiting {
	struct id id;
	int64_t due, delay;
};

static void next_file(struct spool_run *s);

/* -- what waits -------------------------------------------------------------
 */

static void
forget_waiting(struct spool_run *s, const struct id *id)
{
	free(map_take(&s->waiting, id_slice(id)));
}

static void
forget_all(struct spool_run *s)
{
	struct spool_waiting *w;
	size_t at = 0;

	while ((w = map_next(&s->waiting, &at)) != NULL)
		forget_waiting(s, &w->id);
}

/* Ever longer, as long as we remember it. */
static void
wait_longer(struct spool_run *s)
{
	const struct id *id = &s->file.id;
	struct spool_waiting *w = map_get(&s->waiting, id_slice(id));

	if (w == NULL) {
		if (s->waiting.n >= WAITING_MAX)
			forget_all(s);
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return;
		w->id = *id;
		w->delay = DELAY_FIRST / 2;
		if (map_put(&s->waiting, id_slice(&w->id), w) != 0) {
			free(w);
			return;
		}
	}
	w->delay = w->delay * 2 < DELAY_MAX ? w->delay * 2 : DELAY_MAX;
	w->due = env_now(s->env) + w->delay;
}

static bool
must_wait(struct spool_run *s, const struct id *id)
{
	const struct spool_waiting *w = map_get(&s->waiting, id_slice(id));

	return w != NULL && env_now(s->env) < w->due;
}

/* -- looking ----------------------------------------------------------------
 */

static void
look_in(struct spool_run *s, int64_t us)
{
	if (!s->is_stopping && !s->is_busy)
		(void)env_timer_set(s->env, &s->timer, env_now(s->env) + us);
}

/* "ID.tmp": being written, or left by a program that was killed. */
static bool
is_unfinished(struct spool_run *s, struct slice name)
{
	struct id id;

	if (name.len != ID_TEXT + 4 || !slice_ends(name, SLICE(".tmp")) ||
	    !id_parse(slice_upto(name, ID_TEXT), &id))
		return false;
	if (id_time(&id) + TMP_LIFE < env_wall(s->env))
		(void)env_dir_unlink(s->dir, (const char *)name.at);
	return true;
}

static int
on_name(void *ctx, const char *name)
{
	struct spool_run *s = ctx;
	struct slice text = slice_cstr(name);
	struct id id;

	if (spool_name_parse(text, &id)) {
		if (!must_wait(s, &id))
			s->ids[s->n_ids++] = id;
		return s->n_ids == SPOOL_BATCH;
	}
	if (is_unfinished(s, text) || slice_equal(text, SLICE("bad")) ||
	    s->n_junk == JUNK_MAX)
		return 0;
	s->n_junk++;
	s->file.uid = 0;
	(void)spool_file_set_aside(s, name, "not a name of the spool");
	return 0;
}

static int
compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

static void
on_look(struct env_timer *t)
{
	struct spool_run *s = LIST_ENTRY(t, struct spool_run, timer);
	int r;

	if (s->is_busy || s->is_stopping)
		return;
	s->n_ids = s->at = s->n_junk = 0;
	if (s->front->store == NULL) {
		look_in(s, TIME_SECOND);
		return;
	}
	r = env_dir_list(s->dir, ".", on_name, s);
	if (r < 0)
		env_log(s->env, ENV_WARN, "spool-unreadable", "error=%d", -r);
	qsort(s->ids, s->n_ids, sizeof(s->ids[0]), compare_ids);
	next_file(s);
}

/* -- one file ---------------------------------------------------------------
 */

static int
begin_talk(struct spool_run *s)
{
	s->talk.id = s->file.id;
	s->talk.sender = s->file.head.sender;
	s->talk.rcpts = s->file.head.rcpts;
	s->talk.n_rcpts = s->file.head.n_rcpts;
	s->talk.text = (struct slice){ 0 };
	s->talk.size = s->file.head.size;
	s->talk.is_8bit = s->file.head.is_8bit;
	return spool_talk_begin(s);
}

/* True: its conversation has begun. */
static bool
begin_file(struct spool_run *s, const struct id *id)
{
	const char *why = "";
	int r = spool_file_open(s, id, &why);

	if (r == SPOOL_FILE_OK && begin_talk(s) == 0)
		return true;
	/* what cannot be moved, such as a directory of somebody's, stays */
	if (r == SPOOL_FILE_BAD)
		r = spool_file_set_aside(s, s->file.name, why) == 0
		    ? SPOOL_FILE_GONE
		    : SPOOL_FILE_LATER;
	if (r != SPOOL_FILE_GONE)
		wait_longer(s);
	spool_file_close(s);
	return false;
}

static void
next_file(struct spool_run *s)
{
	s->is_busy = true;
	while (s->at < s->n_ids && !s->is_stopping)
		if (begin_file(s, &s->ids[s->at++]))
			return;
	s->is_busy = false;
	look_in(s, s->n_ids == SPOOL_BATCH ? LOOK_SOON : LOOK_EVERY);
}

static void
file_is_done(struct spool_run *s)
{
	forget_waiting(s, &s->file.id);
	spool_file_close(s);
	next_file(s);
}

static void
file_waits(struct spool_run *s)
{
	wait_longer(s);
	spool_file_close(s);
	next_file(s);
}

/* -- a report to the sender -------------------------------------------------
 */

/* RFC 3461, 4.1: not when he wanted none. */
static bool
wants_report(const struct spool *head)
{
	return head->sender.len > 0 &&
	    (head->notify == 0 || (head->notify & NOTIFY_FAILURE) != 0);
}

static int
compose(struct spool_run *s)
{
	struct bounce_rcpt rcpts[SPOOL_RCPTS];
	const struct spool *head = &s->file.head;
	struct bounce b = { .original = s->file.id,
		.hostname = slice_cstr(s->front->hostname),
		.sender = head->sender,
		.now = env_wall(s->env),
		.arrived = head->time,
		.envid = head->envid,
		.rcpts = rcpts };
	uint8_t *header = arena_alloc(&s->file.arena, SPOOL_HEADER);
	size_t n =
	    head->size < SPOOL_HEADER ? (size_t)head->size : SPOOL_HEADER;

	if (header == NULL)
		return -ENOMEM;
	n = spool_file_read(s, header, n, s->file.body_at);
	b.content =
	    slice_upto(slice_of(header, n), header_len(slice_of(header, n)));
	memset(rcpts, 0, sizeof(rcpts));
	for (size_t i = 0; i < head->n_rcpts; i++)
		if (!verdict_is_ok(&s->verdicts[i]))
			rcpts[b.n_rcpts++] =
			    (struct bounce_rcpt){ .address = head->rcpts[i],
				    .verdict = s->verdicts[i] };
	id_make(&s->front->ids, b.now, env_random_u64(s->env), &b.id);
	s->talk.id = b.id;
	buf_init(&s->report, BOUNCE_MAX);
	return bounce_compose(&b, &s->report);
}

/* From nobody, to the sender; the session writes its own Return-Path. */
static int
begin_report(struct spool_run *s)
{
	int r = compose(s);

	if (r != 0)
		return -ENOMEM;
	s->talk.sender = (struct slice){ 0 };
	s->talk.rcpts = &s->file.head.sender;
	s->talk.n_rcpts = 1;
	s->talk.text = slice_from(buf_slice(&s->report), BOUNCE_RETURN_PATH);
	s->talk.size = s->talk.text.len;
	s->talk.is_8bit = !slice_is_ascii(s->talk.text);
	return spool_talk_begin(s);
}

static void
on_reported(struct spool_run *s)
{
	const struct verdict *v = &s->verdicts[0];

	buf_deinit(&s->report);
	s->talk.text = (struct slice){ 0 };
	if (verdict_is_ok(v)) {
		spool_file_remove(s);
		file_is_done(s);
	} else if (verdict_is_permanent(v)) {
		(void)spool_file_set_aside(s, s->file.name,
		    "refused, and so is the report to its sender");
		file_is_done(s);
	} else {
		file_waits(s);
	}
}

static void
on_refused(struct spool_run *s)
{
	if (!wants_report(&s->file.head)) {
		(void)spool_file_set_aside(s, s->file.name,
		    "refused, and nobody wants to hear of it");
		file_is_done(s);
	} else if (begin_report(s) != 0) {
		buf_deinit(&s->report);
		s->talk.text = (struct slice){ 0 };
		file_waits(s);
	}
}

/* -- what became of it ------------------------------------------------------
 */

/* It has waited as long as mail may wait; what then was said last counts. */
static void
give_up_waiting(struct spool_run *s)
{
	for (size_t i = 0; i < s->file.head.n_rcpts; i++) {
		struct verdict *v = &s->verdicts[i];

		if (verdict_is_ok(v) || verdict_is_permanent(v))
			continue;
		v->code = 550;
		v->esc = (struct esc){ 5, 4, 7 };
		if (v->text.len == 0)
			v->text = SLICE("it could not be handed in in time");
	}
}

static bool
is_too_old(const struct spool_run *s)
{
	return s->file.head.time + s->front->settings->lifetime <
	    env_wall(s->env);
}

static void
on_divide(struct spool_run *s)
{
	int r = spool_file_divide(s);

	if (r < 0) {
		env_log(s->env, ENV_WARN, "spool-not-divided",
		    "file=%s error=%d", s->file.name, -r);
		file_waits(s);
	} else {
		file_is_done(s);
	}
}

void
spool_on_talked(struct spool_run *s)
{
	size_t n = s->file.head.n_rcpts, n_ok = 0, n_refused = 0;

	if (s->is_stopping) {
		buf_deinit(&s->report);
		spool_file_close(s);
		return;
	}
	if (s->talk.text.at != NULL) {
		on_reported(s);
		return;
	}
	if (s->talk.is_damaged) {
		(void)spool_file_set_aside(s, s->file.name, "damaged");
		file_is_done(s);
		return;
	}
	if (is_too_old(s) && !s->talk.is_divided)
		give_up_waiting(s);
	for (size_t i = 0; i < n; i++) {
		n_ok += verdict_is_ok(&s->verdicts[i]);
		n_refused += verdict_is_permanent(&s->verdicts[i]);
	}
	env_log(s->env, ENV_INFO, "spool",
	    "file=%s uid=%u sent=%zu refused=%zu waiting=%zu", s->file.name,
	    s->file.uid, s->talk.is_divided ? 0 : n_ok, n_refused,
	    n - n_ok - n_refused);
	if (n_ok == n && !s->talk.is_divided) {
		spool_file_remove(s);
		file_is_done(s);
	} else if (n_ok + n_refused == n) {
		on_refused(s);
	} else if (n_ok + n_refused > 0) {
		on_divide(s);
	} else {
		file_waits(s);
	}
}

/* -- life -------------------------------------------------------------------
 */

int
spool_run_new(struct front *f, struct spool_run **ret)
{
	struct spool_run *s = calloc(1, sizeof(*s));
	uint8_t seed[MAP_SEED];
	int r;

	if (s == NULL)
		return -ENOMEM;
	s->front = f;
	s->env = f->env;
	s->own_uid = peercred_own_uid();
	s->timer.fire = on_look;
	env_random(s->env, seed, sizeof(seed));
	map_init(&s->waiting, seed);
	r = env_dir_open(s->env, f->settings->local_spool, &s->dir);
	if (r == 0)
		r = env_dir_make(s->dir, "bad");
	if (r < 0) {
		env_log(s->env, ENV_WARN, "no-spool", "path=\"%s\" error=%d",
		    f->settings->local_spool, -r);
		spool_run_free(s);
		s = NULL;
	}
	*ret = s;
	return 0;
}

void
spool_run_free(struct spool_run *s)
{
	if (s == NULL)
		return;
	spool_run_stop(s);
	forget_all(s);
	map_deinit(&s->waiting);
	env_dir_close(s->dir);
	free(s);
}

void
spool_run_start(struct spool_run *s)
{
	look_in(s, LOOK_SOON);
}

void
spool_run_stop(struct spool_run *s)
{
	s->is_stopping = true;
	env_timer_stop(s->env, &s->timer);
	spool_talk_end(s);
	buf_deinit(&s->report);
	spool_file_close(s);
}
