/* SPDX-License-Identifier: MIT */
/* reserve - see reserve.h. */
#include "agent/snap/reserve.h"

#include <sys/mman.h>

#include "agent/base/page.h"
#include "agent/base/sys.h"

static struct {
	char *mem;
	uint64_t size; /* 0 = none is held */
} reserve;

int reserve_take(uint64_t size)
{
	long mem;

	size = page_ceiling(size);
	if (reserve.size || !size)
		return 0;
	mem = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(mem))
		return (int)mem;
	reserve.mem = (char *)(uintptr_t)mem;
	reserve.size = size;
	for (uint64_t at = 0; at < size; at += page_size())
		((volatile char *)reserve.mem)[at] = 1;
	return 0;
}

uint64_t reserve_held(void)
{
	return reserve.size;
}

void reserve_release(void)
{
	if (reserve.size)
		sys2(SYS_munmap, reserve.mem, reserve.size);
	reserve.size = 0;
}
