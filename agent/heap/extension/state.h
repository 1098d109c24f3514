/* SPDX-License-Identifier: MIT */
/* state - what specialists keep for the length of a walk; each looks into its own. */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_STATE_H
#define PYMEM_AGENT_HEAP_EXTENSION_STATE_H

#include "agent/heap/core/context.h"

struct specialists {
	uint32_t buffer; /* string id of "buffer" */
	struct numpy *numpy;
	struct greenlet *greenlet;
	struct probes *probes;
	struct protocol *protocol;
	struct candidates *candidates;
};

#endif
