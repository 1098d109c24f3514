/* SPDX-License-Identifier: MIT */
/* probe - the parts of cpython_probe(): experiments on the running interpreter. */
#ifndef PYMEM_AGENT_PYTHON_PROBE_H
#define PYMEM_AGENT_PYTHON_PROBE_H

#include "agent/python/cpython.h"

/* Finds the collector's lists (probe_gc.c). 0, or -ENOTSUP with a sentence. */
int probe_gc(struct cpython *py, char *err, size_t err_size);

/* Is this object one that the collector keeps, by its header (or a bit of its head)? Safe
 * reads only. */
bool probe_gc_keeps(const struct cpython *py, uint64_t obj);

/*
 * What a class made by a class statement shows (probe_class.c): where heap types have
 * their names, subtype_traverse, subtype_dealloc.  NULL, or what is not understood.
 */
const char *probe_class_spec(struct cpython *py, uint64_t spec);
/* ... where no name leads to one: from what most of those on the collector's lists have
 * in common.  Where there are too few, these fields stay 0. */
void probe_class_kept(struct cpython *py);

/* Sets lay.dict_owns_embedded by what dict's tp_traverse does (probe_embedded.c); as the
 * tables say where that can't be asked. */
void probe_embedded(struct cpython *py);

#endif
