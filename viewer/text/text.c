/* SPDX-License-Identifier: MIT */
/* text - see text.h. */
#include "viewer/text/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/escape.h"

/* ---- growing text ---- */

static unsigned long text_failed;

void text_fail(struct text *text)
{
	text->err = -ENOMEM;
	text_failed++;
}

unsigned long text_failures(void)
{
	return text_failed;
}

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

const char *text_get(const struct text *text)
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
	const size_t len = text_len(text);

	if (len + size >= text->buf.capacity && vec_reserve(&text->buf, size + 1)) {
		text_fail(text);
		return;
	}
	char *const end = (char *)text->buf.data + len;
	if (size)
		memcpy(end, bytes, size);
	end[size] = '\0';
	text->buf.size = len + size + 1;
}

void text_add(struct text *text, const char *ascii)
{
	text_add_bytes(text, ascii, strlen(ascii));
}

void text_printf(struct text *text, const char *format, ...)
{
	char buf[512], *longer = NULL;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	if (n > 0 && (size_t)n >= sizeof(buf)) {
		va_start(args, format);
		n = vasprintf(&longer, format, args);
		va_end(args);
		if (n < 0) {
			text->err = -ENOMEM;
			return;
		}
	}
	if (n > 0)
		text_add_bytes(text, longer ? longer : buf, (size_t)n);
	free(longer);
}

/* ---- escaping ---- */

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
		const char byte = bytes[at];
		len = 1;
		if (byte >= ' ' && byte <= '~' && byte != '\\' && byte != quote)
			continue;
		const int32_t c = escape_decode(bytes + at, size - at, &len);
		const bool quoted = c == '\\' || (quote && c == quote);
		char escaped[ESCAPE_MAX] = { '\\', (char)c };
		if (!quoted && escape_printable(c))
			continue;
		if (!quoted)
			escape_write(escaped, c, (unsigned char)bytes[at]);
		text_add_bytes(text, bytes + plain, at - plain);
		text_add(text, escaped);
		plain = at + len;
	}
	text_add_bytes(text, bytes + plain, size - plain);
}
