/* SPDX-License-Identifier: MIT */
/*
 * escape - see escape.h.
 *
 * What is let through is decided by code point, from a table of ranges that move the
 * cursor, change direction, hide, or mean nothing outside the target: controls, format
 * characters, line separators, surrogates, private use, noncharacters, tags (Unicode
 * 15, general categories Cc, Cf, Zl, Zp, Cs, Co).
 */
#include "formats/text/escape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int32_t escape_decode(const char *bytes, size_t size, size_t *len_ret)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)bytes;
	size_t len = p[0] < 0x80 ? 1 :
		p[0] < 0xc2	 ? 0 :
		p[0] < 0xe0	 ? 2 :
		p[0] < 0xf0	 ? 3 :
		p[0] < 0xf5	 ? 4 :
				   0;
	int32_t c = len == 1 ? p[0] : p[0] & (0x7f >> len);

	assert(size > 0);
	*len_ret = 1;
	if (len == 0 || len > size)
		return -1;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c > 0x10ffff || (len > 1 && c < least[len]))
		return -1;
	*len_ret = len;
	return c;
}

bool escape_printable(int32_t c)
{
	static const struct {
		int32_t from, to;
	} hidden[] = {
		{ 0x00, 0x1f },	      { 0x7f, 0x9f },	     { 0xad, 0xad },
		{ 0x34f, 0x34f },     { 0x600, 0x605 },	     { 0x61c, 0x61c },
		{ 0x6dd, 0x6dd },     { 0x70f, 0x70f },	     { 0x890, 0x891 },
		{ 0x8e2, 0x8e2 },     { 0x115f, 0x1160 },    { 0x17b4, 0x17b5 },
		{ 0x180b, 0x180f },   { 0x200b, 0x200f },    { 0x2028, 0x202e },
		{ 0x2060, 0x206f },   { 0x3164, 0x3164 },    { 0xd800, 0xf8ff },
		{ 0xfdd0, 0xfdef },   { 0xfe00, 0xfe0f },    { 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },    { 0xfffe, 0xffff },
		{ 0x110bd, 0x110cd }, { 0x13430, 0x1345f },  { 0x1bca0, 0x1bcaf },
		{ 0x1d173, 0x1d17a }, { 0xe0000, 0x10ffff },
	};

	if (c >= 0x20 && c < 0x7f)
		return true;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (c >= hidden[i].from && c <= hidden[i].to)
			return false;
	return c >= 0 && (c & 0xfffe) != 0xfffe;
}

size_t escape_write(char out[ESCAPE_MAX], int32_t c, unsigned char byte)
{
	const char *const short_form = c == '\n' ? "\\n" :
		c == '\r'			 ? "\\r" :
		c == '\t'			 ? "\\t" :
						   NULL;

	if (short_form)
		return strlen(strcpy(out, short_form));
	if (c < 0x100)
		return (size_t)snprintf(out, ESCAPE_MAX, "\\x%02x",
					c < 0 ? byte : (unsigned)c);
	return (size_t)snprintf(out, ESCAPE_MAX, c < 0x10000 ? "\\u%04x" : "\\U%08x",
				(unsigned)c);
}

char *escape_copy(char *dst, size_t capacity, const char *src, size_t size)
{
	size_t used = 0, len = 1;

	for (size_t i = 0; i < size; i += len) {
		char escaped[ESCAPE_MAX];
		const int32_t c = escape_decode(src + i, size - i, &len);
		const bool plain = escape_printable(c);
		const size_t n =
			plain ? len : escape_write(escaped, c, (unsigned char)src[i]);
		if (used + n >= capacity)
			break;
		memcpy(dst + used, plain ? src + i : escaped, n);
		used += n;
	}
	dst[used] = '\0';
	return dst;
}
