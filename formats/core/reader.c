/* SPDX-License-Identifier: MIT */
/*
 * reader - finds, checks and decompresses blocks; decode.c makes events of them.
 *
 * Input is gathered until a structure (file header, block, trailer) is whole, so at most
 * one block is buffered, and memory grows only with bytes that really came.  A block
 * passes through: header CRC, flags and type known, sizes within limits, place in the
 * sequence, CRC of the frame, decompression to exactly the size promised.
 *
 * When something is wrong the first problem is kept for ops->finish, and the parser looks
 * for the next header with a right CRC.  Each lost block of known type still counts, so
 * that ids and ordinals of what follows are right.
 */
#include "formats/core/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "formats/core/block.h"
#include "formats/core/bytes.h"
#include "formats/core/crc32c.h"
#include "formats/core/decode.h"
#include "formats/core/decode_rows.h"

enum {
	READ_SIZE = 1 << 20,
	UNFOLDED_FREE = 32 << 20, /* raw bytes that any snapshot may unfold to, and */
	UNFOLDED_RATIO = 256,	  /* as many more for each byte of it */
	/* What a process without any content counts for: its tables. */
	UNFOLDED_PROCESS = 32 << 10,
};
static const uint64_t default_max_objects = (UINT64_C(1) << 32) - 16;
static const uint64_t default_max_refs = UINT64_C(1) << 29;

static uint64_t allowed_raw;

struct snap_parser {
	struct snap_parser_options options;
	const struct snap_parser_ops *ops;
	void *arg;

	struct buffer input;
	size_t begin, end; /* the part of input not yet decoded */
	uint64_t offset;   /* in the whole input, of input.data[begin] */
	bool searching;	   /* lost: looking for the next header */
	bool stopped;	   /* feed or finish returned -1 */

	bool open;		   /* between ops->begin and ops->finish */
	uint32_t ordinal;	   /* of the next process */
	uint32_t sequence;	   /* of the last block that had one */
	uint64_t blocks;	   /* of this process */
	uint64_t unfolded;	   /* raw bytes of all blocks so far */
	struct snap_problem first; /* code SNAP_OK = none yet */
	struct decoder decoder;
	struct buffer raw;
	ZSTD_DCtx *zstd;
};

void snap_parser_allow(uint64_t raw)
{
	allowed_raw = raw;
}

struct snap_parser *snap_parser_create(const struct snap_parser_options *options,
				       const struct snap_parser_ops *ops, void *arg)
{
	struct snap_parser *const p = calloc(1, sizeof(*p));

	assert(ops);
	if (!p)
		return NULL;
	if (options)
		p->options = *options;
	if (p->options.max_block == 0)
		p->options.max_block = BLOCK_RAW_MAX;
	if (p->options.max_objects == 0)
		p->options.max_objects = default_max_objects;
	if (p->options.max_refs == 0)
		p->options.max_refs = default_max_refs;
	if (p->options.max_raw == 0)
		p->options.max_raw = allowed_raw;
	p->ops = ops;
	p->arg = arg;
	p->zstd = ZSTD_createDCtx();
	if (decoder_init(&p->decoder, p->options.max_objects, p->options.max_refs) &&
	    p->zstd)
		return p;
	snap_parser_destroy(p);
	return NULL;
}

void snap_parser_destroy(struct snap_parser *p)
{
	if (!p)
		return;
	decoder_deinit(&p->decoder);
	ZSTD_freeDCtx(p->zstd);
	free(p->raw.data);
	free(p->input.data);
	free(p);
}

/* ---- problems ---- */

__attribute__((format(printf, 5, 6))) static int reader_problem_at(
	struct snap_problem *problem, enum snap_error_code code, int sys, uint64_t offset,
	const char *format, ...)
{
	va_list args;

	*problem = (struct snap_problem){ .code = code, .sys = sys, .offset = offset };
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return -1;
}

/* Puts the block's name before the decoder's sentence. */
static void reader_name_block(struct snap_parser *p, const struct block_head *head,
			      struct snap_problem *problem)
{
	const struct snap_problem inner = *problem;

	reader_problem_at(problem, inner.code, inner.sys, p->offset,
			  "block %llu (%s) at byte %llu: %.160s",
			  (unsigned long long)p->blocks, block_type_name(head->type),
			  (unsigned long long)p->offset, inner.text);
}

static bool reader_recoverable(const struct snap_parser *p,
			       const struct snap_problem *problem)
{
	return !p->options.strict && p->open &&
		(problem->code == SNAP_E_CORRUPT || problem->code == SNAP_E_LIMIT);
}

/* Keeps the first problem; from here on gaps are no surprise. */
static void reader_note(struct snap_parser *p, const struct snap_problem *problem)
{
	if (p->first.code == SNAP_OK)
		p->first = *problem;
	p->decoder.damaged = true;
}

/* ---- processes ---- */

static int reader_end_process(struct snap_parser *p, struct snap_problem *problem)
{
	struct snap_problem late;
	int result;

	if (!p->open)
		return 0;
	if (decoder_finish(&p->decoder, &late) != 0) {
		late.offset = p->offset;
		if (late.code == SNAP_E_SINK) {
			*problem = late;
			return -1;
		}
		reader_note(p, &late);
	}
	if (!p->decoder.ended && p->first.code == SNAP_OK)
		reader_problem_at(
			&p->first, SNAP_E_TRUNCATED, 0, p->offset,
			"truncated after block %llu, at byte %llu: END is missing",
			(unsigned long long)p->blocks, (unsigned long long)p->offset);
	p->open = false;
	result = p->ops->finish ? p->ops->finish(p->arg, p->ordinal - 1, p->decoder.ended,
						 p->first.code ? &p->first : NULL) :
				  0;
	if (result == 0)
		return 0;
	return reader_problem_at(problem, SNAP_E_SINK, result, p->offset,
				 "the consumer stopped");
}

/*
 * A consumer's memory grows with what blocks unfold to: some bytes each.  The input's own
 * size justifies much (regular heaps compress a hundredfold), but not anything.
 */
static bool reader_may_unfold(struct snap_parser *p, uint64_t raw)
{
	const uint64_t input = p->offset + (p->end - p->begin);
	const uint64_t most = p->options.max_raw ? p->options.max_raw :
						   UNFOLDED_FREE + UNFOLDED_RATIO * input;

	if (raw > most || p->unfolded > most - raw)
		return false;
	p->unfolded += raw;
	return true;
}

static int reader_begin_process(struct snap_parser *p, struct snap_problem *problem)
{
	struct snap_sink *sink;

	if (!reader_may_unfold(p, UNFOLDED_PROCESS))
		return reader_problem_at(
			problem, SNAP_E_LIMIT, 0, p->offset,
			"process %u at byte %llu: more than a snapshot of "
			"this size should have; a larger --max-memory lets "
			"it",
			p->ordinal + 1, (unsigned long long)p->offset);
	sink = p->ops->begin(p->arg, p->ordinal);
	if (!sink)
		return reader_problem_at(problem, SNAP_E_SINK, -ECANCELED, p->offset,
					 "the consumer stopped");
	p->open = true;
	p->ordinal++;
	p->sequence = 0;
	p->blocks = 0;
	p->first = (struct snap_problem){ 0 };
	decoder_begin(&p->decoder, sink);
	return 0;
}

/* A stop for good: the open process ends here, unless its consumer wanted the stop. */
static int reader_stop(struct snap_parser *p, struct snap_problem *problem)
{
	struct snap_problem ignored;

	p->stopped = true;
	if (problem->code != SNAP_E_SINK && p->open) {
		if (p->first.code == SNAP_OK)
			p->first = *problem;
		reader_end_process(p, &ignored);
	}
	return -1;
}

/* ---- structures ---- */

static void reader_consume(struct snap_parser *p, size_t size)
{
	p->begin += size;
	p->offset += size;
}

static int reader_lowest_bit(uint64_t v)
{
	return __builtin_ctzll(v);
}

static int reader_check_version(struct snap_parser *p, const struct block_file_head *head,
				struct snap_problem *problem)
{
	if (head->major != BLOCK_MAJOR)
		return reader_problem_at(
			problem, SNAP_E_VERSION, 0, p->offset,
			"format version %u.%u is not known to this program (it reads %u)",
			head->major, head->minor, BLOCK_MAJOR);
	if (head->incompat != 0)
		return reader_problem_at(
			problem, SNAP_E_VERSION, 0, p->offset,
			"the snapshot needs feature bit %d, which this program lacks",
			reader_lowest_bit(head->incompat));
	return 0;
}

/* A header that is damaged: the blocks carry their own checks, so go on with them. */
static int reader_take_file_head(struct snap_parser *p, const uint8_t *at,
				 struct snap_problem *problem)
{
	struct block_file_head head;
	const bool good = block_get_file_head(at, &head);

	if (reader_end_process(p, problem) != 0 ||
	    (good && reader_check_version(p, &head, problem) != 0) ||
	    reader_begin_process(p, problem) != 0)
		return -1;
	if (!good) {
		reader_problem_at(problem, SNAP_E_CORRUPT, 0, p->offset,
				  "file header at byte %llu: checksum mismatch",
				  (unsigned long long)p->offset);
		if (!reader_recoverable(p, problem))
			return -1;
		reader_note(p, problem);
	}
	reader_consume(p, BLOCK_FILE_HEAD_SIZE);
	return 0;
}

/* What can be said before the frame is there. */
static int reader_check_head(struct snap_parser *p, const struct block_head *head,
			     struct snap_problem *problem)
{
	const bool known = head->type < BLOCK_TYPE_COUNT && schemas[head->type].columns;

	if (!known && head->flags & BLOCK_CRITICAL)
		return decode_problem(
			problem, SNAP_E_VERSION, 0,
			"type %u is not known to this program and must not be "
			"skipped",
			head->type);
	if (known && head->flags & ~BLOCK_KNOWN_FLAGS)
		return decode_problem(
			problem, SNAP_E_VERSION, 0,
			"flag bit %d is not known to this program",
			reader_lowest_bit(head->flags & ~BLOCK_KNOWN_FLAGS));
	if (head->raw_size > p->options.max_block ||
	    head->frame_size > ZSTD_compressBound(p->options.max_block))
		return decode_problem(problem, SNAP_E_LIMIT, 0, "it claims %u bytes",
				      head->raw_size);
	return 0;
}

/* Blocks are numbered 1, 2, ...; those that were appended later have no number. */
static int reader_check_sequence(struct snap_parser *p, const struct block_head *head,
				 struct snap_problem *problem)
{
	const uint32_t last = p->sequence;

	if (head->sequence == 0)
		return 0;
	if (head->sequence <= last)
		return decode_problem(problem, SNAP_E_CORRUPT, 0,
				      "number %u comes after %u", head->sequence, last);
	p->sequence = head->sequence;
	p->blocks = head->sequence;
	if (head->sequence == last + 1 || p->decoder.damaged)
		return 0;
	decode_problem(problem, SNAP_E_CORRUPT, 0, "%u blocks before it are missing",
		       head->sequence - last - 1);
	reader_name_block(p, head, problem);
	if (!reader_recoverable(p, problem))
		return -1;
	reader_note(p, problem);
	return 0;
}

static int reader_decompress(struct snap_parser *p, const struct block_head *head,
			     const uint8_t *frame, struct snap_problem *problem)
{
	size_t size;

	if (!buffer_reserve(&p->raw, (size_t)head->raw_size + 1))
		return decode_problem(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
	size = ZSTD_decompressDCtx(p->zstd, p->raw.data, head->raw_size, frame,
				   head->frame_size);
	if (ZSTD_isError(size))
		return decode_problem(problem, SNAP_E_CORRUPT, 0, "its zstd frame: %s",
				      ZSTD_getErrorName(size));
	if (size != head->raw_size)
		return decode_corrupt(problem,
				      "its zstd frame is shorter than announced");
	return 0;
}

/* Checks and decodes one block, whose frame is whole or not. As decoder_block. */
static int reader_take_frame(struct snap_parser *p, const struct block_head *head,
			     const uint8_t *frame, bool whole,
			     struct snap_problem *problem)
{
	if (!whole)
		return decode_corrupt(problem, "checksum mismatch");
	if (head->type >= BLOCK_TYPE_COUNT || !schemas[head->type].columns ||
	    !decoder_wants(&p->decoder, head))
		return 0;
	if (!reader_may_unfold(p, head->raw_size))
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "it unfolds to more than a snapshot of this size "
				      "should; a larger --max-memory lets it");
	if (reader_decompress(p, head, frame, problem) != 0)
		return -1;
	return decoder_block(&p->decoder, head, &p->raw, problem);
}

/* The block is lost, its header is not. */
static int reader_lose_block(struct snap_parser *p, const struct block_head *head,
			     struct snap_problem *problem)
{
	reader_note(p, problem);
	if (head->type >= BLOCK_TYPE_COUNT ||
	    decoder_lost(&p->decoder, head, problem) == 0)
		return 0;
	return reader_recoverable(p, problem) ? 0 : -1;
}

/* 1: more input needed; 0: went on; -1: stop; -2: this is no block, search. */
static int reader_take_block(struct snap_parser *p, const uint8_t *at,
			     struct snap_problem *problem)
{
	const uint8_t *const frame = at + BLOCK_HEAD_SIZE;
	struct block_head head;
	bool whole;
	int result;

	if (!block_get_head(at, &head) || !p->open)
		return -2;
	if (reader_check_head(p, &head, problem) != 0) {
		p->blocks++;
		reader_name_block(p, &head, problem);
		return reader_recoverable(p, problem) ? -2 : -1;
	}
	if (p->end - p->begin < BLOCK_HEAD_SIZE + (size_t)head.frame_size)
		return 1;
	p->blocks++;
	whole = crc32c(0, frame, head.frame_size) == head.frame_crc;
	result = reader_check_sequence(p, &head, problem);
	if (result == 0)
		result = reader_take_frame(p, &head, frame, whole, problem);
	if (result != 0) {
		reader_name_block(p, &head, problem);
		if (!reader_recoverable(p, problem))
			return -1;
		if (result > 0)
			reader_note(p, problem);
		else if (reader_lose_block(p, &head, problem) != 0)
			return -1;
	}
	/* one that was cut short has what comes after it in its place: another process */
	p->searching = !whole;
	reader_consume(p, BLOCK_HEAD_SIZE + (whole ? (size_t)head.frame_size : 0));
	return 0;
}

/* A trailer only says where things are; reading forward, it is checked and passed. */
static int reader_take_trailer(struct snap_parser *p, const uint8_t *at)
{
	struct block_trailer trailer;

	if (!p->open || !block_get_trailer(at, &trailer))
		return -2;
	reader_consume(p, BLOCK_TRAILER_SIZE);
	return 0;
}

/* The size of the structure that begins here, 0 when none does. */
static size_t reader_structure_size(const uint8_t *at)
{
	if (bytes_get_u32(at) != BLOCK_SKIPPABLE)
		return 0;
	switch (bytes_get_u32(at + 4)) {
	case BLOCK_FILE_HEAD_SIZE - 8:
		return BLOCK_FILE_HEAD_SIZE;
	case BLOCK_HEAD_SIZE - 8:
		return BLOCK_HEAD_SIZE;
	case BLOCK_TRAILER_SIZE - 8:
		return BLOCK_TRAILER_SIZE;
	default:
		return 0;
	}
}

/* Takes the structure at the start of the input. As reader_take_block. */
static int reader_take(struct snap_parser *p, struct snap_problem *problem)
{
	const uint8_t *const at = p->input.data + p->begin;
	const size_t size = reader_structure_size(at);

	if (size == 0)
		return -2;
	if (p->end - p->begin < size)
		return 1;
	if (size == BLOCK_FILE_HEAD_SIZE)
		return block_is_file_head(at) ? reader_take_file_head(p, at, problem) :
						-2;
	if (size == BLOCK_TRAILER_SIZE)
		return reader_take_trailer(p, at);
	return reader_take_block(p, at, problem);
}

/* ---- losing the thread and finding it again ---- */

/* Nothing known begins here: what that means for the whole. 0 = search on. */
static int reader_get_lost(struct snap_parser *p, struct snap_problem *problem)
{
	if (p->ordinal == 0)
		return reader_problem_at(problem, SNAP_E_MAGIC, 0, p->offset,
					 "this is not a pymem snapshot");
	if (problem->code == SNAP_OK)
		reader_problem_at(problem, SNAP_E_CORRUPT, 0, p->offset,
				  "block %llu at byte %llu: its header is damaged",
				  (unsigned long long)p->blocks + 1,
				  (unsigned long long)p->offset);
	if (!p->open) {
		/* Between processes: there is nobody to tell but the caller. */
		return -1;
	}
	if (!reader_recoverable(p, problem))
		return -1;
	reader_note(p, problem);
	p->searching = true;
	reader_consume(p, 1);
	return 0;
}

/* Whether the structure here is whole and its CRC right (a file header: its magic). */
static bool reader_is_structure(const uint8_t *at, size_t size)
{
	struct block_head head;
	struct block_trailer trailer;

	switch (size) {
	case BLOCK_FILE_HEAD_SIZE:
		return block_is_file_head(at);
	case BLOCK_HEAD_SIZE:
		return block_get_head(at, &head);
	default:
		return block_get_trailer(at, &trailer);
	}
}

/* Moves to the next structure. 1: none in what is there so far; 0: found. */
static int reader_search(struct snap_parser *p)
{
	uint8_t magic[4];

	bytes_put_u32(magic, BLOCK_SKIPPABLE);
	while (p->end - p->begin >= 8) {
		const uint8_t *const from = p->input.data + p->begin;
		const size_t left = p->end - p->begin;
		const uint8_t *const found = memmem(from, left, magic, sizeof(magic));

		reader_consume(p, found ? (size_t)(found - from) : left - 3);
		if (!found || p->end - p->begin < 8)
			return 1;
		const size_t size = reader_structure_size(found);

		if (size > p->end - p->begin)
			return 1;
		if (size > 0 && reader_is_structure(found, size)) {
			p->searching = false;
			return 0;
		}
		reader_consume(p, 1);
	}
	return 1;
}

/* Decodes as much as there is. */
static int reader_advance(struct snap_parser *p, struct snap_problem *problem)
{
	int result = 0;

	while (result == 0 && p->end - p->begin >= 8) {
		problem->code = SNAP_OK;
		result = p->searching ? reader_search(p) : reader_take(p, problem);
		if (result == -2)
			result = reader_get_lost(p, problem);
	}
	return result < 0 ? reader_stop(p, problem) : 0;
}

/* ---- input ---- */

/* Makes room for more input behind what is kept. */
static bool reader_make_room(struct snap_parser *p, size_t size)
{
	const size_t kept = p->end - p->begin;

	if (p->begin > 0) {
		memmove(p->input.data, p->input.data + p->begin, kept);
		p->begin = 0;
		p->end = kept;
	}
	return size <= SIZE_MAX - kept && buffer_reserve(&p->input, kept + size);
}

int snap_parser_feed(struct snap_parser *p, const void *data, size_t size,
		     struct snap_problem *problem)
{
	const uint8_t *from = data;

	assert(data || size == 0);
	assert(p->end <= p->input.capacity);
	if (p->stopped)
		return reader_problem_at(problem, SNAP_E_SINK, -ECANCELED, p->offset,
					 "the parser has stopped already");
	while (size > 0) {
		const size_t n = size < READ_SIZE ? size : READ_SIZE;

		if (p->input.capacity - p->end < n && !reader_make_room(p, n)) {
			reader_problem_at(problem, SNAP_E_NOMEM, ENOMEM, p->offset,
					  "out of memory");
			return reader_stop(p, problem);
		}
		memcpy(p->input.data + p->end, from, n);
		p->end += n;
		from += n;
		size -= n;
		if (reader_advance(p, problem) != 0)
			return -1;
	}
	return 0;
}

int snap_parser_finish(struct snap_parser *p, struct snap_problem *problem)
{
	const size_t left = p->end - p->begin;

	if (p->stopped)
		return reader_problem_at(problem, SNAP_E_SINK, -ECANCELED, p->offset,
					 "the parser has stopped already");
	if (p->ordinal == 0) {
		if (p->offset + left == 0)
			reader_problem_at(problem, SNAP_E_TRUNCATED, 0, 0,
					  "the input is empty");
		else if (left >= 8 && reader_structure_size(p->input.data + p->begin) > 0)
			reader_problem_at(problem, SNAP_E_TRUNCATED, 0, 0,
					  "the input ends within the file header");
		else
			reader_problem_at(problem, SNAP_E_MAGIC, 0, 0,
					  "this is not a pymem snapshot");
		return reader_stop(p, problem);
	}
	if (left > 0 && p->first.code == SNAP_OK)
		reader_problem_at(
			&p->first, SNAP_E_TRUNCATED, 0, p->offset,
			"truncated within block %llu, which begins at byte %llu",
			(unsigned long long)p->blocks + 1, (unsigned long long)p->offset);
	if (p->options.strict && p->open &&
	    (p->first.code != SNAP_OK || !p->decoder.ended)) {
		if (p->first.code == SNAP_OK)
			reader_problem_at(&p->first, SNAP_E_TRUNCATED, 0, p->offset,
					  "truncated after block %llu: END is missing",
					  (unsigned long long)p->blocks);
		*problem = p->first;
		return reader_stop(p, problem);
	}
	return reader_end_process(p, problem) != 0 ? reader_stop(p, problem) : 0;
}

int snap_read_fd(int fd, const struct snap_parser_options *options,
		 const struct snap_parser_ops *ops, void *arg,
		 struct snap_problem *problem)
{
	struct snap_parser *const p = snap_parser_create(options, ops, arg);
	int result = 0;

	if (!p)
		return reader_problem_at(problem, SNAP_E_NOMEM, ENOMEM, 0,
					 "out of memory");
	while (result == 0) {
		if (!reader_make_room(p, READ_SIZE)) {
			reader_problem_at(problem, SNAP_E_NOMEM, ENOMEM, p->offset,
					  "out of memory");
			result = reader_stop(p, problem);
			break;
		}
		const ssize_t n = read(fd, p->input.data + p->end, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			reader_problem_at(problem, SNAP_E_IO, errno, p->offset,
					  "read: %s", strerror(errno));
			result = reader_stop(p, problem);
		} else if (n == 0) {
			result = snap_parser_finish(p, problem);
			break;
		} else {
			p->end += (size_t)n;
			result = reader_advance(p, problem);
		}
	}
	snap_parser_destroy(p);
	return result;
}
