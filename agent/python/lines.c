/* SPDX-License-Identifier: MIT */
/* lines - see lines.h */
#include "agent/python/lines.h"

/* Pairs: bytes of code, then a signed line step that takes effect after them. */
static uint32_t lines_lnotab(const unsigned char *t, size_t size, uint32_t first,
			     int64_t addr)
{
	int64_t line = first, pos = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		pos += t[i];
		if (pos > addr)
			break;
		line += (int8_t)t[i + 1];
	}
	return line > 0 ? (uint32_t)line : 0;
}

/* Pairs: bytes of code a range spans, signed step to its line; -128 = no line. */
static uint32_t lines_table_310(const unsigned char *t, size_t size, uint32_t first,
				int64_t addr)
{
	int64_t line = first, end = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		int step = (int8_t)t[i + 1];

		end += t[i];
		if (step != -128)
			line += step;
		if (addr < end)
			return step == -128 || line <= 0 ? 0 : (uint32_t)line;
	}
	return 0;
}

/* Signed varint, 6 bits a byte, bit 6 = more follow, sign in the lowest bit. */
static int64_t lines_varint(const unsigned char *t, size_t size, size_t at)
{
	uint64_t v = 0;
	unsigned shift = 0;

	while (at < size && shift < 60) {
		v |= (uint64_t)(t[at] & 63) << shift;
		if (!(t[at++] & 64))
			break;
		shift += 6;
	}
	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

/*
 * Entries: a byte 1cccclll (kind of entry, code units - 1), then bytes below
 * 128.  Kinds 0-9 stay on the line, 10-12 step by 0-2, 13 and 14 step by a
 * signed varint, 15 has no line.
 */
static uint32_t lines_locations(const unsigned char *t, size_t size, uint32_t first,
				int64_t addr)
{
	int64_t line = first, end = 0;

	for (size_t i = 0; i < size;) {
		unsigned kind = t[i] >> 3 & 15;

		end += 2 * ((t[i] & 7) + 1);
		if (kind >= 10 && kind <= 12)
			line += kind - 10;
		else if ((kind == 13 || kind == 14) &&
			 __builtin_add_overflow(line, lines_varint(t, size, i + 1),
						&line))
			return 0; /* no table of a compiler's */
		if (addr < end)
			return kind == 15 || line <= 0 ? 0 : (uint32_t)line;
		for (i++; i < size && !(t[i] & 128); i++)
			;
	}
	return 0;
}

uint32_t lines_lookup(enum line_format format, const unsigned char *table, size_t size,
		      uint32_t first, int64_t addr)
{
	if (addr < 0)
		return first;
	switch (format) {
	case LINES_LNOTAB:
		return lines_lnotab(table, size, first, addr);
	case LINES_310:
		return lines_table_310(table, size, first, addr);
	case LINES_LOCATIONS:
		return lines_locations(table, size, first, addr);
	}
	return 0;
}
