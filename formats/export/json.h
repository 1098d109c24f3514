/* SPDX-License-Identifier: MIT */
/*
 * json - writes JSON, from bytes that may be anything, as pure ASCII.
 *
 * Text is meant as UTF-8 with encoded surrogates (WTF-8): characters beyond ASCII become
 * \u escapes, in pairs beyond U+FFFF; a byte that is no UTF-8 becomes \udcXX as Python's
 * surrogateescape has it, so nothing is lost and nothing unescaped gets through.
 *
 * What is put waits in the writer's own buffer: an export is bound by these bytes.
 */
#ifndef PYMEM_FORMATS_EXPORT_JSON_H
#define PYMEM_FORMATS_EXPORT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { JSON_BUFFER = 32 << 10 };

/* All zeros but for the file is a new one. */
struct json {
	FILE *file;
	bool comma;	  /* a member or element came before, in this object or array */
	uint32_t waiting; /* bytes of buffer */
	char buffer[JSON_BUFFER];
};

/* Gives the file what waits: at the end, and before another writes to it.  Errors are the
 * file's: ask ferror then. */
void json_flush(struct json *j);

/* An array or an object, and what is in it. */
void json_open(struct json *j,
	       char bracket); /* { or [ as a value, after json_key if any */
void json_close(struct json *j, char bracket);
/* ASCII, not escaped; at most 64 bytes. */
void json_key_sized(struct json *j, const char *key, size_t size);
static inline void json_key(struct json *j, const char *key)
{
	json_key_sized(j, key, strlen(key));
}
void json_u64(struct json *j, uint64_t value);
void json_text(struct json *j, const char *text, size_t size);
void json_latin1(struct json *j, const char *text, size_t size); /* one char per byte */
void json_word(struct json *j, const char *word); /* true, false, null, a number */
void json_line(struct json *j);			  /* newline; begins anew */

/* A string in parts: begin, any of the puts, end. */
void json_string_begin(struct json *j);
/* Plain text, which needs no escapes. */
void json_put_plain(struct json *j, const char *text, size_t size);
static inline void json_put_ascii(struct json *j, const char *text)
{
	json_put_plain(j, text, strlen(text));
}
void json_put_text(struct json *j, const char *text, size_t size);
void json_put_u64(struct json *j, uint64_t value);
void json_put_hex(struct json *j, uint64_t value); /* 0x... */
/* As Python's repr of a str or bytes; cut = it goes on, "..." is added. */
void json_put_str_repr(struct json *j, const char *text, size_t size, bool cut);
void json_put_bytes_repr(struct json *j, const char *text, size_t size, bool cut);
void json_string_end(struct json *j);

/* Members. */
static inline void json_member_u64(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}
void json_member_text(struct json *j, const char *key, const char *text, size_t size);

/*
 * The next character of text (UTF-8 or an encoded surrogate); *size_ret bytes long.  A
 * byte that begins none: 0xdc00 + byte, size 1.  size must not be 0.
 */
uint32_t json_character(const char *text, size_t size, size_t *size_ret);

#endif
