/* SPDX-License-Identifier: MIT */
/* decode_rows - see decode_rows.h.  One function per block type checks and delivers. */
#include "formats/core/decode_rows.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Placeholders made for one gap: enough for what a few lost blocks held. */
#define FILL_MAX (1u << 20)

int decode_problem(struct snap_problem *problem, enum snap_error_code code, int sys,
		   const char *format, ...)
{
	va_list args;

	assert(code != SNAP_OK);
	problem->code = code;
	problem->sys = sys;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return -1;
}

int decode_corrupt(struct snap_problem *problem, const char *text)
{
	return decode_problem(problem, SNAP_E_CORRUPT, 0, "%s", text);
}

int decode_stopped(struct snap_problem *problem, int sink_result)
{
	if (__builtin_expect(sink_result == 0, 1))
		return 0;
	return decode_problem(problem, SNAP_E_SINK, sink_result, "the consumer stopped");
}

/* ---- ids ---- */

static uint64_t *decode_defined_count(struct decoder *d, unsigned type)
{
	switch (type) {
	case BLOCK_STRINGS:
		return &d->counts.strings;
	case BLOCK_TYPES:
		return &d->counts.types;
	case BLOCK_SHAPES:
		return &d->counts.shapes;
	case BLOCK_THREADS:
		return &d->counts.threads;
	case BLOCK_SITES:
		return &d->counts.sites;
	default:
		return &d->counts.frames;
	}
}

#define SEND(d, event, ...) \
	((d)->sink->ops->event ? (d)->sink->ops->event((d)->sink, __VA_ARGS__) : 0)

static int decode_send_placeholder(struct decoder *d, unsigned type, uint32_t id)
{
	switch (type) {
	case BLOCK_STRINGS:
		return SEND(d, string, id, "<lost>", 6);
	case BLOCK_TYPES:
		return SEND(d, type, &(struct snap_type){ .id = id });
	case BLOCK_SHAPES:
		return SEND(d, shape, &(struct snap_shape){ .id = id });
	case BLOCK_THREADS:
		return SEND(d, thread, &(struct snap_thread){ .id = id });
	case BLOCK_SITES:
		return SEND(d, site, &(struct snap_site){ .id = id });
	default:
		return SEND(d, frame, &(struct snap_frame){ .id = id });
	}
}

int decode_fill(struct decoder *d, unsigned type, uint64_t last,
		struct snap_problem *problem)
{
	uint64_t *const count = decode_defined_count(d, type);

	assert(type < BLOCK_TYPE_COUNT);
	if (last > UINT32_MAX || (last > *count && last - *count > FILL_MAX - d->filled))
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "too many definitions are lost before it");
	while (*count < last) {
		const int result = decode_send_placeholder(d, type, (uint32_t)*count + 1);

		if (result != 0)
			return decode_stopped(problem, result);
		++*count;
		d->filled++;
	}
	return 0;
}

int decode_defined(struct decoder *d, unsigned type, uint32_t id,
		   struct snap_problem *problem)
{
	if (__builtin_expect(id <= *decode_defined_count(d, type), 1))
		return 0;
	if (d->damaged)
		return decode_fill(d, type, id, problem);
	return decode_problem(problem, SNAP_E_CORRUPT, 0,
			      "id %u of %s is used, not defined", id,
			      block_type_name(type));
}

int decode_first(struct decoder *d, const struct block_head *head, uint64_t *count,
		 struct snap_problem *problem)
{
	if (head->first == *count)
		return 0;
	if (head->first < *count || !d->damaged)
		return decode_problem(problem, SNAP_E_CORRUPT, 0,
				      "it begins at row %llu instead of %llu",
				      (unsigned long long)head->first,
				      (unsigned long long)*count);
	if (schemas[head->type].has_ids)
		return decode_fill(d, head->type, head->first, problem);
	if (head->first > d->max_objects)
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "more objects than allowed");
	*count = head->first;
	return 0;
}

/* ---- rows ---- */

/* Any row there is. */
union row {
	struct schema_fact fact;
	struct schema_string string;
	struct schema_end end;
	struct snap_type type;
	struct snap_shape shape;
	struct snap_thread thread;
	struct snap_frame frame;
	struct snap_root root;
	struct snap_map map;
	struct snap_buffer buffer;
	struct snap_chunks chunks;
	struct snap_shared shared;
	struct snap_absent absent;
	struct snap_site site;
	struct snap_trace trace;
	struct snap_line line;
	struct snap_size_check size_check;
	struct snap_error error;
	struct snap_progress progress;
};

typedef int deliver_fn(struct decoder *d, union row *row, uint32_t id,
		       struct snap_problem *problem);

/* Keys are printable ASCII: they go into reports and JSON as they are. */
static bool decode_is_key(const char *key, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		if (key[i] <= ' ' || key[i] > '~')
			return false;
	return size > 0 && size <= SNAP_KEY_MAX;
}

static int decode_deliver_fact(struct decoder *d, union row *row, uint32_t id,
			       struct snap_problem *problem)
{
	const struct schema_fact *const r = &row->fact;
	char key[SNAP_KEY_MAX + 1];

	(void)id;
	if (!decode_is_key(r->key, r->key_size))
		return decode_corrupt(problem, "a fact's key is no key");
	if (r->kind != SNAP_FACT_U64 && r->kind != SNAP_FACT_TEXT)
		return 0;
	memcpy(key, r->key, r->key_size);
	key[r->key_size] = '\0';
	return decode_stopped(problem,
			      SEND(d, fact,
				   &(struct snap_fact){
					   .key = key,
					   .kind = r->kind,
					   .u64 = r->u64,
					   .text = r->text,
					   .size = r->size,
				   }));
}

static int decode_deliver_string(struct decoder *d, union row *row, uint32_t id,
				 struct snap_problem *problem)
{
	return decode_stopped(problem,
			      SEND(d, string, id, row->string.text, row->string.size));
}

static int decode_deliver_type(struct decoder *d, union row *row, uint32_t id,
			       struct snap_problem *problem)
{
	struct snap_type *const type = &row->type;

	if (decode_defined(d, BLOCK_STRINGS, type->name, problem) != 0)
		return -1;
	type->id = id;
	if (type->kind >= SNAP_KIND_COUNT)
		type->kind = SNAP_KIND_OBJECT;
	return decode_stopped(problem, SEND(d, type, type));
}

static int decode_deliver_shape(struct decoder *d, union row *row, uint32_t id,
				struct snap_problem *problem)
{
	struct snap_shape *const shape = &row->shape;
	struct snap_label *const labels = (struct snap_label *)d->labels.data;

	for (uint32_t i = 0; i < shape->nfixed; i++) {
		if (decode_defined(d, BLOCK_STRINGS, labels[i].name, problem) != 0)
			return -1;
		if (labels[i].kind >= SNAP_LABEL_KIND_COUNT)
			labels[i].kind = SNAP_LABEL_OTHER;
	}
	shape->id = id;
	if (shape->tail >= SNAP_TAIL_COUNT)
		shape->tail = SNAP_TAIL_OTHER;
	return decode_stopped(problem, SEND(d, shape, shape));
}

static int decode_deliver_thread(struct decoder *d, union row *row, uint32_t id,
				 struct snap_problem *problem)
{
	if (decode_defined(d, BLOCK_STRINGS, row->thread.name, problem) != 0)
		return -1;
	row->thread.id = id;
	return decode_stopped(problem, SEND(d, thread, &row->thread));
}

static int decode_deliver_frame(struct decoder *d, union row *row, uint32_t id,
				struct snap_problem *problem)
{
	struct snap_frame *const frame = &row->frame;

	if (decode_defined(d, BLOCK_THREADS, frame->thread, problem) != 0 ||
	    decode_defined(d, BLOCK_STRINGS, frame->function, problem) != 0 ||
	    decode_defined(d, BLOCK_STRINGS, frame->file, problem) != 0)
		return -1;
	frame->id = id;
	return decode_stopped(problem, SEND(d, frame, frame));
}

static int decode_deliver_root(struct decoder *d, union row *row, uint32_t id,
			       struct snap_problem *problem)
{
	struct snap_root *const root = &row->root;

	(void)id;
	if (decode_defined(d, BLOCK_STRINGS, root->name, problem) != 0 ||
	    decode_defined(d, BLOCK_THREADS, root->thread, problem) != 0 ||
	    decode_defined(d, BLOCK_FRAMES, root->frame, problem) != 0)
		return -1;
	if (root->kind >= SNAP_ROOT_KIND_COUNT)
		root->kind = SNAP_ROOT_OTHER;
	d->counts.roots++;
	return decode_stopped(problem, SEND(d, root, root));
}

static int decode_deliver_map(struct decoder *d, union row *row, uint32_t id,
			      struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_STRINGS, row->map.name, problem) != 0)
		return -1;
	if (row->map.class_ > SNAP_MAP_AGENT)
		row->map.class_ = SNAP_MAP_SPECIAL;
	return decode_stopped(problem, SEND(d, map, &row->map));
}

static int decode_deliver_buffer(struct decoder *d, union row *row, uint32_t id,
				 struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_STRINGS, row->buffer.source, problem) != 0)
		return -1;
	return decode_stopped(problem, SEND(d, buffer, &row->buffer));
}

static int decode_deliver_chunks(struct decoder *d, union row *row, uint32_t id,
				 struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_STRINGS, row->chunks.name, problem) != 0 ||
	    decode_defined(d, BLOCK_STRINGS, row->chunks.holder, problem) != 0)
		return -1;
	return decode_stopped(problem, SEND(d, chunks, &row->chunks));
}

static int decode_deliver_shared(struct decoder *d, union row *row, uint32_t id,
				 struct snap_problem *problem)
{
	(void)id;
	return decode_stopped(problem, SEND(d, shared, &row->shared));
}

static int decode_deliver_absent(struct decoder *d, union row *row, uint32_t id,
				 struct snap_problem *problem)
{
	(void)id;
	return decode_stopped(problem, SEND(d, absent, &row->absent));
}

/* A caller is defined before whom it called: so callers end. */
static int decode_deliver_site(struct decoder *d, union row *row, uint32_t id,
			       struct snap_problem *problem)
{
	struct snap_site *const site = &row->site;

	if (site->caller >= id)
		return decode_corrupt(problem, "a site is called by a later one");
	if (decode_defined(d, BLOCK_STRINGS, site->file, problem) != 0)
		return -1;
	site->id = id;
	return decode_stopped(problem, SEND(d, site, site));
}

static int decode_deliver_trace(struct decoder *d, union row *row, uint32_t id,
				struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_SITES, row->trace.site, problem) != 0)
		return -1;
	d->counts.traces++;
	return decode_stopped(problem, SEND(d, trace, &row->trace));
}

static int decode_deliver_line(struct decoder *d, union row *row, uint32_t id,
			       struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_STRINGS, row->line.file, problem) != 0)
		return -1;
	d->counts.lines++;
	return decode_stopped(problem, SEND(d, line, &row->line));
}

static int decode_deliver_size_check(struct decoder *d, union row *row, uint32_t id,
				     struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_TYPES, row->size_check.type, problem) != 0)
		return -1;
	return decode_stopped(problem, SEND(d, size_check, &row->size_check));
}

static int decode_deliver_error(struct decoder *d, union row *row, uint32_t id,
				struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_TYPES, row->error.type, problem) != 0 ||
	    decode_defined(d, BLOCK_STRINGS, row->error.text, problem) != 0)
		return -1;
	return decode_stopped(problem, SEND(d, error, &row->error));
}

static int decode_deliver_progress(struct decoder *d, union row *row, uint32_t id,
				   struct snap_problem *problem)
{
	(void)id;
	if (decode_defined(d, BLOCK_STRINGS, row->progress.phase, problem) != 0)
		return -1;
	return decode_stopped(problem, SEND(d, progress, &row->progress));
}

/* END's totals are what the writer sent: anything else was lost on the way. */
static int decode_deliver_end(struct decoder *d, union row *row, uint32_t id,
			      struct snap_problem *problem)
{
	const struct schema_end *const want = &row->end, *const have = &d->counts;

	(void)id;
	d->ended = true;
	if (d->sink->ops->end && decode_stopped(problem, d->sink->ops->end(d->sink)) != 0)
		return -1;
	if (!d->damaged &&
	    (want->objects != have->objects || want->edges != have->edges ||
	     want->object_bytes != have->object_bytes || want->strings != have->strings ||
	     want->types != have->types || want->shapes != have->shapes ||
	     want->threads != have->threads || want->frames != have->frames ||
	     want->roots != have->roots || want->sites != have->sites ||
	     want->traces != have->traces || want->lines != have->lines))
		return decode_corrupt(problem, "its totals differ from what was read");
	return 0;
}

static deliver_fn *const deliver[BLOCK_TYPE_COUNT] = {
	[BLOCK_FACTS] = decode_deliver_fact,
	[BLOCK_STRINGS] = decode_deliver_string,
	[BLOCK_TYPES] = decode_deliver_type,
	[BLOCK_SHAPES] = decode_deliver_shape,
	[BLOCK_THREADS] = decode_deliver_thread,
	[BLOCK_FRAMES] = decode_deliver_frame,
	[BLOCK_ROOTS] = decode_deliver_root,
	[BLOCK_MAPS] = decode_deliver_map,
	[BLOCK_BUFFERS] = decode_deliver_buffer,
	[BLOCK_CHUNKS] = decode_deliver_chunks,
	[BLOCK_SHARED] = decode_deliver_shared,
	[BLOCK_SITES] = decode_deliver_site,
	[BLOCK_TRACES] = decode_deliver_trace,
	[BLOCK_LINES] = decode_deliver_line,
	[BLOCK_ABSENT] = decode_deliver_absent,
	[BLOCK_SIZE_CHECKS] = decode_deliver_size_check,
	[BLOCK_ERRORS] = decode_deliver_error,
	[BLOCK_PROGRESS] = decode_deliver_progress,
	[BLOCK_END] = decode_deliver_end,
};

/* The next row with its id, 0 when the type has none; ids count up as rows are sent. */
static int decode_next_row(struct decoder *d, struct schema_reader *reader, unsigned type,
			   struct snap_problem *problem)
{
	uint64_t *const count =
		schemas[type].has_ids ? decode_defined_count(d, type) : NULL;
	union row row = { 0 };

	if (!schema_next(reader, &row, (struct snap_label *)d->labels.data))
		return decode_corrupt(problem,
				      "a column ends early or a number is too large");
	if (count && *count >= UINT32_MAX)
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "more ids than 32 bits hold");
	if (deliver[type](d, &row, count ? (uint32_t)*count + 1 : 0, problem) != 0)
		return -1;
	if (count)
		++*count;
	return 0;
}

int decode_rows(struct decoder *d, const struct block_head *head, const uint8_t *raw,
		struct snap_problem *problem)
{
	const struct schema *const schema = &schemas[head->type];
	struct schema_reader reader;

	if (schema->has_ids &&
	    decode_first(d, head, decode_defined_count(d, head->type), problem) != 0)
		return -1;
	if (!schema_open(&reader, schema, head->columns, raw, head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	if (head->type == BLOCK_END && head->count != 1)
		return decode_corrupt(problem, "it must have one row");
	if (!buffer_reserve(&d->labels,
			    schema_labels_left(&reader) * sizeof(struct snap_label)))
		return decode_problem(problem, SNAP_E_NOMEM, 0, "out of memory");
	for (uint32_t i = 0; i < head->count; i++)
		if (decode_next_row(d, &reader, head->type, problem) != 0)
			return -1;
	if (!schema_at_end(&reader))
		return decode_corrupt(problem, "a column is longer than its rows");
	return 0;
}
