/* SPDX-License-Identifier: MIT */
/* written - a stream that passes on what is written, and says how much it was. */
#ifndef PYMEM_VIEWER_WRITTEN_H
#define PYMEM_VIEWER_WRITTEN_H

#include <stdint.h>
#include <stdio.h>

#include "viewer/analysis/progress.h"

struct written {
	FILE *out;
	const struct progress *progress;
	uint64_t size; /* bytes */
};

/* To be closed with fclose, which leaves `out` open.  `written` and what it is given are
 * kept until then.  NULL: none is to be had. */
FILE *written_open(struct written *written, FILE *out, const struct progress *progress);

#endif
