/* SPDX-License-Identifier: MIT */
/* layout_internal - between the tables (layout.c) and the experiments (probe*.c). */
#ifndef PYMEM_AGENT_PYTHON_LAYOUT_INTERNAL_H
#define PYMEM_AGENT_PYTHON_LAYOUT_INTERNAL_H

#include "agent/python/cpython_internal.h"

/* What the tables say for this version and sizeof(PyObject): 16, or 32. */
void layout_fill(struct layout *lay, uint32_t version, uint16_t head);

/* Finds the collector's lists (probe_gc.c). 0, or -ENOTSUP with a sentence. */
int probe_gc(struct cpython *py, char *err, size_t err_size);

/* Is obj an object whose type is exactly `type`? Safe for any address. */
bool probe_exact(const struct cpython *py, uint64_t obj, uint64_t type);
/* ... of a type whose tp_flags has this bit (28 unicode, 29 dict, 31 type)? */
bool probe_kind(const struct cpython *py, uint64_t obj, unsigned flag_bit);

#endif
