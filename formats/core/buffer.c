/* SPDX-License-Identifier: MIT */
/* buffer - see buffer.h. */
#include "formats/core/buffer.h"

#include <assert.h>
#include <stdlib.h>

bool buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t capacity = buffer->capacity < 4096 ? 4096 : buffer->capacity;
	uint8_t *data;

	assert(buffer->data || buffer->capacity == 0);
	if (size <= buffer->capacity)
		return true;
	while (capacity < size)
		capacity += capacity / 2;
	data = realloc(buffer->data, capacity);
	if (!data)
		return false;
	*buffer = (struct buffer){ data, capacity };
	return true;
}
