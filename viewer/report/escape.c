/* SPDX-License-Identifier: MIT */
/*
 * escape - target text made safe to show (escape.h).
 *
 * What is let through is decided by code point, from a table of ranges that
 * move the cursor, change direction, hide, or mean nothing outside the target:
 * controls, format characters, line separators, surrogates, private use,
 * noncharacters, tags (Unicode 15, general categories Cc, Cf, Zl, Zp, Cs, Co).
 */
#include "viewer/report/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- growing text ---- */

void text_free(struct text *text)
{
	vec_free(&text->buf);
	text->err = 0;
}

void text_clear(struct text *text)
{
	text->buf.size = 0;
	text->err = 0;
}

const char *text_str(const struct text *text)
{
	return text->buf.size ? text->buf.data : "";
}

size_t text_len(const struct text *text)
{
	return text->buf.size ? text->buf.size - 1 : 0;
}

void text_add_bytes(struct text *text, const char *bytes, size_t size)
{
	if (text->err)
		return;
	if (text->buf.size)
		text->buf.size--; /* the NUL */
	if (vec_append(&text->buf, bytes, size) || vec_append(&text->buf, "", 1))
		text->err = -ENOMEM;
}

void text_add(struct text *text, const char *ascii)
{
	text_add_bytes(text, ascii, strlen(ascii));
}

void text_printf(struct text *text, const char *format, ...)
{
	char buf[512];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	if (n > 0)
		text_add_bytes(text, buf,
			       (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
}

/* ---- UTF-8 ---- */

int32_t utf8_decode(const char *bytes, size_t size, size_t *len_ret)
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

int codepoint_printable(int32_t c)
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

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (c >= hidden[i].from && c <= hidden[i].to)
			return 0;
	return c >= 0 && (c & 0xfffe) != 0xfffe;
}

/* ---- escaping ---- */

static void escape_char(struct text *text, int32_t c, unsigned char byte, char quote)
{
	if (c < 0)
		text_printf(text, "\\x%02x", byte);
	else if (c == '\\')
		text_add(text, "\\\\");
	else if (quote && c == quote)
		text_printf(text, "\\%c", quote);
	else if (c == '\n' || c == '\r' || c == '\t')
		text_add(text, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
	else if (c < 0x100)
		text_printf(text, "\\x%02x", (unsigned)c);
	else if (c < 0x10000)
		text_printf(text, "\\u%04x", (unsigned)c);
	else
		text_printf(text, "\\U%08x", (unsigned)c);
}

void text_escape(struct text *text, const char *bytes, size_t size, size_t limit,
		 char quote)
{
	size_t plain = 0, at = 0, len = 1;

	for (size_t chars = 0; at < size; at += len, chars++) {
		if (limit && chars == limit) {
			text_add_bytes(text, bytes + plain, at - plain);
			text_add(text, "...");
			return;
		}
		int32_t c = utf8_decode(bytes + at, size - at, &len);
		if (c >= 0 && c != '\\' && !(quote && c == quote) &&
		    codepoint_printable(c))
			continue;
		text_add_bytes(text, bytes + plain, at - plain);
		escape_char(text, c, (unsigned char)bytes[at], quote);
		plain = at + len;
	}
	text_add_bytes(text, bytes + plain, size - plain);
}
