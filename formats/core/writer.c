/* SPDX-License-Identifier: MIT */
/*
 * writer - events in, blocks out.
 *
 * Small blocks collect rows (struct sheet) that schema.c encodes when the sheet is full
 * or something else needs its ids.  Objects and values are encoded as they come, each
 * column growing in a region of its own (pack.h); a flush moves the columns together
 * and compresses them as one frame.  Whatever is flushed, the blocks that define its ids
 * go first, so that every prefix of the output can be read.
 *
 * Runs in a forked copy of a multi-threaded process: no malloc, no stdio, no locks; of
 * libc only memcpy, memmove and memset, of zstd only what a static workspace serves.
 */
#include "formats/core/writer.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>

#include "formats/core/block.h"
#include "formats/core/carver.h"
#include "formats/core/crc32c.h"
#include "formats/core/frame.h"
#include "formats/core/schema.h"
#include "formats/core/pack.h"

enum {
	SHEET_ROWS = 2048,
	SHEET_TEXT = 4 * SNAP_TEXT_MAX, /* text or labels of a sheet, bytes */
	SHEET_LABELS = SNAP_SHAPE_MAX * sizeof(struct snap_label),
	PART_REFS = 65536, /* references in one PACKED_REFS block */
	/* encoded size of the largest sheet, and of such a block */
	SCRATCH = SCHEMA_COLUMNS_MAX * (4 + BYTES_VARINT_MAX * SHEET_ROWS) +
		(1 + BYTES_VARINT_MAX) * SNAP_SHAPE_MAX + BYTES_VARINT_MAX,
};
_Static_assert(SHEET_LABELS >= SHEET_TEXT && SCRATCH > PART_REFS * PACKED_REF_MAX + 64 &&
		       SCRATCH >
			       SCHEMA_COLUMNS_MAX * (4 + BYTES_VARINT_MAX * SHEET_ROWS) +
				       SHEET_TEXT,
	       "buffer sizes");

/* Rows of one block type, waiting. */
struct sheet {
	char *rows;  /* SHEET_ROWS structs */
	char *extra; /* text or labels the rows point to; may be NULL */
	uint32_t count, extra_used, extra_size;
	uint64_t first; /* ordinal of rows[0] */
};

struct snap_writer {
	struct snap_sink sink;
	snap_write_fn write;
	void *arg;
	int err; /* sticky; -EINVAL after END: nothing may follow */
	uint32_t sequence;
	uint64_t bytes_out;
	struct frame *frames; /* what compresses */
	struct schema_end counts;
	struct sheet sheets[BLOCK_TYPE_COUNT];
	struct pack pack;
	bool is_long; /* its one object's references are out already */
	uint8_t *scratch, *frame;
	size_t frame_size;
};

/* ---- memory ---- */

static size_t writer_largest_raw(void)
{
	const size_t pack = pack_size();

	return pack > SCRATCH ? pack : SCRATCH;
}

static uint32_t writer_extra_size(unsigned type)
{
	switch (type) {
	case BLOCK_FACTS:
	case BLOCK_STRINGS:
		return SHEET_TEXT;
	case BLOCK_SHAPES:
		return SHEET_LABELS;
	default:
		return 0;
	}
}

/* Gives *w its buffers; returns the memory of what compresses. */
static void *writer_lay_out(struct carver *c, struct snap_writer *w)
{
	memset(w, 0, sizeof(*w));
	for (unsigned type = 0; type < BLOCK_TYPE_COUNT; type++) {
		struct sheet *s = &w->sheets[type];

		if (schemas[type].row_size == 0 || type == BLOCK_END)
			continue;
		s->rows = carver_take(c, (size_t)schemas[type].row_size * SHEET_ROWS);
		s->extra_size = writer_extra_size(type);
		s->extra = s->extra_size ? carver_take(c, s->extra_size) : NULL;
	}
	pack_init(&w->pack, carver_take(c, pack_size()));
	w->scratch = carver_take(c, SCRATCH);
	w->frame_size = BLOCK_HEAD_SIZE + frame_bound(writer_largest_raw());
	w->frame = carver_take(c, w->frame_size);
	return carver_take(c, frame_memory());
}

size_t snap_writer_memory(void)
{
	struct carver c = { NULL, 0 };
	struct snap_writer only_counted;

	carver_take(&c, sizeof(only_counted));
	writer_lay_out(&c, &only_counted);
	return c.used;
}

/* ---- output ---- */

static int writer_put(struct snap_writer *w, const void *data, size_t size)
{
	if (w->err == 0)
		w->err = w->write(w->arg, data, size);
	if (w->err == 0)
		w->bytes_out += size;
	return w->err;
}

/* Compresses raw, cut at n `ends`, and writes the block. */
static int writer_put_block(struct snap_writer *w, struct block_head head,
			    const void *raw, const uint32_t *ends, unsigned n)
{
	uint8_t *const frame = w->frame + BLOCK_HEAD_SIZE;
	size_t size;

	if (w->err)
		return w->err;
	size = frame_compress(w->frames, frame, w->frame_size - BLOCK_HEAD_SIZE, raw,
			      head.raw_size, ends, n);
	if (!size)
		return w->err = -EIO;
	head.columns = schemas[head.type].ncolumns;
	head.flags |= block_type_critical(head.type) ? BLOCK_CRITICAL : 0;
	head.frame_size = (uint32_t)size;
	head.frame_crc = crc32c(0, frame, size);
	head.sequence = ++w->sequence;
	block_put_head(w->frame, &head);
	return writer_put(w, w->frame, BLOCK_HEAD_SIZE + size);
}

static int writer_flush_sheet(struct snap_writer *w, unsigned type);

/* Flushes every sheet whose bit is set in types, in the order of their numbers. */
static int writer_flush_types(struct snap_writer *w, uint32_t types)
{
	for (unsigned type = 0; type < BLOCK_TYPE_COUNT; type++)
		if (types >> type & 1 && writer_flush_sheet(w, type) != 0)
			break;
	return w->err;
}

static int writer_flush_sheet(struct snap_writer *w, unsigned type)
{
	struct sheet *const s = &w->sheets[type];
	struct block_head head = { .type = (uint8_t)type,
				   .count = s->count,
				   .first = s->first };

	if (s->count == 0 || writer_flush_types(w, schemas[type].needs) != 0)
		return w->err;
	head.raw_size =
		(uint32_t)schema_encode(&schemas[type], s->rows, s->count, w->scratch);
	s->first += s->count;
	s->count = 0;
	s->extra_used = 0;
	return writer_put_block(w, head, w->scratch, NULL, 0);
}

/* Writes the objects collected so far. */
static int writer_flush_objects(struct snap_writer *w)
{
	struct block_head head = {
		.type = BLOCK_PACKED,
		.count = w->pack.count,
		.first = w->counts.objects - w->pack.count,
		.flags = w->is_long ? BLOCK_CONTINUED : 0,
	};
	uint32_t ends[PACK_PARTS];
	const uint8_t *raw;

	if (head.count == 0 || writer_flush_types(w, schemas[BLOCK_PACKED].needs) != 0)
		return w->err;
	raw = pack_finish(&w->pack, &head.raw_size);
	pack_reset(&w->pack);
	w->is_long = false;
	return writer_put_block(w, head, raw, ends, pack_parts(raw, ends));
}

/* ---- objects and values ---- */

/*
 * An object with more references than a block takes: they go first, in blocks of their
 * own, then the object, alone, when its value has come or the next event.
 */
static __attribute__((noinline)) int writer_put_long(struct snap_writer *w,
						     const struct snap_object *o)
{
	struct packed_slot slots[PACKED_SLOTS];

	writer_flush_objects(w);
	for (uint32_t at = 0, n; at < o->nrefs && w->err == 0; at += n) {
		struct block_head head = { .type = BLOCK_PACKED_REFS, .first = at };
		uint8_t *p = w->scratch + 4;

		n = o->nrefs - at < PART_REFS ? o->nrefs - at : PART_REFS;
		memset(slots, 0, sizeof(slots));
		w->counts.edges += n - pack_refs(&p, 0, slots, o->refs + at, n);
		bytes_put_u32(w->scratch, (uint32_t)(p - w->scratch - 4));
		head.count = n;
		head.raw_size = (uint32_t)(p - w->scratch);
		writer_put_block(w, head, w->scratch, NULL, 0);
	}
	w->is_long = true;
	w->counts.objects++;
	w->counts.object_bytes += o->size;
	pack_object(&w->pack, o);
	pack_seal(&w->pack);
	return w->err;
}

static inline struct snap_writer *writer_of(struct snap_sink *sink)
{
	return (struct snap_writer *)sink;
}

/* Their ids are known. */
static inline int writer_check_object(const struct snap_writer *w,
				      const struct snap_object *o)
{
	return o->type - 1u >= w->counts.types || o->shape > w->counts.shapes ? -EINVAL :
										0;
}

static __attribute__((noinline)) int writer_add_refs(struct snap_writer *w,
						     const struct snap_object *o)
{
	w->counts.edges += o->nrefs - pack_object_refs(&w->pack, o);
	return 0;
}

static int writer_on_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct snap_writer *const w = writer_of(sink);

	if (__builtin_expect(w->err, 0))
		return w->err;
	if (__builtin_expect(writer_check_object(w, o), 0))
		return -EINVAL;
	if (__builtin_expect(o->nrefs > PACK_REFS_MAX, 0))
		return writer_put_long(w, o);
	if (__builtin_expect(!pack_has_room(&w->pack, o->nrefs), 0)) {
		if (writer_flush_objects(w) != 0)
			return w->err;
	}
	w->counts.objects++;
	w->counts.object_bytes += o->size;
	pack_object(&w->pack, o);
	return writer_add_refs(w, o);
}

static int writer_on_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct snap_writer *const w = writer_of(sink);

	if (w->err)
		return w->err;
	if (pack_check_value(v) != 0)
		return pack_check_value(v);
	if (!w->pack.open || v->addr != w->pack.addr || w->pack.value.kind)
		return -EINVAL;
	pack_value(&w->pack, v);
	w->counts.values++;
	return 0;
}

/* What comes seldom, as two events. */
static __attribute__((noinline)) int writer_on_both(struct snap_sink *sink,
						    const struct snap_object *o,
						    const struct snap_value *v)
{
	struct snap_writer *const w = writer_of(sink);
	int err = writer_on_object(sink, o);

	if (err == 0 && v)
		err = writer_on_value(sink, v);
	pack_close(&w->pack);
	return err;
}

/* All but the head.  The calls are the last thing done: no register need be saved. */
static inline __attribute__((always_inline)) int writer_add_whole(
	struct snap_writer *w, const struct snap_object *o, const struct snap_value *v)
{
	w->counts.objects++;
	w->counts.object_bytes += o->size;
	pack_addr(&w->pack, o->addr);
	if (!v)
		return o->nrefs ? writer_add_refs(w, o) : 0;
	w->counts.values++;
	pack_hash(&w->pack, v);
	if (v->size)
		pack_text(&w->pack, v);
	return 0;
}

/* Legal is what has the head of something legal: only what has a new one is checked. */
static __attribute__((noinline)) int writer_add_new(struct snap_writer *w,
						    const struct snap_object *o,
						    const struct snap_value *v)
{
	int err = writer_check_object(w, o);

	if (err == 0 && v)
		err = pack_check_value(v);
	if (err)
		return err;
	pack_new_head(&w->pack, o, v);
	return writer_add_whole(w, o, v);
}

static int writer_on_whole(struct snap_sink *sink, const struct snap_object *o,
			   const struct snap_value *v)
{
	struct snap_writer *const w = writer_of(sink);

	if (__builtin_expect(w->err || w->pack.open || (v && o->nrefs) ||
				     !pack_has_room(&w->pack, o->nrefs),
			     0))
		return writer_on_both(sink, o, v);
	if (!v)
		return pack_tell(&w->pack, o, NULL) ? writer_add_whole(w, o, NULL) :
						      writer_add_new(w, o, NULL);
	return pack_tell(&w->pack, o, v) ? writer_add_whole(w, o, v) :
					   writer_add_new(w, o, v);
}

/* ---- rows ---- */

/* Room for a row and `extra` bytes in the sheet: flushed when there is none. */
static int writer_make_room(struct snap_writer *w, unsigned type, size_t extra)
{
	const struct sheet *const s = &w->sheets[type];

	if (w->err)
		return w->err;
	if (s->count == SHEET_ROWS || s->extra_used + extra > s->extra_size)
		return writer_flush_sheet(w, type);
	return 0;
}

/* Copies bytes or labels beside the rows. After writer_make_room. */
static const void *writer_keep(struct snap_writer *w, unsigned type, const void *data,
			       size_t size)
{
	struct sheet *const s = &w->sheets[type];
	char *const copy = s->extra + s->extra_used;

	if (size == 0)
		return copy;
	memcpy(copy, data, size);
	s->extra_used += (uint32_t)size;
	return copy;
}

/* After writer_make_room. */
static int writer_add_row(struct snap_writer *w, unsigned type, const void *row)
{
	struct sheet *const s = &w->sheets[type];
	const size_t size = schemas[type].row_size;

	memcpy(s->rows + size * s->count++, row, size);
	return 0;
}

static int writer_add_plain(struct snap_sink *sink, unsigned type, const void *row)
{
	struct snap_writer *const w = writer_of(sink);
	const int err = writer_make_room(w, type, 0);

	return err ? err : writer_add_row(w, type, row);
}

/* ... of rows that END counts. */
static int writer_add_counted(struct snap_sink *sink, unsigned type, const void *row,
			      uint64_t *count)
{
	const int err = writer_add_plain(sink, type, row);

	*count += err == 0;
	return err;
}

/* Rows with ids: the id must be the next one. */
static int writer_add_next(struct snap_sink *sink, unsigned type, const void *row,
			   uint32_t id, uint64_t *count)
{
	int err;

	if (id != *count + 1)
		return -EINVAL;
	err = writer_add_plain(sink, type, row);
	if (err == 0)
		++*count;
	return err;
}

static int writer_on_fact(struct snap_sink *sink, const struct snap_fact *fact)
{
	struct snap_writer *const w = writer_of(sink);
	struct schema_fact row = {
		.key_size = (uint32_t)schema_length(fact->key, SNAP_KEY_MAX),
		.kind = fact->kind,
		.u64 = fact->kind == SNAP_FACT_U64 ? fact->u64 : 0,
		.size = fact->kind == SNAP_FACT_TEXT ?
			schema_cut(fact->text, fact->size) :
			0,
	};
	const int err = writer_make_room(w, BLOCK_FACTS, (size_t)row.key_size + row.size);

	if (err)
		return err;
	row.key = writer_keep(w, BLOCK_FACTS, fact->key, row.key_size);
	row.text = writer_keep(w, BLOCK_FACTS, fact->text, row.size);
	return writer_add_row(w, BLOCK_FACTS, &row);
}

static int writer_on_string(struct snap_sink *sink, uint32_t id, const char *text,
			    size_t size)
{
	struct snap_writer *const w = writer_of(sink);
	struct schema_string row = { .size = schema_cut(text, size) };
	int err;

	if (id != w->counts.strings + 1)
		return -EINVAL;
	err = writer_make_room(w, BLOCK_STRINGS, row.size);
	if (err)
		return err;
	row.text = writer_keep(w, BLOCK_STRINGS, text, row.size);
	w->counts.strings++;
	return writer_add_row(w, BLOCK_STRINGS, &row);
}

static int writer_on_type(struct snap_sink *sink, const struct snap_type *type)
{
	struct snap_writer *const w = writer_of(sink);

	if (type->name > w->counts.strings)
		return -EINVAL;
	return writer_add_next(sink, BLOCK_TYPES, type, type->id, &w->counts.types);
}

static int writer_on_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	struct snap_writer *const w = writer_of(sink);
	struct snap_shape row = *shape;
	const size_t size = sizeof(*shape->fixed) * (size_t)shape->nfixed;
	int err;

	if (shape->nfixed > SNAP_SHAPE_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < shape->nfixed; i++)
		if (shape->fixed[i].name > w->counts.strings)
			return -EINVAL;
	err = writer_make_room(w, BLOCK_SHAPES, size);
	if (err)
		return err;
	row.fixed = writer_keep(w, BLOCK_SHAPES, shape->fixed, size);
	return writer_add_next(sink, BLOCK_SHAPES, &row, shape->id, &w->counts.shapes);
}

static int writer_on_thread(struct snap_sink *sink, const struct snap_thread *thread)
{
	struct snap_writer *const w = writer_of(sink);

	if (thread->name > w->counts.strings)
		return -EINVAL;
	return writer_add_next(sink, BLOCK_THREADS, thread, thread->id,
			       &w->counts.threads);
}

static int writer_on_frame(struct snap_sink *sink, const struct snap_frame *frame)
{
	struct snap_writer *const w = writer_of(sink);

	if (frame->thread > w->counts.threads || frame->function > w->counts.strings ||
	    frame->file > w->counts.strings)
		return -EINVAL;
	return writer_add_next(sink, BLOCK_FRAMES, frame, frame->id, &w->counts.frames);
}

static int writer_on_root(struct snap_sink *sink, const struct snap_root *root)
{
	struct snap_writer *const w = writer_of(sink);

	if (root->name > w->counts.strings || root->thread > w->counts.threads ||
	    root->frame > w->counts.frames)
		return -EINVAL;
	return writer_add_counted(sink, BLOCK_ROOTS, root, &w->counts.roots);
}

static int writer_on_map(struct snap_sink *sink, const struct snap_map *map)
{
	if (map->name > writer_of(sink)->counts.strings)
		return -EINVAL;
	return writer_add_plain(sink, BLOCK_MAPS, map);
}

static int writer_on_buffer(struct snap_sink *sink, const struct snap_buffer *buffer)
{
	if (buffer->source > writer_of(sink)->counts.strings)
		return -EINVAL;
	return writer_add_plain(sink, BLOCK_BUFFERS, buffer);
}

static int writer_on_chunks(struct snap_sink *sink, const struct snap_chunks *chunks)
{
	const uint64_t strings = writer_of(sink)->counts.strings;

	if (chunks->name > strings || chunks->holder > strings)
		return -EINVAL;
	return writer_add_plain(sink, BLOCK_CHUNKS, chunks);
}

/* Runs of memory have nothing to check. */
#define WRITER_RUNS(name, block) \
	static int writer_on_##name(struct snap_sink *sink, \
				    const struct snap_##name *run) \
	{ \
		return writer_add_plain(sink, block, run); \
	}
WRITER_RUNS(shared, BLOCK_SHARED)
WRITER_RUNS(absent, BLOCK_ABSENT)

static int writer_on_site(struct snap_sink *sink, const struct snap_site *site)
{
	struct snap_writer *const w = writer_of(sink);

	if (site->caller >= site->id || site->file > w->counts.strings)
		return -EINVAL;
	return writer_add_next(sink, BLOCK_SITES, site, site->id, &w->counts.sites);
}

static int writer_on_trace(struct snap_sink *sink, const struct snap_trace *trace)
{
	struct snap_writer *const w = writer_of(sink);

	if (trace->site > w->counts.sites)
		return -EINVAL;
	return writer_add_counted(sink, BLOCK_TRACES, trace, &w->counts.traces);
}

static int writer_on_line(struct snap_sink *sink, const struct snap_line *line)
{
	struct snap_writer *const w = writer_of(sink);

	if (line->file > w->counts.strings)
		return -EINVAL;
	return writer_add_counted(sink, BLOCK_LINES, line, &w->counts.lines);
}

static int writer_on_size_check(struct snap_sink *sink,
				const struct snap_size_check *check)
{
	if (check->type > writer_of(sink)->counts.types)
		return -EINVAL;
	return writer_add_plain(sink, BLOCK_SIZE_CHECKS, check);
}

static int writer_on_error(struct snap_sink *sink, const struct snap_error *error)
{
	const struct schema_end *const counts = &writer_of(sink)->counts;

	if (error->type > counts->types || error->text > counts->strings)
		return -EINVAL;
	return writer_add_plain(sink, BLOCK_ERRORS, error);
}

/* Progress is for whoever watches: it goes out at once. */
static int writer_on_progress(struct snap_sink *sink,
			      const struct snap_progress *progress)
{
	struct snap_writer *const w = writer_of(sink);
	int err;

	if (progress->phase > w->counts.strings)
		return -EINVAL;
	err = writer_add_plain(sink, BLOCK_PROGRESS, progress);
	return err ? err : writer_flush_sheet(w, BLOCK_PROGRESS);
}

int snap_writer_flush(struct snap_writer *w)
{
	if (w->err)
		return w->err;
	writer_flush_types(w, 1u << BLOCK_FACTS | 1u << BLOCK_STRINGS);
	writer_flush_objects(w);
	for (unsigned type = 0; type < BLOCK_TYPE_COUNT; type++)
		writer_flush_sheet(w, type);
	return w->err;
}

static int writer_on_end(struct snap_sink *sink)
{
	struct snap_writer *const w = writer_of(sink);
	struct block_head head = { .type = BLOCK_END, .count = 1 };

	if (snap_writer_flush(w) != 0)
		return w->err;
	w->counts.blocks = w->sequence;
	head.raw_size =
		(uint32_t)schema_encode(&schemas[BLOCK_END], &w->counts, 1, w->scratch);
	if (writer_put_block(w, head, w->scratch, NULL, 0) != 0)
		return w->err;
	w->err = -EINVAL;
	return 0;
}

static const struct snap_sink_ops writer_ops = {
	.fact = writer_on_fact,
	.string = writer_on_string,
	.type = writer_on_type,
	.shape = writer_on_shape,
	.object = writer_on_object,
	.value = writer_on_value,
	.whole = writer_on_whole,
	.thread = writer_on_thread,
	.frame = writer_on_frame,
	.root = writer_on_root,
	.map = writer_on_map,
	.buffer = writer_on_buffer,
	.chunks = writer_on_chunks,
	.shared = writer_on_shared,
	.absent = writer_on_absent,
	.site = writer_on_site,
	.trace = writer_on_trace,
	.line = writer_on_line,
	.size_check = writer_on_size_check,
	.error = writer_on_error,
	.progress = writer_on_progress,
	.end = writer_on_end,
};

/* ---- life ---- */

struct snap_writer *snap_writer_init(void *mem, size_t size, snap_write_fn write,
				     void *arg, int *err_ret)
{
	const struct block_file_head head = { .major = BLOCK_MAJOR,
					      .minor = BLOCK_MINOR };
	struct carver c = { mem, 0 };
	uint8_t buf[BLOCK_FILE_HEAD_SIZE];
	struct snap_writer *w;
	void *frames;
	int err;

	if (size < snap_writer_memory() || (uintptr_t)mem % 64 != 0) {
		*err_ret = -EINVAL;
		return NULL;
	}
	w = carver_take(&c, sizeof(*w));
	frames = writer_lay_out(&c, w);
	w->sink.ops = &writer_ops;
	w->write = write;
	w->arg = arg;
	w->frames = frame_start(frames, &err);
	if (err == 0) {
		block_put_file_head(buf, &head);
		err = writer_put(w, buf, sizeof(buf));
	}
	if (err == 0)
		return w;
	*err_ret = err;
	return NULL;
}

struct snap_sink *snap_writer_sink(struct snap_writer *w)
{
	return &w->sink;
}

void snap_writer_totals(const struct snap_writer *w, struct snap_writer_totals *ret)
{
	*ret = (struct snap_writer_totals){
		.objects = w->counts.objects,
		.edges = w->counts.edges,
		.object_bytes = w->counts.object_bytes,
		.bytes_out = w->bytes_out,
	};
}
