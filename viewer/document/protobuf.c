/* SPDX-License-Identifier: MIT */
/* protobuf - see protobuf.h. */
#include "viewer/document/protobuf.h"

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, VARINT_MAX = 10 };

void protobuf_free(struct protobuf *m)
{
	vec_free(&m->bytes);
	m->err = 0;
}

static void protobuf_append(struct protobuf *m, const void *bytes, size_t size)
{
	if (!m->err && size)
		m->err = vec_append(&m->bytes, bytes, size);
}

static size_t protobuf_code(uint8_t *ret, uint64_t value)
{
	size_t size = 0;

	for (; value >= 0x80; value >>= 7)
		ret[size++] = (uint8_t)(value | 0x80);
	ret[size++] = (uint8_t)value;
	return size;
}

static void protobuf_varint(struct protobuf *m, uint64_t value)
{
	uint8_t code[VARINT_MAX];

	protobuf_append(m, code, protobuf_code(code, value));
}

void protobuf_number(struct protobuf *m, unsigned field, uint64_t value)
{
	if (!value)
		return;
	protobuf_varint(m, field << 3 | WIRE_VARINT);
	protobuf_varint(m, value);
}

void protobuf_text(struct protobuf *m, unsigned field, const void *bytes, size_t size)
{
	protobuf_varint(m, field << 3 | WIRE_BYTES);
	protobuf_varint(m, size);
	protobuf_append(m, bytes, size);
}

void protobuf_numbers(struct protobuf *m, unsigned field, const uint64_t *values,
		      size_t count)
{
	uint8_t code[VARINT_MAX];
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += protobuf_code(code, values[i]);
	protobuf_varint(m, field << 3 | WIRE_BYTES);
	protobuf_varint(m, size);
	for (size_t i = 0; i < count; i++)
		protobuf_varint(m, values[i]);
}

void protobuf_message(struct protobuf *m, unsigned field, struct protobuf *inner)
{
	protobuf_text(m, field, inner->bytes.data, inner->bytes.size);
	if (!m->err)
		m->err = inner->err;
	inner->bytes.size = 0;
}
