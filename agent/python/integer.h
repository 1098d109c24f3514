/* SPDX-License-Identifier: MIT */
/* integer - the digits of int objects, read from memory (cpython/longintrepr.h). */
#ifndef PYMEM_AGENT_PYTHON_INTEGER_H
#define PYMEM_AGENT_PYTHON_INTEGER_H

#include "agent/python/object.h"

struct integer {
	uint64_t data, count; /* digits of 30 bits, least significant first */
	bool negative;
};

/* Digits by the word that tells of them, sign left out. */
static inline uint64_t integer_count(const struct layout *lay, uint64_t word)
{
	return lay->long_tagged ? word >> 3 : (int64_t)word < 0 ? 0 - word : word;
}

static inline struct integer integer_digits(const struct layout *lay, uint64_t obj)
{
	struct integer d = { .data = obj + lay->long_digits };
	uint64_t word = peek64(obj + lay->head);

	if (lay->long_tagged) { /* sign 0, 1 zero, 2 negative; then a count */
		d.negative = (word & 3) == 2;
		d.count = (word & 3) == 1 ? 0 : word >> 3;
	} else {
		d.negative = (int64_t)word < 0;
		d.count = d.negative ? -word : word;
	}
	return d;
}

/* Bits of the absolute value. */
static inline uint64_t integer_bits(const struct integer *d)
{
	uint32_t top;

	if (!d->count)
		return 0;
	top = peek32(d->data + 4 * (d->count - 1));
	return 30 * (d->count - 1) + (top ? 32u - (unsigned)__builtin_clz(top) : 0);
}

/* The absolute value, when it has at most 64 bits. */
static inline uint64_t integer_small(const struct integer *d)
{
	uint64_t v = 0;

	for (uint64_t i = 0; i < d->count; i++)
		v |= (uint64_t)peek32(d->data + 4 * i) << 30 * i;
	return v;
}

/* The value of a non-negative int below 2^64; false: obj, an object or 0, isn't one,
 * or nobody knows where its digits lie.
 * int_type: address of PyLong_Type. */
static inline bool integer_u64(const struct layout *lay, uint64_t int_type, uint64_t obj,
			       uint64_t *ret)
{
	struct integer d;

	if (lay->unknown & LAYOUT_INT || !object_is_exact(lay, obj, int_type))
		return false;
	d = integer_digits(lay, obj);
	if (d.negative || integer_bits(&d) > 64)
		return false;
	*ret = integer_small(&d);
	return true;
}

#endif
