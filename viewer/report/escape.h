/* SPDX-License-Identifier: MIT */
/*
 * escape - growing text, into which a target's text goes escaped (formats/escape.h says
 * how; here a backslash is doubled, so that what was meant can be read back), and
 * numbers made readable.
 */
#ifndef PYMEM_VIEWER_REPORT_ESCAPE_H
#define PYMEM_VIEWER_REPORT_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

#include "viewer/model/vec.h"

/* A growing text; always NUL-terminated once something was added. */
struct text {
	struct vec buf; /* bytes and the NUL */
	int err;	/* 0 or -ENOMEM, sticky */
};
void text_free(struct text *text);
void text_clear(struct text *text);
/* "" when empty or out of memory. */
const char *text_get(const struct text *text);
size_t text_len(const struct text *text);
void text_add(struct text *text, const char *ascii);
void text_add_bytes(struct text *text, const char *bytes, size_t size); /* unescaped */
void text_printf(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends escaped target text, at most limit characters of input (0 = no limit), then an
 * ellipsis "..." when cut. quote: 0, or '\'' / '"' which is escaped too (not written
 * around). */
void text_escape(struct text *text, const char *bytes, size_t size, size_t limit,
		 char quote);

/* "1.25 MB" (1024-based: B KB MB GB TB PB), negative ones "-1.25 MB". Returns buf. */
#define HUMAN_SIZE 32
const char *human_bytes(char buf[HUMAN_SIZE], int64_t bytes);
const char *human_bytes_u64(char buf[HUMAN_SIZE], uint64_t bytes);
/* With explicit sign: "+1.25 MB", "-3 B", "0 B". */
const char *human_bytes_diff(char buf[HUMAN_SIZE], int64_t bytes);
/* "1,234,567" */
const char *human_count(char buf[HUMAN_SIZE], uint64_t count);
const char *human_count_diff(char buf[HUMAN_SIZE], int64_t count);
/* "12.3 %"; not quite all is never 100: "99.9917 %". */
const char *human_share(char buf[HUMAN_SIZE], double ratio);
/* "1.25 ms" */
const char *human_ns(char buf[HUMAN_SIZE], uint64_t ns);

#endif
