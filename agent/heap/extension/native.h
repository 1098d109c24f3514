/* SPDX-License-Identifier: MIT */
/*
 * native - memory outside the heap that objects own or look at.
 *
 * Each allocation belongs to one object: a buffer event says where the bytes
 * are, and whether the object owns them or views somebody else's (whose it says
 * when known).  Where sys.getsizeof counts the bytes already, COUNTED is set.
 *
 *  layouts	bytearray, array.array, memoryview, mmap.mmap and ctypes data are read
 *		from their structs while sweeping: here; numpy.ndarray: numpy.h
 *  probes	declared in text for types of any extension: see agent/PROBES.md
 *  buffer protocol	other C types that export one are asked after the sweeps, in
 *		the copy only: protocol.h
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_NATIVE_H
#define PYMEM_AGENT_HEAP_EXTENSION_NATIVE_H

#include "agent/heap/core/specialist.h"

extern const struct specialist native_specialists[];

/* Emits a buffer event; data or length 0: nothing. source: string id. */
void native_emit(struct walk *w, uint64_t obj, uint64_t data, uint64_t length,
		 uint64_t owner, uint32_t source, uint32_t flags);
/* ... whose source is "buffer". */
void native_emit_buffer(struct walk *w, uint64_t obj, uint64_t data, uint64_t length,
			uint64_t owner, uint32_t flags);

/* SNAP_BUFFER_COUNTED, if sizes of this type count memory outside of the object. */
uint32_t native_counted(const struct walk_type *type);

#endif
