/* SPDX-License-Identifier: MIT */
/* shapes - how references are labelled: each list of labels once. */
#ifndef PYMEM_AGENT_HEAP_CORE_SHAPES_H
#define PYMEM_AGENT_HEAP_CORE_SHAPES_H

#include "agent/heap/core/context.h"
#include "agent/python/dict.h"

/* Makes the table, and the shapes that many use. 0 or -ENOMEM. */
int shapes_begin(struct walk *w);

/* Shape id of these labels; equal shapes share one, 0 = nothing is said. */
uint32_t shapes_add(struct walk *w, const struct snap_label *fixed, uint32_t nfixed,
		    uint8_t tail);

/* Of a split dict: values labelled with the names of the shared keys. */
uint32_t shapes_of_keys(struct walk *w, const struct dict_table *t);

#endif
