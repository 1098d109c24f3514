/* SPDX-License-Identifier: MIT */
/* growth_text - a path signature in words. */
#ifndef PYMEM_VIEWER_REPORT_GROWTH_TEXT_H
#define PYMEM_VIEWER_REPORT_GROWTH_TEXT_H

#include "viewer/analysis/growth.h"
#include "viewer/text/text.h"

/* "module cache.STORE['sessions'][*].user"; "[*]" stands for any index or key. index: of
 * the signature in growth->signature. */
void growth_path(struct text *out, const struct analysis *analysis,
		 const struct growth *growth, uint32_t index);

#endif
