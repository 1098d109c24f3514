/* SPDX-License-Identifier: MIT */
/* block - packing and checking of the fixed-size structures; see block.h. */
#include "formats/core/block.h"

#include <string.h>

#include "formats/core/bytes.h"
#include "formats/core/crc32c.h"

static const struct {
	const char *name;
	bool critical;
} types[BLOCK_TYPE_COUNT] = {
	[BLOCK_FACTS] = { "FACTS", false },
	[BLOCK_STRINGS] = { "STRINGS", true },
	[BLOCK_TYPES] = { "TYPES", true },
	[BLOCK_SHAPES] = { "SHAPES", true },
	[BLOCK_OBJECTS] = { "OBJECTS", true },
	[BLOCK_REFS] = { "REFS", true },
	[BLOCK_VALUES] = { "VALUES", false },
	[BLOCK_THREADS] = { "THREADS", true },
	[BLOCK_FRAMES] = { "FRAMES", true },
	[BLOCK_ROOTS] = { "ROOTS", true },
	[BLOCK_MAPS] = { "MAPS", false },
	[BLOCK_BUFFERS] = { "BUFFERS", false },
	[BLOCK_SIZE_CHECKS] = { "SIZE_CHECKS", false },
	[BLOCK_ERRORS] = { "ERRORS", false },
	[BLOCK_PROGRESS] = { "PROGRESS", false },
	[BLOCK_END] = { "END", true },
	[BLOCK_INDEX] = { "INDEX", false },
	[BLOCK_CHUNKS] = { "CHUNKS", false },
	[BLOCK_SHARED] = { "SHARED", false },
	[BLOCK_PACKED] = { "PACKED", true },
	[BLOCK_PACKED_REFS] = { "PACKED_REFS", true },
	[BLOCK_SITES] = { "SITES", false },
	[BLOCK_TRACES] = { "TRACES", false },
	[BLOCK_LINES] = { "LINES", false },
	[BLOCK_ABSENT] = { "ABSENT", false },
};

const char *block_type_name(unsigned type)
{
	if (type >= BLOCK_TYPE_COUNT || !types[type].name)
		return "unknown";
	return types[type].name;
}

bool block_type_critical(unsigned type)
{
	return type < BLOCK_TYPE_COUNT && types[type].critical;
}

static void block_begin(uint8_t *p, size_t total)
{
	bytes_put_u32(p, BLOCK_SKIPPABLE);
	bytes_put_u32(p + 4, (uint32_t)(total - 8));
}

static void block_seal(uint8_t *p, size_t total)
{
	bytes_put_u32(p + total - 4, crc32c(0, p, total - 4));
}

static bool block_is_sealed(const uint8_t *p, size_t total)
{
	return bytes_get_u32(p) == BLOCK_SKIPPABLE && bytes_get_u32(p + 4) == total - 8 &&
		bytes_get_u32(p + total - 4) == crc32c(0, p, total - 4);
}

void block_put_file_head(void *buf, const struct block_file_head *head)
{
	uint8_t *p = buf;

	block_begin(p, BLOCK_FILE_HEAD_SIZE);
	memcpy(p + 8, BLOCK_FILE_MAGIC, BLOCK_FILE_MAGIC_SIZE);
	bytes_put_u16(p + 18, head->major);
	bytes_put_u16(p + 20, head->minor);
	bytes_put_u16(p + 22, 0);
	bytes_put_u64(p + 24, head->incompat);
	bytes_put_u64(p + 32, head->compat);
	block_seal(p, BLOCK_FILE_HEAD_SIZE);
}

bool block_is_file_head(const void *buf)
{
	const uint8_t *p = buf;

	return bytes_get_u32(p) == BLOCK_SKIPPABLE &&
		bytes_get_u32(p + 4) == BLOCK_FILE_HEAD_SIZE - 8 &&
		memcmp(p + 8, BLOCK_FILE_MAGIC, BLOCK_FILE_MAGIC_SIZE) == 0;
}

bool block_get_file_head(const void *buf, struct block_file_head *ret)
{
	const uint8_t *p = buf;

	if (!block_is_file_head(p) || !block_is_sealed(p, BLOCK_FILE_HEAD_SIZE))
		return false;
	*ret = (struct block_file_head){
		.major = bytes_get_u16(p + 18),
		.minor = bytes_get_u16(p + 20),
		.incompat = bytes_get_u64(p + 24),
		.compat = bytes_get_u64(p + 32),
	};
	return true;
}

void block_put_head(void *buf, const struct block_head *head)
{
	uint8_t *p = buf;

	block_begin(p, BLOCK_HEAD_SIZE);
	memcpy(p + 8, BLOCK_MAGIC, 4);
	p[12] = head->type;
	p[13] = head->flags;
	bytes_put_u16(p + 14, head->columns);
	bytes_put_u32(p + 16, head->raw_size);
	bytes_put_u32(p + 20, head->frame_size);
	bytes_put_u64(p + 24, head->first);
	bytes_put_u32(p + 32, head->count);
	bytes_put_u32(p + 36, head->sequence);
	bytes_put_u32(p + 40, head->frame_crc);
	block_seal(p, BLOCK_HEAD_SIZE);
}

bool block_get_head(const void *buf, struct block_head *ret)
{
	const uint8_t *p = buf;

	if (memcmp(p + 8, BLOCK_MAGIC, 4) != 0 || !block_is_sealed(p, BLOCK_HEAD_SIZE))
		return false;
	*ret = (struct block_head){
		.type = p[12],
		.flags = p[13],
		.columns = bytes_get_u16(p + 14),
		.raw_size = bytes_get_u32(p + 16),
		.frame_size = bytes_get_u32(p + 20),
		.first = bytes_get_u64(p + 24),
		.count = bytes_get_u32(p + 32),
		.sequence = bytes_get_u32(p + 36),
		.frame_crc = bytes_get_u32(p + 40),
	};
	return true;
}

void block_put_trailer(void *buf, const struct block_trailer *trailer)
{
	uint8_t *p = buf;

	block_begin(p, BLOCK_TRAILER_SIZE);
	memcpy(p + 8, BLOCK_TRAILER_MAGIC, 8);
	bytes_put_u64(p + 16, trailer->to_index);
	bytes_put_u64(p + 24, trailer->to_head);
	block_seal(p, BLOCK_TRAILER_SIZE);
}

bool block_get_trailer(const void *buf, struct block_trailer *ret)
{
	const uint8_t *p = buf;

	if (memcmp(p + 8, BLOCK_TRAILER_MAGIC, 8) != 0 ||
	    !block_is_sealed(p, BLOCK_TRAILER_SIZE))
		return false;
	*ret = (struct block_trailer){
		.to_index = bytes_get_u64(p + 16),
		.to_head = bytes_get_u64(p + 24),
	};
	return true;
}

/*
 * RFC 8878, 3.1.1: magic; frame header descriptor 0xA0 = single segment, content size
 * in four bytes, no checksum; then one block: last, type raw, size, in three bytes.
 */
size_t block_store(uint8_t *out, const void *data, size_t size)
{
	_Static_assert(BLOCK_STORE_MAX <= 128 * 1024, "one block of a frame");
	memmove(out + BLOCK_STORE_EXTRA, data, size);
	bytes_put_u32(out, 0xFD2FB528u);
	out[4] = 0xA0;
	bytes_put_u32(out + 5, (uint32_t)size);
	out[9] = (uint8_t)(1 | size << 3);
	out[10] = (uint8_t)(size >> 5);
	out[11] = (uint8_t)(size >> 13);
	return size + BLOCK_STORE_EXTRA;
}
