/* SPDX-License-Identifier: MIT */
/* progress - how long work tells how far it is (progress.h). */
#include "viewer/analysis/progress.h"

#include <errno.h>

int progress_step(const struct progress *progress, const char *phase, uint64_t done,
		  uint64_t total)
{
	if (progress && progress->report &&
	    progress->report(progress->arg, phase, done, total))
		return -ECANCELED;
	return 0;
}

void progress_wipe(const struct progress *progress)
{
	if (progress && progress->wipe)
		progress->wipe(progress->arg);
}
