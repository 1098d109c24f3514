/* SPDX-License-Identifier: MIT */
/*
 * refuse_memory - preloaded into a program: one allocation finds no memory.
 *
 * PYMEM_REFUSE=FILE:N: the N-th malloc, calloc, realloc or aligned allocation from the
 * program's start on, counted over it and all its children, gives NULL.  FILE keeps the
 * count: eight bytes, made by whoever starts us.  N 0: none is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own, which it exports under these names too (malloc/malloc.c). */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static _Atomic uint64_t *count;
static uint64_t refused;

__attribute__((constructor)) static void begin(void)
{
	const char *spec = getenv("PYMEM_REFUSE");
	const char *colon = spec ? strrchr(spec, ':') : NULL;
	char path[256];

	if (!colon || (size_t)(colon - spec) >= sizeof(path))
		return;
	memcpy(path, spec, (size_t)(colon - spec));
	path[colon - spec] = '\0';
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	void *const p = fd < 0 ?
		MAP_FAILED :
		mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	refused = strtoull(colon + 1, NULL, 10);
	if (p != MAP_FAILED)
		count = p;
}

static bool refuse(void)
{
	if (!count || atomic_fetch_add(count, 1) + 1 != refused)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return refuse() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return refuse() ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return refuse() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *const p = refuse() ? NULL : __libc_memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
