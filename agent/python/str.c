/* SPDX-License-Identifier: MIT */
/* str - see str.h. */
#include "agent/python/str.h"

#include <string.h>

bool str_data(const struct layout *lay, uint64_t obj, uint64_t *length_ret,
	      uint32_t *kind_ret, uint64_t *data_ret)
{
	uint32_t state, kind;

	if (lay->unknown & LAYOUT_STR)
		return false;
	state = peek32(obj + lay->str_state);
	kind = state >> lay->str_kind_shift & 7;
	*length_ret = peek64(obj + lay->str_length);
	*kind_ret = kind;
	if (kind != 1 && kind != 2 && kind != 4)
		return false; /* a legacy string that was never made ready (<= 3.11) */
	if (state >> lay->str_compact_bit & 1)
		*data_ret = obj +
			(state >> lay->str_ascii_bit & 1 ? lay->str_ascii_size :
							   lay->str_compact_size);
	else
		*data_ret = peek64(obj + lay->str_full_size - 8);
	return *data_ret != 0;
}

bool str_state_sound(const struct layout *lay, uint32_t state)
{
	const uint32_t kind = state >> lay->str_kind_shift & 7;
	const bool compact = state >> lay->str_compact_bit & 1;
	const bool ascii = state >> lay->str_ascii_bit & 1;

	if (kind == 0)
		return !compact && !ascii;
	return kind == 1 || (!ascii && (kind == 2 || kind == 4));
}

static inline uint32_t str_char(uint64_t data, uint32_t kind, uint64_t i)
{
	return kind == 1  ? peek8(data + i) :
		kind == 2 ? peek16(data + i * 2) :
			    peek32(data + i * 4);
}

/* Encodes one code point; returns its bytes (0: not a code point). */
static inline unsigned str_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	if (c > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

size_t str_text(const struct layout *lay, uint64_t obj, char *buf, size_t size)
{
	uint64_t length, data;
	size_t used = 0;
	uint32_t kind;
	char one[4];

	buf[0] = 0;
	if (!obj || !object_has(lay, obj, TYPE_STR_SUBCLASS) ||
	    !str_data(lay, obj, &length, &kind, &data))
		return 0;
	if (kind == 1 && (peek32(obj + lay->str_state) >> lay->str_ascii_bit & 1)) {
		used = length < size ? (size_t)length : size - 1;
		memcpy(buf, peek_bytes(data, used), used);
		buf[used] = 0;
		return used;
	}
	for (uint64_t i = 0; i < length; i++) {
		unsigned n = str_put(one, str_char(data, kind, i));

		if (!n || used + n >= size)
			break;
		memcpy(buf + used, one, n);
		used += n;
	}
	buf[used] = 0;
	return used;
}

uint32_t str_encode(char *out, uint64_t data, uint32_t kind, uint64_t count)
{
	char *p = out;

	for (uint64_t i = 0; i < count; i++)
		p += str_put(p, str_char(data, kind, i));
	return (uint32_t)(p - out);
}

bool str_is(const struct layout *lay, uint64_t obj, const char *text, size_t size)
{
	uint64_t length, data;
	uint32_t kind;

	if (!object_has(lay, obj, TYPE_STR_SUBCLASS))
		return false;
	return str_data(lay, obj, &length, &kind, &data) && kind == 1 && length == size &&
		!memcmp(peek_bytes(data, size), text, size);
}
