/* SPDX-License-Identifier: MIT */
/*
 * strings - names in the snapshot: each text once, as UTF-8 (surrogates kept, as
 * WTF-8 does).  The id of the empty one is 0.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_STRINGS_H
#define PYMEM_AGENT_HEAP_CORE_STRINGS_H

#include "agent/heap/core/context.h"

/* 0 or -ENOMEM. */
int strings_begin(struct walk *w);

/* String id, which is sent when it is new; text need not be terminated. */
uint32_t strings_add(struct walk *w, const char *text, size_t size);
uint32_t strings_add_text(struct walk *w, const char *text);
/* ... of a str object (any kind); 0 when obj is no str. */
uint32_t strings_add_object(struct walk *w, uint64_t obj);

#endif
