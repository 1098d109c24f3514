/* SPDX-License-Identifier: MIT */
/* memory - see memory.h. */
#include "loader/target/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "loader/target/process.h"

static int memory_open_file(pid_t pid, pid_t tid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static ssize_t memory_call(pid_t tid, uint64_t addr, void *buf, size_t size)
{
	const struct iovec to = { buf, size };
	const struct iovec from = { (void *)(uintptr_t)addr, size };

	return syscall(SYS_process_vm_readv, tid, &to, 1ul, &from, 1ul, 0ul);
}

/* Nothing is mapped at 0: who may read is told so, others are refused first. */
int memory_open_calls(pid_t pid, pid_t tid, struct memory *ret)
{
	char byte;
	const int fd = memory_open_file(pid, tid, "maps");

	*ret = MEMORY_CLOSED;
	if (fd < 0)
		return fd;
	if (memory_call(tid, 0, &byte, 1) < 0 && errno != EFAULT) {
		const int error = errno;

		close(fd);
		return -error;
	}
	*ret = (struct memory){ .fd = fd, .calls = true, .pid = pid, .tid = tid };
	return 0;
}

int memory_open(pid_t pid, pid_t tid, struct memory *ret)
{
	const int fd = memory_open_file(pid, tid, "mem");

	if (fd == -EACCES && !memory_open_calls(pid, tid, ret))
		return 0;
	*ret = fd < 0 ? MEMORY_CLOSED : (struct memory){ .fd = fd };
	return fd < 0 ? fd : 0;
}

void memory_close(struct memory *memory)
{
	if (memory->fd >= 0)
		close(memory->fd);
	*memory = MEMORY_CLOSED;
}

bool memory_is_open(const struct memory *memory)
{
	return memory->fd >= 0 || memory->image;
}

/* Word by word; works for who traces the thread, while it is stopped. */
static size_t memory_peek(pid_t tid, uint64_t addr, char *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		const uint64_t at = addr + done, skip = at % sizeof(long);
		size_t n = sizeof(long) - skip;

		errno = 0;
		const long word = ptrace(PTRACE_PEEKDATA, tid, (void *)(at - skip), NULL);
		if (errno)
			break;
		if (n > size - done)
			n = size - done;
		memcpy(buf + done, (const char *)&word + skip, n);
		done += n;
	}
	return done;
}

static ssize_t memory_read_by_call(const struct memory *m, uint64_t addr, char *buf,
				   size_t size)
{
	struct process process;
	ssize_t n = memory_call(m->tid, addr, buf, size);
	char byte;

	if (n < 0 && errno == ESRCH && !process_read(m->pid, &process, NULL) &&
	    process.live_tid && process.live_tid != m->tid) /* that thread has ended */
		n = memory_call(process.live_tid, addr, buf, size);
	else if (n < 0 && errno != EINTR)
		n = (ssize_t)memory_peek(m->tid, addr, buf, size);
	/* of an address space that is left nothing is listed any more */
	if (n > 0 && pread(m->fd, &byte, 1, 0) != 1)
		n = 0;
	return n;
}

size_t memory_read_some(const struct memory *m, uint64_t addr, void *buf, size_t size)
{
	size_t done = 0;

	if (m->image)
		return m->image(addr, buf, size);
	assert(m->fd >= 0);
	while (done < size) {
		char *to = (char *)buf + done;
		ssize_t n = m->calls ?
			memory_read_by_call(m, addr + done, to, size - done) :
			pread(m->fd, to, size - done, (off_t)(addr + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool memory_read(const struct memory *m, uint64_t addr, void *buf, size_t size)
{
	return memory_read_some(m, addr, buf, size) == size;
}

bool memory_read_u64(const struct memory *m, uint64_t addr, uint64_t *ret)
{
	return memory_read(m, addr, ret, sizeof(*ret));
}

bool memory_read_u32(const struct memory *m, uint64_t addr, uint32_t *ret)
{
	return memory_read(m, addr, ret, sizeof(*ret));
}

bool memory_read_string(const struct memory *m, uint64_t addr, char *buf, size_t size)
{
	size_t n = memory_read_some(m, addr, buf, size - 1);

	buf[n] = 0;
	return n > 0;
}
