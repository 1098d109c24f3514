/* SPDX-License-Identifier: MIT */
/* text - see text.h. */
#include "loader/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/*
 * Decodes one character at s (n >= 1 bytes): its length, or 0 when it isn't
 * UTF-8 (overlong forms and surrogates are not).
 */
static size_t decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = 1;
	uint32_t c = s[0];

	if (c >= 0xf0 && c < 0xf8) {
		len = 4;
		c &= 7;
	} else if (c >= 0xe0) {
		len = c < 0xf0 ? 3 : 0;
		c &= 15;
	} else if (c >= 0xc0) {
		len = 2;
		c &= 31;
	} else if (c >= 0x80) {
		len = 0;
	}
	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

static bool hides(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
		(c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) ||
		c == 0xfeff;
}

char *text_printable(char *dst, size_t capacity, const char *src, size_t size)
{
	const unsigned char *s = (const unsigned char *)src;
	size_t used = 0;

	for (size_t i = 0; i < size;) {
		uint32_t c;
		const size_t len = decode(s + i, size - i, &c);
		if (len > 0 && !hides(c)) {
			if (used + len >= capacity)
				break;
			memcpy(dst + used, s + i, len);
			used += len;
			i += len;
			continue;
		}
		const size_t bad = len > 0 ? len : 1;
		if (used + 4 * bad >= capacity)
			break;
		for (size_t k = 0; k < bad; k++)
			used += (size_t)snprintf(dst + used, capacity - used, "\\x%02x",
						 (unsigned)s[i + k]);
		i += bad;
	}
	dst[used] = '\0';
	return dst;
}

static void json_char(FILE *out, uint32_t c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (int)c);
	else if (c >= 0x20 && c < 0x7f)
		fputc((int)c, out);
	else if (c < 0x10000)
		fprintf(out, "\\u%04x", (unsigned)c);
	else
		fprintf(out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
			(unsigned)(0xdc00 | (c & 0x3ff)));
}

void text_json(FILE *out, const char *src)
{
	const unsigned char *s = (const unsigned char *)src;
	const size_t size = strlen(src);

	fputc('"', out);
	for (size_t i = 0; i < size;) {
		uint32_t c = 0xfffd;
		const size_t len = decode(s + i, size - i, &c);
		json_char(out, len > 0 ? c : 0xfffd);
		i += len > 0 ? len : 1;
	}
	fputc('"', out);
}

char *text_bytes(char buf[24], uint64_t bytes)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t u = 0;

	/* 1023.95 would be written "1024.0": it belongs to the next unit. */
	while (v >= (u == 0 ? 1024.0 : 1023.95) &&
	       u + 1 < sizeof(units) / sizeof(*units)) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		snprintf(buf, 24, "%" PRIu64 " B", bytes);
	else
		snprintf(buf, 24, "%.1f %s", v, units[u]);
	return buf;
}

char *text_count(char buf[32], uint64_t count)
{
	char digits[24];
	const int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t used = 0;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			buf[used++] = ',';
		buf[used++] = digits[i];
	}
	buf[used] = '\0';
	return buf;
}

char *text_time(char buf[24], uint64_t ns)
{
	if (ns < 1000)
		snprintf(buf, 24, "%u ns", (unsigned)ns);
	else if (ns < 1000000)
		snprintf(buf, 24, "%.0f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, 24, "%.1f ms", (double)ns / 1e6);
	else
		snprintf(buf, 24, "%.2f s", (double)ns / 1e9);
	return buf;
}
