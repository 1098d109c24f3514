/* SPDX-License-Identifier: MIT */
/*
 * escape - the one place that says which characters of a text that isn't ours may be
 * shown, and how the others are written.
 *
 * Names of processes, files, types, control groups, hosts; command lines; messages of
 * an agent: all of them are chosen by somebody else, who may have chosen what moves
 * the cursor, turns the direction of writing, hides, or ends a string.  Loader and
 * viewer print them through print.h, which asks here; the viewer's reports and cells
 * and the exporters ask here, too.
 *
 * Written instead: \n \r \t; controls (C0, DEL, C1) and bytes that are no UTF-8 as
 * \xNN; other hidden characters as \uNNNN or \UNNNNNNNN.
 */
#ifndef PYMEM_FORMATS_TEXT_ESCAPE_H
#define PYMEM_FORMATS_TEXT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes that escape_write makes, with a NUL. */
#define ESCAPE_MAX 12

/*
 * The code point at bytes (size >= 1 are left), its length in *len_ret; -1 and length
 * 1 where there is none (overlong, cut, beyond U+10FFFF).  Surrogates in the form of
 * WTF-8 are given as they are: CPython has strings of them.
 */
int32_t escape_decode(const char *bytes, size_t size, size_t *len_ret);
/* Whether a code point may be shown as it is; false for -1. */
bool escape_printable(int32_t c);
/*
 * Writes a code point that may not be shown (-1: the byte), NUL-terminated, in ASCII.
 * Returns the length, at most ESCAPE_MAX - 1.
 */
size_t escape_write(char out[ESCAPE_MAX], int32_t c, unsigned char byte);
/*
 * Copies size bytes of src into dst (capacity >= 1, always terminated, cut at a whole
 * character), escaped.  A backslash stays single, so doing it twice changes nothing.
 * Returns dst.
 */
char *escape_copy(char *dst, size_t capacity, const char *src, size_t size);

#endif
