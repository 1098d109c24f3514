/* SPDX-License-Identifier: MIT */
/* decode - objects and values before version 1.2, and what holds for all: decode.h. */
#include "formats/core/decode.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/decode_rows.h"
#include "formats/core/unpack.h"

enum {
	OBJECT_ADDR,
	OBJECT_TYPE,
	OBJECT_SHAPE,
	OBJECT_SIZE,
	OBJECT_REFCOUNT,
	OBJECT_FLAGS,
	OBJECT_NREFS,
	OBJECT_REFS
};
enum { VALUE_GAP, VALUE_KIND, VALUE_LENGTH, VALUE_SIZE, VALUE_HASH, VALUE_TEXT };

#define VALUE_HAS_HASH 0x80 /* in the kind column: the hash column has an entry */

bool decoder_init(struct decoder *d, uint64_t max_objects, uint64_t max_refs)
{
	*d = (struct decoder){ .max_objects = max_objects, .max_refs = max_refs };
	d->predict = malloc(sizeof(*d->predict));
	return unpack_init(&d->unpack) && d->predict != NULL;
}

void decoder_deinit(struct decoder *d)
{
	unpack_deinit(&d->unpack);
	free(d->predict);
	free(d->refs.data);
	free(d->labels.data);
	free(d->held_raw.data);
}

void decoder_begin(struct decoder *d, struct snap_sink *sink)
{
	assert(sink && sink->ops);
	d->sink = sink;
	d->ended = d->damaged = d->held = d->continued = false;
	d->filled = 0;
	d->counts = (struct schema_end){ 0 };
	unpack_begin(&d->unpack);
}

bool decoder_wants(const struct decoder *d, const struct block_head *head)
{
	return head->type != BLOCK_VALUES || d->sink->ops->value;
}

/* ---- values ---- */

/* The values of a block, read alongside its objects. */
struct values {
	bool any;
	struct bytes_cursor *column; /* by VALUE_... */
	struct schema_reader reader;
	uint32_t left; /* not yet delivered */
	uint64_t next; /* object the next one belongs to */
	bool bad;      /* the rest cannot be read */
};

static bool decode_next_gap(struct values *v)
{
	uint64_t gap;

	if (v->left == 0)
		return true;
	if (!bytes_varint_max(&v->column[VALUE_GAP], UINT32_MAX, &gap))
		return false;
	v->next += gap;
	return true;
}

static int decode_open_values(struct values *v, const struct block_head *head,
			      const uint8_t *raw, struct snap_problem *problem)
{
	*v = (struct values){ .any = true, .left = head->count };
	if (!schema_open(&v->reader, &schemas[BLOCK_VALUES], head->columns, raw,
			 head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	v->column = v->reader.columns;
	return decode_next_gap(v) ? 0 : decode_corrupt(problem, "a column ends early");
}

static bool decode_get_value(struct values *v, struct snap_value *ret)
{
	struct bytes_cursor *const column = v->column;
	const uint8_t *const kind = bytes_take(&column[VALUE_KIND], 1), *text, *hash;
	uint64_t length, size;

	if (!kind || !bytes_varint(&column[VALUE_LENGTH], &length) ||
	    !bytes_varint_max(&column[VALUE_SIZE], UINT32_MAX, &size))
		return false;
	text = bytes_take(&column[VALUE_TEXT], size);
	hash = *kind & VALUE_HAS_HASH ? bytes_take(&column[VALUE_HASH], 8) : NULL;
	if (!text || (*kind & VALUE_HAS_HASH && !hash))
		return false;
	*ret = (struct snap_value){
		.kind = *kind & (VALUE_HAS_HASH - 1),
		.length = bytes_unzigzag(length) + size,
		.hash = hash ? bytes_get_u64(hash) : 0,
		.size = (uint32_t)size,
		.text = (const char *)text,
	};
	return true;
}

/*
 * Delivers the value of object number `index`, if it has one.  Values that cannot be read
 * are no reason to lose objects: the rest is dropped, decode_check_values says so.
 */
static int decode_deliver_value(struct decoder *d, struct values *v, uint32_t index,
				uint64_t addr, struct snap_problem *problem)
{
	struct snap_value value;

	if (v->left == 0 || v->next != index)
		return 0;
	v->left--;
	v->next++;
	v->bad = !decode_get_value(v, &value) || !decode_next_gap(v);
	if (v->bad) {
		v->left = 0;
		return 0;
	}
	d->counts.values++;
	value.addr = addr;
	if (value.kind < SNAP_VALUE_STR || value.kind > SNAP_VALUE_NAME ||
	    !d->sink->ops->value)
		return 0;
	return decode_stopped(problem, d->sink->ops->value(d->sink, &value));
}

/* After the last object. */
static int decode_check_values(const struct values *v, struct snap_problem *problem)
{
	if (!v->any)
		return 0;
	if (v->bad)
		return decode_corrupt(problem, "a column of its values ends early");
	if (v->left > 0 || !schema_at_end(&v->reader))
		return decode_corrupt(problem, "values without an object");
	return 0;
}

/* ---- objects ---- */

/* Reads everything of an object but its references. */
static bool decode_get_object(struct decoder *d, struct bytes_cursor *column,
			      struct snap_object *ret)
{
	uint64_t type, shape, size, refcount, flags, nrefs;
	struct predict_type *like;

	if (!predict_get_addr(d->predict, &column[OBJECT_ADDR], &ret->addr) ||
	    !bytes_varint_max(&column[OBJECT_TYPE], UINT32_MAX, &type) ||
	    !bytes_varint_max(&column[OBJECT_SHAPE], (uint64_t)UINT32_MAX + 1, &shape) ||
	    !bytes_varint(&column[OBJECT_SIZE], &size) ||
	    !bytes_varint(&column[OBJECT_REFCOUNT], &refcount) ||
	    !bytes_varint_max(&column[OBJECT_FLAGS], UINT32_MAX, &flags) ||
	    !bytes_varint(&column[OBJECT_NREFS], &nrefs))
		return false;
	like = predict_type(d->predict, (uint32_t)type);
	nrefs = like->nrefs + bytes_unzigzag(nrefs);
	if (nrefs > UINT32_MAX)
		return false;
	like->shape = shape ? (uint32_t)(shape - 1) : like->shape;
	like->size += bytes_unzigzag(size);
	like->flags ^= (uint32_t)flags;
	like->nrefs = (uint32_t)nrefs;
	ret->type = (uint32_t)type;
	ret->shape = like->shape;
	ret->size = like->size;
	ret->refcount = refcount;
	ret->flags = like->flags;
	ret->nrefs = like->nrefs;
	return true;
}

/* What the references of an object in a block are read with. */
struct refs {
	uint64_t own, previous; /* >> 3 */
	struct predict_slot *slots;
};

static struct refs decode_refs_of(const struct snap_object *o, struct predict_slot *slots)
{
	return (struct refs){ o->addr >> 3, o->addr >> 3, slots };
}

/* Reads n references, the first being number `from` of the object. */
static bool decode_get_refs(struct bytes_cursor *in, struct refs *r, uint32_t from,
			    uint32_t n, uint64_t *refs, uint64_t *edges)
{
	uint64_t present = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!predict_get_ref(in, r->own, &r->previous,
				     &r->slots[predict_slot_of(from + i)], &refs[i]))
			return false;
		present += refs[i] != 0;
	}
	*edges += present;
	return true;
}

static bool decode_reserve_refs(struct decoder *d, uint64_t n)
{
	return n <= SIZE_MAX / sizeof(uint64_t) &&
		buffer_reserve(&d->refs, (size_t)n * sizeof(uint64_t));
}

static int decode_no_memory(struct snap_problem *problem)
{
	return decode_problem(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
}

static int decode_check_object(struct decoder *d, const struct snap_object *o,
			       struct snap_problem *problem)
{
	if (o->type == 0)
		return decode_corrupt(problem, "an object has no type");
	if (decode_defined(d, BLOCK_TYPES, o->type, problem) != 0)
		return -1;
	return decode_defined(d, BLOCK_SHAPES, o->shape, problem);
}

static int decode_deliver_object(struct decoder *d, const struct snap_object *o,
				 struct snap_problem *problem)
{
	d->counts.objects++;
	d->counts.object_bytes += o->size;
	if (!d->sink->ops->object)
		return 0;
	return decode_stopped(problem, d->sink->ops->object(d->sink, o));
}

/* Reads, checks and delivers the next object and its value. */
static int decode_next_object(struct decoder *d, struct bytes_cursor *column,
			      uint32_t index, struct values *values,
			      struct snap_problem *problem)
{
	struct snap_object o = { 0 };
	struct refs refs;

	if (!decode_get_object(d, column, &o))
		return decode_corrupt(problem,
				      "a column ends early or a number is too large");
	if (o.nrefs > bytes_left(&column[OBJECT_REFS]))
		return decode_corrupt(problem, "more references than the block holds");
	if (decode_check_object(d, &o, problem) != 0)
		return -1;
	if (!decode_reserve_refs(d, o.nrefs))
		return decode_no_memory(problem);
	o.refs = (uint64_t *)d->refs.data;
	refs = decode_refs_of(&o, predict_slots(d->predict, o.type, o.shape));
	if (!decode_get_refs(&column[OBJECT_REFS], &refs, 0, o.nrefs,
			     (uint64_t *)d->refs.data, &d->counts.edges))
		return decode_corrupt(problem,
				      "the references end early or are no addresses");
	if (decode_deliver_object(d, &o, problem) != 0)
		return -1;
	return decode_deliver_value(d, values, index, o.addr, problem);
}

/* Delivers a whole OBJECTS block. */
static int decode_deliver_objects(struct decoder *d, const struct block_head *head,
				  const uint8_t *raw, struct values *values,
				  struct snap_problem *problem)
{
	struct schema_reader reader;

	if (!schema_open(&reader, &schemas[BLOCK_OBJECTS], head->columns, raw,
			 head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	predict_reset(d->predict);
	for (uint32_t i = 0; i < head->count; i++)
		if (decode_next_object(d, reader.columns, i, values, problem) != 0)
			return -1;
	if (!schema_at_end(&reader))
		return decode_corrupt(problem, "a column is longer than its rows");
	return decode_check_values(values, problem);
}

/* Reads the one object of a continued block, with the references that are there. */
static int decode_begin_long(struct decoder *d, const struct block_head *head,
			     const uint8_t *raw, struct snap_problem *problem)
{
	struct snap_object *const o = &d->held_object;
	struct schema_reader reader;
	struct bytes_cursor *const in = &reader.columns[OBJECT_REFS];
	struct refs refs;

	if (head->count != 1)
		return decode_corrupt(problem, "a continued block must hold one object");
	if (!schema_open(&reader, &schemas[BLOCK_OBJECTS], head->columns, raw,
			 head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	predict_reset(d->predict);
	if (!decode_get_object(d, reader.columns, o))
		return decode_corrupt(problem,
				      "a column ends early or a number is too large");
	if (o->nrefs > d->max_refs)
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "an object has %u references", o->nrefs);
	if (decode_check_object(d, o, problem) != 0)
		return -1;
	refs = decode_refs_of(o, predict_slots(d->predict, o->type, o->shape));
	for (d->held_refs = 0; bytes_left(in) > 0 && d->held_refs < o->nrefs;
	     d->held_refs++) {
		const uint32_t i = (uint32_t)d->held_refs;

		if (!decode_reserve_refs(d, d->held_refs + 1))
			return decode_no_memory(problem);
		if (!decode_get_refs(in, &refs, i, 1, (uint64_t *)d->refs.data + i,
				     &d->counts.edges))
			return decode_corrupt(problem, "the references are no addresses");
	}
	if (!schema_at_end(&reader))
		return decode_corrupt(problem, "a column is longer than its rows");
	d->continued = true;
	return 0;
}

static int decode_on_refs(struct decoder *d, const struct block_head *head,
			  const uint8_t *raw, struct snap_problem *problem)
{
	struct predict_slot slots[PREDICT_SLOTS] = { 0 };
	struct refs reading = decode_refs_of(&d->held_object, slots);
	struct schema_reader reader;
	uint64_t *refs;

	if (!d->continued || head->first != d->held_head.first)
		return decode_corrupt(problem, "references of no object");
	if (!schema_open(&reader, &schemas[BLOCK_REFS], head->columns, raw,
			 head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	if (head->count > bytes_left(&reader.columns[0]) ||
	    head->count > d->held_object.nrefs - d->held_refs)
		return decode_corrupt(problem, "more references than its object has");
	if (!decode_reserve_refs(d, d->held_refs + head->count))
		return decode_no_memory(problem);
	refs = (uint64_t *)d->refs.data + d->held_refs;
	if (!decode_get_refs(&reader.columns[0], &reading, (uint32_t)d->held_refs,
			     head->count, refs, &d->counts.edges) ||
	    !schema_at_end(&reader))
		return decode_corrupt(problem, "the references do not fill the column");
	d->held_refs += head->count;
	d->continued = head->flags & BLOCK_CONTINUED;
	if (!d->continued && d->held_refs != d->held_object.nrefs)
		return decode_corrupt(problem, "references are missing");
	return 0;
}

/* Delivers the long object; one whose references were lost is marked so. */
static int decode_deliver_long(struct decoder *d, struct values *values,
			       struct snap_problem *problem)
{
	struct snap_object o = d->held_object;

	if (d->held_refs < o.nrefs)
		o.flags |= SNAP_OBJ_OPAQUE;
	o.nrefs = (uint32_t)d->held_refs;
	o.refs = (uint64_t *)d->refs.data;
	d->continued = false;
	if (decode_deliver_object(d, &o, problem) != 0 ||
	    decode_deliver_value(d, values, 0, o.addr, problem) != 0)
		return -1;
	if (decode_check_values(values, problem) != 0)
		return -1;
	if (d->held_refs < d->held_object.nrefs)
		return decode_corrupt(problem,
				      "references of the object before it are missing");
	return 0;
}

/* Delivers the held block. */
static int decode_release(struct decoder *d, struct values *values,
			  struct snap_problem *problem)
{
	if (!d->held)
		return 0;
	d->held = false;
	if (d->held_head.flags & BLOCK_CONTINUED)
		return decode_deliver_long(d, values, problem);
	return decode_deliver_objects(d, &d->held_head, d->held_raw.data, values,
				      problem);
}

/* The held block's VALUES did not come, or nobody wants them. */
static int decode_release_bare(struct decoder *d, struct snap_problem *problem)
{
	const bool missing = d->held && d->sink->ops->value && !d->damaged;
	struct values none = { 0 };

	if (decode_release(d, &none, problem) != 0)
		return -1;
	if (missing)
		return decode_corrupt(problem,
				      "values of the objects before it are missing");
	return 0;
}

static int decode_on_objects(struct decoder *d, const struct block_head *head,
			     struct buffer *raw, struct snap_problem *problem)
{
	const bool wait = head->flags & BLOCK_HAS_VALUES && d->sink->ops->value;
	const struct buffer spare = d->held_raw;
	struct values none = { 0 };

	if (decode_first(d, head, &d->counts.objects, problem) != 0)
		return -1;
	if (head->count > d->max_objects - d->counts.objects)
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "more objects than allowed");
	if (head->flags & BLOCK_CONTINUED) {
		if (decode_begin_long(d, head, raw->data, problem) != 0)
			return -1;
	} else if (!wait) {
		return decode_deliver_objects(d, head, raw->data, &none, problem);
	}
	d->held = true;
	d->held_head = *head;
	d->held_raw = *raw;
	*raw = spare;
	return 0;
}

static int decode_on_values(struct decoder *d, const struct block_head *head,
			    const uint8_t *raw, struct snap_problem *problem)
{
	struct values values;

	if (!d->held || head->first != d->held_head.first)
		return decode_corrupt(problem, "values of no objects");
	if (decode_open_values(&values, head, raw, problem) != 0)
		return -1;
	return decode_release(d, &values, problem);
}

/* The block itself; what it ends has been let go of. */
static int decode_take_block(struct decoder *d, const struct block_head *head,
			     struct buffer *raw, struct snap_problem *problem)
{
	switch (head->type) {
	case BLOCK_OBJECTS:
		return decode_on_objects(d, head, raw, problem);
	case BLOCK_REFS:
		return decode_on_refs(d, head, raw->data, problem);
	case BLOCK_VALUES:
		return decode_on_values(d, head, raw->data, problem);
	case BLOCK_PACKED:
		return unpack_objects(d, head, raw->data, problem);
	case BLOCK_PACKED_REFS:
		return unpack_refs(d, head, raw->data, problem);
	case BLOCK_INDEX:
		return 0;
	default:
		return decode_rows(d, head, raw->data, problem);
	}
}

int decoder_block(struct decoder *d, const struct block_head *head, struct buffer *raw,
		  struct snap_problem *problem)
{
	int before = 0;

	assert(raw->capacity >= head->raw_size);
	assert(head->type < BLOCK_TYPE_COUNT);
	if (d->ended && head->type != BLOCK_FACTS && head->type != BLOCK_INDEX)
		return decode_corrupt(problem, "it comes after END");
	if (head->type == BLOCK_OBJECTS || head->type == BLOCK_PACKED ||
	    head->type == BLOCK_END)
		before = decode_release_bare(d, problem);
	if (before != 0 && problem->code != SNAP_E_CORRUPT)
		return -1;
	if (before != 0)
		d->damaged = true;
	return decode_take_block(d, head, raw, problem) != 0 ? -1 : before != 0;
}

int decoder_lost(struct decoder *d, const struct block_head *head,
		 struct snap_problem *problem)
{
	d->damaged = true;
	if (head->type == BLOCK_OBJECTS || head->type == BLOCK_PACKED) {
		if (decode_release_bare(d, problem) != 0 &&
		    problem->code != SNAP_E_CORRUPT)
			return -1;
	}
	if (schemas[head->type].has_ids)
		return decode_fill(d, head->type, head->first + head->count, problem);
	return 0;
}

int decoder_finish(struct decoder *d, struct snap_problem *problem)
{
	d->damaged = true; /* a missing VALUES block is no news here */
	return decode_release_bare(d, problem);
}
