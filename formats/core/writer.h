/* SPDX-License-Identifier: MIT */
/*
 * writer - a sink that encodes events as the block stream of SNAPSHOT.md.
 *
 * One pass, never seeks, holds one block per column set, allocates nothing: the
 * caller gives one piece of memory (the agent has no malloc) and a function
 * that takes the bytes.  Definitions are always flushed before what uses them,
 * so any prefix of the output is a readable, truncated snapshot.
 */
#ifndef PYMEM_FORMATS_CORE_WRITER_H
#define PYMEM_FORMATS_CORE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "formats/core/sink.h"

/* Takes `size` bytes, all of them. 0, or a negative errno which stops the writer. */
typedef int (*snap_write_fn)(void *arg, const void *data, size_t size);

struct snap_writer;

/* Bytes of memory snap_writer_init needs (a few MiB: columns, one output frame,
 * zstd's static workspace). */
size_t snap_writer_memory(void);

/*
 * Sets a writer up in mem (zeroed or not, 64-byte aligned, at least
 * snap_writer_memory() bytes; owned by the caller and kept until the writer is
 * no longer used) and writes the file header.  NULL with a negative errno in
 * *err_ret on failure.
 */
struct snap_writer *snap_writer_init(void *mem, size_t size, snap_write_fn write,
				     void *arg, int *err_ret);

/* The sink to feed. `end` flushes everything and writes the END block. */
struct snap_sink *snap_writer_sink(struct snap_writer *writer);

/*
 * Pushes out all complete and partial blocks, e.g. before a long phase.  Not between an
 * object and its value.  Progress events are written at once and need no flush.
 */
int snap_writer_flush(struct snap_writer *writer);

struct snap_writer_totals {
	uint64_t objects, edges, object_bytes; /* edges: non-zero references */
	uint64_t bytes_out;		       /* compressed bytes written so far */
};
/* What was written so far. */
void snap_writer_totals(const struct snap_writer *writer, struct snap_writer_totals *ret);

/*
 * FACTS blocks as bytes, without a writer: what the receiver, or the parent
 * of the copy, knows only after END.  Written to buf; returns their size, or a
 * negative errno (-ENOSPC: capacity too small, allow 512 bytes more than the texts and 80
 * a fact; -E2BIG: a key or text beyond the limits of sink.h).  Allocates nothing.
 */
long snap_facts_block(void *buf, size_t capacity, const struct snap_fact *facts,
		      size_t count);

#endif
