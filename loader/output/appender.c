/* SPDX-License-Identifier: MIT */
/* appender - see appender.h. */
#include "loader/output/appender.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/output/output.h"

/* Cuts off what an earlier try wrote. */
static int appender_cut(struct appender *appender)
{
	assert(appender->fd >= 0);
	if (!appender->seekable || appender->written == 0)
		return 0;
	if (ftruncate(appender->fd, (off_t)appender->start) < 0 ||
	    lseek(appender->fd, (off_t)appender->start, SEEK_SET) < 0)
		return -errno;
	return 0;
}

int appender_begin(struct appender *appender)
{
	if (appender->error)
		return appender->error;
	snap_indexer_destroy(appender->indexer);
	appender->indexer = snap_indexer_create();
	if (!appender->indexer)
		return -ENOMEM;
	const int r = appender_cut(appender);
	appender->written = 0;
	appender->held_size = 0;
	appender->state = (struct snap_index_state){ 0 };
	return r;
}

/* Writes bytes that belong to whole blocks. */
static int appender_put(struct appender *appender, const void *data, size_t size)
{
	assert(appender->error <= 0);
	if (appender->error || size == 0)
		return appender->error;
	appender->error = output_write(appender->fd, data, size);
	if (appender->error)
		return appender->error;
	appender->written += size;
	return 0;
}

static int appender_hold(struct appender *appender, const void *data, size_t size)
{
	assert(appender->held_size <= appender->held_capacity);
	if (size == 0)
		return 0;
	if (appender->held_size + size > APPENDER_HELD_MAX)
		return -EPROTO;
	if (appender->held_size + size > appender->held_capacity) {
		const size_t capacity = (appender->held_size + size) * 2;
		char *grown = realloc(appender->held, capacity);

		if (!grown)
			return -ENOMEM;
		appender->held = grown;
		appender->held_capacity = capacity;
	}
	memcpy(appender->held + appender->held_size, data, size);
	appender->held_size += size;
	return 0;
}

int appender_feed(struct appender *appender, const void *data, size_t size)
{
	const char *p = data;

	assert(appender->indexer);
	if (appender->error)
		return appender->error;
	if (appender->state.bad)
		return -EPROTO;
	int r = snap_indexer_feed(appender->indexer, data, size);
	if (r < 0 && r != -EPROTO)
		return appender->error = r; /* no memory */
	snap_indexer_state(appender->indexer, &appender->state);
	/* held + data hold the bytes from `written` on; `whole` says how far to write. */
	uint64_t ready = appender->state.whole - appender->written;
	if (ready > 0 && appender->held_size > 0) {
		const size_t n =
			ready < appender->held_size ? (size_t)ready : appender->held_size;

		r = appender_put(appender, appender->held, n);
		appender->held_size -= n;
		memmove(appender->held, appender->held + n, appender->held_size);
		ready -= n;
		if (r < 0)
			return r;
	}
	if (ready > size)
		return -EPROTO;
	r = appender_put(appender, p, (size_t)ready);
	if (r < 0)
		return r;
	if (appender->state.bad)
		return -EPROTO;
	r = appender_hold(appender, p + ready, size - (size_t)ready);
	if (r == -ENOMEM)
		appender->error = r;
	return r;
}

int appender_finish(struct appender *appender, const void *block, size_t size)
{
	void *tail = NULL;
	size_t tail_size = 0;

	if (appender->error)
		return appender->error;
	if (!appender->indexer || appender->written == 0)
		return -ENODATA;
	/* Drops the unfinished block: what follows stands where it stood. */
	int r = snap_indexer_cut(appender->indexer);
	appender->held_size = 0;
	if (r < 0)
		return r;
	r = snap_indexer_feed(appender->indexer, block, size);
	if (r == 0)
		r = appender_put(appender, block, size);
	if (r == 0)
		r = snap_indexer_finish(appender->indexer, &tail, &tail_size);
	if (r == 0)
		r = appender_put(appender, tail, tail_size);
	free(tail);
	return r;
}
