/* SPDX-License-Identifier: MIT */
/* replace - write, fsync, rename, fsync the folder; see replace.h. */
#include "formats/core/replace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* File systems that keep nothing say EINVAL, those that cannot be written EROFS. */
static int replace_sync(int fd)
{
	const int err = fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : -errno;

	close(fd);
	return err;
}

static int replace_sync_file(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : replace_sync(fd);
}

static int replace_sync_folder(const char *path)
{
	const char *const slash = strrchr(path, '/');
	const size_t size = slash ? (size_t)(slash - path) + 1 : 1;
	char folder[PATH_MAX];
	int fd;

	if (size >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, slash ? path : ".", size);
	folder[size] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* a folder one may write but not read: nothing to be done */
	return fd < 0 ? 0 : replace_sync(fd);
}

int replace_commit(const char *temporary, const char *path)
{
	int err = replace_sync_file(temporary);

	assert(temporary && path);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err) {
		unlink(temporary);
		return err;
	}
	return replace_sync_folder(path);
}
