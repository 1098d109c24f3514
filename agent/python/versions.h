/* SPDX-License-Identifier: MIT */
/*
 * versions - which version's tables an interpreter is read by.  For this room, but
 * for versions_known: what others need to know of a version is a field of struct layout.
 */
#ifndef PYMEM_AGENT_PYTHON_VERSIONS_H
#define PYMEM_AGENT_PYTHON_VERSIONS_H

#include "agent/python/cpython.h"

/* The newest minor version that the tables know. */
enum { VERSIONS_NEWEST = 0x030f };

/* What the tables say for this version and sizeof(PyObject): 16, or 32. */
void versions_fill(struct layout *lay, uint32_t version, uint16_t head);
/* ... then, what is different in a build without a GIL (3.13+). */
void versions_fill_free_threaded(struct layout *lay, uint32_t version);

/* Do the tables know this interpreter's minor version? */
bool versions_known(const struct cpython *py);
/* The version it is read as: its own, or the newest release of the newest known. */
uint32_t versions_tables(const struct cpython *py);

/* True from version 3.minor on. */
static inline bool versions_since(const struct cpython *py, unsigned minor)
{
	return versions_tables(py) >= (0x030000u | minor << 8);
}

#endif
