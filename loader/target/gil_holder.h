/* SPDX-License-Identifier: MIT */
/* gil_holder - which thread holds the GIL, as the kernel counts threads. */
#ifndef PYMEM_LOADER_TARGET_GIL_HOLDER_H
#define PYMEM_LOADER_TARGET_GIL_HOLDER_H

#include <sys/types.h>

#include "loader/target/target.h"

/*
 * Its tid in our pid namespace; 0 when nobody holds it or it can't be told.  Reads
 * memory only; the answer may be old when it is given.
 */
pid_t gil_holder(const struct target *target);

#endif
