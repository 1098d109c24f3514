/* SPDX-License-Identifier: MIT */
/* buffer - bytes that grow, for the decoder and the reader. */
#ifndef PYMEM_FORMATS_CORE_BUFFER_H
#define PYMEM_FORMATS_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* malloc'ed bytes that grow; exchanged, not copied, where a block is held. */
struct buffer {
	uint8_t *data;
	size_t capacity;
};
/* At least `size` bytes; content is kept. False when out of memory. */
bool buffer_reserve(struct buffer *buffer, size_t size);

#endif
