/* SPDX-License-Identifier: MIT */
/* inspection_text - what an inspection found, in a sentence. */
#ifndef PYMEM_VIEWER_REPORT_INSPECTION_TEXT_H
#define PYMEM_VIEWER_REPORT_INSPECTION_TEXT_H

#include "viewer/analysis/inspections.h"
#include "viewer/text/text.h"

/* "1.2 MiB, 3 functools caches without a maxsize: __main__.load" */
void inspection_text(struct text *out, const struct analysis *analysis,
		     const struct finding *finding);

#endif
