/* SPDX-License-Identifier: MIT */
/* subject - which process a document is of, in the words that fleets label by. */
#ifndef PYMEM_VIEWER_DOCUMENT_SUBJECT_H
#define PYMEM_VIEWER_DOCUMENT_SUBJECT_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/* All escaped; "" or 0 what the snapshot doesn't say. */
struct subject {
	uint64_t pid, time_ns;
	struct text host, command, python;
	struct text time; /* 2026-11-29T12:37:59Z */
};

/* 0 or -ENOMEM; subject_free in any case. */
int subject_of(const struct heap *heap, struct subject *ret);
void subject_free(struct subject *subject);

#endif
