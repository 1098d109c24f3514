/* SPDX-License-Identifier: MIT */
/*
 * refuse_memory - preloaded into a program: one allocation finds no memory.
 *
 * PYMEM_REFUSE=FILE:N: the N-th malloc, calloc, realloc or aligned allocation from the
 * program's start on, counted over it and all its children, gives NULL.  FILE keeps the
 * count: eight bytes, made by whoever starts us.  N 0: none is refused.
 *
 * What libseccomp asks for is neither counted nor refused: where it finds no memory,
 * version 2.5.4 crashes or never returns, which is not ours to mend.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
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
static uintptr_t spared_from, spared_to;

static int spare_libseccomp(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (!strstr(info->dlpi_name, "/libseccomp.so"))
		return 0;
	spared_from = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
			info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && end > spared_to)
			spared_to = end;
	}
	return 1;
}

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
	dl_iterate_phdr(spare_libseccomp, NULL);
	if (p != MAP_FAILED)
		count = p;
}

static bool refuse(const void *caller)
{
	const uintptr_t from = (uintptr_t)caller;

	if (!count || (from >= spared_from && from < spared_to))
		return false;
	if (atomic_fetch_add(count, 1) + 1 != refused)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL :
						     __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *const p = refuse(__builtin_return_address(0)) ?
		NULL :
		__libc_memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
