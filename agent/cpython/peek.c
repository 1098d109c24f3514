// SPDX-License-Identifier: MIT
/*
 * peek - see peek.h.  process_vm_readv(2) on our own pid needs no privilege
 * (ptrace_may_access allows the own thread group), but a seccomp filter may
 * refuse it; then /proc/self/mem does, which fails with EIO on a hole.
 */
#include "agent/cpython/peek.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static bool read_mem(uint64_t addr, void *buf, size_t size)
{
	size_t done = 0;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (done < size) {
		long n = syscall(SYS_pread64, fd, (char *)buf + done, size - done,
				 (long)(addr + done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	syscall(SYS_close, fd);
	return done == size;
}

bool peek_safe(uint64_t addr, void *buf, size_t size)
{
	struct iovec local = { buf, size };
	struct iovec remote = { (void *)(uintptr_t)addr, size };
	long n = syscall(SYS_process_vm_readv, (long)syscall(SYS_getpid), &local, 1L,
			 &remote, 1L, 0L);

	if (n >= 0)
		return (size_t)n == size;
	return read_mem(addr, buf, size);
}

bool peek_safe64(uint64_t addr, uint64_t *ret)
{
	uint64_t v;

	if (!peek_safe(addr, &v, sizeof(v)))
		return false;
	*ret = v;
	return true;
}

bool peek_safe_text(uint64_t addr, char *buf, size_t size)
{
	size_t done = 0;

	while (done + 1 < size) {
		size_t step = 64 - (addr + done) % 64;	/* never across a page */
		const char *nul;

		if (step > size - 1 - done)
			step = size - 1 - done;
		if (!peek_safe(addr + done, buf + done, step))
			return false;
		nul = memchr(buf + done, 0, step);
		if (nul)
			return true;
		done += step;
	}
	buf[done] = 0;
	return true;
}
