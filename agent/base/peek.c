/* SPDX-License-Identifier: MIT */
/*
 * peek - see peek.h.  process_vm_readv(2) on our own tid (the process's
 * may be of a thread that has ended) needs no privilege
 * (ptrace_may_access allows the own thread group), but a seccomp filter may
 * refuse it; then /proc/self/mem does, which fails with EIO on a hole.
 *
 * In a copy process_vm_readv is no mere read: it pins pages, and before an anonymous
 * page that is shared with another process is pinned it gets a copy of its own
 * (mm/gup.c, gup_must_unshare).  There, with one thread, memory cannot go away
 * between two instructions: it is enough to ask the kernel whether it can read a
 * page, once, and then to read it.  rt_sigprocmask reads its mask before it looks at
 * `how`: EFAULT or, for a nonsensical how, EINVAL, and nothing else happens.
 */
#include "agent/base/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent/base/page.h"
#include "agent/base/sys.h"

static bool peek_mem_file(uint64_t addr, void *buf, size_t size)
{
	size_t done = 0;
	int fd = sys_open_own("mem", O_RDONLY);

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

static bool peek_is_alone;

void peek_be_alone(void)
{
	peek_is_alone = true;
}

/* Pages found readable, by the low bits of their number; 0 = none. */
static uint64_t peek_pages[512];

void peek_forget(void)
{
	if (peek_is_alone)
		memset(peek_pages, 0, sizeof(peek_pages));
}

static bool peek_ask_page(uint64_t addr)
{
	return syscall(SYS_rt_sigprocmask, ~0L, addr & ~7ull, 0L, 8L) != 0 &&
		errno == EINVAL;
}

static bool peek_page(uint64_t page)
{
	uint64_t *const seen = &peek_pages[(page >> page_shift()) % 512];

	if (*seen == page)
		return true;
	if (!peek_ask_page(page))
		return false;
	*seen = page;
	return true;
}

static bool peek_alone(uint64_t addr, void *buf, size_t size)
{
	const uint64_t last = addr + size - 1;

	if (!size)
		return true;
	/* the first page is never mapped, and stands for "none" in peek_pages */
	if (last < addr || last >= CPU_ADDRESS_END || addr < page_size())
		return false;
	for (uint64_t page = page_floor(addr); page <= last; page += page_size()) {
		if (!peek_page(page))
			return false;
	}
	memcpy(buf, (const void *)(uintptr_t)addr, size);
	return true;
}

bool peek_safe(uint64_t addr, void *buf, size_t size)
{
	if (peek_is_alone)
		return peek_alone(addr, buf, size);

	struct iovec local = { buf, size };
	struct iovec remote = { (void *)(uintptr_t)addr, size };
	long n = syscall(SYS_process_vm_readv, (long)syscall(SYS_gettid), &local, 1L,
			 &remote, 1L, 0L);

	if (n >= 0)
		return (size_t)n == size;
	return peek_mem_file(addr, buf, size);
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
		size_t step = 64 - (addr + done) % 64; /* never across a page */
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
