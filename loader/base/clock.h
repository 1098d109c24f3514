/* SPDX-License-Identifier: MIT */
/* clock - the time by which this program waits and measures. */
#ifndef PYMEM_LOADER_BASE_CLOCK_H
#define PYMEM_LOADER_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in ns. */
uint64_t clock_now(void);

#endif
