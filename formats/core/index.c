/* SPDX-License-Identifier: MIT */
/*
 * index - watches a stream's headers go by; makes the INDEX block and the trailer.
 *
 * Everything else in the stream is passed over: a header says how many bytes to skip.
 */
#include "formats/core/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "formats/core/block.h"
#include "formats/core/bytes.h"
#include "formats/core/crc32c.h"
#include "formats/core/schema.h"

struct entry {
	uint64_t offset; /* of the block, from the start of the process */
	struct block_head head;
};

struct snap_indexer {
	struct snap_index_state state;
	uint8_t head[BLOCK_HEAD_SIZE]; /* of the structure that is coming */
	size_t have;		       /* bytes of it */
	bool opened;		       /* the file header was there */
	uint32_t sequence;	       /* of the last block that had one */
	uint64_t skip;		       /* bytes of the current frame still to come */
	struct entry *entries;
	size_t count, capacity;
};

struct snap_indexer *snap_indexer_create(void)
{
	return calloc(1, sizeof(struct snap_indexer));
}

void snap_indexer_destroy(struct snap_indexer *indexer)
{
	if (!indexer)
		return;
	free(indexer->entries);
	free(indexer);
}

static struct entry *index_add_entry(struct snap_indexer *indexer)
{
	if (indexer->count == indexer->capacity) {
		const size_t capacity = indexer->capacity ? 2 * indexer->capacity : 256;
		struct entry *const entries =
			realloc(indexer->entries, capacity * sizeof(*entries));

		if (!entries)
			return NULL;
		indexer->entries = entries;
		indexer->capacity = capacity;
	}
	return &indexer->entries[indexer->count++];
}

/* A frame is over, or there was none: all up to here is whole. */
static void index_block_done(struct snap_indexer *indexer)
{
	const struct block_head *head;

	indexer->state.whole = indexer->state.bytes;
	if (indexer->count == 0)
		return;
	assert(indexer->skip == 0 && indexer->state.blocks + 1 == indexer->count);
	head = &indexer->entries[indexer->count - 1].head;
	indexer->state.blocks++;
	if (head->type == BLOCK_OBJECTS || head->type == BLOCK_PACKED)
		indexer->state.objects += head->count;
	if (head->type == BLOCK_END)
		indexer->state.ended = true;
}

/* What every writer keeps to; a block appended by a receiver has no number. */
static bool index_take_sane(struct snap_indexer *indexer, const struct block_head *head)
{
	if (head->raw_size > BLOCK_RAW_MAX ||
	    head->frame_size > ZSTD_COMPRESSBOUND((size_t)BLOCK_RAW_MAX) ||
	    (head->sequence != 0 && head->sequence != indexer->sequence + 1))
		return false;
	indexer->sequence += head->sequence != 0;
	if (head->count == 0 || head->type >= BLOCK_TYPE_COUNT)
		indexer->state.idle++;
	return indexer->state.idle <= INDEX_IDLE_MAX;
}

/* A whole structure is in indexer->head. */
static int index_take_structure(struct snap_indexer *indexer)
{
	struct block_file_head file_head;
	struct block_head head;
	struct entry *entry;

	indexer->have = 0;
	if (!indexer->opened) {
		indexer->opened = block_get_file_head(indexer->head, &file_head);
		indexer->state.bad = !indexer->opened;
		if (indexer->opened)
			indexer->state.whole = indexer->state.bytes;
		return 0;
	}
	if (!block_get_head(indexer->head, &head) || !index_take_sane(indexer, &head)) {
		indexer->state.bad = true;
		return 0;
	}
	entry = index_add_entry(indexer);
	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){ indexer->state.bytes - BLOCK_HEAD_SIZE, head };
	indexer->skip = head.frame_size;
	if (indexer->skip == 0)
		index_block_done(indexer);
	return 0;
}

int snap_indexer_feed(struct snap_indexer *indexer, const void *data, size_t size)
{
	const uint8_t *p = data;

	assert(data || size == 0);
	while (size > 0) {
		const size_t want =
			(indexer->opened ? BLOCK_HEAD_SIZE : BLOCK_FILE_HEAD_SIZE) -
			indexer->have;
		size_t n = size;
		int err = 0;

		if (indexer->state.bad) {
			indexer->state.bytes += n;
			return 0;
		}
		if (indexer->skip > 0)
			n = n < indexer->skip ? n : (size_t)indexer->skip;
		else
			n = n < want ? n : want;
		indexer->state.bytes += n;
		if (indexer->skip > 0) {
			indexer->skip -= n;
			if (indexer->skip == 0)
				index_block_done(indexer);
		} else {
			memcpy(indexer->head + indexer->have, p, n);
			indexer->have += n;
			if (n == want)
				err = index_take_structure(indexer);
		}
		if (err)
			return err;
		p += n;
		size -= n;
	}
	return 0;
}

void snap_indexer_state(const struct snap_indexer *indexer, struct snap_index_state *ret)
{
	*ret = indexer->state;
}

int snap_indexer_cut(struct snap_indexer *indexer)
{
	assert(indexer->state.whole <= indexer->state.bytes);
	assert(indexer->state.blocks <= indexer->count);
	indexer->count = (size_t)indexer->state.blocks;
	indexer->have = 0;
	indexer->skip = 0;
	indexer->state.bytes = indexer->state.whole;
	indexer->state.bad = false;
	return indexer->opened ? 0 : -ENODATA;
}

/* The value of an entry in column c; `previous` is the entry before, or NULL. */
static uint64_t index_cell(const struct entry *e, const struct entry *previous,
			   unsigned c)
{
	switch (c) {
	case 0:
		return e->offset - (previous ? previous->offset : 0);
	case 1:
		return e->head.type;
	case 2:
		return e->head.flags;
	case 3:
		return e->head.first;
	case 4:
		return e->head.count;
	case 5:
		return e->head.raw_size;
	default:
		return e->head.frame_crc;
	}
}

static size_t index_encode(const struct snap_indexer *indexer, uint8_t *raw)
{
	const unsigned columns = schemas[BLOCK_INDEX].ncolumns;
	uint8_t *p = raw + 4 * (size_t)columns;

	for (unsigned c = 0; c < columns; c++) {
		const uint8_t *const start = p;

		for (size_t i = 0; i < indexer->state.blocks; i++)
			p = bytes_put_varint(
				p,
				index_cell(&indexer->entries[i],
					   i > 0 ? &indexer->entries[i - 1] : NULL, c));
		bytes_put_u32(raw + 4 * (size_t)c, (uint32_t)(p - start));
	}
	return (size_t)(p - raw);
}

int snap_indexer_finish(struct snap_indexer *indexer, void **data_ret, size_t *size_ret)
{
	const unsigned columns = schemas[BLOCK_INDEX].ncolumns;
	const size_t bound =
		columns * (4 + BYTES_VARINT_MAX * (size_t)indexer->state.blocks) + 16;
	const size_t room = ZSTD_compressBound(bound);
	struct block_head head = {
		.type = BLOCK_INDEX,
		.columns = (uint16_t)columns,
		.count = (uint32_t)indexer->state.blocks,
	};
	uint8_t *const raw = malloc(bound);
	uint8_t *const out = malloc(BLOCK_HEAD_SIZE + room + BLOCK_TRAILER_SIZE);
	size_t size = 0;

	assert(indexer->state.blocks <= indexer->count);
	if (raw && out) {
		head.raw_size = (uint32_t)index_encode(indexer, raw);
		size = ZSTD_compress(out + BLOCK_HEAD_SIZE, room, raw, head.raw_size, 1);
	}
	free(raw);
	if (!raw || !out || ZSTD_isError(size)) {
		free(out);
		return -ENOMEM;
	}
	head.frame_size = (uint32_t)size;
	head.frame_crc = crc32c(0, out + BLOCK_HEAD_SIZE, size);
	block_put_head(out, &head);
	size += BLOCK_HEAD_SIZE;
	block_put_trailer(out + size,
			  &(struct block_trailer){
				  .to_index = size,
				  .to_head = indexer->state.whole + size,
			  });
	*data_ret = out;
	*size_ret = size + BLOCK_TRAILER_SIZE;
	return 0;
}
