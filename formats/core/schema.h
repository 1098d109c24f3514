/* SPDX-License-Identifier: MIT */
/*
 * schema - which columns each block has: one table for writer, reader and spec.
 *
 * The content of a block is `columns` u32 sizes, then that many columns, one after
 * another.  A column holds one value of each row, packed; its encoding says how.
 * Readers ignore columns beyond those they know, so a later minor version may append
 * columns to any block.
 *
 * PACKED (before version 1.2 OBJECTS, REFS and VALUES), which carry nearly all bytes,
 * have hand-made code (pack.c, unpack.c, decode.c); the other blocks go through
 * schema_encode and schema_next, driven by the table alone.
 */
#ifndef PYMEM_FORMATS_CORE_SCHEMA_H
#define PYMEM_FORMATS_CORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/block.h"
#include "formats/core/bytes.h"
#include "formats/core/sink.h"

#define SCHEMA_COLUMNS_MAX 14 /* of the blocks this version knows */

enum schema_encoding {
	SCHEMA_UINT,   /* varint */
	SCHEMA_DELTA,  /* varint of zigzag(value - value of the row before), 0 first */
	SCHEMA_BYTES,  /* the bytes of all rows; sizes are in another column */
	SCHEMA_KINDS,  /* the labels' kinds, a byte each */
	SCHEMA_NAMES,  /* the labels' names, a varint each */
	SCHEMA_CUSTOM, /* written and read by code of its own */
};

struct schema_column {
	const char *name;
	uint8_t encoding;     /* enum schema_encoding */
	uint8_t width;	      /* bytes of the field: 1, 4 or 8 */
	uint16_t offset;      /* of the field, or of the pointer to bytes or labels */
	uint16_t size_offset; /* BYTES, KINDS, NAMES: of the uint32_t that counts them */
};

struct schema {
	const struct schema_column *columns;
	uint8_t ncolumns;
	uint8_t noptional; /* ... of which the last ones came later: files may lack
			    * them, they are read as 0 */
	uint16_t row_size; /* of the struct a row is, 0 = custom */
	bool has_ids;	   /* rows have ids: block's `first` + row + 1 */
	uint32_t needs;	   /* 1 << type of each block type that defines ids used here */
};

/* By enum block_type; an entry without columns is no block type. */
extern const struct schema schemas[BLOCK_TYPE_COUNT];

/* Rows whose sink struct would not do: sizes as uint32_t, key counted. */
struct schema_fact {
	const char *key, *text;
	uint32_t key_size, size;
	uint64_t u64;
	uint8_t kind;
};
struct schema_string {
	const char *text;
	uint32_t size;
};
/* Counts of everything before END; objects that follow each other are counted once. */
struct schema_end {
	uint64_t objects, edges, object_bytes, values;
	uint64_t strings, types, shapes, threads, frames, roots;
	uint64_t blocks; /* blocks before this one */
	uint64_t sites, traces;
	uint64_t lines;
};

/*
 * Encodes `count` rows at `rows` (structs of row_size) into out; returns the size.
 * Room needed: schema_bound.
 */
size_t schema_encode(const struct schema *schema, const void *rows, uint32_t count,
		     uint8_t *out);
/* Most bytes schema_encode needs for count rows; extra: bytes of their texts, and ten for
 * each label. */
size_t schema_bound(const struct schema *schema, uint32_t count, size_t extra);

/* A decompressed block, split into columns; `raw` must outlive it. */
struct schema_reader {
	const struct schema *schema;
	unsigned present; /* columns that the block has of those known */
	struct bytes_cursor columns[SCHEMA_COLUMNS_MAX];
	uint64_t previous[SCHEMA_COLUMNS_MAX];
};

/* Splits raw; false when sizes do not add up or known columns are missing. */
bool schema_open(struct schema_reader *reader, const struct schema *schema,
		 unsigned columns, const uint8_t *raw, size_t size);
/*
 * Decodes the next row into *row; bytes are left in place.  labels has room for
 * schema_labels_left() entries (may be NULL when the block has none).  False when a
 * column ends early or a number does not fit its field.
 */
bool schema_next(struct schema_reader *reader, void *row, struct snap_label *labels);
/* Upper bound of labels in rows not yet read. */
size_t schema_labels_left(const struct schema_reader *reader);
/* True when all known columns were used up: nothing is left over. */
bool schema_at_end(const struct schema_reader *reader);

/* Bytes that are kept of a text: beyond SNAP_TEXT_MAX it is cut, before a UTF-8 sequence,
 * not inside one. */
uint32_t schema_cut(const char *text, size_t size);
/* Bytes before the NUL, at most `limit`; the agent has no strnlen. */
size_t schema_length(const char *s, size_t limit);

#endif
