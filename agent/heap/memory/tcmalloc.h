/* SPDX-License-Identifier: MIT */
/* tcmalloc - what gperftools' tcmalloc says of itself. */
#ifndef PYMEM_AGENT_HEAP_MEMORY_TCMALLOC_H
#define PYMEM_AGENT_HEAP_MEMORY_TCMALLOC_H

/* Fills a struct malloc_figures by calls of its functions:
 * MallocExtension_GetNumericProperty and, if there are, _GetStats and tc_version.  In a
 * process apart, as they take locks. */
void tcmalloc_ask(void *figures);

#endif
