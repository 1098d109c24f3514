/* SPDX-License-Identifier: MIT */
/* schema - the column tables, and the code that interprets them; see schema.h. */
#include "formats/core/schema.h"

#include <string.h>

#define FIELD(s, f) sizeof(((struct s *)0)->f), offsetof(struct s, f)
#define UINT(s, f) \
	{ \
#f, SCHEMA_UINT, FIELD(s, f), 0 \
	}
#define DELTA(s, f) \
	{ \
#f, SCHEMA_DELTA, FIELD(s, f), 0 \
	}
#define BYTES(s, f, n) \
	{ \
#f, SCHEMA_BYTES, 0, offsetof(struct s, f), offsetof(struct s, n) \
	}
#define CUSTOM(name) \
	{ \
		name, SCHEMA_CUSTOM, 0, 0, 0 \
	}

static const struct schema_column facts[] = {
	UINT(schema_fact, key_size), BYTES(schema_fact, key, key_size),
	UINT(schema_fact, kind),     UINT(schema_fact, u64),
	UINT(schema_fact, size),     BYTES(schema_fact, text, size),
};

static const struct schema_column strings[] = {
	UINT(schema_string, size),
	BYTES(schema_string, text, size),
};

static const struct schema_column snap_types[] = {
	DELTA(snap_type, name), DELTA(snap_type, addr),	    UINT(snap_type, flags),
	UINT(snap_type, kind),	UINT(snap_type, basicsize), UINT(snap_type, itemsize),
};

static const struct schema_column shapes[] = {
	UINT(snap_shape, nfixed),
	UINT(snap_shape, tail),
	{ "label kinds", SCHEMA_KINDS, 0, offsetof(struct snap_shape, fixed),
	  offsetof(struct snap_shape, nfixed) },
	{ "label names", SCHEMA_NAMES, 0, offsetof(struct snap_shape, fixed),
	  offsetof(struct snap_shape, nfixed) },
};

static const struct schema_column objects[] = {
	CUSTOM("addr"),	    CUSTOM("type"),  CUSTOM("shape"), CUSTOM("size"),
	CUSTOM("refcount"), CUSTOM("flags"), CUSTOM("nrefs"), CUSTOM("refs"),
};

static const struct schema_column refs[] = { CUSTOM("refs") };

static const struct schema_column values[] = {
	CUSTOM("gap"),	CUSTOM("kind"), CUSTOM("length"),
	CUSTOM("size"), CUSTOM("hash"), CUSTOM("text"),
};

static const struct schema_column threads[] = {
	UINT(snap_thread, name),   UINT(snap_thread, native_id),
	DELTA(snap_thread, ident), UINT(snap_thread, interpreter),
	UINT(snap_thread, flags),
};

static const struct schema_column frames[] = {
	UINT(snap_frame, thread),  UINT(snap_frame, depth), UINT(snap_frame, function),
	UINT(snap_frame, file),	   UINT(snap_frame, line),  DELTA(snap_frame, code),
	DELTA(snap_frame, object),
};

static const struct schema_column roots[] = {
	UINT(snap_root, kind),	UINT(snap_root, flags), UINT(snap_root, thread),
	UINT(snap_root, frame), DELTA(snap_root, name), DELTA(snap_root, target),
};

static const struct schema_column maps[] = {
	DELTA(snap_map, start),	       DELTA(snap_map, end),
	UINT(snap_map, offset),	       UINT(snap_map, name),
	UINT(snap_map, class_),	       UINT(snap_map, perms),
	UINT(snap_map, rss),	       UINT(snap_map, pss),
	UINT(snap_map, private_dirty), UINT(snap_map, anonymous),
	UINT(snap_map, swap),	       UINT(snap_map, live),
	UINT(snap_map, object_bytes),
};

static const struct schema_column buffers[] = {
	DELTA(snap_buffer, object), DELTA(snap_buffer, data),	UINT(snap_buffer, length),
	DELTA(snap_buffer, owner),  UINT(snap_buffer, source),	UINT(snap_buffer, flags),
	UINT(snap_buffer, chunks),  UINT(snap_buffer, sharers),
};

static const struct schema_column chunks[] = {
	UINT(snap_chunks, name),  UINT(snap_chunks, holder), UINT(snap_chunks, size),
	UINT(snap_chunks, count), UINT(snap_chunks, bytes),  DELTA(snap_chunks, example),
};

static const struct schema_column shared[] = {
	DELTA(snap_shared, start),
	UINT(snap_shared, length),
};

static const struct schema_column absent[] = {
	DELTA(snap_absent, start),
	UINT(snap_absent, length),
};

static const struct schema_column sites[] = {
	UINT(snap_site, caller),
	UINT(snap_site, file),
	UINT(snap_site, line),
};

static const struct schema_column traces[] = {
	DELTA(snap_trace, addr),
	UINT(snap_trace, size),
	UINT(snap_trace, site),
	UINT(snap_trace, domain),
};

static const struct schema_column lines[] = {
	DELTA(snap_line, object),
	UINT(snap_line, call),
	UINT(snap_line, file),
	DELTA(snap_line, line),
};

static const struct schema_column size_checks[] = {
	UINT(snap_size_check, type),	   UINT(snap_size_check, checked),
	UINT(snap_size_check, mismatched), UINT(snap_size_check, ours),
	UINT(snap_size_check, theirs),
};

static const struct schema_column errors[] = {
	DELTA(snap_error, addr),
	UINT(snap_error, type),
	UINT(snap_error, text),
};

static const struct schema_column progress[] = {
	UINT(snap_progress, phase),    UINT(snap_progress, objects),
	UINT(snap_progress, edges),    UINT(snap_progress, done),
	UINT(snap_progress, estimate),
};

static const struct schema_column end[] = {
	UINT(schema_end, objects),	UINT(schema_end, edges),
	UINT(schema_end, object_bytes), UINT(schema_end, values),
	UINT(schema_end, strings),	UINT(schema_end, types),
	UINT(schema_end, shapes),	UINT(schema_end, threads),
	UINT(schema_end, frames),	UINT(schema_end, roots),
	UINT(schema_end, blocks),	UINT(schema_end, sites),
	UINT(schema_end, traces),	UINT(schema_end, lines),
};

static const struct schema_column index_columns[] = {
	CUSTOM("distance"), CUSTOM("type"),	CUSTOM("flags"),     CUSTOM("first"),
	CUSTOM("count"),    CUSTOM("raw_size"), CUSTOM("frame_crc"),
};

static const struct schema_column packed[] = {
	CUSTOM("addr"), CUSTOM("head"),	    CUSTOM("type"),	 CUSTOM("shape"),
	CUSTOM("size"), CUSTOM("refcount"), CUSTOM("flags"),	 CUSTOM("nrefs"),
	CUSTOM("kind"), CUSTOM("length"),   CUSTOM("text size"), CUSTOM("refs"),
	CUSTOM("hash"), CUSTOM("text"),
};

#define COLUMNS(table) .columns = (table), .ncolumns = sizeof(table) / sizeof(*(table))
#define ON(type) (1u << BLOCK_##type)

const struct schema schemas[BLOCK_TYPE_COUNT] = {
	[BLOCK_FACTS] = { COLUMNS(facts), .row_size = sizeof(struct schema_fact) },
	[BLOCK_STRINGS] = { COLUMNS(strings), .row_size = sizeof(struct schema_string),
			    .has_ids = true },
	[BLOCK_TYPES] = { COLUMNS(snap_types), .row_size = sizeof(struct snap_type),
			  .has_ids = true, .needs = ON(STRINGS) },
	[BLOCK_SHAPES] = { COLUMNS(shapes), .row_size = sizeof(struct snap_shape),
			   .has_ids = true, .needs = ON(STRINGS) },
	[BLOCK_OBJECTS] = { COLUMNS(objects),
			    .needs = ON(FACTS) | ON(STRINGS) | ON(TYPES) | ON(SHAPES) },
	[BLOCK_REFS] = { COLUMNS(refs) },
	[BLOCK_VALUES] = { COLUMNS(values) },
	[BLOCK_THREADS] = { COLUMNS(threads), .row_size = sizeof(struct snap_thread),
			    .has_ids = true, .needs = ON(STRINGS) },
	[BLOCK_FRAMES] = { COLUMNS(frames), .row_size = sizeof(struct snap_frame),
			   .has_ids = true, .needs = ON(STRINGS) | ON(THREADS) },
	[BLOCK_ROOTS] = { COLUMNS(roots), .row_size = sizeof(struct snap_root),
			  .needs = ON(STRINGS) | ON(THREADS) | ON(FRAMES) },
	[BLOCK_MAPS] = { COLUMNS(maps), .row_size = sizeof(struct snap_map),
			 .needs = ON(STRINGS) },
	[BLOCK_BUFFERS] = { COLUMNS(buffers), .noptional = 2,
			    .row_size = sizeof(struct snap_buffer),
			    .needs = ON(STRINGS) },
	[BLOCK_CHUNKS] = { COLUMNS(chunks), .row_size = sizeof(struct snap_chunks),
			   .needs = ON(STRINGS) },
	[BLOCK_SHARED] = { COLUMNS(shared), .row_size = sizeof(struct snap_shared) },
	[BLOCK_ABSENT] = { COLUMNS(absent), .row_size = sizeof(struct snap_absent) },
	[BLOCK_SIZE_CHECKS] = { COLUMNS(size_checks),
				.row_size = sizeof(struct snap_size_check),
				.needs = ON(STRINGS) | ON(TYPES) },
	[BLOCK_ERRORS] = { COLUMNS(errors), .row_size = sizeof(struct snap_error),
			   .needs = ON(STRINGS) | ON(TYPES) },
	[BLOCK_PROGRESS] = { COLUMNS(progress), .row_size = sizeof(struct snap_progress),
			     .needs = ON(STRINGS) },
	[BLOCK_END] = { COLUMNS(end), .noptional = 3,
			.row_size = sizeof(struct schema_end) },
	[BLOCK_INDEX] = { COLUMNS(index_columns) },
	[BLOCK_PACKED] = { COLUMNS(packed),
			   .needs = ON(FACTS) | ON(STRINGS) | ON(TYPES) | ON(SHAPES) },
	[BLOCK_PACKED_REFS] = { COLUMNS(refs) },
	[BLOCK_SITES] = { COLUMNS(sites), .row_size = sizeof(struct snap_site),
			  .has_ids = true, .needs = ON(STRINGS) },
	[BLOCK_TRACES] = { COLUMNS(traces), .row_size = sizeof(struct snap_trace),
			   .needs = ON(STRINGS) | ON(SITES) },
	[BLOCK_LINES] = { COLUMNS(lines), .row_size = sizeof(struct snap_line),
			  .needs = ON(STRINGS) },
};

_Static_assert(sizeof(packed) / sizeof(*packed) <= SCHEMA_COLUMNS_MAX, "widest block");
_Static_assert(sizeof(maps) / sizeof(*maps) <= SCHEMA_COLUMNS_MAX, "widest block");
_Static_assert(sizeof(end) / sizeof(*end) <= SCHEMA_COLUMNS_MAX, "widest block");

static uint64_t schema_load(const void *p, unsigned width)
{
	uint64_t v8;
	uint32_t v4;

	switch (width) {
	case 1:
		return *(const uint8_t *)p;
	case 4:
		memcpy(&v4, p, 4);
		return v4;
	default:
		memcpy(&v8, p, 8);
		return v8;
	}
}

/* False when v does not fit. */
static bool schema_store(void *p, unsigned width, uint64_t v)
{
	if (width < 8 && v >> 8 * width != 0)
		return false;
	switch (width) {
	case 1:
		*(uint8_t *)p = (uint8_t)v;
		break;
	case 4:
		memcpy(p, &(uint32_t){ (uint32_t)v }, 4);
		break;
	default:
		memcpy(p, &v, 8);
	}
	return true;
}

static uint32_t schema_counted(const struct schema_column *column, const char *row)
{
	return (uint32_t)schema_load(row + column->size_offset, 4);
}

static const void *schema_pointed(const struct schema_column *column, const char *row)
{
	const void *p;

	memcpy(&p, row + column->offset, sizeof(p));
	return p;
}

/* One value of a column; `previous` is the column's own. */
static uint8_t *schema_encode_cell(const struct schema_column *column, const char *row,
				   uint64_t *previous, uint8_t *out)
{
	const struct snap_label *labels;
	uint64_t value;
	uint32_t n;

	switch ((enum schema_encoding)column->encoding) {
	case SCHEMA_UINT:
		return bytes_put_varint(out,
					schema_load(row + column->offset, column->width));
	case SCHEMA_DELTA:
		value = schema_load(row + column->offset, column->width);
		out = bytes_put_varint(out, bytes_zigzag(value - *previous));
		*previous = value;
		return out;
	case SCHEMA_BYTES:
		n = schema_counted(column, row);
		if (n > 0)
			memcpy(out, schema_pointed(column, row), n);
		return out + n;
	case SCHEMA_KINDS:
		labels = schema_pointed(column, row);
		n = schema_counted(column, row);
		for (uint32_t i = 0; i < n; i++)
			*out++ = labels[i].kind;
		return out;
	case SCHEMA_NAMES:
		labels = schema_pointed(column, row);
		n = schema_counted(column, row);
		for (uint32_t i = 0; i < n; i++)
			out = bytes_put_varint(out, labels[i].name);
		return out;
	case SCHEMA_CUSTOM:
		break;
	}
	return out;
}

size_t schema_encode(const struct schema *schema, const void *rows, uint32_t count,
		     uint8_t *out)
{
	uint8_t *p = out + 4 * (size_t)schema->ncolumns;

	for (unsigned c = 0; c < schema->ncolumns; c++) {
		const uint8_t *const start = p;
		const char *row = rows;
		uint64_t previous = 0;

		for (uint32_t i = 0; i < count; i++, row += schema->row_size)
			p = schema_encode_cell(&schema->columns[c], row, &previous, p);
		bytes_put_u32(out + 4 * (size_t)c, (uint32_t)(p - start));
	}
	return (size_t)(p - out);
}

size_t schema_bound(const struct schema *schema, uint32_t count, size_t extra)
{
	return schema->ncolumns * (4 + (size_t)BYTES_VARINT_MAX * count) + extra +
		BYTES_VARINT_MAX;
}

bool schema_open(struct schema_reader *reader, const struct schema *schema,
		 unsigned columns, const uint8_t *raw, size_t size)
{
	struct bytes_cursor all = { raw, raw + size };
	const uint8_t *const table = bytes_take(&all, 4 * (size_t)columns);

	if (!table || columns < (unsigned)schema->ncolumns - schema->noptional)
		return false;
	*reader = (struct schema_reader){
		.schema = schema,
		.present = columns < schema->ncolumns ? columns : schema->ncolumns,
	};
	for (unsigned c = 0; c < columns; c++) {
		const size_t column_size = bytes_get_u32(table + 4 * (size_t)c);
		const uint8_t *const start = bytes_take(&all, column_size);

		if (!start)
			return false;
		if (c < schema->ncolumns)
			reader->columns[c] =
				(struct bytes_cursor){ start, start + column_size };
	}
	return bytes_left(&all) == 0;
}

static bool schema_decode_bytes(const struct schema_column *column,
				struct bytes_cursor *in, char *row)
{
	const uint8_t *const p = bytes_take(in, schema_counted(column, row));

	if (!p)
		return false;
	memcpy(row + column->offset, &(const void *){ p }, sizeof(void *));
	return true;
}

static bool schema_decode_labels(const struct schema_column *column,
				 struct bytes_cursor *in, char *row,
				 struct snap_label *labels)
{
	const uint32_t n = schema_counted(column, row);
	const uint8_t *kinds = NULL;
	uint64_t name;

	if (column->encoding == SCHEMA_KINDS) {
		kinds = bytes_take(in, n);
		if (!kinds)
			return false;
		memcpy(row + column->offset, &(const void *){ labels }, sizeof(void *));
	}
	for (uint32_t i = 0; i < n; i++) {
		if (kinds)
			labels[i].kind = kinds[i];
		else if (bytes_varint_max(in, UINT32_MAX, &name))
			labels[i].name = (uint32_t)name;
		else
			return false;
	}
	return true;
}

static bool schema_decode_cell(struct schema_reader *reader, unsigned c, char *row,
			       struct snap_label *labels)
{
	const struct schema_column *const column = &reader->schema->columns[c];
	struct bytes_cursor *const in = &reader->columns[c];
	uint64_t value;

	switch ((enum schema_encoding)column->encoding) {
	case SCHEMA_UINT:
		return bytes_varint(in, &value) &&
			schema_store(row + column->offset, column->width, value);
	case SCHEMA_DELTA:
		if (!bytes_varint(in, &value))
			return false;
		reader->previous[c] += bytes_unzigzag(value);
		return schema_store(row + column->offset, column->width,
				    reader->previous[c]);
	case SCHEMA_BYTES:
		return schema_decode_bytes(column, in, row);
	case SCHEMA_KINDS:
	case SCHEMA_NAMES:
		return schema_decode_labels(column, in, row, labels);
	case SCHEMA_CUSTOM:
		break;
	}
	return false;
}

bool schema_next(struct schema_reader *reader, void *row, struct snap_label *labels)
{
	for (unsigned c = 0; c < reader->present; c++)
		if (!schema_decode_cell(reader, c, row, labels))
			return false;
	for (unsigned c = reader->present; c < reader->schema->ncolumns; c++) {
		const struct schema_column *const column = &reader->schema->columns[c];

		schema_store((char *)row + column->offset, column->width, 0);
	}
	return true;
}

size_t schema_labels_left(const struct schema_reader *reader)
{
	for (unsigned c = 0; c < reader->schema->ncolumns; c++)
		if (reader->schema->columns[c].encoding == SCHEMA_KINDS)
			return bytes_left(&reader->columns[c]);
	return 0;
}

bool schema_at_end(const struct schema_reader *reader)
{
	for (unsigned c = 0; c < reader->present; c++)
		if (bytes_left(&reader->columns[c]) > 0)
			return false;
	return true;
}

uint32_t schema_cut(const char *text, size_t size)
{
	if (size <= SNAP_TEXT_MAX)
		return (uint32_t)size;
	size = SNAP_TEXT_MAX;
	for (int i = 0; i < 3 && ((uint8_t)text[size] & 0xc0) == 0x80; i++)
		size--;
	return (uint32_t)size;
}

size_t schema_length(const char *s, size_t limit)
{
	size_t n = 0;

	while (n < limit && s[n] != '\0')
		n++;
	return n;
}
