/* SPDX-License-Identifier: MIT */
/* files - see files.h. */
#include "viewer/files/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "formats/core/replace.h"
#include "formats/rights/rights.h"
#include "viewer/files/clerk.h"
#include "viewer/files/removal.h"
#include "viewer/files/unfinished.h"

enum { FILES_PATIENCE_MS = 5000 };

/* Until something is in a pipe, or who wrote to it has closed it. 0 or ENODATA. */
static int files_await(int fd)
{
	struct pollfd pipe = { .fd = fd, .events = POLLIN };
	struct timespec t;
	int64_t left = FILES_PATIENCE_MS, end;

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec * 1000 + t.tv_nsec / 1000000 + FILES_PATIENCE_MS;
	while (poll(&pipe, 1, (int)left) <= 0) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		left = end - (t.tv_sec * 1000 + t.tv_nsec / 1000000);
		if (left <= 0)
			return ENODATA;
	}
	return 0;
}

int files_open(const char *path, int flags)
{
	const int open_flags = flags | O_NONBLOCK; /* to open a pipe may take for ever */
	struct stat st;

	assert(!(flags & ~(O_NONBLOCK | O_NOFOLLOW | O_DIRECTORY)));
	const int fd = clerk_works() ? clerk_open(path, open_flags) :
				       open(path, O_RDONLY | O_CLOEXEC | open_flags);
	if (fd < 0 || flags & O_NONBLOCK)
		return fd;
	const int err = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) ? files_await(fd) : 0;
	if (!err && fcntl(fd, F_SETFL, 0) == 0)
		return fd;
	const int failed = err ? err : errno;
	close(fd);
	errno = failed;
	return -1;
}

const char *files_error(int err)
{
	return err == ENODATA ? "it is a pipe that nobody writes to" : strerror(err);
}

bool files_may_open(const char *path)
{
	return !clerk_works() || clerk_may_open(path);
}

int files_open_special(const char *path)
{
	if (clerk_works() && clerk_knows(path))
		return clerk_open_special(path);
	return open(path, O_WRONLY | O_CLOEXEC);
}

bool files_is_special(const char *path)
{
	struct stat st;

	if (clerk_works() && clerk_knows(path))
		return clerk_is_special(path);
	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int files_create(struct new_file *ret, const char *path)
{
	struct stat st;
	const int n = snprintf(ret->temporary, sizeof(ret->temporary), "%s.XXXXXX", path);

	ret->fd = -1;
	ret->number = -1;
	ret->hasty = false;
	if (n < 0 || (size_t)n >= sizeof(ret->temporary))
		return -ENAMETOOLONG;
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	if (clerk_works() && clerk_knows(path)) {
		ret->temporary[0] = '\0';
		return clerk_create(ret);
	}
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return -ELOOP; /* it would be replaced, as /dev/stdout is one */
	ret->fd = mkostemp(ret->temporary, O_CLOEXEC); /* 0600 */
	if (ret->fd < 0)
		return -errno;
	unfinished_add(ret->temporary);
	return 0;
}

/* Gives it its name. 0 or a negative errno: then it is gone. */
static int files_rename(const struct new_file *file)
{
	int err = 0;

	if (!file->hasty)
		return replace_commit(file->temporary, file->path);
	if (rename(file->temporary, file->path) < 0) {
		err = -errno;
		unlink(file->temporary);
	}
	return err;
}

int files_write(int fd, const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		const ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int files_commit(struct new_file *file)
{
	int err = close(file->fd) ? -errno : 0;

	file->fd = -1;
	if (err) {
		files_abort(file);
		return err;
	}
	if (!file->temporary[0])
		return clerk_commit(file);
	err = files_rename(file);
	unfinished_remove(file->temporary);
	return err;
}

void files_abort(struct new_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	if (file->temporary[0]) {
		unlink(file->temporary);
		unfinished_remove(file->temporary);
	} else {
		clerk_abort(file);
	}
}

int files_remove(const char *path)
{
	return clerk_works() ? clerk_remove(path) : removal_of_file(path);
}

int files_listen(struct listener *ret, const char *path)
{
	if (!clerk_works())
		return listener_open(ret, path);
	*ret = (struct listener){ .fd = clerk_listen(path) };
	return ret->fd >= 0 ? 0 : -errno;
}

void files_unlisten(struct listener *listener)
{
	const bool any = listener->fd >= 0;

	listener_close(listener);
	if (any && clerk_works())
		clerk_unlisten();
}
