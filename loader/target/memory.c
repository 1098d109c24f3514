/* SPDX-License-Identifier: MIT */
/* memory - see memory.h. */
#include "loader/target/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int memory_open(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/mem", pid, tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

size_t memory_read_some(int fd, uint64_t addr, void *buf, size_t size)
{
	size_t done = 0;

	assert(fd >= 0);
	while (done < size) {
		ssize_t n =
			pread(fd, (char *)buf + done, size - done, (off_t)(addr + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool memory_read(int fd, uint64_t addr, void *buf, size_t size)
{
	return memory_read_some(fd, addr, buf, size) == size;
}

bool memory_read_u64(int fd, uint64_t addr, uint64_t *ret)
{
	return memory_read(fd, addr, ret, sizeof(*ret));
}

bool memory_read_u32(int fd, uint64_t addr, uint32_t *ret)
{
	return memory_read(fd, addr, ret, sizeof(*ret));
}

bool memory_read_string(int fd, uint64_t addr, char *buf, size_t size)
{
	size_t n = memory_read_some(fd, addr, buf, size - 1);

	buf[n] = 0;
	return n > 0;
}
