/* SPDX-License-Identifier: ISC */
#include "store/vfs.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

enum {
	REGION = 32768,    /* SQLite's size of a piece of the log's index */
	REGIONS_MAX = 512, /* 16 MiB of index: a log of 8 GiB */
	CACHE_PAGES = 256, /* of each connection, made at once: 1 MiB */
	PATH_MAX_OURS = 128
};

/* One a file that is open, shared by its connections. */
struct node {
	struct list link;
	char path[PATH_MAX_OURS];
	unsigned n_open;
	/* rollback-journal locks: only used until the file is in WAL mode */
	unsigned n_shared;
	bool is_reserved, is_pending, is_exclusive;
	/* the log's index */
	void *regions[REGIONS_MAX];
	unsigned n_regions;
	uint16_t shm_shared[SQLITE_SHM_NLOCK];
	bool shm_exclusive[SQLITE_SHM_NLOCK];
};

struct store_vfs {
	sqlite3_vfs base;
	struct env *env;
	struct env_dir *dir;
	pthread_mutex_t mutex; /* guards the nodes and their locks */
	struct list nodes;
	char name[40];
};

struct file {
	sqlite3_file base;
	struct store_vfs *vfs;
	struct env_file *f;
	struct node *node; /* of the main database; NULL for log and journal */
	int level;         /* SQLITE_LOCK_* that this connection has */
	uint16_t shm_shared, shm_exclusive; /* masks: what is ours */
	bool uses_shm;
};

static struct store_vfs *
vfs_of(sqlite3_vfs *base)
{
	return base->pAppData;
}

static void
lock(struct store_vfs *v)
{
	(void)pthread_mutex_lock(&v->mutex);
}

static void
unlock(struct store_vfs *v)
{
	(void)pthread_mutex_unlock(&v->mutex);
}

/* -- nodes ------------------------------------------------------------------
 */

static struct node *
node_get(struct store_vfs *v, const char *path)
{
	struct node *n;

	LIST_FOREACH (it, &v->nodes) {
		n = LIST_ENTRY(it, struct node, link);
		if (strcmp(n->path, path) == 0) {
			n->n_open++;
			return n;
		}
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL || strlen(path) >= sizeof(n->path)) {
		free(n);
		return NULL;
	}
	(void)snprintf(n->path, sizeof(n->path), "%s", path);
	n->n_open = 1;
	list_add_last(&v->nodes, &n->link);
	return n;
}

static void
node_drop_index(struct node *n)
{
	for (unsigned i = 0; i < n->n_regions; i++)
		free(n->regions[i]);
	n->n_regions = 0;
}

static void
node_put(struct node *n)
{
	if (--n->n_open > 0)
		return;
	node_drop_index(n);
	list_remove(&n->link);
	free(n);
}

/* -- files ------------------------------------------------------------------
 */

static int
on_close(sqlite3_file *base)
{
	struct file *f = (struct file *)(void *)base;

	if (f->node != NULL) {
		(void)base->pMethods->xUnlock(base, SQLITE_LOCK_NONE);
		lock(f->vfs);
		node_put(f->node);
		unlock(f->vfs);
	}
	env_file_close(f->f);
	return SQLITE_OK;
}

static int
on_read(sqlite3_file *base, void *at, int n, sqlite3_int64 offset)
{
	struct file *f = (struct file *)(void *)base;
	ssize_t got = env_file_pread(f->f, at, (size_t)n, (uint64_t)offset);

	if (got < 0)
		return SQLITE_IOERR_READ;
	if (got == n)
		return SQLITE_OK;
	memset((uint8_t *)at + got, 0, (size_t)(n - got));
	return SQLITE_IOERR_SHORT_READ;
}

static int
on_write(sqlite3_file *base, const void *at, int n, sqlite3_int64 offset)
{
	struct file *f = (struct file *)(void *)base;
	struct iovec v = { (void *)(uintptr_t)at, (size_t)n };
	int r = env_file_pwritev(f->f, &v, 1, (uint64_t)offset);

	if (r == 0)
		return SQLITE_OK;
	return r == -ENOSPC || r == -EDQUOT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int
on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *f = (struct file *)(void *)base;

	return env_file_truncate(f->f, (uint64_t)size) == 0
	    ? SQLITE_OK
	    : SQLITE_IOERR_TRUNCATE;
}

static int
on_sync(sqlite3_file *base, int flags)
{
	struct file *f = (struct file *)(void *)base;

	(void)flags;
	return env_file_sync(f->f) == 0 ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int
on_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	struct file *f = (struct file *)(void *)base;
	uint64_t size;

	if (env_file_size(f->f, &size) != 0)
		return SQLITE_IOERR_FSTAT;
	*ret = (sqlite3_int64)size;
	return SQLITE_OK;
}

/* SHARED > RESERVED > PENDING > EXCLUSIVE, among our own connections only.
 * The node's fields stand for the others' and ours alike. */
static int
take_level(struct file *f, int level)
{
	struct node *n = f->node;

	if (level == SQLITE_LOCK_SHARED) {
		if (n->is_pending || n->is_exclusive)
			return SQLITE_BUSY;
		n->n_shared++;
		f->level = SQLITE_LOCK_SHARED;
		return SQLITE_OK;
	}
	if (f->level < SQLITE_LOCK_RESERVED) {
		if (n->is_reserved)
			return SQLITE_BUSY;
		n->is_reserved = true;
		f->level = SQLITE_LOCK_RESERVED;
	}
	if (level < SQLITE_LOCK_EXCLUSIVE)
		return SQLITE_OK;
	n->is_pending = true;
	if (f->level < SQLITE_LOCK_PENDING)
		f->level = SQLITE_LOCK_PENDING;
	if (n->n_shared > 1)
		return SQLITE_BUSY;
	n->is_exclusive = true;
	f->level = SQLITE_LOCK_EXCLUSIVE;
	return SQLITE_OK;
}

static int
on_lock(sqlite3_file *base, int level)
{
	struct file *f = (struct file *)(void *)base;
	int rc = SQLITE_OK;

	if (f->node == NULL || f->level >= level)
		return SQLITE_OK;
	lock(f->vfs);
	rc = take_level(f, level);
	unlock(f->vfs);
	return rc;
}

static int
on_unlock(sqlite3_file *base, int level)
{
	struct file *f = (struct file *)(void *)base;
	struct node *n = f->node;

	if (n == NULL || f->level <= level)
		return SQLITE_OK;
	lock(f->vfs);
	if (f->level >= SQLITE_LOCK_RESERVED)
		n->is_reserved = false;
	if (f->level >= SQLITE_LOCK_PENDING)
		n->is_pending = false;
	if (f->level >= SQLITE_LOCK_EXCLUSIVE)
		n->is_exclusive = false;
	if (level == SQLITE_LOCK_NONE)
		n->n_shared--;
	f->level = level;
	unlock(f->vfs);
	return SQLITE_OK;
}

static int
on_check_reserved(sqlite3_file *base, int *ret)
{
	struct file *f = (struct file *)(void *)base;

	lock(f->vfs);
	*ret = f->node != NULL && f->node->is_reserved;
	unlock(f->vfs);
	return SQLITE_OK;
}

static int
on_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int
on_sector_size(sqlite3_file *base)
{
	(void)base;
	return 4096;
}

/* Writing one range never damages its neighbours: what the unix VFS believes,
 * too; without it every commit would be padded to a sector. */
static int
on_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* -- the log's index --------------------------------------------------------
 */

static int
on_shm_map(sqlite3_file *base, int region, int size, int extend,
    void volatile **ret)
{
	struct file *f = (struct file *)(void *)base;
	struct node *n = f->node;
	int rc = SQLITE_OK;

	*ret = NULL;
	if (n == NULL || size > REGION || region >= REGIONS_MAX)
		return SQLITE_IOERR_SHMMAP;
	lock(f->vfs);
	f->uses_shm = true;
	while (extend && n->n_regions <= (unsigned)region) {
		n->regions[n->n_regions] = calloc(1, REGION);
		if (n->regions[n->n_regions] == NULL) {
			rc = SQLITE_NOMEM;
			break;
		}
		n->n_regions++;
	}
	if ((unsigned)region < n->n_regions)
		*ret = n->regions[region];
	unlock(f->vfs);
	return rc;
}

static bool
shm_is_free(const struct file *f, uint16_t mask, bool exclusive)
{
	const struct node *n = f->node;

	for (unsigned i = 0; i < SQLITE_SHM_NLOCK; i++) {
		uint16_t bit = (uint16_t)(1u << i);
		unsigned mine = (f->shm_shared & bit) != 0;

		if ((mask & bit) == 0)
			continue;
		if (n->shm_exclusive[i] && (f->shm_exclusive & bit) == 0)
			return false;
		if (exclusive && n->shm_shared[i] > mine)
			return false;
	}
	return true;
}

static void
shm_set(struct file *f, uint16_t mask, bool exclusive, bool on)
{
	struct node *n = f->node;
	uint16_t *mine = exclusive ? &f->shm_exclusive : &f->shm_shared;

	for (unsigned i = 0; i < SQLITE_SHM_NLOCK; i++) {
		uint16_t bit = (uint16_t)(1u << i);

		if ((mask & bit) == 0 || ((*mine & bit) != 0) == on)
			continue;
		*mine = (uint16_t)(*mine ^ bit);
		if (exclusive)
			n->shm_exclusive[i] = on;
		else if (on)
			n->shm_shared[i]++;
		else
			n->shm_shared[i]--;
	}
}

static int
on_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
	struct file *f = (struct file *)(void *)base;
	uint16_t mask = (uint16_t)(((1u << count) - 1u) << first);
	bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
	int rc = SQLITE_OK;

	lock(f->vfs);
	if ((flags & SQLITE_SHM_UNLOCK) != 0)
		shm_set(f, mask, exclusive, false);
	else if (!shm_is_free(f, mask, exclusive))
		rc = SQLITE_BUSY;
	else
		shm_set(f, mask, exclusive, true);
	unlock(f->vfs);
	return rc;
}

static void
on_shm_barrier(sqlite3_file *base)
{
	struct file *f = (struct file *)(void *)base;

	__sync_synchronize();
	lock(f->vfs);
	unlock(f->vfs);
}

/* The index stays while the file is open somewhere: it goes with the node, as
 * every connection here opens the log. */
static int
on_shm_unmap(sqlite3_file *base, int remove)
{
	struct file *f = (struct file *)(void *)base;

	(void)remove;
	lock(f->vfs);
	f->uses_shm = false;
	if (f->node != NULL && f->node->n_open == 1)
		node_drop_index(f->node);
	unlock(f->vfs);
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_reserved,
	.xFileControl = on_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_characteristics,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

/* -- the file system --------------------------------------------------------
 */

/* Makes the name survive; paths are NAME or FOLDER/NAME. */
static bool
sync_folder(struct store_vfs *v, const char *path)
{
	char folder[PATH_MAX_OURS] = ".";
	const char *end = strchr(path, '/');

	if (end != NULL && end - path < PATH_MAX_OURS)
		(void)snprintf(folder, sizeof(folder), "%.*s",
		    (int)(end - path), path);
	return env_dir_sync(v->dir, folder) == 0;
}

static int
on_open(sqlite3_vfs *base, const char *path, sqlite3_file *file, int flags,
    int *ret_flags)
{
	struct store_vfs *v = vfs_of(base);
	struct file *f = (struct file *)(void *)file;
	unsigned how = ENV_FILE_READ;
	int r;

	memset(f, 0, sizeof(*f));
	/* Temporary files have no name; all of them are kept in memory. */
	if (path == NULL || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0)
		return SQLITE_CANTOPEN;
	if ((flags & SQLITE_OPEN_READWRITE) != 0)
		how |= ENV_FILE_WRITE;
	if ((flags & SQLITE_OPEN_CREATE) != 0)
		how |= ENV_FILE_CREATE;
	if ((flags & SQLITE_OPEN_EXCLUSIVE) != 0)
		how |= ENV_FILE_NEW;
	f->vfs = v;
	r = env_file_open(v->dir, path, how, &f->f);
	if (r != 0)
		return r == -ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
	if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
		lock(v);
		f->node = node_get(v, path);
		unlock(v);
		if (f->node == NULL) {
			env_file_close(f->f);
			return SQLITE_NOMEM;
		}
	}
	/* The name of a fresh log must be on disk before its frames count. */
	if ((how & ENV_FILE_CREATE) != 0 && !sync_folder(v, path)) {
		f->base.pMethods = NULL;
		if (f->node != NULL) {
			lock(v);
			node_put(f->node);
			unlock(v);
		}
		env_file_close(f->f);
		return SQLITE_IOERR_DIR_FSYNC;
	}
	f->base.pMethods = &methods;
	if (ret_flags != NULL)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int
on_delete(sqlite3_vfs *base, const char *path, int sync_dir)
{
	struct store_vfs *v = vfs_of(base);
	int r = env_dir_unlink(v->dir, path);

	if (r == -ENOENT)
		return SQLITE_IOERR_DELETE_NOENT;
	if (r != 0)
		return SQLITE_IOERR_DELETE;
	if (sync_dir && !sync_folder(v, path))
		return SQLITE_IOERR_DIR_FSYNC;
	return SQLITE_OK;
}

static int
on_access(sqlite3_vfs *base, const char *path, int flags, int *ret)
{
	struct store_vfs *v = vfs_of(base);
	struct env_file *f;
	uint64_t size = 0;
	int r = env_file_open(v->dir, path, ENV_FILE_READ, &f);

	*ret = 0;
	if (r == -ENOENT)
		return SQLITE_OK;
	if (r != 0)
		return SQLITE_IOERR_ACCESS;
	/* SQLite takes an empty journal for none. */
	if (flags == SQLITE_ACCESS_EXISTS)
		*ret = env_file_size(f, &size) != 0 || size > 0;
	else
		*ret = 1;
	env_file_close(f);
	return SQLITE_OK;
}

static int
on_full_path(sqlite3_vfs *base, const char *path, int n, char *ret)
{
	(void)base;
	if (strlen(path) >= (size_t)n)
		return SQLITE_CANTOPEN;
	(void)snprintf(ret, (size_t)n, "%s", path);
	return SQLITE_OK;
}

static int
on_randomness(sqlite3_vfs *base, int n, char *at)
{
	env_random(vfs_of(base)->env, at, (size_t)n);
	return n;
}

/* Only met when a reader and the writer touch the index in the same moment:
 * waits on a condition that nobody signals. */
static int
on_sleep(sqlite3_vfs *base, int us)
{
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;
	int64_t until = env_wall(vfs_of(base)->env) + us;
	struct timespec ts = { .tv_sec = until / 1000000,
		.tv_nsec = until % 1000000 * 1000 };

	(void)pthread_mutex_lock(&alone);
	(void)pthread_cond_timedwait(&never, &alone, &ts);
	(void)pthread_mutex_unlock(&alone);
	return us;
}

static int
on_time(sqlite3_vfs *base, sqlite3_int64 *ret_ms)
{
	/* Milliseconds since noon in Greenwich on 24 November 4714 BC. */
	*ret_ms = INT64_C(210866760000000) + env_wall(vfs_of(base)->env) / 1000;
	return SQLITE_OK;
}

static int
on_last_error(sqlite3_vfs *base, int n, char *at)
{
	(void)base;
	(void)n;
	(void)at;
	return 0;
}

int
store_vfs_new(struct env *env, struct env_dir *dir, struct store_vfs **ret)
{
	struct store_vfs *v = calloc(1, sizeof(*v));
	uint8_t first;

	if (v == NULL)
		return ERR_ORIGIN(-ENOMEM);
	v->env = env;
	v->dir = dir;
	list_init(&v->nodes);
	(void)pthread_mutex_init(&v->mutex, NULL);
	/* Several stores may live in one process. */
	(void)snprintf(v->name, sizeof(v->name), "ulak-%p", (void *)v);
	v->base = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct file),
		.mxPathname = PATH_MAX_OURS - 1,
		.zName = v->name,
		.pAppData = v,
		.xOpen = on_open,
		.xDelete = on_delete,
		.xAccess = on_access,
		.xFullPathname = on_full_path,
		.xRandomness = on_randomness,
		.xSleep = on_sleep,
		.xGetLastError = on_last_error,
		.xCurrentTimeInt64 = on_time,
	};
	/* For the whole process, before it begins; later it is refused. To
	 * count its memory, SQLite takes one mutex of all threads at each
	 * malloc; and pages that a cache gives back are to stay with that
	 * cache. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, CACHE_PAGES);
	/* As the default: SQLite seeds its generator from that one, once, and
	 * the file of the other (/dev/urandom) is behind the sandbox. */
	if (sqlite3_vfs_register(&v->base, 1) != SQLITE_OK) {
		free(v);
		return ERR_ORIGIN(-ENOMEM);
	}
	sqlite3_randomness(1, &first);
	*ret = v;
	return 0;
}

void
store_vfs_free(struct store_vfs *v)
{
	if (v == NULL)
		return;
	assert(list_is_empty(&v->nodes));
	(void)sqlite3_vfs_unregister(&v->base);
	(void)pthread_mutex_destroy(&v->mutex);
	free(v);
}

const char *
store_vfs_name(const struct store_vfs *v)
{
	return v->name;
}
