/* SPDX-License-Identifier: MIT */
/* probe - the parts of cpython_probe(): experiments on the running interpreter. */
#ifndef PYMEM_AGENT_PYTHON_PROBE_H
#define PYMEM_AGENT_PYTHON_PROBE_H

#include "agent/python/cpython.h"

/* Finds the collector's lists (probe_gc.c). 0, or -ENOTSUP with a sentence. */
int probe_gc(struct cpython *py, char *err, size_t err_size);

#endif
