/* SPDX-License-Identifier: MIT */
/* json - see json.h. */
#include "formats/export/json.h"

#include <assert.h>
#include <string.h>

void json_flush(struct json *j)
{
	if (j->waiting)
		(void)fwrite(j->buffer, 1, j->waiting, j->file);
	j->waiting = 0;
}

/* Where so many bytes, few, can be put. */
static inline char *json_room(struct json *j, size_t size)
{
	assert(size <= JSON_BUFFER);
	if (JSON_BUFFER - j->waiting < size)
		json_flush(j);
	return j->buffer + j->waiting;
}

static inline void json_put(struct json *j, char c)
{
	*json_room(j, 1) = c;
	j->waiting++;
}

void json_put_plain(struct json *j, const char *text, size_t size)
{
	while (size > 0) {
		const size_t n = size < JSON_BUFFER ? size : JSON_BUFFER;

		memcpy(json_room(j, n), text, n);
		j->waiting += (uint32_t)n;
		text += n;
		size -= n;
	}
}

static void json_put_hex_digits(struct json *j, uint32_t value, int digits)
{
	for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
		json_put(j, "0123456789abcdef"[value >> shift & 15]);
}

static void json_put_unit(struct json *j, uint32_t unit)
{
	json_put_ascii(j, "\\u");
	json_put_hex_digits(j, unit, 4);
}

/* Whether a string may hold the byte as it is. */
static inline bool json_is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* A character inside a string. */
static void json_put_character(struct json *j, uint32_t c)
{
	if (c == '"' || c == '\\') {
		json_put(j, '\\');
		json_put(j, (char)c);
	} else if (c >= ' ' && c < 0x7f) {
		json_put(j, (char)c);
	} else if (c == '\n') {
		json_put_ascii(j, "\\n");
	} else if (c == '\t') {
		json_put_ascii(j, "\\t");
	} else if (c < 0x10000) {
		json_put_unit(j, c);
	} else {
		json_put_unit(j, 0xd800 + ((c - 0x10000) >> 10));
		json_put_unit(j, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
}

/* Bytes of the sequence that begins with this byte, 0 for none, and its first bits. */
static unsigned json_sequence(uint8_t first, uint32_t *bits_ret)
{
	if (first >= 0xc2 && first < 0xe0) {
		*bits_ret = first & 0x1f;
		return 2;
	}
	if (first >= 0xe0 && first < 0xf0) {
		*bits_ret = first & 0x0f;
		return 3;
	}
	if (first >= 0xf0 && first < 0xf5) {
		*bits_ret = first & 0x07;
		return 4;
	}
	return 0;
}

uint32_t json_character(const char *text, size_t size, size_t *size_ret)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *const p = (const uint8_t *)text;
	uint32_t c = 0;
	unsigned n;

	*size_ret = 1;
	if (p[0] < 0x80)
		return p[0];
	n = json_sequence(p[0], &c);
	if (n == 0 || n > size)
		return 0xdc00u + p[0];
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xdc00u + p[0];
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff)
		return 0xdc00u + p[0];
	*size_ret = n;
	return c;
}

/* ---- structure ---- */

static void json_separate(struct json *j)
{
	if (j->comma)
		json_put(j, ',');
	j->comma = true;
}

void json_open(struct json *j, char bracket)
{
	json_separate(j);
	json_put(j, bracket);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	json_put(j, bracket);
	j->comma = true;
}

void json_key_sized(struct json *j, const char *key, size_t size)
{
	char *at = json_room(j, size + 4);

	*at = ',';
	at += j->comma;
	*at++ = '"';
	memcpy(at, key, size);
	at += size;
	*at++ = '"';
	*at++ = ':';
	j->waiting = (uint32_t)(at - j->buffer);
	j->comma = false;
}

void json_line(struct json *j)
{
	json_put(j, '\n');
	j->comma = false;
}

void json_word(struct json *j, const char *word)
{
	json_separate(j);
	json_put_ascii(j, word);
}

void json_put_u64(struct json *j, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char digits[20];
	size_t at = sizeof(digits);

	for (; value >= 100; value /= 100)
		memcpy(digits + (at -= 2), pairs + 2 * (value % 100), 2);
	if (value >= 10)
		memcpy(digits + (at -= 2), pairs + 2 * value, 2);
	else
		digits[--at] = (char)('0' + value);
	json_put_plain(j, digits + at, sizeof(digits) - at);
}

void json_put_hex(struct json *j, uint64_t value)
{
	const int bits = value ? 64 - __builtin_clzll(value) : 1;

	json_put_ascii(j, "0x");
	for (int shift = (bits - 1) / 4 * 4; shift >= 0; shift -= 4)
		json_put(j, "0123456789abcdef"[value >> shift & 15]);
}

void json_u64(struct json *j, uint64_t value)
{
	json_separate(j);
	json_put_u64(j, value);
}

/* ---- strings ---- */

void json_string_begin(struct json *j)
{
	json_separate(j);
	json_put(j, '"');
}

void json_string_end(struct json *j)
{
	json_put(j, '"');
}

void json_put_text(struct json *j, const char *text, size_t size)
{
	size_t n;

	for (; size > 0; text += n, size -= n) {
		for (n = 0; n < size && json_is_plain((unsigned char)text[n]);)
			n++;
		if (n)
			json_put_plain(j, text, n);
		else
			json_put_character(j, json_character(text, size, &n));
	}
}

void json_text(struct json *j, const char *text, size_t size)
{
	json_string_begin(j);
	json_put_text(j, text, size);
	json_string_end(j);
}

void json_latin1(struct json *j, const char *text, size_t size)
{
	json_string_begin(j);
	for (size_t i = 0; i < size; i++)
		json_put_character(j, (uint8_t)text[i]);
	json_string_end(j);
}

/* A Python escape: the backslash itself must be escaped for JSON. */
static void json_put_escape(struct json *j, char letter, uint32_t value, int digits)
{
	json_put_ascii(j, "\\\\");
	json_put(j, letter);
	json_put_hex_digits(j, value, digits);
}

/* What repr escapes: the ranges that matter of Unicode's not printable characters. */
static bool json_unprintable(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c <= 0xa0) || c == 0xad ||
		(c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
		(c >= 0x205f && c <= 0x206f) || (c >= 0xd800 && c <= 0xf8ff) ||
		c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) || c >= 0xe0000;
}

static void json_put_repr_character(struct json *j, uint32_t c, char quote)
{
	if (c == (uint32_t)quote || c == '\\') {
		json_put_character(j, '\\');
		json_put_character(j, c);
	} else if (c == '\n' || c == '\r' || c == '\t') {
		json_put_ascii(j, "\\\\");
		json_put(j, c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	} else if (!json_unprintable(c)) {
		json_put_character(j, c);
	} else if (c < 0x100) {
		json_put_escape(j, 'x', c, 2);
	} else if (c < 0x10000) {
		json_put_escape(j, 'u', c, 4);
	} else {
		json_put_escape(j, 'U', c, 8);
	}
}

/* As Python chooses: double quotes only when they save escapes. */
static char json_choose_quote(const char *text, size_t size)
{
	return memchr(text, '\'', size) && !memchr(text, '"', size) ? '"' : '\'';
}

void json_put_str_repr(struct json *j, const char *text, size_t size, bool cut)
{
	const char quote = size > 0 ? json_choose_quote(text, size) : '\'';
	size_t n;

	json_put_character(j, (uint8_t)quote);
	for (; size > 0; text += n, size -= n)
		json_put_repr_character(j, json_character(text, size, &n), quote);
	json_put_character(j, (uint8_t)quote);
	if (cut)
		json_put_ascii(j, "...");
}

void json_put_bytes_repr(struct json *j, const char *text, size_t size, bool cut)
{
	const char quote = size > 0 ? json_choose_quote(text, size) : '\'';

	json_put(j, 'b');
	json_put_character(j, (uint8_t)quote);
	for (size_t i = 0; i < size; i++) {
		const uint8_t byte = (uint8_t)text[i];

		if (byte >= 0x7f)
			json_put_escape(j, 'x', byte, 2);
		else
			json_put_repr_character(j, byte, quote);
	}
	json_put_character(j, (uint8_t)quote);
	if (cut)
		json_put_ascii(j, "...");
}

void json_member_text(struct json *j, const char *key, const char *text, size_t size)
{
	json_key(j, key);
	json_text(j, text, size);
}
