/* SPDX-License-Identifier: MIT */
/*
 * reader - decodes the block stream of SNAPSHOT.md, trusting nothing.
 *
 * A push parser: bytes in, events out, as they arrive (live streams, pipes and
 * files alike).  A file may hold several processes, one after another: each
 * begins with a header; `begin` below tells.
 */
#ifndef PYMEM_FORMATS_CORE_READER_H
#define PYMEM_FORMATS_CORE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "formats/core/sink.h"

/* What is wrong with the bytes: code, where, and one sentence. */
enum snap_error_code {
	SNAP_OK = 0,
	SNAP_E_MAGIC,	  /* not a pymem snapshot */
	SNAP_E_VERSION,	  /* a newer major version or an unknown incompatible feature */
	SNAP_E_CORRUPT,	  /* checksum, bounds or counts are wrong in one block */
	SNAP_E_TRUNCATED, /* input ended before END */
	SNAP_E_LIMIT,	  /* claims more than the limits allow */
	SNAP_E_IO,	  /* read failed; errno in sys */
	SNAP_E_NOMEM,
	SNAP_E_SINK, /* the consumer stopped; its value in sys */
};
struct snap_problem {
	enum snap_error_code code;
	int sys;
	uint64_t offset; /* of the block in the input */
	char text[256];	 /* one sentence, names the block; no target text in it */
};

struct snap_parser;

struct snap_parser_ops {
	/* A process begins: return the sink for its events (NULL: stop with SNAP_E_SINK).
	 * ordinal: 0, 1, ... within the input. */
	struct snap_sink *(*begin)(void *arg, uint32_t ordinal);
	/* The process is over; complete = END was seen. problem: the first one met,
	 * or NULL. Exactly once for each begin, also when the parser stops for a
	 * problem; not called when the consumer itself stopped or the parser is
	 * destroyed early. */
	int (*finish)(void *arg, uint32_t ordinal, int complete,
		      const struct snap_problem *problem);
};

struct snap_parser_options {
	uint64_t max_block;   /* raw bytes of one block, 0 = 64 MiB */
	uint64_t max_objects; /* per process, 0 = 2^32 - 16 */
	/* of one object whose references fill several blocks (they are gathered: 8 bytes
	 * each), 0 = 2^29 */
	uint64_t max_refs;
	uint64_t max_raw; /* of all blocks, 0 = see snap_parser_allow */
	/* stop at the first bad block; else resync at the next one, report the problem
	 * through finish, and go on */
	int strict;
};

/*
 * When not strict and blocks were lost, ids keep their promise of sink.h: definitions
 * that were in a lost block come as placeholders (string "<lost>"; types, shapes,
 * threads and frames with nothing but an id).  Objects in lost blocks are simply
 * missing.  An object whose references were lost in part is marked SNAP_OBJ_OPAQUE.
 * Values of enums that this version does not know come as the enum's OTHER (types:
 * OBJECT, maps: SPECIAL); values and facts of unknown kind are dropped.
 */

/*
 * How many raw bytes all blocks of an input may have together, for parsers that are
 * made from now on without a max_raw.  0, at first: 32 MiB and 256 for each byte of
 * input; what unfolds to more is hardly a heap, but made to exhaust memory.  Not
 * thread-safe.
 */
void snap_parser_allow(uint64_t raw);
/* NULL when out of memory. ops and arg must outlive the parser. */
struct snap_parser *snap_parser_create(const struct snap_parser_options *options,
				       const struct snap_parser_ops *ops, void *arg);
void snap_parser_destroy(struct snap_parser *parser);
/*
 * Decodes what is complete; keeps the rest. 0, or -1 with *problem filled: stop
 * feeding. That is: no snapshot at all, a version or feature this reader does not
 * know, memory, the consumer; when strict also anything wrong with a block.
 */
int snap_parser_feed(struct snap_parser *parser, const void *data, size_t size,
		     struct snap_problem *problem);
/* Input is over: finishes the last process. -1 when there was none, when strict and it is
 * truncated, and as feed; not strict, truncation is told through ops->finish only. */
int snap_parser_finish(struct snap_parser *parser, struct snap_problem *problem);

/* Reads fd (file, pipe, socket) to its end through a parser. */
int snap_read_fd(int fd, const struct snap_parser_options *options,
		 const struct snap_parser_ops *ops, void *arg,
		 struct snap_problem *problem);

#endif
