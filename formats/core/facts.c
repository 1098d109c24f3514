/* SPDX-License-Identifier: MIT */
/*
 * facts - FACTS blocks made without a writer: by the receiver of a stream, or by the
 * parent of the copy, after END.  Stored, not compressed, so no memory is needed but the
 * caller's buffer.
 */
#include <errno.h>

#include "formats/core/block.h"
#include "formats/core/crc32c.h"
#include "formats/core/schema.h"
#include "formats/core/writer.h"

enum { ROWS = 32 }; /* facts in a block */

/* Makes the row of a fact; false when the fact cannot be stored in one block. */
static bool facts_row_of(const struct snap_fact *fact, struct schema_fact *ret)
{
	const size_t size = fact->kind == SNAP_FACT_TEXT ? fact->size : 0;

	*ret = (struct schema_fact){ .key = fact->key,
				     .text = fact->text,
				     .kind = fact->kind };
	while (ret->key_size <= SNAP_KEY_MAX && fact->key[ret->key_size] != '\0')
		ret->key_size++;
	if (ret->key_size > SNAP_KEY_MAX || size > SNAP_TEXT_MAX)
		return false;
	ret->size = (uint32_t)size;
	ret->u64 = fact->kind == SNAP_FACT_U64 ? fact->u64 : 0;
	return true;
}

static size_t facts_text_bytes(const struct schema_fact *row)
{
	return (size_t)row->key_size + row->size;
}

/* As many of the facts as one block takes; their number in *used_ret. */
static long facts_one_block(uint8_t *buf, size_t capacity, const struct snap_fact *facts,
			    size_t count, size_t *used_ret)
{
	const struct schema *const schema = &schemas[BLOCK_FACTS];
	uint8_t *const frame = buf + BLOCK_HEAD_SIZE;
	struct block_head head = { .type = BLOCK_FACTS, .columns = schema->ncolumns };
	struct schema_fact rows[ROWS];
	size_t bytes = 0;
	uint32_t n = 0;

	for (; n < ROWS && n < count; n++) {
		if (!facts_row_of(&facts[n], &rows[n]))
			return -E2BIG;
		if (n > 0 &&
		    schema_bound(schema, n + 1, bytes + facts_text_bytes(&rows[n])) >
			    BLOCK_STORE_MAX)
			break;
		bytes += facts_text_bytes(&rows[n]);
	}
	if (BLOCK_HEAD_SIZE + BLOCK_STORE_EXTRA + schema_bound(schema, n, bytes) >
	    capacity)
		return -ENOSPC;
	head.count = n;
	head.raw_size =
		(uint32_t)schema_encode(schema, rows, n, frame + BLOCK_STORE_EXTRA);
	head.frame_size =
		(uint32_t)block_store(frame, frame + BLOCK_STORE_EXTRA, head.raw_size);
	head.frame_crc = crc32c(0, frame, head.frame_size);
	block_put_head(buf, &head);
	*used_ret = n;
	return BLOCK_HEAD_SIZE + (long)head.frame_size;
}

long snap_facts_block(void *buf, size_t capacity, const struct snap_fact *facts,
		      size_t count)
{
	size_t done = 0, used, at = 0;

	while (done < count) {
		const long size = facts_one_block((uint8_t *)buf + at, capacity - at,
						  facts + done, count - done, &used);

		if (size < 0)
			return size;
		at += (size_t)size;
		done += used;
	}
	return (long)at;
}
