/* SPDX-License-Identifier: ISC */
/*
 * cli/sendmail_spool - leaves a message in the spool, on the disk for good
 *
 * The directory lets everybody make files and nobody see any (mode 3733), so
 * it cannot be opened for fsync: syncfs on the file brings its name to the
 * disk. Names come last: the server never sees a file that is not whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/sendmail.h"

enum {
	FILES_MAX = (SENDMAIL_RCPTS + SPOOL_RCPTS - 1) / SPOOL_RCPTS
};

struct file {
	int fd;
	char tmp[SPOOL_NAME + 1], name[SPOOL_NAME + 1];
	bool has_name;
};

struct spooling {
	const struct sendmail_mail *mail;
	int dir_fd;
	int64_t now;
	struct id_source ids;
	struct file files[FILES_MAX];
	size_t n;
};

static int
write_all(int fd, struct slice s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.at, s.len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		s = slice_from(s, (size_t)n);
	}
	return 0;
}

static int
write_message(const struct spooling *w, int fd, size_t first)
{
	const struct sendmail_mail *m = w->mail;
	struct spool head = { .time = w->now,
		.sender = m->sender,
		.rcpts = m->rcpts + first,
		.n_rcpts = m->n_rcpts - first,
		.size = m->header.len + m->body.len,
		.is_8bit = m->is_8bit,
		.is_utf8 = m->is_utf8,
		.notify = m->notify,
		.ret = m->ret,
		.envid = m->envid };
	char end[SPOOL_SUM + 1];
	struct slice parts[3];
	struct spool_sum sum;
	struct buf text;
	int r;

	if (head.n_rcpts > SPOOL_RCPTS)
		head.n_rcpts = SPOOL_RCPTS;
	buf_init(&text, SPOOL_HEAD_MAX);
	r = spool_head_print(&head, &text);
	if (r > 0)
		r = -EINVAL;
	parts[0] = buf_slice(&text);
	parts[1] = m->header;
	parts[2] = m->body;
	spool_sum_init(&sum);
	for (size_t i = 0; i < 3 && r == 0; i++) {
		spool_sum_add(&sum, parts[i]);
		r = write_all(fd, parts[i]);
	}
	buf_deinit(&text);
	spool_sum_print(&sum, end);
	return r == 0 ? write_all(fd, slice_of(end, SPOOL_SUM)) : r;
}

/* The file stands there whole, under a name that nobody reads. */
static int
make_file(struct spooling *w, size_t first)
{
	struct file *f = &w->files[w->n];
	struct id id;
	uint64_t chance;
	int r;

	randombytes_buf(&chance, sizeof(chance));
	id_make(&w->ids, w->now, chance, &id);
	spool_name_print(&id, f->name);
	(void)memcpy(f->tmp, f->name, sizeof(f->tmp));
	(void)memcpy(f->tmp + ID_TEXT, ".tmp", 5);
	f->fd = openat(w->dir_fd, f->tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd == -1)
		return -errno;
	w->n++;
	/* its group is the directory's: the server's (whatever our umask) */
	r = fchmod(f->fd, 0640) == -1 ? -errno : 0;
	if (r == 0)
		r = write_message(w, f->fd, first);
	if (r == 0 && fsync(f->fd) == -1)
		r = -errno;
	return r;
}

static int
name_files(struct spooling *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct file *f = &w->files[i];

		if (renameat(w->dir_fd, f->tmp, w->dir_fd, f->name) == -1)
			return -errno;
		f->has_name = true;
	}
	return syncfs(w->files[0].fd) == -1 ? -errno : 0;
}

/* Nothing was promised, so nothing may be sent. */
static void
undo(struct spooling *w)
{
	for (size_t i = 0; i < w->n; i++)
		(void)unlinkat(w->dir_fd,
		    w->files[i].has_name ? w->files[i].name : w->files[i].tmp,
		    0);
}

int
sendmail_spool(const char *dir, const struct sendmail_mail *mail)
{
	struct spooling w = { .mail = mail };
	struct timespec now;
	int r = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	w.now = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	w.dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.dir_fd == -1)
		return -errno;
	for (size_t at = 0; at < mail->n_rcpts && r == 0; at += SPOOL_RCPTS)
		r = make_file(&w, at);
	if (r == 0)
		r = name_files(&w);
	if (r < 0)
		undo(&w);
	for (size_t i = 0; i < w.n; i++)
		(void)close(w.files[i].fd);
	(void)close(w.dir_fd);
	return r;
}
