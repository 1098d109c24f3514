/* SPDX-License-Identifier: MIT */
/*
 * kernel - system calls without a function in each C library that pymem-load is linked
 * with: musl 1.2.3 lacks statx(2), glibc before 2.34 close_range(2).  As the functions of
 * those names: 0, or -1 and errno.
 */
#ifndef PYMEM_LOADER_BASE_KERNEL_H
#define PYMEM_LOADER_BASE_KERNEL_H

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifndef STATX_BTIME
#include <linux/stat.h>
#endif

static inline int kernel_statx(int fd, const char *path, int flags, unsigned mask,
			       struct statx *ret)
{
	return (int)syscall(SYS_statx, fd, path, flags, mask, ret);
}

/* Closes the descriptors from first to last. */
static inline int kernel_close_range(unsigned first, unsigned last)
{
	return (int)syscall(SYS_close_range, first, last, 0u);
}

#endif
