/* SPDX-License-Identifier: MIT */
/*
 * sys - system calls made directly, without libc.
 *
 * In the copy of the process libc's state is that of a thread which does not
 * exist there (its cached tid, its locks), and in the process itself errno is
 * somebody else's business.  So: no libc wrapper, no errno; a result in
 * -4095..-1 is a negative errno, as the kernel gives it.  Async-signal-safe.
 */
#ifndef PYMEM_AGENT_BASE_SYS_H
#define PYMEM_AGENT_BASE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "agent/base/cpu.h"
#include "agent/base/sys_note.h"

/* sys(SYS_x, args...): missing arguments are 0. */
#define SYS_ARG(x) ((long)(x))
#define sys6(nr, a, b, c, d, e, f) \
	__extension__({ \
		sys_note(nr); \
		cpu_call((nr), SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), \
			 SYS_ARG(e), SYS_ARG(f)); \
	})
#define sys0(nr) sys6(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a) sys6(nr, a, 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys6(nr, a, b, 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys6(nr, a, b, c, 0, 0, 0)
#define sys4(nr, a, b, c, d) sys6(nr, a, b, c, d, 0, 0)
#define sys5(nr, a, b, c, d, e) sys6(nr, a, b, c, d, e, 0)

#define sys_failed(rc) ((unsigned long)(rc) >= -4095UL)

static inline int sys_open(const char *path, int flags, int mode)
{
	return (int)sys4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

/*
 * Files of /proc about ourselves: by this thread, since those of the process are empty
 * when its first thread has ended and others live on (the address space and the open
 * files are found by the task, fs/proc/base.c).  By the process where that can't be:
 * before Linux 3.17, under a profile that names the other alone, of "task/...".
 */
enum { SYS_OWN_PATH = 80, SYS_OWN_WAYS = 2 };

static inline const char *sys_own_path(char buf[SYS_OWN_PATH], unsigned way,
				       const char *name)
{
	size_t used = 0;

	for (const char *s = way ? "/proc/self/" : "/proc/thread-self/"; *s; s++)
		buf[used++] = *s;
	for (const char *s = name; *s && used + 1 < SYS_OWN_PATH; s++)
		buf[used++] = *s;
	buf[used] = '\0';
	return buf;
}

static inline int sys_open_own(const char *name, int flags)
{
	char path[SYS_OWN_PATH];
	int fd = -ENOENT;

	for (unsigned i = 0; i < SYS_OWN_WAYS && fd < 0; i++)
		fd = sys_open(sys_own_path(path, i, name), flags, 0);
	return fd;
}

/* A link of them. Its length or a negative errno. */
static inline long sys_link_own(const char *name, char *buf, size_t size)
{
	char path[SYS_OWN_PATH];
	long n = -ENOENT;

	for (unsigned i = 0; i < SYS_OWN_WAYS && n < 0; i++)
		n = sys4(SYS_readlinkat, AT_FDCWD, sys_own_path(path, i, name), buf,
			 size);
	return n;
}

static inline long sys_read(int fd, void *buf, size_t size)
{
	return sys3(SYS_read, fd, buf, size);
}

static inline long sys_write(int fd, const void *buf, size_t size)
{
	return sys3(SYS_write, fd, buf, size);
}

static inline void sys_close(int fd)
{
	sys1(SYS_close, fd);
}

static inline int sys_getpid(void)
{
	return (int)sys0(SYS_getpid);
}

static inline int sys_gettid(void)
{
	return (int)sys0(SYS_gettid);
}

__attribute__((noreturn)) static inline void sys_exit_group(int status)
{
	for (;;)
		sys1(SYS_exit_group, status);
}

static inline void sys_sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &t);
}

/* Nanoseconds of a clock; by the real call, so that it works in any thread. */
static inline uint64_t sys_clock_ns(int clock)
{
	struct timespec t = { 0 };

	sys2(SYS_clock_gettime, clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t sys_now_ns(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

/* What sys_read_file does, of an open file (or the errno of one), which is closed. */
static inline long sys_read_whole(int fd, char *buf, size_t size)
{
	size_t used = 0;
	long n = 0;

	if (fd < 0)
		return fd;
	while (used + 1 < size) {
		n = sys_read(fd, buf + used, size - 1 - used);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	sys_close(fd);
	buf[used] = '\0';
	return n < 0 ? n : (long)used;
}

/*
 * Reads a small file of /proc or /sys whole (up to size - 1 bytes), terminated
 * by a NUL.  Returns its length or a negative errno.
 */
static inline long sys_read_file(const char *path, char *buf, size_t size)
{
	return sys_read_whole(sys_open(path, O_RDONLY, 0), buf, size);
}

/* The same of a file of sys_open_own. */
static inline long sys_read_own(const char *name, char *buf, size_t size)
{
	return sys_read_whole(sys_open_own(name, O_RDONLY), buf, size);
}

#endif
