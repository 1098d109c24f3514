/* SPDX-License-Identifier: MIT */
/* doubts - what a snapshot itself is not sure of, in sentences for every view of it. */
#ifndef PYMEM_VIEWER_REPORT_DOUBTS_H
#define PYMEM_VIEWER_REPORT_DOUBTS_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/*
 * Replaces text by the next doubt, from *at on, which counts the kinds asked about (0 at
 * first).  False: there is none any more.  The texts are escaped; out of memory is
 * text->err.
 */
bool doubts_next(struct text *text, const struct heap *heap, size_t *at);

#endif
