/* SPDX-License-Identifier: MIT */
/*
 * load - takes a snapshot's events (load.h).
 *
 * The event of an object is the hot path: pack its address and those of its
 * references (consecutive ones mostly lie in one chunk), intern its (type,
 * shape, flags), append to the columns.  About 20 ns plus 3 per reference.
 */
#include "viewer/model/load.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/load_internal.h"
#include "viewer/model/values.h"

static int load_packed_push(struct packed *column, uint64_t packed)
{
	if (packed >> 32 && !column->high.size &&
	    vec_append(&column->high, NULL, VEC_COUNT(column->low, uint32_t)))
		return -ENOMEM;
	/* an empty column whose first entry is high has high.size 0 still */
	if (column->high.size || packed >> 32) {
		uint8_t high = (uint8_t)(packed >> 32);

		if (vec_append(&column->high, &high, 1))
			return -ENOMEM;
	}
	return vec_push_u32(&column->low, (uint32_t)packed);
}

/*
 * One more element, zeroed; NULL: out of memory.  Structs that have holes are filled
 * member by member: the arrays go into the sidecar, stale stack bytes must not.
 */
static void *load_append_zeroed(struct vec *vec, size_t size)
{
	if (vec_append(vec, NULL, size))
		return NULL;
	return (char *)vec->data + vec->size - size;
}

/* ---- definitions ---- */

static int load_on_string(struct snap_sink *sink, uint32_t id, const char *text,
			  size_t size)
{
	struct heap *heap = ((struct loader *)sink)->heap;
	uint32_t end;

	if (id != heap->strings + 1)
		return -EPROTO;
	if (heap->text.size + size + 1 > UINT32_MAX)
		return -EFBIG;
	if (vec_append(&heap->text, text, size) || vec_append(&heap->text, "", 1))
		return -ENOMEM;
	end = (uint32_t)heap->text.size;
	if (vec_push_u32(&heap->string, end))
		return -ENOMEM;
	heap->strings = id;
	return 0;
}

static int load_on_type(struct snap_sink *sink, const struct snap_type *type)
{
	struct heap *heap = ((struct loader *)sink)->heap;
	struct heap_type t = {
		.name = type->name,
		.flags = type->flags,
		.kind = type->kind,
		.node = HEAP_NONE,
		.addr = type->addr,
		.basicsize = type->basicsize,
		.itemsize = type->itemsize,
	};

	if (type->id != heap->types + 1)
		return -EPROTO;
	if (vec_append(&heap->type, &t, sizeof(t)))
		return -ENOMEM;
	heap->types = type->id;
	return 0;
}

static int load_on_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	struct heap *heap = ((struct loader *)sink)->heap;
	size_t first = VEC_COUNT(heap->label, struct snap_label);
	struct heap_shape s = { .nfixed = shape->nfixed, .tail = shape->tail };

	if (shape->id != heap->shapes + 1)
		return -EPROTO;
	if (first + shape->nfixed > UINT32_MAX)
		return -EFBIG;
	s.first = (uint32_t)first;
	if (vec_append(&heap->shape, &s, sizeof(s)))
		return -ENOMEM;
	heap->shapes = shape->id;
	struct snap_label *label =
		load_append_zeroed(&heap->label, shape->nfixed * sizeof(*label));
	for (uint32_t i = 0; label && i < shape->nfixed; i++) {
		label[i].kind = shape->fixed[i].kind;
		label[i].name = shape->fixed[i].name;
	}
	return label ? 0 : -ENOMEM;
}

static int load_on_thread(struct snap_sink *sink, const struct snap_thread *thread)
{
	struct heap *heap = ((struct loader *)sink)->heap;

	if (thread->id != heap->threads + 1)
		return -EPROTO;
	struct snap_thread *t = load_append_zeroed(&heap->thread, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->id = thread->id;
	t->name = thread->name;
	t->native_id = thread->native_id;
	t->ident = thread->ident;
	t->interpreter = thread->interpreter;
	t->flags = thread->flags;
	heap->threads = thread->id;
	return 0;
}

static int load_on_frame(struct snap_sink *sink, const struct snap_frame *frame)
{
	struct heap *heap = ((struct loader *)sink)->heap;

	if (frame->id != heap->frames + 1)
		return -EPROTO;
	struct snap_frame *f = load_append_zeroed(&heap->frame, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->id = frame->id;
	f->thread = frame->thread;
	f->depth = frame->depth;
	f->function = frame->function;
	f->file = frame->file;
	f->line = frame->line;
	f->code = frame->code;
	f->object = frame->object;
	heap->frames = frame->id;
	return 0;
}

/* ---- objects ---- */

static bool load_shape_weak(const struct heap *heap, uint32_t id)
{
	const struct heap_shape *shape = &VEC(heap->shape, struct heap_shape)[id];
	const struct snap_label *label =
		VEC(heap->label, struct snap_label) + shape->first;

	for (uint32_t i = 0; i < shape->nfixed; i++)
		if (label[i].kind == SNAP_LABEL_WEAK)
			return true;
	return shape->tail == SNAP_TAIL_WEAK;
}

static uint32_t load_class_slot(uint32_t type, uint32_t shape, uint32_t flags,
				size_t slots)
{
	uint64_t h =
		(type * 0x9e3779b97f4a7c15ull ^ shape) * 0xff51afd7ed558ccdull ^ flags;

	return (uint32_t)((h * 0x9e3779b97f4a7c15ull) >> 40) & (uint32_t)(slots - 1);
}

static int load_class_grow(struct loader *loader)
{
	size_t classes = VEC_COUNT(loader->heap->classes, struct heap_class);
	const struct heap_class *all = VEC(loader->heap->classes, struct heap_class);
	size_t slots = VEC_COUNT(loader->class_hash, uint32_t) * 4;
	struct vec hash = { 0 };

	if (!slots)
		slots = 4096;
	if (vec_alloc(&hash, slots * sizeof(uint32_t)))
		return -ENOMEM;
	uint32_t *table = hash.data;
	for (size_t c = 0; c < classes; c++) {
		uint32_t slot =
			load_class_slot(all[c].type, all[c].shape, all[c].flags, slots);

		while (table[slot])
			slot = (slot + 1) & (uint32_t)(slots - 1);
		table[slot] = (uint32_t)c + 1;
	}
	vec_move(&loader->class_hash, &hash);
	return 0;
}

static int load_intern_class(struct loader *loader, const struct snap_object *o,
			     uint32_t *ret)
{
	struct heap *heap = loader->heap;
	size_t classes = VEC_COUNT(heap->classes, struct heap_class);

	if (2 * classes >= VEC_COUNT(loader->class_hash, uint32_t)) {
		int err = load_class_grow(loader);
		if (err)
			return err;
	}
	size_t slots = VEC_COUNT(loader->class_hash, uint32_t);
	uint32_t *table = VEC(loader->class_hash, uint32_t);
	const struct heap_class *all = VEC(heap->classes, struct heap_class);
	uint32_t slot = load_class_slot(o->type, o->shape, o->flags, slots);
	for (; table[slot]; slot = (slot + 1) & (uint32_t)(slots - 1)) {
		const struct heap_class *c = &all[table[slot] - 1];

		if (c->type == o->type && c->shape == o->shape && c->flags == o->flags) {
			*ret = table[slot] - 1;
			return 0;
		}
	}
	struct heap_class fresh = { o->type, o->shape, o->flags,
				    load_shape_weak(heap, o->shape) };
	if (vec_append(&heap->classes, &fresh, sizeof(fresh)))
		return -ENOMEM;
	table[slot] = (uint32_t)classes + 1;
	*ret = (uint32_t)classes;
	return 0;
}

static int load_push_big(struct vec *big, uint64_t value, uint32_t arrival)
{
	struct heap_big entry = { .value = value, .id = arrival };

	return vec_append(big, &entry, sizeof(entry));
}

static int load_push_size(struct heap *heap, uint64_t value)
{
	uint16_t size = value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;

	if (size == UINT16_MAX && load_push_big(&heap->size_big, value, heap->objects))
		return -ENOMEM;
	return vec_append(&heap->size16, &size, sizeof(size));
}

static int load_push_refcount(struct heap *heap, uint64_t value)
{
	uint8_t count = value < UINT8_MAX ? (uint8_t)value : UINT8_MAX;

	if (count == UINT8_MAX &&
	    load_push_big(&heap->refcount_big, value, heap->objects))
		return -ENOMEM;
	return vec_append(&heap->refcount8, &count, sizeof(count));
}

static int load_push_refs(struct loader *loader, const struct snap_object *o)
{
	struct addrmap *map = &loader->heap->addrs;
	int err = 0;

	for (uint32_t i = 0; i < o->nrefs && !err; i++) {
		uint64_t packed = o->refs[i] ? addrmap_pack(map, o->refs[i], &err) : 0;

		/* not 0, which is "absent": an address that cannot be an object's.
		 * Granule 1 of chunk 0 never is set. */
		if (!packed && o->refs[i])
			packed = 1;
		if (!err)
			err = load_packed_push(&loader->ref, packed);
	}
	return err;
}

static int load_on_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct loader *loader = (struct loader *)sink;
	struct heap *heap = loader->heap;
	uint32_t klass;
	int err = 0;

	if (!o->type || o->type > heap->types || o->shape > heap->shapes)
		return -EPROTO;
	if (heap->objects >= HEAP_MAX_NODES - HEAP_SYNTH_GROUP_COUNT)
		return -EFBIG;
	uint64_t packed = addrmap_pack(&heap->addrs, o->addr, &err);
	if (err)
		return err;
	loader->last_addr = o->addr;
	loader->last_packed = packed;
	if (!packed || !addrmap_set(&heap->addrs, packed)) {
		heap->dropped++;
		return 0;
	}
	loader->ascending &= o->addr > loader->highest;
	loader->highest = o->addr;
	err = load_intern_class(loader, o, &klass);
	if (!err)
		err = load_packed_push(&loader->addr, packed);
	if (!err)
		err = vec_push_u32(&heap->klass, klass);
	if (!err)
		err = load_push_size(heap, o->size);
	if (!err)
		err = load_push_refcount(heap,
					 o->flags & SNAP_OBJ_IMMORTAL ? 0 : o->refcount);
	if (!err)
		err = vec_push_u32(&loader->degree, o->nrefs);
	if (!err)
		err = load_push_refs(loader, o);
	if (err)
		return err;
	struct heap_type *type = &VEC(heap->type, struct heap_type)[o->type];
	type->count++;
	type->size += o->size;
	heap->size += o->size;
	heap->objects++;
	return 0;
}

static int load_on_value(struct snap_sink *sink, const struct snap_value *value)
{
	struct loader *loader = (struct loader *)sink;
	uint64_t packed = loader->last_packed;
	int err = 0;

	if (value->addr != loader->last_addr)
		packed = addrmap_pack(&loader->heap->addrs, value->addr, &err);
	return err || !packed ? err : values_add(&loader->values, packed, value);
}

/* ---- the rest ---- */

static int load_on_root(struct snap_sink *sink, const struct snap_root *root)
{
	return vec_append(&((struct loader *)sink)->roots, root, sizeof(*root));
}

static int load_on_map(struct snap_sink *sink, const struct snap_map *map)
{
	struct snap_map *m =
		load_append_zeroed(&((struct loader *)sink)->heap->map, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->start = map->start;
	m->end = map->end;
	m->offset = map->offset;
	m->name = map->name;
	m->class_ = map->class_;
	m->perms = map->perms;
	m->rss = map->rss;
	m->pss = map->pss;
	m->private_dirty = map->private_dirty;
	m->anonymous = map->anonymous;
	m->swap = map->swap;
	m->live = map->live;
	m->object_bytes = map->object_bytes;
	return 0;
}

static int load_on_buffer(struct snap_sink *sink, const struct snap_buffer *buffer)
{
	return vec_append(&((struct loader *)sink)->heap->buffer, buffer,
			  sizeof(*buffer));
}

static int load_on_chunks(struct snap_sink *sink, const struct snap_chunks *chunks)
{
	struct snap_chunks *c =
		load_append_zeroed(&((struct loader *)sink)->heap->chunks, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->name = chunks->name;
	c->holder = chunks->holder;
	c->size = chunks->size;
	c->count = chunks->count;
	c->bytes = chunks->bytes;
	c->example = chunks->example;
	return 0;
}

static int load_on_shared(struct snap_sink *sink, const struct snap_shared *shared)
{
	return vec_append(&((struct loader *)sink)->heap->shared, shared,
			  sizeof(*shared));
}

static int load_on_absent(struct snap_sink *sink, const struct snap_absent *absent)
{
	return vec_append(&((struct loader *)sink)->heap->absent, absent,
			  sizeof(*absent));
}

static int load_on_site(struct snap_sink *sink, const struct snap_site *site)
{
	struct heap *const heap = ((struct loader *)sink)->heap;

	/* ids begin at 1 */
	if (!heap->site.size && vec_append(&heap->site, NULL, sizeof(*site)))
		return -ENOMEM;
	return vec_append(&heap->site, site, sizeof(*site));
}

static int load_on_trace(struct snap_sink *sink, const struct snap_trace *trace)
{
	return vec_append(&((struct loader *)sink)->heap->trace, trace, sizeof(*trace));
}

static int load_on_line(struct snap_sink *sink, const struct snap_line *line)
{
	return vec_append(&((struct loader *)sink)->heap->line, line, sizeof(*line));
}

static int load_on_size_check(struct snap_sink *sink, const struct snap_size_check *check)
{
	struct snap_size_check *c = load_append_zeroed(
		&((struct loader *)sink)->heap->size_check, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->type = check->type;
	c->checked = check->checked;
	c->mismatched = check->mismatched;
	c->ours = check->ours;
	c->theirs = check->theirs;
	return 0;
}

static int load_on_error(struct snap_sink *sink, const struct snap_error *error)
{
	return vec_append(&((struct loader *)sink)->heap->error, error, sizeof(*error));
}

static int load_on_fact(struct snap_sink *sink, const struct snap_fact *fact)
{
	struct heap *heap = ((struct loader *)sink)->heap;
	struct heap_fact f = { .kind = fact->kind, .u64 = fact->u64 };
	size_t key = strlen(fact->key) + 1;
	size_t size = fact->kind == SNAP_FACT_TEXT ? fact->size : 0;

	if (heap->fact_text.size + key + size + 1 > UINT32_MAX)
		return -EFBIG;
	f.key = (uint32_t)heap->fact_text.size;
	f.text = f.key + (uint32_t)key;
	f.size = (uint32_t)size;
	if (vec_append(&heap->fact_text, fact->key, key) ||
	    vec_append(&heap->fact_text, size ? fact->text : NULL, size) ||
	    vec_append(&heap->fact_text, "", 1))
		return -ENOMEM;
	return vec_append(&heap->fact, &f, sizeof(f));
}

static const struct snap_sink_ops load_ops = {
	.fact = load_on_fact,
	.string = load_on_string,
	.type = load_on_type,
	.shape = load_on_shape,
	.object = load_on_object,
	.value = load_on_value,
	.thread = load_on_thread,
	.frame = load_on_frame,
	.root = load_on_root,
	.map = load_on_map,
	.buffer = load_on_buffer,
	.chunks = load_on_chunks,
	.shared = load_on_shared,
	.absent = load_on_absent,
	.site = load_on_site,
	.trace = load_on_trace,
	.line = load_on_line,
	.size_check = load_on_size_check,
	.error = load_on_error,
};

/* ---- life ---- */

static int load_add_zeroth(struct heap *heap)
{
	uint32_t none[2] = { 0, 0 }; /* string 0 has no bytes */

	if (vec_append(&heap->type, NULL, sizeof(struct heap_type)) ||
	    vec_append(&heap->shape, NULL, sizeof(struct heap_shape)) ||
	    vec_append(&heap->thread, NULL, sizeof(struct snap_thread)) ||
	    vec_append(&heap->frame, NULL, sizeof(struct snap_frame)) ||
	    vec_reserve(&heap->label, 1) || vec_reserve(&heap->classes, 1) ||
	    vec_append(&heap->string, none, sizeof(none)))
		return -ENOMEM;
	return 0;
}

struct loader *loader_create(void)
{
	struct loader *loader = calloc(1, sizeof(*loader));

	if (!loader)
		return NULL;
	loader->sink.ops = &load_ops;
	loader->ascending = true;
	loader->heap = heap_create();
	if (loader->heap && load_add_zeroth(loader->heap) == 0)
		return loader;
	loader_destroy(loader);
	return NULL;
}

void loader_destroy(struct loader *loader)
{
	if (!loader)
		return;
	struct vec *vecs[] = {
		&loader->addr.low, &loader->addr.high,	&loader->ref.low,
		&loader->ref.high, &loader->degree,	&loader->values,
		&loader->roots,	   &loader->class_hash,
	};
	for (size_t i = 0; i < sizeof(vecs) / sizeof(vecs[0]); i++)
		vec_free(vecs[i]);
	heap_destroy(loader->heap);
	free(loader);
}

struct snap_sink *loader_sink(struct loader *loader)
{
	return &loader->sink;
}

const struct heap *loader_peek(const struct loader *loader, uint64_t *objects_ret,
			       uint64_t *bytes_ret)
{
	if (objects_ret)
		*objects_ret = loader->heap->objects;
	if (bytes_ret)
		*bytes_ret = loader->heap->size;
	return loader->heap;
}

int loader_finish(struct loader *loader, bool complete, struct heap **ret)
{
	int err = build_arrays(loader);

	assert(loader->heap);
	if (err)
		return err;
	loader->heap->complete = complete;
	*ret = loader->heap;
	loader->heap = NULL;
	return 0;
}
