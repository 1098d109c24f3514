/* SPDX-License-Identifier: MIT */
/*
 * frame - a block's content as one zstd frame, by a compressor that lives in memory of
 * the caller's and allocates nothing.
 */
#ifndef PYMEM_FORMATS_CORE_FRAME_H
#define PYMEM_FORMATS_CORE_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct frame;

/* Bytes of memory a compressor needs. */
size_t frame_memory(void);
/* Sets one up in mem, 64-byte aligned, which it is.  *err_ret 0, or a negative errno. */
struct frame *frame_start(void *mem, int *err_ret);
/* The most that `size` bytes become. */
size_t frame_bound(size_t size);
/*
 * Compresses raw as one frame, which is cut at n `ends`, where unlike columns meet: each
 * part has statistics of its own, and what can't be compressed costs little.  Returns the
 * frame's size, 0 on failure.
 */
size_t frame_compress(struct frame *frame, void *out, size_t out_size, const void *raw,
		      size_t size, const uint32_t *ends, unsigned n);

#endif
