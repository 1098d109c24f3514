/* SPDX-License-Identifier: MIT */
/*
 * text - words for people and JSON for programs, from bytes that may come from
 * a target and so are never trusted.
 */
#ifndef PYMEM_LOADER_TEXT_H
#define PYMEM_LOADER_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Copies size bytes of src into dst (capacity >= 1, always terminated, cut at a
 * whole character).  Control characters, bytes that aren't UTF-8 and the
 * invisible ones that turn or hide text (U+200B-200F, U+2028-202E, U+2060-2069,
 * U+FEFF, C1) become \xNN.  Returns dst.
 */
char *text_printable(char *dst, size_t capacity, const char *src, size_t size);
/* src as a JSON string with its quotes, ASCII only; invalid UTF-8 becomes U+FFFD. */
void text_json(FILE *out, const char *src);

/* "1.5 GB": powers of 1024, three digits or so. buf: at least 24 bytes. Returns buf. */
char *text_bytes(char buf[24], uint64_t bytes);
/* "12,345,678". buf: at least 32 bytes. Returns buf. */
char *text_count(char buf[32], uint64_t count);
/* "3.2 ms", "850 us", "12.5 s". buf: at least 24 bytes. Returns buf. */
char *text_time(char buf[24], uint64_t ns);

#endif
