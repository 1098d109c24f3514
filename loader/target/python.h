/* SPDX-License-Identifier: MIT */
/* python - which CPython a target runs, from its symbols and its memory. */
#ifndef PYMEM_LOADER_TARGET_PYTHON_H
#define PYMEM_LOADER_TARGET_PYTHON_H

#include "loader/target/target.h"

/* Fills target->python from the modules; found = false if there's no CPython. */
void python_find(struct target *target);
/*
 * Why there is none, as one sentence's worth of cause: "PyPy keeps its objects
 * elsewhere", ... for a target where python_find found nothing.
 */
const char *python_absence(const struct target *target);
/* Is a file of this name CPython 3's program or library? */
bool python_is_named(const char *path);

#endif
