/* SPDX-License-Identifier: MIT */
/* self_check - in one line whether the snapshot proves itself; for the overview. */
#ifndef PYMEM_VIEWER_REPORT_SELF_CHECK_H
#define PYMEM_VIEWER_REPORT_SELF_CHECK_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/* "passed, 99.99 % of references, 11,392 sizes"; else what didn't and which report has
 * more; "not done" where the snapshot has neither reference counts nor sizes. */
void self_check_text(struct text *out, const struct heap *heap);
/* Sizes compared with the interpreter's answers, and those that differed. */
void self_check_sizes(const struct heap *heap, uint64_t *checked, uint64_t *different);

#endif
