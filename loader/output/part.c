/* SPDX-License-Identifier: MIT */
/* part - see part.h. */
#include "loader/output/part.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "formats/core/writer.h"

/* Longest that one answer of the keeper may take, if nobody says otherwise. */
#define PATIENCE_NS UINT64_C(600000000000)

void part_init(struct part *part, int fd, bool seekable, struct live *live)
{
	*part = (struct part){
		.fd = fd,
		.seekable = seekable,
		.live = live,
		.keeper = { .channel = -1, .cancel_fd = -1, .patience_ns = PATIENCE_NS },
	};
	if (seekable) {
		const off_t at = lseek(fd, 0, SEEK_END);

		part->start = at > 0 ? (uint64_t)at : 0;
	}
}

void part_deinit(struct part *part)
{
	keeper_stop(&part->keeper);
}

/* Has the keeper do something, and takes down what it says. */
static int part_ask(struct part *part, enum keeper_word word, size_t size)
{
	struct keeper_answer answer;
	int r = keeper_ask(&part->keeper, word, size, &answer);

	/* What was written stays so: a keeper that says else isn't ours any more. */
	if (r == 0 && word != KEEPER_BEGIN && answer.written < part->written)
		r = -EOWNERDEAD;
	if (r < 0) {
		part->error = r;
		return r;
	}
	part->state = answer.state;
	part->written = answer.written;
	if (answer.error)
		part->error = answer.error;
	return answer.result;
}

int part_begin(struct part *part)
{
	assert(part->fd >= 0);
	if (part->error)
		return part->error;
	if (part->live && part->seekable && part->written > 0)
		live_restart(part->live, part->start);
	if (part->keeper.process <= 0)
		part->error = keeper_start(&part->keeper, part->fd, part->seekable,
					   part->start);
	if (part->error)
		return part->error;
	part->tries++;
	return part_ask(part, KEEPER_BEGIN, 0);
}

/* What is in the file now goes on to whoever watches. */
static int part_pump(struct part *part)
{
	if (!part->live)
		return 0;
	if (part->start + part->written >= part->live->sent)
		live_pump(part->live, part->start + part->written);
	/* A viewer may go; where the output itself is relayed its end is ours. */
	if (part->live->spool && part->live->error)
		part->error = part->live->error;
	return part->error;
}

int part_feed(struct part *part, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		const size_t n = size < KEEPER_ROOM ? size : KEEPER_ROOM;

		if (part->error)
			return part->error;
		if (part->keeper.process <= 0)
			return part->error = -EOWNERDEAD;
		memcpy(part->keeper.room, p, n);
		int r = part_ask(part, KEEPER_FEED, n);
		const int pumped = part_pump(part);
		r = r ? r : pumped;
		if (r < 0)
			return r;
		p += n;
		size -= n;
	}
	return part->error;
}

int part_finish(struct part *part, const struct snap_fact *facts, size_t count)
{
	char block[16384];

	if (part->error)
		return part->error;
	if (part->keeper.process <= 0 || part->written == 0)
		return -ENODATA;
	const long n = snap_facts_block(block, sizeof(block), facts, count);
	if (n < 0)
		return (int)n;
	memcpy(part->keeper.room, block, (size_t)n);
	const int r = part_ask(part, KEEPER_FINISH, (size_t)n);
	const int pumped = part_pump(part);
	return r ? r : pumped;
}
