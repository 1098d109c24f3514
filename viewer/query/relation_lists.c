/* SPDX-License-Identifier: MIT */
/*
 * The short tables: snapshot, type, thread, frame, module, buffer, map, fact.  Each is
 * an array of the heap; nothing is looked up in them, they are read whole.
 */
#include <string.h>

#include "viewer/query/node.h"
#include "viewer/report/common.h"

static void relation_lists_put_fact(struct relation_cursor *c, sqlite3_context *context,
				    const char *key)
{
	size_t size = 0;
	const char *text = heap_fact_text(relation_indexed(c)->heap, key, &size);

	if (!text)
		return;
	text_clear(&c->scratch);
	text_escape(&c->scratch, text, size, 0, 0);
	relation_put_text(c, context);
}

static void relation_lists_put_u64_fact(const struct relation_cursor *c,
					sqlite3_context *context, const char *key)
{
	const uint64_t value = heap_fact_u64(relation_indexed(c)->heap, key, UINT64_MAX);

	if (value != UINT64_MAX)
		relation_put_count(context, value);
}

static void relation_lists_put_escaped(struct relation_cursor *c,
				       sqlite3_context *context, const char *text)
{
	text_clear(&c->scratch);
	text_escape(&c->scratch, text, strlen(text), 0, 0);
	relation_put_text(c, context);
}

/* ---- snapshot ---- */

static int relation_lists_one(struct relation_cursor *c)
{
	c->count = 1;
	return 0;
}

static void relation_lists_snapshot(struct relation_cursor *c, sqlite3_context *context,
				    int column)
{
	const struct indexed *ix = relation_indexed(c);
	const struct heap *heap = ix->heap;
	const uint64_t numbers[] = { 0,
				     process_pid(ix->process),
				     0,
				     0,
				     0,
				     0,
				     heap->objects,
				     heap->edges,
				     heap->size,
				     heap_rss(heap),
				     heap->types,
				     heap->threads,
				     heap->complete };

	switch (column) {
	case 2:
		relation_lists_put_escaped(c, context, ix->process->file);
		break;
	case 3:
		relation_lists_put_fact(c, context, "python.version");
		break;
	case 4:
		relation_lists_put_fact(c, context, "cmdline");
		break;
	case 5:
		relation_lists_put_u64_fact(c, context, "time_ns");
		break;
	case 13:
		relation_lists_put_escaped(c, context, ix->process->problem);
		break;
	default:
		relation_put_count(context, numbers[column]);
	}
}

const struct relation relation_snapshot = {
	.name = "snapshot",
	.title = "the snapshots that are open, 0 the oldest",
	.columns = "snapshot INTEGER, pid ID, file TEXT, python TEXT, command TEXT, "
		   "time_ns TIME, objects INTEGER, refs INTEGER, size BYTES, rss BYTES, "
		   "types INTEGER, threads INTEGER, complete BOOLEAN, problem TEXT",
	.rows = 1,
	.select = relation_lists_one,
	.column = relation_lists_snapshot,
};

/* ---- type ---- */

static int relation_lists_types(struct relation_cursor *c)
{
	c->first = 1;
	c->count = relation_indexed(c)->heap->types;
	return 0;
}

static void relation_lists_type(struct relation_cursor *c, sqlite3_context *context,
				int column)
{
	const struct indexed *ix = relation_indexed(c);
	const uint32_t id = relation_id(c);
	const struct heap_type *type = heap_type(ix->heap, id);
	const struct analysis_type *sum =
		&VEC(ix->analysis->type, struct analysis_type)[id];
	const uint64_t numbers[] = { 0,
				     0,
				     type->addr,
				     0,
				     type->count,
				     type->size,
				     sum->retained,
				     sum->retained_count,
				     type->basicsize,
				     type->itemsize,
				     !!(type->flags & SNAP_TYPE_PYTHON),
				     !!(type->flags & SNAP_TYPE_HAS_DEL) };

	switch (column) {
	case 1:
		sqlite3_result_text(context, indexed_type_name(ix, id), -1,
				    SQLITE_STATIC);
		break;
	case 3:
		sqlite3_result_text(context, node_kind_name(type->kind), -1,
				    SQLITE_STATIC);
		break;
	default:
		relation_put_count(context, numbers[column]);
	}
}

const struct relation relation_type = {
	.name = "type",
	.title = "every type object; several may have one name",
	.columns = "snapshot INTEGER, name TEXT, address ADDRESS, kind TEXT, "
		   "count INTEGER, size BYTES, retained BYTES, retained_count INTEGER, "
		   "basicsize BYTES, itemsize BYTES, python BOOLEAN, finalizer BOOLEAN",
	.rows = 1000,
	.select = relation_lists_types,
	.column = relation_lists_type,
};

/* ---- thread, frame ---- */

/* The synthetic node of a thread or frame; HEAP_NONE: it holds nothing. */
static uint32_t relation_lists_synth(const struct heap *heap, enum heap_synth_kind kind,
				     uint32_t ref)
{
	for (uint32_t n = heap_root(heap); n < heap_native_base(heap); n++)
		if (heap_synth(heap, n)->kind == kind && heap_synth(heap, n)->ref == ref)
			return n;
	return HEAP_NONE;
}

static void relation_lists_put_retained(const struct relation_cursor *c,
					sqlite3_context *context,
					enum heap_synth_kind kind)
{
	const struct indexed *ix = relation_indexed(c);
	const uint32_t node = relation_lists_synth(ix->heap, kind, relation_id(c));

	relation_put_count(context,
			   node == HEAP_NONE ? 0 : analysis_retained(ix->analysis, node));
}

static int relation_lists_threads(struct relation_cursor *c)
{
	c->first = 1;
	c->count = relation_indexed(c)->heap->threads;
	return 0;
}

static void relation_lists_thread(struct relation_cursor *c, sqlite3_context *context,
				  int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const struct snap_thread *t =
		&VEC(heap->thread, struct snap_thread)[relation_id(c)];

	switch (column) {
	case 1:
		sqlite3_result_int64(context, relation_id(c));
		break;
	case 2:
		relation_put_string(c, context, t->name);
		break;
	case 3:
		if (t->native_id)
			relation_put_count(context, t->native_id);
		break;
	case 4:
		relation_put_count(context, t->interpreter);
		break;
	case 5:
		sqlite3_result_int(context, !!(t->flags & SNAP_THREAD_MAIN));
		break;
	case 6:
		sqlite3_result_int(context, !!(t->flags & SNAP_THREAD_GIL));
		break;
	default:
		relation_lists_put_retained(c, context, HEAP_SYNTH_THREAD);
	}
}

const struct relation relation_thread = {
	.name = "thread",
	.title = "threads, with what each alone keeps",
	.columns = "snapshot INTEGER, thread INTEGER, name TEXT, native_id ID, "
		   "interpreter INTEGER, main BOOLEAN, gil BOOLEAN, retained BYTES",
	.rows = 20,
	.select = relation_lists_threads,
	.column = relation_lists_thread,
};

static int relation_lists_frames(struct relation_cursor *c)
{
	c->first = 1;
	c->count = relation_indexed(c)->heap->frames;
	return 0;
}

static void relation_lists_frame(struct relation_cursor *c, sqlite3_context *context,
				 int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const struct snap_frame *f = &VEC(heap->frame, struct snap_frame)[relation_id(c)];

	switch (column) {
	case 1:
		sqlite3_result_int64(context, relation_id(c));
		break;
	case 2:
		sqlite3_result_int64(context, f->thread);
		break;
	case 3:
		sqlite3_result_int64(context, f->depth);
		break;
	case 4:
		relation_put_string(c, context, f->function);
		break;
	case 5:
		relation_put_string(c, context, f->file);
		break;
	case 6:
		if (f->line)
			sqlite3_result_int64(context, f->line);
		break;
	case 7:
		if (f->object)
			relation_put_count(context, f->object);
		break;
	default:
		relation_lists_put_retained(c, context, HEAP_SYNTH_FRAME);
	}
}

const struct relation relation_frame = {
	.name = "frame",
	.title = "running frames; depth 0 is the innermost of its thread",
	.columns = "snapshot INTEGER, frame INTEGER, thread INTEGER, depth INTEGER, "
		   "function TEXT, file TEXT, line ID, address ADDRESS, "
		   "retained BYTES",
	.rows = 200,
	.select = relation_lists_frames,
	.column = relation_lists_frame,
};

/* ---- buffer, map, fact ---- */

static int relation_lists_buffers(struct relation_cursor *c)
{
	c->count = (uint32_t)VEC_COUNT(relation_indexed(c)->heap->buffer,
				       struct snap_buffer);
	return 0;
}

static void relation_lists_buffer(struct relation_cursor *c, sqlite3_context *context,
				  int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const struct snap_buffer *b =
		&VEC(heap->buffer, struct snap_buffer)[relation_id(c)];

	switch (column) {
	case 1:
		relation_put_count(context, b->object);
		break;
	case 2:
		relation_put_count(context, b->data);
		break;
	case 3:
		relation_put_count(context, b->length);
		break;
	case 4:
		if (b->owner)
			relation_put_count(context, b->owner);
		break;
	case 5:
		relation_put_string(c, context, b->source);
		break;
	case 6:
		sqlite3_result_text(context,
				    b->flags & SNAP_BUFFER_OWNER	? "owner" :
					    b->flags & SNAP_BUFFER_VIEW ? "view" :
									  "holder",
				    -1, SQLITE_STATIC);
		break;
	default:
		sqlite3_result_int(context, !!(b->flags & SNAP_BUFFER_COUNTED));
	}
}

const struct relation relation_buffer = {
	.name = "buffer",
	.title = "native memory that objects own or look at",
	.columns = "snapshot INTEGER, object ADDRESS, data ADDRESS, size BYTES, "
		   "owner ADDRESS, source TEXT, role TEXT, counted BOOLEAN",
	.rows = 1000,
	.select = relation_lists_buffers,
	.column = relation_lists_buffer,
};

static int relation_lists_maps(struct relation_cursor *c)
{
	c->count = (uint32_t)VEC_COUNT(relation_indexed(c)->heap->map, struct snap_map);
	return 0;
}

static void relation_lists_map(struct relation_cursor *c, sqlite3_context *context,
			       int column)
{
	static const char *const classes[] = {
		[SNAP_MAP_HEAP] = "heap",     [SNAP_MAP_ANON] = "anonymous",
		[SNAP_MAP_STACK] = "stack",   [SNAP_MAP_FILE] = "file",
		[SNAP_MAP_SHARED] = "shared", [SNAP_MAP_SPECIAL] = "special",
		[SNAP_MAP_AGENT] = "agent",
	};
	const struct heap *heap = relation_indexed(c)->heap;
	const struct snap_map *m = &VEC(heap->map, struct snap_map)[relation_id(c)];
	const uint64_t numbers[] = { 0,
				     m->start,
				     m->end,
				     0,
				     0,
				     0,
				     m->rss,
				     m->pss,
				     m->private_dirty,
				     m->anonymous,
				     m->swap,
				     m->live,
				     m->object_bytes };
	const char perms[] = { m->perms & 1 ? 'r' : '-', m->perms & 2 ? 'w' : '-',
			       m->perms & 4 ? 'x' : '-', m->perms & 8 ? 's' : 'p' };

	switch (column) {
	case 3:
		relation_put_string(c, context, m->name);
		break;
	case 4:
		sqlite3_result_text(context,
				    m->class_ < COUNT_OF(classes) ? classes[m->class_] :
								    "other",
				    -1, SQLITE_STATIC);
		break;
	case 5:
		sqlite3_result_text(context, perms, sizeof(perms), SQLITE_TRANSIENT);
		break;
	default:
		relation_put_count(context, numbers[column]);
	}
}

const struct relation relation_map = {
	.name = "map",
	.title = "mappings of the process",
	.columns = "snapshot INTEGER, start ADDRESS, \"end\" ADDRESS, name TEXT, "
		   "class TEXT, perms TEXT, rss BYTES, pss BYTES, private_dirty BYTES, "
		   "anonymous BYTES, swap BYTES, live BYTES, object_bytes BYTES",
	.rows = 300,
	.select = relation_lists_maps,
	.column = relation_lists_map,
};

static int relation_lists_facts(struct relation_cursor *c)
{
	c->count = (uint32_t)VEC_COUNT(relation_indexed(c)->heap->fact, struct heap_fact);
	return 0;
}

static void relation_lists_fact(struct relation_cursor *c, sqlite3_context *context,
				int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const struct heap_fact *f = &VEC(heap->fact, struct heap_fact)[relation_id(c)];
	const char *key = f->key < heap->fact_text.size ?
		VEC(heap->fact_text, const char) + f->key :
		"";

	if (column == 1)
		relation_lists_put_escaped(c, context, key);
	else if (f->kind == SNAP_FACT_U64)
		relation_put_count(context, f->u64);
	else
		relation_lists_put_fact(c, context, key);
}

const struct relation relation_fact = {
	.name = "fact",
	.title = "what the snapshot says of itself",
	.columns = "snapshot INTEGER, key TEXT, value",
	.rows = 100,
	.select = relation_lists_facts,
	.column = relation_lists_fact,
};
