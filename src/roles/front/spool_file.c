/* SPDX-License-Identifier: ISC */
/*
 * roles/front/spool_file - one file of the spool
 *
 * Opened without following links, judged by what the kernel says of the open
 * file, and never trusted to stay as it was: its owner may still write to it.
 * Its checksum is looked at just before the message is committed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "roles/front/spool_impl.h"
#include "sys/log.h"

enum {
	PIECE = 64 * 1024
};

/* -- open -------------------------------------------------------------------
 */

static int
read_head(struct spool_run *s, const char **ret_why)
{
	struct spool_file *f = &s->file;
	uint8_t *at;
	ssize_t n;
	size_t len = 0;
	int r;

	buf_init(&f->text, SPOOL_HEAD_MAX);
	if (buf_reserve(&f->text, SPOOL_HEAD_MAX, &at) != 0)
		return SPOOL_FILE_LATER;
	n = env_file_pread(f->file, at, SPOOL_HEAD_MAX, 0);
	if (n < 0)
		return SPOOL_FILE_LATER;
	buf_grew(&f->text, (size_t)n);
	r = spool_head_parse(buf_slice(&f->text), &f->arena, &f->head, &len);
	f->body_at = len;
	*ret_why = r == SPOOL_E_VERSION ? "a later version of the format"
					: "no head of a spool file";
	return r < 0        ? SPOOL_FILE_LATER
	    : r == SPOOL_OK ? SPOOL_FILE_OK
			    : SPOOL_FILE_BAD;
}

static int
check_file(struct spool_run *s, const char **ret_why)
{
	struct spool_file *f = &s->file;
	struct env_file_stat st;
	int r;

	if (env_file_stat(f->file, &st) < 0)
		return SPOOL_FILE_LATER;
	*ret_why = "not a plain file of one name";
	if (!st.is_regular || st.n_links != 1)
		return SPOOL_FILE_BAD;
	r = read_head(s, ret_why);
	if (r != SPOOL_FILE_OK)
		return r;
	*ret_why = "not as long as it says";
	if (st.size != f->body_at + f->head.size + SPOOL_SUM)
		return SPOOL_FILE_BAD;
	/* what the role itself has written speaks for somebody else */
	f->uid = st.uid == s->own_uid && f->head.has_uid ? (uint32_t)f->head.uid
							 : st.uid;
	return SPOOL_FILE_OK;
}

int
spool_file_open(struct spool_run *s, const struct id *id, const char **ret_why)
{
	struct spool_file *f = &s->file;
	int r;

	memset(f, 0, sizeof(*f));
	f->id = *id;
	spool_name_print(id, f->name);
	arena_init(&f->arena, SPOOL_ARENA);
	r = env_file_open(s->dir, f->name, ENV_FILE_READ, &f->file);
	if (r == -ENOENT)
		return SPOOL_FILE_GONE;
	*ret_why = "it cannot be read";
	if (r == -EACCES || r == -ELOOP || r == -ENXIO || r == -EISDIR)
		return SPOOL_FILE_BAD;
	if (r < 0)
		return SPOOL_FILE_LATER;
	return check_file(s, ret_why);
}

void
spool_file_close(struct spool_run *s)
{
	struct spool_file *f = &s->file;

	if (f->file != NULL)
		env_file_close(f->file);
	f->file = NULL;
	buf_deinit(&f->text);
	arena_reset(&f->arena);
}

size_t
spool_file_read(struct spool_run *s, void *at, size_t n, uint64_t offset)
{
	ssize_t got = env_file_pread(s->file.file, at, n, offset);

	return got < 0 ? 0 : (size_t)got;
}

/* -- the end ----------------------------------------------------------------
 */

void
spool_file_remove(struct spool_run *s)
{
	int r = env_dir_unlink(s->dir, s->file.name);

	if (r == 0)
		r = env_dir_sync(s->dir, ".");
	if (r < 0) /* it comes again; the store knows its id */
		env_log(s->env, ENV_WARN, "spool-not-removed",
		    "file=%s error=%d", s->file.name, -r);
}

/* A new name: one of the old ones may stand there already. */
int
spool_file_set_aside(struct spool_run *s, const char *name, const char *why)
{
	char to[ID_TEXT + 8], text[ID_TEXT + 1], quoted[LOG_QUOTE];
	struct id id;
	int r;

	id_make(&s->front->ids, env_wall(s->env), env_random_u64(s->env), &id);
	id_print(&id, text);
	(void)snprintf(to, sizeof(to), "bad/%s", text);
	r = env_dir_rename(s->dir, name, to);
	if (r ==
	    -EACCES) /* a link or a pipe, which Landlock lets nobody make */
		r = env_dir_unlink(s->dir, name);
	env_log(s->env, ENV_WARN, "spool-bad",
	    "file=%s uid=%u why=\"%s\" kept=%s error=%d",
	    log_quote(slice_cstr(name), quoted, sizeof(quoted)), s->file.uid,
	    why, to, -r);
	return r;
}

/* -- dividing ---------------------------------------------------------------
 */

struct part {
	struct spool_run *s;
	struct env_file *file;
	uint64_t at;
	struct spool_sum sum;
	char tmp[SPOOL_NAME + 1], name[SPOOL_NAME + 1];
};

static int
add(struct part *p, struct slice bytes)
{
	struct iovec v = { (void *)(uintptr_t)bytes.at, bytes.len };
	int r = env_file_pwritev(p->file, &v, 1, p->at);

	spool_sum_add(&p->sum, bytes);
	p->at += bytes.len;
	return r;
}

static int
copy_message(struct part *p)
{
	struct spool_run *s = p->s;
	uint64_t done = 0, size = s->file.head.size;
	uint8_t bytes[PIECE];
	int r = 0;

	while (done < size && r == 0) {
		size_t n = size - done < PIECE ? (size_t)(size - done) : PIECE;

		if (spool_file_read(s, bytes, n, s->file.body_at + done) != n)
			return -EIO;
		r = add(p, slice_of(bytes, n));
		done += n;
	}
	return r;
}

static int
write_part(struct part *p, const struct spool *head)
{
	char end[SPOOL_SUM + 1];
	struct iovec v = { end, SPOOL_SUM };
	struct buf text;
	int r;

	spool_sum_init(&p->sum);
	buf_init(&text, SPOOL_HEAD_MAX);
	r = spool_head_print(head, &text);
	if (r == 0)
		r = add(p, buf_slice(&text));
	buf_deinit(&text);
	if (r == 0)
		r = copy_message(p);
	if (r == 0) {
		spool_sum_print(&p->sum, end);
		r = env_file_pwritev(p->file, &v, 1, p->at);
	}
	if (r == 0)
		r = env_file_sync(p->file);
	return r > 0 ? -EIO : r;
}

/* The recipients of whom `waits` is true: whole, but not yet under its name. */
static int
make_part(struct spool_run *s, bool waits, struct part *p)
{
	struct slice rcpts[SPOOL_RCPTS];
	struct spool head = s->file.head;
	struct id id;
	int r;

	*p = (struct part){ .s = s };
	head.rcpts = rcpts;
	head.n_rcpts = 0;
	head.uid = s->file.uid;
	head.has_uid = true;
	for (size_t i = 0; i < s->file.head.n_rcpts; i++)
		if (verdict_is_temporary(&s->verdicts[i]) == waits)
			rcpts[head.n_rcpts++] = s->file.head.rcpts[i];
	id_make(&s->front->ids, env_wall(s->env), env_random_u64(s->env), &id);
	spool_name_print(&id, p->name);
	memcpy(p->tmp, p->name, sizeof(p->tmp));
	memcpy(p->tmp + ID_TEXT, ".tmp", 5);
	r = env_file_open(s->dir, p->tmp,
	    ENV_FILE_WRITE | ENV_FILE_CREATE | ENV_FILE_NEW, &p->file);
	return r == 0 ? write_part(p, &head) : r;
}

/* A crash in between leaves the old file and perhaps a new one: somebody may
 * get it twice, nobody not at all. */
int
spool_file_divide(struct spool_run *s)
{
	struct part parts[2];
	int r = 0;

	memset(parts, 0, sizeof(parts));
	for (unsigned i = 0; i < 2 && r == 0; i++)
		r = make_part(s, i == 0, &parts[i]);
	for (unsigned i = 0; i < 2 && r == 0; i++)
		r = env_dir_rename(s->dir, parts[i].tmp, parts[i].name);
	if (r == 0)
		r = env_dir_sync(s->dir, ".");
	for (unsigned i = 0; i < 2; i++) {
		if (parts[i].file == NULL)
			continue;
		env_file_close(parts[i].file);
		if (r < 0)
			(void)env_dir_unlink(s->dir, parts[i].tmp);
	}
	if (r == 0)
		spool_file_remove(s);
	return r;
}
