/* SPDX-License-Identifier: MIT */
/* dump_file - a file system of one descriptor (dump_file.h). */
#include "viewer/query/dump_file.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dump_file {
	sqlite3_file base;
	int fd;
};

/* ---- bytes ---- */

ssize_t dump_file_get(int fd, void *to, size_t size, uint64_t at)
{
	size_t got = 0;

	while (got < size) {
		const ssize_t n =
			pread(fd, (char *)to + got, size - got, (off_t)(at + got));

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		got += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)got;
}

int dump_file_put(int fd, const void *from, size_t size, uint64_t at)
{
	size_t put = 0;

	while (put < size) {
		const ssize_t n = pwrite(fd, (const char *)from + put, size - put,
					 (off_t)(at + put));

		if (n == 0)
			return -EIO;
		if (n < 0 && errno != EINTR)
			return -errno;
		put += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* ---- what SQLite asks for ---- */

static int dump_file_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

static int dump_file_read(sqlite3_file *file, void *to, int size, sqlite3_int64 at)
{
	const int fd = ((struct dump_file *)file)->fd;
	const ssize_t got = dump_file_get(fd, to, (size_t)size, (uint64_t)at);

	if (got < 0)
		return SQLITE_IOERR_READ;
	memset((char *)to + got, 0, (size_t)(size - got));
	return got < size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int dump_file_write(sqlite3_file *file, const void *from, int size,
			   sqlite3_int64 at)
{
	const int fd = ((struct dump_file *)file)->fd;

	switch (dump_file_put(fd, from, (size_t)size, (uint64_t)at)) {
	case 0:
		return SQLITE_OK;
	case -ENOSPC:
	case -EDQUOT:
		return SQLITE_FULL;
	default:
		return SQLITE_IOERR_WRITE;
	}
}

static int dump_file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return ftruncate(((struct dump_file *)file)->fd, size) ? SQLITE_IOERR_TRUNCATE :
								 SQLITE_OK;
}

/* files_commit brings it to the disk. */
static int dump_file_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int dump_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct stat st;

	if (fstat(((struct dump_file *)file)->fd, &st))
		return SQLITE_IOERR_FSTAT;
	*ret = st.st_size;
	return SQLITE_OK;
}

static int dump_file_lock(sqlite3_file *file, int lock)
{
	(void)file;
	(void)lock;
	return SQLITE_OK;
}

static int dump_file_reserved(sqlite3_file *file, int *ret)
{
	(void)file;
	*ret = 0;
	return SQLITE_OK;
}

static int dump_file_control(sqlite3_file *file, int what, void *arg)
{
	(void)file;
	(void)what;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int dump_file_sector(sqlite3_file *file)
{
	(void)file;
	return 4096;
}

static int dump_file_traits(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods dump_file_methods = {
	.iVersion = 1,
	.xClose = dump_file_close,
	.xRead = dump_file_read,
	.xWrite = dump_file_write,
	.xTruncate = dump_file_truncate,
	.xSync = dump_file_sync,
	.xFileSize = dump_file_size,
	.xLock = dump_file_lock,
	.xUnlock = dump_file_lock,
	.xCheckReservedLock = dump_file_reserved,
	.xFileControl = dump_file_control,
	.xSectorSize = dump_file_sector,
	.xDeviceCharacteristics = dump_file_traits,
};

static int dump_file_fd = -1;

static int dump_file_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
			  int flags, int *flags_ret)
{
	struct dump_file *f = (struct dump_file *)file;

	(void)vfs;
	(void)name;
	*f = (struct dump_file){ .fd = dump_file_fd };
	if (!(flags & SQLITE_OPEN_MAIN_DB) || dump_file_fd < 0)
		return SQLITE_CANTOPEN;
	f->base.pMethods = &dump_file_methods;
	if (flags_ret)
		*flags_ret = flags;
	return SQLITE_OK;
}

static int dump_file_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	(void)name;
	(void)sync;
	return SQLITE_OK;
}

static int dump_file_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	(void)vfs;
	(void)name;
	(void)flags;
	*ret = 0;
	return SQLITE_OK;
}

static int dump_file_full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
	(void)vfs;
	sqlite3_snprintf(size, ret, "%s", name);
	return SQLITE_OK;
}

static sqlite3_vfs dump_file_system = {
	.iVersion = 1,
	.szOsFile = sizeof(struct dump_file),
	.mxPathname = 100,
	.zName = "pymem",
	.xOpen = dump_file_open,
	.xDelete = dump_file_delete,
	.xAccess = dump_file_access,
	.xFullPathname = dump_file_full_name,
};

int dump_file_offer(int fd)
{
	const sqlite3_vfs *unix_system = sqlite3_vfs_find(NULL);

	assert(fd >= 0 && dump_file_fd < 0);
	if (!unix_system)
		return SQLITE_ERROR;
	dump_file_system.xRandomness = unix_system->xRandomness;
	dump_file_system.xSleep = unix_system->xSleep;
	dump_file_system.xCurrentTime = unix_system->xCurrentTime;
	dump_file_system.xGetLastError = unix_system->xGetLastError;
	dump_file_fd = fd;
	return sqlite3_vfs_register(&dump_file_system, 0);
}

void dump_file_withdraw(void)
{
	sqlite3_vfs_unregister(&dump_file_system);
	dump_file_fd = -1;
}
