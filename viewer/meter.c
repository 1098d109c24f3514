/* SPDX-License-Identifier: MIT */
/* meter - see meter.h. */
#include "viewer/meter.h"

#include <stdio.h>

#include "formats/text/print.h"

bool meter_report(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct meter *meter = arg;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - meter->began.tv_sec < 1)
		return false;
	if (total)
		print_format(stderr, "\r%s: %3u %%\033[K", phase,
			     (unsigned)(100.0 * (double)done / (double)total));
	else
		print_format(stderr, "\r%s\033[K", phase);
	meter->shown = true;
	return false;
}

void meter_wipe(void *arg)
{
	struct meter *meter = arg;

	if (meter->shown)
		print_format(stderr, "\r\033[K");
	meter->shown = false;
}
