/* SPDX-License-Identifier: ISC */
/*
 * sys/file_posix - directories opened once, and files beneath them
 *
 * Every name is checked to stay beneath its directory, and no symbolic link at
 * its end is followed. These calls keep no state that two threads could share,
 * so jobs may use them. No failed sync is tried again here or anywhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/posix.h"

enum {
	IOV_AT_ONCE = 1024
};

struct posix_dir {
	struct env_dir dir;
	int fd, lock_fd;
};

struct posix_file {
	struct env_file file;
	int fd;
};

#define DIR_OF(d) ((struct posix_dir *)(void *)(d))
#define FILE_OF(f) ((struct posix_file *)(void *)(f))

/* "a/b", "." ; not "", "/a", "a/../b", "a//b". */
static bool
is_beneath(const char *path)
{
	struct slice rest = slice_cstr(path), part;

	if (slice_equal(rest, SLICE(".")))
		return true;
	while (slice_take_until(&rest, '/', &part))
		if (part.len == 0 || slice_equal(part, SLICE("..")) ||
		    slice_equal(part, SLICE(".")))
			return false;
	return rest.len > 0 && !slice_equal(rest, SLICE("..")) &&
	    !slice_equal(rest, SLICE("."));
}

static void
file_close(struct env_file *f)
{
	(void)close(FILE_OF(f)->fd);
	free(f);
}

static ssize_t
file_pread(struct env_file *f, void *at, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(FILE_OF(f)->fd, (char *)at + done, n - done,
		    (off_t)(offset + done));

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return ERR_ORIGIN(-errno);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* What a short write left of at most IOV_AT_ONCE pieces; v is ours to change.
 */
static int
write_pieces(int fd, struct iovec *v, size_t n, uint64_t *offset)
{
	while (n > 0) {
		ssize_t put = pwritev(fd, v, (int)n, (off_t)*offset);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return ERR_ORIGIN(-errno);
		if (put == 0 && v->iov_len > 0)
			return ERR_ORIGIN(-EIO);
		*offset += (uint64_t)put;
		while (n > 0 && (size_t)put >= v->iov_len) {
			put -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + put;
			v->iov_len -= (size_t)put;
		}
	}
	return 0;
}

/* Not in write_run: the compiler clears the copy wherever it stands. */
static int __attribute__((noinline)) write_rest(int fd, const struct iovec *v,
    size_t n, size_t done, uint64_t *offset)
{
	struct iovec copy[IOV_AT_ONCE];
	size_t i = 0;

	for (; i < n && done >= v[i].iov_len; i++)
		done -= v[i].iov_len;
	if (i == n)
		return 0;
	memcpy(copy, v + i, (n - i) * sizeof(*v));
	copy[0].iov_base = (char *)copy[0].iov_base + done;
	copy[0].iov_len -= done;
	return ERR_TRACE(write_pieces(fd, copy, n - i, offset));
}

/* One run of at most IOV_AT_ONCE pieces; mostly one call writes it all. */
static int
write_run(int fd, const struct iovec *v, size_t n, uint64_t *offset)
{
	size_t all = 0;
	ssize_t put;

	for (size_t i = 0; i < n; i++)
		all += v[i].iov_len;
	put = pwritev(fd, v, (int)n, (off_t)*offset);
	if (put == -1 && errno != EINTR)
		return ERR_ORIGIN(-errno);
	if (put == -1)
		put = 0;
	else if (put == 0 && all > 0)
		return ERR_ORIGIN(-EIO);
	*offset += (uint64_t)put;
	if ((size_t)put == all)
		return 0;
	return ERR_TRACE(write_rest(fd, v, n, (size_t)put, offset));
}

static int
file_pwritev(struct env_file *f, const struct iovec *v, size_t n,
    uint64_t offset)
{
	while (n > 0) {
		size_t now = n < IOV_AT_ONCE ? n : IOV_AT_ONCE;
		int r = write_run(FILE_OF(f)->fd, v, now, &offset);

		if (r < 0)
			return ERR_TRACE(r);
		v += now;
		n -= now;
	}
	return 0;
}

static int
file_sync(struct env_file *f)
{
	return fdatasync(FILE_OF(f)->fd) == -1 ? ERR_ORIGIN(-errno) : 0;
}

static int
file_size(struct env_file *f, uint64_t *ret)
{
	struct stat st;

	if (fstat(FILE_OF(f)->fd, &st) == -1)
		return ERR_ORIGIN(-errno);
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int
file_stat(struct env_file *f, struct env_file_stat *ret)
{
	struct stat st;

	if (fstat(FILE_OF(f)->fd, &st) == -1)
		return ERR_ORIGIN(-errno);
	*ret = (struct env_file_stat){ S_ISREG(st.st_mode), st.st_uid,
		st.st_nlink, (uint64_t)st.st_size };
	return 0;
}

static int
file_truncate(struct env_file *f, uint64_t size)
{
	return ftruncate(FILE_OF(f)->fd, (off_t)size) == -1 ? ERR_ORIGIN(-errno)
							    : 0;
}

/* A file system that cannot reserve still gets the length. */
static int
file_allocate(struct env_file *f, uint64_t size)
{
	uint64_t now;
	int r;

	if (fallocate(FILE_OF(f)->fd, 0, 0, (off_t)size) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return ERR_ORIGIN(-errno);
	r = file_size(f, &now);
	return r < 0 || now >= size ? r : file_truncate(f, size);
}

static const struct env_file_vt file_vt = { file_close, file_pread,
	file_pwritev, file_sync, file_size, file_stat, file_truncate,
	file_allocate };

static int
dir_file_open(struct env_dir *d, const char *path, unsigned how,
    struct env_file **ret)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct posix_file *f;

	if (!is_beneath(path))
		return ERR_ORIGIN(-EINVAL);
	flags |= (how & ENV_FILE_WRITE) != 0 ? O_RDWR : O_RDONLY;
	if ((how & ENV_FILE_CREATE) != 0)
		flags |= O_CREAT;
	if ((how & ENV_FILE_NEW) != 0)
		flags |= O_EXCL;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return ERR_ORIGIN(-ENOMEM);
	f->file.vt = &file_vt;
	f->fd = openat(DIR_OF(d)->fd, path, flags, 0600);
	if (f->fd == -1) {
		int r = -errno;

		free(f);
		return r; /* often expected: no trail */
	}
	*ret = &f->file;
	return 0;
}

static void
dir_close(struct env_dir *d)
{
	if (DIR_OF(d)->lock_fd != -1)
		(void)close(DIR_OF(d)->lock_fd);
	(void)close(DIR_OF(d)->fd);
	free(d);
}

static int
open_sub(struct env_dir *d, const char *sub)
{
	int fd;

	if (!is_beneath(sub))
		return ERR_ORIGIN(-EINVAL);
	fd = openat(DIR_OF(d)->fd, sub,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd == -1 ? ERR_ORIGIN(-errno) : fd;
}

static int
dir_sync(struct env_dir *d, const char *sub)
{
	int fd = open_sub(d, sub), r;

	if (fd < 0)
		return fd;
	r = fsync(fd) == -1 ? ERR_ORIGIN(-errno) : 0;
	(void)close(fd);
	return r;
}

static int
dir_make(struct env_dir *d, const char *sub)
{
	if (!is_beneath(sub))
		return ERR_ORIGIN(-EINVAL);
	if (mkdirat(DIR_OF(d)->fd, sub, 0700) == -1 && errno != EEXIST)
		return ERR_ORIGIN(-errno);
	return 0;
}

static int
dir_list(struct env_dir *d, const char *sub, int (*each)(void *, const char *),
    void *ctx)
{
	int fd = open_sub(d, sub), r = 0;
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		(void)close(fd);
		return ERR_ORIGIN(r);
	}
	while (r == 0) {
		errno = 0;
		e = readdir(dir);
		if (e == NULL) {
			r = -errno;
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = each(ctx, e->d_name);
	}
	(void)closedir(dir);
	return r;
}

static int
dir_unlink(struct env_dir *d, const char *path)
{
	if (!is_beneath(path))
		return ERR_ORIGIN(-EINVAL);
	return unlinkat(DIR_OF(d)->fd, path, 0) == -1 ? -errno : 0;
}

static int
dir_rename(struct env_dir *d, const char *from, const char *to)
{
	int fd = DIR_OF(d)->fd;

	if (!is_beneath(from) || !is_beneath(to))
		return ERR_ORIGIN(-EINVAL);
	return renameat(fd, from, fd, to) == -1 ? ERR_ORIGIN(-errno) : 0;
}

static int
dir_link(struct env_dir *d, const char *from, const char *to)
{
	int fd = DIR_OF(d)->fd;

	if (!is_beneath(from) || !is_beneath(to))
		return ERR_ORIGIN(-EINVAL);
	return linkat(fd, from, fd, to, 0) == -1 ? ERR_ORIGIN(-errno) : 0;
}

static int
dir_free_space(struct env_dir *d, uint64_t *ret_free, uint64_t *ret_size)
{
	struct statvfs v;

	if (fstatvfs(DIR_OF(d)->fd, &v) == -1)
		return ERR_ORIGIN(-errno);
	*ret_free = (uint64_t)v.f_bavail * v.f_frsize;
	*ret_size = (uint64_t)v.f_blocks * v.f_frsize;
	return 0;
}

static int
read_owner(int fd)
{
	char text[16] = "";
	uint64_t pid;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	struct slice s = slice_of(text, n < 0 ? 0 : (size_t)n);

	return slice_take_u64(&s, 1u << 30, &pid) ? (int)pid : 0;
}

/* The pid in the file is only for people; the flock decides. */
static int
dir_lock(struct env_dir *d, const char *name, int *ret_owner)
{
	char text[16];
	int fd, r, n;

	*ret_owner = 0;
	if (!is_beneath(name))
		return ERR_ORIGIN(-EINVAL);
	fd = openat(DIR_OF(d)->fd, name,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return ERR_ORIGIN(-errno);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		r = -errno;
		*ret_owner = read_owner(fd);
		(void)close(fd);
		return r;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)n, 0);
	if (DIR_OF(d)->lock_fd != -1)
		(void)close(DIR_OF(d)->lock_fd);
	DIR_OF(d)->lock_fd = fd;
	return 0;
}

static const struct env_dir_vt dir_vt = { dir_close, dir_sync, dir_make,
	dir_list, dir_unlink, dir_rename, dir_link, dir_free_space, dir_lock,
	dir_file_open };

int
posix_dir_open(struct env *env, const char *path, struct env_dir **ret)
{
	struct posix_dir *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	d->dir.vt = &dir_vt;
	d->dir.env = env;
	d->lock_fd = -1;
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd == -1) {
		int r = -errno;

		free(d);
		return ERR_ORIGIN(r);
	}
	*ret = &d->dir;
	return 0;
}
