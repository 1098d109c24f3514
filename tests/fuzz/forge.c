/* SPDX-License-Identifier: MIT */
/* forge - see forge.h. */
#include "forge.h"

#include <stdlib.h>
#include <string.h>

#include "formats/core/block.h"
#include "formats/core/bytes.h"
#include "formats/core/crc32c.h"
#include "formats/core/schema.h"

/* Gives the structure at p, if it looks like one, the CRCs it should have. Its size. */
static size_t mend(uint8_t *p, size_t size)
{
	uint32_t frame_size;

	if (size < BLOCK_HEAD_SIZE || bytes_get_u32(p) != BLOCK_SKIPPABLE)
		return 1;
	switch (bytes_get_u32(p + 4)) {
	case BLOCK_FILE_HEAD_SIZE - 8:
		bytes_put_u32(p + BLOCK_FILE_HEAD_SIZE - 4,
			      crc32c(0, p, BLOCK_FILE_HEAD_SIZE - 4));
		return BLOCK_FILE_HEAD_SIZE;
	case BLOCK_TRAILER_SIZE - 8:
		bytes_put_u32(p + BLOCK_TRAILER_SIZE - 4,
			      crc32c(0, p, BLOCK_TRAILER_SIZE - 4));
		return BLOCK_TRAILER_SIZE;
	case BLOCK_HEAD_SIZE - 8:
		frame_size = bytes_get_u32(p + 20);
		if (frame_size > size - BLOCK_HEAD_SIZE)
			frame_size = (uint32_t)(size - BLOCK_HEAD_SIZE);
		bytes_put_u32(p + 20, frame_size);
		bytes_put_u32(p + 40, crc32c(0, p + BLOCK_HEAD_SIZE, frame_size));
		bytes_put_u32(p + 44, crc32c(0, p, 44));
		return BLOCK_HEAD_SIZE + frame_size;
	default:
		return 1;
	}
}

static uint8_t *copy(const uint8_t *data, size_t size, int mended, size_t *size_ret)
{
	uint8_t *const out = malloc(size + 1);

	if (!out)
		return NULL;
	memcpy(out, data, size);
	for (size_t at = 0; mended && at < size;)
		at += mend(out + at, size - at);
	*size_ret = size;
	return out;
}

/* Writes the block described at *data and moves on; the new end of the output. */
static uint8_t *build(uint8_t *out, const uint8_t **data, size_t *left, uint64_t *firsts,
		      uint32_t sequence)
{
	const uint8_t *const p = *data;
	struct block_head head = {
		.type = p[0] % (BLOCK_TYPE_COUNT + 1),
		.flags = p[1] & 7,
		.count = p[2],
		.raw_size = (uint32_t)(p[3] | p[4] << 8),
		.sequence = sequence,
	};
	const uint8_t known = head.type < BLOCK_TYPE_COUNT ? head.type : 0;

	if (head.raw_size > *left - 5)
		head.raw_size = (uint32_t)(*left - 5);
	head.columns = schemas[known].ncolumns + (p[1] >> 6 == 3);
	head.first = head.type == BLOCK_VALUES || head.type == BLOCK_REFS ?
		firsts[0] - (firsts[0] > 0) :
		firsts[known];
	head.frame_size =
		(uint32_t)block_store(out + BLOCK_HEAD_SIZE, p + 5, head.raw_size);
	head.frame_crc = crc32c(0, out + BLOCK_HEAD_SIZE, head.frame_size);
	block_put_head(out, &head);
	firsts[known] += head.count;
	if (head.type == BLOCK_OBJECTS || head.type == BLOCK_PACKED)
		firsts[0] = head.first + 1;
	*data += 5 + head.raw_size;
	*left -= 5 + head.raw_size;
	return out + BLOCK_HEAD_SIZE + head.frame_size;
}

static uint8_t *build_all(const uint8_t *data, size_t size, size_t *size_ret)
{
	const size_t blocks = size / 5 + 1;
	uint8_t *const out =
		malloc(BLOCK_FILE_HEAD_SIZE + size + blocks * (BLOCK_HEAD_SIZE + 16));
	uint8_t *end = out + BLOCK_FILE_HEAD_SIZE;
	uint64_t firsts[BLOCK_TYPE_COUNT] = { 0 };
	uint32_t sequence = 0;

	if (!out)
		return NULL;
	block_put_file_head(out, &(struct block_file_head){ .major = BLOCK_MAJOR });
	while (size >= 5)
		end = build(end, &data, &size, firsts, ++sequence);
	*size_ret = (size_t)(end - out);
	return out;
}

uint8_t *forge_input(const uint8_t *data, size_t size, size_t *size_ret)
{
	if (size == 0)
		return copy(data, 0, 0, size_ret);
	switch (data[0] % 3) {
	case 0:
		return copy(data + 1, size - 1, 0, size_ret);
	case 1:
		return copy(data + 1, size - 1, 1, size_ret);
	default:
		return build_all(data + 1, size - 1, size_ret);
	}
}
