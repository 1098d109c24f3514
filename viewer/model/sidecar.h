/* SPDX-License-Identifier: MIT */
/*
 * sidecar - FILE.pmx: the model and analysis of a snapshot, ready to be mapped.
 *
 * Written beside the snapshot after the first analysis (to a temporary name, then
 * renamed; mode 0600; skipped silently where that isn't possible); safe to delete
 * at any time.  It belongs to one snapshot: size, modification time and a hash of the
 * snapshot's last 64 KiB (where the INDEX lies) must agree, and so must the
 * version below and the layout of this machine's structs.
 *
 * Layout, little endian: a header, then per process a struct with its counts and
 * a table of sections (offset, bytes), each section an array of heap.h or analysis.h,
 * 64-byte aligned, as it is in memory.  Header and tables are checksummed.
 *
 * A sidecar is only trusted as far as the snapshot is: it must belong to the
 * reader (uid) and not be writable by others, and every id in it is checked
 * against the tables' lengths before use, so that a damaged or hostile one makes
 * wrong answers at worst.
 */
#ifndef PYMEM_VIEWER_MODEL_SIDECAR_H
#define PYMEM_VIEWER_MODEL_SIDECAR_H

#include "viewer/analysis/analysis.h"
#include "viewer/model/heap.h"

struct sidecar_process {
	struct heap *heap;
	struct analysis *analysis;
	char problem[320];
};

/* Processes in the snapshot's sidecar; 0 when there is none that fits. *ret is malloc'ed
 * (or NULL), the heaps and analyses belong to the caller. */
uint32_t sidecar_open(const char *snapshot, struct sidecar_process **ret);
/* 0, or a negative errno: nothing was left behind then. */
int sidecar_save(const char *snapshot, const struct sidecar_process *processes,
		 uint32_t count);

#endif
