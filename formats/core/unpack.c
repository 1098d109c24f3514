/* SPDX-License-Identifier: MIT */
/* unpack - see unpack.h.  All heads of a block are read and checked before objects. */
#include "formats/core/unpack.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What objects share. */
struct unpack_head {
	struct snap_object object;
	struct snap_value value; /* kind 0: none */
	bool has_hash;
};

/* A block while its objects are read. */
struct unpack_block {
	struct schema_reader reader;
	const struct unpack_head *heads;
	size_t count, next; /* heads, those that are told already */
	uint64_t addr;	    /* of the object before */
};

bool unpack_init(struct unpack *u)
{
	*u = (struct unpack){ .slots = calloc(PACKED_ROWS, sizeof(*u->slots)) };
	return u->slots != NULL;
}

void unpack_deinit(struct unpack *u)
{
	free(u->slots);
	free(u->heads.data);
	free(u->refs.data);
	free(u->gathered.data);
}

void unpack_begin(struct unpack *u)
{
	u->ngathered = 0;
}

static int unpack_no_memory(struct snap_problem *problem)
{
	return decode_problem(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
}

static bool unpack_reserve(struct buffer *buffer, uint64_t n, size_t size)
{
	return n <= SIZE_MAX / size && buffer_reserve(buffer, (size_t)n * size);
}

/* ---- heads ---- */

static bool unpack_get_head(struct bytes_cursor *column, struct unpack_head *ret)
{
	uint64_t type, shape, size, refcount, flags, nrefs, length, text;
	const uint8_t *const kind = bytes_take(&column[PACKED_KIND], 1);

	if (!kind || !bytes_varint_max(&column[PACKED_TYPE], UINT32_MAX, &type) ||
	    !bytes_varint_max(&column[PACKED_SHAPE], UINT32_MAX, &shape) ||
	    !bytes_varint(&column[PACKED_SIZE], &size) ||
	    !bytes_varint(&column[PACKED_REFCOUNT], &refcount) ||
	    !bytes_varint_max(&column[PACKED_FLAGS], UINT32_MAX, &flags) ||
	    !bytes_varint_max(&column[PACKED_NREFS], UINT32_MAX, &nrefs) ||
	    !bytes_varint(&column[PACKED_LENGTH], &length) ||
	    !bytes_varint_max(&column[PACKED_TEXT_SIZE], UINT32_MAX, &text))
		return false;
	*ret = (struct unpack_head){
		.object = { .size = size,
			    .refcount = refcount,
			    .type = (uint32_t)type,
			    .shape = (uint32_t)shape,
			    .flags = (uint32_t)flags,
			    .nrefs = (uint32_t)nrefs },
		.value = { .kind = *kind & PACKED_KIND_MASK,
			   .length = bytes_unzigzag(length) + text,
			   .size = (uint32_t)text },
		.has_hash = *kind & PACKED_HAS_HASH,
	};
	return true;
}

static int unpack_check_head(struct decoder *d, const struct unpack_head *head,
			     struct snap_problem *problem)
{
	if (head->object.type == 0)
		return decode_corrupt(problem, "an object has no type");
	if (!head->value.kind && (head->has_hash || head->value.size))
		return decode_corrupt(problem, "an object without a value has its text");
	if (decode_defined(d, BLOCK_TYPES, head->object.type, problem) != 0)
		return -1;
	return decode_defined(d, BLOCK_SHAPES, head->object.shape, problem);
}

/* The kind is the column with one byte for each head. */
static int unpack_heads(struct decoder *d, struct unpack_block *b,
			struct snap_problem *problem)
{
	const size_t n = bytes_left(&b->reader.columns[PACKED_KIND]);
	struct unpack_head *heads;

	if (!unpack_reserve(&d->unpack.heads, n, sizeof(*heads)))
		return unpack_no_memory(problem);
	heads = (void *)d->unpack.heads.data;
	for (size_t i = 0; i < n; i++) {
		if (!unpack_get_head(b->reader.columns, &heads[i]))
			return decode_corrupt(problem,
					      "a column ends early or a number "
					      "is too large");
		if (unpack_check_head(d, &heads[i], problem) != 0)
			return -1;
	}
	b->heads = heads;
	b->count = n;
	return 0;
}

/* ---- objects ---- */

static inline const struct unpack_head *unpack_next_head(struct unpack_block *b)
{
	uint64_t number;

	if (!bytes_varint(&b->reader.columns[PACKED_HEAD], &number))
		return NULL;
	if (number == 0)
		return b->next < b->count ? &b->heads[b->next++] : NULL;
	return number <= b->next ? &b->heads[number - 1] : NULL;
}

/* Reads n references, the first being number 0; false at the end, or no address. */
static inline bool unpack_get_refs(struct bytes_cursor *column, uint64_t previous,
				   struct packed_slot *slots, uint64_t *refs, uint32_t n,
				   uint64_t *edges)
{
	struct bytes_cursor in = *column;

	for (uint32_t i = 0; i < n; i++) {
		if (!packed_get_ref(&in, &previous, &slots[packed_slot_of(i)], &refs[i]))
			return false;
		*edges += refs[i] != 0;
	}
	*column = in;
	return true;
}

/* Those of an object in the block. */
static int unpack_own_refs(struct decoder *d, struct unpack_block *b,
			   struct snap_object *o, struct snap_problem *problem)
{
	struct bytes_cursor *const in = &b->reader.columns[PACKED_REFS];

	if (o->nrefs > bytes_left(in))
		return decode_corrupt(problem, "more references than the block holds");
	if (!unpack_reserve(&d->unpack.refs, o->nrefs, sizeof(*o->refs)))
		return unpack_no_memory(problem);
	o->refs = (uint64_t *)(void *)d->unpack.refs.data;
	if (!unpack_get_refs(in, o->addr, d->unpack.slots[packed_row(o->type, o->shape)],
			     (uint64_t *)(void *)d->unpack.refs.data, o->nrefs,
			     &d->counts.edges))
		return decode_corrupt(problem,
				      "the references end early or are no addresses");
	return 0;
}

static int unpack_value(struct decoder *d, struct unpack_block *b,
			const struct unpack_head *head, uint64_t addr,
			struct snap_problem *problem)
{
	struct bytes_cursor *const column = b->reader.columns;
	struct snap_value value = head->value;
	const uint8_t *const text = bytes_take(&column[PACKED_TEXT], value.size);
	const uint8_t *const hash =
		head->has_hash ? bytes_take(&column[PACKED_HASH], 8) : NULL;

	if (!text || (head->has_hash && !hash))
		return decode_corrupt(problem, "a column of its values ends early");
	d->counts.values++;
	value.addr = addr;
	value.text = (const char *)text;
	value.hash = hash ? bytes_get_u64(hash) : 0;
	if (value.kind > SNAP_VALUE_NAME || !d->sink->ops->value)
		return 0;
	return decode_stopped(problem, d->sink->ops->value(d->sink, &value));
}

static int unpack_deliver(struct decoder *d, struct unpack_block *b,
			  const struct unpack_head *head, const struct snap_object *o,
			  struct snap_problem *problem)
{
	d->counts.objects++;
	d->counts.object_bytes += o->size;
	if (d->sink->ops->object &&
	    decode_stopped(problem, d->sink->ops->object(d->sink, o)) != 0)
		return -1;
	return head->value.kind ? unpack_value(d, b, head, o->addr, problem) : 0;
}

static int unpack_object(struct decoder *d, struct unpack_block *b,
			 struct snap_problem *problem)
{
	const struct unpack_head *head;
	struct snap_object o;

	if (!packed_get_addr(&b->reader.columns[PACKED_ADDR], &b->addr))
		return decode_corrupt(problem, "the addresses end early");
	head = unpack_next_head(b);
	if (!head)
		return decode_corrupt(problem, "an object has no head");
	o = head->object;
	o.addr = b->addr;
	if (o.nrefs && unpack_own_refs(d, b, &o, problem) != 0)
		return -1;
	return unpack_deliver(d, b, head, &o, problem);
}

/* The object whose references came before; one that lost some is marked so. */
static int unpack_long_object(struct decoder *d, struct unpack_block *b,
			      struct snap_problem *problem)
{
	const uint64_t have = d->unpack.ngathered;
	const struct unpack_head *head;
	struct snap_object o;
	bool lost;

	if (!packed_get_addr(&b->reader.columns[PACKED_ADDR], &b->addr))
		return decode_corrupt(problem, "the addresses end early");
	head = unpack_next_head(b);
	if (!head || have > head->object.nrefs)
		return decode_corrupt(problem, "the references before it are not its");
	o = head->object;
	lost = have < o.nrefs;
	o.addr = b->addr;
	o.refs = (uint64_t *)(void *)d->unpack.gathered.data;
	o.flags |= lost ? SNAP_OBJ_OPAQUE : 0;
	o.nrefs = (uint32_t)have;
	if (unpack_deliver(d, b, head, &o, problem) != 0)
		return -1;
	return lost ? decode_corrupt(problem, "references of its object are missing") : 0;
}

int unpack_objects(struct decoder *d, const struct block_head *head, const uint8_t *raw,
		   struct snap_problem *problem)
{
	const bool is_long = head->flags & BLOCK_CONTINUED;
	struct unpack_block b = { .addr = 0 };
	int rc = 0;

	if (decode_first(d, head, &d->counts.objects, problem) != 0)
		return -1;
	if (head->count > d->max_objects - d->counts.objects)
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "more objects than allowed");
	if (is_long && head->count != 1)
		return decode_corrupt(problem, "a continued block must hold one object");
	if (!schema_open(&b.reader, &schemas[BLOCK_PACKED], head->columns, raw,
			 head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	if (unpack_heads(d, &b, problem) != 0)
		return -1;
	memset(d->unpack.slots, 0, PACKED_ROWS * sizeof(*d->unpack.slots));
	for (uint32_t i = 0; i < head->count && rc == 0; i++)
		rc = is_long ? unpack_long_object(d, &b, problem) :
			       unpack_object(d, &b, problem);
	unpack_begin(&d->unpack);
	if (rc == 0 && (b.next < b.count || !schema_at_end(&b.reader)))
		return decode_corrupt(problem, "a column is longer than its rows");
	return rc;
}

int unpack_refs(struct decoder *d, const struct block_head *head, const uint8_t *raw,
		struct snap_problem *problem)
{
	struct packed_slot slots[PACKED_SLOTS] = { 0 };
	struct unpack *const u = &d->unpack;
	struct schema_reader reader;

	if (head->first == 0)
		unpack_begin(u);
	if (head->first != u->ngathered)
		return decode_corrupt(problem, "references before its own are missing");
	if (!schema_open(&reader, &schemas[BLOCK_PACKED_REFS], head->columns, raw,
			 head->raw_size))
		return decode_corrupt(problem, "its columns do not add up");
	if (head->count > bytes_left(&reader.columns[0]))
		return decode_corrupt(problem, "more references than it has bytes");
	if (head->count > d->max_refs - u->ngathered)
		return decode_problem(problem, SNAP_E_LIMIT, 0,
				      "an object has more references than allowed");
	if (!unpack_reserve(&u->gathered, u->ngathered + head->count, sizeof(uint64_t)))
		return unpack_no_memory(problem);
	if (!unpack_get_refs(&reader.columns[0], 0, slots,
			     (uint64_t *)(void *)u->gathered.data + u->ngathered,
			     head->count, &d->counts.edges) ||
	    !schema_at_end(&reader))
		return decode_corrupt(problem, "the references do not fill the column");
	u->ngathered += head->count;
	return 0;
}
