/* SPDX-License-Identifier: MIT */
/*
 * block - the framing of SNAPSHOT.md: file header, block header, trailer.
 *
 * Each is the payload of a zstd skippable frame, so that a snapshot is a legal
 * .zst file; each ends with the CRC-32C of everything before it, the skippable
 * frame's own eight bytes included.  A block is such a header and one zstd frame.
 *
 *	 0 u32 0x184D2A5D    skippable frame          0 u32 0x184D2A5D
 *	 4 u32 40            its size                 4 u32 36
 *	 8 "BLK1"                                     8 "\x89PYMEM\r\n\x1a\n"
 *	12 u8  type                                  18 u16 major
 *	13 u8  flags                                 20 u16 minor
 *	14 u16 columns                               22 u16 reserved
 *	16 u32 raw_size   after decompression        24 u64 incompat
 *	20 u32 frame_size of the zstd frame          32 u64 compat
 *	24 u64 first      ordinal of the first row   40 u32 crc32c
 *	32 u32 count      rows
 *	36 u32 sequence   1, 2, ...; 0 = appended
 *	40 u32 frame_crc  crc32c of the zstd frame
 *	44 u32 crc32c     of the 44 bytes before
 */
#ifndef PYMEM_FORMATS_CORE_BLOCK_H
#define PYMEM_FORMATS_CORE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_SKIPPABLE 0x184D2A5Du /* one of zstd's sixteen skippable magics */
#define BLOCK_MAGIC "BLK1"
#define BLOCK_FILE_MAGIC "\x89PYMEM\r\n\x1a\n"
#define BLOCK_TRAILER_MAGIC "PYMEMEND"
#define BLOCK_MAJOR 1
#define BLOCK_MINOR 5

enum {
	BLOCK_FILE_HEAD_SIZE = 44,
	BLOCK_HEAD_SIZE = 48,
	BLOCK_TRAILER_SIZE = 36,
	BLOCK_FILE_MAGIC_SIZE = 10,
	BLOCK_STORE_MAX = 128 * 1024 - 1, /* most bytes block_store takes */
	BLOCK_RAW_MAX = 64 << 20,	  /* most bytes of a block's columns: writers stay
					   * far below, readers refuse more */
	BLOCK_STORE_EXTRA = 12,		  /* what its frame is larger than the content */
};

/* On disk: never renumber. */
enum block_type {
	BLOCK_FACTS = 1,
	BLOCK_STRINGS = 2,
	BLOCK_TYPES = 3,
	BLOCK_SHAPES = 4,
	BLOCK_OBJECTS = 5,
	BLOCK_REFS = 6,
	BLOCK_VALUES = 7,
	BLOCK_THREADS = 8,
	BLOCK_FRAMES = 9,
	BLOCK_ROOTS = 10,
	BLOCK_MAPS = 11,
	BLOCK_BUFFERS = 12,
	BLOCK_SIZE_CHECKS = 13,
	BLOCK_ERRORS = 14,
	BLOCK_PROGRESS = 15,
	BLOCK_END = 16,
	BLOCK_INDEX = 17,
	BLOCK_CHUNKS = 18,	/* since 1.1 */
	BLOCK_SHARED = 19,	/* since 1.1 */
	BLOCK_PACKED = 20,	/* since 1.2; before: OBJECTS, REFS, VALUES */
	BLOCK_PACKED_REFS = 21, /* since 1.2 */
	BLOCK_SITES = 22,	/* since 1.3 */
	BLOCK_TRACES = 23,	/* since 1.3 */
	BLOCK_LINES = 24,	/* since 1.4 */
	BLOCK_ABSENT = 25,	/* since 1.5 */
	BLOCK_TYPE_COUNT
};

/* On disk. Bits not named here make a reader refuse the block. */
enum block_flags {
	BLOCK_CRITICAL = 1u << 0,   /* a reader that does not know the type must refuse */
	BLOCK_HAS_VALUES = 1u << 1, /* OBJECTS: a VALUES block for it follows, before the
				     * next OBJECTS block and before END */
	BLOCK_CONTINUED = 1u << 2,  /* OBJECTS (of one object), REFS: not all references;
				     * a REFS block with more of them follows at once.
				     * PACKED (of one object): they came before it */
	BLOCK_KNOWN_FLAGS = 7,
};

struct block_head {
	uint8_t type, flags;
	uint16_t columns;
	uint32_t raw_size, frame_size;
	uint64_t first;
	uint32_t count, sequence;
	uint32_t frame_crc;
};

struct block_file_head {
	uint16_t major, minor;
	uint64_t incompat, compat; /* feature bits: unknown incompat ones are refused */
};

/* At the very end of a process: how far back things are from the trailer's start. */
struct block_trailer {
	uint64_t to_index; /* bytes back to the INDEX block */
	uint64_t to_head;  /* bytes back to the file header of the process */
};

/* Name of a block type for messages: "OBJECTS"; "unknown" for others. */
const char *block_type_name(unsigned type);
/* Whether writers mark the type BLOCK_CRITICAL. */
bool block_type_critical(unsigned type);

/* Each put function fills exactly the structure's size at buf. */
void block_put_file_head(void *buf, const struct block_file_head *head);
void block_put_head(void *buf, const struct block_head *head);
void block_put_trailer(void *buf, const struct block_trailer *trailer);

/* Each is false when the bytes (as many as the structure's size) are not one: wrong
 * magic, size or CRC.  Nothing is stored then. */
bool block_get_file_head(const void *buf, struct block_file_head *ret);
bool block_get_head(const void *buf, struct block_head *ret);
bool block_get_trailer(const void *buf, struct block_trailer *ret);
/* Whether buf (BLOCK_FILE_HEAD_SIZE bytes) claims to be a file header, CRC or not. */
bool block_is_file_head(const void *buf);

/*
 * A zstd frame that stores `size` (<= BLOCK_STORE_MAX) bytes uncompressed, for blocks
 * made where there is no memory for a compressor.  Moves data (which may lie in out) to
 * out + BLOCK_STORE_EXTRA; writes size + BLOCK_STORE_EXTRA bytes and returns that number.
 */
size_t block_store(uint8_t *out, const void *data, size_t size);

#endif
