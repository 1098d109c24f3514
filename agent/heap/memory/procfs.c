/* SPDX-License-Identifier: MIT */
/* procfs - see procfs.h */
#include "agent/heap/memory/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/peek.h"
#include "agent/base/sys.h"
#include "agent/heap/core/options.h"

static size_t procfs_put(char *buf, size_t pos, size_t size, const char *text)
{
	while (*text && pos + 1 < size)
		buf[pos++] = *text++;
	buf[pos] = '\0';
	return pos;
}

static void procfs_path(char *buf, size_t size, uint32_t pid, const char *file)
{
	char digits[12];
	size_t n = sizeof(digits) - 1, pos;

	digits[n] = '\0';
	for (uint32_t v = pid; v; v /= 10)
		digits[--n] = (char)('0' + v % 10);
	pos = procfs_put(buf, 0, size, "/proc/");
	pos = procfs_put(buf, pos, size, digits + n);
	pos = procfs_put(buf, pos, size, "/");
	procfs_put(buf, pos, size, file);
}

int procfs_open_file(uint32_t pid, const char *file)
{
	char path[128];
	int fd;

	if (PEEK_IN_IMAGE)
		return -ENOENT; /* no process of ours */
	if (!pid)
		return sys_open_own(file, O_RDONLY);
	procfs_path(path, sizeof(path), pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void procfs_init(struct procfs *file, int fd, char *buf, size_t size)
{
	file->fd = fd;
	file->buf = buf;
	file->size = size;
	file->pos = 0;
	file->end = 0;
	file->eof = false;
}

static void procfs_refill(struct procfs *file)
{
	ssize_t n;

	memmove(file->buf, file->buf + file->pos, file->end - file->pos);
	file->end -= file->pos;
	file->pos = 0;
	do
		n = read(file->fd, file->buf + file->end, file->size - 1 - file->end);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		file->eof = true;
	else
		file->end += (size_t)n;
}

char *procfs_line(struct procfs *file)
{
	for (;;) {
		char *start = file->buf + file->pos;
		char *nl = memchr(start, '\n', file->end - file->pos);

		if (nl) {
			*nl = '\0';
			file->pos = (size_t)(nl - file->buf) + 1;
			return start;
		}
		if (file->eof || file->end - file->pos == file->size - 1) {
			if (file->pos == file->end)
				return NULL;
			file->buf[file->end] = '\0';
			file->pos = file->end;
			return start;
		}
		procfs_refill(file);
	}
}

long procfs_read(uint32_t pid, const char *file, char *buf, size_t size)
{
	int fd = procfs_open_file(pid, file);
	size_t n = 0;

	if (fd < 0)
		return fd;
	while (n < size - 1) {
		ssize_t got = read(fd, buf + n, size - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return (long)n;
}

uint32_t procfs_target(const struct walk_options *options)
{
	const uint32_t tasks[] = { options->copy_task, options->copy_of };
	char ours[512], theirs[512], path[64];
	long n;

	if (PEEK_IN_IMAGE)
		return 0;
	n = sys_link_own("exe", ours, sizeof(ours));
	for (size_t i = 0; i < sizeof(tasks) / sizeof(*tasks) && n > 0; i++) {
		procfs_path(path, sizeof(path), tasks[i], "exe");
		if (tasks[i] && readlink(path, theirs, sizeof(theirs)) == n &&
		    memcmp(ours, theirs, (size_t)n) == 0)
			return tasks[i];
	}
	return 0;
}
