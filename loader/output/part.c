/* SPDX-License-Identifier: MIT */
/* part - see part.h. */
#include "loader/output/part.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/core/writer.h"
#include "loader/output/output.h"

void part_init(struct part *part, int fd, bool seekable, struct live *live)
{
	*part = (struct part){ .fd = fd, .seekable = seekable, .live = live };
	if (seekable) {
		const off_t at = lseek(fd, 0, SEEK_END);

		part->start = at > 0 ? (uint64_t)at : 0;
	}
}

void part_deinit(struct part *part)
{
	snap_indexer_destroy(part->indexer);
	free(part->held);
	part->indexer = NULL;
	part->held = NULL;
	part->held_size = part->held_capacity = 0;
}

/* Cuts off what an earlier try wrote. */
static int part_cut(struct part *part)
{
	assert(part->fd >= 0);
	if (!part->seekable || part->written == 0)
		return 0;
	if (part->live)
		live_restart(part->live, part->start);
	if (ftruncate(part->fd, (off_t)part->start) < 0 ||
	    lseek(part->fd, (off_t)part->start, SEEK_SET) < 0)
		return -errno;
	return 0;
}

int part_begin(struct part *part)
{
	if (part->error)
		return part->error;
	snap_indexer_destroy(part->indexer);
	part->indexer = snap_indexer_create();
	if (!part->indexer)
		return -ENOMEM;
	const int r = part_cut(part);
	part->written = 0;
	part->held_size = 0;
	part->state = (struct snap_index_state){ 0 };
	part->tries++;
	return r;
}

/* Writes bytes that belong to whole blocks. */
static int part_put(struct part *part, const void *data, size_t size)
{
	assert(part->error <= 0);
	if (part->error || size == 0)
		return part->error;
	part->error = output_write(part->fd, data, size);
	if (part->error)
		return part->error;
	part->written += size;
	if (part->live)
		live_pump(part->live, part->start + part->written);
	/* A viewer may go; where the output itself is relayed its end is ours. */
	if (part->live && part->live->spool && part->live->error)
		part->error = part->live->error;
	return part->error;
}

static int part_hold(struct part *part, const void *data, size_t size)
{
	assert(part->held_size <= part->held_capacity);
	if (size == 0)
		return 0;
	if (part->held_size + size > PART_HELD_MAX)
		return -EPROTO;
	if (part->held_size + size > part->held_capacity) {
		const size_t capacity = (part->held_size + size) * 2;
		char *grown = realloc(part->held, capacity);

		if (!grown)
			return -ENOMEM;
		part->held = grown;
		part->held_capacity = capacity;
	}
	memcpy(part->held + part->held_size, data, size);
	part->held_size += size;
	return 0;
}

int part_feed(struct part *part, const void *data, size_t size)
{
	const char *p = data;

	assert(part->indexer);
	if (part->error)
		return part->error;
	if (part->state.bad)
		return -EPROTO;
	int r = snap_indexer_feed(part->indexer, data, size);
	if (r < 0 && r != -EPROTO)
		return r;
	snap_indexer_state(part->indexer, &part->state);
	/* held + data hold the bytes from `written` on; `whole` says how far to write. */
	uint64_t ready = part->state.whole - part->written;
	if (ready > 0 && part->held_size > 0) {
		const size_t n =
			ready < part->held_size ? (size_t)ready : part->held_size;

		r = part_put(part, part->held, n);
		part->held_size -= n;
		memmove(part->held, part->held + n, part->held_size);
		ready -= n;
		if (r < 0)
			return r;
	}
	if (ready > size)
		return -EPROTO;
	r = part_put(part, p, (size_t)ready);
	if (r < 0)
		return r;
	if (part->state.bad)
		return -EPROTO;
	return part_hold(part, p + ready, size - (size_t)ready);
}

int part_finish(struct part *part, const struct snap_fact *facts, size_t count)
{
	void *tail = NULL;
	size_t tail_size = 0;
	char block[16384];

	if (part->error)
		return part->error;
	if (!part->indexer || part->written == 0)
		return -ENODATA;
	/* Drops the unfinished block: what follows stands where it stood. */
	int r = snap_indexer_cut(part->indexer);
	part->held_size = 0;
	if (r < 0)
		return r;
	const long n = snap_facts_block(block, sizeof(block), facts, count);
	if (n < 0)
		return (int)n;
	r = snap_indexer_feed(part->indexer, block, (size_t)n);
	if (r == 0)
		r = part_put(part, block, (size_t)n);
	if (r == 0)
		r = snap_indexer_finish(part->indexer, &tail, &tail_size);
	if (r == 0)
		r = part_put(part, tail, tail_size);
	free(tail);
	return r;
}
