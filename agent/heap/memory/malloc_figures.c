/* SPDX-License-Identifier: MIT */
/* malloc_figures - see malloc_figures.h. */
#include "agent/heap/memory/malloc_figures.h"

void malloc_figures_add(struct malloc_figures *m, uint64_t size, uint64_t used,
			uint64_t free)
{
	uint32_t i = 0;

	while (i < m->classes && m->class_[i].size != size)
		i++;
	if (i == MALLOC_FIGURES_CLASSES)
		return;
	if (i == m->classes)
		m->class_[m->classes++] = (struct malloc_figures_class){ .size = size };
	m->class_[i].used += used;
	m->class_[i].free += free;
}
