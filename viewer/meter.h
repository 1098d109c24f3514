/* SPDX-License-Identifier: MIT */
/* meter - progress as a line on stderr, for work that takes more than a second; who uses
 * one has looked whether that is a terminal. */
#ifndef PYMEM_VIEWER_METER_H
#define PYMEM_VIEWER_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct meter {
	struct timespec began;
	bool shown;
};

/* As struct progress wants it; arg: struct meter, `began` on CLOCK_MONOTONIC. */
bool meter_report(void *arg, const char *phase, uint64_t done, uint64_t total);
/* Wipes the line, if there is one: before anything else is printed, and at the end.  arg:
 * struct meter. */
void meter_wipe(void *arg);

#endif
