/* SPDX-License-Identifier: MIT */
/* suspect_text - a suspect in words; for the report, the overview and screens. */
#ifndef PYMEM_VIEWER_REPORT_SUSPECT_TEXT_H
#define PYMEM_VIEWER_REPORT_SUSPECT_TEXT_H

#include "viewer/analysis/suspects.h"
#include "viewer/text/text.h"

/* "module cache.STORE['sessions'] -> dict -> 1,204,331 Session" */
void suspect_text(struct text *out, const struct analysis *analysis,
		  const struct suspect *s);
/* Instead of suspects, where there are none; returns scratch's text. */
const char *suspect_none(struct text *scratch, const struct heap *heap);
/* What it retains of all that objects have in memory; of resident memory where no object
 * holds it. */
double suspect_share(const struct analysis *analysis, const struct suspect *s);

#endif
