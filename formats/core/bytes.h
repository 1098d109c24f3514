/* SPDX-License-Identifier: MIT */
/*
 * bytes - little-endian integers, varints, zigzag, and a checked cursor.
 *
 * The varint of SNAPSHOT.md carries its length in the low bits of the first
 * byte: with n = (trailing zero bits of that byte) + 1, the number takes n bytes
 * and its value is those n bytes, read as a little-endian integer, shifted right
 * by n.  A first byte of 0 means that eight bytes of plain integer follow.  Unlike
 * LEB128 there is no loop and no branch per byte, in either direction: a load, a
 * count of zeros, two shifts.
 *
 * Writers here are unchecked and need BYTES_VARINT_MAX bytes of room; the cursor,
 * for reading, never looks beyond its end.  Everything is inline: these run several
 * times per object.
 */
#ifndef PYMEM_FORMATS_CORE_BYTES_H
#define PYMEM_FORMATS_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_VARINT_MAX 9 /* longest varint; also the room a writer needs */

static inline uint64_t bytes_swap_if_big64(uint64_t v)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}

static inline uint64_t bytes_get_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return bytes_swap_if_big64(v);
}

static inline void bytes_put_u64(void *p, uint64_t v)
{
	v = bytes_swap_if_big64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t bytes_get_u32(const void *p)
{
	const uint8_t *b = p;

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline void bytes_put_u32(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
	b[2] = (uint8_t)(v >> 16);
	b[3] = (uint8_t)(v >> 24);
}

static inline uint16_t bytes_get_u16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
}

static inline void bytes_put_u16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

/* Signed numbers, small in both directions, as small unsigned ones: 0 -1 1 -2 2 ... */
static inline uint64_t bytes_zigzag(uint64_t v)
{
	return v << 1 ^ -(v >> 63);
}

static inline uint64_t bytes_unzigzag(uint64_t v)
{
	return v >> 1 ^ -(v & 1);
}

/* Appends v, which is not 0, at p, which has room for BYTES_VARINT_MAX bytes; returns the
 * new end. */
static inline uint8_t *bytes_put_positive(uint8_t *p, uint64_t v)
{
	const unsigned log2 = 63 ^ (unsigned)__builtin_clzll(v);
	const unsigned more = (9 * log2 + 9) / 64; /* log2 / 7 as far as 56 bits */

	if (__builtin_expect(more > 7, 0)) {
		*p = 0;
		bytes_put_u64(p + 1, v);
		return p + 9;
	}
	bytes_put_u64(p, (v << 1 | 1) << more);
	return p + more + 1;
}

/* ... v of any value. */
static inline uint8_t *bytes_put_varint(uint8_t *p, uint64_t v)
{
	if (v)
		return bytes_put_positive(p, v);
	*p = 1;
	return p + 1;
}

/* Reads forward through [pos, end); a failed read leaves the cursor where it was. */
struct bytes_cursor {
	const uint8_t *pos, *end;
};

static inline size_t bytes_left(const struct bytes_cursor *c)
{
	return (size_t)(c->end - c->pos);
}

/* False when the varint runs over the end. */
static inline bool bytes_varint(struct bytes_cursor *c, uint64_t *ret)
{
	uint8_t last[BYTES_VARINT_MAX] = { 0 };
	const uint8_t *p = c->pos;
	const size_t left = bytes_left(c);

	if (__builtin_expect(left < BYTES_VARINT_MAX, 0)) {
		if (left == 0)
			return false;
		memcpy(last, p, left);
		p = last;
	}
	const uint64_t word = bytes_get_u64(p);
	const unsigned size = (unsigned)__builtin_ctzll(word | 0x100) + 1;

	if (__builtin_expect(size > left, 0))
		return false;
	c->pos += size;
	if (__builtin_expect(size == BYTES_VARINT_MAX, 0))
		*ret = bytes_get_u64(p + 1);
	else
		*ret = word << (64 - 8 * size) >> (64 - 7 * size);
	return true;
}

/* As bytes_varint, and false when the number is above max. */
static inline bool bytes_varint_max(struct bytes_cursor *c, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (!bytes_varint(c, &v) || v > max)
		return false;
	*ret = v;
	return true;
}

/* The next size bytes, in place; NULL when there are fewer. */
static inline const uint8_t *bytes_take(struct bytes_cursor *c, size_t size)
{
	const uint8_t *p = c->pos;

	if (bytes_left(c) < size)
		return NULL;
	c->pos += size;
	return p;
}

#endif
