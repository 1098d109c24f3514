/* SPDX-License-Identifier: MIT */
/*
 * native - memory outside the heap that objects own or look at.
 *
 * Each allocation belongs to one object: a buffer event says where the bytes
 * are, and whether the object owns them or views somebody else's (whose it says
 * when known).  Where sys.getsizeof counts the bytes already, COUNTED is set.
 *
 *  layouts	bytearray, array.array, memoryview, mmap.mmap, ctypes data and
 *		numpy.ndarray are read from their structs while sweeping
 *  probes	declared in text for types of any extension: see agent/PROBES.md
 *  buffer protocol	other C types that export one are asked after the sweeps, in
 *		the copy only: bf_getbuffer takes references
 *
 * A Python class that defines __buffer__ (PEP 688) is not asked: that is code.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_NATIVE_H
#define PYMEM_AGENT_HEAP_EXTENSION_NATIVE_H

#include <stdint.h>

struct walk;
struct walk_type;

/* Emits a buffer event; data or length 0: nothing. source: string id. */
void native_emit(struct walk *w, uint64_t obj, uint64_t data, uint64_t length,
		 uint64_t owner, uint32_t source, uint32_t flags);

#endif
