/* SPDX-License-Identifier: MIT */
/* chunks_text - C allocations that no object is known to own, in words. */
#ifndef PYMEM_VIEWER_REPORT_CHUNKS_TEXT_H
#define PYMEM_VIEWER_REPORT_CHUNKS_TEXT_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/* The kinds that have most of the bytes: "10,000 of 1,008 bytes, 200 of up to 65,552
 * bytes held by variables of libcrypto.so.3"; nothing when the snapshot has none. */
void chunks_text_kinds(struct text *out, const struct heap *heap);
/* Whether they are tracemalloc's. */
bool chunks_text_traces(const struct heap *heap);
/* The C types of which there are instances that may own more than is known: "200
 * SSLContext, 3 Connection", or tracemalloc where it is that; nothing when there is
 * none. */
void chunks_text_owners(struct text *out, const struct heap *heap);

#endif
