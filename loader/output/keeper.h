/* SPDX-License-Identifier: MIT */
/*
 * keeper - the process that looks at a stream and writes it, with next to no rights.
 *
 * The stream comes from a process that may mean harm, and pymem-load may be root with
 * the right to trace.  So whoever traces never looks into the stream: it puts the bytes
 * into memory that both share and says how many there are.  A child, the keeper, checks
 * and indexes them and writes the output (appender.h).  It runs as the user who called
 * sudo, or as nobody (formats/rights), without capabilities, and can call what a reader
 * and writer of open descriptors calls (SANDBOX_KEEPER); of descriptors it has the output
 * and its end of the channel.  What it answers are numbers and is believed as such.
 *
 * It ends with the process that started it, or when that closes the channel.
 */
#ifndef PYMEM_LOADER_OUTPUT_KEEPER_H
#define PYMEM_LOADER_OUTPUT_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "formats/core/index.h"

enum { KEEPER_ROOM = 256 << 10 }; /* bytes that are handed over at once */

struct keeper {
	pid_t process; /* 0 = none */
	int channel;
	char *room;	      /* KEEPER_ROOM bytes, shared */
	int cancel_fd;	      /* readable: no answer is waited for long; -1 = none */
	uint64_t patience_ns; /* longest that an answer may take */
};

enum keeper_word { KEEPER_BEGIN, KEEPER_FEED, KEEPER_FINISH };

struct keeper_answer {
	int32_t result; /* of the appender's function */
	int32_t error;	/* of the output, sticky */
	uint64_t written;
	struct snap_index_state state;
};

/*
 * Starts one that writes to fd, whose part begins at `start`.  0 or a negative errno.
 * Forks: call it before there are other threads.
 */
int keeper_start(struct keeper *keeper, int fd, bool seekable, uint64_t start);
/*
 * Has it do a word with the first `size` bytes of the room.  0 and *ret, or a negative
 * errno, after which it is gone: -ECANCELED, -ETIMEDOUT, or -EOWNERDEAD: it ended.
 */
int keeper_ask(struct keeper *keeper, enum keeper_word word, size_t size,
	       struct keeper_answer *ret);
/* Ends it, if there is one. */
void keeper_stop(struct keeper *keeper);

#endif
